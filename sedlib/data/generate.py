"""The generator: scenario -> mixture -> a data set in DESED's layout, on all cores.

A clip is made in two steps. `scenario` decides which events happen when, with the statistics of DESED; `mix` turns that
into sound, with a source of isolated sounds (`voices.Voices` or `soundbank.Soundbank`) and a `domains.Recipe`. Clip i
of a subset depends on (seed, subset, i) alone, so neither the number of processes nor a resume nor a larger data set
changes a byte of it. Paper section 2; taught in ``notebooks/01_data.py``.
"""

from __future__ import annotations

import json
import multiprocessing
import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import pandas as pd
from scipy import signal
from tqdm.auto import tqdm

from sedlib.data import audio, domains, layout, tables
from sedlib.data.audio import RATE
from sedlib.data.layout import CLIP_S, REAL, STRONG, SUBSETS, SYNTHETIC, WEAK
from sedlib.data.soundbank import EVALUATION, TRAINING, Soundbank
from sedlib.data.voices import Voices
from sedlib.errors import SedError

VERSION = 1  # counts up when the same seed gives other clips
SAMPLES = round(CLIP_S * RATE)
SHORTEST_S = 0.25  # DESED's shortest annotation; a shorter sound, one bark say, is given this much
GAP_S = 0.15  # DESED merges events of one class that are closer
_BLOCK = 16  # clips a process makes before it writes their labels down
_FEW = 64  # so many clips are made before further processes have started


class Source(Protocol):
    """Where isolated sounds come from; float32, 16 kHz, peak 1."""

    def event(self, label: str, duration: float, rng: np.random.Generator) -> np.ndarray:
        """(sample,) sound of a class, at most ``duration`` seconds, no silence at its ends."""

    def background(self, duration: float, rng: np.random.Generator) -> np.ndarray:
        """(sample,) background of exactly ``duration`` seconds."""

    # A source may also have ``rir(rng)``: a (sample,) room impulse response, direct sound first, or None.


class Habit(NamedTuple):
    """How a class behaves in the clips of a domain."""

    scene: float  # clips (in thousand) whose main class it is
    speech: float  # probability that Speech comes with it
    dishes: float  # probability that Dishes come with it
    more: float  # further events of the class in a clip: negative binomial of this mean
    spread: float  # and this shape; a small one means many clips with one event and a few with many
    median: float  # s, of the lognormal durations of events that do not last the whole clip
    sigma: float  # of the logarithm of those durations
    starts: float  # probability that the clip begins within an event of the class
    ends: float  # probability that the clip ends within one; both at once, with one event: it lasts the whole clip


