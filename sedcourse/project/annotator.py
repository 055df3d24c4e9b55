"""The annotator: events of a folder's recordings, by mouse or keyboard, kept as DESED's TSV."""

from __future__ import annotations

import html
import io
from pathlib import Path
from typing import Any

import anywidget
import ipywidgets
import matplotlib
import pandas as pd
import soundfile
import torch
import traitlets
from PIL import Image

from sedcourse.players import PEAK_LIMIT
from sedcourse.project.annotations import table_of
from sedcourse.project.recordings import Recordings
from sedlib.config import RATE, Features
from sedlib.data import audio, tables
from sedlib.features import LogMel

FEATURES = Features(n_fft=1024, hop=256, n_mels=96)


class Strip(anywidget.AnyWidget):
    """One recording: its spectrogram, its sound, and ``events``, lists of onset, offset (s) and class."""

    _esm = Path(__file__).with_name("annotator.js")
    png = traitlets.Bytes(b"").tag(sync=True)
    wav = traitlets.Bytes(b"").tag(sync=True)
    alt = traitlets.Unicode("").tag(sync=True)
    duration = traitlets.Float(10.0).tag(sync=True)
    classes = traitlets.List().tag(sync=True)
    label = traitlets.Unicode(tables.CLASSES[0]).tag(sync=True)  # of the next event
    events = traitlets.List().tag(sync=True)


class Annotator:
    """The annotator of some recordings; `box` is what a notebook displays, `table` what was annotated.

    Parameters
    ----------
    recordings : dict
        Of `open_folder`.
    path : path
        The TSV, read where it is there and written after every change.
    """

    def __init__(self, recordings: Recordings, path: str | Path) -> None:
        self.recordings, self.path = recordings, Path(path)
        self._events: dict[str, list[list[Any]]] = {name: [] for name in recordings}
        if self.path.is_file():
            for e in tables.events(tables.read_events(self.path)).itertuples():
                if e.filename in self._events:
                    self._events[e.filename].append([float(e.onset), float(e.offset), e.event_label])
        self.choice = ipywidgets.Dropdown(options=list(recordings), description="recording")
        self.strip, self.status = Strip(classes=list(tables.CLASSES)), ipywidgets.HTML()
        self.choice.observe(lambda _: self._open(), "value")
        self.strip.observe(self._changed, "events")
        self.box = ipywidgets.VBox([self.choice, self.strip, self.status])
        self._open()

    @property
    def table(self) -> pd.DataFrame:
        """The event table of all recordings."""
        return table_of([(name, *e) for name, of in self._events.items() for e in sorted(of)], list(self._events))

    def _open(self) -> None:
        name = self.choice.value
        waveform, _ = self.recordings[name]
        self._opened = None  # so that what is shown now is no change of what was shown before
        with self.strip.hold_sync():
            self.strip.duration = len(waveform) / RATE
            self.strip.png, self.strip.wav = _picture(waveform), _sound(waveform)
            self.strip.alt = f"{name}, {len(waveform) / RATE:.1f} s: spectrogram up to 8 kHz"
            self.strip.events = [list(e) for e in self._events[name]]
        self._opened = name
        self._say()

    def _changed(self, change: dict[str, Any]) -> None:
        if self._opened is None:
            return
        self._events[self._opened] = [list(e) for e in change["new"]]
        tables.write(self.table, self.path)
        self._say()

    def _say(self) -> None:
        counts = ", ".join(f"{name} {len(of)}" for name, of in self._events.items())
        self.status.value = html.escape(f"Events: {counts}. Kept in {self.path} after every change.")


def _picture(waveform) -> bytes:
    """Draw a log-Mel spectrogram without axes, so that its width is the recording's length."""
    level = LogMel(FEATURES)(torch.from_numpy(waveform)[None])[0, 0].numpy()[::-1]
    shade = (level - level.min()) / max(level.max() - level.min(), 1e-9)
    file = io.BytesIO()
    pixels = matplotlib.colormaps["magma"](shade, bytes=True)[..., :3]
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def _sound(waveform) -> bytes:
    peak = max(float(abs(waveform).max()), 1e-9)
    file = io.BytesIO()
    soundfile.write(file, audio.to_int16(waveform * min(1.0, PEAK_LIMIT / peak)), RATE, format="WAV", subtype="PCM_16")
    return file.getvalue()


def annotator(recordings: Recordings, path: str | Path, interactive: bool) -> Annotator | None:
    """Return the annotator, whose ``box`` a notebook shows; None in a batch run, where nobody annotates.

    Parameters
    ----------
    recordings : dict
        Of `open_folder`.
    path : path
        Where the event table is kept.
    interactive : bool
    """
    if not interactive:
        print(f"nobody annotates here; with interactive=True the annotator keeps its table in {Path(path).name}")
        return None
    return Annotator(recordings, path)
