"""``python -m sedcourse.grade FOLDER [POINTS.csv]``: points for handed-in notebooks, from checks and quizzes.

A point for each check that an answer passes, and one for each right answer of ``quiz.show(..., answers="...")``. Only
what an answer needs is run: the lesson's imports and constants, the learner's exercises, and cells that the learner
added. The checks are the course's own, whatever the notebook calls. Nothing is trained, and no data are read.

Each notebook runs in a process of its own, in an empty folder, with limits of time and memory. It has no network where
``unshare`` may take it away (Linux); elsewhere Python's sockets are refused. That stops accidents. It is no prison for
hostile code: mark strangers' work in a container that is thrown away.
"""

from __future__ import annotations

import ast
import csv
import io
import json
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout, suppress
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

from reproduction.lessons import find
from sedcourse import check, quiz
from sedcourse.execute import read
from sedlib.errors import SedError
from sedlib.files import write_output
from sedlib.workspace import scratch

SECONDS = 300  # for a notebook, by the clock; most are done in 15
PER_CELL = 10  # seconds of the processor for a cell, or a check
MEMORY = 4 * 2**30  # bytes, beyond what the imports take
FILE = 2**28  # bytes of a file that a notebook writes
# Without network, and in a process tree that ends with its first process.
_APART = ["unshare", "--user", "--map-current-user", "--net", "--pid", "--fork", "--kill-child"]
COLUMNS: tuple[str, ...] = ("notebook", "lesson", "checks", "of", "quiz", "of_quiz", "points", "of_points", "remarks")


def grade(notebooks: list[Path], seconds: float = SECONDS) -> Iterator[dict[str, Any]]:
    """Mark notebooks, one after the other; yield a row of `COLUMNS` for each."""
    return (_graded(path, seconds) for path in notebooks)


def items(lesson: str | Path) -> list[tuple[str, str]]:
    """Return what there is to get points for in a lesson: names of a check and of the function that it is given."""
    found = []
    for node in (node for cell in _code(read(lesson)) for node in cell):
        if isinstance(node, ast.Expr) and (words := re.fullmatch(r"check\.(\w+)\((\w+)\)", ast.unparse(node))):
            found.append((words[1], words[2]))
    return found


def _graded(path: Path, seconds: float) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(COLUMNS, 0) | {"notebook": str(path), "lesson": "", "remarks": ""}
    try:
        notebook = nbformat.reads(path.read_text(encoding="utf-8"), as_version=4)
        lesson = find(_lesson_of(path, notebook))
    except Exception as error:  # whatever was handed in
        return row | {"remarks": f"cannot be read: {_first_line(error)}"}
    names = [name for name, _ in items(lesson)]
    number, remarks = lesson.stem[:2], []
    row |= {"lesson": number, "of": len(names), "of_quiz": len(quiz.questions(number))}
    try:
        row["quiz"] = quiz.points(number, _answers(notebook))
    except SedError as error:
        remarks.append(str(error))
    told = _in_a_process_of_its_own(path, lesson, seconds)
    for name in names:
        said = told.get(name, told.get("", "not reached: out of time or memory, or the kernel died"))
        row["checks"] += said == "correct"
        remarks += [f"{name}: {said}"] if said != "correct" else []
    return row | {
        "points": row["checks"] + row["quiz"],
        "of_points": row["of"] + row["of_quiz"],
        "remarks": "\n".join(remarks),
    }


def _lesson_of(path: Path, notebook: NotebookNode) -> str:
    """Return what the notebook says that it is, or else two digits of its name."""
    digits = re.search(r"(?<!\d)\d\d(?!\d)", path.stem)
    named = notebook.metadata.get("sedcourse", {}).get("lesson") or (digits and digits[0])
    if not named:
        raise SedError(f"{path.name}: no lesson's number in its name, and none inside; call it NAME_03.ipynb")
    return str(named)


def _answers(notebook: NotebookNode) -> str:
    """Return the last ``answers`` of a quiz cell; they are read and not run."""
    given = ""
    for cell in _code(notebook):
        for node in cell:
            for call in ast.walk(node):
                if isinstance(call, ast.Call) and ast.unparse(call.func) == "quiz.show":
                    texts = [k.value for k in call.keywords if k.arg == "answers"] + call.args[1:]
                    given = next((t.value for t in texts if isinstance(t, ast.Constant)), given)
    return str(given)


def _in_a_process_of_its_own(path: Path, lesson: Path, seconds: float) -> dict[str, str]:
    """Return what each check said, by name; what is said of the whole notebook has the name ""."""
    apart = _APART if _may_unshare() else []
    command = [*apart, sys.executable, "-m", "sedcourse.grade", "--one", str(path.resolve()), str(lesson)]
    limits = {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path), "MPLBACKEND": "agg"}
    limits["NUMBA_CACHE_DIR"] = str(scratch() / "numba")
    with tempfile.TemporaryDirectory(prefix="sedlib-grade-") as folder:
        with open(Path(folder, "said"), "w+") as out:
            limits["SEDLIB_WORKSPACE"] = folder
            process = subprocess.Popen(
                command,
                cwd=folder,
                env=os.environ | limits,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            try:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(seconds)
            finally:  # after Ctrl-C, too
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            out.seek(0)
            return dict(json.loads(line) for line in out)


def _may_unshare() -> bool:
    if shutil.which("unshare") is None:
        return False
    return subprocess.run([*_APART, "true"], capture_output=True).returncode == 0


def _one(path: Path, lesson: Path) -> None:
    """Run what is needed of a notebook in this process, within limits, and print what each check says."""
    said = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # where the notebook may write what it likes
    space = start(lesson)
    with open("/proc/self/statm") if os.path.exists("/proc/self/statm") else io.StringIO("0 " * 6) as statm:
        data = int(statm.read().split()[5]) * os.sysconf("SC_PAGE_SIZE")
    resource.setrlimit(resource.RLIMIT_DATA, (data + MEMORY, data + MEMORY))
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE, FILE))
    if not _may_unshare():
        socket.socket.connect = socket.socket.connect_ex = _refuse
    for verdict in verdicts(nbformat.reads(path.read_text(encoding="utf-8"), as_version=4), lesson, space):
        print(json.dumps(verdict), file=said, flush=True)


