"""The plan of a batch: its rows, trainings, scores and lessons, their files, and how long they take."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, unquote

from reproduction.claims import CLAIMS
from reproduction.intervals import FEWEST
from reproduction.lessons import find, lessons
from reproduction.rows import ROWS, Row
from sedlib.config import profile
from sedlib.errors import SedError
from sedlib.systems import ENSEMBLES, configuration
from sedlib.workspace import run_folder, workspace

TABLES = (1, 2, 3)
_COMPARED = {name for claim in CLAIMS for name in (claim.first, claim.second) if name}
OF_CLAIMS = sorted(_COMPARED - {row.key for row in ROWS})  # systems that sentences of the paper compare
BESIDE = "robust", "median-robust", "hsmm-robust", "boxes-robust"  # not the paper's
LEDGER_LESSON = "07_paper_ledger"  # which reads what all others were run for
WITHOUT_WEIGHTS = "06_hmm", LEDGER_LESSON  # lessons that posteriors are enough for
_FLAGS = {"mixing": 1, "partial": 0, "published": 0}
# What a training reads, and what is scored.
TRAINED_ON, SCORED_ON = ("synthetic", "weak", "unlabel_in_domain"), ("validation", "public")
# Trainings whose runs a lesson shows; where they are missing it trains them itself.
LESSON_RUNS = {
    "02_augmentation": ("baseline",),
    "03_pcen": ("ppcen_logmel",),
    "04_mean_teacher": ("baseline",),
    "05_domain_adversarial": ("dat", "baseline"),
    "06_hmm": ("baseline",),
    "08_your_own_sounds": ("baseline",),
}
# Seconds of one core that jobs of profile lesson take, about; once some are done, only their proportions count.
SECONDS = {"data": 260, "store": 8, "score": 40, "ledger": 30, "lesson": 60, "report": 12}
FOREST_SECONDS, TRAINING_SECONDS, MIXED_TRAINING_SECONDS = 90, 580, 1090
LESSON_SECONDS = {"01_data": 65, "02_augmentation": 140, "03_pcen": 94, "05_domain_adversarial": 170, "06_hmm": 160}
LESSON_SECONDS |= {"08_your_own_sounds": 150}


class Job(NamedTuple):
    """A job of the batch, for progress: done when its file is there."""

    kind: str
    name: str
    done: Path
    seconds: float


class Plan(NamedTuple):
    """What is to be reproduced; all paths are relative to the workspace."""

    profile: str
    data: str
    seeds: tuple[int, ...]
    tables: tuple[int, ...] = TABLES
    mixing: bool = True  # also the rows with dynamic mixing and augmentation, whose trainings take longest
    partial: bool = False  # make ledger and report of what is there, because something failed
    chosen: tuple[str, ...] = ()  # lessons that are executed, and the ledger's; none: all
    published: bool = False  # from published posteriors (`reproduction.posteriors`) instead of trainings

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Plan:
        """Read a plan from text, as snakemake's ``--config`` and `reproduction.jobs` have it; inverse of `config`."""
        try:
            seeds, tables = (
                tuple(int(part) for part in str(config.get(name, default)).split(","))
                for name, default in (("seeds", "0"), ("tables", "1,2,3"))
            )
        except ValueError as error:
            raise SedError(f"seeds and tables are whole numbers with commas between them ({error})") from None
        data = unquote(str(config.get("data", "mini")))
        flags = {name: bool(int(config.get(name, default))) for name, default in _FLAGS.items()}
        chosen = tuple(filter(None, str(config.get("chosen", "")).split(",")))
        return cls(str(config.get("profile", "lesson")), data, seeds, tables, chosen=chosen, **flags).checked()

    def checked(self) -> Plan:
        """Return itself, with the absolute path of its data.

        Raises
        ------
        SedError
            For an unknown profile, table or seed, or a data folder that is not there.
        """
        profile(self.profile)
        for table in set(self.tables) - set(TABLES):
            raise SedError(f"table {table} does not exist; the paper has tables 1, 2 and 3")
        if not self.seeds or min(self.seeds) < 0 or len(set(self.seeds)) < len(self.seeds):
            raise SedError(f"seeds {', '.join(map(str, self.seeds))}: give different numbers, 0 or more")
        if self.data == "mini":
            return self
        if not Path(self.data).expanduser().is_dir():
            fix = "give a DESED-layout folder, or 'mini' for the embedded data set"
            raise SedError(f"data {self.data!r}: no such folder; {fix}")
        if set("{}") & set(self.root.name):
            what = "snakemake gives braces in a folder's name another meaning"
            raise SedError(f"data {self.data!r}: {what}; rename it, or give a link to it")
        return self._replace(data=str(self.root))  # jobs run in another folder

    def config(self) -> dict[str, str]:
        """Return plain text, without characters that snakemake or a shell interprets; inverse of `of`."""
        seeds, tables = (",".join(map(str, numbers)) for numbers in (self.seeds, self.tables))
        flags = {name: str(int(getattr(self, name))) for name in _FLAGS}
        text = {"profile": self.profile, "data": quote(self.data), "seeds": seeds, "tables": tables, **flags}
        return text | ({"chosen": ",".join(self.chosen)} if self.chosen else {})

    def options(self) -> str:
        """Return the same as options of `reproduction.jobs`."""
        return " ".join(f"--{name} {shlex.quote(value)}" for name, value in self.config().items())

    @property
    def root(self) -> Path:
        """The data set's folder, which may not be made yet."""
        mini = workspace() / "data" / f"mini-{self.profile}"
        return (mini if self.data == "mini" else Path(self.data).expanduser()).resolve()

    @property
    def runs(self) -> str:
        """The folder of the runs."""
        return f"runs/{self.profile}/{self.root.name}"

    @property
    def stores(self) -> str:
        """The folder of the stores' marks."""
        return f"{self.runs}/stores"

    @property
    def data_made(self) -> str:
        """The mark of finished data."""
        return f"{self.runs}/data.made"

    def folder(self, system: str, seed: int) -> Path:
        """Return the folder of a run."""
        return run_folder(self.profile, self.root, system, seed)

    def rows(self) -> list[Row]:
        """Return the paper's rows in the tables asked for, with or without those that mix."""
        return [row for row in ROWS if row.table in self.tables and (self.mixing or not row.mixes)]

    def systems(self) -> list[str]:
        """Return the systems that these rows score, and `OF_CLAIMS` once all tables have trainings for verdicts."""
        found = dict.fromkeys(row.system for row in self.rows())
        if set(self.tables) == set(TABLES) and len(self.seeds) >= FEWEST:
            of_claims = {name: configuration(name, self.profile).augment.mixing for name in OF_CLAIMS}
            found |= dict.fromkeys(name for name, mixes in of_claims.items() if self.mixing or not mixes)
        return list(found)

    def decodings(self, system: str) -> list[str]:
        """Return how a system is decoded besides the median filter: as its rows ask, and in `BESIDE` for comparison."""
        found = dict.fromkeys(row.decoding for row in self.rows() if row.system == system)
        asked = [decoding for decoding in found if decoding != "median"]
        return [*asked, *BESIDE] if asked else []

    def scored(self) -> list[tuple[str, int]]:
        """Return system and seed of everything that is scored."""
        return [(system, seed) for system in self.systems() for seed in self.seeds]

    def members(self, system: str, seed: int) -> list[tuple[str, int]]:
        """Return the trainings behind a system: itself, or those that an ensemble averages."""
        return [(member, seed + above) for member, above in ENSEMBLES.get(system, ((system, 0),))]

    def trainings(self) -> list[tuple[str, int]]:
        """Return system and seed of all trainings, the rows' and the lessons', the longest first."""
        found = dict.fromkeys(member for scored in self.scored() for member in self.members(*scored))
        shown = (system for lesson in self.lessons() for system in LESSON_RUNS.get(lesson, ()))
        found |= dict.fromkeys((system, self.seeds[0]) for system in shown)
        return sorted(found, key=lambda one: -seconds_of(one[0]))

    def lessons(self) -> list[str]:
        """Return the lessons to execute: all, the chosen, or those that need no weights; none for some tables only."""
        names = [path.stem for path in lessons() if not self.published or path.stem in WITHOUT_WEIGHTS]
        names = [name for name in names if not self.chosen or name in (*self.chosen, LEDGER_LESSON)]
        return names if set(self.tables) == set(TABLES) else []

    def made_stores(self) -> list[str]:
        """Return the marks of all stores."""
        return [f"{self.stores}/{subset}.made" for subset in TRAINED_ON + SCORED_ON]

    def scores_need(self, system: str, seed: int) -> list[str]:
        """Return what scoring a system needs."""
        return [f"{self.runs}/{member}/seed{of}/trained" for member, of in self.members(system, seed)]

    def scored_files(self) -> list[str]:
        """Return the marks of all scores."""
        return self._there(f"{self.runs}/{system}/seed{seed}/scored" for system, seed in self.scored())

    def lesson_needs(self, lesson: str) -> list[str]:
        """Return what a lesson needs."""
        source = str(find(lesson))  # a changed lesson is executed again
        if lesson == LEDGER_LESSON:
            return [source, "report/ledger.json"]
        needed = [f"{self.runs}/{system}/seed{self.seeds[0]}/trained" for system in LESSON_RUNS.get(lesson, ())]
        return [source, *self._there(needed or self.made_stores())]

    def lesson_files(self) -> list[str]:
        """Return the executed lessons."""
        return self._there(f"report/lessons/{lesson}.ipynb" for lesson in self.lessons())

    def target(self) -> str:
        """Return the report's first page."""
        return "report/index.html"

    def _there(self, files: Iterable[str]) -> list[str]:
        """All files; of a partial reproduction those that exist."""
        return [file for file in files if not self.partial or (workspace() / file).exists() or LEDGER_LESSON in file]

    def jobs(self) -> list[Job]:
        """Return every job of the graph, for progress."""
        made: list[tuple[str, str, str, float]] = []
        made += [("data", "data", self.data_made, SECONDS["data"])] if self.data == "mini" else []
        needed = [] if self.published else self.made_stores()
        made += [("store", f"store-{Path(file).stem}", file, SECONDS["store"]) for file in needed]
        for system, seed in self.trainings():
            file = f"{self.runs}/{system}/seed{seed}/trained"
            made.append(("train", f"train-{system}-{seed}", file, seconds_of(system)))
        for system, seed in self.scored():
            file, forest = f"{self.runs}/{system}/seed{seed}/scored", "forest" in self.decodings(system)
            made.append(("score", f"score-{system}-{seed}", file, SECONDS["score"] + FOREST_SECONDS * forest))
        made.append(("ledger", "ledger", "report/ledger.json", SECONDS["ledger"]))
        for lesson in self.lessons():
            seconds = LESSON_SECONDS.get(lesson, SECONDS["lesson"])
            made.append(("lesson", f"lesson-{lesson}", f"report/lessons/{lesson}.ipynb", seconds))
        made.append(("report", "report", self.target(), SECONDS["report"]))
        return [Job(kind, name, workspace() / file, seconds) for kind, name, file, seconds in made]


def seconds_of(system: str) -> float:
    """Return about how long a training of profile lesson takes on one core."""
    return MIXED_TRAINING_SECONDS if "augm" in system else TRAINING_SECONDS
