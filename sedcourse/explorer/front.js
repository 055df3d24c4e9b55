// The PCEN explorer: sliders, players and tasks over pcen.js. `mount` builds it in any element; the last lines make it a
// widget of Jupyter. `ui` is the state of one.
import { RATE, centres, contrast, decibels, floor, max, min, panels, range, resynthesise, framesOf, logMel } from "./pcen.js";
import { Listener, bytesOf, decode, made, microphone, play } from "./sounds.js";
import { CONSTANTS, EPS, RANGE, button, equationOf, packed, pressed, select, slider, playerOf, tasksOf, unpacked } from "./parts.js";
import { Picture, SCALES, STYLE, brightest, h, number, palette } from "./view.js";

// ---------------------------------------------------------------------------------------------------- computed and drawn

const now = (ui) => ui.sets[ui.on];
const say = (ui, text) => { ui.status.textContent = text; };

// The spectrogram, where it is not known.
function analyse(ui) {
  const { live, sound } = ui, { features } = now(ui), wanted = JSON.stringify(features);
  if (live) {
    if (JSON.stringify(live.features) !== wanted) live.start(features);
    Object.assign(ui, { level: decibels(live.mel, features.range_db), frames: live.frames, known: {} });
  } else if (sound.x && (ui.analysed !== wanted || ui.heard !== sound.x)) {
    Object.assign(ui, { level: logMel(sound.x, features), frames: framesOf(sound.x.length, features), known: {}, analysed: wanted, heard: sound.x });
  }
}

// As many pictures as there are to show.
function arrange(ui) {
  const { pictures } = ui, { energy, layers } = now(ui), unit = energy === "mel" ? ", dB under the loudest E" : "";
  while (pictures.length > 1 && (pictures.length > 1 + 2 * layers.length || ui.unit !== unit)) pictures.pop().element.remove();
  for (let k = (pictures.length + 1) / 2; k <= layers.length; k++) {
    for (const title of [`M${k}${unit}`, `PCEN${k}`]) add(ui, new Picture(title));
  }
  ui.unit = unit;
}

function redraw(ui) {
  analyse(ui);
  const { level, frames, known, scale, pictures } = ui, settings = now(ui);
  if (!level) return;
  ui.shown = panels(level, frames, settings, known);
  arrange(ui);
  pictures[0].show(level, frames, scale, ...range(level));
  ui.shown.m.forEach((m, k) => {
    const kept = known.layers[k], out = ui.shown.pcen[k];
    if (kept.levelOf !== m) Object.assign(kept, { levelOf: m, level: settings.energy === "mel" && decibels(m, Infinity, 1e-3) });
    if (kept.level) pictures[2 * k + 1].show(kept.level, frames, scale, -60, 0);
    else pictures[2 * k + 1].show(m, frames, scale, 0, 1);
    pictures[2 * k + 2].show(out, frames, scale, 0, brightest(out));
  });
  paint(ui, pictures.filter((one) => one.fresh));
}

function paint(ui, pictures = ui.pictures) {
  const { cursor, frames, shown, level } = ui, { hop, n_mels } = now(ui).features;
  for (const one of pictures) one.paint(ui, hop);
  if (!cursor || !shown) return;
  const t = min(cursor[0], frames - 1), band = min(cursor[1], n_mels - 1), i = band * frames + t;
  ui.atCursor.textContent = `${((t * hop) / RATE).toFixed(2)} s, ${centres(n_mels)[band].toFixed(0)} Hz: ${level[i].toFixed(1)} dB, E ${number(shown.energy[i])}` +
    shown.m.map((m, k) => `; M${k + 1} ${number(m[i])}, PCEN${k + 1} ${number(shown.pcen[k][i])}`).join("");
}

// How wide a picture is, in CSS pixels, and the colour of writing: asked where the page is laid out, not at every change.
function measure(ui) {
  Object.assign(ui, { width: ui.pictures[0].canvas.clientWidth || 300, ink: getComputedStyle(ui.root).color });
  if (ui.shown) paint(ui);
}

