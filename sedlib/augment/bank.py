"""The isolated sounds that dynamic mixing mixes: foregrounds, backgrounds and room responses of a data set.

They are in ``ROOT/audio/train/soundbank/{foreground/CLASS,background,rir}`` (DESED's soundbank, or MiniDESED's) and are
decoded once into ``ROOT/store/soundbank.npz``. Paper section 3.2; lesson 02.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from tqdm.auto import tqdm

from sedlib.config import CLIP_S, RATE, SAMPLES
from sedlib.data import audio
from sedlib.data.layout import SOUNDBANK
from sedlib.data.soundbank import BACKGROUND, LONGEST_S, RIR, Soundbank, looped
from sedlib.data.tables import CLASSES
from sedlib.errors import SedError
from sedlib.files import locked, whole

FORMAT = 3  # increases when the same files would be stored differently
_SILENT_DB = 50.0  # below the loudest 10 ms: softer ends of a recording are trimmed
_TAIL_DB = -60.0  # of a room's energy: what remains of its response after this is cut off


class Sound(NamedTuple):
    """A sound of a bank and where its samples are."""

    name: str  # the file, below the soundbank's folder
    label: str  # a class, "background" or "rir"
    first: int
    samples: int


@dataclass(frozen=True, eq=False)
class Bank:
    """All sounds of a soundbank, on any device."""

    samples: Tensor  # (sample,) int16, of all sounds in one row
    foregrounds: tuple[Sound, ...]  # a sound's number is its index here
    backgrounds: tuple[Sound, ...]
    rooms: tuple[Sound, ...]
    notes: tuple[str, ...]  # what was skipped, repeated or cut, a sentence each

    @cached_property
    def classes(self) -> dict[str, list[int]]:
        """The numbers of the foregrounds of each class."""
        return {label: [i for i, sound in enumerate(self.foregrounds) if sound.label == label] for label in CLASSES}

    def waveform(self, sound: Sound, first: int = 0, samples: int | None = None) -> Tensor:
        """Return a part of a sound as ``(sample,)`` float32 in [-1, 1]; to its end without ``samples``."""
        begin, end = sound.first + first, sound.first + sound.samples
        return self.samples[begin : end if samples is None else min(end, begin + samples)] / 32768

    def to(self, device: torch.device | str) -> Bank:
        """Return the same bank on another device."""
        return replace(self, samples=self.samples.to(device))


def open_bank(root: str | Path, progress: bool = True) -> Bank:
    """Open the bank of a data set in DESED's layout; decode it first if it is not decoded yet or files have changed.

    Foregrounds are trimmed, and cut to 30 s. Backgrounds shorter than a clip are repeated with cross-faded joints. Room
    responses begin with their direct sound and end where their energy has fallen by 60 dB, or after a clip's length.

    Raises
    ------
    SedError
        If there is no soundbank; a class, the backgrounds or the rooms have no usable recording; files change while
        they are decoded; or the bank cannot be written.
    """
    folder, path = Path(root) / SOUNDBANK, Path(root) / "store" / "soundbank.npz"
    if not folder.is_dir():
        raise SedError(
            f"{folder}: no such folder, and dynamic mixing needs isolated sounds; put them there as "
            "foreground/CLASS/*.wav, background/*.wav and rir/*.wav (README, 'Use your own sounds')"
        )
    if (bank := _opened(path, _sources(folder))) is not None:
        return bank
    waiting = f"{path}: another process is building this store; waiting for it ..." if progress else None
    try:
        with locked(path.with_suffix(".lock"), waiting):
            bank = _opened(path, _sources(folder)) or _build(path, folder, progress)
    except OSError as error:
        raise SedError(
            f"{path}: cannot be written ({error.strerror}); make the folder writable, or copy the data set elsewhere"
        ) from None
    if bank.notes:
        warnings.warn(
            f"{folder}: {len(bank.notes)} of its files are skipped or changed (`sedlib data check` lists them); "
            f"the first: {bank.notes[0]}",
            stacklevel=2,
        )
    return bank


def _build(path: Path, folder: Path, progress: bool) -> Bank:
    """Decode the recordings and store them; the caller holds the lock."""
    sources, bank = _sources(folder), _decoded(folder, progress)
    if moved := set(sources) ^ set(_sources(folder)):
        raise SedError(
            f"{folder}: files changed while they were decoded, for example {min(moved).split()[0]}; run this again"
        )
    sounds, notes = (*bank.foregrounds, *bank.backgrounds, *bank.rooms), np.array(bank.notes, dtype=str)
    kept = {"sources": sources, "samples": bank.samples.numpy(), "notes": notes, "sounds": sounds}
    with whole(path) as partial, open(partial, "wb") as file:
        np.savez(file, format=FORMAT, **kept)
    return bank


def _sources(folder: Path) -> list[str]:
    """Name, size and time of change of every file."""
    files = [(path, path.stat()) for path in sorted(folder.rglob("*")) if path.is_file()]
    return [f"{path.relative_to(folder).as_posix()} {stat.st_size} {stat.st_mtime_ns}" for path, stat in files]


def _opened(path: Path, sources: list[str]) -> Bank | None:
    """Return the stored bank; None if it is missing, damaged (zip has checksums) or of other files."""
    try:
        with np.load(path, allow_pickle=False) as kept:
            if int(kept["format"]) != FORMAT or kept["sources"].tolist() != sources:
                return None
            rows = kept["sounds"].tolist()
            sounds = [Sound(name, label, int(first), int(samples)) for name, label, first, samples in rows]
            return _bank(torch.from_numpy(kept["samples"]), sounds, kept["notes"].tolist())
    except Exception:  # zip and numpy have a dozen errors for a damaged file, which is simply made again
        return None


def _bank(samples: Tensor, sounds: list[Sound], notes: list[str]) -> Bank:
    kinds = CLASSES, [BACKGROUND], [RIR]
    foregrounds, backgrounds, rooms = (tuple(s for s in sounds if s.label in labels) for labels in kinds)
    return Bank(samples, foregrounds, backgrounds, rooms, tuple(notes))


def _decoded(folder: Path, progress: bool) -> Bank:
    soundbank = Soundbank(folder)
    for kind, what in ((BACKGROUND, "backgrounds"), (RIR, "room responses")):
        if not soundbank.recordings[kind]:
            raise SedError(f"{folder / kind}: no readable recordings, and dynamic mixing needs {what}; add *.wav")
    notes = list(soundbank.notes)
    pieces, sounds, end = [], [], 0
    listed = [recording for label in (*CLASSES, BACKGROUND, RIR) for recording in soundbank.recordings[label]]
    for recording in tqdm(listed, desc=f"decode {folder.name}", unit="sound", disable=not progress):
        path, (waveform, info) = recording.path, recording.read()
        if info.duration > LONGEST_S:
            notes.append(f"{path}: {info.duration:.0f} s; the first {LONGEST_S:g} s are used")
        waveform, note = _prepared(waveform, recording.label)
        if note:
            notes.append(f"{path}: {note}")
        pieces.append(audio.to_int16(waveform * (0.99 / np.abs(waveform).max())))  # every sound uses all 16 bits
        sounds.append(Sound(path.relative_to(folder).as_posix(), recording.label, end, len(waveform)))
        end += len(waveform)
    return _bank(torch.from_numpy(np.concatenate(pieces).astype(np.int16)), sounds, notes)


def _prepared(waveform: np.ndarray, label: str) -> tuple[np.ndarray, str]:
    """Prepare a decoded recording as `open_bank` says, and name the change."""
    seconds = len(waveform) / RATE
    if label == BACKGROUND and len(waveform) < SAMPLES:
        return np.resize(looped(waveform), SAMPLES), f"{seconds:.1f} s; repeated to {CLIP_S:g} s"
    if label == RIR:
        response = waveform[np.argmax(np.abs(waveform)) :]  # the direct sound is the largest sample
        left = np.cumsum(response[::-1].astype(np.float64) ** 2)[::-1]  # Schroeder's integral
        response = response[: int(np.flatnonzero(left >= left[0] * 10 ** (_TAIL_DB / 10))[-1]) + 1]
        long = len(response) > SAMPLES
        return response[:SAMPLES], f"a response of {len(response) / RATE:.1f} s; cut to {CLIP_S:g} s" * long
    return (waveform if label == BACKGROUND else audio.trim(waveform, RATE // 100, _SILENT_DB)), ""
