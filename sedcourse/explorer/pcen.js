// The numbers of the PCEN explorer, equal to those of sedlib.features: resampling, log-Mel, smoother, equation (3) and
// resynthesis. A picture is a Float32Array of bands times frames, band after band.

export const { ceil, floor, max, min } = Math;
export const RATE = 16000; // Hz
const FLOOR = 1e-5; // smallest amplitude

// ---------------------------------------------------------------------------------------------------- log and exp

// By tables and the next terms of their series, to 1e-7 and several times as fast as Math's: log of the float32 next to
// x > 0, and exp for |x| < 350.
const STEPS = 2048;
const table = (count, of) => Float64Array.from({ length: count }, (_, i) => of(i));
const MIDDLES = table(STEPS, (i) => 1 + (i + 0.5) / STEPS), LOGS = MIDDLES.map(Math.log), ROOTS = table(STEPS, (i) => 2 ** (i / STEPS));
const POWERS = table(1024, (i) => 2 ** (i - 512)), cell = new Float32Array(1), bits = new Int32Array(cell.buffer);

export function log(x) {
  cell[0] = x;
  const i = (bits[0] >> 12) & (STEPS - 1), rest = (bits[0] & 4095) - 2048;
  return ((bits[0] >> 23) - 127) * Math.LN2 + LOGS[i] + rest / (2 ** 23 * MIDDLES[i]);
}

export function exp(x) {
  const steps = x * (STEPS / Math.LN2), whole = floor(steps), d = (steps - whole) * (Math.LN2 / STEPS);
  return POWERS[(whole >> 11) + 512] * ROOTS[whole & (STEPS - 1)] * (1 + d + (d * d) / 2);
}

// ---------------------------------------------------------------------------------------------------- resampling

const bessel = (x) => {
  let sum = 1;
  for (let k = 1, term = 1; term > 1e-16 * sum; k++) sum += term *= (x / (2 * k)) ** 2;
  return sum;
};

// A windowed sinc (Kaiser, -120 dB): flat up to 0.91 of the lower Nyquist frequency. `push` takes the next samples at
// `rate` and returns what is known by then at 16 kHz.
export function resampler(rate) {
  if (rate === RATE) return (chunk) => chunk;
  let divisor = rate;
  for (let b = RATE; b; ) [divisor, b] = [b, divisor % b];
  const up = RATE / divisor, down = rate / divisor;
  const wide = max(1, rate / RATE), half = ceil(90 * wide), cut = 0.9565 / wide;
  const kernels = [];
  const kernel = (phase) => {
    if (kernels[phase]) return kernels[phase];
    const made = new Float64Array(2 * half);
    for (let j = 0; j < 2 * half; j++) {
      const d = j - half + 1 - phase / up, x = Math.PI * cut * d;
      const window = bessel(12.265 * Math.sqrt(max(0, 1 - (d / half) ** 2))) / bessel(12.265);
      made[j] = cut * window * (x ? Math.sin(x) / x : 1);
    }
    return (kernels[phase] = made);
  };
  let held = new Float32Array(half), first = -half, next = 0; // `first` is the index of held[0]
  return (chunk) => {
    const all = new Float32Array(held.length + chunk.length);
    all.set(held);
    all.set(chunk, held.length);
    const out = [];
    for (; ; next++) {
      const start = floor((next * down) / up) - half + 1 - first;
      if (start + 2 * half > all.length) {
        held = all.slice(start);
        first += start;
        return Float32Array.from(out);
      }
      const weights = kernel((next * down) % up);
      let sum = 0;
      for (let j = 0; j < weights.length; j++) sum += weights[j] * all[start + j];
      out.push(sum);
    }
  };
}

export function resample(x, rate) {
  if (rate === RATE) return x;
  const push = resampler(rate), length = ceil((x.length * RATE) / rate), out = new Float32Array(length);
  const parts = [push(x), push(new Float32Array(ceil(200 * max(1, rate / RATE))))];
  out.set(parts[0]);
  out.set(parts[1].subarray(0, length - parts[0].length), parts[0].length);
  return out;
}

// ---------------------------------------------------------------------------------------------------- log-Mel

const memo = (make) => {
  const made = new Map();
  return (...key) => {
    const name = key.join();
    if (!made.has(name)) made.set(name, make(...key));
    return made.get(name);
  };
};

const plan = memo((n) => {
  const reversed = new Uint32Array(n), cos = new Float64Array(n / 2), sin = new Float64Array(n / 2);
  for (let i = 1; i < n; i++) reversed[i] = (reversed[i >> 1] >> 1) | (i & 1 ? n >> 1 : 0);
  for (let i = 0; i < n / 2; i++) {
    cos[i] = Math.cos((2 * Math.PI * i) / n);
    sin[i] = -Math.sin((2 * Math.PI * i) / n);
  }
  return { reversed, cos, sin };
});

