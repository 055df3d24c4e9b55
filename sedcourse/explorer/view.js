// What the explorer shows: elements, colours, and a spectrogram with its axes and its histogram.
import { RATE, ceil, centres, floor, max, min, skewness } from "./pcen.js";

const SCALES = { // 17 colours each
  magma: "0000040a08221d114736106b51127c6a1c818326819c2e7fb73779d0416fe75263f56b5cfc8961fea772fec488fde2a3fcfdbf",
  cividis: "00224e002e6a1a386f32436d434e6c535a6d61656f6f70737d7c788c88789b9476aba072bcae6ccdbb63dec958f0d846fee838",
};
const STYLE = `
.pcen-explorer{font:15px/1.4 system-ui,sans-serif;color:var(--jp-ui-font-color1,CanvasText);max-width:1400px;
*{box-sizing:border-box}
.row{display:flex;flex-wrap:wrap;gap:.5em 1em;align-items:center;margin:.5em 0}
:is(button,select,input[type=file]){font:inherit;min-height:2.2em;max-width:100%}
[type=file]{width:18em}
button[aria-pressed=true]{outline:3px solid #0072b2}
:focus-visible{outline:3px solid #e69f00;outline-offset:1px}
fieldset{border:1px solid #8888;border-radius:6px;flex:1 1 300px;min-width:0}
.slider{display:grid;grid-template-columns:2.2em 1fr 5em;align-items:center;gap:.3em}
.slider input{width:100%;min-height:1.8em}
.slider small{grid-column:2/4;opacity:.8;display:none}
.slider:focus-within small,.explain small{display:block}
.equation{font:17px/1.7 Cambria,Georgia,serif;overflow-wrap:anywhere}
.panels{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,300px),1fr));gap:.5em}
figure{margin:0;min-width:0}
canvas{display:block;width:100%;height:270px;touch-action:pan-y;cursor:crosshair}
.cursor{min-height:2.8em;font-variant-numeric:tabular-nums}
.status{min-height:1.4em}
.done{color:#009e73;font-weight:bold}
&.over{outline:3px dashed #0072b2}
audio{width:260px;max-width:100%;height:36px;vertical-align:middle}
@media(min-width:1000px){.panels{grid-template-columns:repeat(3,1fr)}.panels figure:first-child{grid-row:1/span 4}}}
`;

export const mean = (list) => list.reduce((sum, value) => sum + value, 0) / list.length;
export const number = (value) => String(+value.toPrecision(3));
export const time = (seconds) => (seconds >= 1 ? `${number(seconds)} s` : `${number(1000 * seconds)} ms`);

export const h = (tag, attributes = {}, ...children) => {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") made.addEventListener(name, value);
    else made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
};

// 256 colours, and a picture of them from left to right.
export function palette(name) {
  const colours = Uint32Array.from({ length: 256 }, (_, i) => {
    const at = (i / 255) * 16, k = min(15, floor(at));
    const part = (c) => {
      const [a, b] = [k, k + 1].map((j) => parseInt(SCALES[name].substr(6 * j + 2 * c, 2), 16));
      return Math.round(a + (at - k) * (b - a));
    };
    return (255 << 24) | (part(2) << 16) | (part(1) << 8) | part(0);
  });
  const bar = h("canvas", { width: 256, height: 1 });
  bar.getContext("2d").putImageData(new ImageData(new Uint8ClampedArray(colours.buffer), 256, 1), 0, 0);
  return { colours, bar };
}

// The value that a thousandth lies above, to 1 %, of numbers that are not negative: their bits are in their order.
const counted = new Uint32Array(32768);
export function brightest(values) {
  const words = new Uint32Array(values.buffer);
  counted.fill(0);
  for (let i = 0; i < words.length; i++) counted[(words[i] >>> 16) & 32767]++;
  let k = 32767;
  for (let left = values.length / 1000; k > 0 && (left -= counted[k]) > 0; k--);
  return new Float32Array(Uint32Array.of((k + 1) << 16).buffer)[0];
}

// ---------------------------------------------------------------------------------------------------- a picture

const LEFT = 42, HIGH = 190, TALL = 270, BINS = 64;

export class Picture {
  constructor(title) {
    this.title = title;
    this.canvas = h("canvas", { role: "img", tabindex: 0 });
    this.element = h("figure", {}, h("figcaption", {}, title), this.canvas);
    this.image = h("canvas");
    this.counts = new Uint32Array(256);
  }

