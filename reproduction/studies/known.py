"""Known answers: what PCEN and domain adaptation must show on single events before any detector is trained.

`gain_and_noise` tests a fixed classifier on events of other levels, and in stationary noise of other levels and
colours, than it was trained with: what PCEN is for (Wang et al., 2017; Lostanlen et al., 2019). `domains` differ only
in microphone, band limit, noise and codec, a gap that an adversary should narrow (Ganin et al., 2016); `adapt` tries
its balances.
``python -m reproduction.studies.known`` measures and publishes both. Paper sections 3.1 and 3.3; lessons 03 and 05.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from torch import Tensor, nn
from torch.nn import functional as F

from minidesed.domains import INGREDIENTS, Range, Recipe, apply_channel, real_without
from minidesed.signals import coloured, from_db, shape, unit_rms, white_noise
from minidesed.voices import Voices
from reproduction import published, shipped
from reproduction.comparisons import spread
from sedlib.config import RATE
from sedlib.data.tables import CLASSES
from sedlib.features import PCEN, LogMel, ZScore, amplitude, decibels
from sedlib.files import write_json
from sedlib.models import Detector
from sedlib.systems import configuration
from sedlib.threads import one_thread
from sedlib.training.adversarial import balanced_error, domain_loss, ganin, reverse

PUBLISHED = shipped("figures") / "known.json"
SECONDS = 3.0  # of a clip, which holds one event
CHANNEL = ("noise", "microphones", "band limits", "codecs")  # ingredients of the gap between `domains`
STEPS, EACH, RATE_OF_NETWORK = 600, 64, 1e-3  # of `adapt`: steps, clips of either domain in each, Adam's rate
SYSTEMS = {  # of Table 1, by what their front-end does
    "log-Mel": "baseline",
    "log-Mel, clips scaled to [0, 1]": "logmel",
    "PCEN 0.98, 400 ms, clips scaled": "fixed_pcen_1",
    "PCEN 0.8, 400 ms, clips scaled": "fixed_pcen_2",
    "PCEN 0.8, 60 ms, clips scaled": "fixed_pcen_3",
}
# Ranges: RMS of the event while it sounds (dB of full scale), SNR (dB), slope of the stationary noise (dB per octave).
Condition = tuple[Range, Range, Range]
Labelled = tuple[np.ndarray, np.ndarray]  # clips and the indices of their classes
LEVEL, SNR, SLOPE = NORMAL = ((-30, -30), (20, 20), (-3, -3))
WIDE = ((-50, -10), (0, 20), (-6, 0))
CONDITIONS: dict[str, Condition] = {
    "as trained": NORMAL,
    "gain within 40 dB": (WIDE[0], SNR, SLOPE),
    **{f"SNR {snr} dB": (LEVEL, (snr, snr), SLOPE) for snr in (15, 10, 5, 0)},
    "white noise": (LEVEL, SNR, (0, 0)),
    "noise -6 dB/octave": (LEVEL, SNR, (-6, -6)),
    "all of it": WIDE,
}


class Balance(NamedTuple):
    """How strong an adversary is, and how strongly the network listens to it."""

    weight: float = 0.0  # of the reversed gradient at the end of Ganin et al.'s schedule; 0: nobody listens
    rate: float = RATE_OF_NETWORK  # the adversary's learning rate
    steps: int = 1  # its updates for one of the network


BALANCES = (
    *(Balance(weight) for weight in (0, 0.1, 0.3, 1, 3, 10)),
    *(Balance(weight, rate) for weight in (1, 3) for rate in (1e-4, 1e-2)),
    *(Balance(weight, steps=5) for weight in (0.3, 1, 3, 10)),
)


def clips(per_class: int, condition: Condition, *seed: int, channel: Recipe | None = None) -> Labelled:
    """Make clips of one synthetic event each in stationary noise, the same events in any condition, float32."""
    samples, waveforms = round(SECONDS * RATE), []
    labels = np.arange(per_class * len(CLASSES)) % len(CLASSES)
    for index, label in enumerate(labels):
        rng, rng_noise, rng_channel = np.random.default_rng([*seed, index]).spawn(3)
        sound = Voices("synthetic").of_clip(rng).event(CLASSES[label], rng.uniform(0.5, SECONDS), rng)[:samples]
        first = rng.integers(0, samples - len(sound) + 1)
        level, snr, slope = (rng_noise.uniform(*ends) for ends in condition)
        noise = shape(white_noise(samples, rng_noise), coloured(slope, 60, rng_noise, bumps=0))
        clip = unit_rms(noise) * from_db(-snr)
        clip[first : first + len(sound)] += unit_rms(sound)
        clip *= from_db(level)
        waveforms.append(clip if channel is None else apply_channel(clip, channel, rng_channel))
    return np.stack(waveforms), labels


def _statistics(x: Tensor) -> Tensor:
    return torch.cat([x.mean(-1), x.std(-1)], -1).flatten(1)  # over time: (clip, 2 * mel)


def _standardise(x: Tensor) -> ZScore:
    scale = ZScore(x.shape[2])
    scale.fit([x])
    return scale


@torch.no_grad()
def front_ends(mel: Tensor, profile: str) -> dict[str, Tensor]:
    """Compute the features of `SYSTEMS`, and two more, of Mel amplitudes ``(clip, 1, mel, frame)``."""
    configs = {name: configuration(system, profile) for name, system in SYSTEMS.items()}
    found = {name: Detector(c).frontend(decibels(mel, c.features)) for name, c in configs.items()}
    usual = configuration("fixed_pcen_1", profile)
    found["PCEN 0.98, 400 ms"] = PCEN(usual.pcen, usual.features)(amplitude(decibels(mel, usual.features)))
    found["log-Mel, mean of the clip removed"] = found["log-Mel"] - found["log-Mel"].mean((-2, -1), keepdim=True)
    return found


def gain_and_noise(profile: str, seed: int, per_class: int = 30) -> list[dict[str, Any]]:
    """Train linear classifiers under the first of `CONDITIONS`, test under all: rows of shares right by front-end."""
    logmel = LogMel(configuration("baseline", profile).features)

    def heard(part: int, count: int, condition: Condition):
        waveforms, labels = clips(count, condition, seed, part)
        return front_ends(logmel.mel(torch.from_numpy(waveforms)), profile), labels

    tests = {name: heard(1, per_class // 2, condition) for name, condition in CONDITIONS.items()}
    rows: dict[str, dict[str, Any]] = {}
    for condition, asked in ((NORMAL, tests), (WIDE, {"all of it, trained so": tests["all of it"]})):
        training, labels = heard(0, per_class, condition)
        for name, x in training.items():
            scale = _standardise(x)
            classifier = LinearDiscriminantAnalysis("lsqr", "auto").fit(_statistics(scale(x)), labels)
            right = {of: classifier.score(_statistics(scale(each[name])), y) for of, (each, y) in asked.items()}
            rows.setdefault(name, {"front-end": name}).update(right)
    return list(rows.values())


def domains(profile: str, seed: int, per_class: int = 40) -> dict[str, tuple[Tensor, Tensor]]:
    """Make band statistics ``(clip, 2 * mel)`` and classes of both domains' clips, to learn from and for tests."""
    logmel, levels = LogMel(configuration("baseline", profile).features), {}
    real = real_without(set(INGREDIENTS) - set(CHANNEL))
    for name, part in {"synthetic": 2, "unlabelled": 3, "labelled": 4, "real": 5, "synthetic events": 5}.items():
        waveforms, labels = clips(per_class, NORMAL, seed, part, channel=None if "synthetic" in name else real)
        levels[name] = logmel(torch.from_numpy(waveforms)), torch.from_numpy(labels)
    own, scale = (_standardise(levels[name][0]) for name in ("unlabelled", "synthetic"))
    # "synthetic events": the real ones without their channel. "real, own scale": standardised like the unlabelled ones.
    found = {name: (_statistics(scale(x)), y) for name, (x, y) in levels.items()}
    return found | {"real, own scale": (_statistics(own(levels["real"][0])), levels["real"][1])}