# Fitted to the event tables of DESED: "real" to validation (1168 clips), "synthetic" to the synthetic set of 2019
# (2045 clips; the table of the 2020 set is published with its audio only, but was made by the same rules). The medians
# of Cat, Dog and Dishes are larger than DESED's: an event holds whole calls, barks and strikes only, and so comes out
# shorter than planned.
HABITS = {
    REAL: {
        "Alarm_bell_ringing": Habit(162, 0.45, 0.00, 1.50, 0.4, 1.05, 1.10, 0.32, 0.27),
        "Blender": Habit(69, 0.65, 0.15, 0.20, 1.0, 3.60, 0.85, 0.46, 0.54),
        "Cat": Habit(105, 0.25, 0.00, 2.00, 2.0, 1.15, 0.70, 0.26, 0.31),
        "Dishes": Habit(65, 0.70, 1.00, 2.32, 1.5, 0.45, 0.75, 0.08, 0.08),
        "Dog": Habit(139, 0.35, 0.00, 3.20, 1.5, 1.20, 0.95, 0.37, 0.41),
        "Electric_shaver_toothbrush": Habit(54, 0.60, 0.00, 0.05, 1.0, 4.80, 0.60, 0.60, 0.79),
        "Frying": Habit(77, 0.75, 0.65, 0.06, 1.0, 5.20, 0.60, 0.77, 0.91),
        "Running_water": Habit(165, 0.45, 0.07, 0.20, 1.0, 4.00, 0.85, 0.46, 0.50),
        "Speech": Habit(80, 1.00, 0.05, 1.95, 3.0, 1.15, 0.75, 0.30, 0.34),
        "Vacuum_cleaner": Habit(77, 0.33, 0.00, 0.01, 1.0, 6.00, 0.50, 0.69, 0.88),
    },
    SYNTHETIC: {
        "Alarm_bell_ringing": Habit(150, 0.50, 0.02, 0.95, 2.0, 0.42, 1.10, 0.01, 0.10),
        "Blender": Habit(150, 0.55, 0.20, 0.28, 2.0, 1.60, 0.95, 0.01, 0.40),
        "Cat": Habit(110, 0.50, 0.10, 1.00, 2.0, 1.00, 0.45, 0.01, 0.10),
        "Dishes": Habit(100, 0.60, 1.00, 0.83, 1.5, 0.48, 0.75, 0.01, 0.05),
        "Dog": Habit(120, 0.55, 0.05, 0.62, 1.0, 0.72, 0.85, 0.01, 0.10),
        "Electric_shaver_toothbrush": Habit(90, 0.55, 0.02, 0.05, 1.0, 4.10, 0.65, 0.01, 0.85),
        "Frying": Habit(60, 0.50, 0.35, 0.05, 1.0, 4.80, 0.70, 0.05, 0.90),
        "Running_water": Habit(70, 0.50, 0.15, 0.10, 1.0, 3.50, 0.70, 0.01, 0.60),
        "Speech": Habit(60, 1.00, 0.10, 0.75, 3.0, 0.90, 0.72, 0.01, 0.12),
        "Vacuum_cleaner": Habit(90, 0.50, 0.02, 0.04, 1.0, 4.80, 0.70, 0.15, 0.75),
    },
}
SILENT = {REAL: 0.013, SYNTHETIC: 0.0}  # share of clips without events
STRANGER = {REAL: 0.03, SYNTHETIC: 0.25}  # share of clips with a class that has nothing to do with the main one
POLYPHONY = {REAL: 3, SYNTHETIC: 2}  # most events at one time


class Event(NamedTuple):
    """A planned event; seconds."""

    label: str
    onset: float
    duration: float


def scenario(rng: np.random.Generator, domain: str) -> list[Event]:
    """Which events happen when in a clip of a domain, ``synthetic`` or ``real``.

    A clip has a main class and perhaps Speech and Dishes with it (DESED's usual companions), or any other class. Events
    of one class do not overlap; a plan with too many at once is thrown away and drawn again, as DESED's own clips were.
    """
    habits = HABITS[domain]
    if rng.random() < SILENT[domain]:
        return []
    shares = np.array([habit.scene for habit in habits.values()])
    while True:
        main, stranger = rng.choice(list(habits), size=2, p=shares / shares.sum()).tolist()
        present = [label for label, probability in ((main, 1.0), ("Speech", habits[main].speech),
                                                    ("Dishes", habits[main].dishes), (stranger, STRANGER[domain]))
                   if rng.random() < probability]
        events = [Event(label, onset, duration) for label in dict.fromkeys(present)
                  for onset, duration in _place(habits[label], rng)]
        if polyphony(events) <= POLYPHONY[domain]:
            return sorted(events, key=lambda event: event.onset)


def _place(habit: Habit, rng: np.random.Generator) -> list[tuple[float, float]]:
    """Onsets and durations of the events of one class, in order, at least `GAP_S` apart, within the clip."""
    count = 1 + rng.negative_binomial(habit.spread, habit.spread / (habit.spread + habit.more))
    starts, ends = rng.random() < habit.starts, rng.random() < habit.ends
    if count == 1 and starts and ends:
        return [(0.0, CLIP_S)]
    durations = np.clip(habit.median * np.exp(habit.sigma * rng.standard_normal(count)), SHORTEST_S, CLIP_S)
    durations = durations[: max(1, int(np.sum(np.cumsum(durations + GAP_S) <= CLIP_S + GAP_S)))]
    free = max(0.0, CLIP_S - durations.sum() - GAP_S * (len(durations) - 1))
    silence = np.sort(rng.uniform(0, free, len(durations)))  # before each event, summed up
    if starts:
        silence[0] = 0.0
    if ends:
        silence[-1] = free
    onsets = silence + np.cumsum(durations + GAP_S) - (durations + GAP_S)
    return list(zip(onsets.tolist(), durations.tolist()))


