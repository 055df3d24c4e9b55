"""Fooled, or invariant? What embeddings still reveal about a clip's domain, and the effect on each class.

A domain classifier that is wrong on half of the clips may merely have been fooled by the training. So new classifiers
learn from the frozen embeddings, and predict clips that they did not learn from. Paper section 3.1; the distance is
Ben-David et al.'s (Machine Learning, 2010), as Ganin et al. measure it. Taught in
``notebooks/05_domain_adversarial.py``; ``python -m reproduction.studies.invariance`` measures and publishes the
finished runs.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tqdm.auto import tqdm

from reproduction import published, shipped
from reproduction.comparisons import scored_runs, spread
from sedlib.config import Adversarial, Config
from sedlib.data import layout, tables
from sedlib.data.store import Store, open_store
from sedlib.decode import Posteriors, median_events
from sedlib.errors import SedError
from sedlib.files import write_json
from sedlib.metrics import event_f1, interval
from sedlib.models import Detector
from sedlib.models.domain import DomainClassifier
from sedlib.threads import one_thread
from sedlib.training import Run
from sedlib.training.adversarial import domain_loss
from sedlib.training.inputs import split
from sedlib.workspace import dataset

SYSTEMS = ("baseline", "dat", "augm", "dat_augm", "dat_weight_1", "uda_weight_0", "uda_weight_0.1")
PUBLISHED = shipped("figures") / "invariance.json"
LINEAR_FOLDS, NETWORK_FOLDS = 5, 3  # the second takes seconds for each
# Of a fresh domain classifier: steps, clips of either domain in each, learning rate.
STEPS, EACH, LEARNING_RATE = 150, 16, 2e-3


class Probe(NamedTuple):
    """Error of a classifier of domains on clips that it did not learn from."""

    error: float  # balanced: the mean of both domains' shares; 0.5 is chance
    low: float  # 95 % interval over clips
    high: float

    @property
    def a_distance(self) -> float:
        """Proxy A-distance 2 (1 - 2 error): 0 where the domains cannot be told apart, 2 where they always can."""
        return 2 * (1 - 2 * self.error)


class Heard(NamedTuple):
    """Outputs of a detector for synthetic clips that its training held out, and for the real development clips."""

    embeddings: np.ndarray  # (clip, frame, feature) float32, the input of RNN and domain classifier
    is_synthetic: np.ndarray  # (clip,) bool
    seconds: np.ndarray  # (clip, class): true duration of each class
    classes: dict[str, dict[str, float | None]]  # F1 by domain ("synthetic", "real") and class; None without events


def hear(detector: Detector, config: Config, data: str | Path, seed: int, most: int | None = None) -> Heard:
    """Compute embeddings, labels and scores of a detector on clips of both domains that it did not learn from.

    Parameters
    ----------
    detector : Detector
        In evaluation mode.
    config : Config
    data : path
        A folder in DESED's layout.
    seed : int
        Of the training, which decides which synthetic clips are held out.
    most : int, optional
        The first so many clips of each domain, instead of all.
    """
    embeddings, seconds, classes, counts = [], [], {}, []
    for domain, subset in (("synthetic", "synthetic"), ("real", "validation")):
        store, table = open_store(data, subset, progress=False), layout.load(data, subset).table
        clips = np.arange(len(store))
        if domain == "synthetic":
            clips, _ = split(len(store), config.training.validation_share, seed)
        clips = clips[:most]
        embedded, scores = _embed(detector, store, clips)
        names = [store.filenames[int(i)] for i in clips]
        reference = table[table["filename"].isin(names)]
        found = Posteriors(scores, names, tables.CLASSES, config.frame_s)
        result = event_f1(reference, median_events(found, config.decoding, config.features.clip_s))
        classes[domain] = {name: one["f1"] if one["n_ref"] else None for name, one in result.per_class.items()}
        embeddings.append(embedded)
        seconds.append(class_seconds(reference, names))
        counts.append(len(clips))
    return Heard(np.concatenate(embeddings), np.repeat([True, False], counts), np.concatenate(seconds), classes)


@torch.no_grad()
def _embed(detector: Detector, store: Store, clips: np.ndarray, batch: int = 32) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings ``(clip, frame, feature)`` and posteriors ``(clip, frame, class)`` of some clips, float32."""
    outputs = []
    for start in range(0, len(clips), batch):
        waveforms = torch.from_numpy(store.waveforms(clips[start : start + batch]))
        outputs.append(detector(detector.features(waveforms)))
    embeddings, strong = (torch.cat([getattr(o, name) for o in outputs]).numpy() for name in ("embeddings", "strong"))
    return embeddings, strong


def class_seconds(table: pd.DataFrame, filenames: list[str]) -> np.ndarray:
    """Sum the seconds of each class in each clip of an event table, ``(clip, class)``."""
    events = tables.events(table)
    lengths = (events["offset"] - events["onset"]).groupby([events["filename"], events["event_label"]]).sum()
    return lengths.unstack(fill_value=0.0).reindex(index=filenames, columns=tables.CLASSES, fill_value=0.0).to_numpy()


