"""The explorer's controls."""

from __future__ import annotations

import html
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import ipywidgets
import numpy as np
from IPython.display import display
from torch import Tensor

from sedcourse import html as pieces
from sedcourse import players
from sedcourse.explorer.drawing import canvas_of, picture
from sedcourse.explorer.model import (
    FEATURES,
    Layer,
    State,
    description,
    in_words,
    panels,
    resynthesised,
    spectrogram,
    values_at,
)
from sedcourse.explorer.presets import NO_RUN, PRESETS, last_run
from sedcourse.explorer.sounds import SOUNDS, sound, uploaded
from sedcourse.widgets import DPI, WIDTH, Widget, auto, row, wide
from sedlib.config import Features

# What the sliders span.
ALPHA, R, DELTA, SECONDS, EPS = (0.0, 1.0), (0.05, 1.0), (0.01, 100.0), (0.01, 10.0), (1e-10, 1e-1)


class _LayerControls:
    """The sliders of one layer; `box` holds them."""

    def __init__(self, number: int, slider: Callable, moved: Callable[..., None]) -> None:
        def of_layer(name: str, span: tuple[float, float], change: Callable, log: bool = False) -> Any:
            form, look = ".3g" if log else ".2f", wide("3em", "30em")
            return slider(name, span, 0.01, form, lambda value: moved(number, **change(value)), log, **look)

        self.sliders = [
            of_layer("alpha", ALPHA, lambda value: {"alpha": value}),
            of_layer("delta", DELTA, lambda value: {"delta": value}, log=True),
            of_layer("r", R, lambda value: {"r": value}),
            of_layer("T (s)", SECONDS, lambda value: {"seconds": (value,), "weights": ((1.0,),)}, log=True),
        ]
        self.exactly = ipywidgets.HTML(layout=ipywidgets.Layout(width="30em"))
        controls = [ipywidgets.HTML(f"<b>Layer {number + 1}</b>"), *(slider.widget for slider in self.sliders)]
        self.box = ipywidgets.VBox([*controls, self.exactly], layout=ipywidgets.Layout(margin="0 1.5em 0 0"))

    def show(self, layer: Layer, features: Features) -> None:
        """Put the sliders where the layer is."""
        shares = np.array([np.mean(weights) for weights in layer.weights])
        middle = float(np.exp(shares @ np.log(layer.seconds)))
        for slider, value in zip(self.sliders, (layer.alpha, layer.delta, layer.r, middle), strict=True):
            slider.show(value)
        mixed = "; moving T takes one smoother instead" if len(layer.seconds) > 1 else ""
        self.exactly.value = html.escape(in_words(layer, features) + mixed)


