"""Audio files in and out: any rate and number of channels in, 16 kHz mono out.

A file that is empty, cut off or no audio raises `SedError`; nothing is replaced by silence. Taught in
``notebooks/01_data.py``.
"""

from __future__ import annotations

import io
import math
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile

from sedlib.config import CLIP_S, RATE
from sedlib.data.containers import CUT_OFF, kind_of, wrong_length
from sedlib.errors import SedError
from sedlib.files import whole

SUFFIXES = (".wav", ".flac", ".ogg")
SILENT = 10 ** (-90 / 20)  # peak; the smallest value of 16 bits is -90.3 dB
_COARSE = ("PCM_U8", "PCM_S8")  # subtypes with 8 bits a sample
_RATES = (1000, 1_000_000)  # Hz; a header that says anything else is damaged
_ABSURD = 2.0**32  # beyond 32-bit integers that somebody forgot to scale
_BLOCK = 1 << 22  # samples decoded at once: a header that lies about the length cannot ask for more memory
_UNKNOWN = (1 << 63) - 1  # libsndfile's number of frames where a header does not tell


class Info(NamedTuple):
    """What a file holds before it is mixed to mono and resampled, and the levels of the resulting waveform."""

    duration: float  # seconds, of the whole file
    rate: int  # Hz
    channels: int
    subtype: str  # libsndfile's name of the sample format: PCM_16, PCM_U8, FLOAT, VORBIS, ...
    clipped: float  # share of the samples that lie at full scale or beyond
    peak: float  # largest magnitude in the waveform; what is above 1 is clipped when it is stored as 16 bits
    dc: float  # mean of the waveform