def statistics(embeddings: np.ndarray) -> np.ndarray:
    """Compute mean and standard deviation over time, ``(clip, frame, feature)`` to ``(clip, 2 * feature)``."""
    return np.concatenate([embeddings.mean(1), embeddings.std(1)], axis=1)


def linear_probe(features: np.ndarray, is_synthetic: np.ndarray, seed: int = 0) -> Probe:
    """Cross-validate a logistic regression of the domain on standardised features.

    Parameters
    ----------
    features : (clip, feature) array
        `statistics` of embeddings, or anything else that may tell the domains apart.
    is_synthetic : (clip,) bool array
    seed : int
        Of the split into five folds.

    Raises
    ------
    SedError
        If a domain has fewer clips than folds.
    """

    def fitted(train: np.ndarray, test: np.ndarray) -> np.ndarray:
        classifier = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=2000, class_weight="balanced"))
        return classifier.fit(features[train], is_synthetic[train]).predict(features[test])

    return _cross_fitted(fitted, is_synthetic, LINEAR_FOLDS, seed)


def _network_probe(embeddings: np.ndarray, is_synthetic: np.ndarray, settings: Adversarial, seed: int = 0) -> Probe:
    """Cross-validate a new `DomainClassifier` of (clip, frame, feature), with both domains in each of its steps."""

    def fitted(train: np.ndarray, test: np.ndarray) -> np.ndarray:
        mean, deviation = embeddings[train].mean((0, 1)), embeddings[train].std((0, 1))
        x = torch.from_numpy((embeddings - mean) / (deviation + 1e-6))
        rng, of_domain = np.random.default_rng(seed), [train[is_synthetic[train]], train[~is_synthetic[train]]]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            classifier = DomainClassifier(settings, x.shape[2])
        optimizer = torch.optim.Adam(classifier.parameters(), lr=LEARNING_RATE)
        target = torch.arange(2 * EACH) < EACH
        for _ in range(STEPS):
            clips = np.concatenate([rng.choice(of, EACH) for of in of_domain])
            optimizer.zero_grad()
            domain_loss(classifier(x[clips]), target.float()).backward()
            optimizer.step()
        with torch.no_grad():
            return (classifier.eval()(x[test]) > 0).numpy()

    with one_thread():
        return _cross_fitted(fitted, is_synthetic, NETWORK_FOLDS, seed)


def _cross_fitted(
    fitted: Callable[[np.ndarray, np.ndarray], np.ndarray], is_synthetic: np.ndarray, folds: int, seed: int
) -> Probe:
    """Compute the error of ``fitted(train, test)``, predictions for clips that it did not learn from."""
    clips = [int(is_synthetic.sum()), int((~is_synthetic).sum())]
    if min(clips) < folds:
        raise SedError(
            f"{clips[0]} synthetic and {clips[1]} recorded clips are too few to probe their domains: "
            f"at least {folds} of each are needed"
        )
    predicted = np.empty(len(is_synthetic), bool)
    for train, test in StratifiedKFold(folds, shuffle=True, random_state=seed).split(is_synthetic, is_synthetic):
        predicted[test] = fitted(train, test)
    wrong = predicted != is_synthetic
    shares = [wrong[is_synthetic].mean(), wrong[~is_synthetic].mean()]
    # A clip is right or wrong, so resampling clips is drawing from binomial distributions.
    rng = np.random.default_rng(seed)
    draws = np.mean([rng.binomial(n, share, 2000) / n for n, share in zip(clips, shares, strict=True)], axis=0)
    return Probe(*interval(float(np.mean(shares)), draws))


def network_probe(heard: Heard, config: Config) -> Probe:
    """Cross-validate a new domain classifier, of the kind and size of the training's own, on embeddings."""
    return _network_probe(heard.embeddings, heard.is_synthetic, config.adversarial)


def probe_table(probes: dict[str, Probe]) -> pd.DataFrame:
    """Tabulate probes by their names: ``probe``, ``error (95 % interval)``."""
    rows = [(name, f"{of.error:.2f} ({of.low:.2f} to {of.high:.2f})") for name, of in probes.items()]
    return pd.DataFrame(rows, columns=["probe", "error (95 % interval)"])


def measure(run: Run, data: str | Path, seed: int, untrained: bool = False) -> dict[str, Any]:
    """Probe a run's embeddings at the end of its training.

    Parameters
    ----------
    untrained : bool
        Probe its detector before the first step instead: random weights, scaled for its training clips.

    Returns
    -------
    dict
        ``linear``, ``network``, ``labels``: ``[error, low, high]`` of `linear_probe` and of a new domain classifier on
        embeddings of the last student, the input of the training's own classifier, and of a linear probe of nothing but
        the true `class_seconds`. ``adversary``: error of that classifier on training clips in the last epoch; None
        where none learned. ``classes``: as in `Heard`, of the tested network, which is what is scored.
    """
    detector, config = run.detector("last"), run.config
    if untrained:
        detector = as_begun(detector, config, seed)
    heard = hear(detector, config, data, seed)
    own = None
    # With weight 0 the classifier's own loss is multiplied by 0 as well: it predicts, and never learns.
    if config.adversarial.updates != "none" and config.adversarial.domain_weight and not untrained:
        own = float(run.metrics["loss_domain_error"].iloc[-1])
    probes = {
        "linear": linear_probe(statistics(heard.embeddings), heard.is_synthetic),
        "network": network_probe(heard, config),
        "labels": linear_probe(heard.seconds, heard.is_synthetic),
    }
    rounded = {name: [round(value, 4) for value in probe] for name, probe in probes.items()}
    classes = heard.classes if untrained else hear(run.detector(), config, data, seed).classes
    return {**rounded, "adversary": own, "classes": classes}


