"""The domain gap, measured: what a detector loses between synthetic and real clips, and through which ingredient.

``sedlib gap`` trains with synthetic clips alone, with the mean teacher, and with an oracle's labels of real clips. Then
it regenerates the development clips with one ingredient of the gap switched off or on, and scores the first of these
detectors on them; events and everything else stay the same, clip by clip. Paper sections 1 and 3.1; taught in
``notebooks/05_domain_adversarial.py``.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import cross_val_predict
from tqdm.auto import tqdm

from minidesed import generate
from minidesed.domains import INGREDIENTS
from minidesed.generate import SIZES
from reproduction import published, shipped
from reproduction.comparisons import spread
from sedlib.data import layout
from sedlib.data.store import Store, open_store
from sedlib.decode import median_events
from sedlib.features import LogMel
from sedlib.files import write_json
from sedlib.inference import posteriors
from sedlib.metrics import event_f1
from sedlib.systems import configuration
from sedlib.training import Run, score, train
from sedlib.workspace import dataset, run_folder

SYSTEMS = ("synthetic_only", "baseline", "oracle")
PUBLISHED = shipped("figures") / "domain_gap.json"


def band_statistics(waveforms: Iterable[np.ndarray], logmel: LogMel) -> np.ndarray:
    """Compute the level of each Mel band of a clip and its variation: the features of a small domain classifier.

    Parameters
    ----------
    waveforms : (sample,) float32 arrays
        One clip after another.
    logmel : LogMel

    Returns
    -------
    (clip, 2 * mel) array
        Mean and standard deviation over time, dB.
    """
    bands = [logmel(torch.from_numpy(waveform)[None])[0, 0].numpy() for waveform in waveforms]
    return np.array([np.concatenate([band.mean(axis=1), band.std(axis=1)]) for band in bands])


def domain_auc(one: np.ndarray, other: np.ndarray) -> float:
    """Compute the area under the ROC curve of a hundred small decision trees that tell two domains apart.

    Parameters
    ----------
    one, other : (clip, feature) arrays
        `band_statistics` of clips of each domain, for five-fold cross-validation.

    Returns
    -------
    float
        0.5: not better than chance; 1: always right.
    """
    features = np.concatenate([one, other])
    domain = np.repeat([0, 1], [len(one), len(other)])
    # Stratified folds in order: no two folds share a clip, and the result does not depend on a shuffle.
    trees = HistGradientBoostingClassifier(min_samples_leaf=5)
    scores = cross_val_predict(trees, features, domain, method="decision_function")
    return float(roc_auc_score(domain, scores))


def measure(profile_name: str = "lesson", seeds: int = 3, progress: bool = True) -> Path:
    """Train the three systems, measure the gap and the share of every ingredient; what is finished is kept.

    Parameters
    ----------
    profile_name : str
        smoke, lesson or paper.
    seeds : int
        Trainings of each system.

    Returns
    -------
    path
        ``report/gap/gap.json``. ``systems``: per system, subset and seed event F1 (fractions). ``development``: per
        domain of `variants`, event F1 per seed of the detector trained on synthetic clips alone, and the AUC of a
        classifier that tells the clips from synthetic training clips.
    """
    root = dataset("mini", profile_name, progress)
    runs: dict[str, list[Run]] = {system: [] for system in SYSTEMS}
    for system, of_system in runs.items():
        for seed in range(seeds):
            folder = run_folder(profile_name, root, system, seed)
            run = train(configuration(system, profile_name), root, seed, folder, progress=progress)
            score(run, root, progress)
            of_system.append(run)

    logmel = LogMel(configuration("baseline", profile_name).features)
    clips = SIZES[profile_name]["validation"]
    synthetic = band_statistics(_first(open_store(root, "synthetic", progress), clips), logmel)
    scores = {
        system: {
            subset: [run.results[subset]["event_f1"]["macro"] for run in of_system]
            for subset in ("validation", "public")
        }
        for system, of_system in runs.items()
    }
    path = published.own_file("gap")
    measured = {**published.stamp(profile_name), "seeds": seeds, "clips": clips, "systems": scores}
    earlier = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    measured["development"] = earlier["development"] if measured.items() <= earlier.items() else {}
    for name, without in tqdm(variants().items(), desc="domains between synthetic and real", disable=not progress):
        if name not in measured["development"]:
            folder = root.with_name(f"{root.name}-gap") / name.replace(" ", "-")
            measured["development"][name] = _variant(folder, without, clips, runs["synthetic_only"], synthetic, logmel)
            write_json(path, measured)
    return path


def load(profile_name: str = "lesson") -> dict[str, Any]:
    """Read what `measure` wrote for a profile in this workspace; without that, what is published (of profile lesson).

    The entry ``from`` tells which of the two it is.
    """
    own = published.load_own("gap", profile_name)
    return own if own and set(own["development"]) == set(variants()) else published.load(PUBLISHED)


def variants() -> dict[str, tuple[str, ...]]:
    """Return domains between synthetic and real by name, and the `INGREDIENTS` of the gap that each lacks."""
    everything = tuple(INGREDIENTS)
    return {
        "real": (),
        **{f"without {name}": (name,) for name in everything},
        **{f"only {name}": tuple(other for other in everything if other != name) for name in everything},
        "synthetic": everything,
    }


def shares(measured: dict[str, Any]) -> pd.DataFrame:
    """Tabulate what each ingredient of the gap costs the detector that was trained on synthetic clips alone.

    Parameters
    ----------
    measured : dict
        What `measure` wrote.

    Returns
    -------
    DataFrame ``ingredient won_without won_spread lost_alone lost_spread auc_alone``
        Event F1 in points, mean and standard deviation over seeds (paired): gained on real clips when the ingredient
        is switched off, lost on synthetic ones when it alone is switched on; and the AUC of the latter's domain.
    """
    development, rows = measured["development"], []
    f1 = {name: 100 * np.array(found["f1"]) for name, found in development.items()}
    ingredients = [name.removeprefix("without ") for name in development if name.startswith("without ")]
    for name in ingredients:  # a published measurement may have others than `INGREDIENTS`
        row = [name]
        for difference in (f1[f"without {name}"] - f1["real"], f1["synthetic"] - f1[f"only {name}"]):
            row += [difference.mean(), difference.std(ddof=1) if len(difference) > 1 else np.nan]
        rows.append([*row, development[f"only {name}"]["auc"]])
    columns = ["ingredient", "won_without", "won_spread", "lost_alone", "lost_spread", "auc_alone"]
    return pd.DataFrame(rows, columns=columns).sort_values("lost_alone", ascending=False, ignore_index=True)


def by_system(measured: dict[str, Any]) -> dict[str, dict[str, list[float]]]:
    """Return event F1 (fractions, a value per seed) by training and test set, as `plots.gap` draws it."""
    found = {
        system.replace("_", " "): {"development": scores["validation"], "evaluation": scores["public"]}
        for system, scores in measured["systems"].items()
    }
    found["synthetic only"] = {"synthetic": measured["development"]["synthetic"]["f1"], **found["synthetic only"]}
    return found


def text(measured: dict[str, Any]) -> str:
    """Describe what was measured."""
    lines = [f"event F1 in %, profile {measured['profile']}, {measured['seeds']} seed(s)"]
    for system, found in by_system(measured).items():
        lines.append(f"  {system:<16}" + "   ".join(f"{name} {spread(values)}" for name, values in found.items()))
    real, synthetic = (measured["development"][end]["auc"] for end in ("real", "synthetic"))
    lines.append(f"AUC of real against synthetic clips {real:.3f}, of fresh synthetic ones {synthetic:.3f}")
    return "\n".join([*lines, shares(measured).round(2).to_string(index=False)])


def _first(store: Store, clips: int) -> Iterator[np.ndarray]:
    return (store.waveforms([index])[0] for index in range(min(clips, len(store))))


def _variant(
    folder: Path, without: tuple[str, ...], clips: int, runs: list[Run], synthetic: np.ndarray, logmel: LogMel
) -> dict[str, Any]:
    """Make the development clips in a variant of the real domain, score the detectors, remove the clips."""
    generate.mini(folder, {"validation": clips}, seed=0, progress=False, without=without)
    store, reference = open_store(folder, "validation", progress=False), layout.load(folder, "validation").table
    scores = []
    for run in runs:
        found = posteriors(run.detector(), store, run.config.frame_s, progress=False)
        scores.append(event_f1(reference, median_events(found, run.config.decoding, run.config.features.clip_s)).macro)
    auc = domain_auc(synthetic, band_statistics(_first(store, clips), logmel))
    shutil.rmtree(folder)
    return {"f1": scores, "auc": auc}
