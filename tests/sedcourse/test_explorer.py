"""The PCEN explorer as Python sees it: sounds, presets, the page that is written, and the widget's traits."""

import json
import re

import numpy as np
import pytest
import torch

from sedcourse import explorer as ex
from sedcourse import page
from sedcourse.explorer.sounds import FIGURE_2, events_of
from sedlib.data.tables import CLASSES
from sedlib.errors import SedError
from sedlib.features import PCEN
from sedlib.models import Detector
from sedlib.systems import configuration
from sedlib.training.runs import Run


@pytest.fixture
def noise() -> np.ndarray:
    return (0.05 * np.random.default_rng(0).standard_normal(16000)).astype(np.float32)


def settings_of(config) -> dict:
    return ex.presets.settings_of(PCEN(config.pcen, config.features), config.pcen, config.features)


# ------------------------------------------------------------------------------------------------ presets and sounds


@pytest.mark.parametrize("system", ["fixed_pcen_1", "fixed_pcen_3", "ppcen_mel", "ppcen_logmel", "ppcen_zero_phase"])
@pytest.mark.parametrize("profile_name", ["smoke", "paper"])
def test_the_settings_of_a_system_are_what_its_network_sees(system, profile_name, noise):
    config = configuration(system, profile_name)
    detector = Detector(config)
    with torch.no_grad():
        expected = detector.frontend(detector.features(torch.as_tensor(noise)[None]))[0].numpy()
    assert np.allclose(ex.seen(settings_of(config), noise), expected, rtol=1e-4, atol=1e-6)


def test_presets_have_the_papers_and_the_released_numbers():
    for name, alpha, seconds in (("Fixed 1", 0.98, 0.4), ("Fixed 2", 0.8, 0.4), ("Fixed 3", 0.8, 0.06)):
        settings = ex.PRESETS[name].settings
        layer = {"alpha": alpha, "delta": 2.0, "r": 0.5, "seconds": [seconds], "weights": [[1.0]]}
        assert settings["layers"] == [layer]
        assert (settings["energy"], settings["smoother"], settings["eps"]) == ("mel", "causal", 1e-6)
    released = ex.PRESETS["Released"].settings
    assert [(one["alpha"], one["delta"], one["r"]) for one in released["layers"]] == [
        (0.8187, 10.689, 0.4495),
        (0.3938, 3.471, 0.7534),
    ]
    assert released["layers"][0]["weights"] == [[0.5], [0.5]]
    assert (released["energy"], released["smoother"]) == ("logmel", "zero-phase")


def test_figure_2_by_hand_divides_the_vacuum_cleaner_from_the_speech():
    """The pattern that speech adds against the pattern that lasts, mean of squares over variance."""
    settings = ex.PRESETS["Figure 2 by hand"].settings
    slow, quick = ex.seen(settings, ex.sound(FIGURE_2))
    times = np.arange(slow.shape[1]) * settings["features"]["hop"] / 16000
    on = np.any([(start <= times) & (times < end) for start, end in events_of(FIGURE_2)], 0)

    def contrast(x: np.ndarray) -> float:
        inside, outside = x[:, on].mean(1), x[:, ~on].mean(1)
        return ((inside - outside) ** 2).mean() / outside.var()

    assert contrast(slow) < 0.5 and contrast(quick) > 2


def test_there_is_a_sound_for_every_class_and_every_sound_can_be_made():
    assert {label.replace("_", " ") for label in CLASSES} < set(ex.SOUNDS)
    for name in ex.SOUNDS:
        waveform = ex.sound(name)
        assert waveform.shape == (160000,) and waveform.dtype == np.float32
        assert 0.001 < np.abs(waveform).max() <= 1
    ex.sound.cache_clear()
    assert np.array_equal(ex.sound(name), waveform)
    with pytest.raises(SedError, match="does not exist"):
        ex.sound("elephant")


