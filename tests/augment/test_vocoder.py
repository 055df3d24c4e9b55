"""The vocoder on signals of known pitch and place, and its recursion against a loop over frames."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from sedlib.augment import vocoder
from sedlib.data.audio import RATE

SHIFTS = (-4.0, -2.5, -1.0, 0.3, 1.7, 4.0)


def tones(frequencies: list[float], seconds: float = 2.0) -> Tensor:
    t = torch.arange(round(RATE * seconds), dtype=torch.float64) / RATE
    return (0.3 * torch.sin(2 * math.pi * torch.tensor(frequencies)[:, None] * t)).float()


def clicks(rows: int, at: list[int], samples: int = 2 * RATE) -> Tensor:
    """Bursts of 5 ms."""
    waveform = torch.zeros(rows, samples)
    burst = torch.randn(80, generator=torch.Generator().manual_seed(1)) * torch.exp(-torch.arange(80) / 16)
    for place in at:
        waveform[:, place : place + 80] = burst
    return waveform


def spectrum(waveform: Tensor) -> Tensor:
    """Power at multiples of 0.5 Hz."""
    window = torch.blackman_window(waveform.shape[1], dtype=torch.float64)
    return torch.fft.rfft(waveform.double() * window, 2 * RATE).abs().square()


@pytest.mark.parametrize("frequency", (110.0, 440.0, 2500.0))
def test_tones_move_to_their_frequencies_and_stay_pure(frequency):
    shifted = vocoder.pitch_shift(tones([frequency] * len(SHIFTS)), torch.tensor(SHIFTS))[:, 4000:-4000]
    for row, shift, power in zip(shifted, SHIFTS, spectrum(shifted)):
        wanted = frequency * 2 ** (shift / 12)
        assert abs(power.argmax() / 2 - wanted) <= 0.75, shift
        near = (torch.arange(len(power)) / 2 - wanted).abs() < 10
        assert power[~near].sum() < 1e-5 * power.sum(), shift
        assert_close(row.square().mean().item(), 0.045, rtol=0.01, atol=0)


@pytest.mark.parametrize("shift", SHIFTS)
@pytest.mark.parametrize("hum", (0.0, 0.05))
def test_clicks_keep_their_place_and_stay_short(shift, hum):
    """Also over a hum that lasts."""
    at = [5000, 12345, 20001, 26000]
    waveform = clicks(1, at) + hum * tones([300.0])
    shifted = vocoder.pitch_shift(waveform, torch.tensor([shift]))[0]
    spectra = torch.fft.rfft(torch.stack([waveform[0], shifted]))
    spectra[:, : 2 * 1500] = 0  # all below 1500 Hz
    before, after = torch.fft.irfft(spectra).square()
    for place in at:
        around = slice(place - 1000, place + 1000)
        t = torch.arange(-1000, 1000) / RATE
        centres = [(t * energy[around]).sum() / energy[around].sum() for energy in (before, after)]
        assert abs(centres[1] - centres[0]) < 0.001
        assert after[place - 80 : place + 160].sum() > 0.95 * after[around].sum()
        assert 0.3 < after[around].sum() / before[around].sum() < 1.2


def test_tones_begin_where_they_began():
    waveform = tones([330.0] * len(SHIFTS))
    waveform[:, :10000] = 0
    energy = vocoder.pitch_shift(waveform, torch.tensor(SHIFTS)).square()
    assert (energy[:, : 10000 - 160].sum(1) < 0.005 * energy.sum(1)).all()
    assert (energy[:, 10000 + 160 : 10000 + 320].mean(1) > 0.5 * energy[:, 16000:24000].mean(1)).all()


def test_no_shift_is_the_identity():
    waveform = torch.randn(3, RATE, generator=torch.Generator().manual_seed(0))
    assert_close(vocoder.pitch_shift(waveform, torch.zeros(3)), waveform, rtol=0, atol=1e-5)


def test_what_would_pass_half_the_rate_is_gone():
    up, down = vocoder.pitch_shift(tones([7000.0, 7000.0]), torch.tensor([6.0, -4.0])).square().mean(1)
    assert up < 1e-3 * 0.045 and down > 0.9 * 0.045


def test_noise_keeps_its_energy_below_what_is_cut():
    noise = torch.randn(2, 2 * RATE, generator=torch.Generator().manual_seed(0))
    shifted = vocoder.pitch_shift(noise, torch.tensor([-3.0, 3.0]))
    below_6_khz = [spectrum(waveform)[:, 400:12000].mean(1) for waveform in (noise, shifted)]
    assert_close(below_6_khz[1], below_6_khz[0], rtol=0.3, atol=0)


@given(seed=st.integers(0, 1000), samples=st.integers(1, 9000), rows=st.integers(1, 4))
@settings(max_examples=25, deadline=None)
def test_each_row_is_as_if_alone_and_finite(seed, samples, rows):
    rng = torch.Generator().manual_seed(seed)
    waveform = torch.randn(rows, samples, generator=rng) * torch.rand(rows, 1, generator=rng) ** 8
    semitones = 8 * torch.rand(rows, generator=rng) - 4
    waveform[seed % rows] = 0
    together = vocoder.pitch_shift(waveform, semitones)
    assert together.shape == waveform.shape and together.dtype == torch.float32
    assert together.isfinite().all() and not together[seed % rows].any()
    alone = torch.cat([vocoder.pitch_shift(w[None], s[None]) for w, s in zip(waveform, semitones)])
    # Where two bins lead equally, the last bit decides: equal in energy rather than in every sample.
    assert ((together - alone).square().sum(1) <= 1e-3 * alone.square().sum(1)).all()


def test_rotation_equals_the_loop_over_frames():
    rng = torch.Generator().manual_seed(0)
    now, before = torch.randn(2, 2, 21, 40, 2, generator=rng).unbind()
    now, before = (torch.view_as_complex(x) * torch.rand(2, 21, 1, generator=rng) ** 2 for x in (now, before))
    fresh = torch.randn(2, 21, 40, generator=rng)
    found = vocoder._rotation(now, before, fresh)
    onsets = 0
    for row in range(2):
        for frame in range(21):
            for k in range(40):
                band = slice(max(0, k - vocoder.BAND // 2), k + vocoder.BAND // 2 + 1)
                energy, past = (x[row, frame, band].abs().square().sum() for x in (now, before))
                if frame == 0 or energy > vocoder.ONSET * past:
                    wanted, onsets = fresh[row, frame, k], onsets + 1
                else:
                    first = max(0, k - vocoder.LOCK)
                    leader = first + int(now[row, frame, first : k + vocoder.LOCK + 1].abs().argmax())
                    wanted = (found[row, frame - 1, leader] + now[row, frame - 1, leader].angle()
                              - before[row, frame, leader].angle())
                assert_close(torch.polar(torch.tensor(1.0), found[row, frame, k]),
                             torch.polar(torch.tensor(1.0), wanted), rtol=0, atol=1e-4)
    assert 80 < onsets < 21 * 80


def test_waits_for_no_device():
    """Shapes alone decide what is computed: it runs where no value can be looked at."""
    waveform, semitones = torch.empty(3, 5000, device="meta"), torch.empty(3, device="meta")
    assert vocoder.pitch_shift(waveform, semitones).shape == (3, 5000)
