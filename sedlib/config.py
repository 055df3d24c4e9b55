"""Every hyper-parameter once, with its source, and the three profiles.

``paper`` is the paper's system number by number; ``lesson`` is the same system, small enough to train in a few minutes
on two cores; ``smoke`` only shows that everything runs. A part checks its values against the annotations of its fields
when it is built, before anything is read or trained. A field with one value records in ``config.json`` how it is done.
"""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass
from functools import lru_cache
from types import UnionType
from typing import Annotated, Any, ClassVar, Literal, Union, get_args, get_origin, get_type_hints

from sedlib.errors import SedError

# Fixed for DESED and MiniDESED: no hyper-parameters.
RATE = 16000  # Hz
CLIP_S = 10.0
SAMPLES = round(CLIP_S * RATE)  # of a clip


# Types with a condition on their values, in words and as a test, which NaN fails.
Count = Annotated[int, "0 or more", lambda n: n >= 0]
Size = Annotated[int, "1 or more", lambda n: n >= 1]
Level = Annotated[float, "finite", math.isfinite]  # dB, or anything else that may be negative
Weight = Annotated[float, "0 or more, and finite", lambda x: 0 <= x < math.inf]
Positive = Annotated[float, "more than 0, and finite", lambda x: 0 < x < math.inf]
Share = Annotated[float, "from 0 to 1", lambda x: 0 <= x <= 1]
Fraction = Annotated[float, "more than 0 and less than 1", lambda x: 0 < x < 1]
BelowOne = Annotated[float, "0 or more and less than 1", lambda x: 0 <= x < 1]
EffectName = Literal["noise burst", "sine burst", "comb", "compression", "pitch shift", "low-pass", "high-pass"]

_IN_WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a string", type(None): "none"}


class Checked:
    """A dataclass whose fields are checked against their annotations when it is built: else a `SedError`."""

    def __post_init__(self) -> None:
        part = f"{type(self).__name__.lower()}.".removeprefix("config.")
        for name, kind in _kinds(type(self)).items():
            value = getattr(self, name)
            if wrong := _wrong(value, kind):
                raise SedError(f"{part}{name} is {value!r}; it must be {wrong}")


@lru_cache
def _kinds(checked: type) -> dict[str, Any]:
    """Return the annotation of each field."""
    kinds = get_type_hints(checked, include_extras=True)
    return {known.name: kinds[known.name] for known in dataclasses.fields(checked)}


def _wrong(value: Any, kind: Any) -> str:
    """Say what a value must be by an annotation that it does not fit, else ""."""
    origin, options = get_origin(kind), get_args(kind)
    if origin is Annotated:
        number, words, holds = options
        return _wrong(value, number) or ("" if holds(value) else words)
    if origin is Literal:
        return "" if value in options else f"one of {', '.join(map(str, options))}"
    if origin in (Union, UnionType):
        found = [_wrong(value, option) for option in options]
        return " or ".join(found) if all(found) else ""
    if origin is tuple:
        any_length = options[-1] is Ellipsis
        if not isinstance(value, tuple) or not any_length and len(value) != len(options):
            return "a tuple" if any_length else f"a tuple of {len(options)}"
        found = [_wrong(one, options[0] if any_length else options[i]) for i, one in enumerate(value)]
        return next((f"a tuple, each value {wrong}" for wrong in found if wrong), "")
    accepted = (float, int) if kind is float else kind
    fits = isinstance(value, accepted) and isinstance(value, bool) == (kind is bool)  # in Python a bool is an int
    return "" if fits else _IN_WORDS.get(kind) or f"a {kind.__name__}"


@dataclass(frozen=True)
class Features(Checked):
    """Log-Mel spectrogram (the paper keeps the baseline's; lesson 01)."""

    sample_rate: ClassVar[int] = RATE
    clip_s: ClassVar[float] = CLIP_S
    samples: ClassVar[int] = SAMPLES  # of a clip
    f_min: ClassVar[float] = 0.0  # Hz
    f_max: ClassVar[float] = 8000.0
    floor: ClassVar[float] = 1e-5  # smallest amplitude
    n_fft: Size = 2048
    hop: Size = 255
    n_mels: Size = 128
    range_db: Positive = 80.0  # below the loudest bin of a clip
    scaling: Literal["zscore", "minmax"] = "zscore"  # over the data set (baseline); or per clip (section 4.1)

    @property
    def frames(self) -> int:
        """Frames of a clip: one centred on every hop."""
        return 1 + self.samples // self.hop


