"""The explorer's own arithmetic, in a browser, beside the library's and librosa's."""

from __future__ import annotations

import base64
import itertools
from pathlib import Path

import librosa
import numpy as np
import pytest
import soxr
import torch
from scipy import stats

from sedcourse import explorer
from sedlib.config import Features
from sedlib.features import LogMel, MinMax, amplitude, coefficient, pcen
from sedlib.features.pcen import SMOOTHERS

CORE = Path(explorer.__file__).with_name("pcen.js")
MEL = {"n_fft": 2048, "hop": 255, "n_mels": 128, "range_db": 200.0}
FEATURES = {"mel": MEL, "logmel": {**MEL, "range_db": 80.0}}
SMALL = {"n_fft": 1024, "hop": 1024, "n_mels": 32, "range_db": 80.0}
# What crosses over to the page and back: float32 arrays as base64.
SHELL = """
import * as core from "%s";
const floats = (text) => new Float32Array(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer);
const text = (x) => {
  const bytes = new Uint8Array(Float32Array.from(x).buffer);
  let all = "";
  for (let i = 0; i < bytes.length; i += 8192) all += String.fromCharCode(...bytes.subarray(i, i + 8192));
  return btoa(all);
};
Object.assign(window, { core, floats, text, kept: {} });
"""
RNG = np.random.default_rng(0)
TIME = np.arange(24000) / 16000
CLICK = np.zeros(24000)
CLICK[11000] = 0.9
SIGNALS = {
    "noise": 0.05 * RNG.standard_normal(24000),
    "silence": np.zeros(24000),
    "a click": CLICK,
    "a constant": np.full(24000, 0.3),
    "a tone that starts, with an offset": 0.1 + 0.4 * np.sin(2 * np.pi * 440 * TIME) * (TIME > 0.7),
    "full scale, odd length": np.sign(RNG.standard_normal(23999)),
    "the shortest": 0.1 * RNG.standard_normal(1025),
}


@pytest.fixture(scope="module")
def core(page):
    """``core(body, array..., **values)`` runs the body with arrays x, y, ... and values; returns an array."""
    page.goto("about:blank")
    url = "data:text/javascript;base64," + base64.b64encode(CORE.read_bytes()).decode()
    page.add_script_tag(content=SHELL % url, type="module")
    page.wait_for_function("window.core")

    def call(body: str, *arrays: np.ndarray, **values) -> np.ndarray:
        coded = [base64.b64encode(np.ascontiguousarray(a, np.float32).tobytes()).decode() for a in arrays]
        names = ", ".join(["x", "y", "z"][: len(arrays)])
        answer = page.evaluate(
            f"([arrays, v]) => {{ const [{names}] = arrays.map(floats); return text((() => {{ {body} }})()); }}",
            [coded, values],
        )
        return np.frombuffer(base64.b64decode(answer), np.float32)

    return call


def level_of(x: np.ndarray, features: dict) -> torch.Tensor:
    return LogMel(Features(scaling="minmax", **features))(torch.as_tensor(x, dtype=torch.float32)[None])[0, 0]


@pytest.mark.parametrize("features", [*FEATURES.values(), SMALL], ids=["mel", "logmel", "small"])
@pytest.mark.parametrize("name", SIGNALS)
def test_log_mel(core, name, features):
    expected = level_of(SIGNALS[name], features).numpy()
    assert np.abs(core("return core.logMel(x, v)", SIGNALS[name], **features) - expected.ravel()).max() < 1e-4


def test_log_mel_of_a_sound(core):
    x = explorer.sound(next(iter(explorer.SOUNDS)))
    assert np.abs(core("return core.logMel(x, v)", x, **MEL) - level_of(x, MEL).numpy().ravel()).max() < 1e-4


ENDS = list(itertools.product((0.0, 1.0), (0.01, 100.0), (0.05, 1.0), (0.01, 10.0)))


