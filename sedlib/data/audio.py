"""Audio files in and out: any rate and number of channels in, 16 kHz mono out.

A file that is empty, cut off or no audio raises `SedError`; nothing is replaced by silence. Used by the waveform store,
the soundbank, ``sedlib data check`` and ``sedlib detect``. Taught in ``notebooks/01_data.py``.
"""

from __future__ import annotations

import io
import math
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Literal, NamedTuple

import numpy as np
import soundfile

from sedlib.config import CLIP_S, RATE
from sedlib.errors import SedError
from sedlib.files import whole

SUFFIXES = (".wav", ".flac", ".ogg")
SILENT = 10 ** (-90 / 20)  # peak; the smallest value of 16 bits is -90.3 dB
COARSE = ("PCM_U8", "PCM_S8")  # subtypes with 8 bits a sample
_RATES = (1000, 1_000_000)  # Hz; a header that says anything else is damaged
_ABSURD = 2.0**32  # beyond 32-bit integers that somebody forgot to scale
_BLOCK = 1 << 22  # samples decoded at once: a header that lies about the length cannot ask for more memory
_UNKNOWN = (1 << 63) - 1  # libsndfile's number of frames where a header does not tell
_CUT_OFF = "cut off: the file ends before its header says; get the file again"
# Files made of chunks: the order of their sizes' bytes, and the chunk that holds the sound.
_CHUNKED: dict[bytes, tuple[Literal["little", "big"], bytes]] = {
    b"RIFF": ("little", b"data"), b"RF64": ("little", b"data"), b"BW64": ("little", b"data"), b"RIFX": ("big", b"data"),
    b"FORM": ("big", b"SSND")}
_TAIL_S = 0.1  # less than this after the sound, such as an ID3v1 tag, is no sound that would be lost
# What often lies under the name of an audio file, by its first bytes.
_MEDIA = {b"\x1aE\xdf\xa3": "a Matroska or WebM video", b"ID3": "an MP3 file", b"\xff\xfb": "an MP3 file", b"\xff\xf3": "an MP3 file",
          b"OggS": "an OGG file that is damaged, or whose codec is not supported", b"fLaC": "a FLAC file that is damaged",
          b"0&\xb2u\x8ef\xcf\x11": "Windows Media (WMA or WMV)", b"#!AMR": "AMR audio", b"FLV\x01": "a Flash video", b"wvpk": "WavPack audio",
          b"MAC ": "Monkey's Audio", b"\x00\x00\x01\xba": "an MPEG video"}
_ARCHIVES = {b"PK\x03\x04": "a ZIP archive", b"\x1f\x8b": "a gzip archive", b"7z\xbc\xaf": "a 7z archive", b"Rar!": "a RAR archive",
             b"BZh": "a bzip2 archive", b"\xfd7zXZ": "an xz archive"}
_OTHERS = {b"\x89PNG": "a picture (PNG)", b"\xff\xd8\xff": "a picture (JPEG)", b"%PDF": "a PDF document"}