// Discrete Fourier transform in place; n is a power of 2.
export function fft(re, im) {
  const n = re.length, { reversed, cos, sin } = plan(n);
  for (let i = 0; i < n; i++) {
    const j = reversed[i];
    if (j > i) {
      const a = re[i], b = im[i];
      re[i] = re[j]; im[i] = im[j];
      re[j] = a; im[j] = b;
    }
  }
  for (let half = 1; half < n; half *= 2) {
    const stride = n / 2 / half;
    for (let start = 0; start < n; start += 2 * half) {
      for (let i = start, k = 0; i < start + half; i++, k += stride) {
        const j = i + half, x = re[j] * cos[k] - im[j] * sin[k], y = re[j] * sin[k] + im[j] * cos[k];
        re[j] = re[i] - x; im[j] = im[i] - y;
        re[i] += x; im[i] += y;
      }
    }
  }
}

const hamming = memo((n) => Float64Array.from({ length: n }, (_, i) => 0.54 - 0.46 * Math.cos((2 * Math.PI * i) / n)));

// Slaney's scale: linear up to 1000 Hz, then logarithmic.
const STEP = Math.log(6.4) / 27;
const hertz = (mel) => (mel < 15 ? (mel * 200) / 3 : 1000 * Math.exp(STEP * (mel - 15)));
const corners = memo((count) => Float64Array.from(
  { length: count + 2 }, (_, i) => hertz((i / (count + 1)) * (15 + Math.log(RATE / 2000) / STEP))
));
export const centres = (count) => corners(count).slice(1, -1); // Hz

const bank = memo((size, count) => {
  const f = corners(count);
  return Array.from({ length: count }, (_, m) => {
    const weights = [];
    let first = 0;
    for (let k = 0; k <= size / 2; k++) {
      const at = (k * RATE) / size;
      const weight = Math.fround(min((at - f[m]) / (f[m + 1] - f[m]), (f[m + 2] - at) / (f[m + 2] - f[m + 1])));
      if (weight > 0) {
        if (!weights.length) first = k;
        weights.push(weight);
      }
    }
    return { first, weights: Float64Array.from(weights) };
  });
});

export const framesOf = (samples, features) => 1 + floor(samples / features.hop);

// The signal without its mean, mirrored at both ends by half a window.
function padded(x, size) {
  const n = x.length, half = size / 2, out = new Float64Array(n + size);
  let mean = 0;
  for (let i = 0; i < n; i++) mean += x[i] / n;
  for (let i = 0; i < n; i++) out[half + i] = x[i] - mean;
  for (let i = 1; i <= half; i++) {
    out[half - i] = out[half + i];
    out[half + n - 1 + i] = out[half + n - 1 - i];
  }
  return out;
}

// Spectra of frames t and t + 1 in one transform, `each(t, re, im)`: re and im of their sum A + iB.
function pairs(signal, frames, { n_fft, hop }, each) {
  const window = hamming(n_fft), re = new Float64Array(n_fft), im = new Float64Array(n_fft);
  for (let t = 0; t < frames; t += 2) {
    for (let i = 0; i < n_fft; i++) {
      re[i] = signal[t * hop + i] * window[i];
      im[i] = t + 1 < frames ? signal[(t + 1) * hop + i] * window[i] : 0;
    }
    fft(re, im);
    each(t, re, im);
  }
}

// Mel amplitudes of frames that begin at signal[t * hop].
export function mel(signal, frames, features) {
  const { n_fft, n_mels } = features, filters = bank(n_fft, n_mels), out = new Float32Array(n_mels * frames);
  const a = new Float64Array(n_fft / 2 + 1), b = new Float64Array(n_fft / 2 + 1);
  pairs(signal, frames, features, (t, re, im) => {
    for (let k = 0; k <= n_fft / 2; k++) {
      const j = (n_fft - k) % n_fft, p = re[k], q = im[k], u = re[j], v = im[j];
      a[k] = Math.sqrt((p + u) ** 2 + (q - v) ** 2) / 2;
      b[k] = Math.sqrt((q + v) ** 2 + (p - u) ** 2) / 2;
    }
    for (let m = 0; m < n_mels; m++) {
      const { first, weights } = filters[m];
      let x = 0, y = 0;
      for (let i = 0; i < weights.length; i++) {
        x += weights[i] * a[first + i];
        y += weights[i] * b[first + i];
      }
      out[m * frames + t] = x;
      if (t + 1 < frames) out[m * frames + t + 1] = y;
    }
  });
  return out;
}

