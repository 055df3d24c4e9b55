"""Systems of the studies: parts of the paper's systems alone, and with other weights, lengths and smoothers.

An entry point of group "sedlib.systems", so `sedlib train --system NAME` trains them as it does the paper's own.
"""

from __future__ import annotations

from dataclasses import replace

from sedlib.config import Augment
from sedlib.systems import AUGM, DAT, PER_CLIP, TWO, System, TrainingChanges

# Clips with strong labels alone, as many in a batch as the paper's mean teacher has.
ALONE: TrainingChanges = {"strong": 24, "weak": 0, "unlabelled": 0}
# What DAT was made for, unsupervised domain adaptation: labels of synthetic clips alone, and no consistency with a
# teacher.
UDA: TrainingChanges = {"strong": 12, "weak": 0, "unlabelled": 12, "consistency": 0.0}

ABLATIONS: dict[str, System] = {
    # Weights as the paper words them, and the gradient reversal that it compares with (lesson 05).
    "dat_paper_lambda": System(
        "domain-adversarial training with the paper's lambda, 0.1 for the main loss and 0.9 for the domain's",
        adversarial=DAT | {"main_weight": 0.1, "domain_weight": 0.9},
    ),
    "dat_reversal": System(
        "domain-adversarial training by gradient reversal, with its schedule",
        adversarial={"updates": "reversal", "schedule": "ganin"},
    ),
    "dat_weight_1": System(
        "domain-adversarial training with 1 as the domain loss's weight", adversarial=DAT | {"domain_weight": 1.0}
    ),
    # The same without weak labels and without a teacher; with weight 0 the domain classifier looks on.
    **{
        f"uda_weight_{weight:g}": System(
            f"synthetic labels alone, no consistency, {weight:g} as the domain loss's weight",
            training=UDA,
            adversarial=DAT | {"domain_weight": weight},
        )
        for weight in (0.0, 0.1)
    },
    # The parts of augmentation, and the noise as the paper words it (lesson 02).
    "augm_mixing": System("the baseline with dynamic mixing alone", augment=Augment(mixing=True)),
    "augm_effects": System(
        "the baseline with effects alone, on clips that stay as they are", augment=replace(AUGM, mixing=False)
    ),
    "augm_literal": System(
        "dynamic mixing and augmentation with noise as the paper words it",
        augment=replace(AUGM, noise_snr_db=(-30.0, 10.0)),
    ),
    # What the released code does otherwise, and what the paper leaves out (lesson 03).
    "ppcen_zero_phase": System(
        "two parallel PCEN layers on log-Mel, smoothed forwards and backwards in time",
        features=PER_CLIP,
        pcen=replace(TWO, smoother="zero-phase"),
    ),
    "ppcen_released_start": System(
        "two parallel PCEN layers on log-Mel that start as the released code's, from one point",
        features=PER_CLIP,
        pcen=replace(TWO, alpha=(0.8, 0.8), delta=(10.0, 10.0)),
    ),
    "ppcen_three_layers": System(
        "three parallel PCEN layers on log-Mel",
        features=PER_CLIP,
        pcen=replace(TWO, layers=3, alpha=(0.8, 0.6, 0.4), delta=(2.0,) * 3, r=(0.5,) * 3),
    ),
    "ppcen_learned_s": System(
        "two parallel PCEN layers on log-Mel, whose smoothing coefficients learn too",
        features=PER_CLIP,
        pcen=replace(TWO, learn_s=True),
    ),
    # Not in the paper: what the domain gap costs, and what could be won at most (lesson 05).
    "synthetic_only": System("the baseline's CRNN, trained with the synthetic clips alone", training=ALONE),
    "oracle": System(
        "the baseline's CRNN, trained with strong labels of real clips, which only a generated data set has",
        training=ALONE | {"strong_from": "unlabel_in_domain"},
    ),
}
