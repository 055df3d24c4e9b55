"""Audio files: read any sample rate and number of channels as 16 kHz mono, write 16-bit WAV.

A file that is empty, cut off or no audio raises `SedError`; nothing is replaced by silence. Taught in
``notebooks/01_data.py``.
"""

from __future__ import annotations

import io
import math
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
import soundfile

from sedlib.config import RATE
from sedlib.errors import SedError
from sedlib.files import whole

SUFFIXES = (".wav", ".flac", ".ogg")
SILENT = 10 ** (-90 / 20)  # peak; the smallest value of 16 bits is -90.3 dB
_COARSE = ("PCM_U8", "PCM_S8")  # subtypes with 8 bits a sample
_RATES = (1000, 1_000_000)  # Hz; a header with any other rate is damaged
_ABSURD = 2.0**32  # beyond 32-bit integers that somebody forgot to scale
_BLOCK = 1 << 22  # samples decoded at once: a header with a wrong length cannot ask for more memory
_UNKNOWN = (1 << 63) - 1  # libsndfile's number of frames where the header has none
_CHUNKED = ("WAV", "WAVEX", "RF64", "AIFF")  # formats in which other chunks may follow the sound
_CHUNK = re.compile(rb".?[\w ]{4}", re.DOTALL)  # such as LIST, bext or id3; the sound may lack its byte of padding
_CUT_OFF = "cut off: the file is shorter than its header says; get the file again"
# What libsndfile logs of a chunk with sound that is longer than the file (RF64: of the file), and of an OGG file whose
# last page is missing.
_SHORT = re.compile(r"(?:data|SSND|Riff size) *: (\d+) \(should be (\d+)\)|(?i:end.of.stream)")
_CONVERT = "convert it to WAV, FLAC or OGG: another name does not make it audio"
_NOT_AUDIO = {  # by its first bytes, what often has the name of an audio file
    rb"\Z": "empty (0 bytes); get the file again",
    rb"....ftyp|\xff[\xf1\xf9]": f"an AAC, MP4 or QuickTime file; {_CONVERT}",
    rb"\x1aE\xdf\xa3|RIFF....AVI |FLV|\x00\x00\x01\xba": f"a video; {_CONVERT}",
    rb"0&\xb2u": f"Windows Media; {_CONVERT}",
    rb"PK\x03\x04|\x1f\x8b|7z\xbc\xaf|Rar!|BZh|\xfd7zXZ": "an archive; unpack it",
    rb"version https://git-lfs": "a pointer of Git LFS; get the file by `git lfs pull`",
    rb"[\xef\xbb\xbf\s]*<": "a web page, perhaps an error of the download; get the file again",
    rb"\x89PNG|\xff\xd8\xff|%PDF": "a picture or a document; get the file again",
    rb"": f"damaged, or of an unknown format; get it again, or {_CONVERT}",
}


class Info(NamedTuple):
    """Properties of a file before it is mixed to mono and resampled, and levels of the resulting waveform."""

    duration: float  # seconds, of the whole file
    rate: int  # Hz
    channels: int
    subtype: str  # libsndfile's name of the sample format: PCM_16, PCM_U8, FLOAT, VORBIS, ...
    clipped: float  # share of the samples at full scale or beyond
    peak: float  # largest magnitude in the waveform; above 1 it is clipped when it is stored as 16 bits
    dc: float  # mean of the waveform


class Stream:
    """An audio file as 16 kHz mono, block by block: a long recording takes no more memory than a short one.

    Iterate over it once for ``(sample,)`` float32 arrays; parameters and errors as for `read`.
    """

    def __init__(self, path: str | Path, seconds: float | None = None, channel: int | None = None):
        self.path, self.channel = Path(path), channel
        self.samples = self.clipped = 0  # so far: returned at 16 kHz; of the file, at full scale
        if self.path.suffix.lower() == ".raw":
            raise SedError(f"{path}: raw samples do not say their rate; use {', '.join(SUFFIXES)}")
        with _named_errors(self.path), self.path.open("rb") as raw, soundfile.SoundFile(raw) as file:
            self.rate, self.channels, self.frames = file.samplerate, file.channels, file.frames
            self.subtype = file.subtype
            if problem := _header_problem(file, raw):
                raise SedError(f"{path}: {problem}")
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
            raise SedError(f"{self.path}: {_CUT_OFF}")


