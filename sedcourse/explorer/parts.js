// What the explorer is made of besides pictures: constants and their sliders, the equation, links, tasks.
import { coefficient, max, min } from "./pcen.js";
import { h, mean, number, time } from "./view.js";

export const RANGE = { mel: 200, logmel: 80 }; // dB

// [name, sign, low, high, logarithmic, what to look and listen for, read, write]; of a layer
export const CONSTANTS = [
  ["alpha", "α", 0, 1, false, "Gain: how much of the level is taken away. Towards 1 what lasts sinks into the dark, and far sounds are as bright as near ones.",
    (l) => l.alpha, (l, alpha) => ({ ...l, alpha })],
  ["delta", "δ", 0.01, 100, true, "Bias: what counts as faint. Raise it and the grain of noise goes; lower it and all that is faint comes up.",
    (l) => l.delta, (l, delta) => ({ ...l, delta })],
  ["r", "r", 0.05, 1, false, "Power: near 0 loud and soft become alike; at 1 only attacks stand out.",
    (l) => l.r, (l, r) => ({ ...l, r })],
  ["T", "T", 0.01, 10, true, "Memory of M: the shorter, the sooner a sound is gone after its attack.",
    (l) => l.seconds[0], (l, T) => ({ ...l, seconds: [T, ...l.seconds.slice(1)] })],
  ["mix", "w₂", 0, 1, false, "Share of a second smoother in M: above 0 the layer forgets at two speeds.",
    (l) => mean(l.weights[1] ?? [0]),
    (l, w) => ({ ...l, seconds: [l.seconds[0], ...(w ? [l.seconds[1] ?? 2] : [])], weights: w ? [[1 - w], [w]] : [[1]] })],
  ["T2", "T₂", 0.01, 10, true, "Memory of the second smoother; without effect while its share is 0.",
    (l) => l.seconds[1] ?? 2, (l, T) => (l.seconds[1] ? { ...l, seconds: [l.seconds[0], T, ...l.seconds.slice(2)] } : l)],
];
export const EPS = ["eps", "ε", 1e-10, 0.1, true, "Keeps silence from being divided by nothing. Raise it and quiet bands stay quiet."];

// ---------------------------------------------------------------------------------------------------- controls

let ids = 0;
const own = `pcen${Math.random().toString(36).slice(2, 8)}-`;

export function slider([name, sign, low, high, log, hint], get, set) {
  const id = own + ids++, to = log ? Math.log10 : Number, from = log ? (value) => +(10 ** value).toPrecision(4) : Number;
  const input = h("input", { type: "range", id, min: to(low), max: to(high), step: 0.01, "aria-label": name, "aria-describedby": `${id}h`, input: () => set(from(+input.value)) });
  const output = h("output", { for: id }), label = h("label", { for: id, title: name }, sign);
  const show = () => {
    const value = get(), text = name[0] === "T" ? time(value) : number(value);
    input.value = to(min(high, max(low, value)));
    input.setAttribute("aria-valuetext", text);
    output.textContent = text;
  };
  return { show, element: h("div", { class: "slider" }, label, input, output, h("small", { id: `${id}h` }, hint)) };
}

export const select = (label, options, set) => {
  const made = h("select", { change: () => set(made.value) }, ...options.map(([value, text]) => h("option", { value }, text)));
  return [made, h("label", {}, `${label} `, made)];
};
export const pressed = (one, on) => one.setAttribute("aria-pressed", on);
export const button = (text, click, more = {}) => h("button", { type: "button", click, ...more }, text);

// ---------------------------------------------------------------------------------------------------- the equation

