"""The composer of mixtures: its sound, picture and words as functions of a mixture, and the widget that shows them."""

import base64
import io
import itertools
import threading
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from sedcourse import composer as co
from sedcourse import players
from sedlib.augment import EFFECTS, Background, Bank, Mixture, Sound, Source, draw, events, render
from sedlib.data.audio import RATE
from sedlib.data.tables import CLASSES


def small_bank() -> Bank:
    """Of each class a sound of 30 ms, one of 0.5 s and one of 12 s; two backgrounds, two rooms; all of noise."""
    lengths = [(label, seconds) for label in CLASSES for seconds in (0.03, 0.5, 12.0)]
    lengths += [("background", 10.0), ("background", 12.0), ("rir", 0.001), ("rir", 0.3)]
    sounds, end = [], 0
    for k, (label, seconds) in enumerate(lengths):
        sounds.append(Sound(f"{label}/{label}{k}.wav", label, end, round(seconds * RATE)))
        end += sounds[-1].samples
    samples = np.random.default_rng(0).integers(-9000, 9000, end)
    for room in sounds[-2:]:
        tail = samples[room.first : room.first + room.samples]
        tail[:] = tail * np.exp(-7 * np.linspace(0, 1, len(tail)))
        tail[0] = 32000
    foregrounds, backgrounds, rooms = tuple(sounds[:-4]), tuple(sounds[-4:-2]), tuple(sounds[-2:])
    return Bank(torch.from_numpy(samples.astype(np.int16)), foregrounds, backgrounds, rooms, ())


BANK = small_bank()
DOG, FRYING = BANK.classes["Dog"], BANK.classes["Frying"]
TWO = Mixture(
    (Source(DOG[1], 0, 8000, 32000, -10.0), Source(FRYING[2], 16000, 48000, 80000, -20.0, 1)), Background(0, 0, -30.0)
)


def drawn(seed: int) -> Mixture:
    return draw(np.random.default_rng([seed]), BANK, co.SETTINGS)


@pytest.fixture(scope="module")
def widget() -> co.Composer:
    return co.Composer(BANK)


@pytest.fixture
def shown(widget) -> co.Composer:
    """The widget, at the same mixture in every test."""
    widget.mine = None
    widget.show(TWO, 0)
    return widget


def shows(widget: co.Composer) -> bool:
    """Whether all that is seen and heard is that of the widget's mixture."""
    alone = co.compose(widget.mixture, BANK)
    return (
        widget.picture.png == co.picture(alone, BANK, widget.chosen)
        and widget.picture.alt == co.description(alone, BANK)
        and widget.heard.value == players.player(alone.waveform.numpy(), "the mixture in this player").data
    )


# ------------------------------------------------------------------------------------------------ what is computed


@pytest.mark.parametrize("seed", [2, 6, 9])
def test_the_composed_sound_is_the_rendered_one(seed):
    """But for pitch shift, which turns the last bits of a noise into other phases."""
    mixture = drawn(seed)
    mixture = mixture._replace(
        sources=tuple(
            source._replace(effects=tuple(effect for effect in source.effects if effect[0] != "pitch shift"))
            for source in mixture.sources
        )
    )
    assert torch.allclose(co.compose(mixture, BANK).waveform, render([mixture], BANK)[0], atol=1e-4)


def test_what_did_not_change_is_kept_and_changes_nothing():
    before = co.compose(TWO, BANK)
    dog, frying = TWO.sources
    changed = TWO._replace(sources=(dog._replace(level_db=-3.0), frying))
    after, alone = co.compose(changed, BANK, before), co.compose(changed, BANK)
    assert torch.equal(after.waveform, alone.waveform) and np.array_equal(after.logmel, alone.logmel)
    assert after.stems[repr((frying,))] is before.stems[repr((frying,))] and repr((dog,)) not in after.stems
    assert not torch.equal(after.waveform, before.waveform)


def test_a_source_twice_is_twice_as_loud():
    once, twice = (co.compose(TWO._replace(sources=TWO.sources[:1] * n), BANK) for n in (1, 2))
    dog, background = once.stems.values()
    assert torch.equal(twice.waveform, dog + dog + background)


