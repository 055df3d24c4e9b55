// The PCEN explorer: sliders, spectrograms, players and tasks over pcen.js. `mount` builds it in any element; the last
// lines make it a widget of Jupyter.
import { RATE, centres, coefficient, contrast, decibels, framesOf, logMel, mel, panels, range, resample, resampler, resynthesise, skewness } from "./pcen.js";

const LONGEST = 30; // seconds of a file
const LIVE = 10; // seconds of the microphone in view
const RANGE = { mel: 200, logmel: 80 }; // dB
const SCALES = { // 17 colours each
  magma: "0000040a08221d114736106b51127c6a1c818326819c2e7fb73779d0416fe75263f56b5cfc8961fea772fec488fde2a3fcfdbf",
  cividis: "00224e002e6a1a386f32436d434e6c535a6d61656f6f70737d7c788c88789b9476aba072bcae6ccdbb63dec958f0d846fee838",
};
const mean = (list) => list.reduce((sum, value) => sum + value, 0) / list.length;
const number = (value) => String(+value.toPrecision(3));
const time = (seconds) => (seconds >= 1 ? `${number(seconds)} s` : `${number(1000 * seconds)} ms`);

// [name, sign, low, high, logarithmic, what to look and listen for, read, write]; of a layer
const CONSTANTS = [
  ["alpha", "α", 0, 1, false, "Gain: how much of the level is taken away. Towards 1 what lasts sinks into the dark, and far sounds are as bright as near ones.",
    (l) => l.alpha, (l, alpha) => ({ ...l, alpha })],
  ["delta", "δ", 0.01, 100, true, "Bias: what counts as faint. Raise it and the grain of noise goes; lower it and all that is faint comes up.",
    (l) => l.delta, (l, delta) => ({ ...l, delta })],
  ["r", "r", 0.05, 1, false, "Power: near 0 loud and soft become alike; at 1 only attacks stand out.",
    (l) => l.r, (l, r) => ({ ...l, r })],
  ["T", "T", 0.01, 10, true, "Memory of M: when it is short, a sound is gone soon after its attack; when it is long, a sound stays for as long.",
    (l) => l.seconds[0], (l, T) => ({ ...l, seconds: [T, ...l.seconds.slice(1)] })],
  ["mix", "w₂", 0, 1, false, "Share of a second smoother in M: above 0 the layer forgets at two speeds.",
    (l) => mean(l.weights[1] ?? [0]),
    (l, w) => ({ ...l, seconds: [l.seconds[0], ...(w ? [l.seconds[1] ?? 2] : [])], weights: w ? [[1 - w], [w]] : [[1]] })],
  ["T2", "T₂", 0.01, 10, true, "Memory of the second smoother; without effect while its share is 0.",
    (l) => l.seconds[1] ?? 2, (l, T) => (l.seconds[1] ? { ...l, seconds: [l.seconds[0], T, ...l.seconds.slice(2)] } : l)],
];
const EPS = ["eps", "ε", 1e-10, 0.1, true, "Keeps silence from being divided by nothing. Raise it and quiet bands stay quiet."];

const STYLE = `
.pcen-explorer{font:15px/1.4 system-ui,sans-serif;color:var(--jp-ui-font-color1,CanvasText);max-width:1400px}
.pcen-explorer *{box-sizing:border-box}
.pcen-explorer .row{display:flex;flex-wrap:wrap;gap:.5em 1em;align-items:center;margin:.5em 0}
.pcen-explorer :is(button,select,input[type=file]){font:inherit;min-height:2.2em;max-width:100%}
.pcen-explorer button[aria-pressed=true]{outline:3px solid #0072b2}
.pcen-explorer :focus-visible{outline:3px solid #e69f00;outline-offset:1px}
.pcen-explorer fieldset{border:1px solid #8888;border-radius:6px;flex:1 1 300px;min-width:0}
.pcen-explorer .slider{display:grid;grid-template-columns:2.2em 1fr 5em;align-items:center;gap:.3em}
.pcen-explorer .slider input{width:100%;min-height:1.8em}
.pcen-explorer .slider small{grid-column:2/4;opacity:.8;display:none}
.pcen-explorer .slider:focus-within small,.pcen-explorer .slider:hover small,.pcen-explorer .explain .slider small{display:block}
.pcen-explorer .equation{font:17px/1.7 Cambria,Georgia,serif;overflow-wrap:anywhere}
.pcen-explorer .panels{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,300px),1fr));gap:.5em}
.pcen-explorer figure{margin:0;min-width:0}
.pcen-explorer canvas{display:block;width:100%;height:270px;touch-action:pan-y;cursor:crosshair}
.pcen-explorer .cursor{min-height:2.8em;font-variant-numeric:tabular-nums}
.pcen-explorer .status{min-height:1.4em}
.pcen-explorer .done{color:#009e73;font-weight:bold}
.pcen-explorer.over{outline:3px dashed #0072b2}
.pcen-explorer audio{width:260px;max-width:100%;height:36px;vertical-align:middle}
@media(min-width:1000px){.pcen-explorer .panels{grid-template-columns:repeat(3,1fr)}.pcen-explorer .panels figure:first-child{grid-row:1/span 4}}
`;

