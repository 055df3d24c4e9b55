"""Dynamic mixing: an endless stream of labelled soundscapes.

A `Mixture` is plain numbers (which sounds, when, in which rooms, with which effects, how loud), drawn by `draw` from a
random generator; `events` gives its labels, and `render` the waveforms of many, on the bank's device. So a training
step is a function of its seed alone. Paper section 3.2; lesson 02.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

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
        raise SedError(
            f"augment.sources is {settings.sources}; clips of DESED rarely have so many events; give smaller numbers"
        )
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
    return Mixture(tuple(sources), _draw_background(rng, bank, rng.uniform(min(lowest, highest), highest)))


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
    return Change(added=_draw_background(rng, bank, rng.uniform(*settings.added_db)))


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
    placed = zip(mixture.sources, _sounds(mixture.sources, bank), strict=True)
    out = [F.pad(waveform, (source.onset, SAMPLES - source.onset - len(waveform))) for source, waveform in placed]
    return torch.stack([*out, _background(mixture.background, bank)])


def render(mixtures: Sequence[Mixture], bank: Bank) -> Tensor:
    """Render mixtures, ``(clip, 160000)`` float32 in [-1, 1]: the sums of their `stems`, turned down if they clip."""
    mixed = torch.stack([_background(mixture.background, bank) for mixture in mixtures])
    places = [(clip, source) for clip, mixture in zip(mixed, mixtures, strict=True) for source in mixture.sources]
    for (clip, source), waveform in zip(places, _sounds([source for _, source in places], bank), strict=True):
        clip[source.onset : source.onset + len(waveform)] += waveform
    return unclipped(mixed)


def _sounds(sources: Sequence[Source], bank: Bank) -> list[Tensor]:
    """Render each source in its room, with its effects, at its level: ``(sample,)`` to the end of tail or clip.

    Effects are applied one by one: sounds differ so much in length that batches of them would be mostly zeros.
    """
    waveforms = [_excerpt(source, bank) for source in sources]
    rooms = {i: bank.rooms[source.room] for i, source in enumerate(sources) if source.room is not None}
    if rooms:
        heard = reverberate([waveforms[i] for i in rooms], [bank.waveform(room) for room in rooms.values()])
        for (i, room), waveform in zip(rooms.items(), heard, strict=True):
            waveform[sources[i].samples + room.samples - 1 :] = 0  # rounding errors of the transform
            waveforms[i] = waveform
    heard = (_with_effects(w, s.effects)[: SAMPLES - s.onset] for w, s in zip(waveforms, sources, strict=True))
    return [_at_peak(waveform, source.level_db) for waveform, source in zip(heard, sources, strict=True)]


def _excerpt(source: Source, bank: Bank) -> Tensor:
    """Cut a source out of its sound, followed by zeros for the tails of its room and effects, as far as clips go."""
    waveform = bank.waveform(bank.foregrounds[source.sound], source.first, source.samples)
    fade = min(FADE, source.samples // 4)
    ramp = torch.linspace(0, 1, fade, device=waveform.device)
    if source.first:  # cut out of a longer sound
        waveform[:fade] *= ramp
    waveform[source.samples - fade :] *= ramp.flip(0)
    tail = RING + (0 if source.room is None else bank.rooms[source.room].samples - 1)
    return F.pad(waveform, (0, min(tail, SAMPLES + RING - source.onset - source.samples)))


def _with_effects(waveform: Tensor, cascade: Cascade) -> Tensor:
    """Apply effects to ``(sample,)``, one after the other."""
    for name, values in cascade:
        parameters = {parameter: torch.tensor([value]) for parameter, value in values.items()}
        waveform = EFFECTS[name].function(waveform[None], **parameters)[0]
    return waveform


def _background(chosen: Background, bank: Bank) -> Tensor:
    """Return a background at its level, ``(160000,)``."""
    return _at_peak(bank.waveform(bank.backgrounds[chosen.sound], chosen.first, SAMPLES), chosen.level_db)


def change(waveform: Tensor, changes: Sequence[Change], bank: Bank | None) -> Tensor:
    """Apply effects to clips ``(clip, 160000)`` at the same peak, and add backgrounds; turned down if they clip."""
    changed = waveform.clone()
    for clip, c in zip(changed, changes, strict=True):
        peak = clip.abs().amax()
        if c.effects:
            clip[:] = _with_effects(clip, c.effects)
            clip *= peak / clip.abs().amax().clamp_min(1e-9)
        if c.added is not None:
            assert bank is not None  # it is drawn from it
            clip += peak * _background(c.added, bank)
    return unclipped(changed)


def unclipped(waveform: Tensor) -> Tensor:
    """Divide rows by their peaks where these exceed 1."""
    return waveform / waveform.abs().amax(1, keepdim=True).clamp_min(1.0)


def _at_peak(waveform: Tensor, level_db: float) -> Tensor:
    """Scale to a peak in dB of full scale."""
    return waveform * (10 ** (level_db / 20) / waveform.abs().amax().clamp_min(1e-9))


def _draw_background(rng: np.random.Generator, bank: Bank, level_db: float) -> Background:
    sound = int(rng.integers(len(bank.backgrounds)))
    return Background(sound, int(rng.integers(bank.backgrounds[sound].samples - SAMPLES + 1)), float(level_db))