def as_begun(trained: Detector, config: Config, seed: int) -> Detector:
    """Make a detector with random weights and the trained one's scale of the input."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        detector = Detector(config)
    detector.scale.load_state_dict(trained.scale.state_dict())
    return detector.eval()


def study(profile: str, data: Path, progress: bool = True) -> dict[str, Any]:
    """`measure` every finished run of `SYSTEMS` in the workspace.

    Returns
    -------
    dict
        ``profile generator measured_by systems``: per system a list with an entry per seed. ``untrained`` is the
        baseline's detector before training, and so that of every system here.
    """
    found: dict[str, list[Any]] = {}
    runs = [(system, *one) for system in SYSTEMS for one in enumerate(scored_runs(profile, data, system))]
    for system, seed, run in tqdm(runs, desc=f"probes, {data.name}", disable=not progress):
        if system == "baseline":
            found.setdefault("untrained", []).append(measure(run, data, seed, untrained=True))
        found.setdefault(system, []).append(measure(run, data, seed))
    return {**published.stamp(profile), "systems": found}


def load(profile: str = "lesson") -> dict[str, Any]:
    """Read the study that `publish` measured in this workspace, or else the published one, of profile lesson.

    It is as `study` returns it; ``from`` tells which of the two it is.
    """
    return published.load_own("invariance", profile) or published.load(PUBLISHED)


def errors(measured: dict[str, Any]) -> dict[str, dict[str, list[float]]]:
    """Return errors by system as `plots.domain_errors` draws them, a value per training.

    Of ``its own classifier`` (none where it has none), of the ``linear probe`` and of the ``network probe``.
    """
    return {
        system: {
            "its own classifier": [one["adversary"] for one in found if one["adversary"] is not None],
            "linear probe": [one["linear"][0] for one in found],
            "network probe": [one["network"][0] for one in found],
        }
        for system, found in measured["systems"].items()
    }


def labels_error(measured: dict[str, Any]) -> float:
    """Return the error of a probe that is given the true labels alone, mean over the trainings' held-out clips."""
    return float(np.mean([one["labels"][0] for found in measured["systems"].values() for one in found]))


def table(measured: dict[str, Any]) -> pd.DataFrame:
    """Tabulate ``trained as``, `errors` (%, mean and deviation), ``A-distance (linear)`` and ``trainings``."""
    rows = []
    for system, found in errors(measured).items():
        trainings = measured["systems"][system]
        distance = np.mean([Probe(*one["linear"]).a_distance for one in trainings])
        row = {"trained as": system, **{name: spread(of) for name, of in found.items()}}
        rows.append(row | {"A-distance (linear)": f"{distance:.2f}", "trainings": len(trainings)})
    return pd.DataFrame(rows)


def class_changes(measured: dict[str, Any], system: str, beside: str) -> pd.DataFrame:
    """Return F1 in points, ``system`` minus ``beside``, mean over the seeds that both have.

    One row per class, columns ``synthetic`` (held-out clips) and ``real`` (development clips).
    """
    pairs = list(zip(measured["systems"][system], measured["systems"][beside], strict=False))
    changes = {}
    for domain in ("synthetic", "real"):
        f1 = [[pd.Series(one["classes"][domain], dtype=float) for one in pair] for pair in pairs]
        changes[domain] = 100 * np.mean([(a - b)[list(tables.CLASSES)] for a, b in f1], axis=0)
    return pd.DataFrame(changes, index=tables.CLASSES)


def text(measured: dict[str, Any]) -> str:
    """Describe the picture of `errors`."""
    rows = []
    for system, found in errors(measured).items():
        rows.append(f"{system}: " + ", ".join(f"{name} {spread(of)}" for name, of in found.items() if of))
    return (
        f"Errors in percent of classifiers that tell synthetic clips from real ones; 50 is chance, and labels alone "
        f"give {100 * labels_error(measured):.1f}. {'; '.join(rows)}."
    )


def publish(profile: str = "lesson", progress: bool = True) -> None:
    """Measure the workspace's finished runs, and write ``report/invariance/invariance.json``.

    Of profile lesson also ``figures/invariance.json``.

    Raises
    ------
    SedError
        If there is no finished run.
    """
    root = dataset("mini", profile, progress)
    found = study(profile, root, progress)
    if not found["systems"]:
        raise SedError(f"no finished run on {root.name} among {', '.join(SYSTEMS)}; `sedlib train` makes them")
    write_json(published.own_file("invariance"), found)
    if profile == "lesson":
        write_json(PUBLISHED, found)


if __name__ == "__main__":
    publish()
