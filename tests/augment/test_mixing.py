"""Mixtures: what is drawn, heard and labelled, and that the three agree."""

import dataclasses
import math
from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close
from tries import tries

from sedlib.augment import (
    EFFECTS,
    Background,
    Bank,
    Change,
    Mixture,
    Sound,
    Source,
    change,
    draw,
    draw_change,
    draw_effect,
    events,
    render,
    stems,
)
from sedlib.augment.mixing import RING, SAMPLES, cascade
from sedlib.config import Augment, Config
from sedlib.data.audio import RATE
from sedlib.data.scenes import SHORTEST_S, scenario
from sedlib.data.soundbank import CONTINUOUS
from sedlib.data.tables import CLASSES
from sedlib.systems import configuration

AUGM = configuration("augm", "smoke").augment
DRY = dataclasses.replace(AUGM, rooms=False, effects=0)
STEADY = tuple(name for name in AUGM.effect_names if name != "pitch shift")
SILENT = Background(0, 0, -300.0)


def mixtures(bank: Bank, settings: Augment, count: int, first: int = 0) -> list[Mixture]:
    return [draw(np.random.default_rng([first, i]), bank, settings) for i in range(count)]


def peaks_db(waveforms: Tensor) -> list[float]:
    return (20 * torch.log10(waveforms.abs().amax(1))).tolist()


def one(bank: Bank, onset: int, sound: int = 1, samples: int | None = None, **more: object) -> Mixture:
    """A mixture of one foreground."""
    most = min(bank.foregrounds[sound].samples, SAMPLES - onset)
    return Mixture((Source(sound, 0, samples or most, onset, -3.0, **more),), SILENT)


def small_bank(*samples: int, room: int = 1) -> Bank:
    """Foregrounds of these lengths, a background of 10 s and a room."""
    sizes = (*samples, SAMPLES, room)
    generator = torch.Generator().manual_seed(0)
    waveform = torch.randint(1, 32000, (sum(sizes),), generator=generator, dtype=torch.int16)
    labels = (*(["Dog"] * len(samples)), "background", "rir")
    placed = [Sound(f"{i}.wav", label, sum(sizes[:i]), size) for i, (label, size) in enumerate(zip(labels, sizes))]
    return Bank(waveform, tuple(placed[:-2]), tuple(placed[-2:-1]), tuple(placed[-1:]), ())


# What is drawn, heard and labelled


@pytest.mark.parametrize("chosen", [AUGM, DRY], ids=["augm", "dry"])
@given(seed=st.integers(0, 2**32))
@tries(8)
def test_mixtures_are_as_section_3_2_has_them(bank, chosen, seed):
    mixture = draw(np.random.default_rng(seed), bank, chosen)
    assert draw(np.random.default_rng(seed), bank, chosen) == mixture
    levels = [source.level_db for source in mixture.sources]
    low, high = chosen.foreground_db
    assert 1 <= len(mixture.sources) <= 5 and low <= min(levels) <= max(levels) <= high
    assert -50 <= mixture.background.level_db <= min(levels) + 5
    for source in mixture.sources:
        assert 0 <= source.onset < source.onset + source.samples <= SAMPLES
        assert 0 <= source.first <= bank.foregrounds[source.sound].samples - source.samples
        assert source.room in (range(len(bank.rooms)) if chosen.rooms else [None])
        names = [name for name, _ in source.effects]
        assert len(names) <= chosen.effects and len(set(names)) == len(names) and set(names) <= set(chosen.effect_names)
    heard, mixed = stems(mixture, bank), render([mixture], bank)
    assert heard.shape == (len(levels) + 1, SAMPLES) and mixed.shape == (1, SAMPLES) and mixed.dtype == torch.float32
    assert heard.isfinite().all()
    assert peaks_db(heard) == pytest.approx([*levels, mixture.background.level_db], abs=1e-3)
    total = heard.sum(0, keepdim=True)
    assert_close(mixed, total / total.abs().max().clamp_min(1), rtol=0, atol=1e-6)
    assert mixed.abs().max() <= 1
    for (onset, offset, label), source, stem in zip(events(mixture, bank), mixture.sources, heard):
        assert 0 <= onset < offset <= 10 and label == bank.foregrounds[source.sound].label in CLASSES
        assert round(onset, 3) == onset and round(offset, 3) == offset
        sounding = torch.nonzero(stem).flatten() / RATE
        assert onset - 0.001 <= sounding[0] <= onset + 0.002
        tail = bank.rooms[source.room].samples / RATE if chosen.rooms else 0
        assert sounding[-1] <= offset + tail + RING / RATE + 0.001
        if chosen is DRY:
            assert sounding[0] <= onset + 0.001 and abs(sounding[-1] - offset) < 0.001


