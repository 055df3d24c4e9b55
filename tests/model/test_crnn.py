"""The CRNN: size, shapes, attention pooling."""

import pytest
import torch

from sedlib.config import PROFILES, Model
from sedlib.errors import SedError
from sedlib.model import CRNN, Detector
from sedlib.model.crnn import GLU, AttentionPooling


def test_paper_size_has_exactly_the_baselines_parameters():
    assert sum(p.numel() for p in CRNN(Model()).parameters()) == 1_112_420


@pytest.mark.parametrize("profile", PROFILES)
def test_shapes_from_waveform_to_posteriors(profile):
    config = PROFILES[profile]
    detector = Detector(config).eval()
    with torch.no_grad():
        features = detector.features(0.1 * torch.randn(2, config.features.samples))
        strong, weak, embeddings = detector(features)
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
    weak = pooling(states, strong)
    assert (weak >= strong.amin(1) - 1e-6).all() and (weak <= strong.amax(1) + 1e-6).all()
    constant = torch.full((4, 20, 10), 0.3)
    torch.testing.assert_close(pooling(states, constant), torch.full((4, 10), 0.3))
    weight = pooling.attention(states).softmax(-1)
    torch.testing.assert_close(weak, (strong * weight).sum(1) / weight.sum(1))


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
        changed = (crnn(x).embeddings - crnn(y).embeddings).abs().sum(-1)[0] > 1e-6
    where = changed.nonzero().flatten()
    assert 100 in where and where.min() >= 100 - 8 and where.max() <= 100 + 8


def test_several_input_channels():
    assert CRNN(Model(), channels=2).eval()(torch.randn(1, 2, 128, 628)).strong.shape == (1, 157, 10)


def test_sizes_that_do_not_fit_are_named():
    with pytest.raises(SedError, match="leaves 2 of 128 Mel bands"):
        CRNN(Model(pooling=((2, 2),) * 6 + ((1, 1),)))
