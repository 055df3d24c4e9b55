"""Every hyper-parameter once, with its source, and the three profiles.

``paper`` is the paper's system number by number; ``lesson`` is the same system made small enough to train in a few
minutes on two cores; ``smoke`` only shows that everything runs. All lessons take their numbers from here.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from typing import Any

from sedlib.errors import SedError


@dataclass(frozen=True)
class Features:
    """Log-Mel spectrogram (the paper keeps the baseline's; lesson 01)."""

    sample_rate: int = 16000
    clip_s: float = 10.0
    n_fft: int = 2048
    hop: int = 255
    n_mels: int = 128
    f_min: float = 0.0
    f_max: float = 8000.0
    floor: float = 1e-5  # smallest amplitude
    range_db: float = 80.0  # below the loudest bin of a clip
    scaling: str = "zscore"  # over the data set (baseline); "minmax" per clip (section 4.1)

    @property
    def samples(self) -> int:
        """Samples of a clip."""
        return round(self.clip_s * self.sample_rate)

    @property
    def frames(self) -> int:
        """Frames of a clip: one centred on every hop."""
        return 1 + self.samples // self.hop


@dataclass(frozen=True)
class Augment:
    """Dynamic mixing and augmentation (section 3.2; lesson 02). As it stands here: none of it."""

    mixing: bool = False  # clips with strong labels are mixed anew from isolated sounds, every time
    sources: tuple[int, int] = (1, 5)  # fewest and most foregrounds of a mixture
    placing: str = "desed"  # classes and onsets as in DESED's synthetic clips; "uniform": any sounds at any time
    rooms: bool = True  # every foreground in a room of its own
    foreground_db: tuple[float, float] = (-35.0, 0.0)  # peak, in dB of full scale; uniform, or with the next line
    foreground_normal: tuple[float, ...] = ()  # mean and deviation of a normal distribution cut off at these ends
    background_db: tuple[float, float] = (-50.0, 5.0)  # from dB of full scale up to dB over the quietest foreground
    background_normal: tuple[float, ...] = ()
    effects: int = 0  # most in cascade: of each foreground, or where nothing is mixed of clips with strong labels
    effect_names: tuple[str, ...] = ("noise burst", "sine burst", "comb", "compression", "pitch shift", "low-pass", "high-pass")
    added_share: float = 0.0  # of clips with weak or no labels that get one more background
    added_db: tuple[float, float] = (-30.0, 0.0)  # its peak against the clip's; the paper does not say, the released code does
    noise_snr_db: tuple[float, ...] = ()  # ends of the SNR of Gaussian noise on the features; none: no noise
    mel_masks: int = 0  # SpecAugment's masks; how many and how wide the paper does not say
    mel_mask: float = 0.125  # widest, as a share of the bands
    time_masks: int = 0
    time_mask_s: float = 0.4  # widest
    teacher: str = "own"  # on the features: masks and noise of its "own", the "same" as the student's, or "clean"

    @property
    def uses_soundbank(self) -> bool:
        """Whether any of it needs isolated sounds."""
        return self.mixing or self.added_share > 0


@dataclass(frozen=True)
class Pcen:
    """PCEN between scaling and CRNN (section 3.3, equation 3; lesson 03). `layers` 0: none, the CRNN sees the log-Mel."""

    layers: int = 0  # in parallel, each a channel of the CRNN's input; the values below are one for each
    energy: str = "logmel"  # E: "logmel" or "mel", either of them scaled to [0, 1] clip by clip
    trainable: bool = True  # alpha, delta, r, and how the smoothers are mixed
    learn_s: bool = False  # the smoothing coefficients too, so that a gradient goes through the smoother
    alpha: tuple[float, ...] = ()
    delta: tuple[float, ...] = ()
    r: tuple[float, ...] = ()
    eps: float = 1e-6
    s: tuple[float, ...] = (0.015, 0.25)  # of frames of 255 samples
    smoother: str = "causal"  # the paper's; "zero-phase" the released code's


@dataclass(frozen=True)
class Model:
    """CRNN of the baseline (section 3; lesson 04)."""

    filters: tuple[int, ...] = (16, 32, 64, 128, 128, 128, 128)
    pooling: tuple[tuple[int, int], ...] = ((2, 2), (2, 2), (1, 2), (1, 2), (1, 2), (1, 2), (1, 2))  # (time, mel)
    batchnorm_momentum: float = 0.99  # the weight of the newest batch, so the running averages hardly average
    conv_dropout: float = 0.5
    rnn_units: int = 128
    rnn_layers: int = 2
    rnn_dropout: float = 0.5  # after the recurrent layers; between them the baseline has none
    # The baseline's weights_init; "torch": PyTorch's own initialisation, with which 1000 steps of profile lesson get further (21.5 instead
    # of 14.4 % development F1, one training each).
    init: str = "baseline"

    @property
    def time_pooling(self) -> int:
        """Spectrogram frames in one output frame."""
        product = 1
        for time, _ in self.pooling:
            product *= time
        return product


@dataclass(frozen=True)
class Training:
    """Mean teacher (section 3; lesson 04)."""

    strong: int = 6  # clips of each kind of labels in a batch
    weak: int = 6
    unlabelled: int = 12
    strong_from: str = "synthetic"  # "unlabel_in_domain": an oracle's labels of MiniDESED's real clips instead
    epochs: int = 200
    steps_per_epoch: int | None = None  # None: once through the weak clips
    rampup_epochs: float = 50
    learning_rate: float = 1e-3
    consistency: float = 2.0  # weight of the consistency loss after the ramp-up
    ema: float = 0.999
    teacher_start: str = "independent"  # weights of its own (baseline); "student": a copy of the student's
    teacher_noise_snr_db: float | None = 30.0  # white noise on the teacher's Mel amplitudes (baseline); None: no noise
    tested: str = "student"  # chooses the epoch and is scored (baseline); "teacher": its moving average is
    label_frames: str = "floor"  # onsets and offsets to frames (baseline); "nearest": rounded, and no event is lost
    validation_share: float = 0.2  # of the clips with strong labels, held out to choose the epoch
    preload: bool = False  # keep the spectrograms of all training clips in memory
    # How it is computed. These change a result's bits; what they do to its scores is not measured.
    precision: str = "32-true"  # "bf16-mixed": bfloat16 where that is safe
    compile: bool = False  # by torch.compile; the first steps take minutes
    devices: int = 1  # GPUs, or processes where there is none, that share each batch


@dataclass(frozen=True)
class Adversarial:
    """Domain-adversarial training (section 3.1, Figure 1; lesson 05). As it stands here: none of it."""

    updates: str = "none"  # "two-step" (equations 1 and 2) or "reversal" (the layer of Ganin et al.)
    # Factors of the two losses in equation (1), and of the second in (2). The paper calls them lambda and 1 - lambda and
    # has lambda = 0.1; the released code has these.
    main_weight: float = 1.0
    domain_weight: float = 0.1
    schedule: str = "constant"  # of domain_weight, for the CNN: "ganin" starts at 0 and ends at domain_weight
    learning_rate: float = 2e-4  # the domain classifier's
    rampup_epochs: float = 50
    gradient_clip: float = 5.0  # largest norm of the gradient of either network; the paper does not say, the released code does
    # The classifier, Conv-TasNet's separator, as in the released code.
    blocks: int = 4  # dilated 1, 2, 4, ... frames
    repeats: int = 2  # of those blocks
    bottleneck: int = 64  # channels between blocks
    hidden: int = 128  # channels within
    skip: int = 0  # channels of skip connections to the output; 0: residual ones alone, as in the released code
    kernel: int = 3


@dataclass(frozen=True)
class Decoding:
    """From posteriors to events (section 3.4; lesson 06)."""

    threshold: float = 0.5
    median_s: float = 0.45


@dataclass(frozen=True)
class Config:
    """Everything that a run depends on besides its data and its seed."""

    profile: str = "paper"
    system: str = "baseline"
    features: Features = field(default_factory=Features)
    augment: Augment = field(default_factory=Augment)
    pcen: Pcen = field(default_factory=Pcen)
    model: Model = field(default_factory=Model)
    training: Training = field(default_factory=Training)
    adversarial: Adversarial = field(default_factory=Adversarial)
    decoding: Decoding = field(default_factory=Decoding)

    @property
    def frame_s(self) -> float:
        """Seconds of one output frame: 4 * 255 / 16000 = 0.06375 in the paper."""
        return self.model.time_pooling * self.features.hop / self.features.sample_rate

    @property
    def frames(self) -> int:
        """Output frames of a clip: 157 in the paper."""
        return self.features.frames // self.model.time_pooling

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as JSON has them."""
        return json.loads(json.dumps(dataclasses.asdict(self)))

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Config:
        """Inverse of `to_dict`; an unknown or missing name is a `SedError`."""
        parts = {"features": Features, "augment": Augment, "pcen": Pcen, "model": Model, "training": Training,
                 "adversarial": Adversarial, "decoding": Decoding}
        try:
            built = {name: kind(**_tuples(values[name])) for name, kind in parts.items()}
            return cls(**{**values, **built})
        except (KeyError, TypeError) as error:
            raise SedError(f"configuration was written by another version of sedlib ({error}); train the run again") from None


def _tuples(values: dict[str, Any]) -> dict[str, Any]:
    def convert(value: Any) -> Any:
        return tuple(convert(v) for v in value) if isinstance(value, list) else value

    return {name: convert(value) for name, value in values.items()}


PROFILES: dict[str, Config] = {
    "paper": Config(),
    "lesson": Config(
        profile="lesson",
        features=Features(hop=1024, n_mels=64),
        model=Model(
            filters=(16, 32, 64, 64), pooling=((2, 4), (1, 2), (1, 4), (1, 2)), batchnorm_momentum=0.1,
            conv_dropout=0.0, rnn_units=48, rnn_layers=1, rnn_dropout=0.2, init="torch",
        ),
        training=Training(
            epochs=10, steps_per_epoch=100, rampup_epochs=1, learning_rate=5e-3, ema=0.99, preload=True,
            label_frames="nearest",  # a frame lasts 128 ms: floored labels begin and end 64 ms early on average
        ),
        adversarial=Adversarial(learning_rate=2e-3, rampup_epochs=1, bottleneck=32, hidden=64),
    ),
    "smoke": Config(
        profile="smoke",
        features=Features(n_fft=1024, hop=1024, n_mels=32),
        model=Model(
            filters=(8, 16, 16), pooling=((2, 2), (1, 4), (1, 4)), batchnorm_momentum=0.1,
            conv_dropout=0.0, rnn_units=16, rnn_layers=1, rnn_dropout=0.0, init="torch",
        ),
        training=Training(
            strong=4, weak=4, unlabelled=4, epochs=2, steps_per_epoch=15, rampup_epochs=1, learning_rate=3e-3,
            ema=0.9, preload=True, label_frames="nearest",
        ),
        adversarial=Adversarial(learning_rate=1e-3, rampup_epochs=1, blocks=2, repeats=1, bottleneck=8, hidden=16),
    ),
}

# Clips that a profile's MiniDESED holds; the paper's are DESED's own counts (section 2).
SIZES: dict[str, dict[str, int]] = {
    "paper": {"synthetic": 2584, "weak": 1578, "unlabel_in_domain": 14412, "validation": 1168, "public": 692},
    "lesson": {"synthetic": 1200, "weak": 600, "unlabel_in_domain": 1200, "validation": 300, "public": 200},
    "smoke": {"synthetic": 40, "weak": 16, "unlabel_in_domain": 16, "validation": 16, "public": 8},
}

# Isolated sounds of each class in a profile's MiniDESED; DESED's soundbank has about as many as "paper".
SOUNDS: dict[str, int] = {"paper": 100, "lesson": 40, "smoke": 4}

# Evaluations of the random forest that searches HMMs (section 3.4); with 20 it only shows that it runs.
FOREST_CALLS: dict[str, int] = {"paper": 200, "lesson": 200, "smoke": 20}


def profile(name: str) -> Config:
    """The configuration of a profile; `SedError` for an unknown name."""
    if name not in PROFILES:
        raise SedError(f"profile {name!r} does not exist; choose one of {', '.join(PROFILES)}")
    return PROFILES[name]
