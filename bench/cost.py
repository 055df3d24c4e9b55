"""What a training costs: time and memory of its parts, measured, fitted by a plain model, and added up for real DESED.

``python -m bench cost`` takes the GPU where there is one. Every measurement has a process of its own, so that its peak
of memory is its own, and rounds alternate, so that other work on the machine hits all of them. The clips are noise: no
part's time depends on what is heard. ``figures/training_cost.json`` keeps a record for every device that was measured;
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
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import soundfile
import torch
from lightning_fabric import Fabric
from scipy.optimize import nnls
from torch import Tensor

import sedlib
from minidesed.generate import SIZES
from sedlib.augment import views
from sedlib.config import PROFILES, Config
from sedlib.data import audio, layout, tables
from sedlib.data.store import SAMPLES, open_store
from sedlib.inference import posteriors
from sedlib.models import Detector
from sedlib.training.inputs import PIECE, Clips, Inputs
from sedlib.training.loop import RESIDENT, keep_freed_memory, own_fabric, validation_f1
from sedlib.training.mean_teacher import MeanTeacher
from sedlib.training.runs import write_json
from sedlib.training.telemetry import peak_memory

RECORD = Path(__file__).resolve().parents[1] / "figures" / "training_cost.json"
BATCHES = {"cpu": (1 / 3, 2 / 3, 1, 2), "cuda": (1 / 3, 2 / 3, 1, 2, 4, 8)}  # times the configuration's, 24 clips
WIDTHS = (0.5, 1.5, 2)  # times its filters and GRU units, besides 1
STEPS = {"cpu": 4, "cuda": 50}  # measured in a process
WARM_UP, PROFILED = 2, 5  # steps before these, that compile, load and take memory from the system; and after them
CLIPS = {"synthetic": 128, "weak": 64, "unlabel_in_domain": 64}  # of noise


def main() -> None:
    """Measure, print, and keep the record."""
    record = measure(PROFILES["paper"])
    records = json.loads(RECORD.read_text(encoding="utf-8")) if RECORD.exists() else {}
    write_json(RECORD, {**records, record["device"]: record})


def measure(config: Config, steps: int | None = None, rounds: int = 2, clips: dict[str, int] = CLIPS) -> dict[str, Any]:
    """Measure on this machine and predict a whole training on real DESED.

    Parameters
    ----------
    config : Config
        Width 1, and the training that is predicted.
    steps : int, optional
        Measured in a process; default: `STEPS`.
    rounds : int
        Processes for each case.
    clips : dict
        Size of the made data set.

    Returns
    -------
    dict
        ``device`` and what it is made of; ``per_clip`` as of `parts`; ``cases``, each with the median time of its steps
        and ``range_s``, from the fastest to the slowest; ``fits`` as of `fit_all`; ``prediction`` as of `predict`.
    """
    kind = _device_kind()
    steps = steps or STEPS[kind]
    variants: list[dict[str, float]] = [{"batch": batch} for batch in BATCHES[kind]]
    variants += [{"width": width} for width in WIDTHS] + [{"batch": batch, "hop": 2} for batch in (1, 2)]
    cases = [scaled(config, **variant) for variant in variants]
    with tempfile.TemporaryDirectory() as folder:
        make_noise(Path(folder), clips)
        per_clip = alone(parts, config, folder)
        found: list[list[dict[str, Any]]] = [[] for _ in cases]
        for _ in range(rounds):
            for case, results in zip(cases, found, strict=True):
                results.append(alone(take_steps, case, folder, steps))
    rows = []
    for case, variant, results in zip(cases, variants, found, strict=True):
        times = [seconds for result in results for seconds in result["times"]]
        rows.append(
            {
                "clips": _batch(case),
                "width": variant.get("width", 1),
                "frames": case.features.frames,
                "parameters": results[0]["parameters"],
                "step_s": statistics.median(times),
                "range_s": [min(times), max(times)],
                "memory_mb": statistics.median(result["memory_mb"] for result in results),
                "kernel_share": results[-1]["kernel_share"],
            }
        )
    fits = fit_all(rows, config.features.frames)
    record = {
        **machine(),
        "steps": steps * rounds,
        "per_clip": per_clip,
        "cases": rows,
        "fits": fits,
        "prediction": predict(config, fits, per_clip, kind in RESIDENT),
    }
    print(text(record))
    return record


def alone(function: Callable, *arguments: Any) -> Any:
    """What a function returns in a fresh process, whose memory nothing else has touched."""
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
    """A data set of so many clips of noise, ten seconds each, with one event in each."""
    rng = np.random.default_rng(0)
    for subset, count in clips.items():
        place, names = layout.SUBSETS[subset], [f"{subset}_{i}.wav" for i in range(count)]
        (root / place.audio).mkdir(parents=True)
        for name in names:
            soundfile.write(root / place.audio / name, 0.1 * rng.standard_normal(SAMPLES), audio.RATE, subtype="PCM_16")
        table = pd.DataFrame({"filename": names})
        if place.kind == layout.STRONG:
            table = table.assign(onset=2.0, offset=4.0, event_label=tables.CLASSES[0])
        elif place.kind == layout.WEAK:
            table = table.assign(event_labels=tables.CLASSES[0])
        tables.write(table, root / place.metadata)


def take_steps(config: Config, root: str, steps: int) -> dict[str, Any]:
    """Steps of a training as `sedlib.training.train` takes them.

    Returns
    -------
    dict
        ``times`` (s, of each step, its input included), ``memory_mb`` (peak), ``parameters``, and ``kernel_share`` of a
        step's time where there is a GPU.
    """
    fabric, student, inputs = _begin(config, root)
    student.scale.fit(inputs.features(batch) for batch in inputs.batches(0, 1))
    learner = MeanTeacher(student, config, fabric, 1)
    batches = inputs.batches(0, WARM_UP + steps + PROFILED)

    def one() -> None:
        batch = next(batches)
        learner.step(0, views(inputs.features(batch), config), *inputs.targets(batch))
        _wait(fabric.device)

    times = [_seconds(one) for _ in range(WARM_UP + steps)][WARM_UP:]
    result = {
        "times": times,
        "memory_mb": peak_mb(fabric.device) - _kept_mb(inputs),
        "kernel_share": None,
        "parameters": sum(p.numel() for p in student.parameters()),
    }
    if fabric.device.type == "cuda":
        result["kernel_share"] = kernel_seconds(one, PROFILED, fabric.device) / statistics.median(times)
    batches.close()
    return result


def parts(config: Config, root: str) -> dict[str, float]:
    """What grows with the number of clips: seconds and bytes of one clip, and the peak of memory of it all."""
    stores = []
    built_s = _seconds(lambda: stores.extend(open_store(root, subset, progress=False) for subset in CLIPS))
    half = dataclasses.replace(config, training=dataclasses.replace(config.training, validation_share=0.5))
    fabric, student, inputs = _begin(half, root)
    networks = MeanTeacher(student, config, fabric, 1).networks()
    clips = sum(map(len, stores))
    few = torch.from_numpy(stores[0].waveforms(np.arange(min(PIECE, len(stores[0]))))).to(fabric.device)

    def warm(function: Callable[[], object]) -> float:
        """Seconds of a second call."""
        return [_seconds(lambda: (function(), _wait(fabric.device))) for _ in range(2)][-1]

    def all_spectrograms() -> Iterator[Tensor]:
        return (piece for kind in inputs.clips.values() for piece in kind.pieces())

    strong, every = stores[0], np.arange(len(stores[0]))
    spent = {
        "store_s": built_s / clips,
        "read_s": warm(lambda: strong.waveforms(every)) / len(strong),
        "logmel_s": warm(lambda: student.features(few)) / len(few),
        "scaling_s": warm(lambda: student.scale.fit(all_spectrograms())) / sum(map(len, inputs.clips.values())),
        "validation_s": warm(lambda: validation_f1(networks, inputs, config)) / len(inputs.validation),
        "posteriors_s": warm(lambda: posteriors(student.eval(), strong, config.frame_s, progress=False)) / len(strong),
    }
    memory = peak_mb(fabric.device) - _kept_mb(inputs)
    return {
        **spent,
        "keep_s": warm(lambda: Clips(strong, every, student, "waveforms")) / len(strong),
        "memory_mb": memory,
        "store_bytes": sum(store.path.stat().st_size for store in stores) / clips,
    }


def kernel_seconds(step: Callable[[], None], steps: int, device: torch.device) -> float:
    """Seconds of a step in which a GPU's kernels run; of a CPU, torch's operators."""
    cuda = device.type == "cuda"
    activity = torch.profiler.ProfilerActivity.CUDA if cuda else torch.profiler.ProfilerActivity.CPU
    with torch.profiler.profile(activities=[activity], acc_events=True) as profile:
        for _ in range(steps):
            step()
    microseconds = "self_device_time_total" if cuda else "self_cpu_time_total"
    return sum(getattr(event, microseconds) for event in profile.key_averages()) / 1e6 / steps


def peak_mb(device: torch.device) -> float:
    """The most memory of the device that this process has held, in 10^6 bytes."""
    peak = peak_memory(device)
    return peak.get("gpu_memory_mb", peak["memory_mb"])


def fit(terms: dict[str, np.ndarray], measured: np.ndarray) -> dict[str, Any]:
    """Least squares of relative errors with coefficients that are not negative: no part costs less than nothing.

    Returns
    -------
    dict
        ``terms`` (coefficients), ``fitted``, ``worst`` and ``rms`` (relative errors).
    """
    columns = np.stack(list(terms.values()), axis=1)
    coefficients, _ = nnls(columns / measured[:, None], np.ones(len(measured)))
    fitted = columns @ coefficients
    error = fitted / measured - 1
    return {
        "terms": dict(zip(terms, coefficients.tolist(), strict=True)),
        "fitted": fitted.tolist(),
        "worst": float(np.abs(error).max()),
        "rms": float(np.sqrt(np.mean(error**2))),
    }


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
    """The record for people."""
    lines = [f"{record['device']}, torch {record['torch']} with {record['threads']} threads"]
    lines += [f"{name}: {value:.3g}" for name, value in record["per_clip"].items()]
    fitted = zip(
        record["cases"], record["fits"]["step_s"]["fitted"], record["fits"]["memory_mb"]["fitted"], strict=True
    )
    for case, seconds, megabytes in fitted:
        low, high = case["range_s"]
        kernels = "" if case["kernel_share"] is None else f", kernels {100 * case['kernel_share']:.0f} % of the time"
        lines.append(
            f"{case['clips']} clips of {case['frames']} frames, width {case['width']:g}: {case['step_s']:.3f} s a step "
            f"({low:.3f} to {high:.3f}; fit {seconds:.3f}), {case['memory_mb']:.0f} MB (fit {megabytes:.0f}){kernels}"
        )
    for name, found in record["fits"].items():
        terms = ", ".join(f"{term} {value:.4g}" for term, value in found["terms"].items())
        lines.append(f"{name}: {terms}; off by {100 * found['rms']:.1f} % (rms), {100 * found['worst']:.1f} % at worst")
    said = record["prediction"]
    hours = ", ".join(f"{name} {spent:.3f}" for name, spent in said["hours"].items())
    lines.append(
        f"predicted for DESED, {said['clips']} clips, {said['steps']} steps of {said['batch']}: "
        f"{said['total_hours']:.2f} h ({hours}), {said['memory_mb']:.0f} MB of memory, "
        f"{said['store_mb']:.0f} MB of stores"
    )
    return "\n".join(f"  {line}" for line in lines)


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


def _device_kind() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


def _batch(config: Config) -> int:
    return config.training.strong + config.training.weak + config.training.unlabelled


def _kept_mb(inputs: Inputs) -> float:
    """Waveforms on the device: they grow with the data set, not with a step."""
    kept = [clips.waveforms for clips in (*inputs.clips.values(), inputs.validation)]
    return sum(waveforms.nbytes for waveforms in kept if waveforms is not None) / 1e6


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _seconds(function: Callable[[], object]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start
