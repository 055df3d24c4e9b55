"""A tiny data set in DESED's layout, written by hand, that the tests of this folder then break."""

import numpy as np
import pandas as pd
import pytest

from sedlib.data import audio, layout, tables


def noise(seconds, seed=0):
    return (0.1 * np.random.default_rng(seed).standard_normal(round(seconds * 16000))).astype(np.float32)


@pytest.fixture
def desed(tmp_path):
    """Three clips of 10 s per subset; a Dog from 1 to 2 s in each strong one but the last, which is empty."""
    root = tmp_path / "desed"
    for number, (name, place) in enumerate(layout.SUBSETS.items()):
        folder = root / place.audio
        folder.mkdir(parents=True)
        clips = [f"{name}_{i}.wav" for i in range(3)]
        for i, clip in enumerate(clips):
            audio.write(folder / clip, noise(10, 10 * number + i))
        if place.kind == layout.STRONG:
            table = pd.DataFrame(
                [(clips[0], 1, 2, "Dog"), (clips[1], 1, 2, "Dog"), (clips[2], np.nan, np.nan, np.nan)],
                columns=tables.EVENT_COLUMNS,
            )
        elif place.kind == layout.WEAK:
            table = pd.DataFrame([(clip, "Cat,Dog") for clip in clips], columns=tables.WEAK_COLUMNS)
        else:
            table = pd.DataFrame({"filename": clips})
        tables.write(table, root / place.metadata)
    return root