def test_levels_numbers_and_times_come_from_their_whole_ranges(bank):
    drawn = mixtures(bank, AUGM, 500)
    levels = np.array([source.level_db for mixture in drawn for source in mixture.sources])
    assert levels.min() < -34.5 and levels.max() > -0.5 and abs(levels.mean() + 17.5) < 1
    over = [m.background.level_db - min(source.level_db for source in m.sources) for m in drawn]
    assert 4 < max(over) <= 5 and min(m.background.level_db for m in drawn) < -49
    assert set(Counter(len(m.sources) for m in drawn)) == {1, 2, 3, 4, 5}
    sources = [source for m in drawn for source in m.sources]
    assert set(Counter(source.sound for source in sources)) == set(range(20))
    assert {source.room for source in sources} == {0, 1}
    cascades = Counter(len(source.effects) for source in sources)
    assert set(cascades) == {0, 1, 2} and min(cascades.values()) > 400
    assert {name for source in sources for name, _ in source.effects} == set(AUGM.effect_names)
    assert any(offset == 10 for m in drawn for _, offset, _ in events(m, bank)), "none cut by the clip's end"


def test_placing_as_desed_has_the_classes_and_onsets_of_its_scenarios(bank):
    for seed in range(60):
        rng = np.random.default_rng(seed)
        while not 1 <= len(planned := scenario(rng)) <= 5:
            pass
        mixture = draw(np.random.default_rng(seed), bank, AUGM)
        found = events(mixture, bank)
        assert [label for _, _, label in found] == [event.label for event in planned]
        assert [onset for onset, _, _ in found] == pytest.approx([event.onset for event in planned], abs=0.001)
        for event, source, (onset, offset, label) in zip(planned, mixture.sources, found):
            whole = bank.foregrounds[source.sound].samples / RATE
            wanted = min(whole, event.duration if label in CONTINUOUS else 10.0, 10 - onset)
            assert offset == pytest.approx(min(10, onset + max(wanted, SHORTEST_S)), abs=0.002)
            assert source.first == 0 or label in CONTINUOUS


def test_the_background_keeps_its_limit_where_its_lower_end_lies_above(bank):
    for mixture in mixtures(bank, dataclasses.replace(AUGM, background_db=(-10.0, 5.0)), 30):
        assert mixture.background.level_db <= min(source.level_db for source in mixture.sources) + 5


def test_the_systems_are_what_the_paper_says():
    assert configuration("baseline", "paper").augment == Augment() and not Augment().mixing
    for system in ("augm", "ppcen_augm"):
        augment = configuration(system, "paper").augment
        assert augment.mixing and augment.sources == (1, 5) and augment.rooms and augment.effects == 2
        assert set(augment.effect_names) == {
            "noise burst",
            "sine burst",
            "comb",
            "compression",
            "pitch shift",
            "low-pass",
            "high-pass",
        }
        assert augment.foreground_db == (-35, 0) and augment.background_db[1] == 5
        assert augment.added_share == 0.5 and augment.mel_masks and augment.time_masks
    literal = dataclasses.replace(configuration("augm", "paper").augment, noise_snr_db=(-30, 10))
    assert configuration("augm_literal", "paper").augment == literal
    mixing, effects = (configuration(f"augm_{part}", "paper").augment for part in ("mixing", "effects"))
    assert mixing == Augment(mixing=True)
    assert not effects.mixing and dataclasses.replace(effects, mixing=True) == configuration("augm", "paper").augment
    assert configuration("ppcen_augm", "paper").pcen == configuration("ppcen_logmel", "paper").pcen
    for system in ("augm", "baseline"):
        config = configuration(system, "lesson")
        assert Config.from_dict(config.to_dict()) == config


# Labels under effects, at the clip's end, of odd sounds