@dataclass(frozen=True)
class Augment(Checked):
    """Dynamic mixing and augmentation (section 3.2; lesson 02). The defaults switch all of it off."""

    mixing: bool = False  # clips with strong labels are mixed from isolated sounds, new ones every time
    sources: tuple[Size, Size] = (1, 5)  # fewest and most foregrounds of a mixture
    rooms: bool = True  # every foreground in a room of its own
    foreground_db: tuple[Level, Level] = (-35.0, 0.0)  # peak, in dB of full scale; the paper's ends, uniform is ours
    background_db: tuple[Level, Level] = (-50.0, 5.0)  # from dB of full scale up to dB over the quietest foreground
    effects: Count = 0  # most in cascade: of each foreground, or where nothing is mixed of clips with strong labels
    effect_names: tuple[EffectName, ...] = get_args(EffectName)
    added_share: Share = 0.0  # of clips with weak or no labels that get one more background
    added_db: tuple[Level, Level] = (-30.0, 0.0)  # its peak against the clip's; ours, the paper gives none
    noise_snr_db: tuple[Level, Level] | None = None  # range of the SNR of Gaussian noise on the features
    mel_masks: Count = 0  # SpecAugment's masks; how many and how wide the paper does not say
    mel_mask: Share = 0.125  # widest, as a share of the bands
    time_masks: Count = 0
    time_mask_s: Weight = 0.4  # widest
    teacher: Literal["own"] = "own"  # masks and noise of its own

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("sources", "foreground_db", "added_db", "noise_snr_db"):
            ends = getattr(self, name)
            if ends and not ends[0] <= ends[1]:
                raise SedError(f"augment.{name} is {ends}; give the smaller one first")
        if (given := len(self.effect_names)) < self.effects:
            raise SedError(
                f"augment.effects is {self.effects}, and augment.effect_names has {given}; name more of them"
            )

    @property
    def uses_soundbank(self) -> bool:
        """Whether any of it needs isolated sounds."""
        return self.mixing or self.added_share > 0


@dataclass(frozen=True)
class Pcen(Checked):
    """PCEN between scaling and CRNN (section 3.3, equation 3; lesson 03); 0 `layers`: none."""

    layers: Count = 0  # in parallel, each a channel of the CRNN's input; the values below are one for each
    energy: Literal["logmel", "mel"] = "logmel"  # E, either of them scaled to [0, 1] clip by clip
    trainable: bool = True  # alpha, delta, r, and how the smoothers are mixed
    learn_s: bool = False  # the smoothing coefficients too, so that a gradient goes through the smoother
    alpha: tuple[Positive, ...] = ()
    delta: tuple[Positive, ...] = ()
    r: tuple[Positive, ...] = ()
    eps: Positive = 1e-6  # or silence is divided by nothing
    s: tuple[Fraction, ...] = (0.015, 0.25)  # of frames of 255 samples
    smoother: Literal["causal", "zero-phase"] = "causal"  # the paper's; or the released code's

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("alpha", "delta", "r"):
            given = len(getattr(self, name))
            if given != self.layers:
                raise SedError(f"pcen.{name} has {given} values for {self.layers} layers; give one for each")
        if not self.s:
            raise SedError("pcen.s is (); give at least one smoothing coefficient")


@dataclass(frozen=True)
class Model(Checked):
    """CRNN of the baseline (section 3; lesson 04)."""

    filters: tuple[Size, ...] = (16, 32, 64, 128, 128, 128, 128)
    pooling: tuple[tuple[Size, Size], ...] = ((2, 2), (2, 2), (1, 2), (1, 2), (1, 2), (1, 2), (1, 2))  # (time, mel)
    batchnorm_momentum: Share = 0.99  # the weight of the newest batch, so the running averages hardly average
    conv_dropout: BelowOne = 0.5
    rnn_units: Size = 128
    rnn_layers: Size = 2
    rnn_dropout: BelowOne = 0.5  # after the recurrent layers; between them the baseline has none
    init: Literal["baseline", "torch"] = "baseline"  # of the weights: the baseline's, or PyTorch's own

    def __post_init__(self) -> None:
        super().__post_init__()
        filters, pooling = len(self.filters), len(self.pooling)
        if not 0 < filters == pooling:
            raise SedError(f"model has {filters} filters but {pooling} poolings; give one of each for every block")

    @property
    def time_pooling(self) -> int:
        """Spectrogram frames in one output frame."""
        return math.prod(time for time, _ in self.pooling)