// In the next frame; with a microphone, at most half of the time is spent.
function soon(ui) {
  ui.asked ||= setTimeout(requestAnimationFrame, ui.live ? ui.spent : 0, (start) => {
    ui.asked = 0;
    if (ui.closed) return;
    redraw(ui);
    if (!ui.live) tell(ui);
    ui.spent = performance.now() - start;
  });
}

// ---------------------------------------------------------------------------------------------------- told

function tell(ui) {
  ui.equation.replaceChildren(...equationOf(now(ui)));
  clearTimeout(ui.settling);
  ui.settling = setTimeout(settled, 500, ui);
}

// What takes longer, when nothing moves any more: scores, sounds and the link.
function settled(ui) {
  const { shown, sound, frames, sets, on, view } = ui, s = now(ui);
  if (ui.closed || ui.live || !shown) return;
  const scores = sound.events ? shown.pcen.map((p) => contrast(p, frames, s.features.hop / RATE, sound.events)) : [];
  for (const [mark, task] of ui.tasks) {
    const done = scores.length > 0 && task.done(scores, s);
    mark.textContent = scores.length ? `${done ? "✓ done" : "not yet"}: speech against what lasts ${scores.map(number).join(" and ")}.` : "Its sound is not loaded.";
    mark.className = done ? "done" : "";
  }
  const { players } = ui;
  while (players.children.length > 1 + shown.pcen.length) players.lastChild.remove();
  shown.pcen.forEach((_, k) => {
    if (!players.children[k + 1]) players.append(playerOf(`PCEN${k + 1}`));
    play(players.children[k + 1].lastChild, resynthesise(sound.x, shown, k, s));
  });
  const state = { sound: sound.name, a: packed(sets.A), b: packed(sets.B), on, scale: ui.colours, view: view.join() };
  if (ui.given.link) history.replaceState(null, "", `#${new URLSearchParams(state)}`);
}

// ---------------------------------------------------------------------------------------------------- what changes

// `inner`: by hand, so that whoever synchronises the settings is told.
function change(ui, settings, inner = true) {
  ui.sets[ui.on] = settings;
  settle(ui);
  soon(ui);
  if (inner) ui.given.changed?.(settings);
}

function hear(ui, x, name, events = null, said = "") {
  if (ui.live) ui.live.stop(false);
  ui.sound = { x, name, events };
  const { choice } = ui;
  if (![...choice.options].some((option) => option.value === name)) choice.append(h("option", { value: name }, name));
  choice.value = name;
  play(ui.players.firstChild.lastChild, x);
  say(ui, said);
  soon(ui);
  ui.given.heard?.(name);
}

// A sound of one's own stays in the list.
function keep(ui, x, name, said) {
  ui.sounds = [...ui.sounds.filter((one) => one.name !== name), { name, x }];
  hear(ui, x, name, null, said);
}

async function load(ui, name) {
  const known = ui.sounds.find((one) => one.name === name);
  try {
    if (known) known.x ??= known.flac ? (await decode(bytesOf(known.flac), name)).x : made();
    if (known) hear(ui, known.x, name, known.events);
  } catch (error) {
    say(ui, error.message);
    if (!ui.sound.x) hear(ui, made(), "a hum and a tone", null, error.message);
  }
}

async function open(ui, file) {
  if (!file) return;
  if (file.size > 3e8) return say(ui, `${file.name} is larger than 300 MB; give a shorter piece.`);
  say(ui, `Reading ${file.name} …`);
  try {
    const { x, said } = await decode(new Uint8Array(await file.arrayBuffer()), file.name);
    keep(ui, x, `your ${file.name}`, said);
  } catch (error) {
    say(ui, error.message);
  }
}

