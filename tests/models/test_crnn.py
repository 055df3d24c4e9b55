"""The CRNN: size, shapes, attention pooling."""

import dataclasses

import pytest
import torch
from torch import nn

from sedlib.config import PROFILES, Model
from sedlib.errors import SedError
from sedlib.models import CRNN, Detector
from sedlib.models.crnn import GLU, AttentionPooling


def test_paper_size_has_exactly_the_baselines_parameters():
    assert sum(p.numel() for p in CRNN(Model()).parameters()) == 1_112_420


@pytest.mark.parametrize("profile", PROFILES)
def test_shapes_from_waveform_to_posteriors(profile):
    config = PROFILES[profile]
    detector = Detector(config).eval()
    with torch.no_grad():
        features = detector.features(0.1 * torch.randn(2, config.features.samples))
        output = detector(features)
        strong, weak, embeddings = output.strong, output.weak, output.embeddings
    assert features.shape == (2, 1, config.features.n_mels, config.features.frames)
    assert strong.shape == (2, config.frames, 10)
    assert weak.shape == (2, 10)
    assert embeddings.shape == (2, config.frames, config.model.filters[-1])
    assert 0 <= strong.min() and strong.max() <= 1


def test_paper_frames():
    config = PROFILES["paper"]
    assert config.frames == 157 and config.frame_s == pytest.approx(0.06375)


def test_weak_posterior_is_an_average_of_the_strong_ones():
    pooling = AttentionPooling(6, 10)
    states, strong = torch.randn(4, 20, 6), torch.rand(4, 20, 10)
    weak = pooling(states, strong.logit()).sigmoid()
    assert (weak >= strong.amin(1) - 1e-6).all() and (weak <= strong.amax(1) + 1e-6).all()


def test_weak_logit_is_that_of_the_baselines_weak_posterior():
    """logit(sum_t(strong attention) / sum_t(attention)), attention a softmax over the classes of at least 1e-7."""
    pooling = AttentionPooling(6, 10).double()
    states, logits = 30 * torch.randn(4, 20, 6, dtype=torch.float64), 3 * torch.randn(4, 20, 10, dtype=torch.float64)
    attention = pooling.attention(states).softmax(-1).clamp(1e-7, 1)
    assert (attention == 1e-7).any()
    weak = (logits.sigmoid() * attention).sum(1) / attention.sum(1)
    torch.testing.assert_close(pooling(states, logits), weak.logit(), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("logit", [0.0, 12.0, -300.0, 300.0])
def test_weak_logit_of_frames_that_agree_is_theirs_however_sure_they_are(logit):
    pooling, states = AttentionPooling(6, 10), torch.randn(4, 20, 6)
    logits = torch.full((4, 20, 10), logit, requires_grad=True)
    weak = pooling(states, logits)
    torch.testing.assert_close(weak, torch.full((4, 10), logit))
    (gradient,) = torch.autograd.grad(weak.sum(), logits)
    torch.testing.assert_close(gradient.sum(1), torch.ones(4, 10), rtol=1e-4, atol=1e-4)


def test_nan_stays_nan():
    crnn = CRNN(PROFILES["smoke"].model, 32).eval()
    output = crnn(torch.full((1, 1, 32, 40), torch.nan))
    assert output.strong.isnan().all() and output.weak.isnan().all()


def by_kind(crnn: CRNN) -> dict[str, list[nn.Module]]:
    linear = [module.linear for module in crnn.modules() if isinstance(module, GLU)]
    kinds = {"convolution": nn.Conv2d, "normalisation": nn.BatchNorm2d, "recurrent": nn.GRU}
    found = {
        name: [m for m in crnn.modules() if isinstance(m, kind) and m not in linear] for name, kind in kinds.items()
    }
    return found | {"linear": [*linear, crnn.strong, crnn.weak.attention]}


@torch.no_grad()
def test_initial_weights_are_drawn_as_the_baselines():
    """Convolutions Xavier, uniform, with gain sqrt 2; batch normalisation N(1, 0.02); orthogonal recurrent matrices;
    linear N(0, 0.01)."""
    torch.manual_seed(0)
    kinds = by_kind(CRNN(Model()))
    assert [len(modules) for modules in kinds.values()] == [7, 7, 1, 9]
    for module in kinds["convolution"]:
        outputs, inputs, *size = module.weight.shape
        bound = 2**0.5 * (6 / (9 * (inputs + outputs))) ** 0.5
        assert size == [3, 3] and module.weight.abs().max() <= bound
        assert module.weight.std() == pytest.approx(bound / 3**0.5, rel=0.1) and not module.bias.any()
    scales = torch.cat([module.weight for module in kinds["normalisation"]])
    assert scales.mean() == pytest.approx(1, abs=0.003) and scales.std() == pytest.approx(0.02, rel=0.1)
    assert not any(module.bias.any() for module in kinds["normalisation"])
    matrices = [weight for weight in kinds["recurrent"][0].parameters() if weight.dim() == 2]
    assert len(matrices) == 8
    for weight in matrices:  # 3 x 128 rows, and no more columns than rows
        torch.testing.assert_close(weight.T @ weight, torch.eye(weight.shape[1]), atol=1e-5, rtol=0)
    biases = torch.cat([p for p in kinds["recurrent"][0].parameters() if p.dim() == 1])
    assert biases.std() == pytest.approx(128**-0.5 / 3**0.5, rel=0.1), "PyTorch's own"
    for module in kinds["linear"]:
        assert module.weight.std() == pytest.approx(0.01, rel=0.15) and not module.bias.any()


@torch.no_grad()
def test_another_initialisation_is_pytorchs_own():
    torch.manual_seed(0)
    for module in by_kind(CRNN(dataclasses.replace(Model(), init="torch")))["convolution"]:
        fan_in = 9 * module.weight.shape[1]
        assert module.weight.std() == pytest.approx(fan_in**-0.5 / 3**0.5, rel=0.1) and module.bias.any()


def test_dropout_lies_after_the_recurrent_layers_and_not_between_them():
    crnn = CRNN(Model())
    assert crnn.rnn.dropout == 0 and crnn.dropout.p == 0.5


def test_glu_is_a_linear_map_over_channels_times_the_gate():
    glu, x = GLU(3), torch.randn(2, 3, 4, 5)
    linear = torch.einsum("oc,bcmt->bomt", glu.linear.weight[:, :, 0, 0], x) + glu.linear.bias[:, None, None]
    torch.testing.assert_close(glu(x), linear * torch.sigmoid(x))


def test_a_frame_hears_only_its_neighbourhood_in_the_cnn():
    """Embeddings before the recurrent layers are local in time: output frame t is spectrogram frame 4t."""
    config = PROFILES["paper"]
    crnn = CRNN(config.model).eval()
    x = torch.zeros(1, 1, 128, 628)
    y = x.clone()
    y[..., 400:404] = 5
    with torch.no_grad():
        change = (crnn(x).embeddings - crnn(y).embeddings).abs().sum(-1)[0]
    where = (change > 1e-4 * change.max()).nonzero().flatten()
    assert 100 in where and where.min() >= 100 - 8 and where.max() <= 100 + 8


def test_several_input_channels():
    assert CRNN(Model(), channels=2).eval()(torch.randn(1, 2, 128, 628)).strong.shape == (1, 157, 10)


def test_sizes_that_do_not_fit_are_named():
    with pytest.raises(SedError, match="leaves 2 of 128 Mel bands"):
        CRNN(Model(pooling=((2, 2),) * 6 + ((1, 1),)))
