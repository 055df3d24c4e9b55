"""Curves that move while a training runs; taught in ``notebooks/04_mean_teacher.py``."""

from __future__ import annotations

import pandas as pd
from IPython.display import display

from sedlib.lesson import plots


class LiveCurves:
    """Called by the training after every epoch; redraws one figure in place.

    >>> with LiveCurves(interactive) as live:
    ...     train(config, data, seed, folder, on_epoch=live)

    Parameters
    ----------
    interactive : bool
        False, as in a batch run: print a line an epoch and draw once, at the end.
    """

    def __init__(self, interactive: bool) -> None:
        self.interactive = interactive
        self.rows: list[dict[str, float]] = []
        self._display = None

    def __enter__(self) -> LiveCurves:
        return self

    def __call__(self, row: dict[str, float]) -> None:
        """Add the metrics of an epoch."""
        self.rows.append(row)
        if self.interactive:
            self._draw()
        else:
            f1 = 100 * row["validation_f1_teacher"]
            print(f"epoch {row['epoch']}: loss {row['loss_total']:.3f}, validation F1 {f1:.1f} %")

    def __exit__(self, kind: type | None, error: BaseException | None, traceback: object) -> None:
        if not self.interactive and self.rows:
            self._draw()

    def _draw(self) -> None:
        metrics = pd.DataFrame(self.rows)
        drawn = plots.picture(plots.curves(metrics), alt=description(metrics))
        if self._display is None:
            self._display = display(drawn, display_id=True)
        else:
            self._display.update(drawn)


def description(metrics: pd.DataFrame) -> str:
    """Training curves in words, for their alt text."""
    first, last = metrics.iloc[0], metrics.iloc[-1]
    return (
        f"Training curves over {len(metrics)} epochs: the total loss goes from {first['loss_total']:.3f} to "
        f"{last['loss_total']:.3f}; validation event F1 ends at {100 * last['validation_f1_student']:.1f} % for the "
        f"student and {100 * last['validation_f1_teacher']:.1f} % for the teacher."
    )