def test_the_peak_is_that_before_the_mixture_is_turned_down():
    loud = TWO._replace(sources=tuple(source._replace(level_db=0.0, onset=0) for source in TWO.sources))
    composed = co.compose(loud, BANK)
    assert 1 < composed.peak <= 2.1 and composed.waveform.abs().max() == pytest.approx(1)
    by = 20 * np.log10(composed.peak)
    assert f"turned down by {by:.1f} dB" in co.loudness(composed)
    assert "nothing is turned down" in co.loudness(co.compose(TWO, BANK))


def test_all_extremes_of_all_controls_are_finite_and_drawn():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for number, onset, level, room in itertools.product(DOG, (0, 156000), (-35.0, 0.0), (None, 0)):
            source = co.with_sound(Source(number, 0, 0, onset, level, room), number, BANK)
            for behind in (-50.0, 5.0):
                composed = co.compose(Mixture((source,), Background(1, 32000, behind)), BANK)
                assert torch.isfinite(composed.waveform).all() and composed.waveform.abs().max() <= 1
                assert np.isfinite(composed.logmel).all()
                assert co.rule(composed.mixture).count("beyond") == (behind > level + 5)
        assert Image.open(io.BytesIO(co.picture(composed, BANK))).size == (1000, 490)


@pytest.mark.parametrize("name", EFFECTS)
def test_every_effect_can_be_chosen_and_is_told(name):
    source = co.with_effect(TWO.sources[0], 0, name, np.random.default_rng(0))
    assert torch.isfinite(co.compose(Mixture((source,), TWO.background), BANK).waveform).all()
    ((_, values),) = source.effects
    said = co.table(Mixture((source,), TWO.background), BANK)["effects"][0]
    assert said.startswith(name) and all(f"{value:.4g}" in said for value in values.values())


def test_effects_fill_their_places_from_the_first():
    def names(source: Source) -> list[str]:
        return [name for name, _ in source.effects]

    def chance() -> np.random.Generator:
        return np.random.default_rng(0)

    one = co.with_effect(TWO.sources[0], 1, "comb", chance())
    two = co.with_effect(one, 1, "low-pass", chance())
    assert (names(one), names(two)) == (["comb"], ["comb", "low-pass"])
    assert names(co.with_effect(two, 0, "high-pass", chance())) == ["high-pass", "low-pass"]
    assert names(co.with_effect(two, 0, "", chance())) == ["low-pass"]
    assert co.with_effect(one, 1, "", chance()) == one


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**16), st.sampled_from([*DOG, *FRYING]), st.floats(0.05, 10))
def test_what_is_heard_of_a_sound_is_there_and_bursts_lie_within_it(seed, number, seconds):
    source = co.with_effect(TWO.sources[1], 0, "noise burst", np.random.default_rng(seed))
    for changed in (co.with_length(source, seconds, BANK), co.with_sound(source, number, BANK)):
        assert 0 < changed.samples <= min(160000, BANK.foregrounds[changed.sound].samples - changed.first)
        ((_, values),) = changed.effects
        assert 0 <= values["start"] <= values["start"] + values["duration"] <= changed.samples / RATE + 1e-9
    assert changed.samples == min(160000, BANK.foregrounds[number].samples) and changed.sound == number


def test_the_picture_has_a_bar_where_each_label_is():
    composed = co.compose(TWO, BANK)
    canvas = co._Canvas()
    pixels = np.asarray(Image.open(io.BytesIO(canvas.draw(composed, BANK, 0)))).astype(int)
    none = composed._replace(mixture=TWO._replace(sources=()))
    differ = (pixels != np.asarray(Image.open(io.BytesIO(canvas.draw(none, BANK, None)))).astype(int)).any(2)
    at = canvas.labels.get_position()
    high, wide = differ.shape
    for onset, offset, label in events(TWO, BANK):
        row = high * (1 - at.y1 + at.height * (CLASSES.index(label) + 0.5) / 10)
        columns = np.flatnonzero(differ[round(row) - 7 : round(row) + 7].any(0)) / wide
        assert (columns[[0, -1]] - at.x0) / at.width * 10 == pytest.approx([onset, offset], abs=0.04)
    assert differ[: round(high * (1 - at.y1))].sum() == 0  # the spectrogram is the same


