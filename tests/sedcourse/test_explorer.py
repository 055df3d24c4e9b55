"""The PCEN explorer: its pictures, sounds and presets as functions of its state, and the widget that shows them."""

import io
import itertools
import json
import threading
import warnings
from dataclasses import replace
from datetime import datetime

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image

from minidesed import domains
from sedcourse import explorer as ex
from sedcourse import players
from sedcourse.explorer import model, presets
from sedcourse.explorer import widget as widgets
from sedcourse.explorer.drawing import canvas_of
from sedlib.config import profile
from sedlib.data.tables import CLASSES
from sedlib.errors import SedError
from sedlib.models import Detector
from sedlib.systems import configuration
from sedlib.training.runs import Run

FIRST = next(iter(ex.SOUNDS))
SMALL = profile("smoke").features


@pytest.fixture(scope="module")
def noise() -> np.ndarray:
    return (0.05 * np.random.default_rng(0).standard_normal(16000)).astype(np.float32)


@pytest.fixture(scope="module")
def widget(tmp_path_factory) -> ex.Explorer:
    return ex.Explorer(tmp_path_factory.mktemp("runs"))


@pytest.fixture
def shown(widget) -> ex.Explorer:
    """The widget, at the same state in every test."""
    widget.show(ex.State(sound=FIRST, **ex.PRESETS["Fixed 2"].changes))
    return widget


def state_of(name: str) -> ex.State:
    return ex.State(sound=FIRST, **ex.PRESETS[name].changes)


def wav(samples: np.ndarray, rate: int = 16000, subtype: str = "PCM_16") -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format="WAV", subtype=subtype)
    return file.getvalue()


# ------------------------------------------------------------------------------------------------ what is computed


@pytest.mark.parametrize("smoother", ["causal", "zero-phase"])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("energy", ["mel", "logmel"])
def test_all_extremes_of_all_controls_are_finite_and_drawn(energy, layers, smoother, noise):
    features = replace(SMALL, scaling="minmax", range_db=ex.FEATURES[energy].range_db)
    click = np.zeros(4000, np.float32)
    click[2000] = 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for waveform in (noise[:4000], np.zeros(4000, np.float32), click):
            logmel = ex.spectrogram(waveform, features)
            sizes = set()
            for alpha, delta, r, seconds, eps in itertools.product(ex.ALPHA, ex.DELTA, ex.R, ex.SECONDS, ex.EPS):
                layer = ex.Layer(alpha, delta, r, (seconds,))
                state = ex.State("x", (layer,) * layers, energy, eps, smoother, features)
                panels = ex.panels(state, logmel)
                for values in panels:
                    assert np.isfinite(values).all()
                assert panels.pcen.shape == panels.m.shape == (layers, *logmel.shape)
                assert panels.energy.min() >= 0 and panels.energy.max() <= 1
                if (r, seconds, eps) == (ex.R[0], ex.SECONDS[0], ex.EPS[0]):  # drawing takes longer than all the rest
                    sizes.add(Image.open(io.BytesIO(ex.picture(state, panels))).size)
            assert sizes == {(1000, 360 * layers)}


@pytest.mark.parametrize("system", ["fixed_pcen_1", "fixed_pcen_3", "ppcen_mel", "ppcen_logmel", "ppcen_zero_phase"])
@pytest.mark.parametrize("profile_name", ["smoke", "paper"])
def test_the_explorer_shows_what_a_network_of_the_system_sees(system, profile_name, noise):
    config = configuration(system, profile_name)
    detector = Detector(config)
    state = ex.State(sound="x", **presets.settings_of(config.pcen, config.features))
    panels = ex.panels(state, ex.spectrogram(noise, config.features))
    with torch.no_grad():
        seen = detector.frontend(detector.features(torch.as_tensor(noise)[None]))[0].numpy()
    assert np.allclose(panels.pcen, seen, rtol=1e-4, atol=1e-6)


