"""The configuration: what its fields take, and that nothing stands in for what is missing."""

import copy
import dataclasses
import math
import re
from typing import get_args

import pytest

from minidesed import voices
from sedlib import config as configuration_module
from sedlib.augment import EFFECTS
from sedlib.config import (
    CLIP_S,
    PROFILES,
    Adversarial,
    Augment,
    Config,
    Decoding,
    EffectName,
    Features,
    Model,
    Pcen,
    Training,
)
from sedlib.data import audio
from sedlib.errors import SedError
from sedlib.systems import configuration, known

PARTS = {part.name: type(part.default) for part in dataclasses.fields(Config) if dataclasses.is_dataclass(part.default)}
FIELDS = [(part, known.name) for part, kind in PARTS.items() for known in dataclasses.fields(kind)]
TOP = [known.name for known in dataclasses.fields(Config)]


def values() -> dict:
    return PROFILES["lesson"].to_dict()


@pytest.mark.parametrize("system", known())
@pytest.mark.parametrize("profile", PROFILES)
def test_what_was_written_is_read(system, profile):
    config = configuration(system, profile)
    assert Config.from_dict(config.to_dict()) == config


@pytest.mark.parametrize("part, name", [*FIELDS, *((None, name) for name in TOP)])
def test_a_missing_field_is_named_and_gets_no_default(part, name):
    found = values()
    del (found[part] if part else found)[name]
    whole = f"{part}.{name}" if part else name
    with pytest.raises(SedError, match=f"^run/config.json: {whole} is missing.*train the run again$"):
        Config.from_dict(found, "run/config.json")


@pytest.mark.parametrize("part", [*PARTS, None])
def test_an_unknown_field_is_named(part):
    found = values()
    (found[part] if part else found)["momentum"] = 1
    with pytest.raises(
        SedError, match=f"^configuration: {f'{part}.' if part else ''}momentum is unknown.*train the run again$"
    ):
        Config.from_dict(found)


def test_a_misspelt_field_is_named_with_the_one_that_was_meant():
    found = values()
    found["training"]["emma"] = found["training"].pop("ema")
    with pytest.raises(SedError, match="training.emma is unknown, training.ema is missing"):
        Config.from_dict(found)


@pytest.mark.parametrize("wrong", [["a", 1], {"a": 1}, [[[1]]], math.nan])
def test_a_value_of_another_type_is_named(wrong):
    for part, name in [*FIELDS, (None, "profile"), (None, "system")]:
        found = values()
        (found[part] if part else found)[name] = copy.copy(wrong)
        with pytest.raises(SedError, match=f"^f.json: {f'{part}.' if part else ''}{name} is .*; it must be "):
            Config.from_dict(found, "f.json")


@pytest.mark.parametrize("found", [None, [], "paper", {}])
def test_what_is_no_configuration_is_refused(found):
    with pytest.raises(SedError, match="is missing|must be an object"):
        Config.from_dict(found)


PPCEN = {"layers": 2, "alpha": (0.8, 0.4), "delta": (2.0, 2.0), "r": (0.5, 0.5)}