def test_the_last_run_is_shown_with_its_own_mixture(tmp_path, noise):
    assert ex.last_run(tmp_path / "none") is None
    for system, seed in (("ppcen_logmel", 1), ("fixed_pcen_1", 0), ("logmel", 0)):
        config = configuration(system, "smoke")
        run = Run(tmp_path / "smoke" / "d" / system / f"seed{seed}")
        run.folder.mkdir(parents=True)
        (run.folder / "config.json").write_text(json.dumps({"config": config.to_dict(), "data": "d", "seed": seed}))
        torch.manual_seed(0)
        detector = Detector(config)
        if detector.pcen is not None:
            torch.nn.init.normal_(detector.pcen.logits)
        run.save("weights.pt", {"teacher": detector.state_dict(), "student": detector.state_dict()})
    name = "smoke/d/ppcen_logmel/seed1"  # the only one with a PCEN that learns
    learned = ex.last_run(tmp_path)
    assert name in learned.note and len(learned.settings["layers"][0]["weights"][0]) == 32
    detector = Run(tmp_path / name).detector()
    with torch.no_grad():
        expected = detector.frontend(detector.features(torch.as_tensor(noise)[None]))[0].numpy()
    assert np.allclose(ex.seen(learned.settings, noise), expected, rtol=1e-4, atol=1e-6)


# ------------------------------------------------------------------------------------------------ the page


def test_the_front_end_is_small_and_asks_nobody():
    script = ex.script()
    assert len(script.encode()) < 40_000
    assert not re.search(r"https?:|\bimport\b|fetch\(|XMLHttpRequest|WebSocket", script)


def test_the_page_is_one_file_with_its_sounds(tmp_path, capsys):
    page.main([str(tmp_path / "a" / "explorer.html"), "--no-browser"])
    assert capsys.readouterr().out.strip() == str(tmp_path / "a" / "explorer.html")
    text = (tmp_path / "a" / "explorer.html").read_text()
    assert 500_000 < len(text) < 1_500_000
    assert not re.search(r"""\b(?:src|href)=["'](?!data:)""", text)
    for name in [*ex.PRESETS, *list(ex.SOUNDS)[:4]]:
        assert json.dumps(name) in text


# ------------------------------------------------------------------------------------------------ the widget


@pytest.fixture(scope="module")
def widget(tmp_path_factory) -> ex.Explorer:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEDLIB_WORKSPACE", str(tmp_path_factory.mktemp("workspace")))
        return ex.Explorer()


@pytest.fixture(autouse=True)
def at_the_start(request) -> None:
    if "widget" in request.fixturenames:
        request.getfixturevalue("widget").settings = ex.PRESETS["Fixed 1"].settings


@pytest.mark.parametrize("name, value", {"alpha": 0.5, "delta": 9.0, "r": 0.3}.items())
def test_a_trait_of_the_first_layer_is_part_of_the_settings(widget, name, value):
    before = widget.settings
    setattr(widget, name, value)
    assert widget.settings == {**before, "layers": [{**before["layers"][0], name: value}]}
    assert before == ex.PRESETS["Fixed 1"].settings  # not changed in its place


def test_the_time_constant_leaves_the_second_smoother(widget):
    widget.settings = ex.PRESETS["Released"].settings
    widget.seconds = 2.0
    first, second = widget.settings["layers"]
    assert first["seconds"] == [2.0, 0.19108] and second == ex.PRESETS["Released"].settings["layers"][1]


@pytest.mark.parametrize("name, value", {"eps": 1e-3, "energy": "logmel", "smoother": "zero-phase"}.items())
def test_a_trait_of_all_layers_is_part_of_the_settings(widget, name, value):
    setattr(widget, name, value)
    assert widget.settings == {**ex.PRESETS["Fixed 1"].settings, name: value}


def test_settings_from_the_browser_are_the_traits(widget):
    released = ex.PRESETS["Released"].settings
    widget.set_state({"settings": released})
    assert (widget.alpha, widget.delta, widget.r, widget.seconds) == (0.8187, 10.689, 0.4495, 1.0545)
    assert (widget.energy, widget.smoother, widget.settings) == ("logmel", "zero-phase", released)


def test_sounds_by_name_and_as_arrays(widget, noise):
    widget.sound = noise
    assert np.array_equal(np.frombuffer(widget._heard["samples"], np.float32), noise)
    widget.sound = FIGURE_2
    assert widget._heard["name"] == FIGURE_2 and len(widget._heard["events"]) == 3
    for wrong in (noise[:1000], noise[None], np.full(16000, np.nan)):
        with pytest.raises(SedError, match="one waveform"):
            widget.sound = wrong
    with pytest.raises(SedError, match="does not exist"):
        widget.sound = "elephant"


def test_a_batch_run_shows_every_preset_without_a_widget(monkeypatch):
    shown = []
    monkeypatch.setattr(ex.widget.plots, "show", lambda figure, alt: shown.append(alt))
    assert ex.explorer(interactive=False) is None
    assert len(shown) == len(ex.PRESETS)
    for alt, preset in zip(shown, ex.PRESETS.values()):
        assert FIGURE_2 in alt and preset.note in alt