def test_presets_have_the_papers_and_the_released_numbers():
    for name, alpha, seconds in (("Fixed 1", 0.98, 0.4), ("Fixed 2", 0.8, 0.4), ("Fixed 3", 0.8, 0.06)):
        state = state_of(name)
        (layer,) = state.layers
        assert (layer.alpha, layer.delta, layer.r) == (alpha, 2, 0.5)
        assert layer.seconds == pytest.approx((seconds,)) and layer.weights == ((1.0,),)
        assert (state.energy, state.smoother, state.eps) == ("mel", "causal", 1e-6)
    state = state_of("Released")
    assert [(layer.alpha, layer.delta, layer.r) for layer in state.layers] == [
        (0.8187, 10.689, 0.4495),
        (0.3938, 3.471, 0.7534),
    ]
    frame_s = 255 / 16000
    assert [model.coefficient(t, frame_s) for t in state.layers[0].seconds] == pytest.approx([0.015, 0.08])
    assert (state.energy, state.smoother) == ("logmel", "zero-phase")


def test_the_same_state_gives_the_same_picture_whatever_was_drawn_before(noise):
    features = replace(SMALL, scaling="minmax")
    one, other = (replace(state_of(name), features=features) for name in ("Fixed 1", "Fixed 3"))
    logmel = ex.spectrogram(noise, features)
    first, second, again = (ex.picture(state, ex.panels(state, logmel)) for state in (one, other, one))
    assert first == again != second


def test_the_picture_shows_the_values_at_their_time_and_band():
    """A single bright point in PCEN is drawn in its panel, where the widget puts the cross hair."""
    state = replace(state_of("Fixed 2"), features=SMALL)
    bands, frames = SMALL.n_mels, 50
    dark = np.zeros((bands, frames), np.float32)
    bright = dark.copy()
    frame, band = 37, 24
    bright[band, frame] = 1
    point = ex.Panels(dark, dark, dark[None], bright[None])
    png = ex.picture(state, point)
    pixels = np.asarray(Image.open(io.BytesIO(png))).astype(int)
    left, top, width, height = canvas_of(state, point).boxes()[2]
    high, wide = pixels.shape[:2]
    x, y = left + width * (frame + 0.5) / frames, top + height * (1 - (band + 0.5) / bands)
    inside = pixels[
        int(top * high) + 3 : int((top + height) * high) - 3, int(left * wide) + 3 : int((left + width) * wide) - 3
    ]
    assert pixels[int(y * high), int(x * wide)].sum() > 600  # the light end of magma
    assert (inside.sum(-1) > 300).mean() < 3 / (bands * frames)  # and nothing else


def test_skewness_is_scipys_and_0_for_a_constant():
    from scipy import stats

    values = np.random.default_rng(0).gamma(1, size=(30, 40)).astype(np.float32)
    assert ex.skewness(values) == pytest.approx(stats.skew(values.ravel()), rel=1e-4)
    assert ex.skewness(np.full((3, 4), 0.1, np.float32)) == 0


def test_the_description_follows_the_state():
    state = state_of("Released")
    panels = ex.panels(state, ex.spectrogram(ex.sound(FIRST), state.features))
    said = ex.description(state, panels)
    assert FIRST in said and "log-Mel energies" in said and "zero-phase" in said
    assert "alpha 0.8187, delta 10.69, r 0.4495, mixture of 50 % T 1.05 s (s 0.015)" in said and "layer 2" in said
    assert "T 400 ms (s 0.0391)" in ex.in_words(state_of("Fixed 1").layers[0], ex.FEATURES["mel"])


def test_values_at_a_point():
    state = replace(state_of("Fixed 2"), features=SMALL)
    m = np.arange(SMALL.n_mels * 5, dtype=np.float32).reshape(SMALL.n_mels, 5)
    said = ex.values_at(state, ex.Panels(-m, m / 1000, 2 * m[None], 3 * m[None]), frame=2, band=7)
    assert "0.13 s" in said  # 2 * 1024 / 16000
    assert "-37.0 dB, E 0.037; M 74, PCEN 111" in said


# ------------------------------------------------------------------------------------------------ sounds


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


def test_uploads_of_any_rate_depth_and_channels(noise):
    for rate, channels, subtype in ((96000, 2, "PCM_24"), (8000, 1, "PCM_U8"), (44100, 1, "FLOAT")):
        samples = np.random.default_rng(0).uniform(-0.5, 0.5, (rate, channels))
        waveform, said = ex.uploaded("a.wav", wav(samples, rate, subtype))
        assert waveform.shape == (16000,) and f"{rate} Hz" in said and f"{channels} channel" in said
    waveform, _ = ex.uploaded("a.wav", wav(noise, subtype="FLOAT"))
    assert np.array_equal(waveform, noise)