const h = (tag, attributes = {}, ...children) => {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") made.addEventListener(name, value);
    else made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
};

const palette = (name) => Uint32Array.from({ length: 256 }, (_, i) => {
  const at = (i / 255) * 16, k = Math.min(15, Math.floor(at));
  const part = (c) => {
    const [a, b] = [k, k + 1].map((j) => parseInt(SCALES[name].substr(6 * j + 2 * c, 2), 16));
    return Math.round(a + (at - k) * (b - a));
  };
  return (255 << 24) | (part(2) << 16) | (part(1) << 8) | part(0);
});

// The value that a thousandth lies above, to 1 %, of numbers that are not negative: their bits are in their order.
function brightest(values) {
  const bits = new Uint32Array(values.buffer), counts = new Uint32Array(32768);
  for (let i = 0; i < bits.length; i++) counts[(bits[i] >>> 16) & 32767]++;
  let k = 32767;
  for (let left = values.length / 1000; k > 0 && (left -= counts[k]) > 0; k--);
  return new Float32Array(Uint32Array.of((k + 1) << 16).buffer)[0];
}

// ---------------------------------------------------------------------------------------------------- a picture

const LEFT = 42, HIGH = 190, BINS = 64;

// A spectrogram with its axes, and below it the histogram of its values over the scale of its colours.
function picture(title, unit) {
  const canvas = h("canvas", { role: "img", tabindex: 0 }), caption = h("figcaption", {}, title);
  const image = h("canvas"), ink = image.getContext("2d"), counts = new Uint32Array(256);
  let data, pixels, shown, low, high, skew;
  return {
    canvas, title, element: h("figure", {}, caption, canvas),
    show(values, frames, colours, from, to) {
      if (shown === values && this.colours === colours) return;
      this.fresh = true;
      const bands = values.length / frames;
      if (!data || data.width !== frames || data.height !== bands) {
        Object.assign(image, { width: frames, height: bands });
        data = ink.createImageData(frames, bands);
        pixels = new Uint32Array(data.data.buffer);
      }
      [shown, low, high, this.colours] = [values, from, to > from ? to : from + 1, colours];
      const scale = 256 / (high - low);
      counts.fill(0);
      for (let band = 0, at = 0; band < bands; band++) {
        for (let pixel = (bands - 1 - band) * frames, end = pixel + frames; pixel < end; pixel++, at++) {
          let i = ((values[at] - low) * scale) | 0;
          i = i < 0 ? 0 : i > 255 ? 255 : i;
          pixels[pixel] = colours[i];
          counts[i]++;
        }
      }
      ink.putImageData(data, 0, 0);
      skew = skewness(values);
      canvas.setAttribute("aria-label", `${title}: from ${number(low)} to ${number(high)} ${unit}, skewness ${skew.toFixed(2)}`);
    },
    paint([t0, t1, f0, f1], cursor, hop, drag) {
      this.fresh = false;
      const ratio = window.devicePixelRatio || 1, width = canvas.clientWidth || 300;
      if (canvas.width !== Math.round(width * ratio)) canvas.width = Math.round(width * ratio);
      if (canvas.height !== Math.round(270 * ratio)) canvas.height = Math.round(270 * ratio);
      const pen = canvas.getContext("2d"), { width: frames, height: bands } = image, wide = width - LEFT - 8;
      pen.setTransform(ratio, 0, 0, ratio, 0, 0);
      pen.clearRect(0, 0, width, 270);
      pen.imageSmoothingEnabled = false;
      pen.drawImage(image, t0 * frames, (1 - f1) * bands, (t1 - t0) * frames, (f1 - f0) * bands, LEFT, 0, wide, HIGH);
      pen.fillStyle = getComputedStyle(canvas).color;
      pen.font = "12px system-ui,sans-serif";
      const write = (text, x, y, align) => {
        pen.textAlign = align;
        pen.fillText(text, x, y);
      };
      const hz = centres(bands);
      for (const tick of [125, 250, 500, 1000, 2000, 4000]) {
        const at = hz.findIndex((f) => f >= tick) / bands, y = HIGH * (1 - (at - f0) / (f1 - f0));
        if (at >= f0 && y > 8) write(tick, LEFT - 4, y + 4, "right");
      }
      const seconds = (frames * hop) / RATE, step = [0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10].find((s) => (seconds * (t1 - t0)) / s < 8) ?? 10;
      for (let tick = Math.ceil((t0 * seconds) / step); tick * step <= t1 * seconds; tick++) {
        const x = LEFT + (wide * (tick * step - t0 * seconds)) / (seconds * (t1 - t0));
        if (x < width - 20) write(`${number(tick * step)}${tick ? "" : " s"}`, x, HIGH + 13, "center");
      }
      const most = Math.max(...counts);
      for (let k = 0; k < BINS; k++) {
        const count = counts[4 * k] + counts[4 * k + 1] + counts[4 * k + 2] + counts[4 * k + 3];
        const tall = Math.min(40, (36 * count) / (2 * most || 1));
        pen.fillRect(LEFT + (wide * k) / BINS, 250 - tall, wide / BINS - 1, tall);
      }
      for (let k = 0; k < 256; k += 2) {
        const c = this.colours[k];
        pen.fillStyle = `rgb(${c & 255},${(c >> 8) & 255},${(c >> 16) & 255})`;
        pen.fillRect(LEFT + (wide * k) / 256, 250, wide / 128 + 1, 6);
      }
      pen.fillStyle = getComputedStyle(canvas).color;
      write(number(low), LEFT, 268, "left");
      write(`skewness ${skew.toFixed(2)}`, LEFT + wide / 2, 268, "center");
      write(`${number(high)} ${unit}`, width - 8, 268, "right");
      pen.strokeStyle = "white";
      if (cursor) {
        const x = LEFT + (wide * ((cursor[0] + 0.5) / frames - t0)) / (t1 - t0);
        const y = HIGH * (1 - ((cursor[1] + 0.5) / bands - f0) / (f1 - f0));
        pen.beginPath();
        if (x >= LEFT && x <= LEFT + wide) { pen.moveTo(x, 0); pen.lineTo(x, HIGH); }
        if (y >= 0 && y <= HIGH) { pen.moveTo(LEFT, y); pen.lineTo(LEFT + wide, y); }
        pen.stroke();
      }
      if (drag) pen.strokeRect(LEFT + wide * drag[0], HIGH * (1 - drag[3]), wide * (drag[1] - drag[0]), HIGH * (drag[3] - drag[2]));
    },
    // Where a pointer is, fractions of what is in view.
    place(event) {
      const box = canvas.getBoundingClientRect();
      const inside = (value) => Math.min(Math.max(value, 0), 1);
      return [inside((event.clientX - box.left - LEFT) / (box.width - LEFT - 8)), inside(1 - (event.clientY - box.top) / HIGH)];
    },
  };
}