  // New values, band after band, in colours between two limits; nothing is done for what is shown already.
  show(values, frames, scale, from, to) {
    if (this.shown === values && this.scale === scale) return;
    const { image, counts, title } = this, bands = values.length / frames, ink = image.getContext("2d"), { colours } = scale;
    if (!this.data || this.data.width !== frames || this.data.height !== bands) {
      Object.assign(image, { width: frames, height: bands });
      this.data = ink.createImageData(frames, bands);
    }
    const pixels = new Uint32Array(this.data.data.buffer), high = to > from ? to : from + 1, steps = 256 / (high - from);
    counts.fill(0);
    for (let band = 0, at = 0; band < bands; band++) {
      for (let pixel = (bands - 1 - band) * frames, end = pixel + frames; pixel < end; pixel++, at++) {
        let i = ((values[at] - from) * steps) | 0;
        i = i < 0 ? 0 : i > 255 ? 255 : i;
        pixels[pixel] = colours[i];
        counts[i]++;
      }
    }
    ink.putImageData(this.data, 0, 0);
    const skew = skewness(values).toFixed(2);
    Object.assign(this, { shown: values, scale, low: from, high, skew, fresh: true });
    this.canvas.setAttribute("aria-label", `${title}: from ${number(from)} to ${number(high)}, skewness ${skew}`);
  }

  // The part of it in view, with a cross at the cursor and a frame around what is dragged; `width` in CSS pixels.
  paint({ view, cursor, drag, width, ink }, hop) {
    this.fresh = false;
    const { canvas, image } = this, { width: frames, height: bands } = image, [t0, t1, f0, f1] = view;
    const ratio = window.devicePixelRatio || 1, wide = width - LEFT - 8, pen = canvas.getContext("2d");
    if (canvas.width !== Math.round(width * ratio)) canvas.width = Math.round(width * ratio);
    if (canvas.height !== Math.round(TALL * ratio)) canvas.height = Math.round(TALL * ratio);
    const x = (part) => LEFT + (wide * (part - t0)) / (t1 - t0), y = (part) => HIGH * (1 - (part - f0) / (f1 - f0));
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, TALL);
    pen.imageSmoothingEnabled = false;
    pen.drawImage(image, t0 * frames, (1 - f1) * bands, (t1 - t0) * frames, (f1 - f0) * bands, LEFT, 0, wide, HIGH);
    Object.assign(pen, { fillStyle: ink, font: "12px system-ui,sans-serif", strokeStyle: "white" });
    const write = (text, left, top, textAlign) => {
      pen.textAlign = textAlign;
      pen.fillText(text, left, top);
    };
    this.axes(write, x, y, view, (frames * hop) / RATE);
    this.histogram(pen, write, wide);
    if (cursor) {
      const left = x((cursor[0] + 0.5) / frames), top = y((cursor[1] + 0.5) / bands);
      pen.beginPath();
      if (left >= LEFT && left <= LEFT + wide) pen.rect(left, 0, 0, HIGH);
      if (top >= 0 && top <= HIGH) pen.rect(LEFT, top, wide, 0);
      pen.stroke();
    }
    if (drag) pen.strokeRect(x(drag[0]), y(drag[3]), x(drag[1]) - x(drag[0]), y(drag[2]) - y(drag[3]));
  }

  axes(write, x, y, [t0, t1, f0], seconds) {
    const bands = this.image.height, hz = centres(bands);
    write("Hz", LEFT - 4, 10, "right");
    let last = HIGH + 6;
    for (const tick of [125, 250, 500, 1000, 2000, 4000]) {
      const at = hz.findIndex((f) => f >= tick) / bands, top = y(at);
      if (at < f0 || top < 22 || last - top < 12) continue;
      write(tick, LEFT - 4, top + 4, "right");
      last = top;
    }
    const step = [0.05, 0.1, 0.2, 0.5, 1, 2, 5].find((s) => (seconds * (t1 - t0)) / s < 8) ?? 10;
    for (let tick = ceil((t0 * seconds) / step); tick * step < t0 * seconds + 0.95 * seconds * (t1 - t0); tick++) {
      write(`${number(tick * step)}${tick ? "" : " s"}`, x((tick * step) / seconds), HIGH + 13, "center");
    }
  }

  histogram(pen, write, wide) {
    const tall = new Float64Array(BINS), width = wide / BINS;
    this.counts.forEach((count, i) => { tall[floor((i * BINS) / 256)] += count; });
    const most = max(...tall);
    pen.beginPath();
    tall.forEach((count, k) => pen.rect(LEFT + width * k, 250, width - 1, (-36 * count) / most));
    pen.fill();
    pen.drawImage(this.scale.bar, LEFT, 250, wide, 6);
    write(number(this.low), LEFT, 268, "left");
    write(`skewness ${this.skew}`, LEFT + wide / 2, 268, "center");
    write(number(this.high), LEFT + wide, 268, "right");
  }

  // Where a pointer is, as parts of the whole picture.
  place(event, [t0, t1, f0, f1]) {
    const box = this.canvas.getBoundingClientRect(), inside = (value) => min(max(value, 0), 1);
    const x = inside((event.clientX - box.left - LEFT) / (box.width - LEFT - 8)), y = inside(1 - (event.clientY - box.top) / HIGH);
    return [t0 + x * (t1 - t0), f0 + y * (f1 - f0)];
  }
}

export { SCALES, STYLE };
