"""The isolated sounds that dynamic mixing mixes from: foregrounds, backgrounds and room responses of a data set.

They lie in ``ROOT/audio/train/soundbank/{foreground/CLASS,background,rir}``, DESED's soundbank or the one that the
generator made; each file is one event, one background, one room. Decoded once into ``ROOT/store/soundbank.npz``, by one
process while others wait, and later only read. Paper section 3.2; taught in ``notebooks/02_augmentation.py``.
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

FORMAT = 2  # counts up when the same files would be kept in another way
_SILENT_DB = -50.0  # against the loudest 10 ms: what is softer at the ends of a recording is no part of the event
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
        Numbers of sounds are places in these.
    notes : tuple of str
        Sentences on what was skipped, repeated or cut.
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
    """The bank of a data set; decoded first where that was not done, or files have changed since.

    Foregrounds lose the silence at their ends; of what is longer than 30 s only that much is used. Backgrounds shorter
    than a clip are repeated with cross-faded joints. Room responses begin with their direct sound and end where 60 dB of
    their energy are gone, at the latest after a clip's length.

    Parameters
    ----------
    root : path
        A data set in DESED's layout.
    progress : bool
        Show a bar while decoding, and say so when waiting for another process.

    Raises
    ------
    SedError
        If there is no soundbank; a class, the backgrounds or the rooms have no usable recording; files change while they are
        decoded; or the bank cannot be written.
    """
    folder = Path(root) / SOUNDBANK
    if not folder.is_dir():
        raise SedError(f"{folder}: no such folder, and dynamic mixing needs isolated sounds; put them there as "
                       "foreground/CLASS/*.wav, background/*.wav and rir/*.wav (README, 'Use your own sounds')")
    path = Path(root) / "store" / "soundbank.npz"
    bank = _opened(path, _sources(folder))
    if bank is None:
        try:
            with locked(path.with_suffix(".lock"), f"{path}: another process builds this store; waiting for it ..." if progress else None):
                bank = _opened(path, _sources(folder)) or _build(path, folder, progress)
        except OSError as error:
            raise SedError(f"{path}: cannot be written ({error.strerror}); make the folder writable or a link to one that is, or copy "
                           "the data set to a place of your own") from None
        if bank.notes:
            warnings.warn(f"{folder}: {len(bank.notes)} of its files are not used, or not as they are (`sedlib data check` "
                          f"says more), the first: {bank.notes[0]}", stacklevel=2)
    return bank


def _build(path: Path, folder: Path, progress: bool) -> Bank:
    """Decode the recordings and keep them; the caller holds the lock."""
    sources = _sources(folder)
    bank = _decoded(folder, progress)
    if moved := set(sources) ^ set(_sources(folder)):
        raise SedError(f"{folder}: files changed while they were decoded, for example {min(moved).split()[0]}; run this again when "
                       "nothing writes there any more")
    sounds = (*bank.foregrounds, *bank.backgrounds, *bank.rooms)
    with whole(path) as partial, open(partial, "wb") as file:
        np.savez(file, format=FORMAT, sources=np.array(sources), samples=bank.samples.numpy(), notes=np.array(bank.notes, dtype=str),
                 sounds=np.array([(s.name, s.label) for s in sounds]), places=np.array([(s.first, s.samples) for s in sounds]))
    return bank


def _sources(folder: Path) -> list[str]:
    """Name, size and time of change of every file: what a bank must have been decoded from."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return [f"{path.relative_to(folder).as_posix()} {(stat := path.stat()).st_size} {stat.st_mtime_ns}" for path in files]


def _opened(path: Path, sources: list[str]) -> Bank | None:
    """The bank as it was kept, or None where it is missing, damaged (zip's checksums tell) or of other files."""
    try:
        with np.load(path, allow_pickle=False) as kept:
            if int(kept["format"]) != FORMAT or kept["sources"].tolist() != sources:
                return None
            samples, notes = torch.from_numpy(kept["samples"]), tuple(kept["notes"].tolist())
            sounds = [Sound(*named, *place) for named, place in zip(kept["sounds"].tolist(), kept["places"].tolist())]
    except Exception:  # whatever is wrong with it, and zip and numpy say it in a dozen ways: it can be made again
        return None
    return _bank(samples, sounds, notes)


def _decoded(folder: Path, progress: bool) -> Bank:
    soundbank = Soundbank(folder)
    for kind, what in ((BACKGROUND, "backgrounds"), (RIR, "room responses")):
        if not soundbank.recordings[kind]:
            raise SedError(f"{folder / kind}: no readable recordings, and dynamic mixing needs {what}; add *.wav")
    notes = list(soundbank.notes)
    pieces, sounds, end = [], [], 0
    listed = [(label, recording) for label in (*CLASSES, BACKGROUND, RIR) for recording in soundbank.recordings[label]]
    for label, recording in tqdm(listed, desc=f"decode {folder.name}", unit="sound", disable=not progress):
        path, (waveform, info) = recording.path, recording.read()
        if info.duration > LONGEST_S:
            notes.append(f"{path}: {info.duration:.0f} s; the first {LONGEST_S:g} s are used")
        if label == RIR:
            waveform, note = _room(waveform)
        elif label == BACKGROUND:
            waveform, note = _background(waveform)
        else:
            waveform, note = _event(waveform), ""
        notes += [f"{path}: {note}"] if note else []
        peak = np.abs(waveform).max()
        pieces.append(audio.to_int16(waveform * (0.99 / peak)))  # all at the same peak, so no sound lacks bits
        sounds.append(Sound(path.relative_to(folder).as_posix(), label, end, len(waveform)))
        end += len(waveform)
    return _bank(torch.from_numpy(np.concatenate(pieces).astype(np.int16)), sounds, tuple(notes))


def _bank(samples: Tensor, sounds: list[Sound], notes: tuple[str, ...]) -> Bank:
    return Bank(samples, tuple(s for s in sounds if s.label in CLASSES), tuple(s for s in sounds if s.label == BACKGROUND),
                tuple(s for s in sounds if s.label == RIR), notes)


def _event(waveform: np.ndarray) -> np.ndarray:
    """Without the silence at either end, so that its label is true."""
    block = RATE // 100
    starts = np.arange(0, len(waveform), block)
    energy = np.add.reduceat(waveform.astype(np.float64) ** 2, starts)
    loud = np.flatnonzero(energy >= energy.max() * 10 ** (_SILENT_DB / 10))
    return waveform[starts[loud[0]] : starts[loud[-1]] + block]


def _background(waveform: np.ndarray) -> tuple[np.ndarray, str]:
    """At least as long as a clip."""
    if len(waveform) >= SAMPLES:
        return waveform, ""
    return np.resize(looped(waveform), SAMPLES), f"{len(waveform) / RATE:.1f} s; repeated to {CLIP_S:g} s"


def _room(waveform: np.ndarray) -> tuple[np.ndarray, str]:
    """From the direct sound, the largest sample, to where the response has died out."""
    response = waveform[np.argmax(np.abs(waveform)) :]
    left = np.cumsum(response[::-1].astype(np.float64) ** 2)[::-1]  # Schroeder's integral
    response = response[: int(np.flatnonzero(left >= left[0] * 10 ** (_TAIL_DB / 10))[-1]) + 1]
    note = f"a response of {len(response) / RATE:.1f} s; cut to {CLIP_S:g} s" if len(response) > SAMPLES else ""
    return response[:SAMPLES], note
