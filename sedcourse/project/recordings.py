"""Recordings of a folder, of any format, and what is wrong with their levels."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import soundfile

from sedlib.config import RATE, SAMPLES
from sedlib.data import audio
from sedlib.data.audio import Info
from sedlib.errors import SedError
from sedlib.workspace import home_path

READABLE = (".wav", ".flac", ".ogg", ".opus", ".mp3", ".aif", ".aiff")  # by libsndfile
BY_FFMPEG = (".m4a", ".mp4", ".mov", ".aac", ".3gp", ".amr", ".webm", ".wma", ".caf")
BLOCK = RATE // 20  # 50 ms, of which a level is measured
SHORTEST_S = 1.0
_NONE = 1e-5  # amplitude that is written as -100 dB
Recordings = Mapping[str, tuple[np.ndarray, Info]]  # by file name


def read(path: str | Path) -> tuple[np.ndarray, Info]:
    """Read a recording as 16 kHz mono; what libsndfile cannot read, such as m4a, goes through ffmpeg.

    Parameters
    ----------
    path : path
        A file whose name ends in one of `READABLE` or `BY_FFMPEG`.

    Returns
    -------
    (sample,) float32 array
    Info
        Of m4a and the like what ffmpeg made of it: its sample format is not the phone's.

    Raises
    ------
    SedError
        As `sedlib.data.audio.read`; if ffmpeg is needed and missing, or cannot read the file either.
    """
    path = Path(path)
    if path.suffix.lower() not in BY_FFMPEG or not path.is_file():
        return audio.read(path)
    if shutil.which("ffmpeg") is None:
        raise SedError(
            f"{path}: {path.suffix} needs ffmpeg, which is not installed; install it, or record WAV, or convert the "
            f"file elsewhere: ffmpeg -i {path.name} {path.stem}.wav"
        )
    with tempfile.TemporaryDirectory() as folder:
        converted = Path(folder) / "converted.wav"
        command = ["ffmpeg", "-v", "error", "-nostdin", "-i", str(path), "-vn", "-c:a", "pcm_s16le", str(converted)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            said = done.stderr.strip().splitlines() or ["no reason given"]
            raise SedError(f"{path}: ffmpeg cannot read it ({said[-1]}); record it again, or export it as WAV")
        return audio.read(converted)


def open_folder(folder: str | Path) -> dict[str, tuple[np.ndarray, Info]]:
    """Read all recordings of a folder, by file name in alphabetical order.

    Raises
    ------
    SedError
        If the folder is missing or holds no recording, for one shorter than `SHORTEST_S`, for two with one stem (their
        label tracks would have one name), and as `read`.
    """
    folder = home_path(folder)
    if not folder.is_dir():
        raise SedError(f"own {str(folder)!r}: no such folder; give the folder of your recordings")
    paths = sorted(p for p in folder.iterdir() if p.suffix.lower() in (*READABLE, *BY_FFMPEG))
    if not paths:
        raise SedError(f"{folder}: holds no recording; put files there that end in {', '.join(READABLE)} or .m4a")
    found = {}
    for before, path in zip([None, *paths], paths, strict=False):
        if before is not None and before.stem == path.stem:
            raise SedError(f"{folder}: {before.name} and {path.name} differ only in their ending; rename one")
        waveform, info = read(path)
        if len(waveform) < SHORTEST_S * RATE:
            raise SedError(f"{path}: {len(waveform) / RATE:.2f} s; record {SHORTEST_S:g} s or more, better 10 s")
        found[path.name] = waveform, info
    return found


def levels(waveform: np.ndarray) -> np.ndarray:
    """Return the RMS level of each 50 ms of a waveform, (block,) dB of full scale, not below -100."""
    blocks = waveform[: len(waveform) // BLOCK * BLOCK].reshape(-1, BLOCK)
    return 20 * np.log10(np.sqrt((blocks.astype(np.float64) ** 2).mean(1)).clip(_NONE))


def level_row(name: str, waveform: np.ndarray, info: Info) -> dict[str, Any]:
    """Measure a recording, and say what to improve.

    Returns
    -------
    dict
        ``recording``; ``peak (dB)``; ``clipped (%)``, samples at full scale; ``noise floor (dB)``, the level that a
        tenth of its 50 ms stay below; ``range (dB)`` from there to what a twentieth exceed; ``advice``.
    """
    level = levels(waveform)
    floor, loud = np.quantile(level, [0.1, 0.95])
    peak = 20 * np.log10(max(info.peak, _NONE))
    return {
        "recording": name,
        "peak (dB)": f"{peak:.1f}",
        "clipped (%)": f"{100 * info.clipped:.2f}",
        "noise floor (dB)": f"{floor:.1f}",
        "range (dB)": f"{loud - floor:.1f}",
        "advice": _advice(info, peak, loud - floor),
    }


def _advice(info: Info, peak: float, span: float) -> str:
    found = []
    if info.peak < audio.SILENT:
        return "silent: is the microphone allowed, and not covered?"
    if info.clipped > 0.001:
        found.append("too loud: step back or lower the gain, and record again; clipping cannot be repaired")
    if peak < -25:
        found.append("too quiet: go nearer, or raise the gain")
    if span < 12:
        found.append("little stands out: go nearer or silence what hums, unless one sound lasts throughout")
    if abs(info.dc) > 0.01:
        found.append("an offset of the microphone: another app may filter it")
    if info.rate < RATE:
        found.append(f"{info.rate} Hz: nothing above {info.rate / 2000:g} kHz; choose 16 kHz or more")
    return "; ".join(found) or "fine"


def clips_of(recordings: Recordings) -> dict[str, np.ndarray]:
    """Cut recordings into clips of 10 s, what a detector takes; a rest under `SHORTEST_S` is left out.

    Returns
    -------
    dict of (sample,) arrays
        By clip: ``STEM-K.wav`` for the K-th 10 s of a recording, from 0.
    """
    found = {}
    for name, (waveform, _) in recordings.items():
        for k, start in enumerate(range(0, len(waveform), SAMPLES)):
            if len(piece := waveform[start : start + SAMPLES]) >= SHORTEST_S * RATE:
                found[f"{Path(name).stem}-{k}.wav"] = piece
    return found


def formats() -> pd.DataFrame:
    """Write a tone in each format that a recorder may have, read it back, and say what works on this machine."""
    tone = 0.1 * np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        wav = Path(folder) / "tone.wav"
        for suffix in (".wav", ".flac", ".ogg", ".mp3", ".m4a", ".3gp"):
            path = wav.with_suffix(suffix)
            try:
                if suffix in BY_FFMPEG and shutil.which("ffmpeg") is None:
                    raise SedError("ffmpeg is not installed")
                if suffix in BY_FFMPEG:
                    command = ["ffmpeg", "-v", "error", "-nostdin", "-i", str(wav), "-c:a", "aac", str(path)]
                    subprocess.run(command, check=True, capture_output=True)
                else:
                    soundfile.write(path, tone, RATE)
                heard = read(path)[0]
                works = "yes" if abs(np.std(heard) - np.std(tone)) < 0.01 else "reads something else"
            except (OSError, subprocess.CalledProcessError, soundfile.LibsndfileError, SedError) as error:
                works = f"no: {error}"
            rows.append((suffix, "ffmpeg" if suffix in BY_FFMPEG else "libsndfile", works))
    return pd.DataFrame(rows, columns=["file", "read by", "works here"])


def split(recordings: Recordings) -> tuple[dict, dict]:
    """Divide recordings by name: those to learn from, and the last two fifths, which nothing may learn from."""
    names = list(recordings)
    if len(names) < 2:
        raise SedError(f"{', '.join(names)}: only one recording; record another, to have an unseen one to test on")
    learn = names[: len(names) - max(1, round(0.4 * len(names)))]
    return {n: recordings[n] for n in learn}, {n: recordings[n] for n in names if n not in learn}
