"""Sound files as sources of sounds for the generator, with the interface of `voices.Voices`.

`RecordedVoices` are a user's recordings; `IsolatedSounds` are those of a data set's own soundbank. Paper section 2;
README, "Use your own sounds".
"""

from __future__ import annotations

import csv
import hashlib
import os
from copy import copy
from functools import lru_cache
from pathlib import Path

import numpy as np
import soundfile

from minidesed import domains
from minidesed.voices import Voices
from sedlib.config import RATE
from sedlib.data.audio import loud_blocks
from sedlib.data.layout import REAL
from sedlib.data.soundbank import BACKGROUND, CONTINUOUS, RIR, Recording, Soundbank, looped
from sedlib.data.tables import CLASSES, unknown_label
from sedlib.errors import SedError

TRAINING, EVALUATION = "real training", "real development and evaluation"  # pools besides the synthetic one


class RecordedVoices(Soundbank):
    """The sounds of a `Soundbank`, with the interface of `voices.Voices`.

    Parameters, attributes and errors as for `Soundbank`; ``fingerprint`` is the name of the folder and a hash of its
    files' names and contents. A ``sources.tsv`` with the columns ``file`` and ``recording_group`` says which files come
    from one original recording; without it each file counts as its own.
    """

    def __init__(self, folder: str | Path):
        sources = Path(folder) / "sources.tsv"
        groups = _groups(sources)
        super().__init__(folder)
        for label, found in self.recordings.items():
            names = [recording.path.relative_to(self.folder).as_posix() for recording in found]
            grouped = [r._replace(group=groups.get(name, name)) for r, name in zip(found, names, strict=True)]
            self.recordings[label] = grouped
        for file in sorted(name for name in groups if not os.path.isfile(self.folder / name)):
            fix = "correct its name, or remove the line"
            self.notes.append(f"{sources}: {file!r} is not one of the sounds here; {fix}")
        self._procedural = Voices(REAL)
        digest = hashlib.sha256()
        for path in sorted(recording.path for found in self.recordings.values() for recording in found):
            digest.update(path.relative_to(self.folder).as_posix().encode() + b"\0" + path.read_bytes())
        self.fingerprint = f"{self.folder.resolve().name} {digest.hexdigest()[:12]}"

    def split(self, *pools: str) -> list[RecordedVoices]:
        """Divide into soundbanks of disjoint recordings, one per pool; too few recordings are shared and noted."""
        banks: list[RecordedVoices] = [copy(self) for _ in pools]
        for bank in banks:
            bank.recordings = {}
        notes = []
        for label, found in self.recordings.items():
            groups = sorted({r.group for r in found}, key=lambda g: hashlib.sha256(g.encode()).digest())
            shared = 0 < len(groups) < len(pools)
            if shared:
                notes.append(
                    f"{label}: {len(groups)} recording{'s' * (len(groups) > 1)} for {len(pools)} pools "
                    f"({', '.join(pools)}): all pools share {'it' if len(groups) == 1 else 'them'}"
                )
            for i, bank in enumerate(banks):
                bank.recordings[label] = [r for r in found if shared or groups.index(r.group) % len(pools) == i]
        for bank in banks:
            bank.notes = self.notes + notes
        return banks

    def of_clip(self, rng: np.random.Generator) -> RecordedVoices:
        """Narrow the source to one clip: one original recording per class, background and room, all as likely."""
        bank = copy(self)
        bank.recordings = {}
        for (label, found), u in zip(self.recordings.items(), rng.random(len(self.recordings)), strict=True):
            groups = list(dict.fromkeys(r.group for r in found))
            bank.recordings[label] = [r for r in found if r.group == groups[int(u * len(groups))]]
        return bank

    def event(self, label: str, duration: float, rng: np.random.Generator) -> np.ndarray:
        """Draw one isolated sound of a class, without silence at either end, as `voices.Voices.event`.

        Of a recording with several barks (calls, words), one, perhaps shorter than ``duration`` seconds; of a class in
        `CONTINUOUS` any part, repeated if need be.
        """
        if label not in CLASSES:
            raise SedError(f"soundbank: {unknown_label(label)}")
        waveform, sounds = self._draw(label, rng)
        wanted = max(1, round(duration * RATE))
        if label in CONTINUOUS:
            first, last = max(sounds, key=lambda ends: ends[1] - ends[0])  # without pauses, as its label will say
            sound = _excerpt(waveform[first:last], wanted, rng)
        else:
            first, last = sounds[rng.integers(len(sounds))]
            sound = waveform[first : min(last, first + wanted)].copy()
        return _faded(sound)

    def background(self, duration: float, rng: np.random.Generator) -> np.ndarray:
        """Draw a background of exactly ``duration`` seconds, peak 1; procedural if none was recorded."""
        if not self.recordings[BACKGROUND]:
            return self._procedural.background(duration, rng)
        waveform, _ = self._draw(BACKGROUND, rng)
        sounds = _stretches(waveform, below_peak=60)  # leaves out silence that was added at the ends
        sound = _excerpt(waveform[sounds[0][0] : sounds[-1][1]], round(duration * RATE), rng)
        return sound / max(np.abs(sound).max(), np.float32(1e-9))  # the recording may fall silent for a while

    def room(self, recipe: domains.Recipe, rng: np.random.Generator) -> np.ndarray:
        """Draw a recorded response that `domains.fit_room` makes fit; procedural if none was recorded."""
        if not self.recordings[RIR]:
            return self._procedural.room(recipe, rng)
        waveform, _ = self._draw(RIR, rng)
        return domains.fit_room(waveform[np.argmax(np.abs(waveform)) :], recipe, rng)

    def _draw(self, label: str, rng: np.random.Generator) -> tuple[np.ndarray, list[tuple[int, int]]]:
        """Draw a recording: its waveform, and where in it sound is."""
        found = self.recordings[label]
        recording = found[rng.integers(len(found))]
        return _decoded(recording, recording.path.stat().st_mtime_ns)