def polyphony(events: list[Event]) -> int:
    """Largest number of events at one time."""
    return max((sum(other.onset <= event.onset < other.onset + other.duration for other in events) for event in events),
               default=0)


def mix(events: list[Event], source: Source, recipe: domains.Recipe, rng: np.random.Generator
        ) -> tuple[np.ndarray, list[tuple[float, float, str]]]:
    """The sound of a scenario and where its events are.

    Returns
    -------
    (160000,) float32 array
        Waveform in [-1, 1].
    list of (onset, offset, label)
        Seconds to 1 ms, where the direct sound of each event begins and ends (the room's tail does not count), up to
        ``recipe.label_jitter``. A sound that is shorter than planned has a shorter label, but as in DESED no label is
        shorter than `SHORTEST_S`.
    """
    background = source.background(CLIP_S, rng)
    floor = rng.uniform(*recipe.background_level)
    mixture = background * (domains.decibels(floor) / domains.rms(background))
    room = None
    if rng.random() < recipe.room_share:
        measured = source.rir(rng) if hasattr(source, "rir") else None
        room = domains.room_response(recipe, rng) if measured is None else domains.fit_room(measured, recipe, rng)
        room /= np.linalg.norm(room)
    clip_level = floor + rng.uniform(*recipe.snr)
    levels = {label: clip_level + rng.uniform(-1, 1) * recipe.snr_of_class
              for label in dict.fromkeys(event.label for event in events)}
    labels = []
    for event in events:
        first = round(event.onset * RATE)
        sound = source.event(event.label, event.duration, rng)[: SAMPLES - first]
        level = levels[event.label] + rng.uniform(-1, 1) * recipe.snr_of_event
        gain = domains.decibels(level) / domains.rms(sound)
        heard = sound if room is None else signal.oaconvolve(sound, room)[: SAMPLES - first]
        mixture[first : first + len(heard)] += gain * heard
        offset = min(CLIP_S, first / RATE + max(len(sound) / RATE, SHORTEST_S))
        labels.append((*_annotated(first / RATE, offset, recipe.label_jitter, rng), event.label))
    return domains.apply_channel(mixture, recipe, rng), labels


def _annotated(onset: float, offset: float, jitter: float, rng: np.random.Generator) -> tuple[float, float]:
    """The times an annotator writes down, not more than ``jitter`` off. Where the clip cuts an event nothing is off."""
    early, late = rng.uniform(-jitter, jitter, 2)
    heard_onset = max(0.0, onset + early) if onset > 0 else 0.0
    heard_offset = min(CLIP_S, offset + late) if offset < CLIP_S else CLIP_S
    return round(heard_onset, 3), round(heard_offset, 3)


def mini(root: str | Path, sizes: Mapping[str, int], seed: int, jobs: int | None = None, progress: bool = True) -> str:
    """Make MiniDESED, the embedded data set, from procedural voices. Arguments and result as for `generate`."""
    synthetic, real = Voices(SYNTHETIC), Voices(REAL)
    sources = {name: synthetic if place.domain == SYNTHETIC else real for name, place in SUBSETS.items()}
    return generate(root, sources, sizes, seed, "mini", jobs, progress)


def from_soundbank(folder: str | Path, root: str | Path, sizes: Mapping[str, int], seed: int,
                   real: str | Path | None = None, jobs: int | None = None, progress: bool = True) -> str:
    """Make a data set from a folder of recordings (see `soundbank`).

    Parameters
    ----------
    folder : path
        Recordings for the synthetic clips and, without ``real``, for all.
    real : path, optional
        Recordings for the real clips.

    Other arguments and result as for `generate`. Synthetic, real training and real development or evaluation clips are
    made of different recordings, as far as there are enough.
    """
    if real is None:
        synthetic, training, evaluation = Soundbank(folder).split(SYNTHETIC, TRAINING, EVALUATION)
    else:
        synthetic, (training, evaluation) = Soundbank(folder), Soundbank(real).split(TRAINING, EVALUATION)
    sources = {"synthetic": synthetic, "weak": training, "unlabel_in_domain": training,
               "validation": evaluation, "public": evaluation}
    made_from = f"soundbank {synthetic.fingerprint}" + ("" if real is None else f", real {training.fingerprint}")
    summary = generate(root, sources, sizes, seed, made_from, jobs, progress)
    notes = dict.fromkeys(note for source in (synthetic, training, evaluation) for note in source.notes)
    return "\n".join([summary, *notes])


