"""The composer: a mixture by hand, from the same numbers that `mixing.draw` draws.

Controls for up to five foregrounds and a background, a picture of the result, and a player; a batch run draws
the same pictures of drawn mixtures. The state is a `mixing.Mixture` and nothing else, so `mixing` makes all the sound
and all the labels; everything that is shown is a pure function of it (`compose`, `picture`, `table`). Paper section
3.2; used in ``notebooks/02_augmentation.py``.
"""

from __future__ import annotations

import functools
import html
from collections.abc import Callable
from typing import Any, NamedTuple

import ipywidgets
import matplotlib
import numpy as np
import pandas as pd
import torch
from IPython.display import display
from matplotlib.patches import Rectangle
from torch import Tensor

from sedcourse import html as pieces
from sedcourse import players
from sedcourse.plots.axes import in_rows, mel_centres, mel_image, mel_ticks
from sedcourse.plots.style import FONT, ORANGE, SKY
from sedcourse.widgets import DPI, WIDTH, Canvas, Widget, auto, place_of, row, wide
from sedlib.augment import EFFECTS, Bank, Mixture, Sound, Source, draw, draw_effect, events, mixing
from sedlib.config import CLIP_S
from sedlib.data.audio import RATE
from sedlib.data.tables import CLASSES
from sedlib.features import LogMel
from sedlib.systems import configuration

_CONFIG = configuration("augm", "paper")
SETTINGS, FEATURES = _CONFIG.augment, _CONFIG.features
_LOGMEL = LogMel(FEATURES)
FEWEST, MOST = SETTINGS.sources
OVER_DB = SETTINGS.background_db[1]  # the background may be so far over the quietest foreground
LEVELS_DB = (-40.0, 50.0)  # colours of the picture, always the same, so that loud looks loud
_UNITS = {"s": "start duration", "ms": "delay", "dB": "snr_db threshold_db", "Hz": "frequency rate cutoff"}
_LOOK = wide("6.5em", "23em")  # of most controls


class Composed(NamedTuple):
    """A mixture, heard and analysed."""

    mixture: Mixture
    stems: dict[str, Tensor]  # of what is written as the key
    peak: float  # of their sum, before it is turned down
    waveform: Tensor  # (sample,)
    logmel: np.ndarray  # (mel, frame), dB


def compose(mixture: Mixture, bank: Bank, before: Composed | None = None) -> Composed:
    """Make the sound of a mixture and its log-Mel spectrogram.

    What has not changed since ``before``, of the same bank, is taken from there.
    """
    kept = {} if before is None else before.stems
    alone = [Mixture((source,), mixture.background._replace(level_db=0.0)) for source in mixture.sources]
    alone.append(Mixture((), mixture.background))
    keys = [repr(part.sources or part.background) for part in alone]
    stems = {
        key: kept[key] if key in kept else mixing.stems(part, bank)[0] for key, part in zip(keys, alone, strict=True)
    }
    summed = torch.stack([stems[key] for key in keys]).sum(0, keepdim=True)
    waveform = mixing.unclipped(summed)[0]
    logmel = _LOGMEL(waveform[None])[0, 0].numpy()
    return Composed(mixture, stems, float(summed.abs().max()), waveform, logmel)


def with_sound(source: Source, number: int, bank: Bank) -> Source:
    """Put another sound of the bank in its place, from its beginning, as much of it as a clip holds."""
    samples = min(bank.foregrounds[number].samples, mixing.SAMPLES)
    return _fitted(source._replace(sound=number, first=0, samples=samples))


def with_length(source: Source, seconds: float, bank: Bank) -> Source:
    """Take so much of the sound, or as much as there is."""
    there = bank.foregrounds[source.sound].samples - source.first
    return _fitted(source._replace(samples=min(round(seconds * RATE), there)))


def with_effect(source: Source, place: int, name: str, rng: np.random.Generator) -> Source:
    """Put an effect with random values at a place of the cascade; none for an empty name."""
    effects = list(source.effects)
    effects[place : place + 1] = [(name, draw_effect(rng, name, source.samples / RATE))] if name else []
    return source._replace(effects=tuple(effects))


def _fitted(source: Source) -> Source:
    """Move bursts to where the sound is."""
    seconds, effects = source.samples / RATE, []
    for name, values in source.effects:
        if "start" in values:
            duration = min(values["duration"], seconds)
            values = values | {"duration": duration, "start": min(values["start"], seconds - duration)}
        effects.append((name, values))
    return source._replace(effects=tuple(effects))


def limit_db(mixture: Mixture) -> float:
    """Return the paper's highest level of the background, against the quietest foreground."""
    return min(source.level_db for source in mixture.sources) + OVER_DB