def test_a_long_upload_is_cut_and_says_so(noise):
    waveform, said = ex.uploaded("long.wav", wav(np.tile(noise, 31)))
    assert len(waveform) == 30 * 16000 and "only the first 30 s are used" in said


def test_a_silent_upload_works_and_says_so():
    waveform, said = ex.uploaded("still.wav", wav(np.zeros(16000)))
    assert "silent" in said
    state = state_of("Fixed 1")
    panels = ex.panels(state, ex.spectrogram(waveform, state.features))
    assert not panels.pcen.any()
    (heard,) = ex.resynthesised(waveform, state, panels)
    assert np.isfinite(heard).all() and not heard.any()
    ex.picture(state, panels)


BAD = {
    "no audio": (b"Dear reader, this is a text.", "not a readable audio file"),
    "empty": (b"", "0 bytes"),
    "no samples": (wav(np.zeros(0)), "0 samples"),
    "cut off": (wav(np.zeros(16000))[:5000], "cut off"),
    "NaN": (wav(np.array([0.0, np.nan] * 4000), subtype="FLOAT"), "not numbers"),
    "too short": (wav(np.zeros(100)), "too short"),
}


@pytest.mark.parametrize("content, why", BAD.values(), ids=BAD)
def test_bad_uploads_are_named_and_leave_nothing(content, why, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(SedError, match=why) as error:
        ex.uploaded("../../evil.wav", content)
    assert str(error.value).startswith("../../evil.wav: ") and str(tmp_path) not in str(error.value)
    assert list(tmp_path.iterdir()) == []


# ------------------------------------------------------------------------------------------------ to hear


@pytest.mark.parametrize("energy", ["mel", "logmel"])
def test_where_pcen_changes_nothing_the_original_is_heard(energy, noise):
    """PCEN equal to E times any constant has gain 1 after the loudness is put back."""
    state = replace(state_of("Fixed 2"), energy=energy, features=ex.FEATURES[energy])
    noise = noise - noise.mean()
    panels = ex.panels(state, ex.spectrogram(noise, state.features))
    (heard,) = ex.resynthesised(noise, state, panels._replace(pcen=0.3 * panels.energy[None]))
    if energy == "mel":  # its smallest value is 0 after scaling: nothing to divide by
        where = np.s_[2048:-2048]
        assert np.abs(heard - noise)[where].max() < 0.02 * np.abs(noise).max()
    else:
        assert np.abs(heard - noise).max() < 1e-4 * np.abs(noise).max()


@pytest.mark.parametrize("name", ["Fixed 1", "Released"])
def test_what_is_heard_is_as_loud_as_the_original(name):
    state = state_of(name)
    waveform = ex.sound(FIRST)
    made = ex.resynthesised(waveform, state, ex.panels(state, ex.spectrogram(waveform, state.features)))
    assert len(made) == len(state.layers)
    for heard in made:
        assert heard.shape == waveform.shape and heard.dtype == np.float32
        assert domains.rms(heard) == pytest.approx(domains.rms(waveform), rel=1e-3)


def test_pcen_levels_the_steady_sound_to_the_ear_too():
    state = state_of("Fixed 1")
    time = np.arange(48000) / 16000
    steady, knock = (0.1 * np.sin(2 * np.pi * hertz * time) for hertz in (500, 3000))
    knock *= (time > 2) & (time < 2.1)
    waveform = (steady + knock + 1e-3 * np.random.default_rng(0).standard_normal(48000)).astype(np.float32)
    (heard,) = ex.resynthesised(waveform, state, ex.panels(state, ex.spectrogram(waveform, state.features)))

    def knock_over_steady(sound: np.ndarray) -> float:
        spectrum = np.abs(np.fft.rfft(sound[32000:33600]))  # bins of 10 Hz
        return 20 * np.log10(spectrum[300] / spectrum[50])

    assert knock_over_steady(waveform) == pytest.approx(0, abs=1)
    assert knock_over_steady(heard) > 6


def test_every_bin_of_the_spectrum_gets_its_gain_from_its_bands():
    share = model._bin_share(ex.FEATURES["mel"])
    assert share.shape == (1025, 128)
    assert np.allclose(share.sum(1), 1) and (share >= 0).all()


# ------------------------------------------------------------------------------------------------ the widget


def told(widget: ex.Explorer) -> str:
    return widget.status.value


def test_the_widget_shows_the_pure_function_of_its_state(shown):
    panels = ex.panels(shown.state, ex.spectrogram(ex.sound(FIRST), shown.state.features))
    assert shown.picture.png == ex.picture(shown.state, panels)
    assert shown.picture.alt == ex.description(shown.state, panels)
    assert {"pcen-explorer"} <= set(shown.box._dom_classes) and "pcen-status" in shown.status._dom_classes


def test_every_control_changes_its_part_of_the_state_and_the_picture(shown):
    alpha, delta, r, seconds = shown.layers[0].sliders
    for move, expected in (
        (lambda: setattr(alpha.widget, "value", 0.5), {"alpha": 0.5}),
        (lambda: setattr(delta.widget, "value", 9.0), {"delta": 9.0}),
        (lambda: setattr(r.widget, "value", 0.3), {"r": 0.3}),
        (lambda: setattr(seconds.widget, "value", 1.5), {"seconds": (1.5,)}),
        (lambda: setattr(shown.eps.widget, "value", 1e-3), {"eps": 1e-3}),
        (lambda: setattr(shown.energy, "value", "logmel"), {"energy": "logmel", "features": ex.FEATURES["logmel"]}),
        (lambda: setattr(shown.smoother, "value", "zero-phase"), {"smoother": "zero-phase"}),
        (lambda: setattr(shown.sound, "value", "Dog"), {"sound": "Dog"}),
    ):
        before, png = shown.state, shown.picture.png
        move()
        of_layer = expected.keys() & {"alpha", "delta", "r", "seconds"}
        assert shown.state == (
            replace(before, layers=(replace(before.layers[0], **expected),))
            if of_layer
            else replace(before, **expected)
        )
        assert shown.picture.png != png
    before = shown.state
    shown.count.value = 2
    assert shown.state.layers == before.layers * 2
    assert shown.layers[1].box.layout.display is None
    shown.layers[1].sliders[0].widget.value = 0.1
    assert [layer.alpha for layer in shown.state.layers] == [0.5, 0.1]
    shown.count.value = 1
    assert shown.state == before and shown.layers[1].box.layout.display == "none"


def test_a_preset_is_shown_exactly_though_the_browser_rounds_its_sliders(shown):
    shown.buttons["Released"].click()
    assert shown.state == state_of("Released")
    assert "half and half" in told(shown)
    for slider in shown.layers[0].sliders:  # what the browser answers
        step = slider.widget.step
        slider.widget.value = (
            float(round(slider.widget.value / step) * step)
            if slider._scale is float
            else float(10 ** (round(np.log10(slider.widget.value) / step) * step))
        )
    assert shown.state == state_of("Released")
    shown.layers[0].sliders[3].widget.value = 2.0  # a move: one smoother instead of the mixture
    assert shown.state.layers[0].seconds == (2.0,) and shown.state.layers[1] == state_of("Released").layers[1]
    assert "mixture" not in shown.layers[0].exactly.value and "mixture" in shown.layers[1].exactly.value


def give(widget: ex.Explorer, name: str, content: bytes) -> None:
    widget.upload.value = (
        {
            "name": name,
            "type": "",
            "size": len(content),
            "content": memoryview(content),
            "last_modified": datetime.now(),
        },
    )


def test_an_uploaded_sound_is_explored(shown, noise):
    give(shown, "mine.wav", wav(noise, subtype="FLOAT"))
    assert shown.state.sound == shown.sound.value == "your mine.wav" and "1.0 s" in told(shown)
    expected = ex.panels(shown.state, ex.spectrogram(noise, shown.state.features))
    assert shown.picture.png == ex.picture(shown.state, expected) and shown.picture.grid == [63, 128]
    assert "your mine.wav" in shown.original.value
    first = shown.picture.png
    give(shown, "mine.wav", wav(0.1 * np.sin(np.arange(16000)), subtype="FLOAT"))  # the same name, another sound
    assert shown.picture.png != first


@pytest.mark.parametrize("content, why", BAD.values(), ids=BAD)
def test_a_bad_upload_is_told_and_the_sound_before_stays(shown, content, why):
    png = shown.picture.png
    give(shown, "<b>bad</b>.wav", content)
    assert why in told(shown) and "&lt;b&gt;bad&lt;/b&gt;.wav" in told(shown) and 'role="alert"' in told(shown)
    assert (shown.state.sound, shown.picture.png) == (FIRST, png)
    shown.layers[0].sliders[0].widget.value = 0.33
    assert told(shown) == ""


def test_a_defect_is_shown_too(shown, monkeypatch):
    monkeypatch.setattr(widgets, "picture", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):  # into the kernel's log
        shown.layers[0].sliders[0].widget.value = 0.4
    assert "ZeroDivisionError" in told(shown)
    assert shown.state == state_of("Fixed 2") and shown.layers[0].sliders[0].widget.value == 0.8  # nothing moved


def test_values_out_of_a_sliders_span_are_kept(shown):
    state = replace(state_of("Fixed 1"), eps=1e-12, layers=(ex.Layer(0.5, 200.0, 0.01, (20.0,)),))
    shown.show(state)
    assert shown.state == state and shown.layers[0].sliders[3].widget.value == 10


def test_the_cursor_reads_the_values_under_it(shown):
    shown.picture.cursor = [100, 64]
    assert shown.at_cursor.value == ex.values_at(shown.state, shown.shown, 100, 64)
    shown.buttons["Released"].click()
    assert shown.at_cursor.value == ex.values_at(shown.state, shown.shown, 100, 64)


def test_pcen_is_heard_on_demand_and_never_the_sound_of_another_state(shown):
    assert shown.heard.value == ""
    shown.buttons["Released"].click()
    shown.hear.click()
    assert shown.heard.value.count("<audio") == 2 and "layer 2" in shown.heard.value
    made = ex.resynthesised(ex.sound(FIRST), shown.state, shown.shown)
    assert players.player(made[0], "PCEN, layer 1").data in shown.heard.value
    shown.layers[0].sliders[0].widget.value = 0.2
    assert shown.heard.value == ""


def test_without_a_trained_run_its_button_says_why(shown):
    button = shown.buttons["Last trained run"]
    assert button.disabled and "sedlib train" in button.tooltip


def test_the_last_run_is_shown_with_its_own_mixture(tmp_path, noise):
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
    assert name in ex.last_run(tmp_path).note
    explorer = ex.Explorer(tmp_path)
    button = explorer.buttons["Last trained run"]
    assert not button.disabled and name in button.tooltip
    button.click()
    assert name in told(explorer)
    give(explorer, "mine.wav", wav(noise, subtype="FLOAT"))
    detector = Run(tmp_path / name).detector()
    with torch.no_grad():
        seen = detector.frontend(detector.features(torch.as_tensor(noise)[None]))[0].numpy()
    assert np.allclose(explorer.shown.pcen, seen, rtol=1e-4, atol=1e-6)


def test_a_batch_run_shows_every_preset_without_widgets(monkeypatch):
    displayed = []
    monkeypatch.setattr(widgets, "display", displayed.append)
    monkeypatch.setattr(widgets, "last_run", lambda: None)
    ex.explorer(interactive=False)
    assert len(displayed) == len(ex.PRESETS)
    for shown, preset in zip(displayed, ex.PRESETS.values()):
        assert 'src="data:image/png' in shown.data and preset.note in shown.text and "skewness" in shown.text
    displayed.clear()
    monkeypatch.setattr(widgets, "Explorer", lambda: type("", (), {"box": "the widget"}))
    ex.explorer(interactive=True)
    assert displayed == ["the widget"]


def test_controls_moved_in_two_threads_take_turns():
    made = ex.Explorer()
    steps = [round(0.3 + 0.01 * k, 2) for k in range(10)]
    sounds = list(ex.SOUNDS)[1:4]

    def move() -> None:
        for alpha in steps:
            made.layers[0].sliders[0].widget.value = alpha

    def choose() -> None:
        for name in sounds:
            made.sound.value = name

    threads = [threading.Thread(target=target) for target in (move, choose)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (made.state.sound, made.state.layers[0].alpha) == (sounds[-1], steps[-1])
    assert made.picture.png == ex.picture(made.state, made.shown)
