"""MiniDESED mixed on one core and on all; a store built, opened, and read beside decoding the same clips."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile

from bench import take_turns
from minidesed import generate
from sedlib.config import CLIP_S
from sedlib.data import audio, layout, store


def main(clips: int = 256, batch: int = 24, many: int = 16000) -> None:
    """Print the measurements."""
    sizes = {"synthetic": clips // 2, "validation": clips // 2}
    with tempfile.TemporaryDirectory() as folder:
        for jobs in sorted({1, os.cpu_count() or 1}):
            root = Path(folder) / str(jobs)
            start = time.perf_counter()
            generate.mini(root, sizes, seed=0, jobs=jobs, progress=False)
            rate = clips / (time.perf_counter() - start)
            print(f"  mixing {clips} clips in {jobs} process(es), starting them included: {rate:.1f} clips/s")
        start = time.perf_counter()
        opened = store.open_store(root, "synthetic", progress=False)
        print(f"  building a store: {len(opened) / (time.perf_counter() - start):.0f} clips/s")

        rng, wav, flac = np.random.default_rng(0), layout.load(root, "synthetic").audio_dir, Path(folder) / "flac"
        flac.mkdir()
        for name in opened.filenames:
            waveform, _ = audio.read(wav / name)
            soundfile.write(flac / f"{name}.flac", waveform, audio.RATE, subtype="PCM_16")

        def decode(path: Callable[[str], Path]) -> np.ndarray:
            names = [opened.filenames[i] for i in rng.integers(0, len(opened), batch)]
            return np.stack([soundfile.read(path(name), dtype="float32")[0] for name in names])

        def read(from_: store.Store) -> np.ndarray:
            return from_.waveforms(rng.integers(0, len(from_), batch))

        take_turns(
            {
                f"decoding {batch} FLAC files": lambda: decode(lambda name: flac / f"{name}.flac"),
                f"decoding {batch} WAV files": lambda: decode(lambda name: wav / name),
                f"opening the store, {batch} clips with checksums": lambda: read(
                    store.open_store(root, "synthetic", progress=False)
                ),
                f"reading {batch} clips from the store again": lambda: read(opened),
            },
            rounds=20,
        )

        pretend_store(root, "unlabel_in_domain", many)
        start = time.perf_counter()
        store.open_store(root, "unlabel_in_domain", progress=False)
        print(f"  opening a store of {many} clips: {1000 * (time.perf_counter() - start):.0f} ms")


def pretend_store(root: Path, subset: str, clips: int) -> None:
    """A store as long as so many clips make it, of nothing but zeros that take no room, and files of a byte."""
    place = layout.SUBSETS[subset]
    (root / place.audio).mkdir(parents=True)
    names = [f"Y{i:011d}_30.000_40.000.wav" for i in range(clips)]
    for name in names:
        (root / place.audio / name).write_bytes(b"-")
    (root / place.metadata).write_text("\n".join(["filename", *names, ""]))
    with (root / "store" / f"{subset}.int16").open("wb") as file:
        file.seek(clips * 2 * store.SAMPLES)
        store._write_index(
            file,
            {
                "filenames": names,
                "durations": [CLIP_S] * clips,
                "checksums": [2**32 - 1] * clips,
                "skipped": {},
                "sources": store._sources(layout.load(root, subset)),
            },
        )
