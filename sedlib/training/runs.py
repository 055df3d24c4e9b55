"""Run folders: configuration, metrics, checkpoints and weights of one training, none of them ever half written.

``runs/PROFILE/DATA/SYSTEM/seedN/`` holds ``config.json``, ``versions.json``, ``metrics.csv`` (a row an epoch),
``progress.json``, ``checkpoint.pt`` and ``checkpoint-before.pt`` while it runs, and at the end ``weights.pt``,
posteriors, predictions and ``results.json``; ``diverged.json`` if it went wrong. Paper section 3; taught in
``notebooks/04_mean_teacher.py``.

What keeps it whole: every file gets its name when it is complete; a lock, which goes away with a process that is
killed, lets one process train; checksums tell a damaged checkpoint, and the one before it is used.
"""

from __future__ import annotations

import fcntl
import io
import json
import math
import operator
import platform
import time
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any

import pandas as pd
import torch

import sedlib
from sedlib.config import Config
from sedlib.data import layout
from sedlib.errors import SedError
from sedlib.files import PARTIAL, room_for, written
from sedlib.models import Detector

FORMAT = 3  # of checkpoints and weights; counts up when those of older code would not go on to the same result
CHECKPOINT, BEFORE = "checkpoint.pt", "checkpoint-before.pt"
CHECKPOINTS = (CHECKPOINT + PARTIAL, CHECKPOINT, BEFORE)  # newest first, where they are whole


