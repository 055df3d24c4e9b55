"""Audio files in and out: any rate and number of channels in, 16 kHz mono out.

A file that is empty, cut off or no audio raises `SedError`; nothing is replaced by silence. Used by the waveform store,
the soundbank, ``sedlib data check`` and ``sedlib detect``. Taught in ``notebooks/01_data.py``.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile

from sedlib.errors import SedError

RATE = 16000
SUFFIXES = (".wav", ".flac", ".ogg")


class Info(NamedTuple):
    """What a file holds before it is mixed to mono and resampled."""

    duration: float  # seconds, of the whole file
    rate: int  # Hz
    channels: int


def read(path: str | Path, seconds: float | None = None) -> tuple[np.ndarray, Info]:
    """Waveform of an audio file as 16 kHz mono.

    Parameters
    ----------
    path : path
        WAV, FLAC, OGG or anything else libsndfile reads.
    seconds : float, optional
        Read only this much from the start.

    Returns
    -------
    (sample,) float32 array
        Mean of the channels; a file of 16 kHz mono is returned as it is, bit for bit.
    Info
        Duration (s), rate (Hz) and channels of the file.

    Raises
    ------
    SedError
        If the file is missing, empty, cut off, not audio, or holds samples that are not numbers.
    """
    path = Path(path)
    if not path.is_file():
        raise SedError(f"{path}: no such audio file")
    if path.stat().st_size == 0:
        raise SedError(f"{path}: 0 bytes; get the file again")
    try:
        with soundfile.SoundFile(path) as file:
            rate, channels, frames = file.samplerate, file.channels, file.frames
            # A little more than asked for, so that the resampler's filter sees what follows the cut.
            wanted = frames if seconds is None else min(frames, int((seconds + 0.1) * rate))
            samples = file.read(wanted, dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise SedError(f"{path}: not a readable audio file ({error.error_string}); "
                       f"use {', '.join(SUFFIXES)}, or get the file again") from None
    if len(samples) < wanted or _cut_off(path):
        raise SedError(f"{path}: cut off: the file ends before its header says; get the file again")
    if frames == 0:
        raise SedError(f"{path}: 0 samples; get the file again")
    if not np.isfinite(samples).all():
        raise SedError(f"{path}: holds samples that are not numbers (NaN or infinity); export the file again")
    waveform = samples[:, 0] if channels == 1 else samples.mean(axis=1)
    if rate != RATE:
        from librosa import resample  # imported here: slow to import, and most data sets never need it

        waveform = resample(waveform, orig_sr=rate, target_sr=RATE, res_type="soxr_hq")
    if seconds is not None:
        waveform = waveform[: round(seconds * RATE)]
    return np.ascontiguousarray(waveform, dtype=np.float32), Info(frames / rate, rate, channels)


def to_int16(waveform: np.ndarray) -> np.ndarray:
    """Float waveform in [-1, 1] as 16-bit integers; what lies outside is clipped. Undone by ``/ 32768``."""
    return np.clip(np.rint(waveform * 32768.0), -32768, 32767).astype("<i2")


def write(path: str | Path, waveform: np.ndarray) -> None:
    """Write a (sample,) waveform in [-1, 1] as a 16-bit 16 kHz mono WAV file."""
    path = Path(path)
    partial = path.with_name(f"{path.name}.partial")
    soundfile.write(partial, to_int16(waveform), RATE, format="WAV", subtype="PCM_16")
    partial.replace(path)


def _cut_off(path: Path) -> bool:
    """Whether a WAV or OGG file ends early; libsndfile reads such files without a word (of FLAC it tells)."""
    with path.open("rb") as file:
        start = file.read(12)
        if start[:4] == b"RIFF" and start[8:] == b"WAVE":
            while len(header := file.read(8)) == 8:
                size = int.from_bytes(header[4:], "little")
                if header[:4] == b"data":
                    # Programs that write into a pipe leave the size unknown: 0 or the largest number.
                    return 0 < size < 0xFFFFFF00 and file.tell() + size > path.stat().st_size
                file.seek(size + size % 2, os.SEEK_CUR)
        if start[:4] == b"OggS":
            file.seek(max(0, path.stat().st_size - 0x11000))  # a page has at most 65307 bytes
            page = file.read().rpartition(b"OggS")[2]  # from byte 4 of the last page's header on
            lengths = page[23 : 23 + page[22]] if len(page) > 22 else b""
            is_last = len(page) > 1 and page[1] & 0x04
            return not is_last or len(page) < 23 + len(lengths) + sum(lengths)
    return False
