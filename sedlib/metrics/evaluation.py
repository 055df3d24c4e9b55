"""All scores of a system from its files: `sedlib evaluate`.

Paper section 4 and Table 3; taught in ``notebooks/00_start_here.py``. Takes the files that DCASE systems write.
Names that differ in Unicode normalisation alone are the same clip. Events without length (onset = offset) are left out,
for F1 and PSDS alike (sed_eval's F1 would count them). Times that other files contradict, such as milliseconds, are
scored as they stand; ``notes`` say so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sedlib.config import Decoding
from sedlib.data import tables
from sedlib.decode.decoders import operating_points as cut
from sedlib.decode.posteriors import Posteriors, check_scores
from sedlib.errors import SedError
from sedlib.metrics.bootstrap import confidence
from sedlib.metrics.clips import Missing, composed, missing_text, on_clips, with_length
from sedlib.metrics.f1 import F1Result, event_f1, segment_f1
from sedlib.metrics.psds import CLIP_S, Psds, assumed_durations, psds_from_operating_points

_CRITERIA = psds_from_operating_points.__kwdefaults__ or {}  # DCASE 2020's
_ASSUMED = "assumed, 10 s per clip, or the end of its last reference event if that is later"


def evaluate(
    reference: str | Path,
    predictions: str | Path,
    operating_points: str | Path | Mapping[float, pd.DataFrame] | None = None,
    scores: str | Path | None = None,
    durations: str | Path | None = None,
    clips: Sequence[str] | None = None,
    **criteria: float,
) -> dict[str, Any]:
    """Score a system's files.

    Parameters
    ----------
    reference, predictions : path
        TSV event tables ``filename onset offset event_label``; a clip without events has empty cells.
    operating_points, scores : path, optional
        For PSDS, one of the two: event tables at several thresholds (TSV, plain or gzip, with the column ``threshold``
        before the others; or in memory, by threshold), or posteriors (``.npz``, see `sedlib.decode.Posteriors`), which
        are cut at the challenge's 50.
    durations : path, optional
        TSV ``filename duration``, seconds, for PSDS; it may hold more clips than the reference. Default:
        `assumed_durations`.
    clips : sequence of str, optional
        The clips that the system was given, where some of the reference's are missing. Default: those of ``scores``,
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
    asked = operating_points is not None or scores is not None
    truth, notes = _read_events(reference, "reference")
    system, more_notes = _read_events(predictions, "predictions")
    if tables.events(truth).empty:
        raise SedError(f"{reference}: no events, so there is nothing to find")
    posteriors, lengths, missing, method, score, error = None, None, None, None, Psds(np.nan, {}), {}
    try:  # F1 needs none of these
        lengths = None if durations is None else _read_durations(durations)
        posteriors = None if scores is None else _read_scores(scores)
        clips = posteriors.filenames if clips is None and posteriors is not None else clips
        if clips is not None:
            truth, missing = _on_clips(truth, composed(clips), system, str(scores or "scores"))
        if asked:
            method, points = _points(operating_points, posteriors, truth)
            score = psds_from_operating_points(truth, points, lengths, **criteria)
    except SedError as problem:
        error = {"error": str(problem)}
    events, segments = event_f1(truth, system), segment_f1(truth, system)
    _, n_sys, n_ref = events.counts.sum(axis=1).T
    counted = {"evaluated": len(events.filenames), "without_events": int((n_ref == 0).sum())}
    counted["without_predictions"] = int((n_sys == 0).sum())
    counted |= {"unknown": sorted({*events.unknown_filenames, *score.unknown_filenames}), "missing": missing}
    result = {
        "reference": str(reference),
        "predictions": str(predictions),
        "clips": counted,
        "events": {"reference": int(n_ref.sum()), "predictions": int(n_sys.sum())},
        "event_f1": {**_f1(events), "onset_collar": 0.2, "offset_collar": 0.2, "offset_share": 0.2},
        "segment_f1": {**_f1(segments), "segment_s": 1.0},
        "notes": [*notes, *more_notes, *_notes(truth, system, posteriors, lengths)],
    }
    if asked:
        psds = {"value": score.value, "per_class": score.per_class, **_CRITERIA, **criteria, "method": method}
        psds["durations"] = _ASSUMED if durations is None else str(durations)
        psds["merged"] = {"reference": score.merged, "predictions": score.merged_predictions}
        result["psds"] = psds | error
    return _plain(result)