def generate(root: str | Path, sources: Mapping[str, Source], sizes: Mapping[str, int], seed: int, kind: str,
             jobs: int | None = None, progress: bool = True) -> str:
    """Make a data set in DESED's layout, or finish one; clips that are there already are kept.

    With more than one process a script must call this under ``if __name__ == "__main__":``, as always in Python.

    Parameters
    ----------
    root : path
        Folder of the data set; made if it is not there.
    sources : mapping
        For each subset of ``sizes`` the source of its sounds.
    sizes : mapping
        Clips per subset of `layout.SUBSETS`.
    seed : int
        0 or more. The same seed gives the same bytes; larger sizes give more clips after the same ones.
    kind : str
        What the sounds are made from; part of the data set's identity.
    jobs : int, optional
        Processes; by default one per core, but one alone for few clips.
    progress : bool
        Show a bar.

    Returns
    -------
    str
        What was made, for people.

    Raises
    ------
    SedError
        If ``root`` holds another data set, or ``sizes`` or ``seed`` make no sense.
    """
    root = Path(root)
    _check_request(sizes, seed)
    _claim(root, {"generator": VERSION, "kind": kind, "seed": seed}, sizes)
    made = {subset: _existing_labels(root, subset) for subset in sizes}
    todo = {subset: [i for i in range(size) if clip_name(subset, i) not in made[subset]]
            for subset, size in sizes.items()}
    tasks = [(root, subset, sources[subset], seed, indices[start : start + _BLOCK])
             for subset, indices in todo.items() for start in range(0, len(indices), _BLOCK)]
    for subset in sizes:
        (root / SUBSETS[subset].audio).mkdir(parents=True, exist_ok=True)
        (root / SUBSETS[subset].metadata).parent.mkdir(parents=True, exist_ok=True)

    clips = sum(map(len, todo.values()))
    jobs = jobs or (1 if clips < _FEW else _cores())
    with tqdm(total=clips, desc=f"make {root.name}", unit="clip", disable=not (progress and clips)) as bar:
        for subset, labels in _run(tasks, jobs):
            made[subset].update(labels)
            bar.update(len(labels))

    for subset, size in sizes.items():
        labels = {name: made[subset][name] for name in (clip_name(subset, i) for i in range(size))}
        tables.write(_table(SUBSETS[subset].kind, labels), root / SUBSETS[subset].metadata)
        for part in _parts(root, subset):
            part.unlink()
    return f"{root}: " + ", ".join(f"{size} {subset}" for subset, size in sizes.items()) + " clips"


def clip_name(subset: str, index: int) -> str:
    """File name of a clip."""
    return f"{subset}_{index:06d}.wav"


def make_clip(subset: str, source: Source, seed: int, index: int) -> tuple[np.ndarray, list[tuple[float, float, str]]]:
    """Waveform and events of clip ``index`` of a subset: a pure function of its arguments. Shapes as `mix`."""
    domain = SUBSETS[subset].domain
    rng = np.random.default_rng([seed, list(SUBSETS).index(subset), index])
    recipe = domains.SYNTHETIC if domain == SYNTHETIC else domains.REAL
    return mix(scenario(rng, domain), source, recipe, rng)


Labels = dict[str, list[tuple[float, float, str]]]  # events by file name


def _make_block(root: Path, subset: str, source: Source, seed: int, indices: list[int]) -> tuple[str, Labels]:
    """Write some clips, then a part of the table with their labels: from then on they count as made."""
    place, labels = SUBSETS[subset], {}
    for index in indices:
        waveform, labels[clip_name(subset, index)] = make_clip(subset, source, seed, index)
        audio.write(root / place.audio / clip_name(subset, index), waveform)
    metadata = root / place.metadata
    tables.write(_table(place.kind, labels), metadata.with_name(f"{metadata.stem}.part{indices[0]:06d}.tsv"))
    return subset, labels