// ---------------------------------------------------------------------------------------------------- sounds

const bytesOf = (data) => (typeof data === "string"
  ? Uint8Array.from(atob(data), (c) => c.charCodeAt(0))
  : new Uint8Array(data.buffer, data.byteOffset, data.byteLength));

// The rate in the header of a WAV or FLAC file: decoded at that rate, nothing but our own resampling touches it.
function rateOf(bytes) {
  const name = String.fromCharCode(...bytes.slice(0, 4));
  let rate = 0;
  if (name === "RIFF" && bytes.length > 28) rate = new DataView(bytes.buffer, bytes.byteOffset).getUint32(24, true);
  if (name === "fLaC") rate = (bytes[18] << 12) | (bytes[19] << 4) | (bytes[20] >> 4);
  return rate >= 8000 && rate <= 192000 && rate % 25 === 0 ? rate : 48000;
}

// {x, said}: 16 kHz mono, and a sentence; an Error whose message is a sentence.
async function decode(bytes, name) {
  if (!window.OfflineAudioContext) throw new Error("This browser has no WebAudio, so it cannot read sounds.");
  let buffer;
  try {
    const rate = rateOf(bytes);
    buffer = await new OfflineAudioContext(1, 1, rate).decodeAudioData(bytes.slice().buffer);
  } catch {
    throw new Error(`${name} is not audio that this browser can read.`);
  }
  const { sampleRate, numberOfChannels, duration } = buffer;
  const count = Math.min(buffer.length, Math.ceil((LONGEST + 0.1) * sampleRate)), mono = new Float32Array(count);
  for (let channel = 0; channel < numberOfChannels; channel++) {
    const of = buffer.getChannelData(channel);
    for (let i = 0; i < count; i++) mono[i] += of[i] / numberOfChannels;
  }
  if (!mono.every(Number.isFinite)) throw new Error(`${name} holds samples that are not numbers; export it again.`);
  const x = resample(mono, sampleRate).slice(0, LONGEST * RATE);
  if (x.length < 1025) throw new Error(`${name} is too short: ${number(duration)} s; give at least 0.065 s.`);
  let said = `${name}: ${number(duration)} s`;
  if (numberOfChannels > 1) said += `, the mean of ${numberOfChannels} channels`;
  if (sampleRate !== RATE) said += `, ${sampleRate} Hz made 16000 Hz`;
  if (duration > LONGEST) said += `. Only its first ${LONGEST} s are used`;
  if (!x.some(Boolean)) said += ". It is silent: every sample is 0";
  return { x, said: `${said}.` };
}

// What there is without any file: a hum, and a tone that comes three times.
function made() {
  let seed = 1;
  return Float32Array.from({ length: LIVE * RATE }, (_, i) => {
    seed = (seed * 48271) % 2147483647;
    const t = i / RATE, on = t % 3 > 2 && t % 0.25 < 0.15;
    return 0.05 * (seed / 1073741823.5 - 1) + 0.1 * Math.sin(754 * t) + (on ? 0.1 * Math.sin(9425 * t) : 0);
  });
}