def read(path: str | Path, seconds: float | None = None, channel: int | None = None) -> tuple[np.ndarray, Info]:
    """Read an audio file as 16 kHz mono; a file of 16 kHz mono is returned bit for bit.

    Parameters
    ----------
    path : path
        WAV, FLAC, OGG or any other format of libsndfile.
    seconds : float, optional
        Read only this much from the start.
    channel : int, optional
        Take this channel; default: the mean of all.

    Raises
    ------
    SedError
        If the file is missing, empty, not audio, damaged, shorter or longer than its header says, or has samples that
        are not numbers.
    """
    stream = Stream(path, seconds, channel)
    waveform = np.concatenate(list(stream))
    clipped = stream.clipped / (stream.wanted * (stream.channels if channel is None else 1))
    peak, dc = float(max(waveform.max(), -waveform.min())), float(waveform.mean(dtype=np.float64))
    duration = stream.frames / stream.rate
    return waveform, Info(duration, stream.rate, stream.channels, stream.subtype, clipped, peak, dc)


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


def _header_problem(file: soundfile.SoundFile, raw: BinaryIO) -> str:
    """Describe what is wrong with the header of a file, which is also open as ``raw``; empty if nothing.

    libsndfile reads files that end early, and the start of those that go on, without an error.
    """
    if not _RATES[0] <= file.samplerate <= _RATES[1]:
        return f"{file.samplerate} Hz is not an audio sample rate; get the file again"
    if file.frames == _UNKNOWN:
        return "its header does not say how long it is; write it to a file, not to a pipe"
    for sizes in _SHORT.finditer(file.extra_info):
        # Programs that write into a pipe leave the largest number; an odd size may lack its byte of padding.
        if sizes[1] is None or int(sizes[2]) + 1 < int(sizes[1]) < 0xFFFFFF00:
            return _CUT_OFF
    if file.format in _CHUNKED:
        file.seek(file.frames)
        end, size = raw.tell(), raw.seek(0, os.SEEK_END)
        raw.seek(end)
        if size - end > file.samplerate // 10 and not _CHUNK.match(raw.read(5)):  # less may be a tag
            return (
                f"the header says {file.frames / file.samplerate:.6g} s, but {size - end} more bytes of sound follow: "
                "written beyond 4 GiB or not closed; rewrite it (`ffmpeg -ignore_length 1`)"
            )
    return "" if file.frames else "0 samples; get the file again"


@contextmanager
def _named_errors(path: Path) -> Iterator[None]:
    """Turn errors of libsndfile and of the disk into a `SedError` that names the file, what it is, and the fix."""
    try:
        try:
            yield
        except soundfile.LibsndfileError:
            with path.open("rb") as file:
                start = file.read(512)
            what = next(what for pattern, what in _NOT_AUDIO.items() if re.match(pattern, start, re.DOTALL))
            raise SedError(f"{path}: not a readable audio file: it is {what}") from None
    except OSError as error:  # missing, no permission, a name that is too long, a failing disk
        fix = f"; give the files in it, {path}/*.wav" if isinstance(error, IsADirectoryError) else ""
        raise SedError(f"{path}: cannot be read ({error.strerror}){fix}") from None


def to_int16(waveform: np.ndarray) -> np.ndarray:
    """Convert a float waveform in [-1, 1] to 16-bit integers, clipped; the inverse is ``/ 32768``."""
    return np.clip(np.rint(waveform * 32768.0), -32768, 32767).astype("<i2")


def write(path: str | Path, waveform: np.ndarray, sync: bool = False) -> None:
    """Write a (sample,) waveform in [-1, 1] as 16-bit 16 kHz mono WAV; with ``sync``, wait until it is on the disk."""
    # libsndfile reports no full disk; what it writes to memory Python writes.
    content = io.BytesIO()
    soundfile.write(content, to_int16(waveform), RATE, format="WAV", subtype="PCM_16")
    with whole(Path(path), sync) as partial:
        partial.write_bytes(content.getbuffer())


def loud_blocks(waveform: np.ndarray, block: int, below_db: float) -> np.ndarray:
    """Return the indices of the blocks of ``block`` samples with an energy within ``below_db`` of the largest."""
    energy = np.add.reduceat(waveform.astype(np.float64) ** 2, np.arange(0, len(waveform), block))
    return np.flatnonzero(energy >= energy.max() * 10 ** (-below_db / 10))


def trim(waveform: np.ndarray, block: int, below_db: float) -> np.ndarray:
    """Cut a waveform before its first and after its last loud block (`loud_blocks`)."""
    loud = loud_blocks(waveform, block, below_db)
    return waveform[loud[0] * block : (loud[-1] + 1) * block]


def flaws(info: Info) -> str:
    """Describe what is wrong with the sound of a file that is used all the same; empty if nothing."""
    if info.peak < SILENT:
        return "silent; remove it if that is not intended"
    found = []
    if abs(info.dc) > 0.01:
        found.append(f"DC offset of {100 * info.dc:.1f} % of full scale")
    if info.clipped > 0.001:
        found.append(f"{100 * info.clipped:.1f} % of its samples are at full scale or beyond: recorded too loud")
    if info.subtype in _COARSE:
        found.append("8 bits per sample: noise about 50 dB below full scale")
    return "; ".join(found)
