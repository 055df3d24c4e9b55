"""What decoders with parameters by class share: checks, the choice of classes, and human-readable JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from sedlib.errors import SedError


def log_odds(p: float | np.ndarray) -> np.ndarray:
    """Compute log(p / (1 - p)); minus infinity for 0."""
    with np.errstate(divide="ignore"):
        return np.log(p / (1 - p))


@dataclass(frozen=True, eq=False)
class ByClass:
    """A decoder with parameters by class: arrays (class,), which a subclass names with types in ``RANGES``."""

    classes: tuple[str, ...]
    drop_s: float = field(default=0.0, kw_only=True)  # events this short are dropped, s

    TITLE: ClassVar[str]
    RANGES: ClassVar[dict[str, Any]]

    def __post_init__(self) -> None:
        if not self.classes:
            raise SedError(f"{self.TITLE}: no classes; give {self._needed()} of at least one")
        for name, allowed in self.RANGES.items():
            values, n = np.asarray(getattr(self, name), float), len(self.classes)
            if values.shape != (n,):
                raise SedError(f"{self.TITLE}: {name} has {values.size} values for {n} classes; give one per class")
            words, holds = allowed.__metadata__
            for label, value in zip(self.classes, values, strict=True):
                if not holds(value):
                    raise SedError(f"{self.TITLE}: {name} of {label} is {value:g}, expected {words}")
            object.__setattr__(self, name, values)
        if not 0 <= self.drop_s < np.inf:
            raise SedError(f"{self.TITLE}: drop_s is {self.drop_s}, expected seconds, 0 or more")

    @classmethod
    def _needed(cls) -> str:
        return " and ".join(name for name in cls.RANGES if name != "confidence")

    def of(self, classes: tuple[str, ...]) -> Self:
        """Pick these classes, in their order; `SedError` if one is missing."""
        for name in classes:
            if name not in self.classes:
                known = ", ".join(self.classes)
                raise SedError(
                    f"{self.TITLE}: no {self._needed()} for class {name!r}, which the scores contain; it has {known}"
                )
        order = [self.classes.index(name) for name in classes]
        return replace(self, classes=tuple(classes), **{name: getattr(self, name)[order] for name in self.RANGES})

    def gates(self) -> np.ndarray:
        """Give the log-odds that an event's most confident frame must reach, (class,); minus infinity drops none."""
        return log_odds(getattr(self, "confidence", np.zeros(len(self.classes))))

    def to_dict(self) -> dict[str, Any]:
        """Give plain values, parameters by class, as JSON has them."""
        by_class = {name: dict(zip(self.classes, getattr(self, name).tolist(), strict=True)) for name in self.RANGES}
        return {"method": self.TITLE.lower(), **by_class, "drop_s": self.drop_s}

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a JSON file with the parameters by class, and ``confidence`` and ``drop_s`` or neither.

        Other entries (those of `sedlib tune`) are left alone. `SedError` for a missing or other file, a class without a
        parameter, or a value out of its range.
        """
        try:
            values = json.loads(Path(path).read_text(encoding="utf-8"))
            found = {name: values[name] for name in cls.RANGES if name != "confidence"}
            if "confidence" in cls.RANGES:
                found["confidence"] = values.get("confidence", dict.fromkeys(next(iter(found.values())), 0.0))
            classes = tuple(dict.fromkeys(label for of in found.values() for label in of))
            arrays = {n: np.array([float(of.get(label, np.nan)) for label in classes]) for n, of in found.items()}
            drop_s = float(values.get("drop_s", 0))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise SedError(
                f"{path}: not a JSON file with {cls._needed()} by class, as `sedlib tune --json` writes it "
                f"({error.__class__.__name__}: {error})"
            ) from None
        if "confidence" in cls.RANGES and ("confidence" in values) != ("drop_s" in values):
            raise SedError(f"{path}: confidence or drop_s is missing; give both or neither")
        try:
            return cls(classes, drop_s=drop_s, **arrays)
        except SedError as error:
            raise SedError(f"{path}: {error}") from None