function wav(x) {
  const view = new DataView(new ArrayBuffer(44 + 2 * x.length));
  [0x52494646, 36 + 2 * x.length, 0x57415645, 0x666d7420, 16, 0x10001, RATE, 2 * RATE, 0x100002, 0x64617461, 2 * x.length]
    .forEach((word, i) => view.setUint32(4 * i, word, ![0, 2, 3, 9].includes(i)));
  x.forEach((value, i) => view.setInt16(44 + 2 * i, Math.max(-1, Math.min(1, value)) * 32767, true));
  return new Blob([view], { type: "audio/wav" });
}

const WORKLET = `registerProcessor("listen",class extends AudioWorkletProcessor{all=[];process([[x]]){if(x&&this.all.push(...x)>1000){this.port.postMessage(Float32Array.from(this.all));this.all=[]}return true}})`;
const REFUSED = {
  NotAllowedError: "The microphone was refused. Allow it in the browser's bar of addresses, and try again.",
  NotFoundError: "There is no microphone here.",
  NotReadableError: "The microphone is in use elsewhere.",
};

// ---------------------------------------------------------------------------------------------------- links

// A weight for every band is written as three hexadecimal digits.
const share = (weights) => (weights.length > 1 ? "x" + weights.map((w) => Math.round(4095 * w).toString(16).padStart(3, "0")).join("") : weights[0]);
const packed = ({ energy, smoother, eps, features: f, layers }) => [
  [energy, smoother, eps, f.n_fft, f.hop, f.n_mels, f.range_db].join(),
  ...layers.map((l) => [l.alpha, l.delta, l.r, ...l.seconds.map((T, k) => T + ":" + share(l.weights[k]))].join()),
].join(";");

function unpacked(text) {
  const [[energy, smoother, ...numbers], ...rest] = text.split(";").map((part) => part.split(","));
  const [eps, n_fft, hop, n_mels, range_db] = numbers.map(Number);
  const layers = rest.map(([alpha, delta, r, ...mixed]) => {
    const parts = mixed.map((part) => part.split(":"));
    const weights = parts.map(([, w]) => (w[0] === "x" ? w.slice(1).match(/.../g).map((three) => parseInt(three, 16) / 4095) : [+w]));
    return { alpha: +alpha, delta: +delta, r: +r, seconds: parts.map(([T]) => +T), weights };
  });
  const above = (low, high) => (value) => value > low && value <= high;
  const right = RANGE[energy] && ["causal", "zero-phase"].includes(smoother) && above(0, 1)(eps) && above(0, 400)(range_db)
    && [512, 1024, 2048, 4096].includes(n_fft) && above(31, 8192)(hop) && above(7, 256)(n_mels) && above(0, 4)(layers.length)
    && layers.every((l) => above(-1e-9, 2)(l.alpha) && above(0, 1e4)(l.delta) && above(0, 2)(l.r)
      && l.seconds.length && l.seconds.every(above(0, 100))
      && l.weights.every((w) => [1, n_mels].includes(w.length) && w.every(above(-1e-9, 1))));
  if (!right) throw new Error("This link holds settings that cannot be; the explorer starts with its own.");
  return { energy, smoother, eps, layers, features: { n_fft, hop, n_mels, range_db } };
}

// ---------------------------------------------------------------------------------------------------- the explorer

