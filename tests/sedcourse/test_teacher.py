"""Lesson 04: tables and pictures of network and teacher."""

import numpy as np
import pandas as pd
import pytest
import torch

from sedcourse import teacher
from sedlib.data.tables import CLASSES
from sedlib.decode import Posteriors
from sedlib.models import CRNN
from sedlib.systems import configuration

EVENTS = pd.DataFrame(
    {"filename": ["a.wav", "b.wav"], "onset": [0.5, 1.0], "offset": [1.5, 2.0], "event_label": ["Dog", "Cat"]}
)


def test_settings_that_differ_and_no_others():
    paper, smoke = configuration("baseline", "paper"), configuration("baseline", "smoke")
    table = teacher.changed(smoke, paper).set_index("what")
    assert table.loc["training.ema", "paper"] == "0.999" and table.loc["training.ema", "here"] == str(
        smoke.training.ema
    )
    assert "training.consistency" not in table.index and teacher.changed(paper, paper).empty


@pytest.mark.parametrize("profile", ["smoke", "lesson", "paper"])
def test_shapes_and_parameters_are_the_networks(profile):
    config = configuration("baseline", profile)
    table = teacher.shapes(config).set_index("part")
    crnn = CRNN(config.model, config.features.n_mels).eval()
    output = crnn(torch.zeros(1, 1, config.features.n_mels, config.features.frames))
    assert table.loc["strong: (batch, frame, class)", "shape"] == tuple(output.strong_logits.shape)
    assert table.loc["weak: (batch, class)", "shape"] == tuple(output.weak_logits.shape)
    assert table["parameters"].sum() == teacher.parameters(crnn)


@pytest.mark.parametrize("alpha, steps", [(0.9, 7), (0.999, 693)])
def test_half_is_forgotten_after(alpha, steps):
    figure, said = teacher.followed(alpha)
    student, average = (line.get_ydata() for line in figure.axes[0].lines)
    assert f"half forgotten after {steps} steps" in said and np.std(np.diff(average)) < np.std(np.diff(student))


def test_ramps_end_at_the_tops():
    t = configuration("baseline", "lesson").training
    figure, _ = teacher.ramps(t)
    assert [ax.lines[0].get_ydata()[-1] for ax in figure.axes] == [t.consistency, t.learning_rate]


def test_the_teachers_lead_epoch_by_epoch():
    history = pd.DataFrame({"epoch": [1, 2], "validation_f1_teacher": [0.1, 0.4], "validation_f1_student": [0.2, 0.3]})
    assert teacher.ahead(history)[1].endswith("-10.0, +10.0")


def test_the_liveliest_posterior_is_the_students_alone():
    both = np.zeros((2, 3, 20, 10))
    both[:, 0, ::2, 1] = 1  # restless in both networks
    both[0, 2, ::2, 4] = 0.6
    assert teacher.liveliest(*both) == (2, 4)
    figure, said = teacher.both({"student": both[0, 2, :, 4], "teacher": both[1, 2, :, 4]}, 0.1, EVENTS[:1], "Dog in a")
    assert said.endswith("student 11.4, teacher 0.0.")


def curve(step, lead):
    return {"step": step, "student": {"median_f1": 0.2, "psds": 0.5}, "teacher": {"median_f1": 0.2 + lead, "psds": 0.6}}


def test_what_the_teacher_is_worth_by_steps():
    table = teacher.worth([curve(1000, -0.01), curve(2000, 0.02), curve(2000, 0.04)]).set_index("steps")
    assert table.loc[1000].tolist() == [1, "-1.0", "-1.0", "-1.0", "+0.100"]
    assert table.loc[2000].tolist() == [2, "+3.0", "+2.0", "+4.0", "+0.100"]


def test_the_published_study_has_curves():
    study = teacher.study()
    assert "schedule.json" in study["from"] and len(teacher.worth(study["curves"])) > 1


def test_a_deaf_detector_keeps_events_and_changes_clips():
    names = ["a.wav", "b.wav", "c.wav"]
    moved = teacher.by_chance(EVENTS, names, np.random.default_rng(0))
    assert moved.drop(columns="filename").equals(EVENTS.drop(columns="filename"))
    assert set(moved["filename"]) <= set(names) and moved["filename"].nunique() == 2


def test_the_baselines_row_stands_beside_the_papers():
    per_class = {name: {"f1": 0.5, "n_ref": 1} for name in CLASSES}
    f1 = {"macro": 0.2512, "ci95": [0.2, 0.3], "per_class": per_class}
    results = {"validation": {"event_f1": f1, "psds": {"value": None}}}
    deaf = [type("Deaf", (), {"macro": 0.01, "counts": np.ones((1, 10, 3), int)})]
    table = teacher.baseline_row(results, deaf)
    assert list(table["paper"]) == ["34.8", "34.9", "0.61", ""] and list(table["here"]) == ["25.1", "", "", "1.0"]
    assert list(table["95 % interval over clips"]) == ["20.0 to 30.0", "", "", ""]
    assert "Dog 50.0 %" in teacher.by_class(results, deaf)[1]


def test_where_a_filter_changes_most():
    scores = Posteriors(np.zeros((2, 8, 10), np.float32), ["a.wav", "b.wav"], CLASSES, 0.1)
    active = np.zeros((2, 8, 10), bool)
    active[1, 3:5, 4] = True
    _, said = teacher.most_changed(scores, active, np.zeros_like(active))
    assert said.startswith("Posterior of Dog in b.wav") and "changes 2 of 8 frames" in said