export function equationOf({ eps, layers, smoother, features }) {
  const up = (value) => h("sup", {}, number(value));
  return layers.map((l, k) => {
    const M = l.seconds.map((T, j) => {
      const of = l.seconds.length > 1 ? `${number(mean(l.weights[j]))}${l.weights[j].length > 1 ? " on average" : ""} of ` : "";
      return `${of}s = ${number(coefficient(T, features.hop))} (T ${time(T)})`;
    });
    return h("div", {}, "PCEN", layers.length > 1 ? h("sub", {}, k + 1) : "", ` = (E / (${number(eps)} + M)`, up(l.alpha), ` + ${number(l.delta)})`, up(l.r),
      ` − ${number(l.delta)}`, up(l.r), `,  M(t) = (1 − s) M(t − 1) + s E(t), ${M.join(" and ")}${smoother === "causal" ? "" : ", forwards and then backwards"}`);
  });
}

export const playerOf = (name) => h("label", {}, `${name} `, h("audio", { controls: "", "aria-label": name }));

// ---------------------------------------------------------------------------------------------------- links

// A weight for every band is written as three hexadecimal digits.
const share = (weights) => (weights.length > 1 ? "x" + weights.map((w) => Math.round(4095 * w).toString(16).padStart(3, "0")).join("") : weights[0]);
export const packed = ({ energy, smoother, eps, features: f, layers }) => [
  [energy, smoother, eps, f.n_fft, f.hop, f.n_mels, f.range_db].join(),
  ...layers.map((l) => [l.alpha, l.delta, l.r, ...l.seconds.map((T, k) => T + ":" + share(l.weights[k]))].join()),
].join(";");

export function unpacked(text) {
  const [[energy, smoother, ...numbers], ...rest] = text.split(";").map((part) => part.split(","));
  const [eps, n_fft, hop, n_mels, range_db] = numbers.map(Number);
  const layers = rest.map(([alpha, delta, r, ...mixed]) => {
    const parts = mixed.map((part) => part.split(":"));
    const weights = parts.map(([, w]) => (w[0] === "x" ? w.slice(1).match(/.../g).map((three) => parseInt(three, 16) / 4095) : [+w]));
    return { alpha: +alpha, delta: +delta, r: +r, seconds: parts.map(([T]) => +T), weights };
  });
  const within = (low, high, ...values) => values.every((value) => value >= low && value <= high);
  const right = RANGE[energy] && ["causal", "zero-phase"].includes(smoother) && within(1e-12, 1, eps) && within(1, 400, range_db)
    && [512, 1024, 2048, 4096].includes(n_fft) && within(32, 8192, hop) && within(8, 256, n_mels) && within(1, 4, layers.length)
    && layers.every((l) => within(0, 2, l.alpha) && within(1e-6, 1e4, l.delta) && within(1e-3, 2, l.r)
      && l.seconds.length && within(1e-3, 100, ...l.seconds)
      && l.weights.every((w) => [1, n_mels].includes(w.length) && within(0, 1, ...w)));
  if (!right) throw Error();
  return { energy, smoother, eps, layers, features: { n_fft, hop, n_mels, range_db } };
}

// ---------------------------------------------------------------------------------------------------- tasks

// The tasks, each with the place of its score.
export function tasksOf(presets) {
  const [fixed] = presets, { layers: [first] } = fixed.settings;
  const flat = { ...fixed.settings, layers: [{ ...first, alpha: 0.4, delta: 1, r: 1, seconds: [1] }] };
  const differ = (l) => ["alpha", "delta", "r", "seconds"].filter((name) => String(l[name]) !== String(first[name])).length;
  return [
    { text: "Keep the speech and lose the vacuum cleaner: one layer above 2.", from: flat, done: (scores) => max(...scores) > 2 },
    { text: "Two layers for two views, as in the paper's Figure 2: one above 2, the other below 0.5.", from: flat,
      done: (scores) => scores.length > 1 && max(...scores) > 2 && min(...scores) < 0.5 },
    { text: `From ${fixed.name}, bring the vacuum cleaner back with one constant alone: below 0.5.`, from: fixed.settings,
      done: (scores, { layers }) => layers.length === 1 && differ(layers[0]) === 1 && scores[0] < 0.5 },
  ].map((task) => [h("span", { role: "status" }), task]);
}
