"""Random and real event tables."""

from pathlib import Path

import numpy as np
import pytest
from sed_eval_oracle import CLASSES, table

REAL = Path(__file__).parents[3] / "shared" / "desed" / "baseline2021"


@pytest.fixture
def real():
    """Folder with a real system's outputs on the real development set, and its published scores."""
    if not REAL.is_dir():
        pytest.skip("needs ../shared/desed")
    return REAL


@pytest.fixture(params=["sparse", "crowded", "one class", "fine grid"])
def random_tables(request):
    """(reference, predictions) of 300 clips: on a grid, so that collars and segment borders are met exactly.

    Events overlap, touch, repeat, and have no length now and then; clips lack references, predictions, or both.
    Predictions are references moved about, left out, and events of their own.
    """
    most, span, classes, grid = {
        "sparse": (3, 30, CLASSES, 0.1),
        "crowded": (9, 12, CLASSES[:2], 0.1),
        "one class": (12, 9, CLASSES[:1], 0.1),
        "fine grid": (6, 300, CLASSES, 0.01),
    }[request.param]
    rng = np.random.default_rng(len(request.param))
    rows = [], []
    for clip in range(300):
        reference = _random_events(rng, most, span, classes)
        kept = reference[rng.random(len(reference)) < 0.7]
        moved = kept + np.pad(rng.integers(-span // 12 - 1, span // 12 + 2, (len(kept), 2)), ((0, 0), (0, 1)))
        moved[:, :2] = np.sort(np.maximum(moved[:, :2], 0))
        predictions = np.concatenate([moved, _random_events(rng, most // 3, span, classes)])
        for events, out in zip((reference, predictions), rows):
            out += [(f"{clip}.wav", onset * grid, offset * grid, classes[k]) for onset, offset, k in events]
            if not len(events):
                out.append((f"{clip}.wav", np.nan, np.nan, np.nan))
    return tuple(table(r) for r in rows)


def _random_events(rng, most, span, classes):
    """(event, 3) ints: onset, offset, class."""
    n = int(rng.integers(0, most + 1))
    onset = rng.integers(0, span, n)
    offset = onset + rng.integers(0, span, n) // rng.integers(1, 4, n)
    events = np.stack([onset, offset, rng.integers(len(classes), size=n)], axis=1)
    return np.concatenate([events, events[:1]]) if rng.random() < 0.2 else events
