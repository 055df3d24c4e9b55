"""sed_eval as the oracle of event and segment F1."""

import warnings

import numpy as np
import pandas as pd

from sedlib.data import tables

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # its dependencies import pkg_resources
    import sed_eval

CLASSES = ("Cat", "Dog", "Speech")


def table(rows):
    return pd.DataFrame(rows, columns=tables.EVENT_COLUMNS).astype({"onset": float, "offset": float})


def event_metrics(classes=CLASSES):
    return sed_eval.sound_event.EventBasedMetrics(
        list(classes), t_collar=0.2, percentage_of_length=0.2, empty_system_output_handling="zero_score"
    )


def segment_metrics(classes=CLASSES):
    return sed_eval.sound_event.SegmentBasedMetrics(list(classes), time_resolution=1.0)


def feed(metrics, reference, predictions, filenames, after_clip=lambda metrics: None):
    """Give sed_eval clip after clip, as the DCASE baselines do; the list of what ``after_clip`` returned."""
    by_clip = [
        {name: rows.to_dict("records") for name, rows in tables.events(t).groupby("filename")}
        for t in (reference, predictions)
    ]
    seen = []
    for name in filenames:
        metrics.evaluate(*(rows.get(name, []) for rows in by_clip))
        seen.append(after_clip(metrics))
    return seen


def counts_then_reset(metrics):
    """(class, 3) counts of the one clip that was given."""
    counts = [[values["Ntp"], values["Nsys"], values["Nref"]] for values in metrics.class_wise.values()]
    metrics.reset()
    return counts


def assert_same_scores(result, metrics):
    """Macro, micro and per-class scores equal to sed_eval's, bit for bit."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Mean of empty slice", RuntimeWarning)
        assert_same(result.macro, metrics.results_class_wise_average_metrics()["f_measure"]["f_measure"])
    assert_same(result.micro, metrics.overall_f_measure()["f_measure"])
    for name, row in result.per_class.items():
        expected = metrics.class_wise_f_measure(name)
        for key, theirs in (("f1", "f_measure"), ("precision", "precision"), ("recall", "recall")):
            assert_same(row[key], expected[theirs])


def assert_same(value, expected):
    np.testing.assert_array_equal(value, expected)
