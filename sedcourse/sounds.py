"""What lesson 01 listens to and looks at: comparable clips, one sound of each class, draws of the voices, pictures."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import librosa
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from minidesed import ranges, voices
from sedcourse.plots.style import BLUE, LINES, VERMILION, figure, styled
from sedlib.config import RATE
from sedlib.data import audio, layout, tables

_ENTRY = re.compile(r'\s*"(\w+)": \(\(.*\)\),(?:\s+# (.*))?$')


def comparable(synthetic: layout.Subset, real: layout.Subset) -> tuple[str, str]:
    """Choose a clip of each subset so that they have many classes in common and few apart."""

    def by_classes(part: layout.Subset) -> dict[frozenset[str], str]:
        held = tables.events(part.table).groupby("filename")["event_label"].agg(frozenset)
        return {classes: str(name) for name, classes in held.items()}

    ours, others = by_classes(synthetic), by_classes(real)
    pairs = [(len(a & b) - 2 * len(a ^ b), sorted(a), sorted(b)) for a in ours for b in others]
    _, a, b = max(pairs)
    return ours[frozenset(a)], others[frozenset(b)]


def choose(parts: Mapping[str, layout.Subset]) -> dict[str, str]:
    """Choose a clip of each subset: `comparable` ones, the weak one with the most labels, an unlabelled one."""
    ours, real = comparable(parts["synthetic"], parts["validation"])
    weak = parts["weak"].table.set_index("filename")["event_labels"].str.count(",")
    return {
        "synthetic": ours,
        "weak": str(weak.idxmax()),
        "unlabel_in_domain": parts["unlabel_in_domain"].filenames[0],
        "validation": real,
    }


def example(part: layout.Subset, label: str, length: float = 2.5, clip_s: float = 10.0) -> np.ndarray | None:
    """Cut out the longest event of a class among those with the least else around them; None if there is none."""
    events = tables.events(part.table)
    mine = events[events["event_label"] == label]
    if mine.empty:
        return None

    def crowd(event) -> tuple[int, float]:
        near = events[
            (events["filename"] == event.filename)
            & (events["onset"] < event.onset + length)
            & (events["offset"] > event.onset - 0.2)
        ]
        return (near["event_label"] != label).sum(), event.onset - event.offset

    chosen = min(mine.head(100).itertuples(), key=crowd)
    start = round(RATE * max(0, min(chosen.onset - 0.2, clip_s - length)))
    waveform = audio.read(part.audio_dir / chosen.filename, seconds=clip_s)[0]
    return waveform[start : start + round(RATE * length)]


def voice(label: str) -> pd.DataFrame:
    """Tabulate what a class's voice draws from in both domains, with unit and meaning of each parameter."""
    meanings = _meanings()

    def span(ends: tuple) -> str:
        return (", " if isinstance(ends[0], str) else " to ").join(map(str, dict.fromkeys(ends)))

    rows = [
        (name, span(studio), span(others), meanings.get((label, name)) or meanings["", name])
        for name, (studio, others) in ranges.RANGES[label].items()
    ]
    return pd.DataFrame(rows, columns=["parameter", "synthetic", "real", "unit and meaning"])


def _meanings() -> dict[tuple[str, str], str]:
    """Read the comment beside each parameter, by class; and, where a class has none, that of another class."""
    found, label = {}, ""
    for line in Path(ranges.__file__).read_text(encoding="utf-8").splitlines():
        label = line.split('"')[1] if re.match(r'    "\w+": \{$', line) else label
        if (entry := _ENTRY.match(line)) and (name := entry[1]):
            meaning = entry[2] or ("which kind of sound" if '(("' in line else "")
            found[label, name] = meaning
            found["", name] = found.get(("", name)) or meaning
    return found


def draws(label: str, domain: str, seed: int, count: int = 5) -> list[np.ndarray]:
    """Draw events of a class from a domain's voices, each 1.75 s long with its silence."""
    source = voices.Voices(domain)
    sounds = [source.event(label, 1.5, np.random.default_rng([seed, i])) for i in range(count)]
    return [np.pad(0.3 * sound[:28000], (0, max(0, 28000 - len(sound)))) for sound in sounds]


@styled
def window(frame: np.ndarray) -> tuple[Figure, str]:
    """Draw a tone of 101 Hz cut out as it is and under a window ``(sample,)``, and its spectra."""
    time = np.arange(len(frame)) / RATE
    tone = np.sin(2 * np.pi * 101 * time)
    fig, axes = figure(10, 3, ncols=2)
    axes[0, 0].plot(1000 * time, tone * frame, color=BLUE)
    axes[0, 0].set(xlabel="time (ms)", ylabel="amplitude (full scale = 1)")
    frequency = np.fft.rfftfreq(len(frame), 1 / RATE)
    for name, x, colour, line in (("cut only", tone, VERMILION, "--"), ("windowed", tone * frame, BLUE, "-")):
        level = librosa.amplitude_to_db(np.abs(np.fft.rfft(x)), ref=np.max)
        axes[0, 1].plot(frequency, level, line, color=colour, label=name, linewidth=1.2)
    axes[0, 1].set(xlabel="frequency (Hz)", ylabel="level (dB)", xlim=(0, 3000))
    axes[0, 1].legend()
    return fig, (
        "Left: a tone that fades in and out under the window. Right: its spectrum, a peak at 101 Hz; cut only, it "
        "leaks far and wide."
    )


