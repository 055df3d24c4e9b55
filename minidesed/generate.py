"""The generator: scenario -> mixture -> a data set in DESED's layout, on all cores.

A clip is made in two steps. `scenes.scenario` decides which events happen when, with the statistics of DESED; `mix`
turns that into sound, with a source of isolated sounds (`voices.Voices` or `soundbank.Soundbank`) and a
`domains.Recipe`. Clip i of a subset depends on (seed, subset, i) alone, so neither the number of processes nor a resume
nor a larger data set changes a byte of it; and every part of it has a stream of chance of its own, so that a change of
one leaves the others as they are. Beside the clips lie isolated sounds, as in DESED, of which dynamic mixing makes new
ones; they too depend on (seed, what, index) alone. Paper sections 2 and 3.2; taught in ``notebooks/01_data.py``.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
import threading
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing.synchronize import Event as Begun
from pathlib import Path
from typing import NamedTuple, Protocol

import joblib
import numpy as np
import pandas as pd
from scipy import signal
from tqdm.auto import tqdm

from minidesed import domains
from minidesed.recordings import EVALUATION, TRAINING, RecordedVoices
from minidesed.voices import Voices
from sedlib.config import CLIP_S, RATE, SAMPLES
from sedlib.data import audio, tables
from sedlib.data.layout import REAL, SOUNDBANK, STRONG, SUBSETS, SYNTHETIC, WEAK, truth_path
from sedlib.data.scenes import HABITS, SHORTEST_S, Event, scenario
from sedlib.data.soundbank import BACKGROUND, CONTINUOUS, RIR
from sedlib.errors import SedError
from sedlib.files import locked, whole

# Clips that a profile's MiniDESED holds; the paper's are DESED's own counts (section 2).
SIZES: dict[str, dict[str, int]] = {
    "paper": {"synthetic": 2584, "weak": 1578, "unlabel_in_domain": 14412, "validation": 1168, "public": 692},
    "lesson": {"synthetic": 1200, "weak": 600, "unlabel_in_domain": 1200, "validation": 300, "public": 200},
    "smoke": {"synthetic": 40, "weak": 16, "unlabel_in_domain": 16, "validation": 16, "public": 8},
}

# Isolated sounds of each class in a profile's MiniDESED; DESED's soundbank has about as many as "paper".
SOUNDS: dict[str, int] = {"paper": 100, "lesson": 40, "smoke": 4}

VERSION = 3  # counts up when the same seed gives other clips
SOUNDS_VERSION = 1  # likewise for the isolated sounds
# Rooms for dynamic mixing, where no recorded ones are there. They stand for FUSS's responses: simulated rooms between a
# closet and a living room, neither those of the synthetic clips nor those of the real ones.
ROOMS = replace(domains.SYNTHETIC, rt60=(0.15, 0.6), direct_to_reverberant=(2, 12))
_SOUND_KINDS = (*tables.CLASSES, BACKGROUND, RIR)
_SOUND_STREAMS = 1000  # the first of their streams of chance; those of the subsets count from 0
_BLOCK = 16  # clips a process makes before it writes their labels down
_FEW = 64  # so many clips are made before further processes have started


class Source(Protocol):
    """Where isolated sounds come from; float32, 16 kHz, peak 1."""

    def of_clip(self, rng: np.random.Generator) -> Source:
        """The source for the length of a clip, in which all events of a class come from one dog, one talker."""

    def event(self, label: str, duration: float, rng: np.random.Generator) -> np.ndarray:
        """(sample,) sound of a class, at most ``duration`` seconds, no silence at its ends."""

    def background(self, duration: float, rng: np.random.Generator) -> np.ndarray:
        """(sample,) background of exactly ``duration`` seconds."""

    # A source may also have ``rir(rng)``: a (sample,) room impulse response, direct sound first, or None.


class Making(NamedTuple):
    """How the clips of a subset are made."""

    scenes: str  # the subset of `layout.SUBSETS` whose habits its events have
    source: Source
    recipe: domains.Recipe


def mini_making(subset: str, without: Collection[str] = ()) -> Making:
    """How MiniDESED makes a subset; its real clips without some of the `domains.INGREDIENTS` of the domain gap."""
    if SUBSETS[subset].domain == SYNTHETIC:
        return Making(subset, Voices(SYNTHETIC), domains.SYNTHETIC)
    recipe = domains.real_without(without)
    voices, backgrounds = (SYNTHETIC if part in without else REAL for part in ("voices", "backgrounds"))
    return Making("synthetic" if "scenes" in without else subset, Voices(voices, backgrounds), recipe)


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
    things, behind, space, level, annotator, channel, *sounds = rng.spawn(6 + len(events))
    source = source.of_clip(things)
    background = source.background(CLIP_S, behind)
    floor = level.uniform(*recipe.background_level)
    mixture = background * (domains.decibels(floor) / domains.rms(background))
    room = None
    if space.random() < recipe.room_share:
        measured = _measured_room(source, space)
        room = domains.room_response(recipe, space) if measured is None else domains.fit_room(measured, recipe, space)
        room /= np.linalg.norm(room)
    clip_level = floor + level.uniform(*recipe.snr)
    levels = {label: clip_level + level.uniform(-1, 1) * recipe.snr_of_class
              for label in dict.fromkeys(event.label for event in events)}
    labels = []
    for event, chance in zip(events, sounds):
        first = round(event.onset * RATE)
        sound = source.event(event.label, event.duration, chance)[: SAMPLES - first]
        gain = domains.decibels(levels[event.label] + level.uniform(-1, 1) * recipe.snr_of_event) / domains.rms(sound)
        heard = sound if room is None else signal.oaconvolve(sound, room)[: SAMPLES - first]
        mixture[first : first + len(heard)] += gain * heard
        offset = min(CLIP_S, first / RATE + max(len(sound) / RATE, SHORTEST_S))
        labels.append((*_annotated(first / RATE, offset, recipe.label_jitter, annotator), event.label))
    return domains.apply_channel(mixture, recipe, channel), labels


def _measured_room(source: Source, rng: np.random.Generator) -> np.ndarray | None:
    """A recorded room response, if the source has any."""
    return source.rir(rng) if hasattr(source, "rir") else None


def _annotated(onset: float, offset: float, jitter: float, rng: np.random.Generator) -> tuple[float, float]:
    """The times an annotator writes down, not more than ``jitter`` off. Where the clip cuts an event nothing is off."""
    early, late = rng.uniform(-jitter, jitter, 2)
    heard_onset = max(0.0, onset + early) if onset > 0 else 0.0
    heard_offset = min(CLIP_S, offset + late) if offset < CLIP_S else CLIP_S
    return round(float(heard_onset), 3), round(float(heard_offset), 3)


def mini(root: str | Path, sizes: Mapping[str, int], seed: int, jobs: int | None = None, progress: bool = True,
         without: Collection[str] = (), sounds: int = 0) -> str:
    """Make MiniDESED, the embedded data set, from procedural voices.

    Parameters
    ----------
    without : collection of str
        Names from `domains.INGREDIENTS`: in these respects the real clips are made like the synthetic ones.

    Other arguments and result as for `generate`.
    """
    _check_request(sizes, seed, sounds)
    makings = {subset: mini_making(subset, without) for subset in sizes}
    kind = "mini" + (f" without {', '.join(sorted(without))}" if without else "")
    return generate(root, makings, sizes, seed, kind, jobs, progress, sounds)


def of_profile(root: str | Path, profile_name: str, progress: bool = True) -> None:
    """MiniDESED in the size of a profile, seed 0: the entry point ``mini`` of group "sedlib.datasets"."""
    mini(root, sizes=SIZES[profile_name], seed=0, progress=progress, sounds=SOUNDS[profile_name])


def from_soundbank(folder: str | Path, root: str | Path, sizes: Mapping[str, int], seed: int,
                   real: str | Path | None = None, jobs: int | None = None, progress: bool = True,
                   sounds: int = 0) -> str:
    """Make a data set from a folder of recordings (see `soundbank`).

    Parameters
    ----------
    folder : path
        Recordings for the synthetic clips and, without ``real``, for all.
    real : path, optional
        Recordings for the real clips.

    Other arguments and result as for `generate`. Synthetic, real training and real development or evaluation clips are
    made of different recordings, as far as there are enough; isolated sounds come from those of the synthetic clips.
    """
    if real is None:
        synthetic, training, evaluation = RecordedVoices(folder).split(SYNTHETIC, TRAINING, EVALUATION)
    else:
        synthetic, (training, evaluation) = RecordedVoices(folder), RecordedVoices(real).split(TRAINING, EVALUATION)
    real_clips = {"weak": training, "unlabel_in_domain": training, "validation": evaluation, "public": evaluation}
    makings = {"synthetic": Making("synthetic", synthetic, domains.SYNTHETIC)}
    makings |= {subset: Making(subset, source, domains.REAL) for subset, source in real_clips.items()}
    made_from = f"soundbank {synthetic.fingerprint}" + ("" if real is None else f", real {training.fingerprint}")
    summary = generate(root, makings, sizes, seed, made_from, jobs, progress, sounds)
    notes = dict.fromkeys(note for source in (synthetic, training, evaluation) for note in source.notes)
    return "\n".join([summary, *notes])


def generate(root: str | Path, makings: Mapping[str, Making], sizes: Mapping[str, int], seed: int, kind: str,
             jobs: int | None = None, progress: bool = True, sounds: int = 0) -> str:
    """Make a data set in DESED's layout, or finish one; clips and isolated sounds that are there already are kept.

    The strong labels of weak and unlabelled clips, which an honest training does not see, are kept aside: see
    `sedlib.data.layout.hidden_labels`.

    With more than one process a script must call this under ``if __name__ == "__main__":``, as always in Python: each process imports the script.

    Parameters
    ----------
    root : path
        Folder of the data set; made if it is not there.
    makings : mapping
        For each subset of ``sizes`` how its clips are made.
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
    sounds : int
        Isolated sounds of each class, put into `layout.SOUNDBANK`; 0 for none.

    Returns
    -------
    str
        What was made, for people.

    Raises
    ------
    SedError
        If ``root`` holds another data set, or ``sizes``, ``seed`` or ``sounds`` make no sense; if the processes can't begin, because a script calls
        this without ``if __name__ == "__main__":``, or one of them is killed.
    """
    root = Path(root)
    # A process of the pool that imports a script without this guard would wait for the folder, which is held by the one that waits for it.
    if getattr(multiprocessing.current_process(), "_inheriting", False):  # as multiprocessing itself asks before it starts a process
        sys.exit(1)  # the process that started it says why
    _check_request(sizes, seed, sounds)
    with _alone(root, progress):
        summary = _generate(root, makings, sizes, seed, kind, jobs, progress)
        if sounds:
            made = _generate_sounds(root, makings["synthetic"].source, sounds, seed, progress)
            summary += f", {made} isolated sounds"
        return summary


def _generate(root: Path, makings: Mapping[str, Making], sizes: Mapping[str, int], seed: int, kind: str,
              jobs: int | None, progress: bool) -> str:
    _claim(root, {"generator": VERSION, "kind": kind, "seed": seed}, sizes)
    made = {subset: _existing_labels(root, subset) for subset in sizes}
    todo = {subset: [i for i in range(size) if clip_name(subset, i) not in made[subset]]
            for subset, size in sizes.items()}
    tasks = [(root, subset, makings[subset], seed, indices[start : start + _BLOCK])
             for subset, indices in todo.items() for start in range(0, len(indices), _BLOCK)]
    for subset in sizes:
        (root / SUBSETS[subset].audio).mkdir(parents=True, exist_ok=True)

    clips = sum(map(len, todo.values()))
    jobs = jobs or (1 if clips < _FEW else joblib.cpu_count())
    with tqdm(total=clips, desc=f"make {root.name}", unit="clip", disable=not (progress and clips)) as bar:
        for subset, labels in _run(tasks, jobs):
            made[subset].update(labels)
            bar.update(len(labels))

    for subset, size in sizes.items():
        labels = {name: made[subset][name] for name in (clip_name(subset, i) for i in range(size))}
        tables.write(_strong_table(labels), truth_path(root, subset))
        if SUBSETS[subset].kind != STRONG:
            tables.write(_told(SUBSETS[subset].kind, labels), root / SUBSETS[subset].metadata)
        for part in _parts(root, subset):
            part.unlink()
    return f"{root}: " + ", ".join(f"{size} {subset}" for subset, size in sizes.items()) + " clips"


def clip_name(subset: str, index: int) -> str:
    """File name of a clip."""
    return f"{subset}_{index:06d}.wav"


def sound_counts(sounds: int) -> dict[str, int]:
    """How many isolated sounds of each kind there are with ``sounds`` of each class.

    Twice as many backgrounds and rooms: as every mixture has a background, they come round oftener than a class does.
    """
    return {what: sounds if what in tables.CLASSES else 2 * sounds for what in _SOUND_KINDS}


def sound_path(root: Path, what: str, index: int) -> Path:
    """Where an isolated sound of a data set lies."""
    return root / SOUNDBANK / ("foreground" if what in tables.CLASSES else "") / what / clip_name(what, index)


def _generate_sounds(root: Path, source: Source, sounds: int, seed: int, progress: bool) -> int:
    """Make the isolated sounds of a data set, or finish them; the description is written when all are there.

    In this process: it takes some 12 ms a sound.
    """
    path, counts = root / SOUNDBANK / "soundbank.json", sound_counts(sounds)
    identity = {"generator": SOUNDS_VERSION}  # seed and kind are the data set's
    if path.is_file():
        _refuse_other(path, identity, counts, "sounds", f"remove {path.parent} and have it made again")
    todo = [(what, index) for what, count in counts.items() for index in range(count)
            if not sound_path(root, what, index).is_file()]
    for what, index in tqdm(todo, desc=f"make {root.name}: soundbank", unit="sound", disable=not (progress and todo)):
        place = sound_path(root, what, index)
        place.parent.mkdir(parents=True, exist_ok=True)
        audio.write(place, make_sound(what, source, seed, index), sync=True)  # what is there counts as made
    _describe(path, identity, counts)
    return sum(counts.values())


def make_sound(what: str, source: Source, seed: int, index: int) -> np.ndarray:
    """Isolated sound ``index`` of a class, or a background, or a room response: a pure function of its arguments.

    Parameters
    ----------
    what : str
        One of `tables.CLASSES`, `soundbank.BACKGROUND` or `soundbank.RIR`.

    Returns
    -------
    (sample,) float32 array
        Peak 0.9, 16 kHz. Events are as long as those of the synthetic clips, but 10 s where any part of a sound will
        do (`soundbank.CONTINUOUS`), backgrounds are 10 s. A room response begins with its direct sound.
    """
    stream = _SOUND_STREAMS + _SOUND_KINDS.index(what)
    individual, length, chance = np.random.default_rng([seed, stream, index]).spawn(3)
    source = source.of_clip(individual)
    if what == BACKGROUND:
        sound = source.background(CLIP_S, chance)
    elif what == RIR:
        measured = _measured_room(source, chance)
        sound = domains.room_response(ROOMS, chance) if measured is None else measured[:SAMPLES]
    else:
        habit = HABITS["synthetic"][what]
        drawn = habit.median * np.exp(habit.sigma * length.standard_normal())
        sound = source.event(what, CLIP_S if what in CONTINUOUS else float(np.clip(drawn, SHORTEST_S, CLIP_S)), chance)
        # As in clips: what sounds for less has a label of this length all the same.
        sound = np.pad(sound, (0, max(0, round(SHORTEST_S * RATE) - len(sound))))
    return sound * np.float32(0.9) / max(np.abs(sound).max(), np.float32(1e-9))  # a background may be silent


def make_clip(subset: str, making: Making, seed: int, index: int) -> tuple[np.ndarray, list[tuple[float, float, str]]]:
    """Waveform and events of clip ``index`` of a subset: a pure function of its arguments. Shapes as `mix`."""
    plan, sound = np.random.default_rng([seed, list(SUBSETS).index(subset), index]).spawn(2)
    return mix(scenario(plan, making.scenes), making.source, making.recipe, sound)


Labels = dict[str, list[tuple[float, float, str]]]  # events by file name


def _make_block(root: Path, subset: str, making: Making, seed: int, indices: list[int]) -> tuple[str, Labels]:
    """Write some clips, then a part of the table with their labels: from then on they count as made."""
    labels = {}
    for index in indices:
        waveform, labels[clip_name(subset, index)] = make_clip(subset, making, seed, index)
        audio.write(root / SUBSETS[subset].audio / clip_name(subset, index), waveform)
    truth = truth_path(root, subset)
    tables.write(_strong_table(labels), truth.with_name(f"{truth.stem}.part{indices[0]:06d}.tsv"))
    return subset, labels


def _run(tasks: list[tuple], jobs: int) -> Iterator[tuple[str, Labels]]:
    """The blocks' results, in any order."""
    if jobs == 1:
        for task in tasks:
            yield _make_block(*task)
        return
    # Fresh processes ("spawn") behave alike on every system and inherit no lock of a thread of the notebook's.
    spawn = multiprocessing.get_context("spawn")
    begun = spawn.Event()
    with _one_thread_each(), ProcessPoolExecutor(jobs, mp_context=spawn, initializer=_begin, initargs=(begun,)) as pool:
        try:
            for future in as_completed([pool.submit(_make_block, *task) for task in tasks]):
                yield future.result()
        except BrokenProcessPool:
            raise SedError("a process that made clips was killed (out of memory?); call the same again: what is finished is kept"
                           if begun.is_set() else "no process could begin to make clips: each imports the script that runs, so a script must call this under "
                           "`if __name__ == \"__main__\":` (or with jobs=1)") from None
        finally:
            pool.shutdown(cancel_futures=True)


