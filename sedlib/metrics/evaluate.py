"""Everything that can be said about a system from its files: `sedlib evaluate`.

Paper section 4 and Table 3; taught in ``notebooks/00_start_here.py``. Takes the files that DCASE systems write:

==================  ==================================================================================================
reference           event table ``filename onset offset event_label``; a clip without events has empty cells
predictions         the same, at one threshold
operating points    ``threshold filename onset offset event_label``: the event tables at several thresholds below one
                    another, plain or gzip
scores              ``.npz`` of posteriors, see `sedlib.decode.Posteriors`
durations           ``filename duration``, seconds
==================  ==================================================================================================
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from sedlib.data import tables
from sedlib.errors import SedError
from sedlib.metrics.bootstrap import confidence
from sedlib.metrics.counts import F1Result
from sedlib.metrics.events import event_f1
from sedlib.metrics.psds import psds_from_operating_points, psds_from_scores
from sedlib.metrics.segments import segment_f1

if TYPE_CHECKING:
    from sedlib.decode.posteriors import Posteriors


def evaluate(
    reference: str | Path,
    predictions: str | Path,
    operating_points: str | Path | None = None,
    scores: str | Path | Posteriors | None = None,
    durations: str | Path | None = None,
    *,
    dtc: float = 0.5,
    gtc: float = 0.5,
    cttc: float = 0.3,
    alpha_ct: float = 0.0,
    alpha_st: float = 0.0,
    max_efpr: float = 100.0,
) -> dict[str, Any]:
    """Score a system's files.

    Parameters
    ----------
    reference, predictions : path
        TSV event tables.
    operating_points, scores : path, optional
        For PSDS, one of the two: predictions at several thresholds (TSV) or posteriors (``.npz``, or as they are).
    durations : path, optional
        TSV of the clips' lengths, for PSDS; it may hold more clips than the reference. Default: `assumed_durations`.
    dtc, gtc, cttc, alpha_ct, alpha_st, max_efpr
        As for `psds_from_operating_points`.

    Returns
    -------
    dict, ready for JSON; scores are fractions, and None where there is nothing to score
        ``clips``: number of clips ``evaluated``, of those ``without_events`` and ``without_predictions``, and the list
        of ``unknown`` ones: predictions there count nowhere, because the reference does not have the clip.
        ``event_f1``, ``segment_f1``: ``macro``, ``micro``, their 95 % intervals ``ci95`` (of macro) and ``ci95_micro``,
        ``per_class`` (`F1Result.per_class`) and the parameters.
        ``psds``, if asked for: ``value``, ``per_class``, ``method``, ``durations`` and the parameters.

    Raises
    ------
    SedError
        For anything wrong in the files; with file, value and fix.
    """
    if operating_points is not None and scores is not None:
        raise SedError("give operating points or scores for PSDS, not both")
    truth, system = tables.read_events(reference), tables.read_events(predictions)
    if tables.events(truth).empty:
        raise SedError(f"{reference}: no events, so that there is nothing to find")
    events, segments = event_f1(truth, system), segment_f1(truth, system)
    n_sys, n_ref = events.counts[:, :, 1:].sum(axis=(0, 1))
    result = {
        "reference": str(reference),
        "predictions": str(predictions),
        "clips": {
            "evaluated": len(events.filenames),
            "without_events": int((events.counts[:, :, 2].sum(axis=1) == 0).sum()),
            "without_predictions": int((events.counts[:, :, 1].sum(axis=1) == 0).sum()),
            "unknown": events.unknown_filenames,
        },
        "events": {"reference": int(n_ref), "predictions": int(n_sys)},
        "event_f1": {**_f1(events), "onset_collar": 0.2, "offset_collar": 0.2, "offset_share": 0.2},
        "segment_f1": {**_f1(segments), "segment_s": 1.0},
    }
    parameters = dict(dtc=dtc, gtc=gtc, cttc=cttc, alpha_ct=alpha_ct, alpha_st=alpha_st, max_efpr=max_efpr)
    lengths = None if durations is None else read_durations(durations)
    if operating_points is not None:
        points = read_operating_points(operating_points)
        method = f"psds_eval, {len(points)} thresholds"
        score = psds_from_operating_points(truth, points.values(), lengths, **parameters)
    elif scores is not None:
        from sedlib.decode.posteriors import Posteriors  # imports torch, which nothing else here needs

        found = scores if isinstance(scores, Posteriors) else Posteriors.load(scores)
        _check_classes(found.classes, "scores" if found is scores else scores)
        method = "sed_scores_eval, every threshold"
        score = psds_from_scores(truth, found.scores, found.filenames, found.frame_s, lengths, found.classes,
                                 **parameters)
    else:
        return result
    result["clips"]["unknown"] = sorted({*events.unknown_filenames, *score.unknown_filenames})
    result["psds"] = {
        "value": score.value, "per_class": score.per_class, **parameters, "method": method,
        "durations": str(durations) if durations is not None else
                     "assumed, 10 s a clip or the end of its last reference event where later",
    }
    return result


def report(result: dict[str, Any]) -> str:
    """`evaluate`'s result as a table in percent."""
    clips, events, psds = result["clips"], result["events"], result.get("psds")
    lines = [
        f"{clips['evaluated']} clips ({clips['without_events']} without events, {clips['without_predictions']} without "
        f"predictions), {events['reference']} reference events, {events['predictions']} predicted",
    ]
    if clips["unknown"]:
        lines.append(f"left out: predictions in {len(clips['unknown'])} clips that the reference does not have, "
                     f"for example {clips['unknown'][0]}")
    lines += ["", f"{'%':<28}{'event F1':>20}{'segment F1':>20}" + (f"{'PSDS':>9}" if psds else "")]
    for name, interval in (("macro", "ci95"), ("micro", "ci95_micro")):
        cells = "".join(f"{_with_interval(result[kind][name], result[kind][interval]):>20}"
                        for kind in ("event_f1", "segment_f1"))
        lines.append(f"{name:<28}{cells}" + (f"{_percent(psds['value']):>9}" if psds and name == "macro" else ""))
    lines += ["", f"{'class':<28}{'event F1':>9}{'prec.':>8}{'recall':>8}{'ref.':>7}{'pred.':>7}{'segment F1':>12}"
              + (f"{'PSDS':>9}" if psds else "")]
    for name, event in result["event_f1"]["per_class"].items():
        segment = result["segment_f1"]["per_class"][name]
        lines.append(
            f"{name:<28}{_percent(event['f1']):>9}{_percent(event['precision']):>8}{_percent(event['recall']):>8}"
            f"{event['n_ref']:>7}{event['n_sys']:>7}{_percent(segment['f1']):>12}"
            + (f"{_percent(psds['per_class'].get(name)):>9}" if psds else "")
        )
    lines += ["", "Event F1: onset within 0.2 s, offset within 0.2 s or 20 % of the length. Segments of 1 s. "
              "[ ]: 95 % bootstrap over clips."]
    if psds:
        names = ("dtc", "gtc", "cttc", "alpha_ct", "alpha_st", "max_efpr")
        settings = ", ".join(f"{name} {psds[name]:g}" for name in names)
        lines.append(f"PSDS: {psds['method']}; {settings}; durations: {psds['durations']}.")
    return "\n".join(lines)