def in_words(name: str, values: dict[str, float]) -> str:
    """Describe an effect: "low-pass (cutoff 1200 Hz)"."""

    def one(key: str, value: float) -> str:
        unit = "".join(f" {unit}" for unit, names in _UNITS.items() if key in names.split())
        return f"{key.removesuffix('_db')} {value:.4g}{unit}"

    return f"{name} ({', '.join(one(*item) for item in values.items())})"


def table(mixture: Mixture, bank: Bank) -> pd.DataFrame:
    """Return a row for each foreground: its number, label and times, and what was done to it."""
    rows = []
    for k, (source, (onset, offset, label)) in enumerate(zip(mixture.sources, events(mixture, bank), strict=True), 1):
        room = "dry" if source.room is None else bank.rooms[source.room].name.split("/")[-1]
        effects = ", then ".join(in_words(*effect) for effect in source.effects) or "none"
        rows.append((k, label, f"{onset:.3f}", f"{offset:.3f}", f"{source.level_db:.1f}", room, effects))
    return pd.DataFrame(rows, columns=["", "event_label", "onset", "offset", "peak (dB)", "room", "effects"])


def rule(mixture: Mixture) -> str:
    """Compare the level of the background with the paper's rule."""
    over = mixture.background.level_db - limit_db(mixture) + OVER_DB
    held = "beyond" if mixture.background.level_db > limit_db(mixture) else "within"
    return (
        f"The background is {abs(over):.1f} dB {'over' if over > 0 else 'under'} the quietest foreground, "
        f"{held} the paper's limit of {OVER_DB:g} dB over it"
    )


def loudness(composed: Composed) -> str:
    """Return the peak of the sum, and how far it was turned down, as a sentence."""
    peak_db = 20 * np.log10(max(composed.peak, 1e-9))
    turned = f"the mixture is turned down by {peak_db:.1f} dB" if peak_db > 0 else "nothing is turned down"
    return f"Before scaling the peak is {composed.peak:.2f} ({peak_db:+.1f} dB of full scale): {turned}"


def description(composed: Composed, bank: Bank) -> str:
    """Describe the picture, for its alt text."""
    said = "; ".join(f"{label} {on:.2f} to {off:.2f} s" for on, off, label in events(composed.mixture, bank))
    return f"Log-Mel spectrogram of a mixture over its labels: {said}. {rule(composed.mixture)}. {loudness(composed)}."


class _Canvas(Canvas):
    @matplotlib.rc_context({**FONT, "font.size": 9})
    def __init__(self) -> None:
        super().__init__(height=4.9)
        self.mel = self.figure.add_axes((0.185, 0.45, 0.725, 0.53))
        scale = self.figure.add_axes((0.92, 0.45, 0.015, 0.53))
        self.labels = self.figure.add_axes((0.185, 0.095, 0.725, 0.335), sharex=self.mel)
        look = {"vmin": LEVELS_DB[0], "vmax": LEVELS_DB[1], "animated": True}
        self.image = mel_image(self.mel, np.zeros((FEATURES.n_mels, FEATURES.frames)), FEATURES.hop / RATE, **look)
        self.figure.colorbar(self.image, scale, label="level (dB)")
        mel_ticks(self.mel, mel_centres(FEATURES))
        self.mel.set_ylabel("frequency (Hz)")
        self.mel.tick_params(axis="x", labelbottom=False)
        in_rows(self.labels, CLASSES)
        self.labels.set(xlabel="time (s)", xlim=(0, CLIP_S), xticks=range(11))
        self.labels.grid(color="0.88")
        self.labels.set_axisbelow(True)
        self._keep()

    def draw(self, composed: Composed, bank: Bank, chosen: int | None) -> bytes:
        """Return the PNG."""
        self._clear()
        self.image.set_data(composed.logmel)
        self.mel.draw_artist(self.image)
        for k, (onset, offset, label) in enumerate(events(composed.mixture, bank)):
            row, (colour, hatch) = CLASSES.index(label), (ORANGE, "") if k == chosen else (SKY, "///")
            look = {"facecolor": colour, "hatch": hatch, "edgecolor": "black", "alpha": 0.8}
            bar = self.labels.add_patch(Rectangle((onset, row - 0.42), offset - onset, 0.84, **look))
            look = {"fontweight": "bold", "bbox": {"facecolor": colour, "edgecolor": "none", "pad": 0.5}}
            number = self.labels.text(onset + 0.05, row, str(k + 1), va="center", fontsize=9, **look)
            for artist in (bar, number):
                self.labels.draw_artist(artist)
                artist.remove()
        return self._png()


_canvas = functools.cache(_Canvas)


def picture(composed: Composed, bank: Bank, chosen: int | None = None) -> bytes:
    """Draw the log-Mel spectrogram, and below it a numbered bar for each foreground, as a PNG.

    ``chosen`` is the place of the foreground that is edited.
    """
    return _canvas().draw(composed, bank, chosen)