def _points(
    operating_points: str | Path | Mapping[float, pd.DataFrame] | None, scores: Posteriors | None, truth: pd.DataFrame
) -> tuple[str, list[pd.DataFrame]]:
    """How PSDS is computed, and predictions at several thresholds."""
    if scores is not None:
        if absent := sorted(set(tables.events(truth)["event_label"]).difference(scores.classes)):
            raise SedError(f"scores: no class {absent[0]!r}, which has events in the reference")
        points, what = cut(scores, Decoding(median_s=0)), "scores cut"
    else:
        assert operating_points is not None
        points = operating_points if isinstance(operating_points, Mapping) else _read_points(operating_points)
        what = "predictions"
    spelled = [table.assign(filename=composed(table["filename"])) for table in points.values()]
    return f"{what} at {len(points)} thresholds", spelled


def _read_events(path: str | Path, what: str) -> tuple[pd.DataFrame, list[str]]:
    """Events that have a length, and a note where others are left out."""
    table, empty = with_length(tables.read_events(path))
    notes = [f"{what}: events without length (onset = offset), left out: {empty}"] if empty else []
    return table.assign(filename=composed(table["filename"])), notes


def _read_scores(path: str | Path) -> Posteriors:
    found = Posteriors.load(path)
    for name in found.classes:
        if name not in tables.CLASSES:
            raise SedError(f"{path}: {tables.unknown_label(name)}")
    check_scores(found.scores)
    return replace(found, filenames=composed(found.filenames))


def _read_points(path: str | Path) -> dict[float, pd.DataFrame]:
    """Event tables by threshold, ascending."""
    table = tables.read_table(path, ["threshold", *tables.EVENT_COLUMNS])
    table["threshold"] = _numbers(table, "threshold", path)
    table = tables.typed_events(table, path)
    return {threshold: rows[tables.EVENT_COLUMNS] for threshold, rows in table.groupby("threshold")}


def _read_durations(path: str | Path) -> dict[str, float]:
    """Seconds by filename."""
    table = tables.read_table(path, ["filename", "duration"])
    table["duration"] = _numbers(table, "duration", path)
    table = table.drop_duplicates(ignore_index=True)
    wrong = table[(table["duration"] == 0) | table["filename"].duplicated()]
    if len(wrong):
        name, seconds = wrong.iloc[0]
        raise SedError(f"{path}: {name!r} lasts {seconds:g} s; each clip needs one length, more than 0")
    return dict(zip(composed(table["filename"]), table["duration"], strict=True))


def _numbers(table: pd.DataFrame, column: str, path: str | Path) -> pd.Series:
    numbers = pd.to_numeric(table[column], errors="coerce")
    wrong = np.flatnonzero(~(np.isfinite(numbers) & (numbers >= 0)))
    if len(wrong):
        where, value = tables.line_of(path, wrong[0]), table[column][wrong[0]]
        raise SedError(f"{where}: {column} {value!r} is not a number, 0 or more")
    return numbers


def _on_clips(
    truth: pd.DataFrame, clips: Sequence[str], system: pd.DataFrame, what: str
) -> tuple[pd.DataFrame, Missing | None]:
    """`on_clips`; predictions in a clip that is missing contradict the scores."""
    restricted, missing = on_clips(truth, clips, what)
    absent = set(truth["filename"]).difference(clips).intersection(tables.events(system)["filename"])
    if absent:
        raise SedError(
            f"{what}: {len(absent)} clips with predictions are missing, for example {min(absent)!r}; "
            "scores and predictions must cover the same clips"
        )
    return restricted, missing


def _notes(
    truth: pd.DataFrame, system: pd.DataFrame, scores: Posteriors | None, durations: Mapping[str, float] | None
) -> Iterator[str]:
    """Sentences on what can hardly be meant."""
    advice = "; if clips last longer than 10 s, give durations" if durations is None else ""
    given = {name: (durations or {}).get(name, CLIP_S) for name in tables.filenames(truth)}
    lengths = assumed_durations(truth) if durations is None else given
    truth, system = tables.events(truth), tables.events(system)
    end = truth["filename"].map(given)  # not what the reference's own events say
    predicted = system["filename"].map(lengths)  # NaN for unknown clips, than which nothing is later
    for what, table, ends in (("reference", truth, end), ("predictions", system, predicted)):
        late = table[table["onset"] >= ends]
        if len(late):
            first, seconds = late.iloc[0], ends[late.index[0]]
            yield (
                f"{what}: {len(late)} of {len(table)} events begin after the end of their clip (in {first['filename']} "
                f"at {first['onset']:g} s of {seconds:g} s); times are in seconds, not milliseconds or frames{advice}"
            )
    beyond = truth[(truth["onset"] < end) & (truth["offset"] > end + 0.2)]
    if len(beyond):
        first, events = beyond.iloc[0], f"{len(beyond)} of {len(truth)} events end more than 0.2 s after their clip"
        yield f"reference: {events} (in {first['filename']} at {first['offset']:g} s){advice}"
    if scores is not None:
        n_frames, longest = scores.scores.shape[1], max(lengths.values())
        covered = n_frames * scores.frame_s
        if not 0.5 < covered / longest < 2:
            yield (
                f"scores cover {covered:g} s ({n_frames} frames of {scores.frame_s:g} s), the longest clip lasts "
                f"{longest:g} s; frame_s is the seconds of a frame"
            )