@styled
def mel_bands(bands: np.ndarray) -> tuple[Figure, str]:
    """Draw every sixth of Mel bands ``(mel, bin)``."""
    fig, axes = figure(10, 2.4)
    frequency = np.linspace(0, RATE / 2, bands.shape[1])
    for number, band in enumerate(bands[::6]):
        axes[0, 0].plot(frequency, band, color=BLUE, linestyle=LINES[number % 2])
    axes[0, 0].set(xlabel="frequency (Hz)", ylabel="weight", title="Every sixth of the bands")
    return fig, (
        "Triangles of about the same height from 0 to 8000 Hz: narrow and close together up to 1 kHz, then ever wider."
    )


@styled
def steps(pictures: Mapping[str, np.ndarray], clip_s: float) -> tuple[Figure, str]:
    """Draw what the steps from samples to log-Mel make of a clip, one panel ``(bin or band, frame)`` each."""
    fig, axes = figure(10, 3, ncols=len(pictures))
    for ax, (title, picture) in zip(axes[0], pictures.items(), strict=True):
        ax.imshow(picture, origin="lower", aspect="auto", cmap="magma", extent=(0, clip_s, 0, len(picture)))
        ax.set(title=title, xlabel="time (s)", ylabel=title.partition(",")[0])
    return fig, (
        "One clip three times: FFT magnitudes and linear Mel bands are nearly black with a few bright spots; in dB "
        "all of it can be seen."
    )


@styled
def resolution(n_fft: int) -> tuple[Figure, str]:
    """Draw two close tones and two close clicks as a Fourier transform of this length shows them."""
    t = np.arange(12800) / RATE
    sound = 0.1 * (np.sin(2 * np.pi * 500 * t) + np.sin(2 * np.pi * 560 * t))
    sound[[6400, 7040]] += 8
    spectrum = np.abs(librosa.stft(sound, n_fft=n_fft, hop_length=64, window="hamming"))
    words = f"n_fft {n_fft}: {1000 * n_fft / RATE:.0f} ms, bins {RATE / n_fft:.0f} Hz apart"
    fig, axes = figure(10, 2.6)
    look = {"origin": "lower", "aspect": "auto", "cmap": "magma", "vmin": -50}
    extent = (0, 0.8, -RATE / 2 / n_fft, RATE / 2 * (1 + 1 / n_fft))
    axes[0, 0].imshow(librosa.amplitude_to_db(spectrum, ref=np.max), extent=extent, **look)
    axes[0, 0].set(xlabel="time (s)", ylabel="frequency (Hz)", ylim=(0, 1500), title=words)
    return fig, f"Two tones as horizontal, two clicks as vertical lines; {words}."


@styled
def band_levels(domains: Mapping[str, np.ndarray]) -> tuple[Figure, str]:
    """Draw median and quartiles over clips of `reproduction.studies.gap.band_statistics` of two domains."""
    fig, axes = figure(10, 3.2, ncols=2, sharex=True)
    for (name, x), colour, line in zip(domains.items(), (BLUE, VERMILION), LINES, strict=False):
        hertz = librosa.mel_frequencies(n_mels=x.shape[1] // 2 + 2, fmax=RATE / 2)[1:-1]
        for ax, part in zip(axes[0], np.split(x, 2, axis=1), strict=True):
            low, middle, high = np.quantile(part, (0.25, 0.5, 0.75), axis=0)
            ax.fill_between(hertz, low, high, color=colour, alpha=0.25)
            ax.plot(hertz, middle, linestyle=line, color=colour, label=name)
    for ax, what in zip(axes[0], ("mean over time (dB)", "standard deviation over time (dB)"), strict=True):
        ax.set(xlabel="frequency (Hz)", ylabel=what)
        ax.legend()
    widths = {
        name: float(np.ptp(np.quantile(x[:, : x.shape[1] // 2].mean(1), (0.25, 0.75)))) for name, x in domains.items()
    }
    said = ", ".join(f"{name} {width:.0f} dB" for name, width in widths.items())
    return fig, f"Levels of clips by frequency, median and quartiles. The middle half of the clips spans: {said}."


@styled
def band_aucs(single: np.ndarray) -> tuple[Figure, str]:
    """Draw how well each number of `reproduction.studies.gap.band_statistics` tells the domains apart, as AUC."""
    fig, axes = figure(10, 2.8)
    hertz = librosa.mel_frequencies(n_mels=len(single) // 2 + 2, fmax=RATE / 2)[1:-1]
    names = ("mean level", "standard deviation")
    for name, values, colour, line in zip(names, np.split(single, 2), (BLUE, VERMILION), LINES, strict=False):
        axes[0, 0].plot(hertz, values, linestyle=line, color=colour, label=name)
    axes[0, 0].axhline(0.5, color="0.5", linewidth=0.8)
    axes[0, 0].set(xlabel="frequency (Hz)", ylabel="AUC of one number", ylim=(0, 1))
    axes[0, 0].legend()
    best = int(np.abs(single - 0.5).argmax())
    name, at = names[best // len(hertz)], hertz[best % len(hertz)]
    return fig, f"AUC of each number by frequency; furthest from 0.5: {single[best]:.2f}, the {name} at {at:.0f} Hz."