def adapt(parts: dict[str, tuple[Tensor, Tensor]], balance: Balance, seed: int, learned: str) -> dict[str, float]:
    """Train three layers against an adversary of two: shares of right answers, the adversary's last balanced error."""
    rng, errors, target = np.random.default_rng(seed), [], (torch.arange(2 * EACH) < EACH).float()
    (x, y), real = parts[learned], parts["unlabelled"][0]
    with one_thread(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        body = nn.Sequential(nn.Linear(x.shape[1], 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU())
        head, adversary = nn.Linear(32, len(CLASSES)), nn.Sequential(nn.Linear(32, 64), nn.ReLU(), nn.Linear(64, 1))
        optimizer = torch.optim.Adam([*body.parameters(), *head.parameters()], lr=RATE_OF_NETWORK)
        against = torch.optim.Adam(adversary.parameters(), lr=balance.rate)
        for step in range(STEPS):
            chosen = rng.integers(0, len(x), EACH)
            embedded = body(torch.cat([x[chosen], real[rng.integers(0, len(real), EACH)]]))
            for _ in range(balance.steps):
                against.zero_grad()
                domain_loss(adversary(embedded.detach()).flatten(), target).backward()
                against.step()
            logits = adversary(reverse(embedded, balance.weight * ganin(step / STEPS))).flatten()
            errors.append(float(balanced_error(logits.detach(), EACH)))
            optimizer.zero_grad()
            (F.cross_entropy(head(embedded[:EACH]), y[chosen]) + domain_loss(logits, target)).backward()
            optimizer.step()
        with torch.no_grad():
            right = {of: float((head(body(x)).argmax(1) == y).float().mean()) for of, (x, y) in parts.items()}
    last = float(np.mean(errors[-STEPS // 3 :]))
    return {of: right[of] for of in ("real", "synthetic events", "real, own scale")} | {"error": last}


def measure(profile: str = "lesson", seeds: int = 3) -> dict[str, Any]:
    """Run both experiments, ``gain_and_noise`` and ``channel``: lists of rows, those of all seeds."""
    measured: dict[str, Any] = {**published.stamp(profile), "gain_and_noise": [], "channel": []}
    for seed in range(seeds):
        measured["gain_and_noise"] += gain_and_noise(profile, seed)
        parts = domains(profile, seed)
        for learned, balance in [("labelled", Balance()), *(("synthetic", balance) for balance in BALANCES)]:
            right = adapt(parts, balance, seed, learned)
            measured["channel"].append({"learned": learned, **balance._asdict(), **right})
    return measured


def table(measured: dict[str, Any], experiment: str) -> pd.DataFrame:
    """Tabulate an experiment of `measure` in percent: mean and deviation over seeds."""
    keys = {"gain_and_noise": ["front-end"], "channel": ["learned", *Balance._fields]}[experiment]
    return pd.DataFrame(measured[experiment]).groupby(keys, sort=False).agg(lambda of: spread(list(of)))


def text(measured: dict[str, Any]) -> str:
    """Describe both experiments."""
    front, channel = (table(measured, of).to_string() for of in ("gain_and_noise", "channel"))
    return f"Right answers in %, by front-end:\n{front}\n\nThe channel is the gap, by adversary:\n{channel}"


if __name__ == "__main__":
    write_json(PUBLISHED, found := measure())
    print(text(found))
