"""A small folder in DESED's layout: rows of its real tables, made audio, and what goes wrong with real downloads.

Tables, file names, durations and the soundbank's folders are DESED's. The audio is made: noise, and in each event a
sound of its class, so that something can be learned. What is wrong is what is wrong there: clips that are gone, a file
that was cut off, one of 0 bytes, any number of channels and rate, clips of 3 to 11 s, events of one class that overlap,
events beyond 10 s.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import soundfile

from sedlib.data import layout, tables
from sedlib.data.tables import CLASSES

SIZES = {"synthetic": 40, "weak": 16, "unlabel_in_domain": 16, "validation": 30, "public": 12}
SOURCES = {name: f"{name}.tsv" for name in SIZES} | {
    "synthetic": "synthetic_2019_train.tsv"
}  # that of 2020 is with the audio alone
# Clips that must be there: all 12 overlaps of validation.tsv, one of the synthetic set; ends beyond 10 s; no event; odd
# names.
CHOSEN = {
    "synthetic": ["2758.wav"],
    "weak": ["Y-Zjgm_sZd10_0.000_4.000.wav", "Y-ikrSfqB0LU_0.000_3.000.wav"],
    "unlabel_in_domain": ["Y--CE2f-ttEQ_30.000_40.000.wav"],
    "validation": [
        "Y2DF8mtDke8k_460.000_470.000.wav",
        "Y4trGKbbTmC4_30.000_40.000.wav",
        "Y5qx1HGIWJww_170.000_180.000.wav",
        "Y6PwBeL3Abl8_60.000_70.000.wav",
        "Y4p-h_aOrhIw_30.000_40.000.wav",
        "YDPNmUOnE83o_10.000_20.000.wav",
    ],
    "public": ["sdHVFACi42A_16_27.wav"],
}
MISSING = 0.02  # share of the clips of each real subset, at least one
RATES = (16000, 22050, 44100)
# Folders of DESED's training soundbank (metadata/event_occurences of dcase20_task4).
FOREGROUNDS = (*CLASSES, "Frying_nOff", "Frying_nOn_nOff", "Vacuum_cleaner_nOn", "Vacuum_cleaner_nOn_nOff")


class Desed(NamedTuple):
    """The folder, and what is wrong with it."""

    root: Path
    missing: dict[str, list[str]]  # clips of a subset's table that the audio folder lacks
    truncated: Path
    empty: Path  # 0 bytes

    def table(self, subset: str) -> pd.DataFrame:
        return layout.load(self.root, subset).table

    def left_out(self, subset: str) -> list[str]:
        """Clips that are listed and cannot be used."""
        broken = [
            path.name
            for path in (self.truncated, self.empty)
            if path.parent == self.root / layout.SUBSETS[subset].audio
        ]
        return sorted([*self.missing[subset], *broken])


def build(metadata: Path, root: Path, seed: int = 0) -> Desed:
    """Write the folder.

    Parameters
    ----------
    metadata : path
        Folder with DESED's tables.
    root : path
        To be made.
    """
    rng = np.random.default_rng(seed)
    durations = _durations(metadata)
    missing = {}
    for number, (subset, place) in enumerate(layout.SUBSETS.items()):
        table = tables.read(metadata / SOURCES[subset], layout.COLUMNS[place.kind])
        clips = _sample(table, SIZES[subset], CHOSEN[subset], rng)
        table = table[table["filename"].isin(clips)]
        tables.write(table, root / place.metadata)
        (root / place.audio).mkdir(parents=True)
        gone = _gone(clips, CHOSEN[subset], rng) if place.domain == layout.REAL else []
        missing[subset] = gone
        for i, name in enumerate(sorted(set(clips) - set(gone))):
            seconds = durations.get(name) or _named_duration(name)
            channels = 6 if i == 3 else 2 if i % 5 == 4 else 1
            rate = RATES[(i + number) % 3] if i % 4 == 2 else 16000
            soundfile.write(
                root / place.audio / name, _clip(table, name, seconds, rate, channels, rng), rate, subtype="PCM_16"
            )
    usable = [sorted(set(_clips(root, subset)) - set(CHOSEN[subset])) for subset in ("validation", "weak")]
    truncated = root / layout.SUBSETS["validation"].audio / usable[0][0]
    truncated.write_bytes(truncated.read_bytes()[:100_000])
    empty = root / layout.SUBSETS["weak"].audio / usable[1][0]
    empty.write_bytes(b"")
    _soundbank(root / layout.SOUNDBANK, rng)
    return Desed(root, missing, truncated, empty)


def _clips(root: Path, subset: str) -> list[str]:
    return [path.name for path in (root / layout.SUBSETS[subset].audio).iterdir()]


def _sample(table: pd.DataFrame, size: int, chosen: list[str], rng: np.random.Generator) -> list[str]:
    """Clips of a table: those chosen, a clip or two without events, names that begin with a dash, then turn by turn one
    that holds each class."""
    names = tables.filenames(table)
    clips = dict.fromkeys(chosen)
    if "event_label" in table:
        clips |= dict.fromkeys(table["filename"][table["event_label"].isna()][:2])
    clips |= dict.fromkeys([name for name in names if name.startswith(("-", "Y-"))][:2])
    order = rng.permutation(names).tolist()
    held = {name: set() for name in order}
    column = {"event_label", "event_labels"} & set(table)
    if column:
        labelled = table.dropna()
        for name, labels in zip(labelled["filename"], labelled[column.pop()]):
            held[name] |= set(labels.split(","))
    waiting = (
        {label: [name for name in order if label in held[name]] for label in CLASSES}
        if any(held.values())
        else {"": order}
    )
    while len(clips) < size:
        for label in waiting:
            if len(clips) < size:
                clips[next(name for name in waiting[label] if name not in clips)] = None
    return list(clips)


def _gone(clips: list[str], chosen: list[str], rng: np.random.Generator) -> list[str]:
    """Clips that can no longer be downloaded."""
    others = sorted(set(clips) - set(chosen))
    return sorted(rng.choice(others, max(1, round(MISSING * len(clips))), replace=False).tolist())


def _durations(metadata: Path) -> dict[str, float]:
    """Lengths of clips as published, s."""
    files = (metadata / "public_meta.tsv", metadata.parent / "baseline2021" / "validation_durations.tsv")
    return {name: seconds for file in files for name, seconds in pd.read_csv(file, sep="\t").itertuples(index=False)}


def _named_duration(name: str) -> float:
    """AudioSet's names end in where the clip begins and ends in its video; cutting leaves a little more."""
    parts = Path(name).name.removesuffix(".wav").split("_")
    return 10.0 if len(parts) < 3 else min(float(parts[-1]) - float(parts[-2]), 10.0) + 0.1 * (len(name) % 2)