class Run:
    """One training's folder.

    Parameters
    ----------
    folder : path
        Made when it is not there.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)

    @contextmanager
    def only_one(self) -> Iterator[None]:
        """Train here alone: `SedError` if another process does already.

        Processes forked inside share the lock; it is free again when all of them have ended.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "lock").open("a") as lock:
            if not _locked(lock, fcntl.LOCK_EX):
                time.sleep(0.1)  # the other one may only have looked at `state`
                if not _locked(lock, fcntl.LOCK_EX):
                    raise SedError(f"{self.folder}: another process trains in this folder; "
                                   "wait for it, or give another one")
            yield

    def start(self, config: Config, data: Path, seed: int) -> None:
        """Write configuration and versions, or make sure that the folder was started with the same ones.

        Other versions, threads or another device may change the last bits of the weights (on CUDA, any two runs differ in
        them): going on with these is allowed and warned about.

        Raises
        ------
        SedError
            If the folder was started with another configuration, data or seed, or its training diverged.
        """
        record = {"config": config.to_dict(), "data": data.resolve().name, "seed": seed,
                  "data_version": _fingerprint(data, config)}
        path = self.folder / "config.json"
        stopped = any((self.folder / name).exists() for name in CHECKPOINTS)
        if path.exists():
            different = _differences(read_json(path), record)
            if different:
                raise SedError(
                    f"{self.folder}: started with another configuration ({'; '.join(different[:3])}); "
                    "remove the folder to train anew, or give another one"
                )
        elif stopped or self.finished:
            raise SedError(f"{self.folder}: config.json is missing, so nobody knows what was trained here; "
                           "remove the folder to train anew, or give another one")
        if self.divergence is not None:
            raise SedError(self._why_diverged())
        if self.finished:
            return
        if stopped:
            self._warn_of_changes()
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        write_json(self.folder / "versions.json", _environment())
        write_json(path, record)

    def differences(self, config: Config, seed: int, data: Path | None = None) -> list[str]:
        """In what the folder's configuration and seed, and data where they are given, differ from these."""
        now = {"config": config.to_dict(), "seed": seed}
        if data is not None:
            now |= {"data": data.resolve().name, "data_version": _fingerprint(data, config)}
        found = read_json(self.folder / "config.json")
        with _reading(self.folder / "config.json"):
            return _differences({name: found[name] for name in now}, now)

    @property
    def config(self) -> Config:
        """The configuration that the run was started with."""
        path = self.folder / "config.json"
        if not path.is_file():
            raise SedError(f"{self.folder}: not a run folder (config.json is missing); "
                           "give a folder that `sedlib train` made")
        with _reading(path):
            return Config.from_dict(read_json(path)["config"], str(path))

    @property
    def finished(self) -> bool:
        """Whether the training ended well; its scores may still be missing."""
        return (self.folder / "weights.pt").exists() and not (self.folder / "diverged.json").exists()

    @property
    def state(self) -> str:
        """``diverged``, ``scored``, ``finished``, ``running`` (a process trains now) or ``stopped``."""
        if (self.folder / "diverged.json").exists():
            return "diverged"
        if self.finished:
            return "scored" if (self.folder / "results.json").exists() else "finished"
        return "running" if self._held() else "stopped"

    @property
    def results(self) -> dict[str, Any]:
        """``results.json``: the scores on the development and evaluation sets."""
        path = self.folder / "results.json"
        if not path.is_file():
            raise SedError(f"{self.folder}: the run has no results yet; `sedlib train` finishes it")
        return read_json(path)

    def results_of(self, decoding: str) -> dict[str, Any]:
        """`results` for ``median``, and what `score_hmm` wrote for forest, exact or robust."""
        if decoding == "median":
            return self.results
        path = self.folder / results_file(decoding)
        if not path.is_file():
            raise SedError(f"{self.folder}: not scored with HMMs by search {decoding!r} yet; `sedlib.training.score_hmm` does it")
        return read_json(path)

    @property
    def metrics(self) -> pd.DataFrame:
        """``metrics.csv``, a row an epoch; without rows before the first epoch's end."""
        path = self.folder / "metrics.csv"
        if not path.exists():
            return pd.DataFrame()
        with _reading(path):
            metrics = pd.read_csv(path)
            for column in metrics.select_dtypes(exclude="number"):
                raise ValueError(f"{column} is not a number in every row")
        return metrics

    def write_metrics(self, rows: list[dict[str, float]]) -> None:
        """Write all rows so far."""
        _replace(self.folder / "metrics.csv", lambda path: pd.DataFrame(rows).to_csv(path, index=False))

    def write_progress(self, step: int, steps: int) -> None:
        """Note how many of all steps are done, for `runs`; to be called with every checkpoint."""
        write_json(self.folder / "progress.json", {"step": step, "steps": steps})

    def save_checkpoint(self, state: dict[str, Any]) -> None:
        """Save tensors and plain values to go on from; the checkpoint before this one is kept.

        At every moment there is a whole checkpoint; the newest is ``checkpoint.pt.partial`` if that is whole (the
        process was killed before it was renamed), then ``checkpoint.pt``, then ``checkpoint-before.pt``.
        """
        newest = self.folder / CHECKPOINT
        partial = _written(newest, lambda path: _save(state, path))
        if newest.exists():
            newest.replace(self.folder / BEFORE)
        partial.replace(newest)

    def load_checkpoint(self) -> dict[str, Any] | None:
        """The newest whole checkpoint, None if there is no checkpoint; for the process that trains here.

        A damaged one is warned about and dropped, so that it never takes the place of the whole one before it.

        Raises
        ------
        SedError
            If there are checkpoints but none is whole, or it has another format.
        """
        damaged: list[str] = []
        for path in (self.folder / name for name in CHECKPOINTS):
            if not path.exists():
                continue
            try:
                state = _load(path)
            except _Damaged as error:
                if path.suffix != PARTIAL:  # that one is whole only if the process was killed just after it was written
                    damaged.append(str(error))
                continue
            for error in damaged:
                warnings.warn(f"{error}; the training goes on from the one before it, {path.name}", stacklevel=2)
            path.replace(self.folder / CHECKPOINT)
            return state
        if damaged:
            raise SedError(f"{'; '.join(damaged)}; no checkpoint is whole: remove them to train from the beginning")
        return None

    def remove_checkpoints(self) -> None:
        """Remove all checkpoints, which a finished training no longer needs."""
        for name in reversed(CHECKPOINTS):  # so that a kill leaves the newest
            (self.folder / name).unlink(missing_ok=True)

    def diverged(self, step: int, term: str, what: str) -> None:
        """Note at which step which term of the loss went wrong, and how; before the last good weights are saved.

        In this order a process that is killed in between leaves no run that looks finished.
        """
        write_json(self.folder / "diverged.json", {"step": step, "term": term, "what": what})

    @property
    def divergence(self) -> dict[str, Any] | None:
        """``step``, ``term`` and ``what`` happened in a training that diverged, None of another one."""
        path = self.folder / "diverged.json"
        return read_json(path) if path.exists() else None

    def save(self, name: str, state: dict[str, Any]) -> None:
        """Save tensors and plain values as ``name``."""
        _replace(self.folder / name, lambda path: _save(state, path))

    def load(self, name: str) -> dict[str, Any] | None:
        """What `save` saved, with its ``format`` and ``versions``; None if there is no such file.

        Raises
        ------
        SedError
            If a byte of it was changed or lost, or it has another format.
        """
        path = self.folder / name
        if not path.exists():
            return None
        try:
            return _load(path)
        except _Damaged as error:
            raise SedError(f"{error}; remove it and train again") from None

    def detector(self, which: str | None = None) -> Detector:
        """The trained detector, ready to detect: ``teacher`` or ``student`` of the epoch that was chosen, or ``last``, the student
        after the last step; of a diverged run, the last good ``teacher`` or ``student``. Default: ``config.training.tested``."""
        config = self.config
        which = which or config.training.tested
        weights = self.load("weights.pt")
        if weights is None:
            if self.divergence is not None:
                raise SedError(self._why_diverged())
            raise SedError(f"{self.folder}: the training has not finished (weights.pt is missing); "
                           "run `sedlib train` again to go on with it")
        if which not in weights:
            raise SedError(f"{self.folder}: weights.pt has no network {which!r}; a training that ends well keeps teacher, student "
                           "and last (an older version's kept no last: train again)")
        detector = Detector(config)
        detector.load_state_dict(weights[which])
        return detector.eval()

    def _why_diverged(self) -> str:
        with _reading(self.folder / "diverged.json"):
            return ("{folder}: the training diverged at step {step}: {what}. Train in another folder with a lower "
                    "learning_rate or another seed, or remove this one").format(folder=self.folder, **self.divergence)

    def _held(self) -> bool:
        """Whether a process holds the lock; asked with a lock that any number of askers can have at once."""
        try:
            with (self.folder / "lock").open() as lock:
                return not _locked(lock, fcntl.LOCK_SH)
        except FileNotFoundError:
            return False

    def _warn_of_changes(self) -> None:
        path, now = self.folder / "versions.json", _environment()
        with _reading(path):
            before = read_json(path)
            common = before.keys() & now.keys()  # older versions of sedlib noted less
            changed = _differences({name: before[name] for name in common}, {name: now[name] for name in common})
        if changed:
            warnings.warn(f"{self.folder}: goes on otherwise than it was started ({'; '.join(changed)}); "
                          "its weights may differ in their last bits from those of an uninterrupted run", stacklevel=3)


