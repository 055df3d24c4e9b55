"""sed_scores_eval as an oracle: PSDS of posteriors at every threshold (Ebbers et al., ICASSP 2022)."""

import numpy as np
import sed_scores_eval
from sed_scores_eval.base_modules.scores import create_score_dataframe

from sedlib.metrics.psds import assumed_durations, merge_overlaps


def psds_at_every_threshold(
    reference,
    scores,
    filenames,
    frame_s,
    durations=None,
    classes=None,
    *,
    dtc=0.5,
    gtc=0.5,
    cttc=0.3,
    alpha_ct=0.0,
    alpha_st=0.0,
    max_efpr=100.0,
):
    """PSDS, and of each class, of scores (clip, frame, class)."""
    truth, _ = merge_overlaps(reference)
    scored = [name for name in classes if name in set(truth["event_label"])]
    columns, times = [list(classes).index(name) for name in scored], np.arange(scores.shape[1] + 1) * frame_s
    frames = {
        name: create_score_dataframe(clip[:, columns].astype(float), times, scored)
        for name, clip in zip(filenames, scores)
    }
    # Touching events of a class a rounding error apart: sed_scores_eval refuses events that overlap.
    touching = (truth["onset"] == truth["offset"].shift()) & (
        truth[["filename", "event_label"]] == truth[["filename", "event_label"]].shift()
    ).all(axis=1)
    truth = truth.assign(onset=truth["onset"].mask(touching, np.nextafter(truth["onset"], np.inf)))
    events = {name: [] for name in filenames}
    for name, onset, offset, label in truth.itertuples(index=False):
        events[name].append((onset, offset, label))
    value, per_class, *_ = sed_scores_eval.intersection_based.psds(
        frames,
        events,
        durations or assumed_durations(reference),
        dtc_threshold=dtc,
        gtc_threshold=gtc,
        cttc_threshold=cttc if alpha_ct else None,
        alpha_ct=alpha_ct,
        alpha_st=alpha_st,
        max_efpr=max_efpr,
    )
    return float(value), {name: float(per_class[name]) for name in scored}
