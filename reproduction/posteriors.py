"""Posteriors of finished trainings as small portable files, ``figures/posteriors/SYSTEM-seedN.zip``.

They suffice for ledger, decoders, ensembles and lessons 06 and 07, without a training: ``sedlib reproduce
--from-published``. ``python -m reproduction.posteriors`` packs those of the workspace, in whole percent, so scores are
not quite those of the trainings. Paper section 4; the ledger is ``notebooks/07_paper_ledger.py``'s.
"""

from __future__ import annotations

import io
import json
import lzma
import zipfile
from pathlib import Path
from typing import Any

import click
import numpy as np

from reproduction import shipped
from reproduction.plan import LEDGER_LESSON, Plan
from sedlib.decode import Posteriors
from sedlib.errors import SedError
from sedlib.files import whole, write_json, write_output
from sedlib.training import Run
from sedlib.training.runs import WITHOUT_WEIGHTS
from sedlib.training.scoring import SUBSETS

FOLDER = shipped("figures") / "posteriors"
RECORDS = "config.json", "versions.json", "metrics.csv"
_LARGEST = 2**26  # bytes of a member; the evaluation set of DESED has a hundredth


def file_of(system: str, seed: int) -> Path:
    """Return the published file of a training."""
    return FOLDER / f"{system}-seed{seed}.zip"


def pack(run: Run, path: Path) -> None:
    """Write a training's records and its posteriors in whole percent."""
    members = {name: (run.folder / name).read_bytes() for name in RECORDS}
    for subset in SUBSETS:
        if (run.folder / f"{subset}.npz").exists():
            found = Posteriors.load(run.folder / f"{subset}.npz")
            scale = 1 if found.scores.dtype == np.uint8 else 100
            percent, array = np.rint(scale * found.scores).astype(np.uint8), io.BytesIO()
            np.save(array, np.ascontiguousarray(percent.transpose(2, 0, 1)))  # frames last: they are alike
            about = {"filenames": found.filenames, "classes": found.classes, "frame_s": found.frame_s}
            members |= {f"{subset}.json": json.dumps(about).encode(), f"{subset}.npy": array.getvalue()}
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole(path) as partial, zipfile.ZipFile(partial, "w", zipfile.ZIP_LZMA) as file:
        for name, content in members.items():
            file.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_LZMA)  # the same bytes whenever it is written


def unpack(path: Path, folder: Path) -> None:
    """Make the folder of a training that is scored like any other and has no weights; one that has them stays.

    Raises
    ------
    SedError
        If the file is missing, damaged, or something else.
    """
    run = Run(folder)
    if run.finished:
        return
    if not path.is_file():
        raise SedError(f"{path}: missing; without --from-published it is trained")
    try:
        with zipfile.ZipFile(path) as file:
            if too_large := [entry.filename for entry in file.infolist() if entry.file_size > _LARGEST]:
                raise ValueError(f"{too_large[0]} is too large")
            members = {name: file.read(name) for name in file.namelist()}
        found = {subset: _posteriors(members, subset) for subset in SUBSETS if f"{subset}.npy" in members}
        records = {name: members[name].decode() for name in RECORDS}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, lzma.LZMAError) as error:
        raise SedError(f"{path}: damaged, or no published posteriors ({error}); get it again") from None
    folder.mkdir(parents=True, exist_ok=True)
    for subset, scores in found.items():
        scores.save(folder / f"{subset}.npz")
    for name, text in records.items():
        write_output(folder / name, text)
    write_json(folder / WITHOUT_WEIGHTS, {"from": path.name})
    (folder / "trained").touch()


def _posteriors(members: dict[str, bytes], subset: str) -> Posteriors:
    about: dict[str, Any] = json.loads(members[f"{subset}.json"])
    percent = np.load(io.BytesIO(members[f"{subset}.npy"]), allow_pickle=False).transpose(1, 2, 0)
    return Posteriors(percent, about["filenames"], tuple(about["classes"]), about["frame_s"])


@click.command()
@click.option("--seeds", default=3, show_default=True, type=click.IntRange(1))
def main(seeds: int) -> None:
    """Pack the posteriors of the workspace's finished trainings in profile lesson as figures/posteriors/.

    What is published and is not in the workspace stays, so a study can be finished on several machines.
    """
    plan = Plan("lesson", "mini", tuple(range(seeds)), chosen=(LEDGER_LESSON,))
    packed = 0
    for system, seed in plan.trainings():
        run = Run(plan.folder(system, seed))
        if run.finished:
            pack(run, file_of(system, seed))
            packed += 1
    size = sum(path.stat().st_size for path in FOLDER.glob("*.zip"))
    click.echo(f"{FOLDER}: {packed} trainings packed, {len(list(FOLDER.glob('*.zip')))} there, {size / 1e6:.1f} MB")
    if lacking := [f"{system}-seed{seed}" for system, seed in plan.trainings() if not file_of(system, seed).is_file()]:
        click.echo(f"Not trained yet: {', '.join(lacking)}; `sedlib reproduce --seeds {seeds}` trains all")


if __name__ == "__main__":
    main()
