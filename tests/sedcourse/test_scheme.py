"""Figure 1 tells the truth about the modules that it is drawn from."""

import itertools

import pytest
import torch
from lightning_fabric import Fabric
from matplotlib.text import Text

from sedcourse import scheme
from sedlib.models import Detector
from sedlib.models.domain import DomainClassifier
from sedlib.systems import configuration
from sedlib.training.adversarial import DomainAdversarial

CASES = [("baseline", "smoke"), ("dat", "lesson"), ("ppcen_dat_augm", "lesson"), ("ppcen_dat_augm", "paper")]
each_case = pytest.mark.parametrize("system, profile", CASES)


@each_case
def test_boxes_hold_all_parameters(system, profile):
    config = configuration(system, profile)
    networks = [Detector(config)]
    if system != "baseline":
        networks.append(DomainClassifier(config.adversarial, config.model.filters[-1]))
    found = {box.name: box for box in scheme.boxes(config)}
    assert sum(box.parameters for box in found.values()) == sum(p.numel() for n in networks for p in n.parameters())
    assert ("domain classifier" in found) == (system != "baseline")
    assert ("front-end" in found) == system.startswith("ppcen")


def test_shapes_are_those_of_a_clip():
    config = configuration("ppcen_dat_augm", "lesson")
    output = Detector(config).eval()(torch.zeros(1, 1, config.features.n_mels, config.features.frames))
    found = {box.name: box.shape for box in scheme.boxes(config)}
    assert (found["strong"], found["weak"]) == (tuple(output.strong.shape[1:]), tuple(output.weak.shape[1:]))
    assert found["front-end"][0] == 2 and found["domain classifier"] == (1,)
    assert found["CNN"] == (output.embeddings.shape[2], 1, output.embeddings.shape[1])


@each_case
def test_nothing_overlaps_or_is_cut_off(system, profile):
    figure, _ = scheme.scheme(configuration(system, profile))
    figure.canvas.draw()
    canvas = figure.bbox
    texts = [t.get_window_extent() for t in figure.axes[0].texts if isinstance(t, Text) and t.get_text()]
    boxes = [patch.get_window_extent() for patch in figure.axes[0].patches if patch.get_gid()]
    assert len(boxes) == len(scheme.boxes(configuration(system, profile)))
    for extent in texts + boxes:
        assert canvas.x0 <= extent.x0 and extent.x1 <= canvas.x1 and canvas.y0 <= extent.y0 and extent.y1 <= canvas.y1
    for one, other in [*itertools.combinations(boxes, 2), *itertools.combinations(texts, 2)]:
        assert not one.overlaps(other)


@each_case
def test_description_names_every_box_and_weight(system, profile):
    config = configuration(system, profile)
    _, said = scheme.scheme(config)
    for box in scheme.boxes(config):
        assert f"{box.name}, {box.kind}" in said and f"{box.parameters:,}" in said
    assert ("uphill on 0.1 times the domain loss" in said) == (system != "baseline")


def test_groups_are_those_that_the_losses_move():
    config = configuration("ppcen_dat_augm", "smoke")
    torch.manual_seed(0)
    learner = DomainAdversarial(Detector(config), config, Fabric(accelerator="cpu", devices=1), 1)
    output = learner.student(20 * torch.randn(4, 1, config.features.n_mels, config.features.frames) - 40)
    groups = {
        scheme.CNN: [*learner.student.pcen.parameters(), *learner.student.crnn.cnn.parameters()],
        scheme.RNN: [
            *learner.student.crnn.rnn.parameters(),
            *learner.student.crnn.strong.parameters(),
            *learner.student.crnn.weak.parameters(),
        ],
        scheme.DOMAIN: [*learner.domain.parameters()],
    }
    sizes = {group: sum(p.numel() for p in of) for group, of in groups.items()}
    drawn = {group: sum(box.parameters for box in scheme.boxes(config) if box.group == group) for group in groups}
    assert drawn == sizes
    losses = {"main": output.strong.mean() + output.weak.mean(), "domain": learner.domain(output.embeddings).mean()}
    moved = {}
    for name, loss in losses.items():
        for group, of in groups.items():
            given = torch.autograd.grad(loss, [p for p in of if p.requires_grad], retain_graph=True, allow_unused=True)
            moved[name, group] = any(g is not None and bool(g.any()) for g in given)
    assert moved == {
        ("main", scheme.CNN): True,
        ("main", scheme.RNN): True,
        ("main", scheme.DOMAIN): False,
        ("domain", scheme.CNN): True,
        ("domain", scheme.RNN): False,
        ("domain", scheme.DOMAIN): True,
    }
