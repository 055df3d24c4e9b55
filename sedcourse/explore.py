"""A slider for each parameter of a drawing; in a batch run, fixed panels of the same drawing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import ipywidgets
from IPython.display import display
from matplotlib.figure import Figure

from sedcourse.plots import show
from sedlib.errors import SedError


def explore(
    draw: Callable[..., tuple[Figure, str]],
    interactive: bool,
    start: Mapping[str, float] | None = None,
    **controls: Sequence[float],
) -> None:
    """Show a drawing under a slider for each of its parameters.

    Parameters
    ----------
    draw : callable
        Pure function of the controls; returns a figure and its description.
    interactive : bool
        False: one panel for every value of every control, the other controls at their start.
    start : mapping of parameter to number, optional
        Where sliders start; one without a start begins at its first value.
    **controls : sequence of numbers
        The values of each parameter, in the order of the slider.

    Raises
    ------
    SedError
        For a start that is not one of its slider's values.
    """
    first = {name: values[0] for name, values in controls.items()} | dict(start or {})
    for name, value in first.items():
        if value not in controls.get(name, ()):
            raise SedError(
                f"start of {name}: {value} is not one of {list(controls.get(name, ()))}; choose one of these"
            )
    if interactive:
        sliders = {
            name: ipywidgets.SelectionSlider(options=values, value=first[name], description=name.replace("_", " "))
            for name, values in controls.items()
        }
        panel = ipywidgets.interactive_output(lambda **values: show(*draw(**values)), sliders)
        display(ipywidgets.VBox([*sliders.values(), panel]))
        return
    panels = [{**first, name: value} for name, values in controls.items() for value in values]
    for i, panel in enumerate(panels):
        if panel not in panels[:i]:
            show(*draw(**panel))
