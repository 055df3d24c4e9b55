"""The cost of a training: time and memory of its parts, measured, fitted by a plain model, and added up for real DESED.

``python -m bench cost`` takes the GPU where there is one. Every measurement has a process of its own, so that its peak
of memory is its own, and rounds alternate, so that other work on the machine hits all of them. The clips are noise: no
part's time depends on their sounds. ``figures/training_cost.json`` keeps a record for every device that was measured;
`figures.draw` draws it. Paper section 2 (counts of clips); the step is taught in
``notebooks/04_mean_teacher.py``.
"""

from __future__ import annotations

import dataclasses
import json
import multiprocessing
import os
import platform
import re
import statistics
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import soundfile
import torch
from lightning_fabric import Fabric
from scipy.optimize import nnls

import sedlib
from bench import seconds
from minidesed.generate import SIZES
from sedlib.augment import views
from sedlib.config import PROFILES, Config
from sedlib.data import audio, layout, tables
from sedlib.data.store import SAMPLES, open_store
from sedlib.inference import posteriors
from sedlib.models import Detector
from sedlib.training.inputs import Clips, Inputs
from sedlib.training.loop import RESIDENT, keep_freed_memory, own_fabric, validation_f1
from sedlib.training.mean_teacher import MeanTeacher
from sedlib.training.runs import write_json
from sedlib.training.telemetry import peak_memory

RECORD = Path(__file__).resolve().parents[1] / "figures" / "training_cost.json"
BATCHES = {"cpu": (1 / 3, 2 / 3, 1, 2), "cuda": (1 / 3, 2 / 3, 1, 2, 4, 8)}  # times the configuration's, 24 clips
WIDTHS = (0.5, 1.5, 2)  # times its filters and GRU units, besides 1
STEPS = {"cpu": 4, "cuda": 50}  # measured in a process
WARM_UP = 2  # steps before these, that compile, load and take memory from the system
CLIPS = {"synthetic": 128, "weak": 64, "unlabel_in_domain": 64}  # of noise


def main() -> None:
    """Measure, print, and keep the record."""
    record = measure(PROFILES["paper"])
    records = json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.exists() else {}
    write_json(RECORD, {**records, record["device"]: record})


def measure(config: Config, steps: int | None = None, rounds: int = 2, clips: dict[str, int] = CLIPS) -> dict[str, Any]:
    """Measure on this machine (``steps`` in each of ``rounds`` processes for each case), and predict a whole training.

    The record has ``device`` and its parts, ``per_clip`` (`parts`), ``cases``, each with the median time of its steps
    and ``range_s``, from the fastest to the slowest, ``fits`` (`fit_all`) and ``prediction`` (`predict`).
    """
    kind = "cuda" if torch.cuda.is_available() else "cpu"
    steps = steps or STEPS[kind]
    variants: list[dict[str, float]] = [{"batch": batch} for batch in BATCHES[kind]]
    variants += [{"width": width} for width in WIDTHS] + [{"batch": batch, "hop": 2} for batch in (1, 2)]
    cases = [scaled(config, **variant) for variant in variants]
    with tempfile.TemporaryDirectory() as folder:
        make_noise(Path(folder), clips)
        per_clip = alone(parts, config, folder)
        found = [[alone(take_steps, case, folder, steps) for case in cases] for _ in range(rounds)]
    rows = []
    for case, variant, *results in zip(cases, variants, *found, strict=True):
        times = [spent for result in results for spent in result["times"]]
        rows.append(
            {
                "clips": _batch(case),
                "width": variant.get("width", 1),
                "frames": case.features.frames,
                "step_s": statistics.median(times),
                "range_s": [min(times), max(times)],
                "memory_mb": statistics.median(result["memory_mb"] for result in results),
            }
        )
    fits = fit_all(rows, config.features.frames)
    measured = {"steps": steps * rounds, "per_clip": per_clip, "cases": rows, "fits": fits}
    record = {**machine(), **measured, "prediction": predict(config, fits, per_clip, kind in RESIDENT)}
    print(text(record))
    return record


def alone(function: Callable, *arguments: Any) -> Any:
    """Call a function in a fresh process, whose memory nothing else has touched."""
    # Unlike a Pool, an executor raises where the process is killed, for want of memory say.
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def scaled(config: Config, batch: float = 1, width: float = 1, hop: int = 1) -> Config:
    """A configuration with so many times the clips in a batch, the channels of the network, the samples of a hop."""
    f, m, t = config.features, config.model, config.training
    filters, units = tuple(round(width * channels) for channels in m.filters), round(width * m.rnn_units)
    clips = {labels: round(batch * getattr(t, labels)) for labels in ("strong", "weak", "unlabelled")}
    return dataclasses.replace(
        config,
        features=dataclasses.replace(f, hop=hop * f.hop),
        training=dataclasses.replace(t, **clips),
        model=dataclasses.replace(m, filters=filters, rnn_units=units),
    )