def _f1(result: F1Result) -> dict[str, Any]:
    limits = {name: found[1:] for name, found in confidence(result).items()}
    macro = {"macro": result.macro, "ci95": limits["macro"]}
    return macro | {"micro": result.micro, "ci95_micro": limits["micro"], "per_class": result.per_class}


def _plain(value: Any) -> Any:
    """Convert for JSON, which has no NaN and no tuples."""
    if isinstance(value, dict):
        return {name: _plain(of) for name, of in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(of) for of in value]
    return None if isinstance(value, float) and np.isnan(value) else value


def report(result: dict[str, Any]) -> str:
    """Print `evaluate`'s result as a table in percent."""
    clips, events, psds = result["clips"], result["events"], result.get("psds")
    by_event, by_segment = result["event_f1"], result["segment_f1"]

    def last(text: str) -> str:
        return f"{text:>9}" if psds else ""

    lines = [
        f"{clips['evaluated']} clips ({clips['without_events']} without events, {clips['without_predictions']} without "
        f"predictions), {events['reference']} reference events, {events['predictions']} predicted"
    ]
    if unknown := clips["unknown"]:
        where = f"{len(unknown)} clips that are not in the reference, for example {unknown[0]}"
        lines.append(f"left out: predictions in {where}")
    if clips["missing"]:
        lines.append(missing_text(clips["missing"]))
    lines += [f"note: {note}" for note in result["notes"]]
    lines += ["", f"{'%':<28}{'event F1':>24}{'segment F1':>24}" + last("PSDS")]
    for name, limits in (("macro", "ci95"), ("micro", "ci95_micro")):
        cells = "".join(f"{_with_interval(of[name], of[limits]):>24}" for of in (by_event, by_segment))
        lines.append(f"{name:<28}{cells}" + (last(_percent(psds["value"])) if psds and name == "macro" else ""))
    header = f"{'class':<28}{'event F1':>9}{'prec.':>8}{'recall':>8}{'ref.':>7}{'pred.':>7}{'segment F1':>12}"
    lines += ["", header + last("PSDS")]
    for name, event in by_event["per_class"].items():
        segment, area = by_segment["per_class"][name]["f1"], psds["per_class"].get(name) if psds else None
        lines.append(
            f"{name:<28}{_percent(event['f1']):>9}{_percent(event['precision']):>8}{_percent(event['recall']):>8}"
            f"{event['n_ref']:>7}{event['n_sys']:>7}{_percent(segment):>12}" + last(_percent(area))
        )
    criteria = "Event F1: onset within 0.2 s, offset within 0.2 s or 20 % of the length. Segments of 1 s."
    lines += ["", f"{criteria} [ ]: 95 % bootstrap over clips."]
    if psds:
        lines += _psds_lines(psds)
    return "\n".join(lines)


def _psds_lines(psds: dict[str, Any]) -> Iterator[str]:
    if "error" in psds:
        yield f"PSDS cannot be computed: {psds['error']}"
        return
    settings = ", ".join(f"{name} {psds[name]:g}" for name in _CRITERIA)
    yield f"PSDS: {psds['method']}; {settings}; durations: {psds['durations']}."
    if merged := [f"{count} in the {what}" for what, count in psds["merged"].items() if count]:
        yield f"For PSDS, overlapping events of one class were merged: {' and '.join(merged)}."


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.2f}"


def _with_interval(value: float | None, interval: list[float | None]) -> str:
    low, high = interval
    return _percent(value) if low is None or high is None else f"{_percent(value)} [{100 * low:.1f}, {100 * high:.1f}]"