def start(lesson: Path) -> dict[str, Any]:
    """Run a lesson's imports and constants; their names and values are returned."""
    space: dict[str, Any] = {"__name__": "__main__"}
    for cell in _code(read(lesson)):
        _run([node for node in cell if isinstance(node, (ast.Import, ast.ImportFrom)) or _is_constant(node)], space)
    return space


def verdicts(notebook: NotebookNode, lesson: Path, space: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Run a learner's cells, and yield the name of each check with "correct" or what it says."""
    asked = [(getattr(check, name), name, answer) for name, answer in items(lesson)]  # before a learner's cell runs
    failed = {}
    for cell in notebook.cells:
        own = "exercise" in cell.metadata.get("tags", []) or not cell.get("id", "").startswith("lesson-")
        if own and cell.cell_type == "code" and not re.match(r"\s*(quiz|check)\.\w+\(", cell.source):
            try:
                with redirect_stdout(io.StringIO()):
                    _limited(lambda source=cell.source: _run(_parsed(source), space))
            except Exception as error:  # whatever a cell does
                failed[cell.source] = _first_line(error)
    for judge, name, answer in asked:
        said = "correct"
        try:
            with redirect_stdout(io.StringIO()):
                _limited(lambda judge=judge, answer=answer: judge(space[answer]))
        except Exception as error:  # whatever an answer does
            said = _first_line(error)
        if answer not in space:
            why = (f"; the cell fails: {error}" for source, error in failed.items() if f"def {answer}(" in source)
            said = f"{answer} is not defined{next(why, '')}"
        yield name, said


def _run(nodes: list[ast.stmt], space: dict[str, Any]) -> None:
    exec(compile(ast.Module(nodes, []), "notebook", "exec"), space)


def _limited(work: Callable[[], Any]) -> None:
    """Do some work, and stop it after `PER_CELL` seconds of the processor."""

    def late(*_):
        raise TimeoutError(f"took longer than {PER_CELL} s")

    signal.signal(signal.SIGPROF, late)
    signal.setitimer(signal.ITIMER_PROF, PER_CELL)
    try:
        work()
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def _refuse(*_):
    raise OSError("no network while a notebook is marked")


def _code(notebook: NotebookNode) -> list[list[ast.stmt]]:
    """Return the statements of each code cell that is Python."""
    found = []
    for cell in notebook.cells:
        if cell.cell_type == "code":
            with suppress(SyntaxError):
                found.append(_parsed(cell.source))
    return found


def _parsed(source: str) -> list[ast.stmt]:
    """Return a cell's statements, without lines for IPython such as ``%%time`` and ``!ls``."""
    try:
        return ast.parse(source).body
    except SyntaxError:
        return ast.parse(re.sub(r"(?m)^(\s*)[%!].*$", r"\1pass", source), "cell").body


def _is_constant(node: ast.stmt) -> bool:
    """Whether a statement gives a name a value that is written out, as in ``RATE = 16000``."""
    if not isinstance(node, (ast.Assign, ast.AnnAssign)) or node.value is None:
        return False
    names = node.targets if isinstance(node, ast.Assign) else [node.target]
    if not all(isinstance(name, ast.Name) for name in names):
        return False
    with suppress(ValueError, TypeError):
        ast.literal_eval(node.value)
        return True
    return False


def _first_line(error: Exception) -> str:
    kind = "" if isinstance(error, (check.WrongAnswer, SedError)) else f"{type(error).__name__}: "
    return f"{kind}{error}".splitlines()[0]


def main(arguments: list[str]) -> None:
    """Mark all notebooks below a folder, and write the table."""
    if arguments[:1] == ["--one"]:
        return _one(Path(arguments[1]), Path(arguments[2]))
    if not arguments or not Path(arguments[0]).is_dir():
        raise SedError(f"{' '.join(arguments) or 'nothing'}: give the folder of the handed-in notebooks")
    folder = Path(arguments[0])
    out = Path(arguments[1]) if arguments[1:] else folder / "points.csv"
    notebooks = sorted(p for p in folder.rglob("*.ipynb") if not any(part.startswith(".") for part in p.parts))
    if not notebooks:
        raise SedError(f"{folder}: holds no notebook (.ipynb)")
    start, table = time.monotonic(), io.StringIO()
    rows = []
    for row in grade(notebooks):
        rows.append(row | {"notebook": str(Path(row["notebook"]).relative_to(folder))})
        print(f"{rows[-1]['notebook']}: {row['points']} of {row['of_points']}", flush=True)
    writer = csv.DictWriter(table, COLUMNS)
    writer.writeheader()
    writer.writerows(rows)
    write_output(out, table.getvalue())
    print(f"{out}: {len(rows)} notebooks in {time.monotonic() - start:.0f} s")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except SedError as error:
        sys.exit(f"Error: {error}")
