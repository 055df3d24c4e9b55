"""The main job on recordings, small: a folder of sounds, a data set, a training, events of a recording.

Needs the folder of real recordings beside the repository; skipped without it.
"""

import dataclasses

import pytest

from minidesed import generate
from reproduction import audit
from sedlib.config import PROFILES
from sedlib.inference import detect
from sedlib.training import score, train


@pytest.fixture(scope="module")
def recorded(shared, tmp_path_factory):
    root = tmp_path_factory.mktemp("recorded") / "data"
    sizes = {"synthetic": 12, "weak": 6, "unlabel_in_domain": 6, "validation": 8}
    summary = generate.from_soundbank(shared / "real_events", root, sizes, seed=0, progress=False)
    assert "Vacuum_cleaner" in summary  # its one recording serves all pools, and that is said
    return root


def test_data_set_of_recordings_has_nothing_broken(recorded):
    report = audit.check(recorded)
    assert report.ok, report.text()


def test_train_score_and_detect(recorded, shared, tmp_path):
    smoke = PROFILES["smoke"]
    config = dataclasses.replace(smoke, training=dataclasses.replace(smoke.training, steps_per_epoch=4))
    run = train(config, recorded, 0, tmp_path, progress=False)
    results = score(run, recorded, progress=False)
    assert set(results) == {"validation", "scored_by", "posteriors"}, "this data set has no evaluation clips"
    assert run.metrics["loss_total"].iloc[-1] < run.metrics["loss_total"].iloc[0]
    recording = next((shared / "real_events" / "Speech").glob("*.flac"))
    events = detect(run.detector(), run.config, recording)
    assert list(events.columns) == ["filename", "onset", "offset", "event_label"]