@dataclass(frozen=True)
class Training(Checked):
    """Mean teacher (section 3; lesson 04)."""

    strong: Size = 6  # clips of each kind of labels in a batch
    weak: Count = 6
    unlabelled: Count = 12
    strong_from: Literal["synthetic", "unlabel_in_domain"] = "synthetic"  # or an oracle's labels of real clips
    label_frames: Literal["floor", "nearest"] = "floor"  # onsets and offsets to frames: the baseline's way, or rounded
    epochs: Size = 200
    steps_per_epoch: Size | None = None  # None: once through the weak clips
    rampup_epochs: Weight = 50
    learning_rate: Weight = 1e-3
    decay_from: Share = 1.0  # share of all steps after which the rate falls to 0, half a cosine; 1: never
    consistency: Weight = 2.0  # weight of the consistency loss after the ramp-up
    ema: Share = 0.999
    output_bias: Literal["init", "prior"] = "init"  # of the strong head: as all weights, or the classes' log-odds
    noise_snr_db: Level | None = 30.0  # white noise on the Mel amplitudes (baseline); None: no noise
    noise_on: Literal["teacher"] = "teacher"  # whose view has it
    teacher_statistics: Literal["running", "recomputed"] = "running"  # batch normalisation's: of its views, or clean
    tested: Literal["student", "teacher"] = "student"  # chooses the epoch, is scored, and detects
    selection: Literal["best", "last"] = "best"  # epoch that is kept: the best F1 in validation, or the last
    validation: Literal["synthetic"] = "synthetic"  # on clips with strong labels that are held out (baseline)
    validation_share: Fraction = 0.2  # of these clips
    preload: bool = False  # keep the spectrograms of all training clips in memory


@dataclass(frozen=True)
class Adversarial(Checked):
    """Domain-adversarial training (section 3.1, Figure 1; lesson 05). The defaults switch it off."""

    updates: Literal["none", "two-step", "reversal"] = "none"  # equations (1) and (2), or the layer of Ganin et al.
    # Factors of the two losses in equation (1), and of the second in (2): the released code's. The paper calls them
    # lambda and 1 - lambda and has lambda = 0.1.
    main_weight: Weight = 1.0  # not negative: the updates have the signs
    domain_weight: Weight = 0.1
    schedule: Literal["constant", "ganin"] = "constant"  # of the CNN's domain_weight; Ganin's rises from 0 to it
    learning_rate: Weight = 2e-4  # the domain classifier's
    steps: Literal[1] = 1  # its updates for one of the CNN
    rampup_epochs: Weight = 50
    gradient_clip: Positive = 5.0  # largest norm of the gradient of either network, the released code's
    # The classifier, Conv-TasNet's separator, as in the released code.
    blocks: Size = 4  # dilated 1, 2, 4, ... frames
    repeats: Size = 2  # of those blocks
    bottleneck: Size = 64  # channels between blocks
    hidden: Size = 128  # channels within


@dataclass(frozen=True)
class Decoding(Checked):
    """From posteriors to events (section 3.4; lesson 06)."""

    threshold: Share = 0.5
    median_s: Weight = 0.45