// The picture is always that of the last ten seconds.
function listening(ui, rate, release) {
  const live = new Listener(rate, now(ui).features);
  const show = (on) => {
    ui.microphone.textContent = on ? "Stop the microphone" : "Microphone";
    pressed(ui.microphone, on);
  };
  live.stop = (kept = true) => {
    Object.assign(ui, { live: null, analysed: "" });
    release?.();
    show(false);
    if (kept) keep(ui, live.x, "your microphone", "The last 10 s that the microphone heard.");
  };
  show(true);
  ui.sound = { ...ui.sound, events: null };
  return (ui.live = live);
}

async function listen(ui) {
  if (ui.live) return ui.live.stop();
  try {
    const { rate, release } = await microphone((samples) => { ui.live?.take(samples); soon(ui); });
    listening(ui, rate, release);
    say(ui, "Listening. Nothing leaves this page.");
  } catch (error) {
    say(ui, error.message);
  }
}

// ---------------------------------------------------------------------------------------------------- pointing

function zoom(ui, factor) {
  const [t0, t1, f0, f1] = ui.view, width = min(1, max(0.01, (t1 - t0) * factor));
  const middle = ui.cursor ? (ui.cursor[0] + 0.5) / ui.frames : (t0 + t1) / 2;
  const start = min(1 - width, max(0, middle - width / 2));
  ui.view = factor ? [start, start + width, f0, f1] : [0, 1, 0, 1];
  paint(ui);
  tell(ui);
}

function press(ui, event) {
  const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowDown: [0, -1], ArrowUp: [0, 1] }[event.key];
  const factor = { "+": 0.5, "-": 2, 0: 0 }[event.key], { frames } = ui, { n_mels } = now(ui).features;
  if (!step && factor === undefined) return;
  event.preventDefault();
  if (!step) return zoom(ui, factor);
  const [t, band] = ui.cursor ?? [frames >> 1, n_mels >> 1], far = event.shiftKey ? 10 : 1;
  const inside = (value, count) => min(count - 1, max(0, value));
  ui.cursor = [inside(t + far * step[0], frames), inside(band + far * step[1], n_mels)];
  paint(ui);
}

// A picture in its place, with its cursor, and zoom by a rectangle or a double click.
function add(ui, one) {
  const { canvas } = one;
  let from = null;
  const point = (event) => {
    const [x, y] = one.place(event, ui.view), { n_mels } = now(ui).features;
    ui.cursor = [min(ui.frames - 1, floor(x * ui.frames)), min(n_mels - 1, floor(y * n_mels))];
    return [x, y];
  };
  const on = (kind, act) => canvas.addEventListener(kind, (event) => { act(event); paint(ui); });
  const end = () => { from = ui.drag = null; };
  on("pointerdown", (event) => { from = point(event); canvas.setPointerCapture(event.pointerId); });
  on("pointermove", (event) => {
    const to = point(event), [t0, t1, f0, f1] = ui.view;
    const part = (i) => [min(from[i], to[i]), max(from[i], to[i])];
    if (!from || Math.abs(to[0] - from[0]) < 0.02 * (t1 - t0)) ui.drag = null;
    else ui.drag = [...part(0), ...(Math.abs(to[1] - from[1]) > 0.2 * (f1 - f0) ? part(1) : [f0, f1])];
  });
  on("pointerup", () => {
    if (ui.drag) ui.view = ui.drag;
    end();
    tell(ui);
  });
  on("pointercancel", end);
  canvas.addEventListener("dblclick", () => zoom(ui, 0));
  canvas.addEventListener("keydown", (event) => press(ui, event));
  ui.pictures.push(one);
  ui.grid.append(one.element);
}

// ---------------------------------------------------------------------------------------------------- controls

// Every control at its value.
function settle(ui) {
  const s = now(ui);
  [ui.energy.value, ui.smoother.value, ui.count.value, ui.colouring.value] = [s.energy, s.smoother, s.layers.length, ui.colours];
  ui.eps.show();
  ui.boxes.forEach(({ sliders, element }, k) => {
    element.hidden = k >= s.layers.length;
    if (!element.hidden) sliders.forEach((one) => one.show());
  });
  ui.sides.forEach((side, i) => pressed(side, ui.on === "AB"[i]));
}

