"""The whole chain on another device. Tensors of the device "meta" have no values: whoever looks at one, as waiting for
a GPU would be, gets an error. Pitch shifts are left out: they are computed on the CPU."""

import dataclasses

import numpy as np
import torch

from sedlib.augment import change, draw, draw_change, effects, render, views
from sedlib.models import Detector
from sedlib.systems import configuration


def test_from_sounds_to_views_nothing_waits_for_a_device(bank):
    config = configuration("augm", "smoke")
    effect_names = tuple(name for name in effects.EFFECTS if name != "pitch shift")
    config = dataclasses.replace(config, augment=dataclasses.replace(config.augment, effect_names=effect_names))
    there = bank.to("meta")
    rngs = [np.random.default_rng([0, i]) for i in range(12)]
    try:
        mixed = render([draw(rng, bank, config.augment) for rng in rngs], there)
        changes = [draw_change(rng, bank, config.augment, strong) for rng in rngs for strong in (True, False)]
        changed = change(mixed.repeat(2, 1), changes, there)
        student, teacher = views(Detector(config).to("meta").features(torch.cat([mixed, changed])), config)
    finally:
        effects._noise.cache_clear()
    assert student.device.type == teacher.device.type == "meta"
    assert student.shape == teacher.shape == (36, 1, config.features.n_mels, config.features.frames)
