"""The baseline's convolutional recurrent network: paper section 3 and Figure 1, lesson 04."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sedlib.config import Model
from sedlib.errors import SedError
from sedlib.models import fused, gru


class Output(NamedTuple):
    """Predictions for a batch: logits, for the losses, and their posteriors."""

    strong_logits: Tensor  # (batch, frame, class)
    weak_logits: Tensor  # (batch, class)
    embeddings: Tensor  # (batch, frame, feature) of the CNN; the domain classifier's input

    @property
    def strong(self) -> Tensor:
        """The posteriors of the frames, ``(batch, frame, class)``."""
        return self.strong_logits.sigmoid()

    @property
    def weak(self) -> Tensor:
        """The posteriors of the clips, ``(batch, class)``."""
        return self.weak_logits.sigmoid()


class GLU(nn.Module):
    """Gated linear unit: a linear map over channels, times the sigmoid of the input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.linear = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Gate ``(batch, channel, mel, frame)``."""
        return self.linear(x) * x.sigmoid()


class Block(nn.Sequential):
    """3x3 convolution, batch normalisation, GLU, dropout, average pooling by (time, mel).

    On a CPU all modules after the convolution are computed in one pass (`fused`).
    """

    def __init__(self, inputs: int, outputs: int, pooling: tuple[int, int], momentum: float, dropout: float) -> None:
        convolution = nn.Conv2d(inputs, outputs, kernel_size=3, padding=1)
        assert convolution.bias is not None
        convolution.bias.requires_grad_(False)  # batch normalisation takes any constant away: it has no gradient
        normalisation = nn.BatchNorm2d(outputs, eps=1e-3, momentum=momentum)
        pool = nn.AvgPool2d((pooling[1], pooling[0]))  # (mel, time)
        super().__init__(convolution, normalisation, GLU(outputs), nn.Dropout(dropout), pool)

    def forward(self, input: Tensor) -> Tensor:
        """Map ``(batch, channel, mel, frame)`` to other channels and fewer bands and frames."""
        if not fused.possible(input):
            return super().forward(input)
        modules: list[Any] = list(self)
        convolution, normalisation, glu, dropout, pool = modules
        p = dropout.p if self.training else 0.0
        return fused.norm_glu_dropout_pool(convolution(input), normalisation, glu.linear, p, pool.kernel_size)


class AttentionPooling(nn.Module):
    """Clip posteriors as an average over frames, weighted by attention, a softmax over the classes.

    weak = sum_t strong(t) attention(t) / sum_t attention(t), computed as a logit, log(sum_t strong attention) -
    log(sum_t (1 - strong) attention), so that no posterior is ever rounded to 0 or 1.
    """

    def __init__(self, inputs: int, classes: int) -> None:
        super().__init__()
        self.attention = nn.Linear(inputs, classes)

    def forward(self, states: Tensor, strong_logits: Tensor) -> Tensor:
        """Pool states ``(batch, frame, feature)`` and logits ``(batch, frame, class)`` to ``(batch, class)`` logits."""
        weight = self.attention(states).softmax(-1).clamp(1e-7, 1).log()
        active, inactive = F.logsigmoid(strong_logits), F.logsigmoid(-strong_logits)
        return (active + weight).logsumexp(1) - (inactive + weight).logsumexp(1)


class CRNN(nn.Module):
    """Spectrogram to posteriors: convolutional blocks, a bidirectional GRU, a linear map, attention pooling.

    Parameters
    ----------
    model : Model
        Sizes; the defaults are the paper's, with 1,112,420 parameters. The blocks must pool the Mel bands to one.
    n_mels, classes, channels : int
        Bands of the spectrogram, classes, and channels of the spectrogram (several with parallel PCEN).
    """

    def __init__(self, model: Model, n_mels: int = 128, classes: int = 10, channels: int = 1) -> None:
        super().__init__()
        if (bands := n_mels // math.prod(mel for _, mel in model.pooling)) != 1:
            raise SedError(f"model.pooling {model.pooling} leaves {bands} of {n_mels} Mel bands; it must leave one")
        widths = (channels, *model.filters)
        sizes = zip(widths[:-1], widths[1:], model.pooling, strict=True)
        self.cnn = nn.Sequential(*(Block(*size, model.batchnorm_momentum, model.conv_dropout) for size in sizes))
        self.rnn = gru.GRU(widths[-1], model.rnn_units, model.rnn_layers)
        self.dropout = nn.Dropout(model.rnn_dropout)
        self.strong = nn.Linear(2 * model.rnn_units, classes)
        self.weak = AttentionPooling(2 * model.rnn_units, classes)
        if model.init == "baseline":
            initialise(self)

    def forward(self, spectrogram: Tensor) -> Output:
        """Map ``(batch, channel, mel, frame)`` to strong and weak logits and the CNN's embeddings."""
        embeddings = self.cnn(spectrogram).squeeze(2).transpose(1, 2)
        states = self.dropout(self.rnn(embeddings)[0])
        # In float32 also where layers are bfloat16: the weak logit is a difference of sums over all frames.
        logits = self.strong(states)
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
        return Output(logits, self.weak(states, logits), embeddings)


def initialise(crnn: CRNN) -> None:
    """Give a network new weights by the baseline's scheme, drawn from torch's random generator.

    Convolutions: Xavier, uniform, gain sqrt(2). Batch normalisation: N(1, 0.02). Recurrent layers: every weight matrix
    (of three gates) orthogonal; their biases stay PyTorch's. Linear maps, the GLU's too: N(0, 0.01). Other biases: 0.
    """
    maps = {module.linear for module in crnn.modules() if isinstance(module, GLU)}
    for module in crnn.modules():
        if isinstance(module, nn.Linear) or isinstance(module, nn.Conv2d) and module in maps:
            nn.init.normal_(module.weight, 0.0, 0.01)
        elif isinstance(module, nn.Conv2d):
            nn.init.xavier_uniform_(module.weight, gain=math.sqrt(2))
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1.0, 0.02)
        elif isinstance(module, nn.GRU):
            for weight in module.parameters():
                if weight.dim() > 1:
                    nn.init.orthogonal_(weight)
        if isinstance(module, (nn.Linear, nn.Conv2d, nn.BatchNorm2d)) and module.bias is not None:
            nn.init.zeros_(module.bias)
