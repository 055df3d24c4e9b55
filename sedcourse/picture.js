// The composer's picture: an image with a cross hair at the same time and band in all of its panels.
// `panels` lists them as [left, top, width, height], fractions of the image; `grid` is [frames, bands] of each.

const EVERY_MS = 60; // a position is told to Python at most this often

function line(parent) {
  const mark = document.createElement("div");
  mark.style.cssText = "position:absolute;pointer-events:none;background:white;outline:1px solid rgba(0,0,0,.5)";
  parent.append(mark);
  return mark;
}

function render({ model, el }) {
  const box = document.createElement("div");
  box.style.cssText = "position:relative;width:100%";
  const image = document.createElement("img");
  image.className = "pcen-picture";
  image.tabIndex = 0;
  image.dataset.lmSuppressShortcuts = "true"; // in JupyterLab the arrows would go to another cell
  image.style.cssText = "display:block;width:100%;height:auto;cursor:crosshair";
  box.append(image);
  el.append(box);
  let marks = [];
  let url = null;
  let wanted = null; // a position that has not been told yet
  let timer = null;

  function redraw() {
    const before = url;
    url = URL.createObjectURL(new Blob([model.get("png")], { type: "image/png" }));
    image.src = url;
    if (before) URL.revokeObjectURL(before);
    box.style.maxWidth = `${model.get("width")}px`;
  }

  function mark(cursor) {
    const [frames, bands] = model.get("grid");
    const panels = cursor.length ? model.get("panels") : [];
    while (marks.length > 2 * panels.length) marks.pop().remove();
    while (marks.length < 2 * panels.length) marks.push(line(box));
    panels.forEach(([left, top, width, height], i) => {
      const x = 100 * (left + (width * (cursor[0] + 0.5)) / frames);
      const y = 100 * (top + height * (1 - (cursor[1] + 0.5) / bands));
      Object.assign(marks[2 * i].style, {
        left: `${x}%`, top: `${100 * top}%`, width: "1px", height: `${100 * height}%`,
      });
      Object.assign(marks[2 * i + 1].style, {
        left: `${100 * left}%`, top: `${y}%`, width: `${100 * width}%`, height: "1px",
      });
    });
  }

  function tell() {
    timer = null;
    if (wanted === null) return;
    model.set("cursor", wanted);
    model.save_changes();
    wanted = null;
    timer = setTimeout(tell, EVERY_MS);
  }

  function move(frame, band) {
    const [frames, bands] = model.get("grid");
    wanted = [Math.min(Math.max(frame, 0), frames - 1), Math.min(Math.max(band, 0), bands - 1)];
    mark(wanted);
    if (timer === null) tell();
  }

  function pointed(event) {
    const { left, top, width, height } = image.getBoundingClientRect();
    const x = (event.clientX - left) / width;
    const y = (event.clientY - top) / height;
    const [frames, bands] = model.get("grid");
    for (const [l, t, w, h] of model.get("panels")) {
      const u = (x - l) / w;
      const v = 1 - (y - t) / h;
      if (u >= 0 && u < 1 && v >= 0 && v < 1) move(Math.floor(u * frames), Math.floor(v * bands));
    }
  }

  function pressed(event) {
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowDown: [0, -1], ArrowUp: [0, 1] }[event.key];
    if (!step) return;
    event.preventDefault();
    const [frames, bands] = model.get("grid");
    const told = wanted ?? model.get("cursor");
    const [frame, band] = told.length ? told : [frames >> 1, bands >> 1];
    const far = event.shiftKey ? 10 : 1;
    move(frame + far * step[0], band + far * step[1]);
  }

  image.addEventListener("pointermove", pointed);
  image.addEventListener("pointerdown", pointed);
  image.addEventListener("keydown", pressed);
  const describe = () => { image.alt = model.get("alt"); };
  const remark = () => mark(wanted ?? model.get("cursor"));
  model.on("change:png", redraw);
  model.on("change:alt", describe);
  model.on("change:panels change:grid change:cursor", remark);
  redraw();
  describe();
  remark();
  return () => {
    clearTimeout(timer);
    if (url) URL.revokeObjectURL(url);
  };
}

export default { render };