def _run(tasks: list[tuple], jobs: int) -> Iterator[tuple[str, Labels]]:
    """The blocks' results, in any order."""
    if jobs == 1:
        for task in tasks:
            yield _make_block(*task)
        return
    # Fresh processes ("spawn") behave alike on every system and inherit no lock of a thread of the notebook's.
    with _one_thread_each(), ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        futures = [pool.submit(_make_block, *task) for task in tasks]
        try:
            for future in as_completed(futures):
                yield future.result()
        finally:
            pool.shutdown(cancel_futures=True)


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Processes started inside use one thread for linear algebra: there is one process per core already."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(dict.fromkeys(names, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def _cores() -> int:
    """Cores this process may use, which on a shared machine can be fewer than there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _table(kind: str, labels: Labels) -> pd.DataFrame:
    """The table of a subset, with no more in it than its kind of labels may tell."""
    if kind == STRONG:
        rows = [(name, *event) for name, events in labels.items() for event in events or [(np.nan, np.nan, np.nan)]]
        return pd.DataFrame(rows, columns=tables.EVENT_COLUMNS)
    if kind == WEAK:
        rows = [(name, ",".join(sorted({label for *_, label in events}))) for name, events in labels.items()]
        return pd.DataFrame(rows, columns=tables.WEAK_COLUMNS)
    return pd.DataFrame({"filename": list(labels)})


def _existing_labels(root: Path, subset: str) -> Labels:
    """Labels of the clips that an earlier call finished: listed in a table, with their audio complete."""
    place = SUBSETS[subset]
    metadata = root / place.metadata
    labels: Labels = {}
    for path in [*([metadata] if metadata.is_file() else []), *_parts(root, subset)]:
        labels.update(_labels(place.kind, path))
    size = 44 + 2 * SAMPLES  # WAV header and samples
    return {name: events for name, events in labels.items()
            if (clip := root / place.audio / name).is_file() and clip.stat().st_size == size}


def _labels(kind: str, path: Path) -> Labels:
    """Undo `_table`."""
    if kind == STRONG:
        table = tables.read_events(path)
        labels: Labels = {name: [] for name in tables.filenames(table)}
        for event in tables.events(table).itertuples():
            labels[event.filename].append((event.onset, event.offset, event.event_label))
        return labels
    if kind == WEAK:
        return {row.filename: [(np.nan, np.nan, label) for label in filter(None, row.event_labels.split(","))]
                for row in tables.read_weak(path).itertuples()}
    return {name: [] for name in tables.read_unlabelled(path)["filename"]}


def _parts(root: Path, subset: str) -> list[Path]:
    metadata = root / SUBSETS[subset].metadata
    return sorted(metadata.parent.glob(f"{metadata.stem}.part*.tsv"))


def _check_request(sizes: Mapping[str, int], seed: int) -> None:
    for subset, size in sizes.items():
        if subset not in SUBSETS:
            raise SedError(f"subset {subset!r} is not known; use {', '.join(SUBSETS)}")
        if size < 1:
            raise SedError(f"{size} clips of {subset!r}; ask for 1 or more, or leave the subset out")
    if not sizes:
        raise SedError(f"no subset asked for; give sizes for some of {', '.join(SUBSETS)}")
    if seed < 0:
        raise SedError(f"seed {seed}; use 0 or a positive number")


def _claim(root: Path, identity: dict, sizes: Mapping[str, int]) -> None:
    """Write ``dataset.json``; refuse a folder that holds something else."""
    path = root / "dataset.json"
    if path.is_file():
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            found_sizes = dict(found["sizes"])
        except (ValueError, TypeError, KeyError) as error:
            raise SedError(f"{path}: not a description of a data set ({error!r}); give an empty folder") from None
        for key, wanted in identity.items():
            if found.get(key) != wanted:
                raise SedError(f"{path}: {key} is {found.get(key)!r}, asked for {wanted!r}; give another folder")
        for subset in found_sizes:
            if sizes.get(subset, 0) < found_sizes[subset]:
                raise SedError(f"{path}: is for {found_sizes[subset]} clips of {subset!r}, asked for "
                               f"{sizes.get(subset, 0)}; ask for at least as many, or give another folder")
    elif root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise SedError(f"{root}: is not empty and holds no dataset.json of the generator; give an empty folder")
    root.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    partial.write_text(json.dumps({**identity, "sizes": dict(sizes)}, indent=1) + "\n", encoding="utf-8")
    partial.replace(path)