// Levels in dB, no lower than `floor`'s and no further below the highest than `range`.
export function decibels(amplitudes, range, floor = FLOOR) {
  const level = new Float32Array(amplitudes.length), toDb = 20 / Math.LN10;
  let top = -Infinity;
  for (let i = 0; i < level.length; i++) {
    level[i] = toDb * log(amplitudes[i] > floor ? amplitudes[i] : floor);
    if (level[i] > top) top = level[i];
  }
  const low = Math.fround(top - range);
  for (let i = 0; i < level.length; i++) if (level[i] < low) level[i] = low;
  return level;
}

// Log-Mel of a clip, n_fft / 2 + 1 samples or more, in dB.
export const logMel = (x, features) =>
  decibels(mel(padded(x, features.n_fft), framesOf(x.length, features), features), features.range_db);

// ---------------------------------------------------------------------------------------------------- PCEN

export function range(values) {
  let low = Infinity, high = -Infinity;
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return [low, high];
}

// E: the levels, or the amplitudes again, scaled to [0, 1] over the clip.
export function energyOf(level, kind) {
  const e = level.slice();
  if (kind === "mel") for (let i = 0; i < e.length; i++) e[i] = exp(e[i] * (Math.LN10 / 20));
  const [low, high] = range(e), span = max(Math.fround(high - low), 1e-12);
  for (let i = 0; i < e.length; i++) e[i] = (e[i] - low) / span;
  return e;
}

// s of a time constant in seconds.
export const coefficient = (seconds, hop) => 2 / (Math.sqrt(1 + 4 * ((seconds * RATE) / hop) ** 2) + 1);

// M of a layer: the sum of its smoothers, each with a weight for all bands or one for each.
export function smooth(energy, frames, layer, hop, zeroPhase) {
  const out = new Float32Array(energy.length), row = new Float64Array(frames);
  layer.seconds.forEach((seconds, k) => {
    const s = coefficient(seconds, hop), weights = layer.weights[k];
    for (let band = 0, at = 0; at < energy.length; band++, at += frames) {
      const weight = weights[weights.length > 1 ? band : 0];
      let m = energy[at];
      for (let t = 0; t < frames; t++) row[t] = m += s * (energy[at + t] - m);
      if (zeroPhase) for (let t = frames - 1; t >= 0; t--) row[t] = m += s * (row[t] - m);
      for (let t = 0; t < frames; t++) out[at + t] += weight * row[t];
    }
  });
  return out;
}

export function logOf(m, eps) {
  const out = new Float32Array(m.length);
  for (let i = 0; i < m.length; i++) out[i] = log(m[i] + eps);
  return out;
}

// Equation (3), (E / (eps + M)^alpha + delta)^r - delta^r, from log(eps + M).
export function pcen(energy, logM, { alpha, delta, r }) {
  const out = new Float32Array(energy.length), scale = delta ** r;
  for (let i = 0; i < out.length; i++) {
    const g = (energy[i] * exp(-alpha * logM[i])) / delta;
    out[i] = scale * (g > 0.02 ? exp(r * log(1 + g)) - 1 : r * g * (1 + ((r - 1) / 2) * g * (1 + ((r - 2) / 3) * g * (1 + ((r - 3) / 4) * g))));
  }
  return out;
}

// All that the explorer shows of a log-Mel spectrogram. `known` keeps, from call to call, what has not changed.
export function panels(level, frames, settings, known = {}) {
  const { energy: kind, smoother, eps, layers, features } = settings;
  if (known.level !== level || known.kind !== kind) {
    Object.assign(known, { level, kind, energy: energyOf(level, kind), layers: [] });
  }
  const m = [], out = [];
  layers.forEach((layer, k) => {
    const of = (known.layers[k] ??= {});
    const smoothers = JSON.stringify([layer.seconds, layer.weights, smoother, features.hop]);
    if (of.smoothers !== smoothers) {
      Object.assign(of, { smoothers, eps: null });
      of.m = smooth(known.energy, frames, layer, features.hop, smoother === "zero-phase");
    }
    if (of.eps !== eps) Object.assign(of, { eps, log: logOf(of.m, eps), values: null });
    const values = JSON.stringify([layer.alpha, layer.delta, layer.r]);
    if (of.values !== values) Object.assign(of, { values, pcen: pcen(known.energy, of.log, layer) });
    m.push(of.m);
    out.push(of.pcen);
  });
  return { level, energy: known.energy, m, pcen: out };
}