@pytest.mark.parametrize(
    "kind, change, said",
    [
        (Features, {"scaling": "zscores"}, "features.scaling is 'zscores'; it must be one of zscore, minmax"),
        (Features, {"hop": 0}, "features.hop is 0; it must be 1 or more"),
        (Features, {"range_db": 0.0}, "features.range_db is 0.0; it must be more than 0"),
        (Features, {"hop": 255.0}, "features.hop is 255.0; it must be a whole number"),
        (Features, {"n_mels": True}, "features.n_mels is True; it must be a whole number"),
        (Augment, {"teacher": "none"}, "augment.teacher is 'none'; it must be one of own"),
        (Augment, {"sources": (0, 5)}, "augment.sources is (0, 5); it must be a tuple, each value 1 or more"),
        (Augment, {"sources": (5, 1)}, "augment.sources is (5, 1); give the smaller one first"),
        (Augment, {"sources": [1, 5]}, "augment.sources is [1, 5]; it must be a tuple of 2"),
        (Augment, {"noise_snr_db": (30.0, 10.0)}, "augment.noise_snr_db is (30.0, 10.0); give the smaller one first"),
        (Augment, {"noise_snr_db": (30.0,)}, "augment.noise_snr_db is (30.0,); it must be a tuple of 2 or none"),
        (Augment, {"effects": 8}, "augment.effects is 8, and augment.effect_names has 7; name more of them"),
        (
            Augment,
            {"effect_names": ("echo",)},
            "augment.effect_names is ('echo',); it must be a tuple, each value one of noise burst",
        ),
        (Augment, {"added_share": 1.5}, "augment.added_share is 1.5; it must be from 0 to 1"),
        (Pcen, PPCEN | {"energy": "power"}, "pcen.energy is 'power'; it must be one of logmel, mel"),
        (Pcen, PPCEN | {"smoother": "median"}, "pcen.smoother is 'median'; it must be one of causal, zero-phase"),
        (Pcen, PPCEN | {"alpha": (0.8,)}, "pcen.alpha has 1 values for 2 layers"),
        (Pcen, PPCEN | {"delta": (2.0, 2.0, 2.0)}, "pcen.delta has 3 values for 2 layers"),
        (Pcen, PPCEN | {"r": ()}, "pcen.r has 0 values for 2 layers"),
        (Pcen, PPCEN | {"r": (0.5, -0.5)}, "pcen.r is (0.5, -0.5); it must be a tuple, each value more than 0"),
        (
            Pcen,
            PPCEN | {"s": (0.015, 1.5)},
            "pcen.s is (0.015, 1.5); it must be a tuple, each value more than 0 and less than 1",
        ),
        (Pcen, PPCEN | {"s": ()}, "pcen.s is (); give at least one"),
        (Pcen, {"eps": 0.0}, "pcen.eps is 0.0; it must be more than 0"),
        (Model, {"conv_dropout": 1.0}, "model.conv_dropout is 1.0; it must be 0 or more and less than 1"),
        (Model, {"rnn_dropout": -0.1}, "model.rnn_dropout is -0.1; it must be 0 or more and less than 1"),
        (Model, {"filters": (1, 2, 3)}, "model has 3 filters but 7 poolings; give one of each"),
        (Model, {"init": "xavier"}, "model.init is 'xavier'; it must be one of baseline, torch"),
        (Training, {"strong": 0}, "training.strong is 0; it must be 1 or more"),
        (
            Training,
            {"strong_from": "weak"},
            "training.strong_from is 'weak'; it must be one of synthetic, unlabel_in_domain",
        ),
        (
            Training,
            {"teacher_statistics": "batch"},
            "training.teacher_statistics is 'batch'; it must be one of running, recomputed",
        ),
        (Training, {"tested": "both"}, "training.tested is 'both'; it must be one of student, teacher"),
        (Training, {"label_frames": "ceil"}, "training.label_frames is 'ceil'; it must be one of floor, nearest"),
        (
            Training,
            {"validation_share": 0.0},
            "training.validation_share is 0.0; it must be more than 0 and less than 1",
        ),
        (Training, {"steps_per_epoch": 0}, "training.steps_per_epoch is 0; it must be 1 or more or none"),
        (Training, {"ema": math.nan}, "training.ema is nan; it must be from 0 to 1"),
        (Adversarial, {"updates": "gan"}, "adversarial.updates is 'gan'; it must be one of none, two-step, reversal"),
        (Adversarial, {"schedule": "linear"}, "adversarial.schedule is 'linear'; it must be one of constant, ganin"),
        *(
            (Adversarial, {name: value}, f"adversarial.{name} is {value}; it must be 0 or more")
            for name in ("main_weight", "domain_weight")
            for value in (-0.1, math.nan, math.inf)
        ),
        *(
            (Adversarial, {name: 0}, f"adversarial.{name} is 0; it must be 1 or more")
            for name in ("blocks", "repeats", "bottleneck", "hidden")
        ),
        (Decoding, {"threshold": 50}, "decoding.threshold is 50; it must be from 0 to 1"),
        (Config, {"features": {}}, "features is {}; it must be a Features"),
        (
            Config,
            {"pcen": Pcen(**PPCEN)},
            "features.scaling is 'zscore', which gives negative values, but PCEN takes none; use 'minmax'",
        ),
        (
            Config,
            {"adversarial": Adversarial(updates="two-step"), "training": Training(weak=0, unlabelled=0)},
            "needs synthetic and recorded clips in every batch; here are 6 of synthetic, 0 weak and 0 unlabelled",
        ),
        (
            Config,
            {"adversarial": Adversarial(updates="reversal"), "training": Training(strong_from="unlabel_in_domain")},
            "here are 6 of unlabel_in_domain",
        ),
    ],
)
def test_a_value_that_a_field_does_not_take_is_named_when_it_is_built(kind, change, said):
    with pytest.raises(SedError, match=f"^{'.*' if kind is Config else ''}{re.escape(said)}"):
        kind(**change)


def test_every_string_of_a_configuration_is_one_of_a_few():
    """But names of profiles and systems, which other tables hold."""
    free = [
        f"{part}.{name}"
        for part, kind in PARTS.items()
        for name, of in configuration_module._kinds(kind).items()
        if of is str
    ]
    assert not free


def test_effects_are_those_that_exist():
    assert set(get_args(EffectName)) == set(EFFECTS)


def test_rate_and_length_of_clips_cannot_be_set():
    """Data sets, stores and mixtures have one rate and one length."""
    assert audio.RATE == voices.RATE == Features.sample_rate == 16000 and CLIP_S == Features.clip_s == 10.0
    assert Features().samples == 160000 and not {"sample_rate", "clip_s", "samples"} & Features().__dict__.keys()
    for name in ("sample_rate", "clip_s"):
        with pytest.raises(TypeError, match=name):
            Features(**{name: 5})


def test_no_profile_has_an_augmentation_or_a_pcen_of_its_own():
    """A system gives both whole."""
    assert all(config.augment == Augment() and config.pcen == Pcen() for config in PROFILES.values())
