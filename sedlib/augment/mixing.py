"""Dynamic mixing: an endless stream of labelled soundscapes.

A `Mixture` is plain numbers (which sounds, when, in which rooms, with which effects, how loud), drawn by `draw` from a
random generator; `events` gives its labels, and `render` the waveforms of many at once, on the bank's device. So a
training step is a function of its seed alone. Paper section 3.2; lesson 02.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from sedlib.augment.bank import Bank
from sedlib.augment.effects import EFFECTS, draw_effect, reverberate
from sedlib.config import CLIP_S, RATE, SAMPLES, Augment
from sedlib.data.scenes import SHORTEST_S, scenario
from sedlib.data.soundbank import CONTINUOUS
from sedlib.errors import SedError

FADE = RATE // 100  # 10 ms against the click of a cut
RING = RATE // 20  # 50 ms of padding for the ringing of filters and combs
Cascade = tuple[tuple[str, dict[str, float]], ...]  # names of `EFFECTS` with their parameters, in order
_TRIES = 1000  # scenarios drawn until one has an allowed number of events
_ROWS = 6  # sounds of similar length in a batch on a CPU; a GPU takes all at once


class Source(NamedTuple):
    """A foreground of a mixture: a part of an isolated sound, and what happens to it. Times in samples."""

    sound: int  # number in `Bank.foregrounds`
    first: int  # of its samples
    samples: int
    onset: int  # in the clip
    level_db: float  # its peak, of full scale
    room: int | None = None  # number in `Bank.rooms`
    effects: Cascade = ()


class Background(NamedTuple):
    """A part of a background as long as a clip."""

    sound: int  # number in `Bank.backgrounds`
    first: int
    level_db: float  # its peak: of full scale in a mixture, of the clip's peak where it is added to one


class Mixture(NamedTuple):
    """A soundscape."""

    sources: tuple[Source, ...]
    background: Background


class Change(NamedTuple):
    """Effects on a whole clip, and a background that is added."""

    effects: Cascade = ()
    added: Background | None = None


def draw(rng: np.random.Generator, bank: Bank, settings: Augment) -> Mixture:
    """Draw the sounds of a soundscape, their times, rooms, effects and levels.

    Classes and onsets are those of a `scenes.scenario`, with the statistics of DESED's synthetic set. Of each class any
    sound is taken whole; of a `CONTINUOUS` class any part of the planned length.

    Notes
    -----
    The paper only says that it samples one to five foregrounds. The released scripts mix each fixed soundscape's own
    foregrounds again, so that classes and onsets stay.
    """
    fewest, most = settings.sources
    scenarios = (scenario(rng) for _ in range(_TRIES))
    planned = next((drawn for drawn in scenarios if fewest <= len(drawn) <= most), None)
    if planned is None:
        raise SedError(f"augment.sources is {settings.sources}; clips of DESED hardly ever have so many events")
    sounds = [int(rng.choice(bank.classes[event.label])) for event in planned]
    sources = []
    for event, sound in zip(planned, sounds, strict=True):
        onset, continues = round(event.onset * RATE), event.label in CONTINUOUS
        whole = bank.foregrounds[sound].samples
        samples = min(whole, SAMPLES - onset, round(event.duration * RATE) if continues else SAMPLES)
        first = int(rng.integers(whole - samples + 1)) if continues else 0
        level_db = float(rng.uniform(*settings.foreground_db))
        room = int(rng.integers(len(bank.rooms))) if settings.rooms else None
        effects = cascade(rng, settings, samples / RATE)
        sources.append(Source(sound, first, samples, onset, level_db, room, effects))
    lowest, over = settings.background_db
    highest = min(source.level_db for source in sources) + over
    return Mixture(tuple(sources), _background(rng, bank, rng.uniform(min(lowest, highest), highest)))


def cascade(rng: np.random.Generator, settings: Augment, seconds: float) -> Cascade:
    """Draw 0 to ``settings.effects`` distinct effects for a sound of ``seconds``; the number is uniform."""
    names = rng.choice(settings.effect_names, int(rng.integers(settings.effects + 1)), replace=False)
    return tuple((str(name), draw_effect(rng, str(name), seconds)) for name in names)


def draw_change(rng: np.random.Generator, bank: Bank | None, settings: Augment, strong: bool) -> Change:
    """Draw the change of a recorded clip: effects if its labels are strong, otherwise perhaps one more background."""
    if strong:
        return Change(effects=cascade(rng, settings, CLIP_S))
    if bank is None or rng.random() >= settings.added_share:
        return Change()
    return Change(added=_background(rng, bank, rng.uniform(*settings.added_db)))


def events(mixture: Mixture, bank: Bank) -> list[tuple[float, float, str]]:
    """Return onset, offset (s, to 1 ms) and label of each source by its direct sound, without the room's tail.

    As in DESED no event is shorter than `scenes.SHORTEST_S`, and none goes beyond the clip.
    """
    labelled = []
    for source in mixture.sources:
        onset = source.onset / RATE
        offset = min(CLIP_S, onset + max(source.samples / RATE, SHORTEST_S))
        labelled.append((round(onset, 3), round(offset, 3), bank.foregrounds[source.sound].label))
    return labelled


def stems(mixture: Mixture, bank: Bank) -> Tensor:
    """Render each foreground of a mixture, and last its background, as they are added: ``(stem, 160000)``."""
    out = bank.samples.new_zeros((len(mixture.sources), SAMPLES), dtype=torch.float32)
    for stem, source, waveform in zip(out, mixture.sources, _sounds(mixture.sources, bank), strict=True):
        stem[source.onset : source.onset + len(waveform)] = waveform
    return torch.cat([out, _backgrounds([mixture.background], bank)])


def render(mixtures: Sequence[Mixture], bank: Bank) -> Tensor:
    """Render mixtures, ``(clip, 160000)`` float32 in [-1, 1]: the sums of their `stems`, turned down if they clip."""
    mixed = _backgrounds([mixture.background for mixture in mixtures], bank)
    places = [(clip, source) for clip, mixture in enumerate(mixtures) for source in mixture.sources]
    for (clip, source), waveform in zip(places, _sounds([source for _, source in places], bank), strict=True):
        mixed[clip, source.onset : source.onset + len(waveform)] += waveform
    return unclipped(mixed)


def _sounds(sources: Sequence[Source], bank: Bank) -> list[Tensor]:
    """Render each source in its room, with its effects, at its level: ``(sample,)`` to the end of tail or clip."""
    rendered: dict[int, Tensor] = {}
    order = sorted(range(len(sources)), key=lambda i: sources[i].samples)
    size = _ROWS if bank.samples.device.type == "cpu" else max(1, len(order))
    for group in (order[start : start + size] for start in range(0, len(order), size)):
        chosen = [sources[i] for i in group]
        waveforms = _in_rooms(chosen, bank)
        for row, source in zip(waveforms, chosen, strict=True):
            row[SAMPLES - source.onset :] = 0  # its level is that of what lies within the clip
        waveforms = _at_peaks(waveforms, [source.level_db for source in chosen])
        for i, source, waveform in zip(group, chosen, waveforms, strict=True):
            rendered[i] = waveform[: min(SAMPLES - source.onset, _extent(source, bank))]
    return [rendered[i] for i in range(len(sources))]


def _extent(source: Source, bank: Bank) -> int:
    """Return the samples of a source with its room's tail."""
    return source.samples + (0 if source.room is None else bank.rooms[source.room].samples - 1) + RING