// given: sounds [{name, flac, events}], presets [{name, note, settings}], and if wanted settings, link (true: the state
// is kept in the address), changed(settings), heard(name).
export function mount(root, given) {
  const { sounds, presets } = given, sets = { A: given.settings ?? presets[0].settings, B: presets[0].settings };
  let on = "A", scale = "magma", view = [0, 1, 0, 1], cursor = null, drag = null;
  let sound = { name: "", x: null, events: null }, level = null, frames = 0, shown = null, known = {}, live = null;
  let colours = palette(scale), asked = 0, spent = 0, hearing = 0, closed = false;
  const now = () => sets[on];
  const say = (text) => { status.textContent = text; };

  // What is computed and drawn, at once.
  function analyse() {
    if (live || !sound.x) return;
    [level, frames, known] = [logMel(sound.x, now().features), framesOf(sound.x.length, now().features), {}];
    analysed = JSON.stringify(now().features);
  }
  let analysed = "";
  function redraw() {
    const s = now();
    if (live) {
      if (live.bands !== s.features.n_mels || live.hop !== s.features.hop || live.size !== s.features.n_fft) live.start();
      [level, frames, known] = [decibels(live.mel, s.features.range_db), live.frames, {}];
    } else if (analysed !== JSON.stringify(s.features)) analyse();
    if (!level) return;
    shown = panels(level, frames, s, known);
    const count = s.layers.length;
    while (pictures.length > 1 + 2 * count) pictures.pop().element.remove();
    for (let k = (pictures.length - 1) / 2 + 1; k <= count; k++) {
      const unit = s.energy === "mel" ? "dB re the loudest E" : "";
      for (const made of [picture(`M${k}, the smoothed E`, unit), picture(`PCEN${k}`, "")]) add(made);
    }
    pictures[0].show(level, frames, colours, ...range(level));
    shown.m.forEach((m, k) => {
      const kept = (known.layers[k].decibels ??= new WeakMap());
      if (s.energy === "mel" && !kept.has(m)) kept.set(m, m.map((value) => 20 * Math.log10(Math.max(value, 1e-3))));
      if (s.energy === "mel") pictures[2 * k + 1].show(kept.get(m), frames, colours, -60, 0);
      else pictures[2 * k + 1].show(m, frames, colours, 0, 1);
      pictures[2 * k + 2].show(shown.pcen[k], frames, colours, 0, brightest(shown.pcen[k]));
    });
    paint(true);
  }
  function paint(changed) {
    for (const one of pictures) if (!changed || one.fresh) one.paint(view, cursor, now().features.hop, drag);
    if (!cursor || !shown) return;
    const [t, band] = [Math.min(cursor[0], frames - 1), Math.min(cursor[1], now().features.n_mels - 1)], i = band * frames + t;
    const hz = centres(now().features.n_mels)[band];
    atCursor.textContent = `${((t * now().features.hop) / RATE).toFixed(2)} s, ${hz.toFixed(0)} Hz: ${level[i].toFixed(1)} dB, E ${number(shown.energy[i])}` +
      shown.m.map((m, k) => `; M${k + 1} ${number(m[i])}, PCEN${k + 1} ${number(shown.pcen[k][i])}`).join("");
  }
  // In the next frame; with a microphone, at most half of the time is spent.
  const soon = () => {
    asked ||= setTimeout(requestAnimationFrame, live ? spent : 0, (start) => {
      asked = 0;
      if (closed) return;
      redraw();
      if (!live) told();
      spent = performance.now() - start;
    });
  };

  // What is told in words, and to whom.
  function told() {
    const s = now(), hop = s.features.hop;
    equation.replaceChildren(...s.layers.map((l, k) => {
      const up = (text) => h("sup", {}, text), n = s.layers.length > 1 ? h("sub", {}, k + 1) : "";
      const M = l.seconds.map((T, j) => {
        const w = mean(l.weights[j]), each = l.weights[j].length > 1 ? " on average" : "";
        return `${l.seconds.length > 1 ? `${number(w)}${each} of ` : ""}s = ${number(coefficient(T, hop))} (T ${time(T)})`;
      });
      return h("div", {}, "PCEN", n, " = (E / (", number(s.eps), " + M)", up(number(l.alpha)), " + ", number(l.delta), ")", up(number(l.r)),
        " − ", number(l.delta), up(number(l.r)), ",  M(t) = (1 − s) M(t − 1) + s E(t), ", M.join(" and "), s.smoother === "causal" ? "" : ", forwards and then backwards");
    }));
    clearTimeout(hearing);
    hearing = setTimeout(settled, 500);
  }
  // What takes longer, when nothing moves any more: scores, sounds and the link.
  function settled() {
    const s = now();
    if (closed || live || !shown) return;
    for (const [mark, task] of tasks) {
      const scores = sound.events ? shown.pcen.map((p) => contrast(p, frames, s.features.hop / RATE, sound.events)) : [];
      const done = scores.length > 0 && task.done(scores, s);
      mark.textContent = scores.length ? `${done ? "✓ done" : "not yet"}: speech against what lasts ${scores.map(number).join(" and ")}.` : "Its sound is not loaded.";
      mark.className = done ? "done" : "";
    }
    listen();
    if (given.link) history.replaceState(null, "", `#${new URLSearchParams({ sound: sound.name, a: packed(sets.A), b: packed(sets.B), on, scale, view: view.join() })}`);
  }
  function play(player, x) {
    const [at, playing] = [player.currentTime, !player.paused];
    URL.revokeObjectURL(player.src);
    player.src = URL.createObjectURL(wav(x));
    player.currentTime = at;
    if (playing) player.play();
  }
  function listen() {
    const count = now().layers.length;
    while (players.children.length > 1 + count) players.lastChild.remove();
    while (players.children.length < 1 + count) {
      const name = `PCEN${players.children.length}`;
      players.append(h("label", {}, `${name} `, h("audio", { controls: "", "aria-label": name })));
    }
    shown.pcen.forEach((_, k) => play(players.children[k + 1].lastChild, resynthesise(sound.x, shown, k, now())));
  }

  // What changes.
  function change(settings, inner = true) {
    sets[on] = settings;
    settle();
    soon();
    if (inner) given.changed?.(settings);
  }
  const layer = (k, changed) => change({ ...now(), layers: now().layers.map((l, i) => (i === k ? changed : l)) });
  function hear(x, name, events = null, said = "") {
    if (live) live.stop(false);
    sound = { x, name, events };
    if (![...choice.options].some((option) => option.value === name)) choice.append(h("option", { value: name }, name));
    choice.value = name;
    play(players.firstChild.lastChild, x);
    say(said);
    analyse();
    soon();
    given.heard?.(name);
  }
  async function load(name) {
    const known = sounds.find((one) => one.name === name);
    try {
      if (known) known.x ??= known.flac ? (await decode(bytesOf(known.flac), name)).x : made();
      if (known) hear(known.x, name, known.events);
    } catch (error) {
      say(error.message);
      if (!sound.x) hear(made(), "a hum and a tone", null, error.message);
    }
  }
  async function open(file) {
    if (!file) return;
    if (file.size > 3e8) return say(`${file.name} is larger than 300 MB; give a shorter piece.`);
    say(`Reading ${file.name} …`);
    try {
      const { x, said } = await decode(new Uint8Array(await file.arrayBuffer()), file.name);
      sounds.push({ name: `your ${file.name}`, x });
      hear(x, `your ${file.name}`, null, said);
    } catch (error) {
      say(error.message);
    }
  }

  // The microphone: the picture is always that of the last ten seconds.
  function listener(rate) {
    const push = resampler(rate), x = new Float32Array(LIVE * RATE);
    const made = {
      start() {
        const { n_fft, hop, n_mels } = now().features;
        Object.assign(made, { bands: n_mels, hop, size: n_fft, frames: Math.floor((LIVE * RATE) / hop), held: new Float64Array(0) });
        made.mel = new Float32Array(n_mels * made.frames);
      },
      take(chunk) {
        const fresh = push(chunk), { size, hop, bands, frames: all, held } = made;
        x.copyWithin(0, fresh.length);
        x.set(fresh.subarray(-x.length), Math.max(0, x.length - fresh.length));
        const signal = new Float64Array(held.length + fresh.length);
        signal.set(held);
        signal.set(fresh, held.length);
        const count = Math.min(all, Math.floor((signal.length - size) / hop) + 1);
        if (count > 0) {
          const columns = mel(signal, count, now().features);
          made.mel.copyWithin(0, count);
          for (let band = 0; band < bands; band++) {
            for (let t = 0; t < count; t++) made.mel[(band + 1) * all - count + t] = columns[band * count + t];
          }
        }
        made.held = signal.slice(Math.max(0, count) * hop);
      },
      stop(keep = true) {
        live = null;
        made.release?.();
        microphone.textContent = "Microphone";
        microphone.setAttribute("aria-pressed", false);
        analysed = "";
        if (keep) {
          sounds.push({ name: "your microphone", x });
          hear(x, "your microphone", null, "The last 10 s that the microphone heard.");
        }
      },
    };
    made.start();
    return made;
  }
  async function listenLive() {
    if (live) return live.stop();
    if (!navigator.mediaDevices?.getUserMedia || !window.AudioWorkletNode) {
      return say("This browser gives no microphone to this page; open it as a file or over https.");
    }
    try {
      const raw = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
      const stream = await navigator.mediaDevices.getUserMedia({ audio: raw });
      const context = new AudioContext(), code = `data:text/javascript,${encodeURIComponent(WORKLET)}`;
      await context.audioWorklet.addModule(code);
      const node = new AudioWorkletNode(context, "listen", { numberOfOutputs: 0 });
      context.createMediaStreamSource(stream).connect(node);
      live = listener(context.sampleRate);
      live.release = () => {
        node.port.onmessage = null;
        stream.getTracks().forEach((track) => track.stop());
        context.close();
      };
      sound = { ...sound, events: null };
      node.port.onmessage = ({ data }) => { live?.take(data); soon(); };
      microphone.textContent = "Stop the microphone";
      microphone.setAttribute("aria-pressed", true);
      say("Listening. Nothing leaves this page.");
    } catch (error) {
      say(REFUSED[error.name] ?? `The microphone does not work: ${error.message}.`);
    }
  }

  // Zoom by a rectangle, buttons or keys.
  function zoom(factor) {
    const width = Math.min(1, Math.max(0.01, (view[1] - view[0]) * factor)), middle = cursor ? (cursor[0] + 0.5) / frames : (view[0] + view[1]) / 2;
    const start = Math.min(1 - width, Math.max(0, middle - width / 2));
    view = factor ? [start, start + width, view[2], view[3]] : [0, 1, 0, 1];
    paint();
    told();
  }
  function add(made) {
    const { canvas } = made, there = ([x, y]) => [view[0] + x * (view[1] - view[0]), view[2] + y * (view[3] - view[2])];
    const point = (at) => {
      const [x, y] = there(at);
      cursor = [Math.min(frames - 1, Math.floor(x * frames)), Math.min(now().features.n_mels - 1, Math.floor(y * now().features.n_mels))];
    };
    let from = null;
    canvas.addEventListener("pointerdown", (event) => { from = made.place(event); point(from); paint(); });
    canvas.addEventListener("pointermove", (event) => {
      const to = made.place(event);
      point(to);
      drag = from && event.buttons && Math.abs(to[0] - from[0]) > 0.02
        ? [Math.min(from[0], to[0]), Math.max(from[0], to[0]), ...(Math.abs(to[1] - from[1]) > 0.2 ? [Math.min(from[1], to[1]), Math.max(from[1], to[1])] : [0, 1])] : null;
      paint();
    });
    canvas.addEventListener("pointerup", () => {
      if (drag) {
        const [a, c] = there([drag[0], drag[2]]), [b, d] = there([drag[1], drag[3]]);
        view = [a, b, c, d];
        told();
      }
      from = drag = null;
      paint();
    });
    canvas.addEventListener("pointercancel", () => { from = drag = null; });
    canvas.addEventListener("dblclick", () => zoom(0));
    canvas.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowDown: [0, -1], ArrowUp: [0, 1] }[event.key];
      const factor = { "+": 0.5, "-": 2, 0: 0 }[event.key];
      if (!step && factor === undefined) return;
      event.preventDefault();
      if (!step) return zoom(factor);
      const [t, band] = cursor ?? [frames >> 1, now().features.n_mels >> 1], far = event.shiftKey ? 10 : 1;
      const inside = (value, count) => Math.min(count - 1, Math.max(0, value));
      cursor = [inside(t + far * step[0], frames), inside(band + far * step[1], now().features.n_mels)];
      paint();
    });
    pictures.push(made);
    grid.append(made.element);
  }

  // The controls.
  let names = 0;
  const own = `pcen${Math.random().toString(36).slice(2, 8)}`;
  function slider([name, sign, low, high, log, hint], get, set) {
    const id = `${own}-${names++}`, to = log ? Math.log10 : Number, from = log ? (value) => +(10 ** value).toPrecision(4) : Number;
    const input = h("input", { type: "range", id, min: to(low), max: to(high), step: 0.01, "aria-describedby": `${id}h`, input: () => set(from(+input.value)) });
    const output = h("output", { for: id });
    const show = () => {
      const value = get(), text = name[0] === "T" ? time(value) : number(value);
      input.value = to(Math.min(high, Math.max(low, value)));
      input.setAttribute("aria-valuetext", text);
      output.textContent = text;
    };
    return { show, element: h("div", { class: "slider" }, h("label", { for: id, title: name, "aria-label": name }, sign), input, output, h("small", { id: `${id}h` }, hint)) };
  }
  const select = (label, options, set) => {
    const made = h("select", { change: () => set(made.value) }, ...options.map(([value, text]) => h("option", { value }, text)));
    return [made, h("label", {}, `${label} `, made)];
  };
  const [choice, choiceRow] = select("Sound", sounds.map(({ name }) => [name, name]), load);
  const [energy, energyRow] = select("E", [["mel", "Mel"], ["logmel", "log-Mel"]], (kind) =>
    change({ ...now(), energy: kind, features: { ...now().features, range_db: RANGE[kind] } }));
  const [smoother, smootherRow] = select("Smoother", [["causal", "causal (paper)"], ["zero-phase", "zero-phase (released code)"]],
    (value) => change({ ...now(), smoother: value }));
  const [layersOf, layersRow] = select("Layers", [1, 2, 3, 4].map((n) => [n, n]), (n) =>
    change({ ...now(), layers: Array.from({ length: +n }, (_, k) => now().layers[k] ?? now().layers.at(-1)) }));
  const [, coloursRow] = select("Colours", Object.keys(SCALES).map((name) => [name, name]), (name) => { [scale, colours] = [name, palette(name)]; soon(); });
  const status = h("div", { class: "status", role: "status" }), atCursor = h("div", { class: "cursor", "aria-live": "polite" }, "Point at a picture, or use the arrow keys in it, to read values. Drag over it, or press + and −, to zoom; 0 shows all.");
  const file = h("input", { type: "file", accept: "audio/*", "aria-label": "your own sound", change: () => { open(file.files[0]); file.value = ""; } });
  const button = (text, click, more = {}) => h("button", { type: "button", click, ...more }, text);
  const microphone = button("Microphone", listenLive, { "aria-pressed": false });
  const flip = (to) => { on = to; change(now()); };
  const sides = ["A", "B"].map((name) => button(name, () => flip(name), { "aria-label": `setting ${name}` }));
  const equation = h("div", { class: "equation", "aria-label": "the equation with its numbers" }), grid = h("div", { class: "panels" });
  const players = h("div", { class: "row" }, h("label", {}, "original ", h("audio", { controls: "", "aria-label": "original" })));
  const eps = slider(EPS, () => now().eps, (value) => change({ ...now(), eps: value }));
  const boxes = [0, 1, 2, 3].map((k) => {
    const sliders = CONSTANTS.map((constant) => slider(constant, () => constant[6](now().layers[k]), (value) => layer(k, constant[7](now().layers[k], value))));
    return { sliders, element: h("fieldset", { "data-layer": k + 1 }, h("legend", {}, `Layer ${k + 1}`), ...sliders.map((one) => one.element)) };
  });
  const pictures = [];
  const settle = () => {
    const s = now();
    [energy.value, smoother.value, layersOf.value] = [s.energy, s.smoother, s.layers.length];
    eps.show();
    boxes.forEach(({ sliders, element }, k) => {
      element.hidden = k >= s.layers.length;
      if (!element.hidden) sliders.forEach((one) => one.show());
    });
    sides.forEach((side, i) => side.setAttribute("aria-pressed", on === "AB"[i]));
  };
  const differ = (a, b) => ["alpha", "delta", "r", "seconds"].filter((name) => String(a[name]) !== String(b[name])).length;
  const tasks = [
    { text: "Keep the speech and lose the vacuum cleaner: one layer above 2.", from: 1, done: (scores) => Math.max(...scores) > 2 },
    { text: "Two layers for two views, as in the paper's Figure 2: one above 2, the other below 0.5.", from: 1,
      done: (scores) => scores.length > 1 && Math.max(...scores) > 2 && Math.min(...scores) < 0.5 },
    { text: "From Fixed 1, bring the vacuum cleaner back with one constant alone: below 0.5.", from: 0,
      done: (scores, { layers }) => layers.length === 1 && differ(layers[0], presets[0].settings.layers[0]) === 1 && scores[0] < 0.5 },
  ].map((task) => [h("span"), task]);
  const first = sounds.find((one) => one.events)?.name;
  const begin = async (task) => { if (first) await load(first); change(task.from ? { ...presets[0].settings, layers: [{ alpha: 0.4, delta: 1, r: 1, seconds: [1], weights: [[1]] }] } : presets[0].settings); };

  root.classList.add("pcen-explorer");
  root.dataset.lmSuppressShortcuts = "true"; // in JupyterLab the arrows would go to another cell
  root.append(
    h("style", {}, STYLE),
    h("div", { class: "row" }, choiceRow, file, microphone, h("small", {}, "or drop a file here")),
    h("div", { class: "row", role: "group", "aria-label": "presets" },
      ...presets.map(({ name, note, settings }) => button(name, () => { change(settings); say(note); }, { title: note }))),
    h("div", { class: "row" }, h("span", { role: "group", "aria-label": "two settings to compare" }, "Compare ", ...sides, " ",
      button("copy to the other", () => { sets[on === "A" ? "B" : "A"] = now(); told(); })), layersRow, energyRow, smootherRow, coloursRow,
    button("zoom in", () => zoom(0.5)), button("zoom out", () => zoom(2)), button("show all", () => zoom(0)), button("explain", () => root.classList.toggle("explain"))),
    status,
    h("div", { class: "row" }, ...boxes.map((box) => box.element), h("fieldset", {}, h("legend", {}, "All layers"), eps.element)),
    equation, grid, atCursor, players,
    h("details", {}, h("summary", {}, "Tasks"), h("p", {}, "The number compares what the speech adds to each band with what lasts there (mean squared difference over variance)."),
      h("ol", {}, ...tasks.map(([mark, task]) => h("li", {}, task.text, " ", button("start", () => begin(task)), " ", mark)))),
  );
  add(picture("log-Mel", "dB"));
  settle();
  const over = (event) => { event.preventDefault(); root.classList.toggle("over", event.type === "dragover"); };
  for (const kind of ["dragover", "dragleave", "drop"]) root.addEventListener(kind, over);
  root.addEventListener("drop", (event) => open(event.dataTransfer.files[0]));
  const watched = new ResizeObserver(() => shown && paint());
  watched.observe(grid);

  function follow() {
    const link = new URLSearchParams(given.link ? location.hash.slice(1) : "");
    try {
      for (const name of ["A", "B"]) if (link.has(name.toLowerCase())) sets[name] = unpacked(link.get(name.toLowerCase()));
      if (link.get("on") === "B") on = "B";
      if (SCALES[link.get("scale")]) [scale, colours] = [link.get("scale"), palette(link.get("scale"))];
      const [t0, t1, f0, f1] = (link.get("view") ?? "0,1,0,1").split(",").map(Number);
      if (0 <= t0 && t0 < t1 && t1 <= 1 && 0 <= f0 && f0 < f1 && f1 <= 1) view = [t0, t1, f0, f1];
    } catch (error) {
      say(error instanceof TypeError ? "This link cannot be read; the explorer starts with its own settings." : error.message);
    }
    settle();
    return load(sounds.some(({ name }) => name === link.get("sound")) ? link.get("sound") : sounds[0].name);
  }
  const ready = follow();
  if (given.link) window.addEventListener("hashchange", follow);
  return {
    ready, redraw, hear, shown: () => shown,
    set: (settings) => JSON.stringify(settings) === JSON.stringify(now()) || change(settings, false),
    listener: (rate) => (live = listener(rate)),
    close() {
      closed = true;
      live?.stop(false);
      watched.disconnect();
    },
  };
}

// The widget: `settings` is synchronised both ways, `_heard` comes from Python, `name` goes there.
function render({ model, el }) {
  const tell = (name) => (value) => {
    model.set(name, value);
    model.save_changes();
  };
  const page = mount(el, {
    sounds: model.get("_sounds"), presets: model.get("_presets"), settings: model.get("settings"), changed: tell("settings"), heard: tell("name"),
  });
  const settings = () => page.set(model.get("settings"));
  const heard = () => {
    const { name, samples, events } = model.get("_heard");
    if (samples) page.hear(new Float32Array(bytesOf(samples).slice().buffer), name, events);
  };
  page.ready.then(heard);
  model.on("change:settings", settings);
  model.on("change:_heard", heard);
  return () => {
    model.off("change:settings", settings);
    model.off("change:_heard", heard);
    page.close();
  };
}

export default { render };
