"""The explorer's presets: the paper's, the released code's, and what the last training learned."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import torch

from reproduction.listing import runs
from sedcourse.explorer.model import FEATURES, Layer, hop_s
from sedlib.config import Config, Features, Pcen
from sedlib.features import time_constant
from sedlib.features.pcen import at_hop
from sedlib.systems import configuration
from sedlib.training.runs import Run
from sedlib.workspace import workspace


class Preset(NamedTuple):
    """A button: its settings go into the state, its note is shown."""

    note: str
    changes: dict[str, Any]


def settings_of(pcen: Pcen, features: Features) -> dict[str, Any]:
    """Return a configuration's PCEN as it is before any training, its smoothers mixed evenly."""
    seconds = tuple(time_constant(at_hop(s, features.hop), hop_s(features)) for s in pcen.s)
    weights = ((1 / len(seconds),),) * len(seconds)
    numbers = zip(pcen.alpha, pcen.delta, pcen.r, strict=True)
    layers = tuple(Layer(alpha, delta, r, seconds, weights) for alpha, delta, r in numbers)
    energy = {"energy": pcen.energy, "eps": pcen.eps, "smoother": pcen.smoother}
    return {"layers": layers, "features": features, **energy}


# What the released code starts from: values that somebody learned before, on log-Mel. How the two smoothers were mixed
# is not among them.
_LEARNED = {"alpha": (0.8187, 0.3938), "delta": (10.689, 3.471), "r": (0.4495, 0.7534), "s": (0.015, 0.08)}
_RELEASED = replace(configuration("ppcen_zero_phase", "paper").pcen, **_LEARNED)
_FIXED = {n: settings_of(configuration(f"fixed_pcen_{n}", "paper").pcen, FEATURES["mel"]) for n in (1, 2, 3)}
PRESETS: dict[str, Preset] = {
    **{f"Fixed {n}": Preset(f"Fixed PCEN {n} of Table 1, on Mel", settings) for n, settings in _FIXED.items()},
    "Released": Preset(
        "What the released code starts from: two layers on log-Mel, smoothed forwards and backwards with s 0.015 and "
        "0.08. Its mixture of the two was not written down; here it is half and half.",
        settings_of(_RELEASED, FEATURES["logmel"]),
    ),
}
NO_RUN = "the workspace holds no training of a PCEN that learns; `sedlib train --system ppcen_logmel` makes one"


def last_run(folder: Path | None = None) -> Preset | None:
    """Return the newest finished training whose PCEN learned; by default of the workspace's ``runs/``."""
    folder = workspace() / "runs" if folder is None else folder
    found = runs(folder) if folder.is_dir() else pd.DataFrame()
    if found.empty:
        return None
    finished = [Run(folder / name) for name in found.loc[found["state"].isin(["finished", "scored"]), "run"]]
    learned = [run for run in finished if run.config.pcen.trainable and 1 <= run.config.pcen.layers <= 2]
    if not learned:
        return None
    newest = max(learned, key=lambda run: (run.folder / "weights.pt").stat().st_mtime)
    config, name = newest.config, newest.folder.relative_to(folder)
    note = (
        f"What {name} learned, its {config.training.tested}'s; the mixture of smoothers is its own, band by band. "
        f"Spectrogram as in that training: {config.features.n_mels} bands, hop {config.features.hop}."
    )
    return Preset(note, _learned(config, newest))


@torch.no_grad()
def _learned(config: Config, run: Run) -> dict[str, Any]:
    pcen = run.detector().pcen
    assert pcen is not None
    values = pcen.values()
    seconds = tuple(time_constant(float(s), hop_s(config.features)) for s in values["s"])
    layers = []
    for k in range(config.pcen.layers):
        alpha, delta, r = (float(values[name][k]) for name in ("alpha", "delta", "r"))
        layers.append(Layer(alpha, delta, r, seconds, tuple(map(tuple, values["weights"][k].tolist()))))
    return settings_of(config.pcen, config.features) | {"layers": tuple(layers)}