def _in_rooms(sources: list[Source], bank: Bank) -> Tensor:
    """Render ``(source, sample)``: each in its room and with its effects; zeros after the shorter ones."""
    extents = [_extent(source, bank) for source in sources]
    waveform = bank.samples.new_zeros((len(sources), max(extents)), dtype=torch.float32)
    for row, source in zip(waveform, sources, strict=True):
        row[: source.samples] = bank.waveform(bank.foregrounds[source.sound], source.first, source.samples)
        fade = min(FADE, source.samples // 4)
        ramp = torch.linspace(0, 1, fade, device=row.device)
        if source.first:  # cut out of a longer sound
            row[:fade] *= ramp
        row[source.samples - fade : source.samples] *= ramp.flip(0)
    rooms = {i: bank.rooms[source.room] for i, source in enumerate(sources) if source.room is not None}
    if rooms:
        responses = pad_sequence([bank.waveform(room) for room in rooms.values()], batch_first=True)
        waveform[list(rooms)] = reverberate(waveform[list(rooms)], responses)
        for row, extent in zip(waveform, extents, strict=True):
            row[extent:] = 0  # rounding errors of the transform
    return _with_effects(waveform, [source.effects for source in sources])


def _with_effects(waveform: Tensor, cascades: Sequence[Cascade]) -> Tensor:
    """Apply its effects to each row: the first effect of every row, batched by name, then the second."""
    waveform = waveform.clone()
    for place in range(max(map(len, cascades), default=0)):
        rows: dict[str, list[int]] = {}
        for i, effects in enumerate(cascades):
            if place < len(effects):
                rows.setdefault(effects[place][0], []).append(i)
        for name, chosen in rows.items():
            values = {
                parameter: torch.tensor([cascades[i][place][1][parameter] for i in chosen], device=waveform.device)
                for parameter in EFFECTS[name].ranges
            }
            waveform[chosen] = EFFECTS[name].function(waveform[chosen], **values)
    return waveform


def _backgrounds(chosen: Sequence[Background], bank: Bank) -> Tensor:
    """Return backgrounds at their levels, ``(clip, 160000)``."""
    waveforms = [bank.waveform(bank.backgrounds[b.sound], b.first, SAMPLES) for b in chosen]
    return _at_peaks(torch.stack(waveforms), [b.level_db for b in chosen])


def change(waveform: Tensor, changes: Sequence[Change], bank: Bank | None) -> Tensor:
    """Apply effects to clips ``(clip, 160000)`` at the same peak, and add backgrounds; turned down if they clip."""
    peak = waveform.abs().amax(1, keepdim=True)
    changed = _with_effects(waveform, [c.effects for c in changes])
    changed *= peak / changed.abs().amax(1, keepdim=True).clamp_min(1e-9)
    added = {i: c.added for i, c in enumerate(changes) if c.added is not None}
    if added:
        assert bank is not None  # they are drawn from it
        rows = list(added)
        changed[rows] += peak[rows] * _backgrounds(list(added.values()), bank)
    return unclipped(changed)


def unclipped(waveform: Tensor) -> Tensor:
    """Divide rows by their peaks where these exceed 1."""
    return waveform / waveform.abs().amax(1, keepdim=True).clamp_min(1.0)


def _at_peaks(waveform: Tensor, levels_db: list[float]) -> Tensor:
    """Scale rows to their peaks, in dB of full scale."""
    level = torch.tensor([10 ** (level / 20) for level in levels_db], device=waveform.device)
    return waveform * (level / waveform.abs().amax(1).clamp_min(1e-9))[:, None]


def _background(rng: np.random.Generator, bank: Bank, level_db: float) -> Background:
    sound = int(rng.integers(len(bank.backgrounds)))
    return Background(sound, int(rng.integers(bank.backgrounds[sound].samples - SAMPLES + 1)), float(level_db))
