"""MiniDESED mixed on one core and on all; a store built, opened, and read beside decoding the same clips."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile

from bench import seconds, take_turns
from minidesed import generate
from sedlib.data import audio, layout, store


def main(clips: int = 256, batch: int = 24) -> None:
    """Print the measurements."""
    sizes = {"synthetic": clips // 2, "validation": clips // 2}
    with tempfile.TemporaryDirectory() as folder:
        for jobs in sorted({1, os.cpu_count() or 1}):
            root = Path(folder) / str(jobs)
            spent = seconds(lambda: generate.mini(root, sizes, seed=0, jobs=jobs, progress=False))
            print(f"  mixing {clips} clips in {jobs} process(es), starting them included: {clips / spent:.1f} clips/s")
        spent = seconds(lambda: store.open_store(root, "synthetic", progress=False))
        opened = store.open_store(root, "synthetic", progress=False)
        print(f"  building a store: {len(opened) / spent:.0f} clips/s")

        rng, wav, flac = np.random.default_rng(0), layout.load(root, "synthetic").audio_dir, Path(folder) / "flac"
        flac.mkdir()
        for name in opened.filenames:
            soundfile.write(flac / f"{name}.flac", audio.read(wav / name)[0], audio.RATE, subtype="PCM_16")

        def decode(path: Callable[[str], Path]) -> np.ndarray:
            names = [opened.filenames[i] for i in rng.integers(0, len(opened), batch)]
            return np.stack([soundfile.read(path(name), dtype="float32")[0] for name in names])

        def read(from_: store.Store) -> np.ndarray:
            return from_.waveforms(rng.integers(0, len(from_), batch))

        ways = {
            f"decoding {batch} FLAC files": lambda: decode(lambda name: flac / f"{name}.flac"),
            f"decoding {batch} WAV files": lambda: decode(lambda name: wav / name),
            f"opening the store, {batch} clips with checksums": lambda: read(
                store.open_store(root, "synthetic", progress=False)
            ),
            f"reading {batch} clips from the store again": lambda: read(opened),
        }
        take_turns(ways, rounds=20)
