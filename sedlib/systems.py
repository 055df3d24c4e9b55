"""The systems of the paper: every row of Tables 1 to 3, and which of them can be trained here.

Paper section 4; the finished tables are ``notebooks/07_paper_ledger.py``'s.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field

from sedlib.config import Config, profile
from sedlib.errors import SedError


@dataclass(frozen=True)
class Row:
    """A row of one of the paper's tables."""

    table: int
    name: str
    paper: dict[str, float]  # dev_f1, eval_f1 (event-based macro F1, percent), dev_psds
    system: str | None = None  # the system that gives it here, None while there is none


ROWS: tuple[Row, ...] = (
    Row(1, "Log-Mel", {"dev_f1": 35.93}),
    Row(1, "Fixed PCEN 1", {"dev_f1": 28.71}),
    Row(1, "Fixed PCEN 2", {"dev_f1": 35.42}),
    Row(1, "Fixed PCEN 3", {"dev_f1": 36.84}),
    Row(1, "Trainable PCEN", {"dev_f1": 36.92}),
    Row(1, "PPCEN on Mel", {"dev_f1": 38.20}),
    Row(1, "PPCEN on log-Mel", {"dev_f1": 39.34}),
    Row(2, "Baseline", {"dev_f1": 34.8}, "baseline"),
    Row(2, "+HMM", {"dev_f1": 37.13}),
    Row(2, "+PPCEN", {"dev_f1": 39.93}),
    Row(2, "+PPCEN+HMM", {"dev_f1": 43.69}),
    Row(2, "+Augm", {"dev_f1": 37.31}),
    Row(2, "+DAT+Augm", {"dev_f1": 40.91}),
    Row(2, "+PPCEN+Augm", {"dev_f1": 33.20}),
    Row(2, "+DAT+Augm+HMM", {"dev_f1": 45.20}),
    Row(2, "+PPCEN+DAT+Augm+HMM", {"dev_f1": 46.30}),
    Row(3, "Baseline", {"dev_f1": 34.8, "eval_f1": 34.9, "dev_psds": 0.61}, "baseline"),
    Row(3, "PPCEN+HMM", {"dev_f1": 43.69, "eval_f1": 42.6, "dev_psds": 0.63}),
    Row(3, "DAT+HMM", {"dev_f1": 45.20, "eval_f1": 42.0, "dev_psds": 0.68}),
    Row(3, "Ensemble DAT+PPCEN+HMM", {"dev_f1": 46.17, "eval_f1": 44.4, "dev_psds": 0.69}),
    Row(3, "Ensemble DAT+PPCEN+HMM 2", {"dev_f1": 47.44, "eval_f1": 43.2, "dev_psds": 0.69}),
)


@dataclass(frozen=True)
class System:
    """What a system changes in a profile's configuration, part by part."""

    title: str
    changes: dict[str, dict[str, object]] = field(default_factory=dict)


# A batch as large as the mean teacher's, of clips with strong labels alone.
ALONE = {"strong": 24, "weak": 0, "unlabelled": 0}

SYSTEMS: dict[str, System] = {
    "baseline": System("mean-teacher CRNN on log-Mel, median filter"),
    # Not in the paper: what the domain gap costs, and what could be won at most (lesson 01).
    "synthetic_only": System("the baseline's CRNN, trained with the synthetic clips alone", {"training": ALONE}),
    "oracle": System("the same, trained with strong labels of real clips, which only a made data set can have",
                     {"training": ALONE | {"strong_from": "unlabel_in_domain"}}),
}


def configuration(system: str, profile_name: str) -> Config:
    """Configuration of a system in a profile; `SedError` for an unknown name of either."""
    if system not in SYSTEMS:
        raise SedError(f"system {system!r} does not exist; choose one of {', '.join(SYSTEMS)}")
    config = profile(profile_name)
    parts = {part: dataclasses.replace(getattr(config, part), **values) for part, values in SYSTEMS[system].changes.items()}
    return dataclasses.replace(config, system=system, **parts)
