"""What a step check is: cases, the expected value from the definition, and hints for known mistakes."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch

from sedlib.models import Output

_FEW = 8  # numbers that are shown; of more, the first wrong one is
FRAME_S = 4 * 255 / 16000  # the paper's output frame: two poolings by 2, hop 255, 16 kHz


class WrongAnswer(AssertionError):
    """The answer of an exercise is missing or wrong; shown in a notebook as its hint only, without a traceback."""

    def _render_traceback_(self) -> list[str]:
        return [f"not yet: {self}"]


@dataclass(frozen=True)
class Check:
    """Called with the learner's function, it prints "correct", or raises `WrongAnswer` with a hint.

    Parameters
    ----------
    task : str
        What the learner's function computes.
    cases : list of tuples
        Arguments of the calls on which an answer is judged.
    expected : callable
        The definition.
    correct : str
        What was learned; printed after "correct: ".
    hints : dict of hint to callable, or to options with which the definition is wrong
        Known mistakes. The hint of the first one that agrees with the answer in all cases is given.
    value : callable
        Turns what an answer returns into what is compared; may raise `WrongAnswer`.
    first : callable, optional
        Called with the answer before all else; may raise `WrongAnswer`.
    """

    task: str
    cases: list[tuple]
    expected: Callable
    correct: str
    hints: dict[str, Any] = field(repr=False)
    value: Callable[[Any], Any] = lambda returned: returned
    first: Callable[[Callable], None] | None = None

    def __post_init__(self) -> None:
        for hint, mistake in self.hints.items():
            self.hints[hint] = partial(self.expected, **mistake) if isinstance(mistake, dict) else mistake
        object.__setattr__(self, "__doc__", self.task)  # what `check.NAME?` shows in a notebook

    def __call__(self, answer: Callable) -> None:
        """Judge the answer, and print "correct" if it is."""
        self.judge(answer)
        print(f"correct: {self.correct}")

    def judge(self, answer: Callable) -> None:
        """Raise `WrongAnswer` unless the answer agrees with the definition in all cases."""
        if self.first is not None:
            self.first(answer)
        handed = [copy.deepcopy(case) for case in self.cases]  # one by one: they may share an array
        given = [self.value(call(answer, *case)) for case in handed]
        wanted = [self.value(self.expected(*case)) for case in self.cases]
        wrong = [i for i, (g, w) in enumerate(zip(given, wanted, strict=True)) if not _same(g, w)]
        if not wrong:
            if _changed(handed, self.cases):
                raise WrongAnswer(f"{_name(answer)} changes what it was given; work on a copy of it")
            return
        for hint, mistake in self.hints.items():
            if all(_same(g, self.value(mistake(*case))) for g, case in zip(given, self.cases, strict=True)):
                raise WrongAnswer(hint)
        given, wanted, case = given[wrong[0]], wanted[wrong[0]], self.cases[wrong[0]]
        called = f"{_name(answer)}({', '.join(map(_short, case))})"
        shape, right_shape = tuple(np.shape(given)), tuple(np.shape(wanted))
        if shape != right_shape:
            raise WrongAnswer(f"{called} has shape {shape}; it should have {right_shape}")
        if math.prod(shape) > _FEW:
            at = np.argwhere(~_close(given, wanted))[0].tolist()
            given, wanted = (float(np.asarray(of, float)[tuple(at)]) for of in (given, wanted))
            called += f"[{', '.join(map(str, at))}]"
        raise WrongAnswer(f"{called} gives {_short(given)}; it should give {_short(wanted)}")


def call(answer: Callable, *arguments: Any) -> Any:
    """Return what the learner's function returns; `WrongAnswer` if there is no function, or nothing is returned."""
    if answer is ...:
        raise WrongAnswer("nothing here yet: replace the ... with your answer")
    if not callable(answer):
        raise WrongAnswer(f"give the function itself, without calling it; this is {_short(answer)}")
    value = answer(*arguments)
    if value is None or value is ...:
        raise WrongAnswer(f"{_name(answer)} returns nothing yet: replace the ... with your code and return the result")
    return value


def _same(a: Any, b: Any) -> bool:
    """Equal in shape, in kind (whole number or not) and, to rounding, in value."""
    if isinstance(b, int) and not isinstance(b, bool) and isinstance(a, float) or np.shape(a) != np.shape(b):
        return False
    try:
        return bool(_close(a, b).all())
    except (TypeError, ValueError):
        return False


def _close(a: Any, b: Any) -> np.ndarray:
    return np.isclose(np.asarray(a, float), np.asarray(b, float), rtol=1e-4, atol=1e-5)


def _changed(handed: Any, cases: Any) -> bool:
    """Whether an array among the arguments, or in a list of them, is no longer what it was."""
    if isinstance(cases, (list, tuple)):
        return len(handed) != len(cases) or any(map(_changed, handed, cases))
    if isinstance(cases, torch.Tensor):
        return not torch.equal(handed, cases)
    return isinstance(cases, np.ndarray) and not np.array_equal(handed, cases)


def _name(function: Callable) -> str:
    return getattr(function, "__name__", "your function")


def _short(value: Any) -> str:
    if isinstance(value, (np.ndarray, torch.Tensor)):
        few = math.prod(value.shape) <= _FEW
        return _short(value.tolist()) if few else f"{type(value).__name__} of shape {tuple(value.shape)}"
    if type(value) in (list, tuple):
        inside = ", ".join(map(_short, value))
        return f"[{inside}]" if isinstance(value, list) else f"({inside})"
    if isinstance(value, Output):
        return f"Output of {len(value.strong)} clips"
    if callable(value):
        return _name(value)
    return f"{value:.6g}" if isinstance(value, float) else str(value)
