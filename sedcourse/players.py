"""Audio players with a label: 16-bit sound inside the notebook and the report, never louder than a fixed limit."""

from __future__ import annotations

import base64
import html
import io

import numpy as np
import soundfile
from IPython.display import display

from sedcourse.html import Shown
from sedlib.config import RATE
from sedlib.errors import SedError

PEAK_LIMIT = 0.7  # about -3 dB below full scale: no clip startles


def play(waveform: np.ndarray, label: str) -> None:
    """Show a player under its label.

    Levels stay as they are, so that clips can be compared; only a waveform whose peak is above `PEAK_LIMIT` is turned
    down as a whole, and its label says so.

    Parameters
    ----------
    waveform : (sample,) array or tensor
        In [-1, 1], 16 kHz.
    label : str
        What is heard; also the name of the player for screen readers.
    """
    display(player(waveform, label))


def player(waveform: np.ndarray, label: str) -> Shown:
    """Return the player that `play` shows."""
    waveform = np.asarray(waveform, dtype=np.float32)
    if waveform.ndim != 1:
        raise SedError(f"a player takes one waveform (sample,), not shape {waveform.shape}; pick one, as in x[0]")
    if not np.isfinite(waveform).all():
        raise SedError(f"the waveform {label!r} holds NaN or infinite samples; it cannot be played")
    peak = float(np.abs(waveform).max(initial=0))
    label = f"{label} ({len(waveform) / RATE:.1f} s)"
    if peak > PEAK_LIMIT:
        waveform = waveform * (PEAK_LIMIT / peak)
        label += f", turned down by {20 * np.log10(peak / PEAK_LIMIT):.1f} dB"
    file = io.BytesIO()
    soundfile.write(file, waveform, RATE, format="WAV", subtype="PCM_16")
    data, name = base64.b64encode(file.getvalue()).decode("ascii"), html.escape(label)
    return Shown(
        f'<figure style="margin:0.5em 0"><figcaption>{name}</figcaption><audio controls aria-label="{name}" '
        f'style="max-width:100%" src="data:audio/wav;base64,{data}"></audio></figure>',
        f"[sound: {label}]",
    )
