"""Audio files in and out: any rate and number of channels in, 16 kHz mono out.

A file that is empty, cut off or no audio raises `SedError`; nothing is replaced by silence. Used by the waveform store,
the soundbank, ``sedlib data check`` and ``sedlib detect``. Taught in ``notebooks/01_data.py``.
"""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile

from sedlib.config import RATE
from sedlib.errors import SedError
from sedlib.files import whole

SUFFIXES = (".wav", ".flac", ".ogg")
COARSE = ("PCM_U8", "PCM_S8")  # subtypes with 8 bits a sample
_RATES = (1000, 1_000_000)  # Hz; a header that says anything else is damaged
_ABSURD = 2.0**32  # beyond 32-bit integers that somebody forgot to scale
_BLOCK = 1 << 22  # samples decoded at once: a header that lies about the length cannot ask for more memory
_UNKNOWN = (1 << 63) - 1  # libsndfile's number of frames where a header does not tell


class Info(NamedTuple):
    """What a file holds before it is mixed to mono and resampled, and how the waveform made of it is driven."""

    duration: float  # seconds, of the whole file
    rate: int  # Hz
    channels: int
    subtype: str  # how the samples are stored, in libsndfile's words: PCM_16, PCM_U8, FLOAT, VORBIS, ...
    clipped: float  # share of the samples that lie at full scale or beyond
    peak: float  # largest magnitude in the waveform; what is above 1 is clipped when it is stored as 16 bits
    dc: float  # mean of the waveform


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
        Of the file and of what was read of it.

    Raises
    ------
    SedError
        If the file is missing, empty, cut off, not audio, or holds samples that are not numbers.
    """
    path = Path(path)
    try:
        size = path.stat().st_size if path.is_file() else None
    except OSError as error:  # such as a name that is too long
        raise SedError(f"{path}: cannot be read ({error.strerror})") from None
    if size is None:
        raise SedError(f"{path}: no such audio file")
    if size == 0:
        raise SedError(f"{path}: 0 bytes; get the file again")
    if path.suffix.lower() == ".raw":
        raise SedError(f"{path}: raw samples do not say their rate; use {', '.join(SUFFIXES)}")
    try:
        with soundfile.SoundFile(path) as file:
            rate, channels, frames, subtype = file.samplerate, file.channels, file.frames, file.subtype
            if not _RATES[0] <= rate <= _RATES[1]:
                raise SedError(f"{path}: {rate} Hz is no rate of audio; get the file again")
            if frames == _UNKNOWN:
                raise SedError(f"{path}: its header does not say how long it is; write it to a file, not to a pipe")
            # A little more than asked for, so that the resampler's filter sees what follows the cut.
            wanted = frames if seconds is None else min(frames, int((seconds + 0.1) * rate))
            waveform, clipped = _mono(file, wanted)
    except soundfile.LibsndfileError as error:
        raise SedError(f"{path}: not a readable audio file ({error.error_string or 'damaged'}); "
                       f"use {', '.join(SUFFIXES)}, or get the file again") from None
    if len(waveform) < wanted or _cut_off(path):
        raise SedError(f"{path}: cut off: the file ends before its header says; get the file again")
    if frames == 0:
        raise SedError(f"{path}: 0 samples; get the file again")
    if rate != RATE:
        from librosa import resample  # imported here: slow to import, and most data sets never need it

        waveform = resample(waveform, orig_sr=rate, target_sr=RATE, res_type="soxr_hq")
    if seconds is not None:
        waveform = waveform[: round(seconds * RATE)]
    waveform = np.ascontiguousarray(waveform, dtype=np.float32)
    info = Info(frames / rate, rate, channels, subtype, clipped / (wanted * channels),
                peak=float(max(waveform.max(), -waveform.min())), dc=float(waveform.mean(dtype=np.float64)))
    return waveform, info


def _mono(file: soundfile.SoundFile, wanted: int) -> tuple[np.ndarray, int]:
    """Mean of the channels of ``wanted`` frames, or of as many as there are; how many samples reach full scale."""
    full = 1 - 2.0 ** (-7 if file.subtype in COARSE else -15)  # the largest value that 8 or 16 bits hold
    blocks, clipped = [np.empty(0, np.float32)], 0
    while wanted and len(samples := file.read(min(wanted, max(1, _BLOCK // file.channels)), "float32", always_2d=True)):
        magnitudes = np.abs(samples)
        if not (magnitudes < _ABSURD).all():  # NaN is not smaller either
            raise SedError(f"{file.name}: holds samples that are not numbers (NaN, infinite or beyond {_ABSURD:g}); "
                           "export the file again")
        clipped += np.count_nonzero(magnitudes >= full)
        blocks.append(samples[:, 0] if file.channels == 1 else samples.mean(axis=1))
        wanted -= len(samples)
    return np.concatenate(blocks), clipped


def to_int16(waveform: np.ndarray) -> np.ndarray:
    """Float waveform in [-1, 1] as 16-bit integers; what lies outside is clipped. Undone by ``/ 32768``."""
    return np.clip(np.rint(waveform * 32768.0), -32768, 32767).astype("<i2")


def write(path: str | Path, waveform: np.ndarray, sync: bool = False) -> None:
    """Write a (sample,) waveform in [-1, 1] as a 16-bit 16 kHz mono WAV file; with ``sync``, wait until it is on the disk."""
    # libsndfile says nothing of a full disk; what it writes to memory Python writes.
    content = io.BytesIO()
    soundfile.write(content, to_int16(waveform), RATE, format="WAV", subtype="PCM_16")
    with whole(Path(path), sync) as partial:
        partial.write_bytes(content.getbuffer())


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