def results_file(decoding: str) -> str:
    """Name of the file with the scores by median filter, or by HMMs of a search."""
    return "results.json" if decoding == "median" else f"results-{decoding}.json"


def runs(folder: str | Path) -> pd.DataFrame:
    """All runs beneath a folder, a row each.

    Parameters
    ----------
    folder : path
        Every folder in it, at any depth, that has a ``config.json`` is a run.

    Returns
    -------
    DataFrame
        ``run`` (path below the folder), ``system profile data seed``, ``state`` (`Run.state`, or "damaged: " and why),
        ``step`` and ``steps`` (done; of the whole training, where that is known), ``validation_f1`` (the tested network's
        best so far), ``dev_f1 eval_f1 psds`` (fractions; PSDS of the development set), ``missing`` (development clips without audio, which
        are in no score) and ``minutes`` of training.

    Raises
    ------
    SedError
        If there is no such folder.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise SedError(f"{folder}: no such folder; give one that holds runs")
    rows = []
    for path in sorted(folder.rglob("config.json")):
        name = {"run": str(path.parent.relative_to(folder))}
        try:
            rows.append(name | _row(Run(path.parent)))
        except SedError as error:
            rows.append(name | {"state": f"damaged: {error}"})
    return pd.DataFrame(rows, columns=list(_COLUMNS)).astype(_COLUMNS)


_COLUMNS = {
    "run": object, "system": object, "profile": object, "data": object, "seed": "Int64", "state": object,
    "step": "Int64", "steps": "Int64", "validation_f1": float, "dev_f1": float, "eval_f1": float, "psds": float,
    "missing": "Int64", "minutes": float,
}


def table(found: pd.DataFrame) -> str:
    """What `runs` found, for people: scores in percent, and below the table what is damaged.

    What the runs' paths say already (``PROFILE/DATA/SYSTEM/seedN``) has no columns of its own.
    """
    unsaid = [
        name for name in ("system", "profile", "data", "seed")
        if not all({str(value), f"{name}{value}"} & set(Path(run).parts)
                   for run, value in found[["run", name]].dropna().itertuples(index=False))
    ]
    width = found["run"].str.len().max()
    columns = {
        "run": [run.ljust(width) for run in found["run"]],
        **{name: map(_shown, found[name]) for name in unsaid},
        "state": [state.partition(":")[0] for state in found["state"]],
        "step": [f"{_shown(step)}/{_shown(steps)}" for step, steps in zip(found["step"], found["steps"])],
        **{f"{name} F1 %": [_shown(100 * value, ".1f") for value in found[f"{name}_f1"]]
           for name in ("validation", "dev", "eval")},
        "PSDS": [_shown(value, ".3f") for value in found["psds"]],
        "minutes": [_shown(value, ".1f") for value in found["minutes"]],
    }
    damaged = [f"{run}: {state}" for run, state in zip(found["run"], found["state"]) if state.startswith("damaged")]
    missing = [f"{run}: {n} development clip{'s' if n > 1 else ''} without audio {'are' if n > 1 else 'is'} in no score"
               for run, n in zip(found["run"], found["missing"].fillna(0)) if n]
    return "\n".join([pd.DataFrame(columns).to_string(index=False), *missing, *damaged])


def _shown(value: Any, form: str = "") -> str:
    return "-" if pd.isna(value) else format(value, form)


def _row(run: Run) -> dict[str, Any]:
    """What `runs` tells of a run; `SedError` if a file of it is damaged."""
    row: dict[str, Any] = {"state": run.state}
    path = run.folder / "config.json"
    with _reading(path):
        record = read_json(path)
        config, training = record["config"], record["config"]["training"]
        row |= {name: str(config[name]) for name in ("system", "profile")}
        row |= {"data": str(record["data"]), "seed": _count(record["seed"]), "step": 0}
        tested = training.get("tested", "teacher")  # which before version 0.2 was the only choice
        if training["steps_per_epoch"]:  # else it depends on the data
            row["steps"] = _count(training["epochs"] * training["steps_per_epoch"])
    metrics = run.metrics
    with _reading(run.folder / "metrics.csv"):
        if len(metrics):
            row |= {"step": _count(metrics["step"].iloc[-1]), "minutes": metrics["seconds"].iloc[-1] / 60,
                    "validation_f1": metrics[f"validation_f1_{tested}"].max()}
    path = run.folder / "progress.json"
    with _reading(path):
        if path.exists():
            row |= {name: _count(read_json(path)[name]) for name in ("step", "steps")}
    if row["state"] == "scored":
        with _reading(run.folder / "results.json"):
            results = run.results
            row["dev_f1"] = _fraction(results["validation"]["event_f1"]["macro"])
            row["psds"] = _fraction(results["validation"]["psds"]["value"])
            row["missing"] = (results["validation"].get("clips", {}).get("missing") or {"clips": 0})["clips"]
            if "public" in results:
                row["eval_f1"] = _fraction(results["public"]["event_f1"]["macro"])
    return row


def _count(value: Any) -> int:
    number = operator.index(value)
    if not 0 <= number < 2**63:
        raise ValueError(f"{number} counts nothing")
    return number


def _fraction(value: float | None) -> float:
    """A score; NaN where there was nothing to score."""
    return math.nan if value is None else float(value)


def write_json(path: Path, values: Any) -> None:
    """Write JSON for people: indented, in one go."""
    _replace(path, lambda partial: partial.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8"))


def _replace(path: Path, write: Callable[[Path], Any]) -> None:
    _written(path, write).replace(path)


def _written(path: Path, write: Callable[[Path], Any]) -> Path:
    """The partial file beside ``path``, complete and on the disk; `SedError` if that is full."""
    partial = path.with_name(path.name + PARTIAL)
    with room_for(path, partial):
        write(partial)
        written(partial)
    return partial


def _save(state: dict[str, Any], path: Path) -> None:
    versions = {"sedlib": sedlib.__version__, "torch": str(torch.__version__)}
    # torch says nothing of why it cannot write a file, such as a full disk; what it writes to memory Python writes.
    content = io.BytesIO()
    torch.save({**state, "format": FORMAT, "versions": versions}, content)
    path.write_bytes(content.getbuffer())


class _Damaged(SedError):
    """A file that is not what was written."""


def _load(path: Path) -> dict[str, Any]:
    """What `_save` saved, whole and in this format."""
    try:
        with zipfile.ZipFile(path) as file:  # torch.load compares no checksums
            if name := file.testzip():
                raise zipfile.BadZipFile(f"{name} does not have its checksum")
            if any(entry.external_attr for entry in file.infolist()):  # outside of the checksums; torch.load then reads
                raise zipfile.BadZipFile("an entry pretends to be a folder")  # memory that nobody has written
        state = torch.load(path, map_location="cpu", weights_only=True)
        number = state.get("format", 1)
    except Exception as error:  # zipfile and torch raise anything from EOFError to UnpicklingError for a damaged file
        raise _Damaged(f"{path}: damaged or not written by sedlib ({_told(error)})") from None
    if number != FORMAT:
        by = " (written by sedlib {sedlib} with torch {torch})".format(**state["versions"]) if "versions" in state else ""
        raise SedError(f"{path}: has format {number}{by}; this sedlib ({sedlib.__version__}) reads format "
                       f"{FORMAT}: train anew in another folder, or remove this one")
    return state


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Name the file in the error, whatever reading a damaged one raises."""
    try:
        yield
    except SedError:
        raise
    except Exception as error:
        raise SedError(f"{path}: damaged ({_told(error)}); remove the folder and train again") from None


