"""A run explains itself: means, times, memory; it stops where it diverges; TensorBoard shows every step once."""

import copy
import io
import math
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import psutil
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.summary.writer import event_file_writer
from torch import nn
from torch.utils.tensorboard import SummaryWriter

from sedlib.errors import SedError
from sedlib.training import telemetry as module
from sedlib.training.telemetry import Diverged, Telemetry, write_events

CPU = torch.device("cpu")
NETWORK = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
NAN, INF = math.nan, math.inf


def losses(step: int) -> dict[str, torch.Tensor]:
    """A sum of two terms, as the training gives them: with gradients."""
    strong, weak = (torch.tensor(0.7 / (step + shift), requires_grad=True) for shift in (1, 2))
    return {"strong": strong, "weak": weak, "total": strong + weak}


def measured(first: int, last: int, telemetry: Telemetry | None = None) -> Telemetry:
    telemetry = telemetry or Telemetry(CPU)
    for step in range(first, last + 1):
        with telemetry.waiting():
            pass
        telemetry.add(step, losses(step), learning_rate=0.1 * step, consistency_weight=2.0)
    return telemetry


def through_a_checkpoint(state: dict) -> dict:
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


def test_a_row_holds_the_means_of_every_term_and_the_last_rates():
    telemetry = measured(1, 7)
    row, steps = telemetry.take()
    for name in ("strong", "weak", "total"):
        values = [losses(step)[name].item() for step in range(1, 8)]
        assert row[f"loss_{name}"] == pytest.approx(sum(values) / 7, rel=1e-15)
        assert [step[f"loss_{name}"] for step in steps] == values
    assert [step["step"] for step in steps] == list(range(1, 8))
    assert (row["learning_rate"], row["consistency_weight"]) == (0.1 * 7, 2.0)
    assert list(row)[:5] == ["learning_rate", "consistency_weight", "loss_strong", "loss_weak", "loss_total"]
    assert not {"step", "time", "gpu_memory_mb"} & set(row)


def test_a_row_tells_only_of_the_steps_since_the_last():
    telemetry = measured(1, 3)
    telemetry.take()
    row, steps = measured(4, 6, telemetry).take()
    assert [step["step"] for step in steps] == [4, 5, 6]
    other, _ = measured(4, 6).take()
    assert row["loss_total"] == other["loss_total"]


def test_a_step_reads_nothing_and_keeps_no_graph(monkeypatch):
    """Reading a value is what makes the host wait for a GPU."""
    read = []
    for name in ("item", "tolist", "cpu", "numpy", "__float__", "__bool__"):
        original = getattr(torch.Tensor, name)
        monkeypatch.setattr(torch.Tensor, name, lambda t, *a, _f=original, **k: (read.append(t), _f(t, *a, **k))[1])
    telemetry = measured(1, 5)
    assert not read
    kept = [value for values in telemetry._unread for value in values.values() if isinstance(value, torch.Tensor)]
    assert len(kept) == 5 * 3 and not any(value.requires_grad for value in kept)
    telemetry.check(NETWORK)
    assert len(read) == 2, "one copy of all losses, one look at the weights"


@pytest.mark.parametrize("at", [1, 4, 7])
def test_a_resumed_epoch_has_the_same_means(at):
    whole, _ = measured(1, 7).take()
    stopped = measured(1, at)
    resumed = Telemetry(CPU)
    resumed.load_state_dict(through_a_checkpoint(stopped.state_dict()))
    row, steps = measured(at + 1, 7, resumed).take()
    untimed = [name for name in whole if name not in ("wait_share", "steps_per_s", "memory_mb")]
    assert {name: row[name] for name in untimed} == {name: whole[name] for name in untimed}
    assert len(steps) == 7


def test_times_are_those_of_the_steps_alone(monkeypatch):
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr(module, "time", SimpleNamespace(perf_counter=lambda: clock.now, time=time.time))
    telemetry = Telemetry(CPU)

    def epoch() -> None:
        for step in range(1, 5):
            with telemetry.waiting():
                clock.now += 0.5
            telemetry.add(step, losses(step), learning_rate=0.1)
            clock.now += 1.5
        telemetry.check(NETWORK)

    for _ in range(2):
        epoch()
        clock.now += 1000  # validation, a checkpoint
        row, _ = telemetry.take()
        assert (row["wait_share"], row["steps_per_s"]) == (0.25, 0.5)
        clock.now += 1000
    epoch()
    state = telemetry.state_dict()
    telemetry = Telemetry(CPU)
    telemetry.load_state_dict(through_a_checkpoint(state))
    epoch()
    row, steps = telemetry.take()
    assert (row["wait_share"], row["steps_per_s"], len(steps)) == (0.25, 0.5, 8)


