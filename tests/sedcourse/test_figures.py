"""The pictures in figures/ and their manifest belong together, and the README shows only what is listed; what the
picture of a training's costs shows is what was measured.
"""

import json
import re
import sys

import numpy as np
import pytest
import screens
import torch
from PIL import Image

from bench import cost
from figures import draw as figures
from figures.draw import FIGURES
from sedcourse import plots
from sedlib import __version__
from sedlib.config import PROFILES
from sedlib.errors import SedError


def test_manifest_lists_every_picture_with_its_description():
    manifest = json.loads((FIGURES / "manifest.json").read_text(encoding="utf-8"))
    assert {entry["file"] for entry in manifest} == {path.name for path in FIGURES.glob("*.png")}
    for entry in manifest:
        assert {"lesson", "profile", "data", "seed", "alt"} <= set(entry) and len(entry["alt"]) > 40


def test_one_picture_drawn_anew_leaves_the_others(tmp_path, monkeypatch):
    monkeypatch.setattr(figures, "FIGURES", tmp_path)
    monkeypatch.setattr(figures, "dataset", lambda *_: tmp_path)
    before = [{"file": "ppcen.png", "alt": "old"}, {"file": "table1.png", "alt": "old"}, {"file": "forgotten.png"}]
    (tmp_path / "manifest.json").write_text(json.dumps(before), encoding="utf-8")
    (tmp_path / "table1.png").touch()
    monkeypatch.setitem(figures.DRAWN, "ppcen", lambda *_: (plots.figure()[0], {"alt": "new"}))
    figures.draw(["ppcen"])
    after = json.loads((tmp_path / "manifest.json").read_text(encoding="utf-8"))
    assert after == [
        {"file": "ppcen.png", "measured_by": __version__, "alt": "new"},
        {"file": "table1.png", "alt": "old"},
    ]
    assert sorted(path.name for path in tmp_path.glob("*.png")) == ["ppcen.png", "table1.png"]
    with pytest.raises(SedError, match="no picture 'pcen'; choose from detection, detection_missed, ppcen"):
        figures.draw(["pcen"])


def test_pictures_of_the_browser_are_described_and_light():
    manifest = {entry["file"]: entry for entry in json.loads((FIGURES / "manifest.json").read_text(encoding="utf-8"))}
    for name, seen in {"lab": "JupyterLab", "explore": "explorer", "report": "report"}.items():
        if name == "report" and "report.png" not in manifest:
            continue
        assert name in screens.PICTURES and seen in manifest[f"{name}.png"]["alt"]
        width, height = Image.open(FIGURES / f"{name}.png").size
        assert width >= 1000 and height >= 700 and (FIGURES / f"{name}.png").stat().st_size < 250_000


def test_bytes_are_a_picture_too(tmp_path, monkeypatch):
    monkeypatch.setattr(figures, "FIGURES", tmp_path)
    monkeypatch.setattr(figures, "dataset", lambda *_: tmp_path)
    (tmp_path / "manifest.json").write_text("[]", encoding="utf-8")
    figures.draw(["lab"], pictures={"lab": lambda *_: (b"png", {"alt": "new"})})
    assert (tmp_path / "lab.png").read_bytes() == b"png"


def test_what_a_picture_of_the_browser_lacks_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("SEDLIB_WORKSPACE", str(tmp_path))
    with pytest.raises(SedError, match="no report; `make reproduce` writes it"):
        screens.PICTURES["report"]("lesson", tmp_path, 0)
    monkeypatch.setattr(screens, "find_browser", lambda: None)
    with pytest.raises(SedError, match="need Chromium"), screens.browser():
        pass
    monkeypatch.setitem(sys.modules, "playwright.sync_api", None)
    with pytest.raises(SedError, match="need Playwright"), screens.browser():
        pass
    monkeypatch.undo()
    monkeypatch.setenv("CHROME", "no-such-browser")
    with pytest.raises(SedError, match="CHROME=no-such-browser"):
        screens.find_browser()


def test_readme_shows_only_listed_pictures_with_alt_text():
    readme = (FIGURES.parent / "README.md").read_text(encoding="utf-8")
    shown = re.findall(r"!\[([^\]]*)\]\(figures/([^)]+)\)", readme)
    assert shown and all(alt and (FIGURES / file).exists() for alt, file in shown)


