"""The isolated sounds that dynamic mixing mixes: foregrounds, backgrounds and room responses of a data set.

They lie in ``ROOT/audio/train/soundbank/{foreground/CLASS,background,rir}`` (DESED's soundbank, or MiniDESED's) and are
decoded once into ``ROOT/store/soundbank.npz``. Paper section 3.2; taught in ``notebooks/02_augmentation.py``.
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

FORMAT = 2  # increases when the same files would be stored differently
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
    """All sounds of a soundbank in one row of 16-bit samples, on any device.

    Attributes
    ----------
    samples : (sample,) int16 tensor
    foregrounds, backgrounds, rooms : tuples of Sound
        A sound's number is its index here.
    notes : tuple of str
        What was skipped, repeated or cut, a sentence each.
    """

    samples: Tensor
    foregrounds: tuple[Sound, ...]
    backgrounds: tuple[Sound, ...]
    rooms: tuple[Sound, ...]
    notes: tuple[str, ...]

    @cached_property
    def classes(self) -> dict[str, list[int]]:
        """Numbers of the foregrounds of each class."""
        return {label: [i for i, sound in enumerate(self.foregrounds) if sound.label == label] for label in CLASSES}

    def waveform(self, sound: Sound, first: int = 0, samples: int | None = None) -> Tensor:
        """A part of a sound as ``(sample,)`` float32 in [-1, 1]; to its end without ``samples``."""
        begin, end = sound.first + first, sound.first + sound.samples
        return self.samples[begin : end if samples is None else min(end, begin + samples)].float() / 32768

    def to(self, device: torch.device | str) -> Bank:
        """The same bank on another device."""
        return replace(self, samples=self.samples.to(device))


def open_bank(root: str | Path, progress: bool = True) -> Bank:
    """Open the bank of a data set; decode it first if that was not done, or files have changed since.

    Foregrounds are trimmed, and cut to 30 s. Backgrounds shorter than a clip are repeated with cross-faded joints. Room
    responses begin with their direct sound and end where their energy has fallen by 60 dB, or after a clip's length.

    Parameters
    ----------
    root : path
        A data set in DESED's layout.
    progress : bool
        Show a bar while decoding, and a message while waiting for another process.

    Raises
    ------
    SedError
        If there is no soundbank; a class, the backgrounds or the rooms have no usable recording; files change while
        they are decoded; or the bank cannot be written.
    """
    folder = Path(root) / SOUNDBANK
    if not folder.is_dir():
        raise SedError(
            f"{folder}: no such folder, and dynamic mixing needs isolated sounds; put them there as "
            "foreground/CLASS/*.wav, background/*.wav and rir/*.wav (README, 'Use your own sounds')"
        )
    path = Path(root) / "store" / "soundbank.npz"
    bank = _opened(path, _sources(folder))
    if bank is None:
        try:
            with locked(
                path.with_suffix(".lock"),
                f"{path}: another process builds this store; waiting for it ..." if progress else None,
            ):
                bank = _opened(path, _sources(folder)) or _build(path, folder, progress)
        except OSError as error:
            raise SedError(
                f"{path}: cannot be written ({error.strerror}); make the folder writable or a link to one that is, "
                "or copy the data set to a place of your own"
            ) from None
        if bank.notes:
            warnings.warn(
                f"{folder}: {len(bank.notes)} of its files are not used, or not as they are (`sedlib data check` "
                f"says more), the first: {bank.notes[0]}",
                stacklevel=2,
            )
    return bank


def _build(path: Path, folder: Path, progress: bool) -> Bank:
    """Decode the recordings and store them; the caller holds the lock."""
    sources = _sources(folder)
    bank = _decoded(folder, progress)
    if moved := set(sources) ^ set(_sources(folder)):
        raise SedError(
            f"{folder}: files changed while they were decoded, for example {min(moved).split()[0]}; run this again "
            "when nothing writes there any more"
        )
    sounds = (*bank.foregrounds, *bank.backgrounds, *bank.rooms)
    with whole(path) as partial, open(partial, "wb") as file:
        np.savez(
            file,
            format=FORMAT,
            sources=np.array(sources),
            samples=bank.samples.numpy(),
            notes=np.array(bank.notes, dtype=str),
            sounds=np.array([(s.name, s.label) for s in sounds]),
            places=np.array([(s.first, s.samples) for s in sounds]),
        )
    return bank


def _sources(folder: Path) -> list[str]:
    """Name, size and time of change of every file."""
    files = [(path, path.stat()) for path in sorted(folder.rglob("*")) if path.is_file()]
    return [f"{path.relative_to(folder).as_posix()} {stat.st_size} {stat.st_mtime_ns}" for path, stat in files]


def _opened(path: Path, sources: list[str]) -> Bank | None:
    """The stored bank; None if it is missing, damaged (zip has checksums) or of other files."""
    try:
        with np.load(path, allow_pickle=False) as kept:
            if int(kept["format"]) != FORMAT or kept["sources"].tolist() != sources:
                return None
            named = zip(kept["sounds"].tolist(), kept["places"].tolist(), strict=True)
            sounds = [Sound(*name, *place) for name, place in named]
            return _bank(torch.from_numpy(kept["samples"]), sounds, kept["notes"].tolist())
    except Exception:  # zip and numpy have a dozen errors for a damaged file, which is simply made again
        return None


def _bank(samples: Tensor, sounds: list[Sound], notes: list[str]) -> Bank:
    foregrounds = tuple(s for s in sounds if s.label in CLASSES)
    backgrounds, rooms = (tuple(s for s in sounds if s.label == kind) for kind in (BACKGROUND, RIR))
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
        notes += [f"{path}: {note}"] if note else []
        pieces.append(audio.to_int16(waveform * (0.99 / np.abs(waveform).max())))  # every sound uses all 16 bits
        sounds.append(Sound(path.relative_to(folder).as_posix(), recording.label, end, len(waveform)))
        end += len(waveform)
    return _bank(torch.from_numpy(np.concatenate(pieces).astype(np.int16)), sounds, notes)


def _prepared(waveform: np.ndarray, label: str) -> tuple[np.ndarray, str]:
    """A decoded recording as `open_bank` says, and what was done to it."""
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