def values_at(composed: Composed, frame: int, band: int) -> str:
    """Return time, frequency and level at a point of the spectrogram."""
    seconds, hertz = frame * FEATURES.hop / RATE, mel_centres(FEATURES)[band]
    return f"{seconds:.2f} s, {hertz:.0f} Hz: {composed.logmel[band, frame]:.1f} dB"


class Composer(Widget):
    """The composer for a notebook; `box` is the widget, `mixture` its state."""

    def __init__(self, bank: Bank) -> None:
        super().__init__("composer", "Point at the picture to read values.")
        self.bank, self.chosen = bank, 0
        self.composed: Composed | None = None
        self.mine: Mixture | None = None  # the last one that was changed by hand
        self._streams = 0
        rows = [*self._mixture_controls(), *self._source_controls(), self._background_controls()]
        self.table, self.heard = ipywidgets.HTML(), ipywidgets.HTML()
        self.picture.panels, self.picture.grid = [place_of(_canvas().mel)], [FEATURES.frames, FEATURES.n_mels]
        below = self.status, self.picture, self.at_cursor, self.heard, self.table
        self.box = ipywidgets.VBox([*(row(*controls, align_items="center") for controls in rows), *below])
        self.box.add_class("mixture-composer")
        self._draw()

    def _mixture_controls(self) -> list[tuple]:
        self.seed = ipywidgets.BoundedIntText(0, max=9999, description="seed", **wide("3em", "9em"))
        self.draw = self._button("Draw one as the training does", self._draw, layout=auto())
        self.back = self._button("Back to mine", lambda: self.mine and self.show(self.mine), layout=auto())
        toggles = ipywidgets.ToggleButtons(style={"button_width": "auto"})
        self.which = self._follow(toggles, lambda number: self.show(self.mixture, number))
        self.add = self._button("Add a foreground", self._add, layout=auto())
        self.remove = self._button("Remove it", self._edit, layout=auto())
        return [(self.seed, self.draw, self.back), (self.which, self.add, self.remove)]

    def _source_controls(self) -> list[tuple]:
        def edits(change: Callable[[Source, Any], Source]) -> Callable[[Any], None]:
            return lambda value: self._edit(change(self.mixture.sources[self.chosen], value))

        def effect(place: int) -> ipywidgets.Dropdown:
            change = edits(lambda s, name: with_effect(s, place, name, self._rng()))
            return self._choice(
                f"effect {place + 1}", [("none", ""), *zip(EFFECTS, EFFECTS, strict=True)], change, **_LOOK
            )

        bank = self.bank
        classes, rooms = [(label.replace("_", " "), label) for label in CLASSES], [("dry", -1), *_named(bank.rooms)]
        of_class = edits(lambda s, label: with_sound(s, bank.classes[label][0], bank))
        of_sound = edits(lambda s, number: with_sound(s, number, bank))
        of_room = edits(lambda s, room: s._replace(room=None if room < 0 else room))
        onset = edits(lambda s, onset: s._replace(onset=round(onset * RATE)))
        length = edits(lambda s, length: with_length(s, length, bank))
        level = edits(lambda s, level: s._replace(level_db=level))
        self.label = self._choice("class", classes, of_class, **_LOOK)
        self.sound = self._choice("sound", [], of_sound, **_LOOK)
        self.room = self._choice("room", rooms, of_room, **_LOOK)
        self.onset = self._slider("onset (s)", (0.0, CLIP_S - 0.1), 0.01, ".2f", onset, **_LOOK)
        self.length = self._slider("length (s)", (0.01, CLIP_S), 0.01, ".2f", length, **_LOOK)
        self.level = self._slider("peak (dB)", SETTINGS.foreground_db, 0.5, ".1f", level, **_LOOK)
        self.effects = [effect(place) for place in range(SETTINGS.effects)]
        self.values = self._button("New values for the effects", self._new_values, layout=auto())
        of_signal = self.onset, self.length, self.level
        return [(self.label, self.sound, self.room), of_signal, (*self.effects, self.values)]

    def _background_controls(self) -> tuple:
        def background(**changes: Any) -> None:
            self._change(self.mixture._replace(background=self.mixture.background._replace(**changes)))

        def to_level(level: float) -> None:
            background(level_db=level)

        choices, span = _named(self.bank.backgrounds), (SETTINGS.background_db[0], SETTINGS.foreground_db[1] + OVER_DB)
        self.behind = self._choice("background", choices, lambda number: background(sound=number, first=0), **_LOOK)
        self.behind_level = self._slider("peak (dB)", span, 0.5, ".1f", to_level, **_LOOK)
        over = f"Put it {OVER_DB:g} dB over"
        self.keep = self._button(over, lambda: to_level(limit_db(self.mixture)), layout=auto())
        self.rule = ipywidgets.HTML()
        return self.behind, self.behind_level, self.rule, self.keep

    def show(self, mixture: Mixture, chosen: int | None = None) -> None:
        """Show a mixture: picture, sound, table, and all controls where it is; ``chosen`` is the foreground to edit."""
        chosen = min(self.chosen if chosen is None else chosen, len(mixture.sources) - 1)
        composed = compose(mixture, self.bank, self.composed)
        png = picture(composed, self.bank, chosen)
        self.mixture, self.chosen, self.composed = mixture, chosen, composed
        with self.picture.hold_sync():
            self.picture.png, self.picture.alt = png, description(composed, self.bank)
        self.heard.value = players.player(composed.waveform.numpy(), "the mixture in this player").data
        self.table.value = pieces.table(table(mixture, self.bank), "The foregrounds, and how they were made").data
        self.status.value = html.escape(loudness(composed))
        self._settle()
        self._read_cursor()

    def _move_controls(self) -> None:
        sources, background, sounds = self.mixture.sources, self.mixture.background, self.bank.foregrounds
        source = sources[self.chosen]
        label = sounds[source.sound].label
        labels = [sounds[one.sound].label.replace("_", " ") for one in sources]
        self.which.options = [(f"{k + 1} {name}", k) for k, name in enumerate(labels)]
        self.sound.options = [(_name(sounds[number]), number) for number in self.bank.classes[label]]
        self.which.value, self.label.value, self.sound.value = self.chosen, label, source.sound
        self.room.value, self.behind.value = -1 if source.room is None else source.room, background.sound
        for place, control in enumerate(self.effects):
            control.value = source.effects[place][0] if place < len(source.effects) else ""
        self.onset.show(source.onset / RATE)
        self.length.show(source.samples / RATE)
        self.level.show(source.level_db)
        self.behind_level.show(background.level_db)
        text, broken = html.escape(rule(self.mixture)), background.level_db > limit_db(self.mixture)
        self.rule.value = f'<b role="alert">{text}</b>' if broken else text
        self.keep.disabled, self.values.disabled, self.back.disabled = not broken, not source.effects, self.mine is None
        self.add.disabled, self.remove.disabled = (len(sources) == end for end in (MOST, FEWEST))

    def _change(self, mixture: Mixture, chosen: int | None = None) -> None:
        """Show a mixture that was made by hand."""
        self.mine = mixture
        self.show(mixture, chosen)

    def _edit(self, *instead: Source) -> None:
        """Put a source, or none, in the place of the chosen one."""
        sources = self.mixture.sources
        self._change(self.mixture._replace(sources=(*sources[: self.chosen], *instead, *sources[self.chosen + 1 :])))

    def _draw(self) -> None:
        self.show(draw(np.random.default_rng([self.seed.value]), self.bank, SETTINGS), 0)

    def _add(self) -> None:
        sources = self.mixture.sources
        used = {self.bank.foregrounds[source.sound].label for source in sources}
        number = self.bank.classes[next(label for label in CLASSES if label not in used)][0]
        added = with_sound(Source(number, 0, 0, 0, -15.0), number, self.bank)
        self._change(self.mixture._replace(sources=(*sources, added)), chosen=len(sources))

    def _new_values(self) -> None:
        source = self.mixture.sources[self.chosen]
        for place, (name, _) in enumerate(source.effects):
            source = with_effect(source, place, name, self._rng())
        self._edit(source)

    def _rng(self) -> np.random.Generator:
        """Return another random generator every time, the same ones in every session."""
        self._streams += 1
        return np.random.default_rng([self._streams])

    def _read_cursor(self) -> None:
        if self.picture.cursor and self.composed:
            self.at_cursor.value = values_at(self.composed, *self.picture.cursor)


def _name(sound: Sound) -> str:
    return f"{sound.name.split('/')[-1]}, {sound.samples / RATE:.2f} s"


def _named(sounds: tuple) -> list[tuple[str, int]]:
    return [(_name(sound), number) for number, sound in enumerate(sounds)]


def composer(bank: Bank, interactive: bool) -> None:
    """Show the composer; in a batch run, pictures and tables of three drawn mixtures.

    Parameters
    ----------
    bank : Bank
        The isolated sounds, from `augment.open_bank`.
    interactive : bool
        False: no widgets.
    """
    if interactive:
        display(Composer(bank).box)
        return
    for seed in range(3):
        composed = compose(draw(np.random.default_rng([seed]), bank, SETTINGS), bank)
        display(pieces.image(picture(composed, bank), description(composed, bank), round(WIDTH * DPI)))
        display(pieces.table(table(composed.mixture, bank), f"Seed {seed}; {rule(composed.mixture)}"))