def test_memory_is_what_the_process_has_held():
    now = 0.95 * psutil.Process().memory_info().rss / 1e6  # the kernel counts it in lumps
    assert now <= module.peak_memory(CPU)["memory_mb"] <= psutil.virtual_memory().total / 1e6


@pytest.mark.parametrize("status", [None, "Name:\tpython\nVmRSS:\t12345 kB\n"])
def test_memory_is_also_known_where_the_kernel_does_not_say(status, tmp_path, monkeypatch):
    """gVisor's /proc/self/status has no VmHWM, macOS has no such file."""
    monkeypatch.setattr(module, "STATUS", tmp_path / "status")
    if status is not None:
        (tmp_path / "status").write_text(status)
    now = 0.95 * psutil.Process().memory_info().rss / 1e6
    assert now <= module.peak_memory(CPU)["memory_mb"] <= psutil.virtual_memory().total / 1e6


@pytest.mark.parametrize(
    ("values", "name", "words"),
    [
        (
            {"weak": NAN, "total": NAN},
            "weak",
            "step 3: the loss weak is nan; learning rate 0.3; consistency weight 2. A smaller",
        ),
        ({"strong": INF, "weak": NAN, "total": NAN}, "strong", "the loss strong is inf;"),
        ({"strong": 12.5, "weak": NAN, "total": NAN}, "weak", "the loss weak is nan;"),
        ({"strong": 12.5, "total": 13}, "strong", "strong is 12.5, beyond 10;"),
        ({"strong": 12.5, "total": NAN}, "strong", "the loss strong is 12.5"),
        ({"strong": -12.5}, "strong", "strong is -12.5, beyond 10"),
        ({"total": INF}, "total", "the loss total is inf; learning"),
    ],
)
def test_a_diverging_step_is_named_with_its_term(values, name, words):
    telemetry = measured(1, 2)
    terms = losses(3) | {name: torch.tensor(float(value)) for name, value in values.items()}
    telemetry.add(3, terms, learning_rate=0.3, consistency_weight=2.0)
    measured(4, 5, telemetry).add(6, {name: torch.tensor(NAN) for name in terms}, learning_rate=0.6)
    with pytest.raises(Diverged, match=words) as error:
        telemetry.check(NETWORK)
    assert (error.value.step, error.value.term) == (3, name)
    assert isinstance(error.value, SedError)
    row, steps = telemetry.take()
    assert len(steps) == 6 and not math.isfinite(row["loss_total"]), "what was measured can still be shown"


def test_a_healthy_training_is_let_alone():
    telemetry = measured(1, 5)
    terms = {"strong": torch.tensor(9.9), "weak": torch.tensor(0.0), "total": torch.tensor(50.0)}
    telemetry.add(6, terms, learning_rate=0.1)
    telemetry.check(NETWORK)
    telemetry.take()
    telemetry.check(NETWORK)
    Telemetry(CPU).check(NETWORK)


@pytest.mark.parametrize("part", ["1.weight", "1.running_var"])
def test_weights_that_are_not_finite_stop_the_training_too(part):
    network, telemetry = copy.deepcopy(NETWORK), measured(1, 4)
    telemetry.check(network)
    network.state_dict()[part][0] = INF
    words = rf"step 4: 1 of 6 tensors of weights .* first {part}, .*learning rate 0.4"
    with pytest.raises(Diverged, match=words) as error:
        telemetry.check(network)
    assert (error.value.step, error.value.term) == (4, "weights")


