"""What a training keeps of its epochs, where it begins, and the teacher's statistics: each option by its definition."""

import copy
import dataclasses

import pytest
import torch

from sedlib.config import PROFILES, Config
from sedlib.models import Detector
from sedlib.systems import configuration
from sedlib.training import inputs, loop, train

SMOKE = PROFILES["smoke"]
CONFIG = dataclasses.replace(
    SMOKE, training=dataclasses.replace(SMOKE.training, steps_per_epoch=3, strong=2, weak=2, unlabelled=2)
)


def changed(config: Config = CONFIG, **training) -> Config:
    return dataclasses.replace(config, training=dataclasses.replace(config.training, **training))


def states(networks) -> dict[str, dict[str, torch.Tensor]]:
    return {name: copy.deepcopy(network.state_dict()) for name, network in networks.items()}


def same_states(a: dict[str, dict[str, torch.Tensor]], b: dict[str, dict[str, torch.Tensor]]) -> bool:
    return all(torch.equal(value, b[who][name]) for who in a for name, value in a[who].items())


@pytest.mark.parametrize("selection, epoch", [("best", 1), ("last", 2)])
def test_the_selected_epoch_is_kept_and_on_epoch_gets_its_networks(tiny, tmp_path, monkeypatch, selection, epoch):
    """Validation says that the first of two epochs is the best."""
    f1 = iter([0.5, 0.4])
    monkeypatch.setattr(
        loop,
        "validation_f1",
        lambda networks, *_: dict.fromkeys([f"validation_f1_{name}" for name in networks], next(f1)),
    )
    seen, config = [], changed(selection=selection)
    run = train(config, tiny, 0, tmp_path, lambda row, networks: seen.append(states(networks)), progress=False)
    kept = run.load("weights.pt")
    assert kept["epoch"] == epoch and not same_states(*seen)
    assert same_states({name: kept[name] for name in ("student", "teacher")}, seen[epoch - 1])
    assert all(
        torch.equal(value, seen[1]["student"][name]) for name, value in run.detector("last").state_dict().items()
    )


def test_student_and_teacher_begin_with_the_prior(tiny, tmp_path):
    """With a learning rate of 0 they keep it."""
    config = changed(output_bias="prior", learning_rate=0, epochs=1)
    kept = train(config, tiny, 0, tmp_path, progress=False).load("weights.pt")
    prior = inputs.Inputs(config, tiny, 0, Detector(config), "nothing", progress=False).prior()
    assert all(torch.equal(kept[name]["crnn.strong.bias"], prior) for name in ("student", "teacher"))


def test_recomputed_statistics_are_averages_of_clean_batches_and_change_nothing_else(tiny, tmp_path, monkeypatch):
    """Against the mean and unbiased variance of every convolution's output, in float64, of the last steps' clips."""
    monkeypatch.setattr(inputs, "CLEAN_STEPS", 4)
    augmented = dataclasses.replace(CONFIG, augment=configuration("augm", "smoke").augment)
    running, recomputed = (
        train(changed(augmented, teacher_statistics=of), tiny, 0, tmp_path / of, progress=False)
        for of in ("running", "recomputed")
    )
    before, kept = (run.load("weights.pt") for run in (running, recomputed))
    assert kept["epoch"] == before["epoch"] == 2 and same_states({"last": before["last"]}, kept)
    teacher, outputs = recomputed.detector("teacher").double().train(), []
    for block in teacher.crnn.cnn:
        block[0].register_forward_hook(lambda *call: outputs.append(call[2].transpose(0, 1).flatten(1)))
    plain = inputs.Inputs(CONFIG, tiny, 0, Detector(CONFIG), "nothing", progress=False)
    with torch.no_grad():
        for batch in plain.batches(2, 6):
            teacher(plain.features(batch).double())
    blocks = len(teacher.crnn.cnn)
    assert len(outputs) == 4 * blocks
    for i in range(blocks):
        of_block = torch.stack(outputs[i::blocks])
        expected = {"mean": of_block.mean(2).mean(0), "var": of_block.var(2).mean(0)}
        for what, value in expected.items():
            name = f"crnn.cnn.{i}.1.running_{what}"
            torch.testing.assert_close(kept["teacher"][name].double(), value, rtol=1e-4, atol=1e-5)
            assert not torch.allclose(before["teacher"][name].double(), value, rtol=1e-2)
    learned = [name for name, _ in teacher.named_parameters()]
    assert all(torch.equal(before["teacher"][name], kept["teacher"][name]) for name in learned)
