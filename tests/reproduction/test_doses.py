"""Doses: what their data are made of, and a small study that is stopped, goes on and does nothing twice."""

import dataclasses
import json

import pytest

from minidesed import generate
from minidesed.domains import INGREDIENTS
from reproduction.studies import doses
from reproduction.studies.doses import DOSES, Dose
from sedlib import config
from sedlib.systems import configuration


@pytest.mark.parametrize("name", DOSES)
def test_a_dose_is_of_two_systems_and_of_data_that_can_be_made(name):
    assert doses.TITLES[name] and any(dose.embedded for dose in DOSES[name].values())
    for dose in DOSES[name].values():
        assert configuration(dose.first, "lesson") != configuration(dose.second, "lesson")
        assert set(dose.without) < set(INGREDIENTS)
    assert len({dose[2:] for dose in DOSES[name].values()}) == len(DOSES[name]) or name == "start"


def test_label_shift_alone_separates_two_doses_of_the_gap():
    without, with_it = (set(DOSES["gap"][label].without) for label in ("recording", "recording, label shift"))
    assert without - with_it == {"scenes"} and not with_it - without


def test_it_goes_on_where_it_was_stopped_and_keeps_no_data(workspace, monkeypatch):
    few = {"synthetic": 12, "weak": 6, "unlabel_in_domain": 12, "validation": 5, "public": 2}
    monkeypatch.setitem(generate.SIZES, "smoke", few)
    smoke = config.PROFILES["smoke"]
    quick = dataclasses.replace(smoke, training=dataclasses.replace(smoke.training, epochs=1, steps_per_epoch=2))
    monkeypatch.setitem(config.PROFILES, "smoke", quick)
    pair = "dat", "baseline"
    two = {"3": Dose(*pair, 3), "quiet": Dose(*pair, without=("noise",)), "all": Dose(*pair)}
    monkeypatch.setitem(DOSES, "gap", two)
    made = generate.mini

    def stopped(root, *of, **options):
        if "without-noise" in root.name:
            raise KeyboardInterrupt
        return made(root, *of, **options)

    with monkeypatch.context() as changed, pytest.raises(KeyboardInterrupt):
        changed.setattr(generate, "mini", stopped)
        doses.measure("gap", 1, "smoke", progress=False)
    assert not list((workspace / "data").iterdir())

    monkeypatch.setattr(
        generate, "mini", lambda root, *of, **options: root.name != "mini-smoke-3" and made(root, *of, **options)
    )
    measured = json.loads(doses.measure("gap", 1, "smoke", progress=False).read_text())
    assert list(measured["doses"]) == list(two) and [path.name for path in (workspace / "data").iterdir()] == [
        "mini-smoke"
    ]
    folders = {path.name for path in (workspace / "runs" / "smoke").iterdir()}
    assert folders == {"mini-smoke", "mini-smoke-3", "mini-smoke-4-without-noise"}
    for found in measured["doses"].values():
        dat, baseline = (found["systems"][system]["dev"][0] for system in pair)
        assert found["difference"]["value"] == pytest.approx(dat - baseline)
    assert list(doses.table(measured)["dose"]) == list(two)

    known = doses.load("gap")
    assert known is None or "as published" in known["from"]  # smoke shows nothing
    path = workspace / "report" / "doses" / "gap.json"
    path.write_text(json.dumps(measured | {"profile": "lesson"}))
    assert "measured here" in doses.load("gap")["from"]
    path.write_text(json.dumps(measured))
    monkeypatch.setattr(doses, "train", None)  # would be needed
    doses.measure("gap", 1, "smoke", progress=False)
    with pytest.raises(TypeError):
        doses.measure("gap", 2, "smoke", progress=False)  # another measurement begins anew
