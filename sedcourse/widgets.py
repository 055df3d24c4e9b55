"""What the composer is made of: a canvas, a picture with a cursor, sliders, and their callbacks."""

from __future__ import annotations

import html
import io
import threading
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anywidget
import ipywidgets
import numpy as np
import traitlets
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from sedlib.errors import SedError

DPI = 100
WIDTH = 10.0  # inches
_ONE_AT_A_TIME = threading.RLock()  # JupyterLab may tell of two controls in two threads, and all draw on one canvas


class Canvas:
    """A figure that is laid out once; what changes with the state is then drawn over it."""

    def __init__(self, height: float) -> None:
        self.figure = Figure(figsize=(WIDTH, height), dpi=DPI, facecolor="white")
        self.canvas = FigureCanvasAgg(self.figure)

    def _keep(self) -> None:
        """Take what was drawn up to now as the background, without artists that are "animated"."""
        self.canvas.draw()
        self.background = self.canvas.copy_from_bbox(self.figure.bbox)

    def _clear(self) -> None:
        self.canvas.restore_region(self.background)

    def _png(self) -> bytes:
        file = io.BytesIO()
        drawn = Image.fromarray(np.asarray(self.canvas.buffer_rgba())).convert("RGB")
        drawn.save(file, "PNG", compress_level=1, compress_type=zlib.Z_RLE)
        return file.getvalue()


def place_of(ax: Axes) -> list[float]:
    """Return [left, top, width, height] of axes, fractions of the picture."""
    at = ax.get_position()
    return [at.x0, 1 - at.y1, at.width, at.height]


class Picture(anywidget.AnyWidget):
    """The picture in the browser, with a cross hair at the same point of all panels; `cursor` says where."""

    _esm = Path(__file__).with_name("picture.js")
    png = traitlets.Bytes(b"").tag(sync=True)
    alt = traitlets.Unicode("").tag(sync=True)
    width = traitlets.Int(round(WIDTH * DPI)).tag(sync=True)  # CSS pixels
    panels = traitlets.List().tag(sync=True)  # `place_of` each
    grid = traitlets.List([1, 1]).tag(sync=True)  # frames, bands
    cursor = traitlets.List([]).tag(sync=True)  # frame, band


class Slider:
    """A slider of one number, with or without a logarithmic scale.

    The browser puts its handle on the nearest step and reports that as its new value. This is no move, so what lies
    within half a step of what was last shown or chosen is ignored.
    """

    def __init__(
        self, name: str, span: tuple[float, float], step: float, form: str, moved: Callable, log: bool, **options: Any
    ) -> None:
        kind = ipywidgets.FloatLogSlider if log else ipywidgets.FloatSlider
        self._scale = np.log10 if log else float
        low, high = map(self._scale, span)
        options |= {"min": low, "max": high, "step": step, "value": span[0], "readout_format": form}
        self.widget = kind(description=name, **options)
        self._span, self._step, self._value, self._moved = span, step, span[0], moved
        self.widget.observe(self._changed, "value")

    def _changed(self, change: dict[str, Any]) -> None:
        if abs(self._scale(change["new"]) - self._scale(self._value)) > 0.5 * self._step:
            self._value = change["new"]
            self._moved(change["new"])

    def show(self, value: float) -> None:
        """Put the slider where the value is, or at its end if that is out of its span."""
        self._value = min(max(value, self._span[0]), self._span[1])
        self.widget.value = self._value


class Widget:
    """A state with controls around its picture. `box` is what a notebook displays."""

    def __init__(self, name: str, hint: str) -> None:
        self._quiet = False
        self.picture, self.at_cursor, self.status = Picture(), ipywidgets.Label(hint), ipywidgets.HTML()
        self.at_cursor.add_class(f"{name}-cursor")
        self.status.add_class(f"{name}-status")
        self.picture.observe(lambda _: self._try(self._read_cursor), "cursor")

    def _move_controls(self) -> None:
        """Put all controls where the state is."""
        raise NotImplementedError

    def _read_cursor(self) -> None:
        """Show the values at the cursor."""
        raise NotImplementedError

    def _try(self, action: Callable[[], Any]) -> None:
        """Do what a control asks for, one at a time; an error is shown, for nobody sees the kernel's log."""
        with _ONE_AT_A_TIME:
            if self._quiet:
                return
            try:
                action()
            except Exception as error:
                self._settle()  # back to what is shown
                ours = isinstance(error, SedError)
                text = html.escape(str(error) if ours else f"{type(error).__name__}: {error}")
                self.status.value = f'<span role="alert"><b>Not possible:</b> {text}</span>'
                if not ours:
                    raise

    def _settle(self) -> None:
        """Put all controls where the state is; none of them reports it."""
        self._quiet = True
        try:
            self._move_controls()
        finally:
            self._quiet = False

    def _follow(self, control: ipywidgets.Widget, change: Callable[[Any], Any]) -> ipywidgets.Widget:
        control.observe(lambda event: self._try(lambda: change(event["new"])), "value")
        return control

    def _choice(self, name: str, options: list, change: Callable[[Any], Any], **look: Any) -> ipywidgets.Dropdown:
        return self._follow(ipywidgets.Dropdown(options=options, description=name, **look), change)

    def _button(self, text: str, action: Callable[[], Any], **options: Any) -> ipywidgets.Button:
        made = ipywidgets.Button(description=text, **options)
        made.on_click(lambda _: self._try(action))
        return made

    def _slider(
        self, name: str, span: tuple[float, float], step: float, form: str, change: Callable, log: bool = False, **look
    ) -> Slider:
        return Slider(name, span, step, form, lambda value: self._try(lambda: change(value)), log, **look)


def row(*controls: ipywidgets.Widget | Slider, **layout: str) -> ipywidgets.HBox:
    """Put controls beside each other, in more lines where the page is narrow."""
    widgets = [control.widget if isinstance(control, Slider) else control for control in controls]
    return ipywidgets.HBox(widgets, layout=ipywidgets.Layout(flex_flow="row wrap", **layout))


def wide(name: str, width: str) -> dict[str, Any]:
    """Return options of a control: the widths of its name and of all of it."""
    return {"style": {"description_width": name}, "layout": ipywidgets.Layout(width=width)}


def auto() -> ipywidgets.Layout:
    """Return the layout of a control that is as wide as its text."""
    return ipywidgets.Layout(width="auto")
