"""How far a batch is: a bar on standard error with what is done and how long the rest will take."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time

from tqdm.auto import tqdm

from reproduction.plan import Job, Plan


def watch(plan: Plan, process: subprocess.Popen) -> None:
    """Show how far the jobs are until snakemake ends."""
    jobs = plan.jobs()
    total, began, start = sum(job.seconds for job in jobs), time.monotonic(), seconds_done(jobs)
    form = "{desc} {percentage:3.0f}%|{bar}| {elapsed}{postfix}"
    with tqdm(total=total, initial=start, bar_format=form, mininterval=0) as bar:
        while True:
            ended, done, passed = process.poll() is not None, seconds_done(jobs), time.monotonic() - began
            bar.n = min(done, total)
            bar.set_description_str(counts(jobs), refresh=False)
            known = done > start and passed > 20 and not ended
            bar.set_postfix_str(f"about {duration((total - done) * passed / (done - start))} to go" if known else "")
            if ended:
                return
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(2 if sys.stderr.isatty() else 15)


def seconds_done(jobs: list[Job]) -> float:
    """Return the seconds of work that is done; of a running training, its share of steps."""
    done = 0.0
    for job in jobs:
        if job.done.exists():
            done += job.seconds
        elif job.kind == "train":
            with contextlib.suppress(OSError, ValueError, KeyError, ZeroDivisionError):
                progress = json.loads((job.done.parent / "progress.json").read_text(encoding="utf-8"))
                done += job.seconds * progress["step"] / progress["steps"]
    return done


def counts(jobs: list[Job]) -> str:
    """Return such as "3/7 trainings, 0/7 scored"."""
    parts = []
    for kind, name in {"train": "trainings", "score": "scored", "lesson": "lessons"}.items():
        if done := [job.done.exists() for job in jobs if job.kind == kind]:
            parts.append(f"{sum(done)}/{len(done)} {name}")
    return ", ".join(parts)


def duration(seconds: float) -> str:
    """Return a time in minutes or hours."""
    minutes = max(1, round(seconds / 60))
    return f"{minutes} minutes" if minutes < 100 else f"{minutes / 60:.1f} hours"