def _begin(begun: Begun) -> None:
    """Tell that this process could begin; and have it end when the one that started it was killed, instead of waiting for work for ever."""
    begun.set()

    def watch() -> None:
        multiprocessing.parent_process().join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def _alone(root: Path, progress: bool) -> Iterator[None]:
    """Hold the folder of a data set, so that no other process makes the same clips; it is made if it is not there."""
    if not root.is_file():  # which will be refused in a moment
        root.mkdir(parents=True, exist_ok=True)
    with locked(root, f"{root}: another process makes this data set; waiting for it ..." if progress else None):
        yield


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


def _told(kind: str, labels: Labels) -> pd.DataFrame:
    """The table of a weak or unlabelled subset, with no more in it than its kind of labels may tell."""
    if kind == WEAK:
        rows = [(name, ",".join(sorted({label for *_, label in events}))) for name, events in labels.items()]
        return pd.DataFrame(rows, columns=tables.WEAK_COLUMNS)
    return pd.DataFrame({"filename": list(labels)})


def _strong_table(labels: Labels) -> pd.DataFrame:
    """An event table; a clip without events is a row of NaN."""
    rows = [(name, *event) for name, events in labels.items() for event in events or [(np.nan, np.nan, np.nan)]]
    return pd.DataFrame(rows, columns=tables.EVENT_COLUMNS)


