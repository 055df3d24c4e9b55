"""The explorer in a notebook: the same front end, its settings synchronised with Python."""

from __future__ import annotations

from typing import Any

import anywidget
import numpy as np
import torch
import traitlets

from sedcourse import plots
from sedcourse.explorer.page import given, script
from sedcourse.explorer.presets import PRESETS, presets
from sedcourse.explorer.sounds import FIGURE_2, SOUNDS, events_of, sound
from sedlib.config import RATE, Features
from sedlib.errors import SedError
from sedlib.features import LogMel, MinMax, amplitude, coefficient, pcen
from sedlib.features.pcen import SMOOTHERS

_OF_LAYER, _COMMON = ("alpha", "delta", "r", "seconds"), ("energy", "smoother", "eps")


class Explorer(anywidget.AnyWidget):
    """The explorer; every trait moves its control, and a control that moves sets its trait.

    ``alpha``, ``delta``, ``r`` and ``seconds`` (T of the first smoother) are those of the first layer; ``settings``
    holds all layers. ``sound`` takes a name of `SOUNDS` or a (sample,) waveform at 16 kHz.
    """

    _esm = script()
    _presets = traitlets.List().tag(sync=True)
    _sounds = traitlets.List().tag(sync=True)
    _heard = traitlets.Dict().tag(sync=True)
    settings = traitlets.Dict().tag(sync=True)
    name = traitlets.Unicode("").tag(sync=True)  # of the sound
    alpha, delta, r, seconds = (traitlets.Float(1.0, min=low) for low in (0, 1e-6, 1e-3, 1e-3))
    energy, smoother = traitlets.Enum(("mel", "logmel"), "mel"), traitlets.Enum(tuple(SMOOTHERS), "causal")
    eps = traitlets.Float(1e-6, min=1e-12)
    sound = traitlets.Any()

    def __init__(self) -> None:
        super().__init__(**{f"_{name}": values for name, values in given(presets(), list(SOUNDS)).items()})
        self.settings = PRESETS["Fixed 1"].settings

    @traitlets.observe("settings")
    def _follow(self, change: dict[str, Any]) -> None:
        first = change["new"]["layers"][0]
        with self.hold_trait_notifications():
            for name in _COMMON:
                setattr(self, name, change["new"][name])
            for name in _OF_LAYER:
                setattr(self, name, first["seconds"][0] if name == "seconds" else first[name])

    @traitlets.observe(*_OF_LAYER, *_COMMON)
    def _move(self, change: dict[str, Any]) -> None:
        name, value, settings = change["name"], change["new"], self.settings
        if not settings:
            return
        if name in _COMMON:
            self.settings = {**settings, name: value}
            return
        first, *rest = settings["layers"]
        value = [value, *first["seconds"][1:]] if name == "seconds" else value
        self.settings = {**settings, "layers": [{**first, name: value}, *rest]}

    @traitlets.observe("sound")
    def _hear(self, change: dict[str, Any]) -> None:
        named = isinstance(change["new"], str)
        waveform = np.asarray(sound(change["new"]) if named else change["new"], np.float32)
        shortest = self.settings["features"]["n_fft"] // 2 + 1
        if waveform.ndim != 1 or len(waveform) < shortest or not np.isfinite(waveform).all():
            raise SedError(
                f"the explorer takes one waveform (sample,) of finite values at {RATE} Hz, {shortest} samples or more; "
                f"this has shape {waveform.shape}"
            )
        name = change["new"] if named else "a sound from Python"
        events = events_of(name) if named else None
        self._heard = {"name": name, "samples": waveform.tobytes(), "events": events}


def seen(settings: dict[str, Any], waveform: np.ndarray) -> np.ndarray:
    """Compute by the library what the explorer shows in its last column, (layer, mel, frame)."""
    features = Features(scaling="minmax", **settings["features"])
    level = LogMel(features)(torch.as_tensor(waveform)[None])
    energy = MinMax()(amplitude(level) if settings["energy"] == "mel" else level)[0, 0]
    out = []
    for layer in settings["layers"]:
        s = torch.tensor([coefficient(seconds, features.hop / RATE) for seconds in layer["seconds"]])
        weights = torch.tensor(layer["weights"])[..., None]  # (smoother, mel or 1, 1)
        m = (weights * SMOOTHERS[settings["smoother"]](energy, s)).sum(0)
        out.append(pcen(energy, m, layer["alpha"], layer["delta"], layer["r"], settings["eps"]))
    return torch.stack(out).numpy()


def explorer(interactive: bool) -> Explorer | None:
    """Return the explorer, which a notebook shows; in a batch run, show a picture for every preset, of the same sound.

    Parameters
    ----------
    interactive : bool
        False: no widget.
    """
    if interactive:
        return Explorer()
    for name, preset in PRESETS.items():
        layers = {f"{name}, layer {k}": out for k, out in enumerate(seen(preset.settings, sound(FIGURE_2)), 1)}
        frame_s = preset.settings["features"]["hop"] / RATE
        plots.show(plots.front_ends(layers, frame_s), f"PCEN of {FIGURE_2}. {preset.note}")
    return None