@dataclass(frozen=True)
class Config(Checked):
    """Everything that a run depends on besides its data and its seed."""

    profile: str = "paper"
    system: str = "baseline"
    features: Features = Features()
    augment: Augment = Augment()
    pcen: Pcen = Pcen()
    model: Model = Model()
    training: Training = Training()
    adversarial: Adversarial = Adversarial()
    decoding: Decoding = Decoding()

    def __post_init__(self) -> None:
        super().__post_init__()
        t, scaling = self.training, self.features.scaling
        if self.pcen.layers and scaling != "minmax":
            raise SedError(
                f"features.scaling is {scaling!r}, which gives negative values, but PCEN takes none; use 'minmax'"
            )
        both_domains = t.strong_from == "synthetic" and t.weak + t.unlabelled > 0
        if self.adversarial.updates != "none" and not both_domains:
            raise SedError(
                "domain-adversarial training needs synthetic and recorded clips in every batch; here are "
                f"{t.strong} of {t.strong_from}, {t.weak} weak and {t.unlabelled} unlabelled ones"
            )

    @property
    def frame_s(self) -> float:
        """Seconds of one output frame: 4 * 255 / 16000 = 0.06375 in the paper."""
        return self.model.time_pooling * self.features.hop / self.features.sample_rate

    @property
    def frames(self) -> int:
        """Output frames of a clip: 157 in the paper."""
        return self.features.frames // self.model.time_pooling

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, as JSON has them."""
        return json.loads(json.dumps(dataclasses.asdict(self)))

    @classmethod
    def from_dict(cls, values: dict[str, Any], source: str = "configuration") -> Config:
        """Build a configuration from what `to_dict` gives; ``source`` is the file's name, for the error.

        Raises
        ------
        SedError
            For a missing or unknown name (a default would be another detector than the one that was trained), and for
            a value that its field does not take.
        """
        try:
            return _built(cls, values)
        except SedError as error:
            fix = "Another version of sedlib may have written it; train the run again"
            raise SedError(f"{source}: {error}. {fix}") from None


def _built(kind: Any, values: Any, part: str = "") -> Any:
    """Build a checked dataclass and its parts, from exactly the names of their fields."""
    if not isinstance(values, dict):
        raise SedError(f"{part or 'the whole'} is {values!r}; it must be an object with names and values")
    kinds, dot = _kinds(kind), f"{part}." if part else ""
    wrong = [f"{dot}{name} is unknown" for name in values if name not in kinds]
    if wrong := wrong + [f"{dot}{name} is missing" for name in kinds if name not in values]:
        raise SedError(", ".join(wrong))
    fields = {}
    for name, of in kinds.items():
        fields[name] = _built(of, values[name], name) if dataclasses.is_dataclass(of) else _as_tuples(values[name])
    return kind(**fields)


def _as_tuples(value: Any) -> Any:
    return tuple(map(_as_tuples, value)) if isinstance(value, list) else value


# Of both small profiles. PyTorch's initial weights learn sooner (docs/DIFFERENCES.md has the numbers); a frame lasts
# 128 ms, and floored labels would begin and end 64 ms early on average.
_SMALL = {"batchnorm_momentum": 0.1, "conv_dropout": 0.0, "rnn_layers": 1, "init": "torch"}
_SHORT = {
    "preload": True,
    "label_frames": "nearest",
    "output_bias": "prior",
    "teacher_statistics": "recomputed",
    "tested": "teacher",
    "selection": "last",
}

PROFILES: dict[str, Config] = {
    "paper": Config(),
    "lesson": Config(
        profile="lesson",
        features=Features(hop=1024, n_mels=64),
        model=Model(
            filters=(16, 32, 64, 64), pooling=((2, 4), (1, 2), (1, 4), (1, 2)), rnn_units=48, rnn_dropout=0.2, **_SMALL
        ),
        training=Training(
            unlabelled=6, epochs=10, steps_per_epoch=300, rampup_epochs=0.3, learning_rate=2.5e-3, ema=0.995, **_SHORT
        ),
        adversarial=Adversarial(learning_rate=2e-3, rampup_epochs=0.3, bottleneck=32, hidden=64),
    ),
    "smoke": Config(
        profile="smoke",
        features=Features(n_fft=1024, hop=1024, n_mels=32),
        model=Model(filters=(8, 16, 16), pooling=((2, 2), (1, 4), (1, 4)), rnn_units=16, rnn_dropout=0.0, **_SMALL),
        training=Training(
            strong=4,
            weak=4,
            unlabelled=4,
            epochs=2,
            steps_per_epoch=15,
            rampup_epochs=1,
            learning_rate=3e-3,
            ema=0.9,
            **_SHORT,
        ),
        adversarial=Adversarial(learning_rate=1e-3, rampup_epochs=1, blocks=2, repeats=1, bottleneck=8, hidden=16),
    ),
}


def profile(name: str) -> Config:
    """Return the configuration of a profile: ``paper``, ``lesson`` or ``smoke``; `SedError` for another name."""
    if name not in PROFILES:
        raise SedError(f"profile {name!r} does not exist; choose one of {', '.join(PROFILES)}")
    return PROFILES[name]
