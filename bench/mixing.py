"""Dynamic mixing and augmentation beside the same chain written plainly, and what they add to a training step.

At the paper's size, from MiniDESED's isolated sounds.
"""

from __future__ import annotations

import dataclasses
import tempfile
from pathlib import Path

import numpy as np
import torch

from bench import plain_mixing, take_turns, threads
from bench.released import logmel
from bench.training import learner
from minidesed import generate
from minidesed.generate import SOUNDS
from sedlib.augment import Bank, Mixture, draw, open_bank, render, views
from sedlib.config import Augment, Config
from sedlib.models import Detector
from sedlib.systems import configuration
from sedlib.training.inputs import Inputs
from sedlib.training.loop import keep_freed_memory

CLIPS = 12  # mixed in a round


def main(rounds: int = 3) -> None:
    """Print the comparisons."""
    keep_freed_memory()
    torch.manual_seed(0)
    config = configuration("augm", "paper")
    detector = Detector(config)
    with tempfile.TemporaryDirectory() as folder:
        sizes = {"synthetic": 20, "weak": 12, "unlabel_in_domain": 24}
        generate.mini(folder, sizes, seed=0, progress=False, sounds=SOUNDS["lesson"])
        bank = open_bank(folder, progress=False)
        mixtures, apart = drawn(bank, config.augment), agreement(bank, config.augment)
        print(
            f"  without noise bursts and pitch shift, sedlib and its peer are at most {apart:.0e} of full scale apart"
        )
        with threads(1):
            beside_the_peer(mixtures, bank, detector, config, rounds)
        in_a_step(config, Path(folder), mixtures, bank, detector, rounds)


def drawn(bank: Bank, settings: Augment) -> list[Mixture]:
    return [draw(np.random.default_rng([0, clip]), bank, settings) for clip in range(CLIPS)]


def mixed(mixtures: list[Mixture], bank: Bank, at_once: int = 6) -> torch.Tensor:
    """Rendered in batches as large as a training's."""
    return torch.cat([render(mixtures[i : i + at_once], bank) for i in range(0, len(mixtures), at_once)])


def beside_the_peer(mixtures: list[Mixture], bank: Bank, detector: Detector, config: Config, rounds: int) -> None:
    """Isolated sounds to mixtures, and on to the views of student and teacher."""
    rng, bands = np.random.default_rng(0), detector.logmel.bands.numpy()
    combs = {"as published": plain_mixing.comb_by_sample, "vectorised": plain_mixing.comb_vectorised}

    def plainly(comb, viewed: bool) -> None:
        for mixture in mixtures:
            waveform = plain_mixing.render(mixture, bank, comb)
            if viewed:
                plain_mixing.views(rng, logmel(waveform, config, bands), config)

    def ours(viewed: bool) -> None:
        waveforms = mixed(mixtures, bank)
        if viewed:
            views(detector.features(waveforms), config)

    print(f"  {CLIPS} mixtures on one core, the peer's comb filter by sample as published, or vectorised; wanted: x4")
    for viewed in (False, True):
        what = "to student's and teacher's views" if viewed else "mixed"
        ways = {
            f"{what}, librosa and scipy, comb {name}": lambda comb=comb, viewed=viewed: plainly(comb, viewed)
            for name, comb in combs.items()
        }
        take_turns({**ways, f"{what}, sedlib": lambda viewed=viewed: ours(viewed)}, rounds)


def in_a_step(config: Config, data: Path, mixtures: list[Mixture], bank: Bank, detector: Detector, rounds: int) -> None:
    """A training step, and the part of its input that augmentation takes."""
    training, step = learner(config), iter(range(10**6))
    augmented, plain = (
        Inputs(c, data, 0, detector, "nothing", progress=False) for c in (config, configuration("baseline", "paper"))
    )

    def read(inputs: Inputs) -> tuple:
        batch = next(inputs.batches(now := next(step), now + 1, workers=0))
        return views(inputs.features(batch), inputs.config), *inputs.targets(batch)

    ready, clips = read(augmented), sum(augmented.sizes.values())
    print(f"  a training step, {torch.get_num_threads()} threads, and the input of its {clips} clips; wanted: x3,")
    print("  and between the two inputs at most 10 % of the step")
    ways = {
        "step, its input ready": lambda: training.step(0, *ready),
        "its input, mixed and augmented": lambda: read(augmented),
        "its input without mixing and augmentation": lambda: read(plain),
        f"{2 * CLIPS} clips, all of them mixed": lambda: views(detector.features(mixed(2 * mixtures, bank)), config),
    }
    take_turns(ways, rounds)


def agreement(bank: Bank, settings: Augment) -> float:
    """Largest difference between ours and the peer's mixtures with the effects that have one right answer."""
    names = tuple(name for name in plain_mixing.EFFECTS if name not in ("noise burst", "pitch shift"))
    mixtures = drawn(bank, dataclasses.replace(settings, effect_names=names))
    peers = [plain_mixing.render(mixture, bank, plain_mixing.comb_vectorised) for mixture in mixtures]
    return float(np.abs(mixed(mixtures, bank).numpy() - peers).max())