def record(device: str, seconds: float) -> dict:
    """What `bench.cost` would keep of a device whose steps follow its model exactly, but for one point."""
    rows = [
        {
            "clips": clips,
            "width": width,
            "frames": frames,
            "step_s": seconds * (1 + clips * frames / 628 * (0.1 + 0.2 * width + 0.3 * width**2)),
            "range_s": [0.9 * seconds, 20 * seconds],
            "memory_mb": 500 + clips * frames / 628 * (10 + 100 * width),
        }
        for clips, width, frames in (
            (8, 1, 628),
            (48, 1, 628),
            (24, 1, 628),
            (24, 0.5, 628),
            (24, 2, 628),
            (24, 1, 314),
        )
    ]
    fits = cost.fit_all(rows, frames=628)
    per_clip = {
        "store_s": 0.01,
        "scaling_s": 0.02,
        "keep_s": 0.03,
        "validation_s": 0.1,
        "posteriors_s": 0.05,
        "memory_mb": 1000.0,
        "store_bytes": 320000.0,
    }
    prediction = cost.predict(PROFILES["paper"], fits, per_clip, resident=False)
    return {"device": device, "measured_by": "9.9.9", "cases": rows, "fits": fits, "prediction": prediction}


def test_a_fit_finds_the_model_that_was_measured_and_adds_up_a_training():
    made = record("a", seconds=0.5)
    assert list(made["fits"]["step_s"]["terms"].values()) == pytest.approx([0.5, 0.05, 0.1, 0.15])
    assert list(made["fits"]["memory_mb"]["terms"].values()) == pytest.approx([500, 10, 100])
    assert max(fit["worst"] for fit in made["fits"].values()) < 1e-6
    hours, steps = made["prediction"]["hours"], 200 * 263  # 1578 weak clips, 6 a step
    assert hours["steps"] == pytest.approx(steps * (0.5 + 24 * 0.3) / 3600)
    assert hours["validation"] == pytest.approx(200 * 517 * 0.1 / 3600)
    assert hours["store"] == pytest.approx(18574 * 0.01 / 3600)
    assert hours["scaling"] == pytest.approx((18574 - 517) * 0.02 / 3600)
    assert hours["scores"] == pytest.approx((1168 + 692) * 0.05 / 3600)
    assert made["prediction"]["total_hours"] == pytest.approx(sum(hours.values()))
    assert made["prediction"]["memory_mb"] == pytest.approx(500 + 24 * 110)
    assert made["prediction"]["spectrograms_mb"] == pytest.approx(18574 * 128 * 628 * 4 / 1e6)


def test_where_waveforms_stay_on_the_device_their_memory_and_their_way_there_are_counted():
    fits, per_clip = (
        record("a", 0.5)["fits"],
        dict.fromkeys(("store_s", "scaling_s", "validation_s", "posteriors_s", "memory_mb", "store_bytes"), 0.0)
        | {"keep_s": 0.03},
    )
    kept, read = (cost.predict(PROFILES["paper"], fits, per_clip, resident) for resident in (True, False))
    assert kept["memory_mb"] - read["memory_mb"] == pytest.approx(18574 * 0.32)
    assert kept["hours"]["scaling"] - read["hours"]["scaling"] == pytest.approx(18574 * 0.03 / 3600)


def test_a_fit_says_how_far_it_is_off_and_no_part_costs_less_than_nothing():
    found = cost.fit({"step": np.ones(3), "clip": np.array([1.0, 2, 3])}, np.array([3.0, 2, 1]))
    assert found["terms"]["clip"] == 0 and found["terms"]["step"] > 0
    error = np.array(found["fitted"]) / [3, 2, 1] - 1
    assert found["worst"] == pytest.approx(abs(error).max()) and found["worst"] > 0.3