class IsolatedSounds:
    """The soundbank of a data set that was generated, as the source of its synthetic clips.

    These clips and those of dynamic mixing have the same sounds, backgrounds and rooms. As in DESED, events of one
    class in a clip may come from different sounds.

    Parameters
    ----------
    folder : path
        Of 16 kHz mono WAV files, laid out as a `Soundbank`.
    """

    def __init__(self, folder: str | Path):
        places = {label: Path(folder) / "foreground" / label for label in CLASSES}
        places |= {what: Path(folder) / what for what in (BACKGROUND, RIR)}
        self._files = {what: sorted(place.glob("*.wav")) for what, place in places.items()}

    def of_clip(self, rng: np.random.Generator) -> IsolatedSounds:
        """Return the same source."""
        return self

    def event(self, label: str, duration: float, rng: np.random.Generator) -> np.ndarray:
        """Draw one of a class's sounds, whole as in DESED; of a `CONTINUOUS` class a part of ``duration`` seconds."""
        sound = self._draw(label, rng)
        if label in CONTINUOUS:
            return _faded(_excerpt(sound, round(duration * RATE), rng))
        return sound / np.abs(sound).max()

    def background(self, duration: float, rng: np.random.Generator) -> np.ndarray:
        """Draw a background of exactly ``duration`` seconds."""
        return _excerpt(self._draw(BACKGROUND, rng), round(duration * RATE), rng)

    def room(self, recipe: domains.Recipe, rng: np.random.Generator) -> np.ndarray:
        """Draw a room response; it stays as it is."""
        return self._draw(RIR, rng)

    def _draw(self, what: str, rng: np.random.Generator) -> np.ndarray:
        return _samples_of(self._files[what][rng.integers(len(self._files[what]))])


@lru_cache(maxsize=512)
def _samples_of(path: Path) -> np.ndarray:
    return soundfile.read(path, dtype="float32")[0]


def _faded(sound: np.ndarray) -> np.ndarray:
    """Fade out the last 10 ms, against the click of a cut, and scale the peak to 1."""
    fade = min(160, len(sound) // 4)
    sound[len(sound) - fade :] *= np.linspace(1, 0, fade, dtype=np.float32)
    return sound / np.abs(sound).max()


def _groups(sources: Path) -> dict[str, str]:
    """Column ``recording_group`` of a ``sources.tsv``, by ``file``; nothing if there is no such file."""
    if not sources.is_file():
        return {}
    try:
        with sources.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file, delimiter="\t", restval="")
            if lacking := {"file", "recording_group"} - set(rows.fieldnames or ()):
                columns = ", ".join(sorted(lacking))
                raise SedError(f"{sources}: lacks the column {columns}; add it, or remove the file")
            return {row["file"]: row["recording_group"] or row["file"] for row in rows}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SedError(f"{sources}: not a tab separated UTF-8 table ({error}); save it as UTF-8") from None


def _excerpt(waveform: np.ndarray, wanted: int, rng: np.random.Generator) -> np.ndarray:
    """Draw ``wanted`` samples from a random place on; a shorter recording is repeated, its joints cross-faded."""
    if len(waveform) < wanted:
        once = looped(waveform)
        start = rng.integers(len(once))
        return np.resize(np.roll(once, -start), wanted)
    start = rng.integers(len(waveform) - wanted + 1)
    return waveform[start : start + wanted].copy()


@lru_cache(maxsize=256)
def _decoded(recording: Recording, changed: int) -> tuple[np.ndarray, list[tuple[int, int]]]:
    """Decode a file as it was when it ``changed`` last, and find its `_stretches`."""
    waveform, _ = recording.read()
    return waveform, _stretches(waveform)


def _stretches(waveform: np.ndarray, below_peak: float = 30.0) -> list[tuple[int, int]]:
    """Find sound: (first, last + 1) samples of each stretch that is within ``below_peak`` dB of the loudest 10 ms.

    Pauses up to 0.2 s, less than the shortest event has, belong to a stretch; a stretch under 0.1 s is left
    out if there is a longer one.
    """
    block = RATE // 100
    loud = loud_blocks(waveform, block, below_peak)
    breaks = np.flatnonzero(np.diff(loud) > 0.2 * RATE / block)
    firsts, lasts = loud[np.r_[0, breaks + 1]], loud[np.r_[breaks, len(loud) - 1]]
    ends = np.minimum((lasts + 1) * block, len(waveform))
    found = list(zip((firsts * block).tolist(), ends.tolist(), strict=True))
    longest = max(last - first for first, last in found)
    return [(first, last) for first, last in found if last - first >= min(longest, RATE // 10)]