@pytest.mark.parametrize("smoother", SMOOTHERS)
@pytest.mark.parametrize("kind", FEATURES)
@pytest.mark.parametrize("name", SIGNALS)
def test_every_end_of_every_slider(core, name, kind, smoother):
    """From the waveform to M and PCEN, one to four layers at a time, as the library computes them."""
    features = FEATURES[kind]
    level = level_of(SIGNALS[name], features)
    energy = MinMax()((amplitude(level) if kind == "mel" else level)[None, None])[0, 0]
    for eps, count in itertools.product((1e-10, 1e-1), (1, 2, 4)):
        for some in zip(*[iter(ENDS)] * count):
            names = ("alpha", "delta", "r", "seconds")
            layers = [dict(zip(names, values)) for values in some]
            made = core(
                "const level = core.logMel(x, v.features);"
                "const shown = core.panels(level, core.framesOf(x.length, v.features), v);"
                "return [...shown.m, ...shown.pcen].flatMap((one) => [...one])",
                SIGNALS[name],
                **{"energy": kind, "smoother": smoother, "eps": eps, "features": features},
                layers=[layer | {"seconds": [layer["seconds"]], "weights": [[1.0]]} for layer in layers],
            ).reshape(2, count, *level.shape)
            for k, layer in enumerate(layers):
                m = SMOOTHERS[smoother](energy, coefficient(layer["seconds"], features["hop"] / 16000))
                out = pcen(energy, m, layer["alpha"], layer["delta"], layer["r"], eps).numpy()
                assert np.abs(made[0, k] - m.numpy()).max() < 1e-4
                assert np.allclose(made[1, k], out, rtol=1e-4, atol=1e-4), (layer, eps)


def test_mixtures_the_same_for_all_bands_or_learned_for_each(core):
    energy = np.abs(RNG.standard_normal((32, 50))).astype(np.float32)
    seconds, learned = (0.06, 1.0), RNG.dirichlet([1, 1], 32).T
    s = torch.tensor([coefficient(one, 1024 / 16000) for one in seconds])
    each = SMOOTHERS["causal"](torch.as_tensor(energy), s).numpy()
    for weights in ([[0.25], [0.75]], learned.tolist()):
        expected = (np.array(weights)[..., None] * each).sum(0)
        made = core("return core.smooth(x, 50, v, 1024, false)", energy, seconds=seconds, weights=weights)
        assert np.abs(made - expected.ravel()).max() < 1e-5


def test_what_is_kept_between_two_settings_changes_nothing(core):
    x, layer = SIGNALS["noise"], {"alpha": 0.8, "delta": 2.0, "r": 0.5, "seconds": [0.4], "weights": [[1.0]]}
    state = {"energy": "mel", "smoother": "causal", "eps": 1e-6, "features": SMALL, "layers": [layer]}
    changes = [{"eps": 1e-2}, {"energy": "logmel"}, {"smoother": "zero-phase"}, {"layers": [layer, layer]}]
    changes += [{"layers": [{**layer, **one}]} for one in ({"alpha": 0.1}, {"delta": 9.0}, {"r": 1.0})]
    changes += [{"layers": [{**layer, "seconds": [3.0]}]}]
    for change in changes:
        after, fresh = (
            core(
                "const level = core.logMel(x, v.before.features), known = {};"
                "if (v.after) core.panels(level, 24, v.before, known);"
                "const shown = core.panels(level, 24, v.now, known);"
                "return [...shown.energy, ...shown.m.at(-1), ...shown.pcen.at(-1)]",
                *(x,),
                **{"before": state, "now": {**state, **change}, "after": after},
            )
            for after in (True, False)
        )
        assert np.array_equal(after, fresh), change


@pytest.mark.parametrize("rate", [8000, 16000, 22050, 44100, 48000, 96000])
def test_resampling_is_soxrs_where_both_are_flat(core, rate):
    time = np.arange(rate) / rate
    tones = [50, 440, 1000, 3000] + [hertz for hertz in (6000, 7000) if hertz < 0.45 * rate]
    fade = np.hanning(rate)
    x = sum(0.1 * fade * np.sin(2 * np.pi * hertz * time + hertz) for hertz in tones)
    expected = soxr.resample(x.astype(np.float32), rate, 16000)
    made = core("return core.resample(x, v.rate)", x, rate=rate)
    assert made.shape == expected.shape and np.abs(made - expected).max() < 1e-4
    if rate > 32000:  # nothing is folded back
        gone = core("return core.resample(x, v.rate)", 0.5 * fade * np.sin(2 * np.pi * 9000 * time), rate=rate)
        assert np.abs(gone).max() < 1e-5