def test_a_learning_rate_a_thousand_times_too_large_is_found_out():
    """The bound is met by what really happens, and not by what happens at a rate that works."""

    def train(rate: float) -> None:
        torch.manual_seed(0)
        network = nn.Sequential(nn.Linear(20, 50), nn.ReLU(), nn.Linear(50, 10), nn.Sigmoid())
        telemetry = Telemetry(CPU)
        optimizer = torch.optim.Adam(network.parameters(), lr=rate)
        x = torch.randn(64, 20)
        y = (x[:, :10] > 1).float()
        for step in range(1, 31):
            loss = nn.functional.binary_cross_entropy(network(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            telemetry.add(step, {"strong": loss, "total": loss}, learning_rate=rate)
        telemetry.check(network)

    train(1e-3)
    with pytest.raises(Diverged, match="loss strong"):
        train(10.0)


def shown(folder) -> dict[str, list[tuple[int, float]]]:
    """What TensorBoard shows."""
    events = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    events.Reload()
    return {tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def board_at(folder, after: int) -> SummaryWriter:
    """As the training opens it when the step of the last row that counts is ``after``."""
    return SummaryWriter(folder, purge_step=after + 1)


def epoch(board: SummaryWriter, number: int) -> None:
    """Three steps and their row."""
    row, steps = measured(3 * number - 2, 3 * number).take()
    row = {"epoch": number, "step": 3 * number} | row | {"validation_f1_teacher": 0.1 * number, "seconds": 1.0}
    write_events(board, row, steps)


@pytest.fixture
def later(monkeypatch):
    """Every event file is made a second after the one before, as with processes that are killed and restarted."""
    now = iter(range(1_700_000_000, 1_700_001_000))
    monkeypatch.setattr(event_file_writer, "time", SimpleNamespace(time=lambda: next(now)))


def test_tensorboard_shows_every_column_and_every_step(tmp_path):
    board = board_at(tmp_path / "tensorboard", after=0)
    for number in (1, 2):
        epoch(board, number)
    board.close()
    scalars = shown(tmp_path / "tensorboard")
    assert [step for step, _ in scalars["loss_step/strong"]] == [1, 2, 3, 4, 5, 6]
    assert scalars["loss_step/strong"][3][1] == pytest.approx(0.7 / 5)
    assert scalars["loss/weak"] == [
        (3, pytest.approx(sum(0.7 / (s + 2) for s in (1, 2, 3)) / 3)),
        (6, pytest.approx(sum(0.7 / (s + 2) for s in (4, 5, 6)) / 3)),
    ]
    assert scalars["f1/teacher"] == [(3, pytest.approx(0.1)), (6, pytest.approx(0.2))]
    assert set(scalars) == {
        "loss/strong",
        "loss/weak",
        "loss/total",
        "loss_step/strong",
        "loss_step/weak",
        "loss_step/total",
        "rate/learning_rate",
        "rate/consistency_weight",
        "rate_step/learning_rate",
        "rate_step/consistency_weight",
        "f1/teacher",
        "run/epoch",
        "run/seconds",
        "run/wait_share",
        "run/steps_per_s",
        "run/memory_mb",
    }


def test_tensorboard_groups_what_domain_adversarial_training_adds(tmp_path):
    row = {"loss_domain": 0.5, "loss_domain_error": 0.3, "domain_learning_rate": 1e-3, "domain_weight": 0.1}
    board = board_at(tmp_path, after=0)
    write_events(board, {"step": 1, **row}, [{"step": 1, "time": 0.0, **row}])
    board.close()
    groups = {f"{name}{suffix}" for name in ("loss", "rate") for suffix in ("", "_step")}
    assert {tag.split("/")[0] for tag in shown(tmp_path)} == groups


def test_what_a_killed_process_has_written_is_there(tmp_path):
    code = """if True:
        import os, signal, sys
        from torch.utils.tensorboard import SummaryWriter
        from sedlib.training.telemetry import write_events
        steps = [{"step": step, "time": 0.0, "loss_strong": 0.1} for step in range(1, 1001)]
        write_events(SummaryWriter(sys.argv[1], purge_step=1), {"step": 1000, "loss_strong": 0.1}, steps)
        os.kill(os.getpid(), signal.SIGKILL)
    """
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path)]).returncode == -signal.SIGKILL
    scalars = shown(tmp_path)
    assert len(scalars["loss_step/strong"]) == 1000 and [step for step, _ in scalars["loss/strong"]] == [1000]


@pytest.mark.parametrize("torn", [0, 7])
def test_a_resumed_run_shows_every_step_once(tmp_path, later, torn):
    """Killed after epochs 2 and 3 were written and before a checkpoint knew of them; perhaps while writing."""
    before = board_at(tmp_path, after=0)
    for number in (1, 2, 3):
        epoch(before, number)
    before.close()
    if torn:
        file = next(tmp_path.iterdir())
        file.write_bytes(file.read_bytes()[:-torn])
    after = board_at(tmp_path, after=3)
    for number in (2, 3, 4):
        epoch(after, number)
    after.close()
    assert len(list(tmp_path.iterdir())) == 2
    scalars = shown(tmp_path)
    assert [step for step, _ in scalars["loss_step/total"]] == list(range(1, 13))
    assert [step for step, _ in scalars["loss/total"]] == [3, 6, 9, 12]
    assert [round(value) for _, value in scalars["run/epoch"]] == [1, 2, 3, 4]


def test_a_run_that_starts_anew_shows_nothing_of_the_old_one(tmp_path, later):
    for last in (2, 1):
        board = board_at(tmp_path, after=0)
        for number in range(1, last + 1):
            epoch(board, number)
        board.close()
    assert [step for step, _ in shown(tmp_path)["loss/total"]] == [3]