def read_operating_points(path: str | Path) -> dict[float, pd.DataFrame]:
    """Event tables by threshold, ascending, of a TSV ``threshold filename onset offset event_label``.

    Raises
    ------
    SedError
        As `tables.read_events`, and for a threshold that is not a number or a damaged gzip file.
    """
    table = tables.read_table(path, ["threshold", *tables.EVENT_COLUMNS])
    for column in ("threshold", "onset", "offset"):
        table[column] = _numbers(table, column, path)
    backwards = np.flatnonzero(table["offset"] < table["onset"])
    if len(backwards):
        onset, offset = table.loc[backwards[0], ["onset", "offset"]]
        raise SedError(f"{tables.line_of(path, backwards[0])}: offset {offset:g} lies before onset {onset:g}; swap them")
    unknown = np.flatnonzero(~table["event_label"].isin(tables.CLASSES))
    if len(unknown):
        raise SedError(f"{tables.line_of(path, unknown[0])}: {tables.unknown_label(table['event_label'][unknown[0]])}")
    return {threshold: rows[tables.EVENT_COLUMNS] for threshold, rows in table.groupby("threshold")}


def read_durations(path: str | Path) -> dict[str, float]:
    """Seconds by filename, of a TSV ``filename duration``.

    Raises
    ------
    SedError
        For a missing file, a wrong column, a length that is not a number above 0, or a clip with two lengths.
    """
    table = tables.read_table(path, ["filename", "duration"])
    table["duration"] = _numbers(table, "duration", path)
    table = table.drop_duplicates(ignore_index=True)
    wrong = np.flatnonzero((table["duration"] == 0) | table["filename"].duplicated())
    if len(wrong):
        raise SedError(f"{path}: {table['filename'][wrong[0]]!r} lasts {table['duration'][wrong[0]]:g} s; "
                       "each clip needs one length, more than 0")
    return dict(zip(table["filename"], table["duration"]))


def _numbers(table: pd.DataFrame, column: str, path: str | Path) -> pd.Series:
    numbers = pd.to_numeric(table[column], errors="coerce")
    wrong = np.flatnonzero(~(np.isfinite(numbers) & (numbers >= 0)))
    if len(wrong):
        value = table[column][wrong[0]]
        raise SedError(f"{tables.line_of(path, wrong[0])}: {column} {value!r} is not a number, 0 or more")
    return numbers


def _check_classes(classes: tuple[str, ...], path: str | Path) -> None:
    for name in classes:
        if name not in tables.CLASSES:
            raise SedError(f"{path}: {tables.unknown_label(name)}")


def _f1(result: F1Result) -> dict[str, Any]:
    interval = confidence(result)
    return {
        "macro": _number(result.macro), "ci95": [_number(limit) for limit in interval["macro"][1:]],
        "micro": _number(result.micro), "ci95_micro": [_number(limit) for limit in interval["micro"][1:]],
        "per_class": {name: {key: _number(value) for key, value in row.items()}
                      for name, row in result.per_class.items()},
    }


def _number(value: float) -> float | None:
    """JSON has no NaN."""
    return None if np.isnan(value) else value


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.2f}"


def _with_interval(value: float | None, interval: list[float | None]) -> str:
    low, high = interval
    return _percent(value) if low is None else f"{_percent(value)} [{100 * low:.1f}, {100 * high:.1f}]"
