// Sounds of the explorer: files, the microphone, and what is played.
import { RATE, ceil, floor, max, mel, min, resample, resampler } from "./pcen.js";
import { number } from "./view.js";

const LONGEST = 30; // seconds of a file
const LIVE = 10; // seconds of the microphone in view

export const bytesOf = (data) => (typeof data === "string"
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

// The mean of the channels, as far as it is used.
function mono(buffer) {
  const count = min(buffer.length, ceil((LONGEST + 0.1) * buffer.sampleRate)), out = new Float32Array(count);
  for (let channel = 0; channel < buffer.numberOfChannels; channel++) {
    const of = buffer.getChannelData(channel);
    for (let i = 0; i < count; i++) out[i] += of[i] / buffer.numberOfChannels;
  }
  return out;
}

// {x, said}: 16 kHz mono, and a sentence; an Error whose message is a sentence.
export async function decode(bytes, name) {
  if (!window.OfflineAudioContext) throw Error("This browser has no WebAudio, so it cannot read sounds.");
  let buffer;
  try {
    buffer = await new OfflineAudioContext(1, 1, rateOf(bytes)).decodeAudioData(bytes.slice().buffer);
  } catch {
    throw Error(`${name} is not audio that this browser can read.`);
  }
  const { sampleRate, numberOfChannels, duration } = buffer, mixed = mono(buffer);
  if (!mixed.every(Number.isFinite)) throw Error(`${name} holds samples that are not numbers; export it again.`);
  const x = resample(mixed, sampleRate).slice(0, LONGEST * RATE);
  if (x.length < 1025) throw Error(`${name} is too short: ${number(duration)} s; give at least 0.065 s.`);
  let said = `${name}: ${number(duration)} s`;
  if (numberOfChannels > 1) said += `, the mean of ${numberOfChannels} channels`;
  if (sampleRate !== RATE) said += `, ${sampleRate} Hz made 16000 Hz`;
  if (duration > LONGEST) said += `. Only its first ${LONGEST} s are used`;
  if (!x.some(Boolean)) said += ". It is silent: every sample is 0";
  return { x, said: `${said}.` };
}

// What there is without any file: a hum, and a tone that comes three times.
export function made() {
  return Float32Array.from({ length: LIVE * RATE }, (_, i) => {
    const t = i / RATE, on = t % 3 > 2 && t % 0.25 < 0.15;
    return 0.05 * Math.sin(i * i) + 0.1 * Math.sin(754 * t) + (on ? 0.1 * Math.sin(9425 * t) : 0);
  });
}

function wav(x) {
  const view = new DataView(new ArrayBuffer(44 + 2 * x.length));
  [0x52494646, 36 + 2 * x.length, 0x57415645, 0x666d7420, 16, 0x10001, RATE, 2 * RATE, 0x100002, 0x64617461, 2 * x.length]
    .forEach((word, i) => view.setUint32(4 * i, word, ![0, 2, 3, 9].includes(i)));
  x.forEach((value, i) => view.setInt16(44 + 2 * i, max(-1, min(1, value)) * 32767, true));
  return new Blob([view], { type: "audio/wav" });
}

// Another sound in a player, from where the last one was.
export function play(player, x) {
  const at = player.currentTime, playing = !player.paused;
  URL.revokeObjectURL(player.src);
  player.src = URL.createObjectURL(wav(x));
  player.currentTime = at;
  if (playing) player.play();
}

// ---------------------------------------------------------------------------------------------------- the microphone

// The last ten seconds, as samples `x` and as Mel amplitudes.
export class Listener {
  constructor(rate, features) {
    this.push = resampler(rate);
    this.x = new Float32Array(LIVE * RATE);
    this.start(features);
  }

  start(features) {
    const frames = floor((LIVE * RATE) / features.hop);
    Object.assign(this, { features, frames, held: new Float64Array(0), mel: new Float32Array(features.n_mels * frames) });
  }

  take(chunk) {
    const fresh = this.push(chunk), { x, held, frames, features: { n_fft, n_mels, hop } } = this;
    x.copyWithin(0, fresh.length);
    x.set(fresh.subarray(-x.length), max(0, x.length - fresh.length));
    const signal = new Float64Array(held.length + fresh.length);
    signal.set(held);
    signal.set(fresh, held.length);
    const count = max(0, min(frames, floor((signal.length - n_fft) / hop) + 1));
    this.held = signal.slice(count * hop);
    if (!count) return;
    const columns = mel(signal, count, this.features);
    this.mel.copyWithin(0, count);
    for (let band = 0; band < n_mels; band++) {
      for (let t = 0; t < count; t++) this.mel[(band + 1) * frames - count + t] = columns[band * count + t];
    }
  }
}

const WORKLET = `registerProcessor("listen",class extends AudioWorkletProcessor{all=[];process([[x]]){if(x&&this.all.push(...x)>500){this.port.postMessage(Float32Array.from(this.all));this.all=[]}return true}})`;
const REFUSED = {
  NotAllowedError: "The microphone was refused. Allow it in the browser's bar of addresses, and try again.",
  NotFoundError: "There is no microphone here.",
  NotReadableError: "The microphone is in use elsewhere.",
};

// {rate, release}, after which `take` is called with samples; an Error whose message is a sentence.
export async function microphone(take) {
  if (!navigator.mediaDevices?.getUserMedia || !window.AudioWorkletNode) {
    throw Error("This browser gives no microphone to this page; open it as a file or over https.");
  }
  try {
    const raw = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
    const stream = await navigator.mediaDevices.getUserMedia({ audio: raw });
    const context = new AudioContext();
    await context.audioWorklet.addModule(`data:text/javascript,${encodeURIComponent(WORKLET)}`);
    const node = new AudioWorkletNode(context, "listen", { numberOfOutputs: 0 });
    context.createMediaStreamSource(stream).connect(node);
    node.port.onmessage = ({ data }) => take(data);
    const release = () => {
      node.port.onmessage = null;
      stream.getTracks().forEach((track) => track.stop());
      context.close();
    };
    return { rate: context.sampleRate, release };
  } catch (error) {
    throw Error(REFUSED[error.name] ?? `The microphone does not work: ${error.message}.`);
  }
}
