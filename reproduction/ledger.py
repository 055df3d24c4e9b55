"""The ledger: every number, claim and figure of the paper beside our runs' results, with uncertainty.

Paper section 4; taught in ``notebooks/07_paper_ledger.py``. The batch writes ``report/ledger.json`` from finished runs
(`reproduction.measure`); ``python -m reproduction.ledger --publish`` makes it ``figures/ledger.json``, which README
and docs/LEDGER.md show.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd

from minidesed import generate
from minidesed.generate import SIZES
from reproduction import published, shipped
from reproduction.claims import CLAIMS
from reproduction.intervals import FEWEST, reach_of_seeds
from reproduction.rows import ROWS
from sedlib.config import profile
from sedlib.errors import SedError
from sedlib.files import read_json, write_json
from sedlib.metrics import missing_text
from sedlib.systems import ENSEMBLES, configuration
from sedlib.workspace import workspace

PUBLISHED = shipped("figures") / "ledger.json"
README, PAGE = shipped("README.md"), shipped("docs/LEDGER.md")
SCORES = {"dev_f1": "development F1 (%)", "eval_f1": "evaluation F1 (%)", "dev_psds": "development PSDS"}


def read(path: Path) -> dict[str, Any]:
    """Read a ledger.

    Returns
    -------
    dict
        ``measured_by profile data seeds tables mixing configuration made failed``, ``psds`` (how it was computed),
        ``missing`` (by subset, the reference's clips without audio: `Missing`), and these lists. ``numbers``: per
        number of the paper ``table row system decoding score claimed here low high of_seed difference why`` (F1 in
        percent; ``here`` is None where no run gave it). ``claims``: ``section says first second score claimed here low
        high p smallest verdict why``. ``figures``: ``figure shows here verdict lesson``. ``unseen``: F1 of tuned
        decoders, the paper's and others, also on clips that did not tune them. ``runs``: what was trained.
    """
    if not path.is_file():
        raise SedError(f"{path}: no such file; `sedlib reproduce` writes it")
    found = read_json(path)
    if not isinstance(found, dict) or not {"numbers", "claims", "figures", "configuration"} <= found.keys():
        raise SedError(f"{path}: not a ledger; `sedlib reproduce` writes one")
    return found


def load() -> tuple[dict[str, Any], str]:
    """Read the workspace's ledger if this version wrote one of all rows, otherwise the published one; and which."""
    own = _own()
    if own.is_file() and whole(ledger := read(own)) and published.present(ledger):
        return ledger, f"{own}, from the runs of this workspace"
    known = read(PUBLISHED)
    return known, published.source(PUBLISHED, known["measured_by"])


def whole(ledger: Mapping[str, Any]) -> bool:
    """Return whether a ledger is of all rows of all tables."""
    return ledger["tables"] == [1, 2, 3] and ledger.get("mixing", True)


def configuration_checksum(profile_name: str) -> str:
    """Return a checksum of what the numbers depend on besides the code: rows, configurations, claims, MiniDESED."""
    systems = dict.fromkeys(member for row in ROWS for member, _ in ENSEMBLES.get(row.system, ((row.system, 0),)))
    parts = [
        [list(row.__dict__.values()) for row in ROWS],
        ENSEMBLES,
        [configuration(system, profile_name).to_dict() for system in systems],
        generate.VERSION,
        SIZES[profile_name],
        [list(claim)[:5] + list(claim)[6:] for claim in CLAIMS],  # without `why`
    ]
    return f"{zlib.crc32(json.dumps(parts).encode()):08x}"


def numbers_table(ledger: Mapping[str, Any]) -> pd.DataFrame:
    """Return every number of the paper: ``table row score paper here`` with its interval, ``difference seeds note``."""
    rows = []
    for n in ledger["numbers"]:
        difference = "" if n["here"] is None else f"{n['difference']:+.{_digits(n)}f}"
        score, paper = SCORES[n["score"]], f"{n['claimed']:g}"
        rows.append([n["table"], n["row"], score, paper, _shown(n), difference, len(n["of_seed"]), n["why"]])
    return pd.DataFrame(rows, columns=["table", "row", "score", "paper", "here", "difference", "seeds", "note"])


def claims_table(ledger: Mapping[str, Any]) -> pd.DataFrame:
    """Return the paper's sentences: ``section sentence paper here`` with its interval, ``could be seen verdict why``.

    ``could be seen``: the smallest difference that four of five such studies would find; version 0.1.0 has none.
    """
    rows = []
    for c in ledger["claims"]:
        rows.append([c["section"], c["says"], in_paper(c), _shown(c, "+"), _smallest(c), c["verdict"], c["why"]])
    table = pd.DataFrame(rows, columns=["section", "sentence", "paper", "here", "could be seen", "verdict", "why"])
    return table if table["could be seen"].any() else table.drop(columns="could be seen")


def in_paper(claim: Mapping[str, Any]) -> str:
    """Return the paper's difference of a claim; empty where the paper gives no numbers for the two systems."""
    return "" if claim["claimed"] is None else f"{claim['claimed']:+.{_digits(claim)}f}"


def how_measured(ledger: Mapping[str, Any]) -> list[str]:
    """Return sentences on the scale, rows left out, how PSDS was computed and missing clips; of an old ledger none."""
    said = _scale(ledger) + _left_out(ledger)
    said += [f"PSDS: {ledger['psds']}."] if "psds" in ledger else []
    return said + [f"{subset}: {missing_text(gone)}." for subset, gone in ledger.get("missing", {}).items()]


def beside_published(ledger: Mapping[str, Any], known: Mapping[str, Any] | None = None) -> str:
    """Say whether a ledger's numbers lie where further trainings of the published study may lie (`reach_of_seeds`).

    Empty where the two are not of the same configurations and data, or the published one has too few trainings.
    """
    known = read(PUBLISHED) if known is None else known
    same = all(ledger.get(name) == known.get(name) for name in ("configuration", "profile", "data", "generator"))
    if not same or len(known["seeds"]) < FEWEST:
        return ""
    place = {(n["table"], n["row"], n["score"]): n for n in known["numbers"]}
    compared, apart = 0, []
    for n in ledger["numbers"]:
        of_study = place.get((n["table"], n["row"], n["score"]))
        if of_study and n["here"] is not None and len(of_study["of_seed"]) >= FEWEST:
            compared += 1
            reach = reach_of_seeds(of_study["of_seed"], len(n["of_seed"]))
            if abs(n["here"] - of_study["here"]) > reach:
                values = f"{n['here']:.{_digits(n)}f} here, {of_study['here']:.{_digits(n)}f} +- {reach:.{_digits(n)}f}"
                apart.append(f"{n['row']}, {SCORES[n['score']]}: {values} there")
    listed = f"; not: {'; '.join(apart)}" if apart else ""
    said = f"{compared - len(apart)} of {compared} numbers lie where a further training of the published study"
    return f"{said} ({len(known['seeds'])} seeds) lies in 95 of 100 cases{listed}." if compared else ""


def figures_table(ledger: Mapping[str, Any]) -> pd.DataFrame:
    """Return the paper's figures: ``figure what it shows here verdict lesson``."""
    return pd.DataFrame(ledger["figures"]).rename(columns={"shows": "what it shows"})


def verdicts(ledger: Mapping[str, Any]) -> dict[str, int]:
    """Count the paper's sentences that hold, that do not, and that these runs do not decide.

    That two systems are alike can be contradicted, not shown, so such a sentence never counts as one that holds.
    """
    begins = {"hold": "holds", "do not hold": "does not", "not contradicted": "no difference"}
    begins |= {name: name for name in ("not decided", "not judged", "not measured")}
    counted = {name: sum(c["verdict"].startswith(begin) for c in ledger["claims"]) for name, begin in begins.items()}
    return counted | {"asked elsewhere": len(ledger["claims"]) - sum(counted.values())}


def holm(p: np.ndarray, alpha: float = 0.05) -> np.ndarray:
    """Return which p-values stand when all are tested at once (Holm, 1979; lesson 07).

    The smallest is compared with alpha / m, the next with alpha / (m - 1), and so on until one fails.
    """
    order, stands = np.argsort(p), np.zeros(len(p), bool)
    stands[order] = np.logical_and.accumulate(np.sort(p) <= alpha / np.arange(len(p), 0, -1))
    return stands


def readme_part(ledger: Mapping[str, Any]) -> str:
    """Return README's sentences on the results."""
    notice = published.notice(ledger["measured_by"])
    best = max((n for n in ledger["numbers"] if n["score"] == "dev_f1" and n["here"] is not None), key=_here)
    counted = ", ".join(f"{count} {name}" for name, count in verdicts(ledger).items() if count)
    asked = (
        f"{len(ledger['claims'])} claims and comparisons that the paper makes about its numbers, on {ledger['data']}"
    )
    row = f"{best['row']}, with an event-based macro F1 of {_shown(best)} % on the development clips"
    parts = [f"**{notice}**"] if notice else []
    parts += [
        f"{asked}: {counted}. The best row here is {row} ({best['claimed']:g} % in the paper).",
        *_left_out(ledger),
    ]
    return "\n\n".join(parts)


def page_part(ledger: Mapping[str, Any]) -> str:
    """Return the tables of results of docs/LEDGER.md."""
    numbers, claims = numbers_table(ledger), claims_table(ledger)
    rows = []
    for (table, row), of_row in numbers.groupby(["table", "row"], sort=False):
        of_score = {n.score: f"{n.paper} / **{n.here or '-'}**" for n in of_row.itertuples()}
        rows.append([f"{table}", row, *(of_score.get(title, "") for title in SCORES.values()), max(of_row["seeds"])])
    counted = ", ".join(f"{count} {name}" for name, count in verdicts(ledger).items() if count)
    tested = [c for c in ledger["claims"] if c["p"] is not None]
    stands = dict(zip((c["says"] for c in tested), holm(np.array([c["p"] for c in tested])), strict=True))
    decided = [c["says"] for c in tested if c["verdict"].startswith(("holds", "does not"))]
    fallen = [says for says in decided if not stands[says]]
    notice = published.notice(ledger["measured_by"])
    parts = [
        *([f"**{notice}**"] if notice else []),
        f"Paper (on DESED) / **here** (on {ledger['data']}, profile `{ledger['profile']}`; mean with its 95 % interval "
        "over clips and trainings). F1 is event-based macro F1 in percent.",
        _markdown(pd.DataFrame(rows, columns=["table", "row", *SCORES.values(), "trainings"])),
        *how_measured(ledger),
        f"Of {len(claims)} claims and comparisons that the paper makes about these numbers, {counted}:",
        _markdown(claims.drop(columns="why")),
        f"Each interval is tested on its own. Tested all at once (Holm's rule, 5 %), {len(decided) - len(fallen)} of "
        f"the {len(decided)} decided ones stand; those that do not: {'; '.join(fallen) or 'none'}.",
        *(f"Figure {figure['figure']}: {figure['here']} ({figure['verdict']})." for figure in ledger["figures"]),
    ]
    return "\n\n".join(parts)


def publish() -> None:
    """Make the workspace's ledger the published one, and write it into README and docs/LEDGER.md.

    Raises
    ------
    SedError
        If there is none, it is not of all tables in profile lesson, has too few trainings for a verdict, something
        failed, or another configuration or version made it. The rows that mix may be left out.
    """
    path, ledger = _own(), read(_own())
    complete = ledger["tables"] == [1, 2, 3] and (ledger["profile"], ledger["failed"]) == ("lesson", {})
    if not complete or len(ledger["seeds"]) < FEWEST or any(n["here"] is None for n in ledger["numbers"]):
        fix = f"run `sedlib reproduce --seeds {FEWEST}` without --table"
        raise SedError(f"{path}: only all tables in profile lesson, with {FEWEST} trainings, are published; {fix}")
    if ledger["configuration"] != configuration_checksum("lesson") or not published.present(ledger):
        raise SedError(f"{path}: made by another configuration or version; run `sedlib reproduce` again")
    if not whole(ledger) and PUBLISHED.is_file() and whole(known := read(PUBLISHED)) and published.present(known):
        raise SedError(f"{path}: has no rows that mix, and would replace a study that has; run it without --no-mixing")
    changed = {page: _with_part(page, part(ledger)) for page, part in ((README, readme_part), (PAGE, page_part))}
    write_json(PUBLISHED, ledger)
    for page, text in changed.items():
        page.write_text(text, encoding="utf-8")


def _with_part(page: Path, part: str) -> str:
    """Return a page's text with another part between its two marks."""
    text, new = page.read_text(encoding="utf-8"), f"<!-- ledger -->\n{part}\n<!-- end of ledger -->"
    changed, times = re.subn(r"<!-- ledger -->.*<!-- end of ledger -->", lambda _: new, text, flags=re.DOTALL)
    if times != 1:
        raise SedError(f"{page}: expected one place between <!-- ledger --> and <!-- end of ledger -->")
    return changed


def _scale(ledger: Mapping[str, Any]) -> list[str]:
    """Say how long the trainings were beside those of the paper's baseline; of an old ledger nothing."""
    training, steps = profile("paper").training, [run["steps"] for run in ledger["runs"] if run["steps"]]
    if not steps or "psds" not in ledger:
        return []
    baseline = training.epochs * (SIZES["paper"]["weak"] // training.weak)
    here, share = f"{max(steps):,} steps on {ledger['data']}", f"1/{baseline / max(steps):.0f}"
    return [f"Scale of every number and verdict: trainings of {here}, {share} of the baseline's {baseline:,} on DESED."]


def _left_out(ledger: Mapping[str, Any]) -> list[str]:
    said = "Rows with dynamic mixing and augmentation are left out here; `sedlib reproduce` has them too."
    return [] if ledger.get("mixing", True) else [said]


def _here(number: Mapping[str, Any]) -> float:
    return number["here"]


def _own() -> Path:
    return workspace() / "report" / "ledger.json"


def _shown(entry: Mapping[str, Any], sign: str = "") -> str:
    if entry["here"] is None:
        return ""
    value, low, high = (f"{entry[name]:{sign}.{_digits(entry)}f}" for name in ("here", "low", "high"))
    return f"{value} ({low} to {high})"


def _smallest(claim: Mapping[str, Any]) -> str:
    smallest = claim.get("smallest")  # of one training it is not known
    return "" if smallest is None or claim["verdict"].startswith("not judged") else f"{smallest:.{_digits(claim)}f}"


def _digits(entry: Mapping[str, Any]) -> int:
    return 3 if entry["score"] == "dev_psds" else 1


def _markdown(table: pd.DataFrame) -> str:
    rows = [table.columns, ["---"] * len(table.columns), *table.itertuples(index=False)]
    return "\n".join("| " + " | ".join(map(str, row)) + " |" for row in rows)


@click.command()
@click.option(
    "--publish", "do_publish", is_flag=True, help="Write figures/ledger.json, docs/LEDGER.md and README's part."
)
def main(do_publish: bool) -> None:
    """Show the ledger."""
    try:
        if do_publish:
            publish()
        ledger, source = load()
    except SedError as error:
        raise click.ClickException(str(error)) from None
    numbers, claims = numbers_table(ledger), claims_table(ledger).drop(columns="why")
    click.echo("\n".join([source, *how_measured(ledger)]))
    click.echo(f"\n{numbers.to_string(index=False)}\n\n{claims.to_string(index=False)}")


if __name__ == "__main__":
    main()