def make_noise(root: Path, clips: dict[str, int]) -> None:
    """Make a data set of noise, ten seconds a clip, with one event in each."""
    rng, event = np.random.default_rng(0), {"onset": 2.0, "offset": 4.0, "event_label": tables.CLASSES[0]}
    labels = {layout.STRONG: event, layout.WEAK: {"event_labels": tables.CLASSES[0]}}
    for subset, count in clips.items():
        place, names = layout.SUBSETS[subset], [f"{subset}_{i}.wav" for i in range(count)]
        (root / place.audio).mkdir(parents=True)
        for name in names:
            soundfile.write(root / place.audio / name, 0.1 * rng.standard_normal(SAMPLES), audio.RATE, subtype="PCM_16")
        tables.write(pd.DataFrame({"filename": names}).assign(**labels.get(place.kind, {})), root / place.metadata)


def take_steps(config: Config, root: str, steps: int) -> dict[str, Any]:
    """Take steps of a training as `sedlib.training.train` does: ``times`` (s, of each, its input included), and
    ``memory_mb`` (peak)."""
    fabric, student, inputs = _begin(config, root)
    student.scale.fit(inputs.features(batch) for batch in inputs.batches(0, 1))
    learner = MeanTeacher(student, config, fabric, 1)
    batches = inputs.batches(0, WARM_UP + steps)

    def one() -> None:
        batch = next(batches)
        learner.step(0, views(inputs.features(batch), config), *inputs.targets(batch))
        _wait(fabric.device)

    times = [seconds(one) for _ in range(WARM_UP + steps)][WARM_UP:]
    batches.close()
    return {"times": times, "memory_mb": peak_mb(fabric.device) - _kept_mb(inputs)}


def parts(config: Config, root: str) -> dict[str, float]:
    """Measure what grows with the number of clips: seconds and bytes of one clip, and the peak of memory of it all."""
    stores = []
    built_s = seconds(lambda: stores.extend(open_store(root, subset, progress=False) for subset in CLIPS))
    half = dataclasses.replace(config, training=dataclasses.replace(config.training, validation_share=0.5))
    fabric, student, inputs = _begin(half, root)
    networks = MeanTeacher(student, config, fabric, 1).networks()
    clips, strong, kinds = sum(map(len, stores)), stores[0], inputs.clips.values()

    def warm(function: Callable[[], object]) -> float:
        """Seconds of a second call."""
        return [seconds(lambda: (function(), _wait(fabric.device))) for _ in range(2)][-1]

    def scaling() -> None:
        student.scale.fit(piece for kind in kinds for piece in kind.pieces())

    spent = {
        "store_s": built_s / clips,
        "scaling_s": warm(scaling) / sum(map(len, kinds)),
        "validation_s": warm(lambda: validation_f1(networks, inputs, config)) / len(inputs.validation),
        "posteriors_s": warm(lambda: posteriors(student.eval(), strong, config.frame_s, progress=False)) / len(strong),
    }
    memory = peak_mb(fabric.device) - _kept_mb(inputs)
    keep_s = warm(lambda: Clips(strong, np.arange(len(strong)), student, "waveforms")) / len(strong)
    store_bytes = sum(store.path.stat().st_size for store in stores) / clips
    return {**spent, "keep_s": keep_s, "memory_mb": memory, "store_bytes": store_bytes}


def peak_mb(device: torch.device) -> float:
    """Return the peak of the device's memory that this process has held, in 10^6 bytes."""
    peak = peak_memory(device)
    return peak.get("gpu_memory_mb", peak["memory_mb"])


def fit(terms: dict[str, np.ndarray], measured: np.ndarray) -> dict[str, Any]:
    """Fit by least squares of relative errors with non-negative coefficients: no part costs less than nothing."""
    columns = np.stack(list(terms.values()), axis=1)
    coefficients, _ = nnls(columns / measured[:, None], np.ones(len(measured)))
    fitted = columns @ coefficients
    worst = float(np.abs(fitted / measured - 1).max())
    return {"terms": dict(zip(terms, coefficients.tolist(), strict=True)), "fitted": fitted.tolist(), "worst": worst}