class Info(NamedTuple):
    """What a file holds before it is mixed to mono and resampled, and how the waveform made of it is driven."""

    duration: float  # seconds, of the whole file
    rate: int  # Hz
    channels: int
    subtype: str  # how the samples are stored, in libsndfile's words: PCM_16, PCM_U8, FLOAT, VORBIS, ...
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
        Samples given so far, at 16 kHz; samples of the file read so far that reach full scale.

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
            self.rate, self.channels, self.frames, self.subtype = file.samplerate, file.channels, file.frames, file.subtype
        if not _RATES[0] <= self.rate <= _RATES[1]:
            raise SedError(f"{path}: {self.rate} Hz is no rate of audio; get the file again")
        if self.frames == _UNKNOWN:
            raise SedError(f"{path}: its header does not say how long it is; write it to a file, not to a pipe")
        with _named_errors(self.path):
            if problem := _wrong_length(self.path, self.frames / self.rate):
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
        full = 1 - 2.0 ** (-7 if self.subtype in COARSE else -15)  # the largest value that 8 or 16 bits hold
        left = self.wanted
        with _named_errors(self.path), soundfile.SoundFile(self.path) as file:
            while left and len(samples := file.read(min(left, max(1, _BLOCK // self.channels)), "float32", always_2d=True)):
                if self.channel is not None:
                    samples = samples[:, self.channel, None]
                magnitudes = np.abs(samples)
                if not (magnitudes < _ABSURD).all():  # NaN is not smaller either
                    raise SedError(f"{self.path}: holds samples that are not numbers (NaN, infinite or beyond {_ABSURD:g}); "
                                   "export the file again")
                self.clipped += np.count_nonzero(magnitudes >= full)
                left -= len(samples)
                yield np.ascontiguousarray(samples[:, 0]) if samples.shape[1] == 1 else samples.mean(axis=1)
        if left:
            raise SedError(f"{self.path}: {_CUT_OFF}")


def read(path: str | Path, seconds: float | None = None, channel: int | None = None) -> tuple[np.ndarray, Info]:
    """Waveform of an audio file as 16 kHz mono.

    Parameters
    ----------
    path, seconds, channel
        As `Stream` takes them.

    Returns
    -------
    (sample,) float32 array
        Mean of the channels, or the one asked for; a file of 16 kHz mono is returned as it is, bit for bit.
    Info
        Of the file and of what was read of it.

    Raises
    ------
    SedError
        As `Stream`.
    """
    stream = Stream(path, seconds, channel)
    waveform = np.concatenate(list(stream) or [np.empty(0, np.float32)])
    used = stream.channels if channel is None else 1
    info = Info(stream.frames / stream.rate, stream.rate, stream.channels, stream.subtype, stream.clipped / (stream.wanted * used),
                peak=float(max(waveform.max(), -waveform.min())), dc=float(waveform.mean(dtype=np.float64)))
    return waveform, info


def _resampled(blocks: Iterable[np.ndarray], rate: int, frames: int) -> Iterator[np.ndarray]:
    """Blocks of ``frames`` samples in all at 16 kHz; what `librosa.resample` with ``soxr_hq`` makes of the whole, bit for bit."""
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
        what = _what_it_is(path)
        why = error.error_string or "damaged"
        why = "damaged, or no audio" if "does not exist" in why else why  # as of an MP3 in which nothing is found
        raise SedError(f"{path}: not a readable audio file" + (f": {what}" if what else
                       f" ({why.rstrip('.')}); get it again, or convert it to WAV, FLAC or OGG")) from None
    except OSError as error:  # such as a name that is too long
        raise SedError(f"{path}: cannot be read ({error.strerror})") from None


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


def _wrong_length(path: Path, duration: float) -> str:
    """What is wrong with the length of a file whose header promises ``duration`` seconds; empty if nothing.

    libsndfile reads WAV, AIFF and OGG files that end early, and the start of those that go on, without a word (of FLAC it
    tells).
    """
    with path.open("rb") as file:
        total = os.fstat(file.fileno()).st_size
        start = file.read(12)
        if start[:4] in _CHUNKED and start[8:] in (b"WAVE", b"AIFF", b"AIFC"):
            order, sound = _CHUNKED[start[:4]]
            long_size = 0  # of RF64, whose 32 bits do not hold it
            while len(header := file.read(8)) == 8:
                size, place = int.from_bytes(header[4:], order), file.tell()
                if header[:4] == b"ds64":
                    long_size = int.from_bytes(file.read(16)[8:], order)
                if header[:4] == sound:
                    # Programs that write into a pipe leave the size unknown: 0 or the largest number.
                    size = size if 0 < size < 0xFFFFFF00 else long_size
                    before = 8 * (sound == b"SSND")  # two numbers stand before AIFF's samples
                    if place + size > total:
                        return _CUT_OFF
                    if size <= before and duration > 0:  # libsndfile reads on to the end
                        return ""
                    rest = total - place - size
                    more = duration / (size - before) * rest if duration else rest  # without a duration, bytes
                    if more < _TAIL_S or _only_chunks(file, place + size, total, order):
                        return ""
                    return (f"the header says {duration:.6g} s, the file holds {f'{duration + more:.6g} s' if duration else f'{rest} bytes of sound'}: "
                            "written beyond 4 GiB or not closed; "
                            f"write it anew (`ffmpeg -ignore_length 1 -i {path.name} -rf64 auto new.wav`)")
                file.seek(place + size + size % 2)
        if start[:4] == b"OggS":
            file.seek(max(0, total - 0x11000))  # a page has at most 65307 bytes
            page = file.read().rpartition(b"OggS")[2]  # from byte 4 of the last page's header on
            lengths = page[23 : 23 + page[22]] if len(page) > 22 else b""
            is_last = len(page) > 1 and page[1] & 0x04
            return "" if is_last and len(page) >= 23 + len(lengths) + sum(lengths) else _CUT_OFF
    return ""


def _only_chunks(file: BinaryIO, place: int, total: int, order: Literal["little", "big"]) -> bool:
    """Whether a file consists of whole chunks from ``place`` on, such as LIST, bext, id3 or PAD; what has an odd size may be
    padded by a byte, as the format demands, or not, as some programs write it."""
    places = {place, place + 1}
    while places:
        place = min(places)
        places.remove(place)
        if 0 <= total - place < 8:
            return True
        file.seek(place)
        header = file.read(8)
        if len(header) == 8 and all(0x20 <= byte < 0x7F for byte in header[:4]):
            size = int.from_bytes(header[4:], order)
            places |= {place + 8 + size, place + 8 + size + size % 2}
    return False


def _what_it_is(path: Path) -> str:
    """What a file that is not readable as audio is by its first bytes, whatever its name, and what to do; empty if not known."""
    with path.open("rb") as file:
        start = file.read(512)
    convert = f"convert it (`ffmpeg -i {path.name} {path.stem}.flac`); another name does not make it audio that can be read"
    if start[4:8] == b"ftyp":
        brand = start[8:12]
        what = "MP4 audio (AAC)" if brand in (b"M4A ", b"M4B ") else "a QuickTime video" if brand == b"qt  " else "an MP4 file (AAC, or a video)"
        return f"it is {what}; {convert}"
    if start[:4] == b"RIFF":
        what = {b"WAVE": "a WAV file that is damaged, or whose codec is not supported", b"AVI ": "an AVI video"}.get(start[8:12], "a RIFF file without sound")
        return f"it is {what}; {convert}"
    if start[:2] in (b"\xff\xf1", b"\xff\xf9"):
        return f"it is AAC audio; {convert}"
    for bytes_, what in _MEDIA.items():
        if start.startswith(bytes_):
            return f"it is {what}; {convert}"
    for bytes_, what in _ARCHIVES.items():
        if start.startswith(bytes_):
            return f"it is {what}; unpack it"
    if start.startswith(b"version https://git-lfs"):
        return "it is a pointer of Git LFS in place of the file; get that by `git lfs pull`"
    if start.lstrip(b"\xef\xbb\xbf \r\n\t")[:9].lower().startswith((b"<!doctype", b"<html", b"<head", b"<?xml")):
        return "it is a web page (HTML or XML), perhaps an error of the download; get the file again"
    for bytes_, what in _OTHERS.items():
        if start.startswith(bytes_):
            return f"it is {what}; get the file again"
    return ""


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
    if info.peak > 1.01:  # less is what resampling adds to a clip that is driven fully
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
    if info.subtype in COARSE:
        found.append("8 bits a sample: noise about 50 dB below full scale")
    return "; ".join(found)