function layerBox(ui, k) {
  const at = () => now(ui).layers[k];
  const set = (changed) => change(ui, { ...now(ui), layers: now(ui).layers.map((l, i) => (i === k ? changed : l)) });
  const sliders = CONSTANTS.map((one) => slider(one, () => one[6](at()), (value) => set(one[7](at(), value))));
  return { sliders, element: h("fieldset", { "data-layer": k + 1 }, h("legend", {}, `Layer ${k + 1}`), ...sliders.map((one) => one.element)) };
}

function recolour(ui, name) {
  Object.assign(ui, { colours: name, scale: palette(name) });
  soon(ui);
}

function controls(ui) {
  const set = (changes) => change(ui, { ...now(ui), ...changes });
  const pick = (name, [made, element]) => Object.assign(ui, { [name]: made, [`${name}Row`]: element });
  pick("choice", select("Sound", ui.sounds.map(({ name }) => [name, name]), (name) => load(ui, name)));
  pick("energy", select("E", [["mel", "Mel"], ["logmel", "log-Mel"]], (energy) => set({ energy, features: { ...now(ui).features, range_db: RANGE[energy] } })));
  pick("smoother", select("Smoother", [["causal", "causal (paper)"], ["zero-phase", "zero-phase (released code)"]], (smoother) => set({ smoother })));
  pick("count", select("Layers", [1, 2, 3, 4].map((n) => [n, n]), (n) => {
    const { layers } = now(ui);
    set({ layers: Array.from({ length: +n }, (_, k) => layers[k] ?? layers.at(-1)) });
  }));
  pick("colouring", select("Colours", Object.keys(SCALES).map((name) => [name, name]), (name) => recolour(ui, name)));
  const flip = (on) => {
    ui.on = on;
    change(ui, now(ui));
  };
  Object.assign(ui, {
    status: h("div", { class: "status", role: "status" }),
    atCursor: h("div", { class: "cursor", "aria-live": "polite" }, "Point at a picture, or use the arrow keys in it, to read values. Drag over it, or press + and −, to zoom; 0 shows all."),
    file: h("input", { type: "file", accept: "audio/*", "aria-label": "your own sound", change: () => { open(ui, ui.file.files[0]); ui.file.value = ""; } }),
    microphone: button("Microphone", () => listen(ui), { "aria-pressed": false }),
    sides: ["A", "B"].map((name) => button(name, () => flip(name), { "aria-label": `setting ${name}` })),
    equation: h("div", { class: "equation", "aria-label": "the equation with its numbers" }),
    grid: h("div", { class: "panels" }),
    players: h("div", { class: "row" }, playerOf("original")),
    eps: slider(EPS, () => now(ui).eps, (eps) => set({ eps })),
    boxes: [0, 1, 2, 3].map((k) => layerBox(ui, k)),
    tasks: tasksOf(ui.given.presets),
  });
}

function layout(ui) {
  const { root, boxes, eps, given, sets } = ui, row = (...parts) => h("div", { class: "row" }, ...parts);
  const group = (label, ...parts) => h("div", { class: "row", role: "group", "aria-label": label }, ...parts);
  const choose = ({ note, settings }) => {
    change(ui, settings);
    say(ui, note);
  };
  const sliders = row(...boxes.map((box) => box.element), h("fieldset", {}, h("legend", {}, "All layers"), eps.element));
  const explain = button("explain", () => pressed(explain, sliders.classList.toggle("explain")));
  const begin = async (task) => {
    const known = ui.sounds.find((one) => one.events);
    if (known) await load(ui, known.name);
    change(ui, task.from);
  };
  root.append(
    h("style", {}, STYLE),
    row(ui.choiceRow, ui.file, ui.microphone, h("small", {}, "or drop a file here")),
    group("presets", ...given.presets.map((preset) => button(preset.name, () => choose(preset), { title: preset.note }))),
    row(h("span", { role: "group", "aria-label": "two settings to compare" }, "Compare ", ...ui.sides, " ",
      button("copy to the other", () => { sets[ui.on === "A" ? "B" : "A"] = now(ui); tell(ui); })), ui.countRow, ui.energyRow, ui.smootherRow, ui.colouringRow,
    button("zoom in", () => zoom(ui, 0.5)), button("zoom out", () => zoom(ui, 2)), button("show all", () => zoom(ui, 0)), explain),
    ui.status, sliders, ui.equation, ui.grid, ui.atCursor, ui.players,
    h("details", {}, h("summary", {}, "Tasks"), h("p", {}, "The number compares what the speech adds to each band with what lasts there (mean squared difference over variance)."),
      h("ol", {}, ...ui.tasks.map(([mark, task]) => h("li", {}, task.text, " ", button("start", () => begin(task)), " ", mark)))),
  );
  const over = (event) => { event.preventDefault(); root.classList.toggle("over", event.type === "dragover"); };
  for (const kind of ["dragover", "dragleave", "drop"]) root.addEventListener(kind, over);
  root.addEventListener("drop", (event) => open(ui, event.dataTransfer.files[0]));
}

