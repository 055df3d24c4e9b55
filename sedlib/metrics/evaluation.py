"""All scores of a system from its files: `sedlib evaluate`.

Paper section 4 and Table 3; taught in ``notebooks/00_start_here.py``. Takes the files that DCASE systems write:

==================  ====================================================================================
reference           event table ``filename onset offset event_label``; a clip without events has empty cells
predictions         the same, at one threshold
operating points    ``threshold filename onset offset event_label``: event tables at several thresholds below one
                    another, plain or gzip
scores              ``.npz`` of posteriors, see `sedlib.decode.Posteriors`
durations           ``filename duration``, seconds
==================  ====================================================================================

Names that differ in Unicode normalisation alone are the same clip. Events without length (onset = offset) are left out,
for F1 and PSDS alike (sed_eval's F1 would count them). Times that other files contradict, such as milliseconds, are
scored as they stand; ``notes`` say so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sedlib.config import Decoding
from sedlib.data import tables
from sedlib.decode import operating
from sedlib.decode.posteriors import Posteriors, check_scores
from sedlib.errors import SedError
from sedlib.metrics.bootstrap import confidence
from sedlib.metrics.clips import Missing, missing_text, on_clips, respelled, with_length
from sedlib.metrics.counts import F1Result
from sedlib.metrics.events import event_f1
from sedlib.metrics.psds import CLIP_S, Psds, assumed_durations, psds_from_operating_points
from sedlib.metrics.segments import segment_f1

_CRITERIA = psds_from_operating_points.__kwdefaults__ or {}  # DCASE 2020's


def evaluate(
    reference: str | Path,
    predictions: str | Path,
    operating_points: str | Path | Mapping[float, pd.DataFrame] | None = None,
    scores: str | Path | Posteriors | None = None,
    durations: str | Path | None = None,
    clips: Sequence[str] | None = None,
    **criteria: float,
) -> dict[str, Any]:
    """Score a system's files.

    Parameters
    ----------
    reference, predictions : path
        TSV event tables.
    operating_points, scores : path, optional
        For PSDS, one of the two: predictions at several thresholds (TSV), or posteriors (``.npz``), which are cut at
        the challenge's 50; or either as it is.
    durations : path, optional
        TSV of the clips' lengths, for PSDS; it may hold more clips than the reference. Default: `assumed_durations`.
    clips : sequence of str, optional
        The clips that the system was given, where some of the reference's are not there. Default: those of ``scores``,
        otherwise all of the reference.
    **criteria
        ``dtc gtc cttc alpha_ct alpha_st max_efpr`` of `psds_from_operating_points`.

    Returns
    -------
    dict, ready for JSON; scores are fractions, and None where there is nothing to score
        ``clips``: number of clips ``evaluated``, of those ``without_events`` and ``without_predictions``, the list of
        ``unknown`` ones, which the reference does not have, so that predictions there count nowhere; and what is
        ``missing`` (`sedlib.metrics.clips.Missing` or None).
        ``event_f1``, ``segment_f1``: ``macro``, ``micro``, their 95 % intervals ``ci95`` (of macro) and ``ci95_micro``,
        ``per_class`` (`F1Result.per_class`) and the parameters.
        ``psds``, if asked for: ``value``, ``per_class``, ``method``, ``durations``, the criteria, and how many
        overlapping events were ``merged`` in the ``reference`` and the ``predictions``. Where it cannot be computed,
        ``value`` is None and ``error`` says why.
        ``notes``: what can hardly be meant, a sentence each.

    Raises
    ------
    SedError
        For anything wrong in reference and predictions; what PSDS needs besides is PSDS's ``error``.
    """
    if operating_points is not None and scores is not None:
        raise SedError("give operating points or scores for PSDS, not both")
    truth, empty_references = with_length(tables.read_events(reference))
    system, empty_predictions = with_length(tables.read_events(predictions))
    if tables.events(truth).empty:
        raise SedError(f"{reference}: no events, so that there is nothing to find")
    error, found, lengths, missing = None, None, None, None
    try:
        lengths = None if durations is None else read_durations(durations)
        if scores is not None:
            found = _posteriors(scores)
            clips = found.filenames if clips is None else clips
        if clips is not None:
            what = str(scores) if isinstance(scores, (str, Path)) else "scores"
            truth, missing = _on_clips(truth, clips, system, what)
    except SedError as problem:  # F1 needs none of these
        error = str(problem)
    names = tables.filenames(truth)
    system = system.assign(filename=respelled(system["filename"], names))
    if lengths is not None:
        lengths = dict(zip(respelled(pd.Series(list(lengths)), names), lengths.values(), strict=True))
    events, segments = event_f1(truth, system), segment_f1(truth, system)
    _, n_sys, n_ref = events.counts.sum(axis=1).T
    empty = [*_without_length("reference", empty_references), *_without_length("predictions", empty_predictions)]
    result = {
        "reference": str(reference),
        "predictions": str(predictions),
        "clips": {
            "evaluated": len(events.filenames),
            "without_events": int((n_ref == 0).sum()),
            "without_predictions": int((n_sys == 0).sum()),
            "unknown": events.unknown_filenames,
            "missing": missing,
        },
        "events": {"reference": int(n_ref.sum()), "predictions": int(n_sys.sum())},
        "event_f1": {**_f1(events), "onset_collar": 0.2, "offset_collar": 0.2, "offset_share": 0.2},
        "segment_f1": {**_f1(segments), "segment_s": 1.0},
        "notes": [*empty, *_notes(truth, system, found, lengths)],
    }
    if operating_points is None and scores is None:
        return result
    method, score = None, Psds(np.nan, {})
    try:
        if error is None:
            method, points = _points(operating_points, found, truth)
            points = [table.assign(filename=respelled(table["filename"], names)) for table in points]
            score = psds_from_operating_points(truth, points, lengths, **criteria)
    except SedError as problem:
        error = str(problem)
    result["clips"]["unknown"] = sorted({*events.unknown_filenames, *score.unknown_filenames})
    assumed = "assumed, 10 s a clip or the end of its last reference event where later"
    result["psds"] = {
        "value": _number(score.value),
        "per_class": score.per_class,
        **_CRITERIA,
        **criteria,
        "method": method,
        "durations": assumed if durations is None else str(durations),
        "merged": {"reference": score.merged, "predictions": score.merged_predictions},
    } | ({} if error is None else {"error": error})
    return result


def _posteriors(scores: str | Path | Posteriors) -> Posteriors:
    """Posteriors of the ten classes."""
    found = scores if isinstance(scores, Posteriors) else Posteriors.load(scores)
    for name in found.classes:
        if name not in tables.CLASSES:
            raise SedError(f"{'scores' if found is scores else scores}: {tables.unknown_label(name)}")
    return found


def _points(
    operating_points: str | Path | Mapping[float, pd.DataFrame] | None, scores: Posteriors | None, truth: pd.DataFrame
) -> tuple[str, list[pd.DataFrame]]:
    """How PSDS is computed, and predictions at several thresholds."""
    if scores is not None:
        check_scores(scores.scores)
        if absent := sorted(set(tables.events(truth)["event_label"]).difference(scores.classes)):
            raise SedError(f"scores: no class {absent[0]!r}, of which the reference holds events")
        points, what = operating.operating_points(scores, Decoding(median_s=0)), "scores cut"
    elif isinstance(operating_points, Mapping):
        points, what = operating_points, "predictions"
    else:
        assert operating_points is not None
        points, what = read_operating_points(operating_points), "predictions"
    return f"psds_eval, {what} at {len(points)} thresholds", list(points.values())


def _on_clips(
    truth: pd.DataFrame, clips: Sequence[str], system: pd.DataFrame, what: str
) -> tuple[pd.DataFrame, Missing | None]:
    """`on_clips`; predictions in a clip that is not there contradict the scores."""
    restricted, missing = on_clips(truth, clips, what)
    absent = set(truth["filename"]).difference(respelled(pd.Series(list(clips)), truth["filename"]))
    if there := absent.intersection(respelled(tables.events(system)["filename"], truth["filename"])):
        raise SedError(
            f"{what}: {len(there)} clips with predictions are missing, for example {min(there)!r}; "
            "scores and predictions must be of the same clips"
        )
    return restricted, missing


def _without_length(what: str, count: int) -> Iterator[str]:
    if count:
        events, verb = ("1 event", "is") if count == 1 else (f"{count} events", "are")
        yield f"{what}: {events} without length (onset = offset) {verb} left out"


def _notes(
    truth: pd.DataFrame, system: pd.DataFrame, scores: Posteriors | None, durations: Mapping[str, float] | None
) -> Iterator[str]:
    """Sentences on what can hardly be meant."""
    if durations is None:
        lengths, advice = assumed_durations(truth), "; if clips last longer than 10 s, give durations"
    else:
        lengths, advice = {name: durations.get(name, CLIP_S) for name in tables.filenames(truth)}, ""
    truth, system = tables.events(truth), tables.events(system)
    given = truth["filename"].map(durations or {}).fillna(CLIP_S)  # not what the reference's own events say
    predicted = system["filename"].map(lengths)  # NaN for unknown clips, than which nothing is later
    for what, table, end in (("reference", truth, given), ("predictions", system, predicted)):
        late = table["onset"] >= end
        if late.any():
            first, begins, its = table[late].iloc[0], *(("begins", "its") if late.sum() == 1 else ("begin", "their"))
            where = f"{first['filename']} at {first['onset']:g} s of {end[late].iloc[0]:g} s"
            yield (
                f"{what}: {late.sum()} of {len(table)} events {begins} after the end of {its} clip (in {where}); "
                f"times are in seconds, not milliseconds or frames{advice}"
            )
    beyond = (truth["onset"] < given) & (truth["offset"] > given + 0.2)
    if beyond.any():
        first, ends, its = truth[beyond].iloc[0], *(("ends", "its") if beyond.sum() == 1 else ("end", "their"))
        events = f"{beyond.sum()} of {len(truth)} events {ends} more than 0.2 s after {its} clip"
        yield f"reference: {events} (in {first['filename']} at {first['offset']:g} s){advice}"
    if scores is not None:
        n_frames, longest = scores.scores.shape[1], max(lengths.values())
        covered = n_frames * scores.frame_s
        if not 0.5 < covered / longest < 2:
            yield (
                f"scores cover {covered:g} s ({n_frames} frames of {scores.frame_s:g} s), the longest clip lasts "
                f"{longest:g} s; frame_s is the seconds of a frame"
            )


def report(result: dict[str, Any]) -> str:
    """`evaluate`'s result as a table in percent."""
    clips, events, psds = result["clips"], result["events"], result.get("psds")
    by_event, by_segment = result["event_f1"], result["segment_f1"]
    lines = [
        f"{clips['evaluated']} clips ({clips['without_events']} without events, {clips['without_predictions']} without "
        f"predictions), {events['reference']} reference events, {events['predictions']} predicted"
    ]
    if unknown := clips["unknown"]:
        lines.append(
            f"left out: predictions in {len(unknown)} clips that the reference does not have, for example {unknown[0]}"
        )
    if clips.get("missing"):
        lines.append(missing_text(clips["missing"]))
    lines += [f"note: {note}" for note in result.get("notes", ())]
    lines += ["", f"{'%':<28}{'event F1':>24}{'segment F1':>24}" + (f"{'PSDS':>9}" if psds else "")]
    for name, limits in (("macro", "ci95"), ("micro", "ci95_micro")):
        cells = "".join(f"{_with_interval(of[name], of[limits]):>24}" for of in (by_event, by_segment))
        lines.append(f"{name:<28}{cells}" + (f"{_percent(psds['value']):>9}" if psds and name == "macro" else ""))
    header = f"{'class':<28}{'event F1':>9}{'prec.':>8}{'recall':>8}{'ref.':>7}{'pred.':>7}{'segment F1':>12}"
    lines += ["", header + (f"{'PSDS':>9}" if psds else "")]
    for name, event in by_event["per_class"].items():
        lines.append(
            f"{name:<28}{_percent(event['f1']):>9}{_percent(event['precision']):>8}{_percent(event['recall']):>8}"
            f"{event['n_ref']:>7}{event['n_sys']:>7}{_percent(by_segment['per_class'][name]['f1']):>12}"
            + (f"{_percent(psds['per_class'].get(name)):>9}" if psds else "")
        )
    lines += [
        "",
        "Event F1: onset within 0.2 s, offset within 0.2 s or 20 % of the length. Segments of 1 s. "
        "[ ]: 95 % bootstrap over clips.",
    ]
    if psds and "error" in psds:
        lines.append(f"PSDS cannot be computed: {psds['error']}")
    elif psds:
        settings = ", ".join(f"{name} {psds[name]:g}" for name in _CRITERIA)
        lines.append(f"PSDS: {psds['method']}; {settings}; durations: {psds['durations']}.")
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
        raise SedError(
            f"{path}: {table['filename'][wrong[0]]!r} lasts {table['duration'][wrong[0]]:g} s; "
            "each clip needs one length, more than 0"
        )
    return dict(zip(table["filename"], table["duration"], strict=True))


def _numbers(table: pd.DataFrame, column: str, path: str | Path) -> pd.Series:
    numbers = pd.to_numeric(table[column], errors="coerce")
    wrong = np.flatnonzero(~(np.isfinite(numbers) & (numbers >= 0)))
    if len(wrong):
        where, value = tables.line_of(path, wrong[0]), table[column][wrong[0]]
        raise SedError(f"{where}: {column} {value!r} is not a number, 0 or more")
    return numbers


def _f1(result: F1Result) -> dict[str, Any]:
    interval = confidence(result)
    return {
        "macro": _number(result.macro),
        "ci95": [_number(limit) for limit in interval["macro"][1:]],
        "micro": _number(result.micro),
        "ci95_micro": [_number(limit) for limit in interval["micro"][1:]],
        "per_class": {
            name: {key: _number(value) for key, value in row.items()} for name, row in result.per_class.items()
        },
    }


def _number(value: float) -> float | None:
    """JSON has no NaN."""
    return None if np.isnan(value) else value


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.2f}"


def _with_interval(value: float | None, interval: list[float | None]) -> str:
    low, high = interval
    return _percent(value) if low is None or high is None else f"{_percent(value)} [{100 * low:.1f}, {100 * high:.1f}]"