@pytest.mark.parametrize("rate", [44100, 48000])
def test_resampling_piece_by_piece_is_that_of_the_whole(core, rate):
    x = RNG.standard_normal(rate // 4)
    pieces = core(
        "const push = core.resampler(v.rate), out = [];"
        "for (let i = 0; i < x.length; i += 128) out.push(...push(x.slice(i, i + 128)));"
        "return out",
        *(x,),
        rate=rate,
    )
    whole = core("return core.resample(x, v.rate)", x, rate=rate)
    assert len(pieces) > len(whole) - 100 and np.array_equal(pieces, whole[: len(pieces)])


def test_skewness_is_scipys_and_0_for_a_constant(core):
    values = RNG.gamma(1, size=1200)
    assert core("return [core.skewness(x)]", values)[0] == pytest.approx(stats.skew(values), rel=1e-4)
    assert core("return [core.skewness(x)]", np.full(12, 0.1))[0] == 0


def test_contrast_is_its_definition(core):
    values, events = RNG.random((8, 20)), [[0.2, 0.5], [1.5, 1.75]]
    times = np.arange(20) * 0.1
    on = np.any([(start <= times) & (times < end) for start, end in events], 0)
    inside, outside = values[:, on].mean(1), values[:, ~on].mean(1)
    made = core("return [core.contrast(x, 20, 0.1, v.events)]", values, events=events)[0]
    assert made == pytest.approx(((inside - outside) ** 2).mean() / outside.var(), rel=1e-4)


HEAR = (
    "const shown = { level: core.logMel(x, v.features), pcen: [y] };"
    "shown.energy = core.energyOf(shown.level, v.energy);"
    "return core.resynthesise(x, shown, 0, v)"
)


@pytest.mark.parametrize("kind", FEATURES)
def test_where_pcen_changes_nothing_the_original_is_heard(core, kind):
    x = SIGNALS["noise"] - SIGNALS["noise"].mean()
    level = level_of(x, FEATURES[kind])
    energy = MinMax()((amplitude(level) if kind == "mel" else level)[None, None])[0, 0]
    made = core(HEAR, x, 0.3 * energy.numpy(), energy=kind, features=FEATURES[kind])
    where = np.s_[2048:-2048]  # on Mel, the smallest value is 0 after scaling: nothing to divide by
    assert np.abs(made - x)[where].max() < (0.02 if kind == "mel" else 1e-4) * np.abs(x).max()


def test_gains_reach_the_bins_of_their_bands_as_by_librosa(core):
    """A gain that differs from band to band and frame to frame, by librosa's transforms; on Mel energies."""
    x = SIGNALS["noise"].astype(np.float32)
    energy = MinMax()(amplitude(level_of(x, MEL))[None, None])[0, 0].numpy()
    gain = RNG.uniform(0.1, 1, energy.shape).astype(np.float32)
    how = {"n_fft": 2048, "hop_length": 255, "window": "hamming", "center": True}
    spectrum = librosa.stft(x - x.mean(), pad_mode="reflect", **how)
    bands = LogMel(Features(**MEL)).bands.numpy().T  # (bin, mel)
    total = bands.sum(1, keepdims=True)
    centres = librosa.mel_frequencies(130, fmin=0, fmax=8000)[1:-1]
    nearest = np.eye(128)[np.abs(np.arange(1025)[:, None] * 8000 / 1024 - centres).argmin(1)]
    share = np.where(total > 0, bands / np.where(total > 0, total, 1), nearest)
    expected = librosa.istft(spectrum * (share @ np.where(energy > 0, gain, 0)), length=len(x), **how)
    expected *= np.sqrt((x.astype(float) ** 2).mean() / (expected**2).mean())
    made = core(HEAR, x, gain * energy, energy="mel", features=MEL)
    assert np.abs(made - expected).max() < 1e-4 * np.abs(expected).max()


def test_silence_stays_silence(core):
    made = core(HEAR, np.zeros(8000), np.zeros(128 * 32), energy="mel", features=MEL)
    assert not made.any()
