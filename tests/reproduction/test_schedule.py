"""The study of lengths and schedules: its variants, a small curve, and what a kill leaves."""

import json

import pytest

from reproduction import published
from reproduction.studies import schedule
from sedlib.config import Config
from sedlib.files import write_json
from sedlib.systems import configuration


@pytest.mark.parametrize("variant", schedule.VARIANTS)
def test_every_variant_is_a_configuration_with_a_point_every_1000_steps(variant):
    config = schedule.config_of(variant, 4000)
    assert isinstance(config, Config) and (config.training.epochs, config.training.steps_per_epoch) == (4, 1000)


def test_a_curve_goes_on_after_a_kill_and_keeps_its_points(tiny, workspace, monkeypatch):
    monkeypatch.setattr(schedule, "configuration", lambda system, profile: configuration(system, "smoke"))
    monkeypatch.setattr(schedule, "dataset", lambda *of: tiny)
    monkeypatch.setattr(schedule, "TUNING", {"validation": 4})
    monkeypatch.setattr(schedule, "STEPS", 2)
    path = schedule.curve("rate_0.0025", 0, 4)
    lines = path.read_text()
    found = [json.loads(line) for line in lines.splitlines()]
    assert [line["step"] for line in found] == [2, 4]
    assert all(0 <= line[who]["psds"] <= 1 for line in found for who in ("student", "teacher"))
    shown = schedule.table({"curves": found})
    assert list(shown) == [2, 4] and len(shown) == 4

    first = lines.splitlines(keepends=True)[0]
    path.write_text(first + '{"variant": "rate_0')
    for made in path.parent.iterdir():
        if made != path and made.is_file():
            made.unlink()
    assert schedule.curve("rate_0.0025", 0, 4).read_text() == lines


def test_publishing_keeps_curves_of_other_workspaces(tmp_path, monkeypatch):
    monkeypatch.setattr(schedule, "PUBLISHED", tmp_path / "schedule.json")
    stamp = published.stamp("lesson")
    old, again = ({"variant": "dat", "seed": 0, "step": step} for step in (1000, 2000))
    other = {"variant": "dat", "seed": 1, "step": 1000}
    assert schedule.with_published({**stamp, "curves": [again]})["curves"] == [again]
    write_json(schedule.PUBLISHED, {**stamp, "curves": [old, other]})
    assert schedule.with_published({**stamp, "curves": [again]})["curves"] == [other, again]
    write_json(schedule.PUBLISHED, {**stamp, "generator": 0, "curves": [other]})
    assert schedule.with_published({**stamp, "curves": [again]})["curves"] == [again]