// ---------------------------------------------------------------------------------------------------- the explorer

// The state of the link, as far as there is one.
function follow(ui) {
  const link = new URLSearchParams(ui.given.link ? location.hash.slice(1) : ""), { sets, sounds } = ui;
  let wrong = "";
  try {
    for (const name of ["A", "B"]) if (link.has(name.toLowerCase())) sets[name] = unpacked(link.get(name.toLowerCase()));
  } catch {
    wrong = "This link holds settings that cannot be; the explorer starts with its own.";
  }
  if (link.get("on") === "B") ui.on = "B";
  if (SCALES[link.get("scale")]) recolour(ui, link.get("scale"));
  const [t0, t1, f0, f1] = (link.get("view") ?? "").split(",").map(Number);
  if (0 <= t0 && t0 < t1 && t1 <= 1 && 0 <= f0 && f0 < f1 && f1 <= 1) ui.view = [t0, t1, f0, f1];
  settle(ui);
  const name = sounds.some((one) => one.name === link.get("sound")) ? link.get("sound") : sounds[0].name;
  return load(ui, name).then(() => wrong && say(ui, wrong));
}

// given: sounds [{name, flac, events}], presets [{name, note, settings}], and if wanted settings, link (true: the state
// is kept in the address), changed(settings), heard(name).
export function mount(root, given) {
  const { sounds, presets, settings } = given, sound = { name: "", x: null, events: null };
  const ui = { root, given, sounds, sound, sets: { A: settings ?? presets[0].settings, B: presets[0].settings }, on: "A", view: [0, 1, 0, 1], pictures: [], known: {} };
  root.classList.add("pcen-explorer");
  root.dataset.lmSuppressShortcuts = "true"; // in JupyterLab the arrows would go to another cell
  controls(ui);
  layout(ui);
  add(ui, new Picture("log-Mel, dB"));
  recolour(ui, "magma");
  const watched = new ResizeObserver(() => measure(ui)), dark = matchMedia("(prefers-color-scheme:dark)");
  watched.observe(ui.grid);
  dark.onchange = () => measure(ui);
  measure(ui);
  const again = () => follow(ui), ready = follow(ui);
  if (given.link) window.addEventListener("hashchange", again);
  return {
    ready, redraw: () => redraw(ui), shown: () => ui.shown, hear: (...heard) => hear(ui, ...heard), listener: (rate) => listening(ui, rate),
    set: (settings) => JSON.stringify(settings) === JSON.stringify(now(ui)) || change(ui, settings, false),
    close() {
      ui.closed = true;
      ui.live?.stop(false);
      watched.disconnect();
      window.removeEventListener("hashchange", again);
    },
  };
}

// The widget: `settings` is synchronised both ways, `_heard` comes from Python, `name` goes there.
function render({ model, el }) {
  // JupyterLab would take the arrow keys for its cells; it asks the element that has the focus.
  el.addEventListener("focusin", ({ target }) => target.dataset.lmSuppressShortcuts = "");
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