class Stream:
    """An audio file as 16 kHz mono, block by block: a long recording takes no more memory than a short one.

    Iterate over it once to get ``(sample,)`` float32 arrays; joined they are what `read` returns, bit for bit.

    Parameters
    ----------
    path : path
        WAV, FLAC, OGG or anything else libsndfile reads.
    seconds : float, optional
        Read only this much from the start.
    channel : int, optional
        Take this channel; default: the mean of all.

    Attributes
    ----------
    rate, channels, frames, subtype
        Of the file, as its header says.
    samples, clipped : int
        Samples returned so far, at 16 kHz; samples of the file read so far that reach full scale.

    Raises
    ------
    SedError
        At once if the file is missing, empty, not audio, or shorter or longer than its header says; while it is read if
        it is damaged, or holds samples that are not numbers.
    """

    def __init__(self, path: str | Path, seconds: float | None = None, channel: int | None = None):
        self.path, self.channel = Path(path), channel
        self.samples = self.clipped = 0
        _check_size(self.path)
        with _named_errors(self.path), soundfile.SoundFile(self.path) as file:
            self.rate, self.channels, self.frames = file.samplerate, file.channels, file.frames
            self.subtype = file.subtype
        if not _RATES[0] <= self.rate <= _RATES[1]:
            raise SedError(f"{path}: {self.rate} Hz is no rate of audio; get the file again")
        if self.frames == _UNKNOWN:
            raise SedError(f"{path}: its header does not say how long it is; write it to a file, not to a pipe")
        with _named_errors(self.path):
            if problem := wrong_length(self.path, self.frames / self.rate):
                raise SedError(f"{path}: {problem}")
        if self.frames == 0:
            raise SedError(f"{path}: 0 samples; get the file again")
        # A little more than asked for, so that the resampler's filter sees what follows the cut.
        self.wanted = self.frames if seconds is None else min(self.frames, int((seconds + 0.1) * self.rate))
        self._end = None if seconds is None else round(seconds * RATE)

    def __iter__(self) -> Iterator[np.ndarray]:
        for block in _resampled(self._mono(), self.rate, self.wanted):
            block = block if self._end is None else block[: self._end - self.samples]
            self.samples += len(block)
            yield block

    def _mono(self) -> Iterator[np.ndarray]:
        """One channel, or the mean of all, of the frames wanted, at the file's own rate."""
        full = 1 - 2.0 ** (-7 if self.subtype in _COARSE else -15)  # the largest value that 8 or 16 bits hold
        left, most = self.wanted, max(1, _BLOCK // self.channels)
        with _named_errors(self.path), soundfile.SoundFile(self.path) as file:
            while left and len(samples := file.read(min(left, most), "float32", always_2d=True)):
                if self.channel is not None:
                    samples = samples[:, self.channel, None]
                magnitudes = np.abs(samples)
                if not (magnitudes < _ABSURD).all():  # NaN is not smaller either
                    raise SedError(
                        f"{self.path}: holds samples that are not numbers (NaN, infinite or beyond {_ABSURD:g}); "
                        "export the file again"
                    )
                self.clipped += np.count_nonzero(magnitudes >= full)
                left -= len(samples)
                yield np.ascontiguousarray(samples[:, 0]) if samples.shape[1] == 1 else samples.mean(axis=1)
        if left:
            raise SedError(f"{self.path}: {CUT_OFF}")


def read(path: str | Path, seconds: float | None = None, channel: int | None = None) -> tuple[np.ndarray, Info]:
    """Read an audio file as 16 kHz mono; parameters and errors as of `Stream`.

    Returns
    -------
    (sample,) float32 array
        Mean of the channels, or the one asked for; a file of 16 kHz mono is returned as it is, bit for bit.
    Info
        Of the file and of what was read of it.
    """
    stream = Stream(path, seconds, channel)
    waveform = np.concatenate(list(stream) or [np.empty(0, np.float32)])
    used = stream.channels if channel is None else 1
    info = Info(
        duration=stream.frames / stream.rate,
        rate=stream.rate,
        channels=stream.channels,
        subtype=stream.subtype,
        clipped=stream.clipped / (stream.wanted * used),
        peak=float(max(waveform.max(), -waveform.min())),
        dc=float(waveform.mean(dtype=np.float64)),
    )
    return waveform, info


def _resampled(blocks: Iterable[np.ndarray], rate: int, frames: int) -> Iterator[np.ndarray]:
    """Blocks of ``frames`` samples in all at 16 kHz, bit for bit as `librosa.resample` with ``soxr_hq``."""
    if rate == RATE:
        yield from blocks
        return
    import soxr  # most data sets never need it

    stream, left = soxr.ResampleStream(rate, RATE, 1, "float32", "HQ"), math.ceil(frames * (RATE / rate))
    for block in blocks:
        resampled = stream.resample_chunk(block)
        left -= len(resampled)
        yield resampled
    rest = stream.resample_chunk(np.empty(0, np.float32), last=True)[:left]
    yield np.pad(rest, (0, left - len(rest)))  # soxr rounds the number of samples, librosa rounds up


def _check_size(path: Path) -> None:
    """`SedError` for what is no file, or an empty one."""
    with _named_errors(path):
        if path.is_dir():
            raise SedError(f"{path}: is a folder; give the files in it ({path}/*.wav)")
        size = path.stat().st_size if path.is_file() else None
    if size is None:
        raise SedError(f"{path}: no such audio file")
    if size == 0:
        raise SedError(f"{path}: 0 bytes; get the file again")
    if path.suffix.lower() == ".raw":
        raise SedError(f"{path}: raw samples do not say their rate; use {', '.join(SUFFIXES)}")


@contextmanager
def _named_errors(path: Path) -> Iterator[None]:
    """Errors of libsndfile and of the disk as `SedError` that names the file, what it is, and what to do."""
    try:
        yield
    except soundfile.LibsndfileError as error:
        if not os.access(path, os.R_OK):
            raise SedError(f"{path}: cannot be read (Permission denied); make it readable") from None
        why = error.error_string or "damaged"
        why = "damaged, or no audio" if "does not exist" in why else why.rstrip(".")  # an MP3 without any sound
        what = kind_of(path)
        what = f": {what}" if what else f" ({why}); get it again, or convert it to WAV, FLAC or OGG"
        raise SedError(f"{path}: not a readable audio file{what}") from None
    except OSError as error:  # such as a name that is too long
        raise SedError(f"{path}: cannot be read ({error.strerror})") from None


def to_int16(waveform: np.ndarray) -> np.ndarray:
    """Float waveform in [-1, 1] as 16-bit integers; what lies outside is clipped. The inverse is ``/ 32768``."""
    return np.clip(np.rint(waveform * 32768.0), -32768, 32767).astype("<i2")


def write(path: str | Path, waveform: np.ndarray, sync: bool = False) -> None:
    """Write a (sample,) waveform in [-1, 1] as 16-bit 16 kHz mono WAV; with ``sync``, wait until it is on the disk."""
    # libsndfile reports no full disk; what it writes to memory Python writes.
    content = io.BytesIO()
    soundfile.write(content, to_int16(waveform), RATE, format="WAV", subtype="PCM_16")
    with whole(Path(path), sync) as partial:
        partial.write_bytes(content.getbuffer())


def loud_blocks(waveform: np.ndarray, block: int, below_db: float) -> np.ndarray:
    """Numbers of the blocks of ``block`` samples whose energy is within ``below_db`` of the largest one's."""
    energy = np.add.reduceat(waveform.astype(np.float64) ** 2, np.arange(0, len(waveform), block))
    return np.flatnonzero(energy >= energy.max() * 10 ** (-below_db / 10))


def trim(waveform: np.ndarray, block: int, below_db: float) -> np.ndarray:
    """A waveform from its first to its last loud block (`loud_blocks`)."""
    loud = loud_blocks(waveform, block, below_db)
    return waveform[loud[0] * block : (loud[-1] + 1) * block]


def changes(info: Info) -> str:
    """What is done to a file on its way to 10 s of 16 bits at 16 kHz mono, as words; empty if nothing."""
    done = []
    if round(info.duration * RATE) < CLIP_S * RATE:
        done.append(f"{info.duration:.2f} s: padded with silence to {CLIP_S:g} s")
    if round(info.duration * RATE) > CLIP_S * RATE:
        done.append(f"{info.duration:.2f} s: cut to its first {CLIP_S:g} s")
    if info.channels > 1:
        done.append(f"{info.channels} channels: mixed to one")
    if info.rate != RATE:
        done.append(f"{info.rate} Hz: resampled to {RATE} Hz")
    if info.peak > 1.01:  # resampling alone adds less
        done.append(f"peak {20 * np.log10(info.peak):.1f} dB above full scale: clipped there")
    return "; ".join(done)


def flaws(info: Info) -> str:
    """What is wrong with the sound of a file that is used all the same, as words; empty if nothing."""
    if info.peak < SILENT:
        return "silent; take it out if that is not meant"
    found = []
    if abs(info.dc) > 0.01:
        found.append(f"DC offset of {100 * info.dc:.1f} % of full scale")
    if info.clipped > 0.001:
        found.append(f"{100 * info.clipped:.1f} % of its samples are at full scale or beyond: recorded too loud")
    if info.subtype in _COARSE:
        found.append("8 bits a sample: noise about 50 dB below full scale")
    return "; ".join(found)
