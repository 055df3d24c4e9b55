"""The detector of every front-end of Table 1: what the network sees, what learns, and what the teacher takes over."""

import pytest
import torch
from lightning_fabric import Fabric
from torch import nn
from torch.testing import assert_close

from reproduction.rows import ROWS
from sedlib.config import PROFILES, Config, profile
from sedlib.models import Detector
from sedlib.systems import configuration, known
from sedlib.training import MeanTeacher

TABLE_1 = [row.system for row in ROWS if row.table == 1]
LAYERS = {
    "logmel": 0,
    "fixed_pcen_1": 1,
    "fixed_pcen_2": 1,
    "fixed_pcen_3": 1,
    "trainable_pcen": 1,
    "ppcen_mel": 2,
    "ppcen_logmel": 2,
}
WITH_PCEN = [system for system in known() if configuration(system, "smoke").pcen.layers]
FIXED = [system for system in TABLE_1 if system.startswith("fixed")]


def waveforms(config: Config, clips: int = 2) -> torch.Tensor:
    """Noise that swells, loud and soft."""
    noise = torch.randn(clips, config.features.samples, generator=torch.Generator().manual_seed(0))
    return noise * torch.logspace(-4, -1, config.features.samples) * torch.logspace(0, -2, clips)[:, None]


def minmax(x: torch.Tensor) -> torch.Tensor:
    low, high = x.amin((1, 2, 3), keepdim=True), x.amax((1, 2, 3), keepdim=True)
    return (x - low) / (high - low)


def learner(system: str) -> tuple[MeanTeacher, tuple]:
    """A mean teacher of the smallest size, and what its step takes of a batch."""
    torch.manual_seed(0)
    config = configuration(system, "smoke")
    t, detector = config.training, Detector(config)
    features = detector.features(waveforms(config, t.strong + t.weak + t.unlabelled))
    batch = (features, features), torch.ones(t.strong, config.frames, 10), torch.ones(t.weak, 10)
    return MeanTeacher(detector, config, Fabric(accelerator="cpu", devices=1), 1), batch


def of_pcen(network: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.detach().clone() for name, value in network.named_parameters() if name.startswith("pcen.")}


def test_table_1_is_complete():
    assert TABLE_1 == list(LAYERS)


@pytest.mark.parametrize("profile_name", PROFILES)
@pytest.mark.parametrize("system", TABLE_1)
def test_every_row_of_table_1_from_waveform_to_posteriors(system, profile_name):
    config = configuration(system, profile_name)
    detector = Detector(config).eval()
    channels = max(1, LAYERS[system])
    first = next(module for module in detector.crnn.modules() if isinstance(module, nn.Conv2d))
    assert first.in_channels == channels
    features = detector.features(waveforms(config))
    with torch.no_grad():
        seen, strong = detector.frontend(features), detector(features).strong
    assert seen.shape == (2, channels, config.features.n_mels, config.features.frames)
    assert seen.isfinite().all() and (seen >= 0).all() and seen.std() > 0
    assert strong.shape == (2, config.frames, 10) and strong.isfinite().all()


@pytest.mark.parametrize("system", TABLE_1)
def test_pcen_takes_mel_or_log_mel_scaled_clip_by_clip(system):
    config = configuration(system, "lesson")
    detector, sound = Detector(config), waveforms(config)
    features, mel = detector.features(sound), detector.logmel.mel(sound).clamp_min(config.features.floor)
    energy = detector.energy(features)
    decibels = 20 * torch.log10(mel)
    decibels = decibels.maximum(decibels.amax((1, 2, 3), keepdim=True) - 80)  # the baseline's range
    assert energy.amin((1, 2, 3)).tolist() == [0, 0] and energy.amax((1, 2, 3)).tolist() == [1, 1]
    assert_close(energy, minmax(decibels if "log" in system else mel), rtol=1e-5, atol=1e-6)
    assert torch.equal(detector.frontend(features), energy if detector.pcen is None else detector.pcen(energy))