@pytest.mark.parametrize("room", [None, 1])
@pytest.mark.parametrize("name", EFFECTS)
def test_labels_stay_right_under_every_effect(bank, name, room):
    """Nothing before the onset, something at it; after the offset only the room's tail and what filters ring on."""
    for seed in range(3):
        onset = 20001 + 777 * seed
        effects = ((name, draw_effect(np.random.default_rng(seed), name, 1.5)),)
        mixture = one(bank, onset, sound=2 * CLASSES.index("Dog") + 1, effects=effects, room=room)
        ((start, stop, _),) = events(mixture, bank)
        assert (start, stop) == (round(onset / RATE, 3), round(onset / RATE + 1.5, 3))
        energy = stems(mixture, bank)[0].double().square()
        assert not energy[:onset].any()
        assert energy[onset : onset + 32].mean() > 0.05 * energy[onset : onset + 1600].mean(), "begins late"
        end, tail = onset + 24000, bank.rooms[room].samples if room else 0
        assert energy[end - 800 : end - 160].mean() > 0.1 * energy[onset : end - 160].mean(), "ends early"
        assert not energy[end + tail + RING :].any()
        after = energy[end + 320 :].sum() / energy.sum()
        assert after < (1e-6 if room is None else 0.05), "goes on"


def test_an_event_is_cut_by_the_clips_end(bank):
    onset = SAMPLES - 5000
    mixture = one(bank, onset, room=0)
    assert events(mixture, bank) == [(9.688, 10.0, CLASSES[0])]
    stem = stems(mixture, bank)[0]
    assert stem[onset:].any() and not stem[:onset].any() and peaks_db(stem[None]) == pytest.approx([-3], abs=1e-3)


@pytest.mark.parametrize("samples", [1, 3, 480])
def test_a_source_of_30_ms_or_less(samples):
    """Its label is as long as DESED's shortest."""
    bank = small_bank(samples)
    mixture = one(bank, 5000, sound=0, room=0)
    assert events(mixture, bank) == [(0.312, 0.562, "Dog")]
    assert peaks_db(stems(mixture, bank))[0] == pytest.approx(-3, abs=1e-3)
    effects = [cascade(np.random.default_rng(seed), AUGM, samples / RATE) for seed in range(20)]
    assert render([one(bank, 5000, sound=0, room=0, effects=of) for of in effects], bank).isfinite().all()


def test_a_source_of_30_s_in_a_room_as_long_as_a_clip():
    bank = small_bank(30 * RATE, room=SAMPLES)
    mixture = one(bank, 80000, sound=0, room=0)
    assert events(mixture, bank) == [(5.0, 10.0, "Dog")]
    stem = stems(mixture, bank)[0]
    assert stem.isfinite().all() and not stem[:80000].any() and stem[80000:].any()


def test_what_is_cut_from_a_long_sound_fades_in_and_out(bank):
    sound = 2 * CLASSES.index("Frying") + 1
    mixture = Mixture((Source(sound, 4000, 32000, 10000, 0.0),), SILENT)
    stem = stems(mixture, bank)[0]
    expected = bank.waveform(bank.foregrounds[sound], 4000, 32000)
    scale = stem[12000:40000].abs().max() / expected[2000:30000].abs().max()
    assert_close(stem[10160:41840], scale * expected[160:31840], rtol=1e-4, atol=1e-5)
    for end in (stem[10000:10008], stem[41992:42000]):
        assert end.abs().max() < 0.06 * scale * expected.abs().max()


def test_stems_against_the_sum_by_hand(bank):
    """A dry source and a background are scaled files; a source in a room is the convolution with it, at its level."""
    room, sound = bank.waveform(bank.rooms[0]), bank.waveform(bank.foregrounds[0])
    mixture = Mixture((one(bank, 30000, sound=0, room=0).sources[0],), Background(1, 777, -20.0))
    stem, background = stems(mixture, bank)
    faded = sound.clone()
    faded[-160:] *= torch.linspace(1, 0, 160)
    expected = torch.from_numpy(np.convolve(faded.double().numpy(), room.double().numpy())).float()
    expected *= 10 ** (-3 / 20) / expected.abs().max()
    assert_close(stem[30000 : 30000 + len(expected)], expected, rtol=0, atol=1e-5)
    excerpt = bank.waveform(bank.backgrounds[1], 777, SAMPLES)
    assert_close(background, 0.1 * excerpt / excerpt.abs().max(), rtol=0, atol=1e-6)