def test_the_picture_depends_on_its_mixture_alone():
    one, other = (co.compose(drawn(seed), BANK) for seed in (0, 1))
    first, second, again = (co.picture(composed, BANK, 0) for composed in (one, other, one))
    assert first == again != second != co.picture(other, BANK, None)


def test_the_table_is_that_of_the_events():
    mixture = drawn(3)
    found = co.table(mixture, BANK)
    labels = [(float(row.onset), float(row.offset), row.event_label) for row in found.itertuples()]
    assert labels == events(mixture, BANK)
    assert all(
        f"{label} {onset:.2f} to {offset:.2f} s" in co.description(co.compose(mixture, BANK), BANK)
        for onset, offset, label in events(mixture, BANK)
    )


def test_the_rule_holds_for_every_drawn_mixture_and_up_to_its_limit():
    assert all("within" in co.rule(drawn(seed)) for seed in range(50))
    assert co.limit_db(TWO) == -15.0
    assert "within" in co.rule(TWO._replace(background=Background(0, 0, -15.0)))
    assert "5.1 dB over" in (said := co.rule(TWO._replace(background=Background(0, 0, -14.9)))) and "beyond" in said


def test_values_at_a_point():
    composed = co.compose(TWO, BANK)
    assert co.values_at(composed, 100, 64) == f"1.59 s, 1709 Hz: {composed.logmel[64, 100]:.1f} dB"


# ------------------------------------------------------------------------------------------------ the widget


def controls(widget: co.Composer) -> Mixture:
    """What the controls say, each foreground after the other."""
    sources = []
    for number in range(len(widget.which.options)):
        widget.which.value = number
        there = widget.mixture.sources[number]
        assert widget.label.value == BANK.foregrounds[widget.sound.value].label
        assert [control.value for control in widget.effects] == [*(name for name, _ in there.effects), "", ""][:2]
        sources.append(
            Source(
                widget.sound.value,
                there.first,
                round(widget.length.widget.value * RATE),
                round(widget.onset.widget.value * RATE),
                widget.level.widget.value,
                None if widget.room.value < 0 else widget.room.value,
                there.effects,
            )
        )
    background = Background(widget.behind.value, widget.mixture.background.first, widget.behind_level.widget.value)
    return Mixture(tuple(sources), background)


def test_a_drawn_mixture_is_the_trainings_and_fills_the_controls(shown):
    for seed in range(4):
        shown.seed.value = seed
        shown.draw.click()
        assert shown.mixture == drawn(seed) and shown.chosen == 0 and shows(shown)
        said = controls(shown)
        assert said == shown.mixture == drawn(seed)  # and looking at the foregrounds changed none of them


def test_what_the_browser_rounds_is_no_change(shown):
    shown.show(drawn(2), 0)
    for slider, step in ((shown.onset, 0.01), (shown.length, 0.01), (shown.level, 0.5), (shown.behind_level, 0.5)):
        slider.widget.value = round(slider.widget.value / step) * step
    assert shown.mixture == drawn(2)


def test_back_shows_what_was_made_by_hand(shown):
    shown.level.widget.value = -7.5
    mine = shown.mixture
    for _ in range(2):
        shown.draw.click()
    assert shown.mixture == drawn(shown.seed.value) != mine
    shown.back.click()
    assert shown.mixture == mine and shows(shown)


