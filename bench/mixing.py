"""Dynamic mixing and augmentation beside the same chain written plainly, what they add to a training step, and where
its time goes; at the paper's size, from MiniDESED's isolated sounds.
"""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from bench import plain_mixing, take_turns
from bench.released import logmel
from minidesed import generate
from minidesed.generate import SOUNDS
from sedlib.augment import EFFECTS, Bank, Mixture, draw, draw_effect, open_bank, render, views
from sedlib.config import Augment, Config
from sedlib.data.audio import RATE
from sedlib.models import Detector
from sedlib.systems import configuration
from sedlib.training import MeanTeacher
from sedlib.training.inputs import Inputs
from sedlib.training.loop import keep_freed_memory, own_fabric

CLIPS = 12  # mixed in a round
SOUND_S = 3.0  # of what the effects are measured on


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
        mixtures = drawn(bank, config.augment, CLIPS)
        print(
            "  without noise bursts and pitch shift, sedlib's mixtures and the peer's are at most "
            f"{agreement(bank, config.augment):.0e} of full scale apart"
        )
        beside_the_peer(mixtures, bank, detector, config, rounds)
        in_a_step(config, Path(folder), mixtures, bank, detector, rounds)
        stages(mixtures, bank, detector, config, rounds)
    effects(rounds)


def drawn(bank: Bank, settings: Augment, clips: int) -> list[Mixture]:
    return [draw(np.random.default_rng([0, clip]), bank, settings) for clip in range(clips)]


def mixed(mixtures: list[Mixture], bank: Bank, at_once: int) -> torch.Tensor:
    """Rendered in batches as large as a training's."""
    return torch.cat([render(mixtures[i : i + at_once], bank) for i in range(0, len(mixtures), at_once)])


@contextmanager
def threads(count: int) -> Iterator[None]:
    """For torch, and for the peer's matrix products."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    with threadpool_limits(count):
        yield
    torch.set_num_threads(before)


def beside_the_peer(mixtures: list[Mixture], bank: Bank, detector: Detector, config: Config, rounds: int) -> None:
    """Isolated sounds to mixtures, and on to what student and teacher see of them."""
    rng, bands = np.random.default_rng(0), detector.logmel.bands.numpy()
    combs = {"as published": plain_mixing.comb_by_sample, "vectorised": plain_mixing.comb_vectorised}

    def render_ours() -> torch.Tensor:
        return mixed(mixtures, bank, config.training.strong)

    def ours() -> None:
        views(detector.features(render_ours()), config)

    def plainly(comb: Callable) -> None:
        for mixture in mixtures:
            plain_mixing.views(rng, logmel(plain_mixing.render(mixture, bank, comb), config, bands), config)

    with threads(1):
        print(
            f"  {CLIPS} mixtures on one core, the peer's comb filter a loop over samples as published, or "
            "vectorised with numpy; wanted: x4"
        )
        take_turns(
            {
                **{
                    f"mixed with librosa and scipy, comb {name}": lambda comb=comb: [
                        plain_mixing.render(mixture, bank, comb) for mixture in mixtures
                    ]
                    for name, comb in combs.items()
                },
                "mixed by sedlib": render_ours,
            },
            rounds,
        )
        print("  and with log-Mel and feature augmentation")
        take_turns(
            {
                **{f"librosa and scipy, comb {name}": lambda comb=comb: plainly(comb) for name, comb in combs.items()},
                "sedlib": ours,
            },
            rounds,
        )


def in_a_step(config: Config, data: Path, mixtures: list[Mixture], bank: Bank, detector: Detector, rounds: int) -> None:
    """A training step, and the part of its input that augmentation takes."""
    learner = MeanTeacher(Detector(config).to(memory_format=torch.channels_last), config, own_fabric(), 1)
    augmented, plain = (
        Inputs(c, data, 0, detector, "nothing", progress=False) for c in (config, configuration("baseline", "paper"))
    )
    step = iter(range(10**6))

    def read(inputs: Inputs) -> tuple:
        batch = next(inputs.batches(now := next(step), now + 1, workers=0))
        return views(inputs.features(batch), inputs.config), *inputs.targets(batch)

    ready = read(augmented)
    print(
        f"  a training step, {torch.get_num_threads()} threads, and the reading, mixing and augmenting of its "
        f"{sum(augmented.sizes.values())} clips; wanted: x3,\n"
        "  and between the two inputs at most 10 % of the step"
    )
    take_turns(
        {
            "step, its input ready": lambda: learner.step(0, *ready),
            "its input, mixed and augmented": lambda: read(augmented),
            "its input without mixing and augmentation": lambda: read(plain),
            f"{2 * CLIPS} clips, all of them mixed": lambda: views(
                detector.features(mixed(2 * mixtures, bank, config.training.strong)), config
            ),
        },
        rounds,
    )


def stages(mixtures: list[Mixture], bank: Bank, detector: Detector, config: Config, rounds: int) -> None:
    """Where the time of mixing goes."""

    def without(**changed: object) -> Callable[[], object]:
        stripped = [
            mixture._replace(sources=tuple(source._replace(**changed) for source in mixture.sources))
            for mixture in mixtures
        ]
        return lambda: mixed(stripped, bank, config.training.strong)

    waveforms = mixed(mixtures, bank, config.training.strong)
    features = detector.features(waveforms)
    with threads(1):
        print(f"  {CLIPS} mixtures on one core, and their parts; 1 / the factor is a share")
        take_turns(
            {
                "rendered": without(),
                "rendered without effects": without(effects=()),
                "rendered without effects and rooms": without(effects=(), room=None),
                "drawn": lambda: drawn(bank, config.augment, CLIPS),
                "log-Mel": lambda: detector.features(waveforms),
                "noise and masks, student and teacher": lambda: views(features, config),
            },
            rounds,
        )


def effects(rounds: int) -> None:
    """Each effect on sounds of some length, beside its plain form, on one core."""
    rng, rows = np.random.default_rng(0), 6
    waveform = torch.from_numpy(0.1 * rng.standard_normal((rows, round(SOUND_S * RATE)))).float()
    with threads(1):
        for name, plain in plain_mixing.EFFECTS.items():
            values = [draw_effect(rng, name, SOUND_S) for _ in range(rows)]
            batched = {parameter: torch.tensor([v[parameter] for v in values]) for parameter in values[0]}
            take_turns(
                {
                    f"{name}, {rows} sounds of {SOUND_S:g} s, plainly": lambda: [
                        plain(row, **v) for row, v in zip(waveform.double().numpy(), values, strict=True)
                    ],
                    f"{name}, sedlib": lambda: EFFECTS[name].function(waveform, **batched),
                },
                rounds,
            )


def agreement(bank: Bank, settings: Augment) -> float:
    """Largest difference between ours and the peer's mixtures with the effects that have one right answer."""
    names = tuple(name for name in plain_mixing.EFFECTS if name not in ("noise burst", "pitch shift"))
    mixtures = drawn(bank, dataclasses.replace(settings, effect_names=names), 12)
    ours = mixed(mixtures, bank, 6).numpy()
    peers = [plain_mixing.render(mixture, bank, plain_mixing.comb_vectorised) for mixture in mixtures]
    return float(np.abs(ours - peers).max())
