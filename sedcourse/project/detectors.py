"""Detectors for one home: fine-tuned on mixtures of its sounds, and a nearest neighbour as a positive control."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch.optim.swa_utils import update_bn

from minidesed.signals import from_db
from sedcourse.project.sounds import Sounds, cut, isolated
from sedcourse.project.standins import FRESH, Home
from sedlib.augment import views
from sedlib.config import CLIP_S, SAMPLES, Config, Decoding
from sedlib.data import tables
from sedlib.data.audio import to_int16
from sedlib.decode import Decoder, Posteriors, find_events, operating_points
from sedlib.decode.objective import Objective
from sedlib.decode.tuning import robust
from sedlib.features import LogMel
from sedlib.metrics import F1Result, Interval, event_f1, psds_from_operating_points
from sedlib.metrics.bootstrap import check_alike
from sedlib.models import Detector
from sedlib.training.inputs import Inputs
from sedlib.training.loop import own_fabric
from sedlib.training.mean_teacher import MeanTeacher

RATE_OF_ADAPTING = 1e-3  # learning rate: lower than that of a training from nothing


def adapt(detector: Detector, config: Config, data: str | Path, steps: int, seed: int) -> Detector:
    """Fine-tune a detector on another data set, with the usual training steps; the given one is unchanged.

    Parameters
    ----------
    detector : Detector
        A trained one, on the CPU.
    config : Config
        That of its training.
    data : path
        In DESED's layout.
    steps, seed : int

    Returns
    -------
    Detector
        The teacher, in evaluation mode.
    """
    settings = replace(config.training, learning_rate=RATE_OF_ADAPTING, rampup_epochs=0.0, steps_per_epoch=steps)
    config = replace(config, training=settings)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        student = copy.deepcopy(detector)
        inputs = Inputs(config, Path(data), seed, student, keep="nothing", progress=False)
        learner = MeanTeacher(student, config, own_fabric("cpu"), steps)
        for step, batch in enumerate(inputs.batches(0, steps)):
            learner.step(step, views(inputs.features(batch), config), *inputs.targets(batch))
        update_bn(inputs.clean(steps), learner.teacher)
    return learner.teacher.eval()


@torch.no_grad()
def posteriors(detector: Detector, config: Config, waveforms: Mapping[str, np.ndarray]) -> Posteriors:
    """Compute the posteriors of clips of at most 10 s, padded with zeros as training clips are."""
    clips = np.stack([np.pad(x, (0, SAMPLES - len(x))) for x in waveforms.values()]).astype(np.float32)
    found = [detector(detector.features(piece)).strong for piece in torch.from_numpy(clips).split(16)]
    return Posteriors(torch.cat(found).numpy(), list(waveforms), tables.CLASSES, config.frame_s)


def scored(found: Posteriors, decoder: Decoder | Decoding, table: pd.DataFrame) -> tuple[F1Result, float]:
    """Decode posteriors and score the events: event F1, and PSDS (NaN where it cannot be computed)."""
    points = operating_points(found, decoder, duration_s=CLIP_S)
    psds = psds_from_operating_points(table, list(points.values())).value
    return event_f1(table, find_events(found, decoder, CLIP_S)), psds


def tuned(found: Posteriors, table: pd.DataFrame) -> Decoder:
    """Tune a two-state HMM for each class, by the search that should over-fit least (lesson 06)."""
    return robust(Objective(found, table, CLIP_S))


def bands(config: Config, waveform: np.ndarray) -> np.ndarray:
    """Compute the log-Mel spectrogram of a clip, padded to 10 s, (mel, frame) in dB."""
    padded = np.pad(waveform, (0, SAMPLES - len(waveform))).astype(np.float32)
    return LogMel(config.features)(torch.from_numpy(padded)[None])[0, 0].numpy()


def found_by_gain(
    detector: Detector, config: Config, waveforms: Mapping[str, np.ndarray], table: pd.DataFrame, gains: list[float]
) -> pd.DataFrame:
    """Score a detector on clips that are turned up or down by ``gains`` (dB): event F1 over all events, in percent."""
    rows = []
    for gain in gains:
        turned = {name: to_int16(x * from_db(gain)) / np.float32(32768) for name, x in waveforms.items()}
        f1, _ = scored(posteriors(detector, config, turned), config.decoding, table)
        rows.append((gain, 100 * f1.micro))
    return pd.DataFrame(rows, columns=["gain (dB)", "F1 (%)"])


def nearest(config: Config, bank: Sounds, asked: Sounds) -> tuple[np.ndarray, np.ndarray]:
    """Name each of the ``asked`` sounds by the one of the bank that resembles it most.

    Sounds are described by mean and deviation over time of each Mel band, level apart, standardised over the bank.

    Returns
    -------
    true, named : (sound,) arrays of classes
    """
    logmel = LogMel(config.features)
    x, labels = _described(bank, logmel)
    y, true = _described(asked, logmel)
    centre, spread = x.mean(0), x.std(0).clip(1.0)  # dB
    distance = np.linalg.norm((x - centre)[None] / spread - ((y - centre) / spread)[:, None], axis=2)
    return true, labels[distance.argmin(1)]


def _described(sounds: Sounds, logmel: LogMel) -> tuple[np.ndarray, np.ndarray]:
    rows, labels = [], []
    for label, of in sounds.items():
        if label in tables.CLASSES:
            for sound in of:
                bands = logmel(torch.from_numpy(np.ascontiguousarray(sound))[None])[0, 0].numpy()
                bands = bands - bands.mean()
                rows.append(np.concatenate([bands.mean(1), bands.std(1)]))
                labels.append(label)
    return np.array(rows), np.array(labels)


def control(config: Config, homes: Sequence[int], recordings: int = 3, asked: int = 5) -> pd.DataFrame:
    """Ask in several homes, whose truth is known, whether a home's own sounds help to name its other sounds.

    Parameters
    ----------
    config : Config
        Its features describe the sounds.
    homes : sequence of int
        Seeds of `standins.Home`.
    recordings, asked : int
        Of each home: whose sounds go into the bank, and whose sounds are named.

    Returns
    -------
    DataFrame
        One row per home, shares named right: by MiniDESED's sounds, by these and another home's, by these and its own.
    """
    mini = isolated()

    def cuts(home: Home, first: int, count: int) -> Sounds:
        made = {str(i): home.recording(i) for i in range(first, first + count)}
        rows = [(name, *event) for name, (_, events) in made.items() for event in events]
        return cut({name: x for name, (x, _) in made.items()}, pd.DataFrame(rows, columns=tables.EVENT_COLUMNS))

    def right(more: Sounds, of: Sounds) -> float:
        bank = {label: [*mini[label], *more.get(label, [])] for label in tables.CLASSES}
        return float(np.mean(np.equal(*nearest(config, bank, of))))

    own = [cuts(Home(seed), 0, recordings) for seed in homes]
    rows = []
    for k, seed in enumerate(homes):
        of = cuts(Home(seed), FRESH, asked)
        rows.append((seed, right({}, of), right(own[k - 1], of), right(own[k], of)))
    return pd.DataFrame(rows, columns=["home", "MiniDESED", "and another home", "and its own"])


def pooled(results: Sequence[F1Result]) -> F1Result:
    """Count the results of several trainings on the same clips together."""
    check_alike(list(results))
    return replace(results[0], counts=np.sum([of.counts for of in results], axis=0))


def verdict(difference: Interval, what: str) -> str:
    """Say in a sentence what a difference of two F1 with its interval decides."""
    value, low, high = (100 * part for part in difference)
    decided = "it decides nothing" if low <= 0 <= high or np.isnan(low) else "clips alone do not explain it"
    return f"{what}: {value:+.1f} points of F1, interval {low:+.1f} to {high:+.1f}: {decided}."