def test_points_are_drawn_where_they_were_measured_and_lines_where_they_were_fitted():
    made = record("a", 0.5)
    made["cases"][1]["step_s"] *= 2  # the slowest; its line stays
    steps, width, hours, memory, _, need = figures.training_cost({"a": made}).axes
    line, points, half, _ = steps.lines
    assert points.get_xdata().tolist() == line.get_xdata().tolist() == [8, 24, 48]
    assert line.get_ydata() == pytest.approx([0.5 + 0.3 * clips for clips in (8, 24, 48)])
    assert points.get_ydata() == pytest.approx([2.9, 7.7, 2 * 14.9])
    assert steps.collections[0].get_segments()[0][:, 1].tolist() == [0.45, 10]
    assert half.get_linestyle() != line.get_linestyle() and half.get_xdata().tolist() == [24]
    assert width.lines[1].get_xdata().tolist() == [0.5, 1, 2]
    assert memory.lines[1].get_ydata() == pytest.approx([0.5 + 0.11 * clips for clips in (8, 24, 48)])
    assert [tick.get_text() for tick in hours.get_yticklabels()] == [*made["prediction"]["hours"], "all"]
    assert hours.texts[-1].get_text() == f"{made['prediction']['total_hours'] / 24:.1f} days"
    assert need.texts[0].get_text() == "3.1 GB"
    assert all("(" in ax.get_xlabel() or "clips" in ax.get_xlabel() for ax in (steps, width, hours, memory, need))


def test_devices_of_very_different_speed_are_told_apart():
    steps, width, *_ = figures.training_cost({"a": record("a", 0.5), "b": record("b", 0.005)}).axes
    assert steps.get_yscale() == width.get_yscale() == "log"
    assert len({line.get_color() for line in width.lines}) == 2
    assert len({line.get_marker() for line in width.lines[1::2]}) == 2


def test_the_picture_of_costs_says_what_is_predicted_for_each_device(tmp_path, monkeypatch):
    records = {"chip a": record("chip a", 0.5), "chip b": record("chip b", 0.005)}
    (tmp_path / "training_cost.json").write_text(json.dumps(records), encoding="utf-8")
    monkeypatch.setattr(figures, "FIGURES", tmp_path)
    figure, entry = figures._training_cost("lesson", tmp_path, 0)
    for device, made in records.items():
        assert f"{device}: {made['prediction']['total_hours']:.1f} hours for 200 epochs, 3.1 GB" in entry["alt"]
    assert entry["measured_by"] == "9.9.9"
    figure.savefig(tmp_path / "training_cost.png")


def test_the_costs_are_measured_part_by_part(monkeypatch):
    found = []
    monkeypatch.setattr(cost, "alone", lambda function, *arguments: found.append(function(*arguments)) or found[-1])
    monkeypatch.setattr(cost, "BATCHES", dict.fromkeys(cost.BATCHES, (1, 2)))
    monkeypatch.setattr(cost, "WIDTHS", (2,))
    clips = {"synthetic": 8, "weak": 4, "unlabel_in_domain": 4}
    measured = cost.measure(PROFILES["smoke"], steps=1, rounds=2, clips=clips)
    assert [(case["clips"], case["width"], case["frames"]) for case in measured["cases"]] == [
        (12, 1, 157),
        (24, 1, 157),
        (12, 2, 157),
        (12, 1, 79),
        (24, 1, 79),
    ]
    assert all(len(of_case["times"]) == 1 for of_case in found[1:]), "steps that warm up do not count"
    for case in measured["cases"]:
        assert 0 < case["range_s"][0] <= case["step_s"] <= case["range_s"][1] and case["memory_mb"] > 0
    assert all(value > 0 for value in measured["per_clip"].values())
    assert measured["per_clip"]["store_bytes"] == pytest.approx(320000, rel=0.01)
    assert (
        measured["steps"] == 2 and measured["measured_by"] == __version__ and not {"/", "\\"} & set(measured["device"])
    )
    assert "step_s" in cost.text(measured) and "total_hours" in cost.text(measured)
    figures.training_cost({"here": json.loads(json.dumps(measured))})


def test_a_scaled_configuration_keeps_the_proportions_of_batch_and_network():
    paper = PROFILES["paper"]
    assert cost.scaled(paper) == paper
    third, half, cut = cost.scaled(paper, batch=1 / 3), cost.scaled(paper, width=0.5), cost.scaled(paper, hop=2)
    assert (third.training.strong, third.training.weak, third.training.unlabelled) == (2, 2, 4)
    assert half.model.filters == (8, 16, 32, 64, 64, 64, 64) and half.model.rnn_units == 64
    assert cut.features.frames == 314 and cut.model == third.model == paper.model


def test_a_process_of_its_own_has_a_peak_of_its_own():
    device = torch.device("cpu")
    ballast = np.ones(5 * 10**7)  # 400 MB
    here = cost.peak_mb(device)
    del ballast
    assert 100 < cost.alone(cost.peak_mb, device) < here
