"""The peer of the training benchmark: the released architecture written plainly, a training step and an evaluation of
it.

Plain modules in the order of the paper's section 3, (batch, channel, frame, mel) as in the released code, the default
memory allocator, and a teacher whose forward pass records a graph that nobody uses, as the released training has it.
"""

from __future__ import annotations

import copy

import librosa
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sedlib.config import Config


class GLU(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.linear = nn.Linear(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.linear(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2) * torch.sigmoid(x)


class CRNN(nn.Module):
    def __init__(self, config: Config) -> None:
        super().__init__()
        m = config.model
        layers, inputs = [], 1
        for outputs, pooling in zip(m.filters, m.pooling, strict=True):
            layers += [
                nn.Conv2d(inputs, outputs, 3, padding=1),
                nn.BatchNorm2d(outputs, eps=1e-3, momentum=m.batchnorm_momentum),
                GLU(outputs),
                nn.Dropout(m.conv_dropout),
                nn.AvgPool2d(pooling),
            ]
            inputs = outputs
        self.cnn = nn.Sequential(*layers)
        self.rnn = nn.GRU(inputs, m.rnn_units, m.rnn_layers, batch_first=True, bidirectional=True)
        self.dropout = nn.Dropout(m.rnn_dropout)
        self.strong = nn.Linear(2 * m.rnn_units, 10)
        self.attention = nn.Linear(2 * m.rnn_units, 10)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        states = self.dropout(self.rnn(self.cnn(x).squeeze(-1).transpose(1, 2))[0])
        strong = torch.sigmoid(self.strong(states))
        weight = self.attention(states).softmax(-1).clamp(1e-7, 1)
        return strong, (strong * weight).sum(1) / weight.sum(1)


class Training:
    """Student, teacher, optimiser; ``step`` as the released training does it."""

    def __init__(self, config: Config) -> None:
        self.t = config.training
        self.student = CRNN(config)
        self.teacher = copy.deepcopy(self.student)
        self.optimizer = torch.optim.Adam(self.student.parameters(), 1e-3)
        self.steps = 0

    def step(self, features: Tensor, noisy: Tensor, strong: Tensor, weak: Tensor) -> None:
        said_strong, said_weak = self.student(features)
        target_strong, target_weak = (output.detach() for output in self.teacher(noisy))
        a, b = len(strong), len(strong) + len(weak)
        loss = F.binary_cross_entropy(said_strong[:a], strong) + F.binary_cross_entropy(said_weak[a:b], weak)
        loss = loss + self.t.consistency * (F.mse_loss(said_strong, target_strong) + F.mse_loss(said_weak, target_weak))
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.steps += 1
        average = min(1 - 1 / (self.steps + 1), self.t.ema)
        for mean, parameter in zip(self.teacher.parameters(), self.student.parameters(), strict=True):
            mean.data.mul_(average).add_(parameter.data, alpha=1 - average)


def logmel(waveform: np.ndarray, config: Config, bands: np.ndarray) -> np.ndarray:
    """Log-Mel of one clip by librosa, ``(mel, frame)``; the Mel matrix is computed once, elsewhere."""
    f = config.features
    magnitude = np.abs(librosa.stft(waveform - waveform.mean(), n_fft=f.n_fft, hop_length=f.hop, window="hamming"))
    return librosa.amplitude_to_db(bands @ magnitude, ref=1.0, amin=f.floor, top_db=f.range_db)