class Explorer(Widget):
    """The explorer for a notebook; `box` is the widget, `state` what it shows.

    Parameters
    ----------
    runs_folder : path, optional
        Where the last trained run is looked for; default: the workspace's.
    """

    def __init__(self, runs_folder: Path | None = None) -> None:
        super().__init__("pcen", "Point at the picture, or move over it with the arrow keys, to read values.")
        self.uploads: dict[str, np.ndarray] = {}
        self.state = State(sound=next(iter(SOUNDS)), **PRESETS["Fixed 2"].changes)
        self.logmel: Tensor | None = None
        self._analysed: np.ndarray | None = None  # the waveform that it is of

        look = wide("5em", "28em")
        self.sound = self._choice("sound", list(SOUNDS), lambda value: self._change(sound=value), **look)
        accepted = {"accept": "audio/*,.wav,.flac,.ogg,.mp3", "layout": auto()}
        self.upload = ipywidgets.FileUpload(description="your own sound", **accepted)
        self.upload.observe(lambda event: event["new"] and self._try(lambda: self._uploaded(event["new"][0])), "value")
        self.energy = self._choice("E", [("Mel", "mel"), ("log-Mel", "logmel")], self._energy, **look)
        smoothers = [("causal (paper)", "causal"), ("zero-phase (released code)", "zero-phase")]
        self.smoother = self._choice("smoother", smoothers, lambda value: self._change(smoother=value), **look)
        counts = {"options": [("1 layer", 1), ("2 layers", 2)], "style": {"button_width": "6em"}}
        self.count = self._follow(ipywidgets.ToggleButtons(**counts), self._layers)
        self.eps = self._slider("eps", EPS, 0.1, ".1e", lambda value: self._change(eps=value), log=True, **look)
        self.layers = [_LayerControls(number, self._slider, self._layer_moved) for number in range(2)]
        self.buttons = {name: self._preset_button(name, preset) for name, preset in PRESETS.items()}
        name = "Last trained run"
        self.buttons[name] = self._preset_button(name, last_run(runs_folder), layout=auto())
        self.original, self.heard = ipywidgets.HTML(), ipywidgets.HTML()
        self.hear = self._button("Make PCEN audible", self._hear, layout=auto())

        self.box = ipywidgets.VBox([
            row(self.sound, self.upload), row(*self.buttons.values()),
            row(self.count, self.energy, self.smoother, self.eps), row(*(layer.box for layer in self.layers)),
            self.status, self.picture, self.at_cursor, row(self.original, self.heard, self.hear),
        ])  # fmt: skip
        self.box.add_class("pcen-explorer")
        self.show(self.state)

    def _preset_button(self, name: str, preset: Any, **options: Any) -> ipywidgets.Button:
        if preset is None:
            return ipywidgets.Button(description=name, tooltip=NO_RUN, disabled=True, **options)
        return self._button(
            name, lambda: self.show(replace(self.state, **preset.changes), preset.note), tooltip=preset.note, **options
        )

    def _change(self, **changes: Any) -> None:
        self.show(replace(self.state, **changes))

    def _energy(self, energy: str) -> None:
        self._change(energy=energy, features=replace(self.state.features, range_db=FEATURES[energy].range_db))

    def _layers(self, count: int) -> None:
        self._change(layers=(self.state.layers * 2)[:count])

    def _layer_moved(self, number: int, **changes: Any) -> None:
        layers = list(self.state.layers)
        layers[number] = replace(layers[number], **changes)
        self._change(layers=tuple(layers))

    def _uploaded(self, file: dict[str, Any]) -> None:
        name, content = f"your {file['name']}", bytes(file["content"])
        self.upload.value = ()  # so that the same file can be given again
        self.uploads[name], text = uploaded(name, content)
        self.show(replace(self.state, sound=name), text)

    def show(self, state: State, text: str = "") -> None:
        """Show a state: the picture, and all controls where it is; a message if there is something to say."""
        waveform = self.uploads[state.sound] if state.sound in self.uploads else sound(state.sound)
        logmel, another = self.logmel, waveform is not self._analysed or state.features != self.state.features
        if another or logmel is None:
            logmel = spectrogram(waveform, state.features)
        shown = panels(state, logmel)
        png, (bands, frames) = picture(state, shown), shown.logmel.shape
        self.state, self.logmel, self.shown, self._analysed = state, logmel, shown, waveform
        with self.picture.hold_sync():
            self.picture.png, self.picture.alt = png, description(state, shown)
            self.picture.panels, self.picture.grid = canvas_of(state, shown).boxes(), [frames, bands]
        self.status.value = html.escape(text)
        self._settle()
        self._read_cursor()
        self.heard.value = ""
        if another:
            self.original.value = players.player(waveform, f"original: {state.sound}").data

    def _move_controls(self) -> None:
        state = self.state
        self.sound.options = [*SOUNDS, *self.uploads]
        self.sound.value, self.energy.value, self.smoother.value = state.sound, state.energy, state.smoother
        self.count.value = len(state.layers)
        self.eps.show(state.eps)
        for k, controls in enumerate(self.layers):
            controls.box.layout.display = None if k < len(state.layers) else "none"
            if k < len(state.layers):
                controls.show(state.layers[k], state.features)

    def _read_cursor(self) -> None:
        if self.picture.cursor:
            frame, band = (min(at, count - 1) for at, count in zip(self.picture.cursor, self.picture.grid, strict=True))
            self.at_cursor.value = values_at(self.state, self.shown, frame, band)

    def _hear(self) -> None:
        assert self._analysed is not None
        made = resynthesised(self._analysed, self.state, self.shown)
        names = [f"PCEN, layer {k}" for k in (1, 2)] if len(made) > 1 else ["PCEN"]
        self.heard.value = "".join(players.player(*of_layer).data for of_layer in zip(made, names, strict=True))


def explorer(interactive: bool) -> None:
    """Show the explorer; in a batch run, a picture for every preset, of the same sound.

    Parameters
    ----------
    interactive : bool
        False: no widgets.
    """
    if interactive:
        display(Explorer().box)
        return
    for preset in filter(None, [*PRESETS.values(), last_run()]):
        state = State(sound=next(iter(SOUNDS)), **preset.changes)
        shown = panels(state, spectrogram(sound(state.sound), state.features))
        alt = f"{preset.note}: {description(state, shown)}"
        display(pieces.image(picture(state, shown), alt, width=round(WIDTH * DPI)))
