"""Clips a second: mixing MiniDESED on one core and on all, and reading a batch from the store beside decoding it."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile

from bench import take_turns
from sedlib.data import generate, layout
from sedlib.data.store import open_store


def main(clips: int = 256, batch: int = 24) -> None:
    """Print the measurements."""
    sizes = {"synthetic": clips // 2, "validation": clips // 2}
    with tempfile.TemporaryDirectory() as folder:
        for jobs in sorted({1, os.cpu_count() or 1}):
            root = Path(folder) / str(jobs)
            start = time.perf_counter()
            generate.mini(root, sizes, seed=0, jobs=jobs, progress=False)
            print(f"  mixing {clips} clips in {jobs} process(es), starting them included: {clips / (time.perf_counter() - start):.1f} clips/s")
        store = open_store(root, "synthetic", progress=False)
        rng, folder_of = np.random.default_rng(0), layout.load(root, "synthetic").audio_dir
        take_turns({
            f"decoding {batch} WAV files": lambda: [
                soundfile.read(folder_of / store.filenames[i], dtype="float32") for i in rng.integers(0, len(store), batch)
            ],
            f"reading {batch} clips from the store": lambda: store.waveforms(rng.integers(0, len(store), batch)),
        }, rounds=20)
