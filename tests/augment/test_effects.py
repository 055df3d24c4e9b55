"""Each effect by what it does to signals that are known, and beside scipy and loops over samples."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import signal
from torch import Tensor
from torch.testing import assert_close
from tries import tries

from sedlib.augment import EFFECTS, draw_effect
from sedlib.augment.effects import (
    comb,
    compress,
    high_pass,
    low_pass,
    noise_burst,
    pitch_shift,
    reverberate,
    sine_burst,
)
from sedlib.data.audio import RATE
from sedlib.errors import SedError

PAPER = ("noise burst", "sine burst", "comb", "compression", "pitch shift", "low-pass", "high-pass")


def noise(rows: int = 1, samples: int = RATE, seed: int = 0) -> Tensor:
    return 0.2 * torch.randn(rows, samples, generator=torch.Generator().manual_seed(seed))


def tone(frequency: float, samples: int = RATE) -> Tensor:
    return torch.sin(2 * math.pi * frequency / RATE * torch.arange(samples, dtype=torch.float64)).float()[None]


def impulse(samples: int = RATE) -> Tensor:
    return torch.eye(1, samples)


def values(*numbers: float) -> Tensor:
    return torch.tensor(numbers)


def decibels(waveform: Tensor, frequency: float) -> float:
    """Gain at a frequency of the filter with this impulse response."""
    turns = torch.arange(waveform.shape[1], dtype=torch.float64) * frequency / RATE
    return 20 * math.log10(abs((waveform[0] * torch.exp(-2j * math.pi * turns)).sum()))


def rms(waveform: Tensor) -> Tensor:
    return waveform.square().mean(1).sqrt()


def crest(waveform: Tensor) -> Tensor:
    return waveform.abs().amax(1) / rms(waveform)


# Bursts


@pytest.mark.parametrize("snr_db", [-5.0, 0.0, 20.0])
@pytest.mark.parametrize("kind", ["noise", "sine"])
def test_a_burst_has_its_place_and_its_ratio_and_changes_nothing_else(kind, snr_db):
    waveform, start, duration = noise(2, 3 * RATE), values(0.5, 2.25), values(0.2, 0.05)
    more = (values(0.1, 0.9), values(440.0, 3000.0))[kind == "sine"]
    effect = (noise_burst, sine_burst)[kind == "sine"]
    burst = effect(waveform, start, duration, values(snr_db, snr_db), more) - waveform
    for row, before, first, last in zip(burst, waveform, (8000, 36000), (11200, 36800)):
        assert not row[: first - 1].any() and not row[last + 1 :].any()
        ratio = before[first:last].square().sum() / row[first:last].square().sum()
        assert_close(10 * math.log10(ratio), snr_db, rtol=0, atol=0.01)
        halves = row[first:last].reshape(2, -1).square().mean(1)  # it sounds all the time
        assert 0.6 < halves[0] / halves[1] < 1.6


@pytest.mark.parametrize("frequency", [100.0, 1234.5, 4000.0])
def test_a_sine_burst_is_a_sine_of_its_frequency(frequency):
    waveform = torch.ones(1, 10 * RATE)
    burst = sine_burst(waveform, values(9.2), values(0.5), values(0.0), values(frequency)) - waveform
    windowed = burst[0, 147200:155200].double() * torch.blackman_window(8000, dtype=torch.float64)
    spectrum = torch.fft.rfft(windowed, 16 * RATE).abs().square()
    hertz = torch.arange(len(spectrum)) / 16
    assert abs(hertz[spectrum.argmax()] - frequency) < 0.5
    assert spectrum[(hertz - frequency).abs() > 10].sum() < 1e-3 * spectrum.sum()


def test_noise_bursts_are_white_and_each_another():
    waveform = torch.ones(3, 10 * RATE)
    burst = noise_burst(waveform, values(0, 0, 0), values(10, 10, 10), values(0, 0, 0), values(0, 0.3, 0.99)) - waveform
    octaves = torch.fft.rfft(burst).abs().square()[:, 1:].reshape(3, 8, -1).mean(-1)
    assert_close(octaves / octaves.mean(1, keepdim=True), torch.ones(3, 8), rtol=0, atol=0.05)
    assert (torch.corrcoef(burst) - torch.eye(3)).abs().max() < 0.02


def test_a_burst_in_a_pause_is_silent():
    """Its level goes by what sounds at the same time, so that no event comes where the label has none."""
    waveform = noise(1, RATE)
    waveform[:, 4000:8000] = 0
    for effect, last in ((noise_burst, values(0.5)), (sine_burst, values(1000.0))):
        assert torch.equal(effect(waveform, values(0.3), values(0.15), values(0.0), last), waveform)


# Comb


def loop(x: np.ndarray, delay: float, depth: float, rate: float, gain: float, first: int = 0) -> np.ndarray:
    """y(n) = x(n) + gain x(n - d(n)) from ``first`` on, d swept, x linear between samples and 0 before the first."""
    y = x.copy()
    for n in range(first, len(x)):
        d = delay / 1000 * RATE * (1 + depth * np.sin(2 * np.pi * rate * n / RATE))
        whole = int(np.floor(d))
        before, earlier = (x[k] if k >= 0 else 0.0 for k in (n - whole, n - whole - 1))
        y[n] = x[n] + gain * ((1 - (d - whole)) * before + (d - whole) * earlier)
    return y


@given(st.floats(1, 10), st.floats(0, 0.9), st.floats(0.1, 2), st.floats(0, 1), st.integers(0, 99))
@tries(15)
def test_the_comb_equals_a_loop_over_samples(delay, depth, rate, gain, seed):
    waveform = noise(1, 3000, seed)
    found = comb(waveform, values(delay), values(depth), values(rate), values(gain))[0]
    expected = torch.from_numpy(loop(waveform[0].double().numpy(), delay, depth, rate, gain))
    assert_close(found.double(), expected, rtol=0, atol=1e-4)


def test_the_comb_is_as_exact_at_the_end_of_a_clip():
    waveform = noise(1, 10 * RATE)
    found = comb(waveform, values(5.0), values(0.5), values(0.7), values(0.8))[0]
    expected = torch.from_numpy(loop(waveform[0].double().numpy(), 5.0, 0.5, 0.7, 0.8, first=9 * RATE))
    assert_close(found[9 * RATE :].double(), expected[9 * RATE :], rtol=0, atol=5e-4)


def test_a_comb_at_rest_has_its_peaks_and_notches():
    response = comb(impulse(), values(2.0), values(0.0), values(1.0), values(0.5))
    for k in range(8):
        assert_close(decibels(response, 500.0 * k), 20 * math.log10(1.5), rtol=0, atol=1e-4)
        assert_close(decibels(response, 250 + 500.0 * k), 20 * math.log10(0.5), rtol=0, atol=1e-4)


# Compression


@given(st.floats(-30, -10), st.floats(1, 8), st.floats(-40, 0), st.floats(1e-3, 1))
@tries(40)
def test_compression_has_its_static_curve(threshold, ratio, level, loudest):
    """A tone as loud as the loudest, one at ``level`` dB below it, and a soft one."""
    segments = torch.cat([tone(1000, 8000) * loudest * 10 ** (db / 20) for db in (0.0, level, -45.0)], 1)
    compressed = compress(segments, values(threshold), values(ratio))
    after, before = (rms(waveform.reshape(3, 8000)[:, 800:7200]) for waveform in (compressed, segments))
    gains = 20 * torch.log10(after / before)
    expected = [(threshold - db) * (1 - 1 / ratio) if db > threshold else 0.0 for db in (0.0, level, -45.0)]
    assert gains.tolist() == pytest.approx(expected, abs=0.02)
    assert torch.equal(compressed[:, 16800:], segments[:, 16800:])


def test_compression_lowers_the_crest_factor_and_leaves_quiet_parts():
    waveform = noise(4) * (0.05 + torch.exp(-torch.arange(RATE) / 1000))
    compressed = compress(waveform, torch.full((4,), -20.0), values(1, 2, 4, 8))
    factors = crest(compressed).tolist()
    assert factors[0] == pytest.approx(crest(waveform)[0].item(), rel=1e-5)
    assert all(after < before.item() for after, before in zip(factors[1:], crest(waveform)[1:]))
    assert factors[1:] == sorted(factors[1:], reverse=True)
    assert torch.equal(compressed[:, 8000:], waveform[:, 8000:])


# Pitch


@pytest.mark.parametrize("frequency", [220.0, 440.0, 1500.0])
def test_tones_move_to_their_frequencies_up_and_down(frequency):
    semitones = values(-3.0, -1.25, -0.4, 0.0, 0.7, 2.5, 3.0)
    shifted = pitch_shift(tone(frequency, 2 * RATE).repeat(7, 1), semitones)[:, 4000:-4000]
    spectra = torch.fft.rfft(shifted * torch.hann_window(24000), 16 * RATE).abs()
    wanted = frequency * 2 ** (semitones / 12)
    cents = 1200 * torch.log2(spectra.argmax(1) / 16 / wanted)
    assert cents.abs().max() < 15
    assert ((rms(shifted) * math.sqrt(2) - 1).abs() < 0.1).all()


@pytest.mark.parametrize("semitones", [-3.0, -0.5, 0.5, 3.0])
def test_a_shifted_click_stays_where_it_was(semitones):
    waveform = torch.zeros(1, 2 * RATE)
    waveform[:, 5000:5040] = noise(1, 40)
    energy = pitch_shift(waveform, values(semitones))[0].square()
    centre = (torch.arange(2 * RATE) * energy).sum() / energy.sum()
    assert abs(centre - 5020) < 0.002 * RATE
    assert energy[4960:5120].sum() > 0.97 * energy.sum()


# Filters


@given(st.floats(20, 6000), st.integers(0, 99))
@tries(20)
def test_low_and_high_pass_are_butterworths_of_second_order(cutoff, seed):
    waveform = torch.cat([noise(1, 3000, seed), impulse(3000), torch.ones(1, 3000)])
    cutoffs = torch.full((3,), cutoff)
    for effect, kind in ((low_pass, "low"), (high_pass, "high")):
        expected = signal.sosfilt(signal.butter(2, cutoff, kind, fs=RATE, output="sos"), waveform.double().numpy())
        assert_close(effect(waveform, cutoffs).double(), torch.from_numpy(expected), rtol=0, atol=2e-5)


def test_filters_fall_by_12_db_an_octave_and_let_the_rest_pass():
    for response, octave in ((low_pass(impulse(), values(200.0)), 2.0), (high_pass(impulse(), values(800.0)), 0.5)):
        cutoff = 200.0 if octave > 1 else 800.0
        assert_close(decibels(response, cutoff), -3.01, rtol=0, atol=0.02)
        fall = [decibels(response, cutoff * octave**k) for k in range(1, 4)]
        assert fall == pytest.approx([-12.3, -24.1, -36.1], abs=0.9)
        assert_close(decibels(response, cutoff / octave**4), 0.0, rtol=0, atol=0.05)


# Rooms


@given(st.integers(1, 5000), st.integers(1, 3000), st.integers(0, 99))
@tries(20)
def test_a_room_is_a_convolution_cut_to_the_length(samples, taps, seed):
    waveform, response = noise(2, samples, seed), noise(2, taps, seed + 1)
    expected = signal.fftconvolve(waveform.double().numpy(), response.double().numpy(), axes=1)[:, :samples]
    assert_close(torch.stack(reverberate(waveform, response)).double(), torch.from_numpy(expected), rtol=0, atol=1e-5)


def test_rooms_of_any_length_at_once():
    sizes = [(1, 9000), (40000, 1), (20000, 20000), (16385, 8192)]
    waveforms, responses = ([noise(1, size[k], seed)[0] for seed, size in enumerate(sizes)] for k in (0, 1))
    for heard, waveform, response in zip(reverberate(waveforms, responses), waveforms, responses, strict=True):
        expected = signal.fftconvolve(waveform.double().numpy(), response.double().numpy())[: len(waveform)]
        assert_close(heard.double(), torch.from_numpy(expected), rtol=0, atol=2e-5)


def test_a_room_of_one_tap_is_no_room_and_onsets_stay():
    waveform = noise(2)
    waveform[:, :5000] = 0
    assert_close(torch.stack(reverberate(waveform, torch.ones(2, 1))), waveform, rtol=0, atol=1e-6)
    response = torch.exp(-torch.arange(4000) / 800) * noise(2, 4000)
    response[:, 0] = 1
    heard = torch.stack(reverberate(waveform, response))
    assert heard[:, :5000].abs().max() < 1e-6
    assert_close(heard[:, 5000], waveform[:, 5000], rtol=1e-4, atol=1e-6)


# All of them


def drawn(name: str, rows: int, seed: int, seconds: float) -> dict[str, Tensor]:
    found = [draw_effect(np.random.default_rng([seed, row]), name, seconds) for row in range(rows)]
    return {parameter: torch.tensor([one[parameter] for one in found]) for parameter in EFFECTS[name].ranges}


def signals(samples: int) -> Tensor:
    """Silence, an impulse, a square wave of full scale, noise of hardly any level, noise with silence at its ends."""
    rows = torch.zeros(5, samples)
    rows[1, samples // 3] = 1
    rows[2] = torch.arange(samples).div(25, rounding_mode="floor") % 2 * 2 - 1
    rows[3] = 1e-5 * noise(1, samples)[0]
    rows[4, samples // 4 : samples // 2] = noise(1, samples)[0, samples // 4 : samples // 2]
    return rows


@pytest.mark.parametrize("samples", [1, 480, 16001, 160000])
@pytest.mark.parametrize("name", EFFECTS)
def test_shape_stays_values_are_finite_silence_is_silence(name, samples):
    waveform = signals(samples)
    parameters = drawn(name, 5, samples, samples / RATE)
    kept = waveform.clone(), {parameter: value.clone() for parameter, value in parameters.items()}
    found = EFFECTS[name].function(waveform, **parameters)
    assert found.shape == waveform.shape and found.dtype == torch.float32
    assert found.isfinite().all() and not found[0].any()
    if samples > 1:
        assert (found[1:].abs().amax(1) > 0.1 * waveform[1:].abs().amax(1)).all()
    assert torch.equal(waveform, kept[0]), "the input was changed"
    assert all(torch.equal(value, kept[1][parameter]) for parameter, value in parameters.items())
    assert torch.equal(EFFECTS[name].function(waveform, **parameters), found), "chance"


@pytest.mark.parametrize("name", EFFECTS)
@given(seed=st.integers(0, 10**6), samples=st.integers(1, 9000), longer=st.integers(0, 9000))
@tries(8)
def test_each_row_is_as_if_alone_and_what_follows_it_changes_nothing(name, seed, samples, longer):
    """So that a sound does not depend on the batch in which it is rendered."""
    waveform = noise(3, samples, seed) * values(1.0, 0.1, 0.001)[:, None]
    parameters = drawn(name, 3, seed, samples / RATE)
    together = EFFECTS[name].function(torch.nn.functional.pad(waveform, (0, longer)), **parameters)[:, :samples]
    for row in range(3):
        of_row = {parameter: value[row : row + 1] for parameter, value in parameters.items()}
        alone = EFFECTS[name].function(waveform[row : row + 1], **of_row)
        assert_close(together[row], alone[0], rtol=0, atol=2e-5 * float(alone.abs().max()))


@given(st.integers(0, 2**32), st.sampled_from(list(EFFECTS)), st.floats(0.03, 10))
@tries(200)
def test_parameters_are_drawn_from_their_ranges(seed, name, seconds):
    found = draw_effect(np.random.default_rng(seed), name, seconds)
    assert list(found) == list(EFFECTS[name].ranges)
    if "burst" in name:
        start, duration = found.pop("start"), found.pop("duration")
        assert min(0.05, seconds) <= duration <= 0.5 and 0 <= start <= start + duration <= seconds * (1 + 1e-9)
    for parameter, value in found.items():
        low, high, _ = EFFECTS[name].ranges[parameter]
        assert low * (1 - 1e-9) <= value <= high * (1 + 1e-9) or low < 0 and low <= value <= high


def test_parameters_come_from_the_whole_range():
    rng = np.random.default_rng(0)
    for name, (_, ranges) in EFFECTS.items():
        found = [draw_effect(rng, name, 10.0) for _ in range(300)]
        for parameter, (low, high, log) in ranges.items():
            if parameter == "start":
                high = 10.0
            scale = np.log if log else np.asarray
            shares = (scale([one[parameter] for one in found]) - scale(low)) / (scale(high) - scale(low))
            assert shares.min() < 0.05 and shares.max() > 0.9 and abs(shares.mean() - 0.5) < 0.06, (name, parameter)


def test_the_papers_seven_are_there_and_another_is_refused():
    assert set(PAPER) == set(EFFECTS)
    with pytest.raises(SedError, match="effect 'echo' does not exist; choose from noise burst, "):
        draw_effect(np.random.default_rng(0), "echo", 1.0)
