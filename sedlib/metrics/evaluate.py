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

Names that differ in Unicode normalisation alone are the same clip. Events without length (onset = offset) are left out, for F1 and
PSDS alike (sed_eval's F1 would count them). Times that other files contradict, such as milliseconds, are scored as they stand; ``notes`` say so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from sedlib.data import tables
from sedlib.errors import SedError
from sedlib.metrics.bootstrap import confidence
from sedlib.metrics.clips import Missing, missing_text, on_clips, respelled, with_length
from sedlib.metrics.counts import F1Result
from sedlib.metrics.events import event_f1
from sedlib.metrics.psds import CLIP_S, Psds, assumed_durations, psds_from_operating_points, psds_from_scores
from sedlib.metrics.segments import segment_f1

if TYPE_CHECKING:
    from sedlib.decode.posteriors import Posteriors


def evaluate(
    reference: str | Path,
    predictions: str | Path,
    operating_points: str | Path | Mapping[float, pd.DataFrame] | None = None,
    scores: str | Path | Posteriors | None = None,
    durations: str | Path | None = None,
    clips: Sequence[str] | None = None,
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
        For PSDS, one of the two: predictions at several thresholds (TSV) or posteriors (``.npz``), or either as it is.
    durations : path, optional
        TSV of the clips' lengths, for PSDS; it may hold more clips than the reference. Default: `assumed_durations`.
    clips : sequence of str, optional
        The clips that the system was given, where some of the reference's are not there. Default: those of ``scores``, otherwise
        all of the reference.
    dtc, gtc, cttc, alpha_ct, alpha_st, max_efpr
        As for `psds_from_operating_points`.

    Returns
    -------
    dict, ready for JSON; scores are fractions, and None where there is nothing to score
        ``clips``: number of clips ``evaluated``, of those ``without_events`` and ``without_predictions``, the list
        of ``unknown`` ones: predictions there count nowhere, because the reference does not have the clip; and what is ``missing``
        (`sedlib.metrics.clips.Missing`; None where nothing is).
        ``event_f1``, ``segment_f1``: ``macro``, ``micro``, their 95 % intervals ``ci95`` (of macro) and ``ci95_micro``,
        ``per_class`` (`F1Result.per_class`) and the parameters.
        ``psds``, if asked for: ``value``, ``per_class``, ``method``, ``durations``, the parameters, and how many overlapping events were
        ``merged`` in the ``reference`` and the ``predictions``. Where it cannot be computed, ``value`` is None and ``error`` says why.
        ``notes``: what can hardly be meant, a sentence each.

    Raises
    ------
    SedError
        For anything wrong in reference and predictions, with file, value and fix; what PSDS needs besides is PSDS's ``error``.
    """
    if operating_points is not None and scores is not None:
        raise SedError("give operating points or scores for PSDS, not both")
    (truth, no_length), (system, no_length_predicted) = map(with_length, (tables.read_events(reference), tables.read_events(predictions)))
    if tables.events(truth).empty:
        raise SedError(f"{reference}: no events, so that there is nothing to find")
    error, found, lengths, missing = None, None, None, None
    try:
        lengths = None if durations is None else read_durations(durations)
        if scores is not None:
            found = _posteriors(scores)
            clips = found.filenames if clips is None else clips
        if clips is not None:
            truth, missing = _on_clips(truth, clips, system, str(scores) if isinstance(scores, (str, Path)) else "scores")
    except SedError as problem:  # F1 needs none of these
        error = str(problem)
    names = tables.filenames(truth)
    system = system.assign(filename=respelled(system["filename"], names))
    if lengths is not None:
        lengths = dict(zip(respelled(pd.Series(list(lengths)), names), lengths.values()))
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
            "missing": missing,
        },
        "events": {"reference": int(n_ref), "predictions": int(n_sys)},
        "event_f1": {**_f1(events), "onset_collar": 0.2, "offset_collar": 0.2, "offset_share": 0.2},
        "segment_f1": {**_f1(segments), "segment_s": 1.0},
        "notes": [*_no_length("reference", no_length), *_no_length("predictions", no_length_predicted), *_notes(truth, system, found, lengths)],
    }
    if operating_points is None and scores is None:
        return result
    parameters = dict(dtc=dtc, gtc=gtc, cttc=cttc, alpha_ct=alpha_ct, alpha_st=alpha_st, max_efpr=max_efpr)
    method, score = None, None
    try:
        if error is None and operating_points is not None:
            points = operating_points if isinstance(operating_points, Mapping) else read_operating_points(operating_points)
            points = {at: table.assign(filename=respelled(table["filename"], names)) for at, table in points.items()}
            method = f"psds_eval, predictions at {len(points)} thresholds"
            score = psds_from_operating_points(truth, points.values(), lengths, **parameters)
        elif error is None:
            method = "sed_scores_eval, every threshold"
            score = psds_from_scores(truth, found.scores, found.filenames, found.frame_s, lengths, found.classes, **parameters)
    except SedError as problem:
        error = str(problem)
    score = score or Psds(np.nan, {})
    result["clips"]["unknown"] = sorted({*events.unknown_filenames, *score.unknown_filenames})
    result["psds"] = {
        "value": _number(score.value), "per_class": score.per_class, **parameters, "method": method,
        "durations": str(durations) if durations is not None else
                     "assumed, 10 s a clip or the end of its last reference event where later",
        "merged": {"reference": score.merged, "predictions": score.merged_predictions},
    } | ({} if error is None else {"error": error})
    return result


def _posteriors(scores: str | Path | Posteriors) -> Posteriors:
    """Scores of the ten classes, of clips with one name each."""
    from sedlib.decode.posteriors import Posteriors

    found = scores if isinstance(scores, Posteriors) else Posteriors.load(scores)
    for name in found.classes:
        if name not in tables.CLASSES:
            raise SedError(f"{'scores' if found is scores else scores}: {tables.unknown_label(name)}")
    return found


def _on_clips(truth: pd.DataFrame, clips: Sequence[str], system: pd.DataFrame, what: str) -> tuple[pd.DataFrame, Missing | None]:
    """`on_clips`; predictions in a clip that is not there contradict the scores."""
    restricted, missing = on_clips(truth, clips, what)
    absent = set(truth["filename"]).difference(respelled(pd.Series(list(clips)), truth["filename"]))
    if there := absent.intersection(respelled(tables.events(system)["filename"], truth["filename"])):
        raise SedError(f"{what}: {len(there)} clips with predictions are missing, for example {min(there)!r}; "
                       "scores and predictions must be of the same clips")
    return restricted, missing


def _no_length(what: str, count: int) -> list[str]:
    return [f"{what}: {count} event{_s(count, '', 's')} without length (onset = offset) {_s(count, 'is', 'are')} left out"] * (count > 0)


def _notes(truth: pd.DataFrame, system: pd.DataFrame, scores: Posteriors | None, durations: Mapping[str, float] | None) -> Iterator[str]:
    """Sentences on what can hardly be meant."""
    lengths = assumed_durations(truth) if durations is None else {name: durations.get(name, CLIP_S) for name in tables.filenames(truth)}
    truth, system = tables.events(truth), tables.events(system)
    given = truth["filename"].map(durations or {}).fillna(CLIP_S)  # not what the reference's own events say
    for what, table, end in (("reference", truth, given), ("predictions", system, system["filename"].map(lengths))):
        late = table["onset"] >= end  # False for clips of unknown length
        if count := int(late.sum()):
            first = table[late].iloc[0]
            yield (f"{what}: {_events(count, len(table))} {_s(count, 'begins', 'begin')} after the end of {_s(count, 'its', 'their')} clip (in "
                   f"{first['filename']} at {first['onset']:g} s of {end[late].iloc[0]:g} s); times are in seconds, not milliseconds or frames"
                   + ("" if durations else "; if clips last longer than 10 s, give durations"))
    beyond = (truth["onset"] < given) & (truth["offset"] > given + 0.2)
    if count := int(beyond.sum()):
        first = truth[beyond].iloc[0]
        yield (f"reference: {_events(count, len(truth))} {_s(count, 'ends', 'end')} more than 0.2 s after {_s(count, 'its', 'their')} clip (in "
               f"{first['filename']} at {first['offset']:g} s)" + ("" if durations else "; if clips last longer than 10 s, give durations"))
    if scores is not None:
        covered, longest = scores.scores.shape[1] * scores.frame_s, max(lengths.values())
        if not 0.5 < covered / longest < 2:
            yield (f"scores cover {covered:g} s ({scores.scores.shape[1]} frames of {scores.frame_s:g} s), the longest clip lasts {longest:g} s; "
                   "frame_s is the seconds of a frame")


def _events(count: int, of: int) -> str:
    return f"{count} of {of} events"


def _s(count: int, one: str, several: str) -> str:
    return one if count == 1 else several


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
    if clips.get("missing"):
        lines.append(missing_text(clips["missing"]))
    lines += [f"note: {note}" for note in result.get("notes", ())]
    lines += ["", f"{'%':<28}{'event F1':>24}{'segment F1':>24}" + (f"{'PSDS':>9}" if psds else "")]
    for name, interval in (("macro", "ci95"), ("micro", "ci95_micro")):
        cells = "".join(f"{_with_interval(result[kind][name], result[kind][interval]):>24}"
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
        lines.append(f"PSDS: {psds['method']}; {settings}; durations: {psds['durations']}." if "error" not in psds else
                     f"PSDS cannot be computed: {psds['error']}")
        if merged := [f"{count} in the {what}" for what, count in psds.get("merged", {}).items() if count]:
            lines.append(f"For PSDS overlapping events of one class were merged: {' and '.join(merged)}.")
    return "\n".join(lines)


def read_operating_points(path: str | Path) -> dict[float, pd.DataFrame]:
    """Event tables by threshold, ascending, of a TSV ``threshold filename onset offset event_label``.

    Raises
    ------
    SedError
        As `tables.read_events`, and for a threshold that is not a number or a damaged gzip file.
    """
    table = tables.read_table(path, ["threshold", *tables.EVENT_COLUMNS])
    table["threshold"] = _numbers(table, "threshold", path)
    table = tables.typed_events(table, path)
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
