"""What is wrong with an audio file: files whose length is not what their header says, and files that are no audio.

libsndfile reads WAV, AIFF and OGG files that end early, and the start of those that go on, without an error.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Literal

Order = Literal["little", "big"]

CUT_OFF = "cut off: the file ends before its header says; get the file again"
# Files made of chunks: the byte order of their sizes, and the chunk that holds the sound.
_CHUNKED: dict[bytes, tuple[Order, bytes]] = {
    b"RIFF": ("little", b"data"),
    b"RF64": ("little", b"data"),
    b"BW64": ("little", b"data"),
    b"RIFX": ("big", b"data"),
    b"FORM": ("big", b"SSND"),
}
_TAIL_S = 0.1  # less than this after the sound, such as an ID3v1 tag, is no sound that would be lost
# What often lies under the name of an audio file, by its first bytes; and what to do about it.
_CONVERT = "convert it (`ffmpeg -i {name} {stem}.flac`); another name does not make it audio that can be read"
_KINDS: dict[str, dict[bytes, str]] = {
    _CONVERT: {
        rb"....ftypM4[AB] ": "MP4 audio (AAC)",
        rb"....ftypqt  ": "a QuickTime video",
        rb"....ftyp": "an MP4 file (AAC, or a video)",
        rb"RIFF....WAVE": "a WAV file that is damaged, or whose codec is not supported",
        rb"RIFF....AVI ": "an AVI video",
        rb"RIFF": "a RIFF file without sound",
        rb"\xff[\xf1\xf9]": "AAC audio",
        rb"\x1aE\xdf\xa3": "a Matroska or WebM video",
        rb"ID3|\xff[\xfb\xf3]": "an MP3 file",
        rb"OggS": "an OGG file that is damaged, or whose codec is not supported",
        rb"fLaC": "a FLAC file that is damaged",
        rb"0&\xb2u\x8ef\xcf\x11": "Windows Media (WMA or WMV)",
        rb"#!AMR": "AMR audio",
        rb"FLV\x01": "a Flash video",
        rb"wvpk": "WavPack audio",
        rb"MAC ": "Monkey's Audio",
        rb"\x00\x00\x01\xba": "an MPEG video",
    },
    "unpack it": {
        rb"PK\x03\x04": "a ZIP archive",
        rb"\x1f\x8b": "a gzip archive",
        rb"7z\xbc\xaf": "a 7z archive",
        rb"Rar!": "a RAR archive",
        rb"BZh": "a bzip2 archive",
        rb"\xfd7zXZ": "an xz archive",
    },
    "get that by `git lfs pull`": {rb"version https://git-lfs": "a pointer of Git LFS in place of the file"},
    "get the file again": {
        rb"(?i)[\xef\xbb\xbf \r\n\t]*<(!doctype|html|head|\?xml)": "a web page (HTML or XML), perhaps an error "
        "of the download",
        rb"\x89PNG": "a picture (PNG)",
        rb"\xff\xd8\xff": "a picture (JPEG)",
        rb"%PDF": "a PDF document",
    },
}


def kind_of(path: Path) -> str:
    """What a file is by its first bytes, whatever its name, and what to do about it; empty if not known."""
    with path.open("rb") as file:
        start = file.read(512)
    for fix, kinds in _KINDS.items():
        for pattern, what in kinds.items():
            if re.match(pattern, start, re.DOTALL):
                return f"it is {what}; {fix.format(name=path.name, stem=path.stem)}"
    return ""


def wrong_length(path: Path, duration: float) -> str:
    """What is wrong with the length of a file whose header promises ``duration`` seconds; empty if nothing."""
    with path.open("rb") as file:
        total = os.fstat(file.fileno()).st_size
        start = file.read(12)
        if start[:4] in _CHUNKED and start[8:] in (b"WAVE", b"AIFF", b"AIFC"):
            return _wrong_chunk(file, total, duration, *_CHUNKED[start[:4]])
        if start[:4] == b"OggS":
            file.seek(max(0, total - 0x11000))  # a page has at most 65307 bytes
            page = file.read().rpartition(b"OggS")[2]  # from byte 4 of the last page's header on
            lengths = page[23 : 23 + page[22]] if len(page) > 22 else b""
            is_last = len(page) > 1 and page[1] & 0x04
            return "" if is_last and len(page) >= 23 + len(lengths) + sum(lengths) else CUT_OFF
    return ""


def _wrong_chunk(file: BinaryIO, total: int, duration: float, order: Order, sound: bytes) -> str:
    """As `wrong_length`, for a file of ``total`` bytes that consists of chunks."""
    long_size = 0  # of RF64, whose 32 bits do not hold it
    for name, place, size in _chunks(file, order):
        if name == b"ds64":
            long_size = int.from_bytes(file.read(16)[8:], order)
        if name != sound:
            continue
        # Programs that write into a pipe leave the size unknown: 0 or the largest number.
        size = size if 0 < size < 0xFFFFFF00 else long_size
        before = 8 * (sound == b"SSND")  # two numbers stand before AIFF's samples
        if place + size > total:
            return CUT_OFF
        if size <= before and duration > 0:  # libsndfile reads on to the end
            return ""
        rest = total - place - size
        more = duration / (size - before) * rest if duration else rest  # without a duration, bytes
        if more < _TAIL_S or _only_chunks(file, place + size, total, order):
            return ""
        holds = f"{duration + more:.6g} s" if duration else f"{rest} bytes of sound"
        return (
            f"the header says {duration:.6g} s, the file holds {holds}: written beyond 4 GiB or not closed; "
            f"write it anew (`ffmpeg -ignore_length 1 -i {Path(file.name).name} -rf64 auto new.wav`)"
        )
    return ""


def _chunks(file: BinaryIO, order: Order) -> Iterator[tuple[bytes, int, int]]:
    """Name, place and size of each chunk from where the file stands; the caller may read in it."""
    while len(header := file.read(8)) == 8:
        place, size = file.tell(), int.from_bytes(header[4:], order)
        yield header[:4], place, size
        file.seek(place + size + size % 2)


def _only_chunks(file: BinaryIO, place: int, total: int, order: Order) -> bool:
    """Whether only whole chunks follow from ``place`` on, such as LIST, bext, id3 or PAD.

    The format demands a byte of padding after an odd size; some programs leave it out.
    """
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