def _existing_labels(root: Path, subset: str) -> Labels:
    """Labels of the clips that an earlier call finished: listed in a table, with their audio complete."""
    truth = truth_path(root, subset)
    labels: Labels = {}
    for path in [*([truth] if truth.is_file() else []), *_parts(root, subset)]:
        table = tables.read_events(path)
        labels.update({name: [] for name in tables.filenames(table)})
        for event in tables.events(table).itertuples():
            labels[event.filename].append((event.onset, event.offset, event.event_label))
    size = 44 + 2 * SAMPLES  # WAV header and samples
    return {name: events for name, events in labels.items()
            if (clip := root / SUBSETS[subset].audio / name).is_file() and clip.stat().st_size == size}


def _parts(root: Path, subset: str) -> list[Path]:
    truth = truth_path(root, subset)
    return sorted(truth.parent.glob(f"{truth.stem}.part*.tsv"))


def _check_request(sizes: Mapping[str, int], seed: int, sounds: int) -> None:
    for subset, size in sizes.items():
        if subset not in SUBSETS:
            raise SedError(f"subset {subset!r} is not known; use {', '.join(SUBSETS)}")
        if size < 1:
            raise SedError(f"{size} clips of {subset!r}; ask for 1 or more, or leave the subset out")
    if not sizes:
        raise SedError(f"no subset asked for; give sizes for some of {', '.join(SUBSETS)}")
    if seed < 0:
        raise SedError(f"seed {seed}; use 0 or a positive number")
    if sounds < 0:
        raise SedError(f"{sounds} isolated sounds of each class; ask for 1 or more, or for 0 if none are needed")
    if sounds and "synthetic" not in sizes:
        raise SedError("isolated sounds asked for without synthetic clips, whose sounds they are; ask for both")


