"""Oracles: sed_scores_eval, PSDS of posteriors at every threshold (Ebbers et al., ICASSP 2022); and psds_eval."""

import warnings

import numpy as np
import pandas as pd
import psds_eval
import sed_scores_eval

from reproduction.studies.independent import sed_scores
from sedlib.decode import Posteriors
from sedlib.metrics.psds import merge_overlaps


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
    frames, events, assumed = sed_scores(Posteriors(scores, list(filenames), tuple(classes), frame_s), reference)
    value, per_class, *_ = sed_scores_eval.intersection_based.psds(
        frames,
        events,
        durations or assumed,
        dtc_threshold=dtc,
        gtc_threshold=gtc,
        cttc_threshold=cttc if alpha_ct else None,
        alpha_ct=alpha_ct,
        alpha_st=alpha_st,
        max_efpr=max_efpr,
    )
    return float(value), {name: float(per_class[name]) for name in classes if name in per_class}


def by_psds_eval(reference, points, durations, dtc, gtc, *, alpha_ct, alpha_st, max_efpr):
    """PSDS of predictions at several thresholds, and the mean curve, by psds_eval; several classes are needed for
    costs."""
    truth, _ = merge_overlaps(reference)
    clips = pd.DataFrame({"filename": reference["filename"].unique()})
    clips["duration"] = clips["filename"].map(durations)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        curve = psds_eval.PSDSEval(dtc, gtc, 0.3, ground_truth=truth, metadata=clips)
        for point in points:
            known = merge_overlaps(point[point["filename"].isin(clips["filename"])])[0]
            if len(known):
                curve.add_operating_point(known)
        if not curve.num_operating_points():
            return 0.0, (np.zeros(1), np.zeros(1))
        rocs = curve.psd_roc_curves(alpha_ct)
        one_class = truth["event_label"].nunique() == 1
        roc = rocs[0] if one_class else rocs[2]
        mean = np.asarray(roc.yp).mean(axis=0)
        if one_class:
            widths = np.diff(np.append(roc.xp, np.inf).clip(max=max_efpr))
            return float(np.sum(widths * mean)) / max_efpr, (np.asarray(roc.xp), mean)
        return float(curve.psds(alpha_ct, alpha_st, max_efpr).value), (np.asarray(roc.xp), mean)