def test_rendering_many_equals_rendering_each(bank):
    steady = mixtures(bank, dataclasses.replace(AUGM, effect_names=STEADY), 8)
    assert_close(render(steady, bank), torch.cat([render([mixture], bank) for mixture in steady]), rtol=0, atol=1e-5)
    # A pitch shift makes more of the last bit: equal in energy.
    shifted = mixtures(bank, dataclasses.replace(AUGM, effect_names=("pitch shift", "comb")), 5)
    together, alone = render(shifted, bank), torch.cat([render([mixture], bank) for mixture in shifted])
    assert ((together - alone).square().sum(1) < 1e-3 * alone.square().sum(1)).all()


# Clips that are as they were recorded


def test_half_of_the_clips_get_another_background(bank):
    drawn = [draw_change(np.random.default_rng(i), bank, AUGM, strong=False) for i in range(600)]
    added = [c.added for c in drawn if c.added is not None]
    assert abs(len(added) / 600 - 0.5) < 0.06 and not any(c.effects for c in drawn)
    levels = np.array([background.level_db for background in added])
    assert levels.min() > -30 and levels.min() < -29 and -1 < levels.max() < 0 and abs(levels.mean() + 15) < 1.5
    assert {background.sound for background in added} == {0, 1}
    assert all(0 <= b.first <= bank.backgrounds[b.sound].samples - SAMPLES for b in added)


def test_strongly_labelled_clips_get_effects_alone(bank):
    drawn = [draw_change(np.random.default_rng(i), bank, AUGM, strong=True) for i in range(300)]
    assert not any(c.added for c in drawn) and {len(c.effects) for c in drawn} == {0, 1, 2}
    assert draw_change(np.random.default_rng(0), None, Augment(), strong=True) == Change()
    assert {draw_change(np.random.default_rng(i), None, Augment(), strong=False) for i in range(9)} == {Change()}


def test_a_background_is_added_at_its_level_and_nothing_clips(bank):
    clips = 0.1 * torch.randn(4, SAMPLES, generator=torch.Generator().manual_seed(0)).clamp(-3, 3)
    clips[1] *= 1 / clips[1].abs().max()  # full scale
    clips[2] = 0
    kept = clips.clone()
    added = Background(0, 0, -12.0), Background(1, 99, 0.0), Background(0, 0, -3.0)
    changes = [*(Change(added=background) for background in added), Change()]
    changed = change(clips, changes, bank)
    assert torch.equal(clips, kept), "the input was changed"
    added = changed[0] - clips[0]
    assert 20 * math.log10(added.abs().max() / clips[0].abs().max()) == pytest.approx(-12, abs=0.01)
    excerpt = bank.waveform(bank.backgrounds[0], 0, SAMPLES)
    assert_close(added / added.abs().max(), excerpt / excerpt.abs().max(), rtol=0, atol=1e-5)
    assert changed[1].abs().max() == pytest.approx(1) and changed[1].std() != clips[1].std()
    assert not changed[2].any() and torch.equal(changed[3], clips[3])


def test_effects_on_a_clip_keep_its_peak(bank):
    clips = 0.1 * torch.randn(len(EFFECTS), SAMPLES, generator=torch.Generator().manual_seed(1))
    cascades = [((name, draw_effect(np.random.default_rng(0), name, 10.0)),) for name in EFFECTS]
    changed = change(clips, [Change(effects=cascade) for cascade in cascades], None)
    assert_close(changed.abs().amax(1), clips.abs().amax(1), rtol=1e-4, atol=0)
    assert ((changed - clips).abs().amax(1) > 1e-3).all()


def test_effects_work_one_after_the_other(bank):
    clip = 0.1 * torch.randn(1, SAMPLES, generator=torch.Generator().manual_seed(2))
    press, dull = ("compression", {"threshold_db": -20.0, "ratio": 8.0}), ("low-pass", {"cutoff": 1000.0})
    both = [change(clip, [Change(effects=order)], None) for order in ((press, dull), (dull, press))]
    each = change(change(clip, [Change(effects=(press,))], None), [Change(effects=(dull,))], None)
    assert_close(both[0], each, rtol=0, atol=1e-4)
    assert (both[0] - both[1]).abs().max() > 0.01