def _claim(root: Path, identity: dict, sizes: Mapping[str, int]) -> None:
    """Write ``dataset.json``; refuse a folder that holds something else."""
    path = root / "dataset.json"
    if path.is_file():
        _refuse_other(path, identity, sizes, "clips", "give another folder")
    elif root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise SedError(f"{root}: is not empty and holds no dataset.json of the generator; give an empty folder")
    root.mkdir(parents=True, exist_ok=True)
    _describe(path, identity, sizes)


def _refuse_other(path: Path, identity: dict, sizes: Mapping[str, int], things: str, fix: str) -> None:
    """Compare a description with what is asked for: the same, and no less of it."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        found_sizes = dict(found["sizes"])
    except (ValueError, TypeError, KeyError) as error:
        raise SedError(f"{path}: not a description of a data set ({error!r}); {fix}") from None
    for key, wanted in identity.items():
        if found.get(key) != wanted:
            raise SedError(f"{path}: {key} is {found.get(key)!r}, asked for {wanted!r}; {fix}")
    for name in found_sizes:
        if sizes.get(name, 0) < found_sizes[name]:
            raise SedError(f"{path}: is for {found_sizes[name]} {things} of {name!r}, asked for {sizes.get(name, 0)}; "
                           f"ask for at least as many, or {fix}")


def _describe(path: Path, identity: dict, sizes: Mapping[str, int]) -> None:
    """Write a description in one go."""
    with whole(path) as partial:
        partial.write_text(json.dumps({**identity, "sizes": dict(sizes)}, indent=1) + "\n", encoding="utf-8")