def test_silence_and_a_single_click_pass_every_front_end():
    for system in TABLE_1:
        config = configuration(system, "smoke")
        detector, sound = Detector(config).eval(), torch.zeros(2, config.features.samples)
        sound[1, 80000] = 1
        with torch.no_grad():
            assert detector(detector.features(sound)).strong.isfinite().all(), system


@pytest.mark.parametrize("system, alpha, seconds", list(zip(FIXED, [0.98, 0.8, 0.8], [0.4, 0.4, 0.06])))
@pytest.mark.parametrize("profile_name", PROFILES)
def test_fixed_settings_are_those_of_section_4_1(system, alpha, seconds, profile_name):
    config = configuration(system, profile_name)
    frames = seconds * 16000 / config.features.hop
    s = ((1 + 4 * frames**2) ** 0.5 - 1) / (2 * frames**2)  # librosa's formula
    values = {name: value.flatten().tolist() for name, value in Detector(config).pcen.values().items()}
    assert values.pop("weights") == [1] * config.features.n_mels
    expected = {"alpha": [alpha], "delta": [2.0], "r": [0.5], "s": [s]}
    assert values == {name: pytest.approx(value, rel=1e-4) for name, value in expected.items()}
    assert config.pcen.eps == 1e-6


@pytest.mark.parametrize("system", ["trainable_pcen", "ppcen_mel", "ppcen_logmel"])
def test_trained_layers_mix_the_papers_two_smoothers(system):
    config = configuration(system, "paper")
    assert config.pcen.s == (0.015, 0.25) and config.pcen.smoother == "causal" and not config.pcen.learn_s
    assert_close(Detector(config).pcen.values()["s"], torch.tensor([0.015, 0.25]), rtol=1e-5, atol=0)


@pytest.mark.parametrize("system", FIXED)
def test_a_fixed_front_end_never_changes(system):
    training, batch = learner(system)
    before = of_pcen(training.networks()["student"])
    training.step(0, *batch)
    for network in training.networks().values():
        for name, value in of_pcen(network).items():
            assert torch.equal(value, before[name]), name
    assert not any(p.requires_grad for p in training.networks()["student"].pcen.parameters())
    assert training.networks()["student"].learned() == {}


@pytest.mark.parametrize("system", [system for system in WITH_PCEN if system not in FIXED])
def test_a_trained_front_end_learns_and_the_teacher_follows(system):
    training, batch = learner(system)
    student, teacher = training.networks()["student"], training.networks()["teacher"]
    before = of_pcen(student)
    for step in range(2):
        of_teacher = of_pcen(teacher)
        training.step(step, *batch)
        average = min(1 - 1 / (step + 2), training.settings.ema)
        for name, value in of_pcen(student).items():
            learns = not name.startswith("pcen._s.") or system == "ppcen_learned_s"
            assert torch.equal(value, before[name]) is not learns, name
            expected = average * of_teacher[name] + (1 - average) * value
            assert_close(of_pcen(teacher)[name], expected, rtol=1e-6, atol=1e-7)
    assert student.learned() == student.pcen.summary() != {}


@pytest.mark.parametrize("system", WITH_PCEN)
def test_the_learned_front_end_is_saved_with_the_weights(system):
    config = configuration(system, "smoke")
    saved, loaded = Detector(config), Detector(config)
    with torch.no_grad():
        for parameter in saved.pcen.parameters():
            parameter.add_(torch.rand_like(parameter))
    features = saved.features(waveforms(config))
    assert not torch.equal(loaded.frontend(features), saved.frontend(features))
    loaded.load_state_dict(saved.state_dict())
    assert torch.equal(loaded.frontend(features), saved.frontend(features))


def test_without_pcen_nothing_has_changed():
    detector = Detector(profile("smoke"))
    features = detector.features(waveforms(profile("smoke")))
    assert detector.pcen is None and detector.learned() == {}
    assert torch.equal(detector.frontend(features), features)  # z-score before it is fitted
