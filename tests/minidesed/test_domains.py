"""Domains: rooms start with the direct sound and decay as drawn; the channel shifts nothing in time."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tries import tries

from minidesed import domains
from minidesed.domains import REAL, SYNTHETIC

SEEDS = st.integers(0, 2**32)
ALL_ON = replace(REAL, noise_share=1, microphone_share=1, band_limit_share=1, gain_control_share=1, clipping_share=1)
ALL_ON = replace(ALL_ON, codec_share=1)
CLEAN = replace(SYNTHETIC, room_share=0)


def noise(samples=160000, seed=0):
    return (0.05 * np.random.default_rng(seed).standard_normal(samples)).astype(np.float32)


@tries(30)
@given(SEEDS)
def test_a_room_begins_with_its_direct_sound_and_has_the_drawn_reverberation(seed):
    recipe = replace(REAL, rt60=(0.5, 0.5), direct_to_reverberant=(3, 3))
    room = domains.room_response(recipe, np.random.default_rng(seed))
    assert room[0] == 1 and room.dtype == np.float32 and len(room) == 8000
    assert 10 * np.log10(1 / np.sum(room[1:] ** 2, dtype=float)) == pytest.approx(3, abs=0.01)


def test_late_reverberation_falls_by_60_db_in_rt60():
    recipe = replace(REAL, rt60=(0.8, 0.8))
    levels = []
    for seed in range(40):
        room = domains.room_response(recipe, np.random.default_rng(seed)).astype(float)
        levels.append([np.sum(room[int(t * 16000) : int((t + 0.05) * 16000)] ** 2) for t in (0.2, 0.6)])
    early, late = np.mean(levels, axis=0)
    assert 10 * np.log10(early / late) == pytest.approx(60 * 0.4 / 0.8, abs=3)


@tries(30)
@given(SEEDS)
def test_a_measured_hall_becomes_a_room(seed):
    rng = np.random.default_rng(seed)
    hall = (rng.standard_normal(32000) * np.exp(-np.arange(32000) / 12000)).astype(np.float32)
    hall[0] = 5
    recipe = replace(REAL, rt60=(0.4, 0.4), direct_to_reverberant=(6, 6))
    room = domains.fit_room(hall, recipe, rng)
    assert room[0] == 1
    energy = np.cumsum(room.astype(float)[::-1] ** 2)[::-1]
    assert 10 * np.log10((energy[0] - energy[40]) / energy[40]) == pytest.approx(6, abs=0.01)
    assert 10 * np.log10(energy[40] / energy[6400]) > 50


@tries(10)
@given(SEEDS)
def test_the_channel_keeps_length_range_and_type(seed):
    x = noise()
    y = domains.apply_channel(x, ALL_ON, np.random.default_rng(seed))
    assert y.shape == x.shape and y.dtype == np.float32 and np.isfinite(y).all() and np.abs(y).max() <= 1
    assert np.array_equal(y, domains.apply_channel(x, ALL_ON, np.random.default_rng(seed)))


def test_the_clean_channel_changes_nothing_and_turns_down_what_clips():
    x = noise()
    assert np.array_equal(domains.apply_channel(x, CLEAN, np.random.default_rng(0)), x)
    assert np.abs(domains.apply_channel(x * 100, CLEAN, np.random.default_rng(0))).max() == pytest.approx(0.99)


@pytest.mark.parametrize(
    "inaudible",
    [
        {"noise_share": 1, "noise_level": (-150, -150)},
        {"codec_share": 1, "codec_step": (1e-6, 1e-6)},
        {"gain_control_share": 1, "gain_control": (0, 0)},
        {"clipping_share": 1, "clipping": (0, 0)},
        {"band_limit_share": 1, "band_limit": (50000, 50000)},
    ],
)
@pytest.mark.parametrize("seed", range(5))
def test_a_part_of_the_channel_that_does_nothing_leaves_the_others_as_they_were(inaudible, seed):
    recipe = replace(ALL_ON, noise_share=0.5, band_limit_share=0.5, gain_control_share=0.5, clipping_share=0.5)
    recipe = replace(recipe, codec_share=0.5, codec_step=(0.2, 0.2))
    part = next(name for name in inaudible if name.endswith("share"))
    without = domains.apply_channel(noise(), replace(recipe, **{part: 0}), np.random.default_rng(seed))
    changed = domains.apply_channel(noise(), replace(recipe, **inaudible), np.random.default_rng(seed))
    assert domains.rms(changed - without) < 1e-3 * domains.rms(without)  # the codec rounds a few values the other way


@tries(8)
@given(SEEDS, st.integers(20000, 140000))
def test_a_burst_stays_where_it_is(seed, start):
    x = 0.01 * noise()
    x[start : start + 4000] += noise(4000, 1)
    y = domains.apply_channel(x, ALL_ON, np.random.default_rng(seed)).astype(float)
    energy = np.convolve(y**2, np.ones(4000), "valid")
    assert abs(int(energy.argmax()) - start) < 320  # 20 ms


@tries(10)
@given(SEEDS)
def test_noise_has_the_drawn_level(seed):
    recipe = replace(CLEAN, noise_share=1, noise_level=(-12, -12), noise_drift=(0, 6))
    x = noise()
    added = domains.apply_channel(x, recipe, np.random.default_rng(seed)) - x
    assert 20 * np.log10(domains.rms(added) / domains.rms(x)) == pytest.approx(-12, abs=0.1)


def test_noise_drifts_slowly_by_the_drawn_deviation():
    levels = []
    for seed in range(30):
        recipe = replace(CLEAN, noise_share=1, noise_level=(0, 0), noise_drift=(3, 3))
        added = domains.apply_channel(noise(), recipe, np.random.default_rng(seed)) - noise()
        levels.append(10 * np.log10(np.square(added, dtype=float).reshape(40, 4000).mean(axis=1)))  # of 0.25 s
    deviation, steps = np.std(levels), np.diff(levels, axis=1)
    assert 1.8 < deviation < 3.3  # normal, cut at two deviations, and smoothed
    assert np.abs(steps).max() < 6 and np.std(steps) < 0.5 * deviation


@pytest.mark.parametrize("level", [-50, -20, -6])  # 30 dB is the highest gain
@pytest.mark.parametrize("strength", [0.0, 0.4, 1.0])
def test_a_gain_control_makes_up_its_share_of_the_distance_to_the_target(level, strength):
    tone = np.float32(10 ** (level / 20) * np.sqrt(2)) * np.sin(2 * np.pi * np.arange(160000) / 16).astype(np.float32)
    controlled = domains.gain_control(tone, strength, -25, 0.05, 1.0)
    assert controlled.dtype == np.float32
    assert 20 * np.log10(domains.rms(controlled[-16000:])) == pytest.approx(level + strength * (-25 - level), abs=0.05)


def test_a_gain_control_follows_with_its_time_constants_and_leaves_silence_silent():
    level = np.repeat([-50.0, -20.0, -50.0], 64000)
    tone = (10 ** (level / 20)).astype(np.float32) * np.resize([1, -1], len(level)).astype(np.float32)
    gain = 20 * np.log10(domains.gain_control(tone, 1.0, -20, 0.1, 0.5) / tone)
    assert (gain[60000], gain[127000]) == (pytest.approx(30, abs=0.1), pytest.approx(0, abs=0.1))
    assert gain[64000 + 1600] == pytest.approx(30 * np.exp(-1), abs=1.5)  # one attack after the rise
    assert gain[128000 + 8000] == pytest.approx(30 * (1 - np.exp(-1)), abs=0.5)  # one release after the fall
    assert not domains.gain_control(np.zeros(1000, np.float32), 1.0, -20, 0.1, 0.5).any()
    faint = domains.gain_control(1e-3 * tone[:64000], 1.0, -20, 0.1, 0.5)  # -110 dB
    assert np.abs(faint).max() == pytest.approx(10 ** ((-110 + 30) / 20), rel=0.01)


def test_clipping_cuts_off_the_drawn_share_of_the_samples():
    x = noise()
    y = domains.apply_channel(x, replace(CLEAN, clipping_share=1, clipping=(0.01, 0.01)), np.random.default_rng(0))
    assert np.mean(y != x) == pytest.approx(0.01, abs=1e-4)
    assert np.array_equal(np.abs(y[y != x]).round(6), np.full(np.sum(y != x), np.abs(y).max()).round(6))


def test_the_band_ends_where_drawn():
    recipe = replace(CLEAN, band_limit_share=1, band_limit=(4000, 4000))
    x = noise()
    ratio = np.abs(np.fft.rfft(domains.apply_channel(x, recipe, np.random.default_rng(0)))) / np.abs(np.fft.rfft(x))
    level = 20 * np.log10(ratio)
    assert np.abs(level[:30000]).max() < 0.2  # up to 3 kHz
    assert level[40000] == pytest.approx(-3, abs=0.3)  # 4 kHz
    assert level[55000:].max() < -40  # from 5.5 kHz


def test_codec_without_a_step_is_the_identity_and_coarse_steps_cost_more():
    x = noise()
    assert domains.codec(x, 0) is x
    assert np.abs(domains.codec(x, 1e-4) - x).max() < 1e-4
    errors = [domains.rms(domains.codec(x, step) - x) / domains.rms(x) for step in (0.1, 0.3, 1.0)]
    assert errors[0] < errors[1] < errors[2] < 0.5
    assert domains.codec(x[:12345], 0.5).shape == (12345,)
    assert not domains.codec(np.zeros(5000, np.float32), 0.5).any()