def test_every_control_changes_what_it_says(shown):
    shown.onset.widget.value = 4.0
    shown.level.widget.value = -5.0
    shown.room.value = 1
    assert shown.mixture.sources == (TWO.sources[0]._replace(onset=64000, level_db=-5.0, room=1), TWO.sources[1])
    shown.room.value = -1
    shown.which.value = 1
    shown.length.widget.value = 2.0
    assert shown.mixture.sources[1] == TWO.sources[1]._replace(samples=32000) and shown.mixture.sources[0].room is None
    shown.label.value = "Cat"
    assert [number for _, number in shown.sound.options] == BANK.classes["Cat"]
    shown.sound.value = BANK.classes["Cat"][2]
    assert shown.mixture.sources[1] == TWO.sources[1]._replace(sound=BANK.classes["Cat"][2], first=0, samples=160000)
    shown.behind.value = 1
    shown.behind_level.widget.value = -40.0
    assert shown.mixture.background == Background(1, 0, -40.0) and shows(shown)


def test_a_sound_cannot_be_longer_than_it_is(shown):
    shown.length.widget.value = 3.0
    assert shown.mixture == TWO and shown.length.widget.value == 0.5


def test_effects_get_new_values(shown):
    assert shown.values.disabled
    shown.effects[0].value = "sine burst"
    shown.effects[1].value = "comb"
    before = shown.mixture.sources[0].effects
    shown.values.click()
    after = shown.mixture.sources[0].effects
    assert [name for name, _ in after] == ["sine burst", "comb"] and all(a != b for a, b in zip(before, after))
    assert shows(shown) and co.in_words(*after[1]) in shown.table.value
    shown.effects[0].value = ""
    assert shown.mixture.sources[0].effects == after[1:] and shown.effects[0].value == "comb"


def test_foregrounds_come_and_go_between_one_and_five(shown):
    for count in (3, 4, 5):
        assert not shown.add.disabled
        shown.add.click()
        assert len(shown.mixture.sources) == count and shown.chosen == shown.which.value == count - 1
    assert shown.add.disabled and shown.mixture.sources[:2] == TWO.sources and shows(shown)
    shown.which.value = 0
    for _ in range(4):
        shown.remove.click()
    assert shown.remove.disabled and len(shown.mixture.sources) == 1 and shows(shown)


def test_a_background_beyond_the_rule_is_told_and_put_back(shown):
    assert shown.keep.disabled and "within" in shown.rule.value
    shown.level.widget.value = -33.3
    shown.behind_level.widget.value = -20.0
    assert "beyond" in shown.rule.value and 'role="alert"' in shown.rule.value and not shown.keep.disabled
    shown.keep.click()
    assert shown.mixture.background.level_db == -33.3 + 5 and "within" in shown.rule.value and shown.keep.disabled


def test_a_defect_is_shown_and_nothing_moves(shown, monkeypatch):
    monkeypatch.setattr(co, "picture", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):  # into the kernel's log
        shown.level.widget.value = -30.0
    assert "ZeroDivisionError" in shown.status.value
    assert shown.mixture == TWO and shown.level.widget.value == -10.0


def test_controls_moved_in_two_threads_take_turns():
    made = co.Composer(BANK)
    made.show(TWO, 0)
    levels, backgrounds = [-30.0 + k for k in range(8)], [1, 0, 1]

    def move() -> None:
        for level in levels:
            made.level.widget.value = level

    def choose() -> None:
        for number in backgrounds:
            made.behind.value = number

    threads = [threading.Thread(target=target) for target in (move, choose)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (made.mixture.sources[0].level_db, made.mixture.background.sound) == (levels[-1], backgrounds[-1])
    assert shows(made)


def test_a_batch_run_shows_drawn_mixtures_without_widgets(monkeypatch):
    displayed = []
    monkeypatch.setattr(co, "display", displayed.append)
    co.composer(BANK, interactive=False)
    for seed, picture, table in zip(range(3), displayed[::2], displayed[1::2], strict=True):
        composed = co.compose(drawn(seed), BANK)
        assert base64.b64encode(co.picture(composed, BANK)).decode() in picture.data
        assert co.description(composed, BANK) in picture.text and co.rule(composed.mixture) in table.text
    displayed.clear()
    monkeypatch.setattr(co, "Composer", lambda bank: type("", (), {"box": "the widget"}))
    co.composer(BANK, interactive=True)
    assert displayed == ["the widget"]