// ---------------------------------------------------------------------------------------------------- measures

// Third standardised moment: 0 if symmetric, positive for a long tail of large values.
export function skewness(values) {
  const n = values.length;
  let mean = 0, square = 0, cube = 0;
  for (let i = 0; i < n; i++) mean += values[i];
  mean /= n;
  for (let i = 0; i < n; i++) {
    const d = values[i] - mean;
    square += d * d;
    cube += d * d * d;
  }
  const deviation = Math.sqrt(square / n);
  return deviation > 1e-12 ? cube / n / deviation ** 3 : 0;
}

// The pattern that events add, against the pattern that lasts: mean over bands of (on - off)^2 / variance of off.
export function contrast(values, frames, frameS, events) {
  const on = Array.from({ length: frames }, (_, t) => events.some(([a, b]) => a <= t * frameS && t * frameS < b));
  const many = on.filter(Boolean).length, bands = values.length / frames;
  let added = 0, sum = 0, squares = 0;
  for (let band = 0; band < bands; band++) {
    let inside = 0, outside = 0;
    for (let t = 0; t < frames; t++) {
      if (on[t]) inside += values[band * frames + t];
      else outside += values[band * frames + t];
    }
    inside /= many;
    outside /= frames - many;
    added += (inside - outside) ** 2 / bands;
    sum += outside / bands;
    squares += outside ** 2 / bands;
  }
  return added / max(squares - sum * sum, 1e-12);
}

// ---------------------------------------------------------------------------------------------------- to hear

// The share of each band in the gain of each bin, as a list of [band, share]; shares add up to 1.
const shares = memo((size, count) => {
  const lists = Array.from({ length: size / 2 + 1 }, () => []), f = centres(count);
  bank(size, count).forEach(({ first, weights }, m) => weights.forEach((w, i) => lists[first + i].push([m, w])));
  return lists.map((list, k) => {
    const total = list.reduce((sum, [, weight]) => sum + weight, 0);
    if (total > 0) return list.map(([m, weight]) => [m, weight / total]);
    const distance = Array.from(f, (centre) => Math.abs((k * RATE) / size - centre));
    return [[distance.indexOf(min(...distance)), 1]];
  });
});

const rms = (x) => Math.sqrt(x.reduce((sum, value) => sum + value * value, 0) / x.length);

// A layer's PCEN made audible: every bin has the gain of its bands and keeps its phase; as loud as the original. Of Mel
// energies the gain is PCEN / E. Log-Mel energies are levels: so is PCEN then, and the gain in dB is the difference.
export function resynthesise(x, shown, k, settings) {
  const { n_fft, n_mels, hop } = settings.features, frames = framesOf(x.length, settings.features);
  const { level, energy } = shown, out = shown.pcen[k], size = n_fft / 2;
  const [low, high] = range(level), peak = range(energy)[1] / max(range(out)[1], 1e-12);
  const gain = energy.map((e, i) =>
    settings.energy === "mel" ? (e > 0 ? out[i] / e : 0) : 10 ** (((high - low) * (out[i] * peak - e)) / 20));
  const of = shares(n_fft, n_mels), window = hamming(n_fft), signal = padded(x, n_fft);
  const sum = new Float64Array(signal.length), norm = new Float64Array(signal.length);
  pairs(signal, frames, settings.features, (t, re, im) => {
    for (let k = 0; k <= size; k++) {
      const j = (n_fft - k) % n_fft;
      let a = 0, b = 0;
      for (const [m, share] of of[k]) {
        a += share * gain[m * frames + t];
        if (t + 1 < frames) b += share * gain[m * frames + t + 1];
      }
      const ar = (a * (re[k] + re[j])) / 2, ai = (a * (im[k] - im[j])) / 2;
      const br = (b * (im[k] + im[j])) / 2, bi = (b * (re[j] - re[k])) / 2;
      re[k] = ar - bi; im[k] = ai + br;
      re[j] = ar + bi; im[j] = br - ai;
    }
    fft(im, re); // the inverse, n_fft times
    for (let i = 0; i < n_fft; i++) {
      sum[t * hop + i] += (re[i] * window[i]) / n_fft;
      norm[t * hop + i] += window[i] ** 2;
      if (t + 1 < frames) {
        sum[(t + 1) * hop + i] += (im[i] * window[i]) / n_fft;
        norm[(t + 1) * hop + i] += window[i] ** 2;
      }
    }
  });
  const made = Float32Array.from({ length: x.length }, (_, i) => sum[size + i] / (norm[size + i] || 1));
  const loudness = rms(x) / max(rms(made), 1e-12);
  return made.map((value) => value * loudness);
}
