"""The explorer's presets: the paper's, the released code's, Figure 2 by hand, and what the last training learned."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import torch

from reproduction.listing import runs
from sedlib.config import Config, Features, Pcen
from sedlib.features import PCEN, time_constant
from sedlib.systems import configuration
from sedlib.training.runs import Run
from sedlib.workspace import workspace

NO_RUN = "the workspace has no training with a trainable PCEN; `sedlib train --system ppcen_logmel` makes one"


class Preset(NamedTuple):
    """A button: its settings are explored, its note is shown."""

    note: str
    settings: dict[str, Any]  # energy, smoother, eps, features, layers: what the front end takes


@torch.no_grad()
def settings_of(pcen: PCEN, config: Pcen, features: Features) -> dict[str, Any]:
    """Return a PCEN as the settings of the explorer; a mixture that is the same in all bands has one weight."""
    values = pcen.values()
    seconds = [time_constant(float(s), features.hop / features.sample_rate) for s in values["s"]]
    layers = []
    for k, weights in enumerate(values["weights"]):
        alpha, delta, r = (float(values[name][k]) for name in ("alpha", "delta", "r"))
        same = bool((weights == weights[:, :1]).all())
        shares = (weights[:, :1] if same else weights).tolist()
        layers.append({"alpha": alpha, "delta": delta, "r": r, "seconds": seconds, "weights": shares})
    sizes = {name: asdict(features)[name] for name in ("n_fft", "hop", "n_mels", "range_db")}
    common = {"energy": config.energy, "smoother": config.smoother, "eps": config.eps}
    return {**common, "features": sizes, "layers": layers}


def _rounded(settings: dict[str, Any]) -> dict[str, Any]:
    """Undo the float32 of what has not learned: 0.8, not 0.80000001."""

    def short(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: short(one) for name, one in value.items()}
        return (
            [short(one) for one in value]
            if isinstance(value, list)
            else float(f"{value:.5g}")
            if isinstance(value, float)
            else value
        )

    return short(settings)


def _before_training(system: str, **changes: Any) -> dict[str, Any]:
    config = configuration(system, "paper")
    pcen = replace(config.pcen, **changes)
    return _rounded(settings_of(PCEN(pcen, config.features), pcen, config.features))


# What the released code starts from: values that somebody learned before, on log-Mel. How the two smoothers were mixed
# is not among them.
_LEARNED = {"alpha": (0.8187, 0.3938), "delta": (10.689, 3.471), "r": (0.4495, 0.7534), "s": (0.015, 0.08)}
_FIXED = [_before_training(f"fixed_pcen_{n}") for n in (1, 2, 3)]
_SLOW = {"alpha": 0.3, "delta": 0.01, "r": 0.25, "seconds": [2.0], "weights": [[1.0]]}
PRESETS: dict[str, Preset] = {
    **{f"Fixed {n}": Preset(f"Fixed PCEN {n} of Table 1, on Mel.", settings) for n, settings in enumerate(_FIXED, 1)},
    "Released": Preset(
        "What the released code starts from: two layers on log-Mel, smoothed forwards and backwards with s 0.015 and "
        "0.08. Its mixture of the two was not written down; here it is half and half.",
        _before_training("ppcen_zero_phase", **_LEARNED),
    ),
    "Figure 2 by hand": Preset(
        "Two layers set by hand: the first keeps the vacuum cleaner, the second, Fixed PCEN 1 with r and T of 1, keeps "
        "what begins.",
        {**_FIXED[0], "layers": [_SLOW, {**_FIXED[0]["layers"][0], "r": 1.0, "seconds": [1.0]}]},
    ),
}


def last_run(folder: Path | None = None) -> Preset | None:
    """Return the newest finished training whose PCEN learned; by default of the workspace's ``runs/``."""
    folder = workspace() / "runs" if folder is None else folder
    found = runs(folder) if folder.is_dir() else pd.DataFrame()
    if found.empty:
        return None
    finished = [Run(folder / name) for name in found.loc[found["state"].isin(["finished", "scored"]), "run"]]
    learned = [run for run in finished if run.config.pcen.trainable and 1 <= run.config.pcen.layers <= 4]
    if not learned:
        return None
    newest = max(learned, key=lambda run: (run.folder / "weights.pt").stat().st_mtime)
    config: Config = newest.config
    note = (
        f"What {newest.folder.relative_to(folder)} learned, its {config.training.tested}'s; the mixture of "
        f"smoothers is its own, band by band. Spectrogram as in that training: {config.features.n_mels} bands, "
        f"hop {config.features.hop}."
    )
    pcen = newest.detector().pcen
    assert pcen is not None
    return Preset(note, settings_of(pcen, config.pcen, config.features))


def presets() -> dict[str, Preset]:
    """Return `PRESETS`, and the workspace's last trained PCEN where there is one."""
    learned = last_run()
    return PRESETS | ({"Last trained run": learned} if learned else {})
