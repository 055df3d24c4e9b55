"""Several trainings as one system: the average of their posteriors.

Paper section 4.3: "To obtain emission probabilities we simply averaged the outputs of the different models". Taught in
``notebooks/07_paper_ledger.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sedlib.config import Config
from sedlib.decode import Posteriors
from sedlib.decode.posteriors import average
from sedlib.errors import SedError
from sedlib.systems import ENSEMBLES
from sedlib.training.runs import Run
from sedlib.workspace import run_folder


class Ensemble(Run):
    """Scored like a run, but nothing is trained in its folder.

    Parameters
    ----------
    folder : path
        Of its posteriors, events and scores.
    members : sequence of Run
    """

    def __init__(self, folder: str | Path, members: Sequence[Run]) -> None:
        super().__init__(folder)
        self.members = list(members)

    @property
    def finished(self) -> bool:
        """Whether all members are."""
        return all(member.finished for member in self.members)

    @property
    def config(self) -> Config:
        """The first member's."""
        return self.members[0].config

    def average(self, subset: str) -> Posteriors:
        """The mean of the members' posteriors of a subset.

        Raises
        ------
        SedError
            If a member has not stored its posteriors, or they are of other clips, classes or frames.
        """
        paths = [member.folder / f"{subset}.npz" for member in self.members]
        missing = [path for path in paths if not path.exists()]
        if missing:
            raise SedError(
                f"{missing[0]}: missing, and an ensemble averages those of all its members; score that run first"
            )
        return average([Posteriors.load(path) for path in paths])


def run_of(profile_name: str, data: Path, system: str, seed: int) -> Run:
    """The run of a system in the workspace; for an ensemble with its members, whose seeds lie above its own."""
    folder = run_folder(profile_name, data, system, seed)
    if system not in ENSEMBLES:
        return Run(folder)
    return Ensemble(folder, [run_of(profile_name, data, member, seed + above) for member, above in ENSEMBLES[system]])