def _told(error: Exception) -> str:
    """Kind and first line of an error."""
    return f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"


def read_json(path: Path) -> Any:
    """JSON of a run's file; `SedError` that names it where it is damaged."""
    with _reading(path):
        return json.loads(path.read_text(encoding="utf-8"))


def _locked(file: IO, how: int) -> bool:
    """Take a lock (LOCK_EX or LOCK_SH) until the file is closed, unless it is taken."""
    try:
        fcntl.flock(file, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _environment() -> dict[str, Any]:
    """What the bits of a result depend on besides configuration, data and seed."""
    versions = {name: version(name) for name in ("torch", "torchaudio", "numpy", "librosa")}
    cuda = torch.cuda.is_available()
    return {
        "sedlib": sedlib.__version__, "python": platform.python_version(), **versions, "machine": platform.machine(),
        "device": torch.cuda.get_device_name() if cuda else f"CPU, {torch.backends.cpu.get_cpu_capability()}",
        "threads": torch.get_num_threads(),
    }


def _fingerprint(data: Path, config: Config) -> Any:
    """What identifies the data that a training reads.

    Of generated data, how they were made. Of anybody's recordings, for each subset the checksum of its table and the
    number and bytes of its clips, and these of isolated sounds: cheap, and blind to other sound in files of the same
    names and the same size.
    """
    path, t = data / "dataset.json", config.training
    isolated = {"soundbank": _soundbank_identity(data / layout.SOUNDBANK)} if config.augment.uses_soundbank else {}
    if path.exists():
        return read_json(path) | isolated
    subsets = {"weak": t.weak, "unlabel_in_domain": t.unlabelled, t.strong_from: t.strong}
    return {subset: _identity(data, subset) for subset, clips in subsets.items() if clips} | isolated


def _soundbank_identity(folder: Path) -> Any:
    """As `_fingerprint`, of the isolated sounds that dynamic mixing takes."""
    path = folder / "soundbank.json"
    if path.exists():
        return read_json(path)
    sizes = [file.stat().st_size for file in folder.rglob("*") if file.is_file()]
    return {"files": len(sizes), "bytes": sum(sizes)}


def _identity(data: Path, subset: str) -> dict[str, int]:
    loaded = layout.load(data, subset)
    paths = [loaded.audio_dir / name for name in loaded.filenames]
    sizes = [path.stat().st_size for path in paths if path.exists()]
    checksum = zlib.crc32((data / layout.SUBSETS[subset].metadata).read_bytes())
    return {"table_crc32": checksum, "clips": len(sizes), "bytes": sum(sizes)}


class _Missing:
    """What stands for a name that is not there: no value, not even None, is the same."""

    def __repr__(self) -> str:
        return "missing"


def _differences(old: Any, new: Any, name: str = "") -> list[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        return [d for key in sorted({*old, *new}) for d in _differences(
            old.get(key, _Missing()), new.get(key, _Missing()), f"{name}.{key}".strip("."))]
    return [] if old == new else [f"{name} was {old!r}, is {new!r}"]