def _clip(
    table: pd.DataFrame, name: str, seconds: float, rate: int, channels: int, rng: np.random.Generator
) -> np.ndarray:
    """(sample, channel): noise, and the clip's events; of a weak label one event somewhere."""
    rows = table[table["filename"] == name].dropna()
    if "event_label" in rows:
        held = list(rows[["onset", "offset", "event_label"]].itertuples(index=False))
        seconds = max(seconds, *rows["offset"]) if len(rows) else seconds
    else:
        labels = rows["event_labels"].iloc[0].split(",") if "event_labels" in rows else rng.choice(CLASSES, 1)
        held = [
            (start, start + 0.3 * seconds, label)
            for label, start in zip(labels, rng.uniform(0, 0.7 * seconds, len(labels)))
        ]
    waveform = 0.01 * rng.standard_normal(round(seconds * rate))
    for onset, offset, label in held:
        first, last = round(onset * rate), round(offset * rate)
        waveform[first:last] += sound(label, last - first, rate, rng)[: len(waveform) - first]
    return np.stack([waveform * gain for gain in rng.uniform(0.7, 1, channels)], axis=1)


def sound(label: str, samples: int, rate: int, rng: np.random.Generator) -> np.ndarray:
    """Harmonics of a tone of the class's own, swelling at a rate of its own."""
    number = CLASSES.index(label)
    time = np.arange(samples) / rate
    pitch = 180 * 2 ** (0.4 * number) * rng.uniform(0.97, 1.03)
    tone = sum(np.sin(2 * np.pi * k * pitch * time) / k for k in range(1, 2 + number % 4) if k * pitch < rate / 2)
    return 0.1 * tone * (1 + 0.5 * np.sin(2 * np.pi * (1 + number) * time))


def _soundbank(folder: Path, rng: np.random.Generator) -> None:
    """Three sounds in each foreground folder, backgrounds in a folder below, rooms."""
    for name in FOREGROUNDS:
        (folder / "foreground" / name).mkdir(parents=True)
        label = name.replace("_nOn", "").replace("_nOff", "")
        for i in range(3):
            seconds = rng.uniform(0.5, 3)
            soundfile.write(
                folder / "foreground" / name / f"{i}_{label}.wav",
                sound(label, round(seconds * 44100), 44100, rng),
                44100,
            )
    for where, waveforms in (
        ("background/sins", [0.05 * rng.standard_normal(12 * 16000) for _ in range(3)]),
        ("rir", [rng.standard_normal(8000) * np.exp(-np.arange(8000) / 800) / 10 for _ in range(3)]),
    ):
        (folder / where).mkdir(parents=True)
        for i, waveform in enumerate(waveforms):
            soundfile.write(folder / where / f"{i}.wav", waveform, 16000)
