"""Curves that move while a training (``notebooks/04_mean_teacher.py``) or a search (``06_hmm.py``) runs."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping

import pandas as pd
from IPython.display import display
from matplotlib.figure import Figure

from sedcourse import decoding, plots
from sedlib.training import Run


class _Redrawn:
    """One picture that is redrawn in place."""

    def __init__(self) -> None:
        self._display = None

    def _redraw(self, figure: Figure, alt: str) -> None:
        drawn = plots.picture(figure, alt)
        if self._display is None:
            self._display = display(drawn, display_id=True)
        else:
            self._display.update(drawn)


class LiveCurves(_Redrawn):
    """Curves of a training, redrawn after every epoch.

    >>> with LiveCurves(interactive) as live:  # doctest: +SKIP
    ...     train(config, data, seed, folder, on_epoch=live)

    Parameters
    ----------
    interactive : bool
        False, as in a batch run: print one line per epoch and draw once, at the end.
    """

    def __init__(self, interactive: bool) -> None:
        super().__init__()
        self.interactive = interactive
        self.rows: list[dict[str, float]] = []

    def __enter__(self) -> LiveCurves:
        return self

    def __call__(self, row: dict[str, float], networks: Mapping[str, object]) -> None:
        """Add the metrics of an epoch; its networks are not looked at."""
        self.rows.append(row)
        if self.interactive:
            self._draw()
        else:
            f1 = ", ".join(f"{name} {100 * row[f'validation_f1_{name}']:.1f} %" for name in ("student", "teacher"))
            print(f"epoch {row['epoch']}: loss {row['loss_total']:.3f}, validation F1: {f1}")

    def __exit__(self, *error: object) -> None:
        if not self.interactive and self.rows:
            self._draw()

    def _draw(self) -> None:
        metrics = pd.DataFrame(self.rows)
        self._redraw(plots.curves(metrics), description(metrics))


class LiveSearch(_Redrawn):
    """F1 of a search's evaluations, which `decode.tuning.forest` gives after each.

    Parameters
    ----------
    interactive : bool
        False, as in a batch run: draw once, at the end.
    best_possible : float
        F1 that no evaluation can pass.
    calls : int
        Number of evaluations.
    """

    def __init__(self, interactive: bool, best_possible: float, calls: int) -> None:
        super().__init__()
        self.interactive, self.best_possible, self.calls = interactive, best_possible, calls

    def __call__(self, f1: list[float]) -> None:
        """Show F1 of all evaluations so far; every tenth time, for drawing takes as long as an evaluation."""
        if len(f1) < self.calls and not (self.interactive and len(f1) % 10 == 0):
            return
        alt = (
            f"F1 of {len(f1)} evaluations, and the best so far, which ends at {100 * max(f1):.1f} %; "
            f"the exact optimum of the grid is {100 * self.best_possible:.1f} %."
        )
        self._redraw(decoding.search_progress(f1, self.best_possible), alt)


def watch(run: Run, every_s: float = 5.0) -> None:
    """Show the curves of a run that another process trains, until that ends or the kernel is interrupted.

    Parameters
    ----------
    run : Run
        If no process trains it now, it is drawn once.
    every_s : float
        Seconds between two looks.
    """
    live = LiveCurves(interactive=True)
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            running = run.state == "running"  # looked at first: the last row is written before that ends
            rows = run.metrics.to_dict("records")
            if len(rows) > len(live.rows):
                live.rows = rows
                live._draw()
            if not running:
                return
            time.sleep(every_s)


def description(metrics: pd.DataFrame) -> str:
    """Describe training curves, for their alt text."""
    first, last = metrics.iloc[0], metrics.iloc[-1]
    terms = {name.removeprefix("loss_").replace("_", " "): name for name in metrics if name.startswith("loss_")}
    losses = ", ".join(f"{name} {first[term]:.3f} to {last[term]:.3f}" for name, term in terms.items())
    return (
        f"Training curves over {len(metrics)} epochs. Terms of the loss, from the first to the last epoch: {losses}. "
        f"Validation event F1 ends at {100 * last['validation_f1_student']:.1f} % for the student and "
        f"{100 * last['validation_f1_teacher']:.1f} % for the teacher. The learning rate ends at "
        f"{last['learning_rate']:.2g}, the consistency weight at {last['consistency_weight']:.2g}."
    )
