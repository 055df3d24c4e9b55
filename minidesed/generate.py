"""The generator: clips and isolated sounds -> a data set in DESED's layout, on all cores.

Neither the number of processes nor a resume nor a larger data set changes a byte of existing files (`soundscapes` says
why). As in DESED, the synthetic clips are mixed from the isolated sounds stored beside them; dynamic mixing makes new
clips of the same sounds. Paper sections 2 and 3.2; taught in ``notebooks/01_data.py``.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from minidesed import domains, workers
from minidesed.recordings import EVALUATION, TRAINING, IsolatedSounds, RecordedVoices
from minidesed.soundscapes import SOUND_KINDS, Labels, Source, SubsetRecipe, make_clip, make_sound, mini_recipe
from sedlib.config import SAMPLES
from sedlib.data import audio, tables
from sedlib.data.layout import SOUNDBANK, STRONG, SUBSETS, SYNTHETIC, WEAK, truth_path
from sedlib.errors import SedError
from sedlib.files import locked, write_output

# Clips that a profile's MiniDESED holds; the paper's are DESED's own counts (section 2).
SIZES: dict[str, dict[str, int]] = {
    "paper": {"synthetic": 2584, "weak": 1578, "unlabel_in_domain": 14412, "validation": 1168, "public": 692},
    "lesson": {"synthetic": 2000, "weak": 1000, "unlabel_in_domain": 2000, "validation": 1168, "public": 692},
    "smoke": {"synthetic": 40, "weak": 16, "unlabel_in_domain": 16, "validation": 16, "public": 8},
}

# Isolated sounds of each class in a profile's MiniDESED; DESED's soundbank has about as many as "paper".
SOUNDS: dict[str, int] = {"paper": 100, "lesson": 40, "smoke": 4}

VERSION = 4  # increases when the same seed gives other sounds or clips
_BLOCK = 16  # clips a process makes before it writes their labels down
_FEW = 64  # so many clips are made before further processes have started


def mini(root: str | Path, sizes: Mapping[str, int], seed: int, without: Collection[str] = (), **options: Any) -> str:
    """Make MiniDESED, the embedded data set, from procedural voices.

    Parameters
    ----------
    without : collection of str
        Names from `domains.INGREDIENTS`: in these respects the real clips are made like the synthetic ones.
    root, sizes, seed, **options
        As for `generate`, with its result and errors.
    """
    kind = "mini" + (f" without {', '.join(sorted(without))}" if without else "")
    recipes = {subset: mini_recipe(subset, without) for subset in SUBSETS}
    return generate(root, recipes, sizes, seed, kind, **options)


def of_profile(root: str | Path, profile_name: str, progress: bool = True) -> None:
    """Make MiniDESED in the size of a profile, seed 0: the entry point ``mini`` of group "sedlib.datasets"."""
    mini(root, SIZES[profile_name], 0, progress=progress, sounds=SOUNDS[profile_name])


def from_soundbank(
    folder: str | Path,
    root: str | Path,
    sizes: Mapping[str, int],
    seed: int,
    real: str | Path | None = None,
    **options: Any,
) -> str:
    """Make a data set from a folder of recordings (see `sedlib.data.soundbank`).

    Synthetic, real training and real development or evaluation clips are made of different recordings, as far as there
    are enough; isolated sounds come from those of the synthetic clips.

    Parameters
    ----------
    folder : path
        Recordings for the synthetic clips and, without ``real``, for all.
    real : path, optional
        Recordings for the real clips.
    root, sizes, seed, **options
        As for `generate`, with its result and errors.
    """
    if real is None:
        synthetic, training, evaluation = RecordedVoices(folder).split(SYNTHETIC, TRAINING, EVALUATION)
    else:
        synthetic, (training, evaluation) = RecordedVoices(folder), RecordedVoices(real).split(TRAINING, EVALUATION)
    real_clips = {"weak": training, "unlabel_in_domain": training, "validation": evaluation, "public": evaluation}
    recipes = {"synthetic": SubsetRecipe("synthetic", synthetic, domains.SYNTHETIC)}
    recipes |= {subset: SubsetRecipe(subset, source, domains.REAL) for subset, source in real_clips.items()}
    made_from = f"soundbank {synthetic.fingerprint}" + ("" if real is None else f", real {training.fingerprint}")
    summary = generate(root, recipes, sizes, seed, made_from, **options)
    notes = dict.fromkeys(note for source in (synthetic, training, evaluation) for note in source.notes)
    return "\n".join([summary, *notes])


def generate(
    root: str | Path,
    recipes: Mapping[str, SubsetRecipe],
    sizes: Mapping[str, int],
    seed: int,
    kind: str,
    jobs: int | None = None,
    progress: bool = True,
    sounds: int = SOUNDS["smoke"],
) -> str:
    """Make a data set in DESED's layout, or finish one; clips and isolated sounds that are there already are kept.

    The strong labels of weak and unlabelled clips, which an honest training does not see, are kept aside
    (`sedlib.data.layout.hidden_labels`). With more than one process a script must call this under
    ``if __name__ == "__main__":``, because each process imports the script.

    Parameters
    ----------
    root : path
        Folder of the data set; made if it is not there.
    recipes : mapping
        How the clips of each subset are made.
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
        Isolated sounds of each class, put into `layout.SOUNDBANK` and mixed into the synthetic clips.

    Returns
    -------
    str
        A summary of the data set.

    Raises
    ------
    SedError
        If ``root`` holds another data set, or ``sizes``, ``seed`` or ``sounds`` make no sense; as `workers.run`.
    """
    root = Path(root)
    workers.exit_while_importing()
    _check_request(sizes, seed, sounds)
    if not root.is_file():  # which will be refused in a moment
        root.mkdir(parents=True, exist_ok=True)
    with locked(root, f"{root}: another process is making this data set; waiting for it ..." if progress else None):
        _claim(root, {"generator": VERSION, "kind": kind, "seed": seed, "sounds": sounds}, sizes)
        counts = sound_counts(sounds) if "synthetic" in sizes else {}
        if counts:
            _make_sounds(root / SOUNDBANK, recipes["synthetic"].source, counts, seed, progress)
            mixed = recipes["synthetic"]._replace(source=IsolatedSounds(root / SOUNDBANK))
            recipes = {**recipes, "synthetic": mixed}
        _make_clips(root, recipes, sizes, seed, jobs, progress)
    summary = f"{root}: " + ", ".join(f"{size} {subset}" for subset, size in sizes.items()) + " clips"
    return summary + (f", {sum(counts.values())} isolated sounds" if counts else "")


_ClipLabels = dict[str, Labels]  # by file name


def _make_clips(
    root: Path,
    recipes: Mapping[str, SubsetRecipe],
    sizes: Mapping[str, int],
    seed: int,
    jobs: int | None,
    progress: bool,
) -> None:
    made = {subset: _existing_labels(root, subset) for subset in sizes}
    tasks, clips = [], 0
    for subset, size in sizes.items():
        todo = [index for index in range(size) if clip_name(subset, index) not in made[subset]]
        blocks = [todo[start : start + _BLOCK] for start in range(0, len(todo), _BLOCK)]
        tasks += [(root, subset, recipes[subset], seed, indices) for indices in blocks]
        clips += len(todo)
        (root / SUBSETS[subset].audio).mkdir(parents=True, exist_ok=True)

    jobs = jobs or (1 if clips < _FEW else joblib.cpu_count())
    with tqdm(total=clips, desc=f"make {root.name}", unit="clip", disable=not (progress and clips)) as bar:
        for subset, labels in workers.run(_make_block, tasks, jobs):
            made[subset].update(labels)
            bar.update(len(labels))

    for subset, size in sizes.items():
        labels = {name: made[subset][name] for name in (clip_name(subset, i) for i in range(size))}
        _write_table(_strong_table(labels), truth_path(root, subset))
        if SUBSETS[subset].kind != STRONG:
            _write_table(_weaker_table(SUBSETS[subset].kind, labels), root / SUBSETS[subset].metadata)
        for part in _parts(root, subset):
            part.unlink()


def _write_table(table: pd.DataFrame, path: Path) -> None:
    """Write a table that is not there yet: what is complete may be shared, read-only."""
    with tempfile.TemporaryDirectory() as folder:
        new = Path(folder) / path.name
        tables.write(table, new)
        if path.is_file() and path.read_bytes() == new.read_bytes():
            return
    tables.write(table, path)


def _make_block(root: Path, subset: str, how: SubsetRecipe, seed: int, indices: list[int]) -> tuple[str, _ClipLabels]:
    """Write some clips, then a part of the table with their labels: from then on they count as made."""
    labels = {}
    for index in indices:
        waveform, labels[clip_name(subset, index)] = make_clip(subset, how, seed, index)
        audio.write(root / SUBSETS[subset].audio / clip_name(subset, index), waveform)
    truth = truth_path(root, subset)
    tables.write(_strong_table(labels), truth.with_name(f"{truth.stem}.part{indices[0]:06d}.tsv"))
    return subset, labels


def clip_name(subset: str, index: int) -> str:
    """Return the file name of a clip."""
    return f"{subset}_{index:06d}.wav"


def sound_counts(sounds: int) -> dict[str, int]:
    """Return how many isolated sounds of each kind there are with ``sounds`` of each class.

    Twice as many backgrounds and rooms: as every mixture has a background, they recur more often than a class.
    """
    return {what: sounds if what in tables.CLASSES else 2 * sounds for what in SOUND_KINDS}


def _make_sounds(bank: Path, source: Source, counts: dict[str, int], seed: int, progress: bool) -> None:
    """Make the isolated sounds, or finish them, in this process (12 ms a sound)."""
    todo = []
    for what, count in counts.items():
        folder = bank / ("foreground" if what in tables.CLASSES else "") / what
        folder.mkdir(parents=True, exist_ok=True)
        places = [(folder / clip_name(what, index), what, index) for index in range(count)]
        todo += [of_sound for of_sound in places if not of_sound[0].is_file()]
    bar = {"desc": f"make {bank.parents[2].name}: soundbank", "unit": "sound", "disable": not (progress and todo)}
    for place, what, index in tqdm(todo, **bar):
        audio.write(place, make_sound(what, source, seed, index), sync=True)  # what is there counts as made


def _weaker_table(kind: str, labels: _ClipLabels) -> pd.DataFrame:
    """Return the table of a weak or unlabelled subset."""
    if kind == WEAK:
        rows = [(name, ",".join(sorted({label for *_, label in events}))) for name, events in labels.items()]
        return pd.DataFrame(rows, columns=tables.WEAK_COLUMNS)
    return pd.DataFrame({"filename": list(labels)})


def _strong_table(labels: _ClipLabels) -> pd.DataFrame:
    """Return an event table; a clip without events is a row of NaN."""
    rows = [(name, *event) for name, events in labels.items() for event in events or [(np.nan, np.nan, np.nan)]]
    return pd.DataFrame(rows, columns=tables.EVENT_COLUMNS)


def _existing_labels(root: Path, subset: str) -> _ClipLabels:
    """Read labels of the clips that an earlier call finished: listed in a table, with their audio complete."""
    truth = truth_path(root, subset)
    labels: _ClipLabels = {}
    for path in [*([truth] if truth.is_file() else []), *_parts(root, subset)]:
        table = tables.read_events(path)
        labels.update({name: [] for name in tables.filenames(table)})
        for event in tables.events(table).itertuples():
            labels[event.filename].append((event.onset, event.offset, event.event_label))
    folder, size = root / SUBSETS[subset].audio, 44 + 2 * SAMPLES  # WAV header and samples
    complete = {name for name in labels if (folder / name).is_file() and (folder / name).stat().st_size == size}
    return {name: events for name, events in labels.items() if name in complete}


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
    if sounds < 1:
        raise SedError(f"{sounds} isolated sounds of each class; ask for 1 or more")


def _claim(root: Path, identity: dict, sizes: Mapping[str, int]) -> None:
    """Write ``dataset.json``; refuse a folder that holds something else."""
    path = root / "dataset.json"
    if path.is_file():
        _refuse_other(path, identity, sizes)
    elif root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise SedError(f"{root}: is not empty and has no dataset.json from the generator; give an empty folder")
    text = json.dumps({**identity, "sizes": dict(sizes)}, indent=1) + "\n"
    if not path.is_file() or path.read_text(encoding="utf-8") != text:  # what is complete may be shared, read-only
        write_output(path, text)


def _refuse_other(path: Path, identity: dict, sizes: Mapping[str, int]) -> None:
    """Refuse a data set whose description has another identity, or more clips than asked for."""
    fix = "give another folder"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        found_sizes = dict(found["sizes"])
    except (ValueError, TypeError, KeyError) as error:
        raise SedError(f"{path}: not a description of a data set ({error!r}); {fix}") from None
    for key, wanted in identity.items():
        if found.get(key) != wanted:
            raise SedError(f"{path}: {key} is {found.get(key)!r}, asked for {wanted!r}; {fix}")
    for name, there in found_sizes.items():
        if sizes.get(name, 0) < there:
            asked = f"is for {there} clips of {name!r}, asked for {sizes.get(name, 0)}"
            raise SedError(f"{path}: {asked}; ask for at least as many, or {fix}")