def fit_all(rows: list[dict[str, Any]], frames: int) -> dict[str, dict[str, Any]]:
    """Fit time and memory of a step over all cases at once.

    seconds = step + clips frames (clip + width moved + width^2 computed): input; memory traffic, which grows with the
    channels; arithmetic, which grows with their square. The last three are told apart by four widths alone, so their
    sum is better known than each. megabytes = process + clips frames (clip + width kept). Frames in units of the
    paper's.
    """
    clips, width, length, seconds, megabytes = (
        np.array([row[name] for row in rows], float) for name in ("clips", "width", "frames", "step_s", "memory_mb")
    )
    one, each = np.ones(len(rows)), clips * length / frames
    return {
        "step_s": fit({"step": one, "clip": each, "moved": each * width, "computed": each * width**2}, seconds),
        "memory_mb": fit({"process": one, "clip": each, "kept": each * width}, megabytes),
    }


def predict(config: Config, fits: dict[str, Any], per_clip: dict[str, float], resident: bool) -> dict[str, Any]:
    """A whole training on real DESED: hours of each part, memory and disk.

    Checkpoints and reading from a disk that is slower than training are not in it.
    """
    t, sizes, batch = config.training, SIZES["paper"], _batch(config)
    training = sum(sizes[subset] for subset in CLIPS)
    held_out = round(t.validation_share * sizes["synthetic"])
    steps = t.epochs * (t.steps_per_epoch or sizes["weak"] // t.weak)
    # The first term stands for a step or the process, the others for a clip at width 1.
    (step, *each_s), (process, *each_mb) = (list(fits[name]["terms"].values()) for name in ("step_s", "memory_mb"))
    seconds = {
        "store": training * per_clip["store_s"],
        "scaling": (training - held_out) * per_clip["scaling_s"] + (training * per_clip["keep_s"] if resident else 0.0),
        "steps": steps * (step + batch * sum(each_s)),
        "validation": t.epochs * held_out * per_clip["validation_s"],
        "scores": (sizes["validation"] + sizes["public"]) * per_clip["posteriors_s"],
    }
    kept = training * 2 * SAMPLES / 1e6 if resident else 0.0
    return {
        "clips": training,
        "batch": batch,
        "epochs": t.epochs,
        "steps": steps,
        "hours": {name: spent / 3600 for name, spent in seconds.items()},
        "total_hours": sum(seconds.values()) / 3600,
        "memory_mb": kept + max(process + batch * sum(each_mb), per_clip["memory_mb"]),
        "store_mb": sum(sizes.values()) * per_clip["store_bytes"] / 1e6,
        "spectrograms_mb": training * 4 * config.features.n_mels * config.features.frames / 1e6,
    }


def text(record: dict[str, Any]) -> str:
    """Describe the record: a table of the cases, and the rest as JSON."""
    cases = pd.DataFrame(record["cases"]).round(3).to_string(index=False)
    return f"{cases}\n{json.dumps({name: value for name, value in record.items() if name != 'cases'}, indent=1)}"


def machine() -> dict[str, Any]:
    """What was measured on: names of chips and versions, nothing of whose machine it is."""
    cpuinfo = Path("/proc/cpuinfo")
    named = re.search(r"model name\s*: (.*)", cpuinfo.read_text()) if cpuinfo.exists() else None
    cpu = f"{named[1].strip() if named else platform.processor() or platform.machine()}, {os.cpu_count()} cores"
    return {
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else cpu,
        "cpu": cpu,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "measured_by": sedlib.__version__,
    }


def _begin(config: Config, root: str) -> tuple[Fabric, Detector, Inputs]:
    """What a training begins with."""
    keep_freed_memory()
    fabric = own_fabric()
    fabric.launch()
    torch.manual_seed(0)
    student = Detector(config).to(fabric.device, memory_format=torch.channels_last)
    keep = "waveforms" if fabric.device.type in RESIDENT else "nothing"
    return fabric, student, Inputs(config, Path(root), 0, student, keep, progress=False)


def _batch(config: Config) -> int:
    return config.training.strong + config.training.weak + config.training.unlabelled


def _kept_mb(inputs: Inputs) -> float:
    """Waveforms on the device: they grow with the data set, not with a step."""
    kept = [clips.waveforms for clips in (*inputs.clips.values(), inputs.validation)]
    return sum(waveforms.nbytes for waveforms in kept if waveforms is not None) / 1e6


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
