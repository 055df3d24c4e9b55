"""Points for handed-in notebooks: right, half right and wrong ones, and ones that do harm."""

import csv
import re
import subprocess
import time

import nbformat
import pytest
from leftovers import marked
from nbformat.v4 import new_code_cell

from reproduction.lessons import find, lessons
from sedcourse import check, grade, quiz
from sedcourse.execute import read
from sedcourse.stubs import exercise_notebook
from sedlib.errors import SedError


def solutions(lesson) -> list[str]:
    """Code that answers a lesson's exercises, in their order."""
    cells = (cell for cell in read(lesson).cells if "solution" in cell.metadata.get("tags", []))
    return [cell.source for cell in cells if cell.cell_type == "code"]


RIGHT = {re.search(r"def (\w+)", source)[1]: source for source in solutions("03")}
LETTERS = "".join(quiz.LETTERS[question.right] for question in quiz.questions("03"))


def hand_in(path, answers: dict[str, str], letters: str = "", more: str = ""):
    """Lesson 03 as a student hands it in."""
    notebook = nbformat.read(exercise_notebook("03", path, force=True), as_version=4)
    for cell in notebook.cells:
        for name, answer in answers.items():
            if "exercise" in cell.metadata.get("tags", []) and f"def {name}(" in cell.source:
                cell.source = answer
    notebook.cells += [new_code_cell(f'quiz.show("03", answers="{letters}")'), new_code_cell(more)]
    nbformat.write(notebook, path)
    return path


@pytest.mark.slow
def test_right_half_and_wrong(tmp_path, capsys):
    folder = tmp_path / "class"
    hand_in(folder / "right.ipynb", RIGHT, LETTERS)
    wrong = {"smoother": RIGHT["smoother"].replace("(1 - s)", "s").replace("s * energy", "(1 - s) * energy")}
    hand_in(folder / "half.ipynb", RIGHT | wrong, LETTERS[:4] + "-" * len(LETTERS[4:]))
    hand_in(folder / "wrong.ipynb", {"pcen": "def pcen(*of):\n    return 0"})
    (folder / "empty.ipynb").write_text("")
    grade.main([str(folder)])
    full = len(RIGHT) + len(LETTERS)
    points = [str(full), str(full - 1 - len(LETTERS[4:])), "0", "0"]
    rows = {row["notebook"]: row for row in csv.DictReader((folder / "points.csv").open())}
    assert [rows[f"{name}.ipynb"]["points"] for name in ("right", "half", "wrong", "empty")] == points
    assert {row["of_points"] for name, row in rows.items() if name != "empty.ipynb"} == {str(full)}
    assert rows["right.ipynb"]["remarks"] == ""
    assert "smoother: " in rows["half.ipynb"]["remarks"] and "pcen" not in rows["half.ipynb"]["remarks"]
    assert "coefficient: coefficient returns nothing yet" in rows["wrong.ipynb"]["remarks"]
    assert "cannot be read" in rows["empty.ipynb"]["remarks"]
    said = capsys.readouterr().out
    assert f"right.ipynb: {full} of {full}\n" in said and "points.csv: 4 notebooks" in said


@pytest.mark.slow
def test_limits(tmp_path, monkeypatch):
    """An endless loop, too much memory, the network, files, and a process that ends."""
    harm = {
        "smoother": "def smoother(energy, s):\n    while True:\n        pass",
        "pcen": "def pcen(*of):\n    return np.ones(10**11)",
        "coefficient": "def coefficient(*of):\n    import socket\n    socket.create_connection(('127.0.0.1', 9), 1)",
    }
    path = hand_in(tmp_path / "harm.ipynb", harm, more="open('here', 'w').write('x')")
    (row,) = grade.grade([path])
    assert row["checks"] == 0 and "took longer than 10 s" in row["remarks"]
    assert "allocate" in row["remarks"] and ("unreachable" in row["remarks"] or "no network" in row["remarks"])
    assert not (tmp_path / "here").exists()
    path = hand_in(tmp_path / "dead.ipynb", {**RIGHT, "pcen": "def pcen(*of):\n    import os\n    os._exit(0)"})
    (row,) = grade.grade([path])
    assert row["checks"] == 1 and "pcen: not reached" in row["remarks"] and "coefficient: not reached" in row["remarks"]


def left_after_a_minute(mark) -> list:
    """Processes of a test that are still there, or none as soon as there is none."""
    ends = time.monotonic() + 60  # a killed process goes on until its turn comes
    while (left := marked("SEDLIB_TEST_GRADE", str(mark))) and time.monotonic() < ends:
        time.sleep(0.1)
    return left


@pytest.mark.slow
def test_nothing_goes_on_after_a_notebook(tmp_path, monkeypatch):
    monkeypatch.setenv("SEDLIB_TEST_GRADE", str(tmp_path))
    left = "import subprocess\nsubprocess.Popen(['sleep', '600'], start_new_session=True)"
    (row,) = grade.grade([hand_in(tmp_path / "left.ipynb", RIGHT, more=left)])
    assert row["checks"] == len(RIGHT)
    assert not grade._may_unshare() or left_after_a_minute(tmp_path) == []


@pytest.mark.slow
def test_nothing_goes_on_after_ctrl_c(tmp_path, monkeypatch):
    monkeypatch.setenv("SEDLIB_TEST_GRADE", str(tmp_path))
    begun, wait = tmp_path / "begun", subprocess.Popen.wait

    def interrupted(process, timeout=None):
        while timeout and not begun.exists():
            time.sleep(0.1)
        if timeout:
            raise KeyboardInterrupt
        return wait(process)

    path = hand_in(tmp_path / "left.ipynb", {}, more=f"import time\nopen({str(begun)!r}, 'w')\ntime.sleep(600)")
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(subprocess.Popen, "wait", interrupted)
        list(grade.grade([path]))
    assert left_after_a_minute(tmp_path) == []


def said_of(path, lesson) -> dict[str, str]:
    """What the checks say, in this process."""
    return dict(grade.verdicts(nbformat.read(path, as_version=4), lesson, grade.start(lesson)))


@pytest.mark.parametrize("lesson", lessons(), ids=lambda path: path.stem)
def test_the_lessons_own_solutions_get_all_points(lesson, tmp_path):
    path = exercise_notebook(lesson, tmp_path / f"{lesson.stem}.ipynb")
    notebook = nbformat.read(path, as_version=4)
    answers = iter(solutions(lesson))
    for cell in notebook.cells:
        if "exercise" in cell.metadata.get("tags", []):
            cell.source = next(answers)
    nbformat.write(notebook, path)
    said = said_of(path, lesson)
    assert len(said) == len(grade.items(lesson)) and set(said.values()) <= {"correct"}


def test_a_helper_may_stand_in_a_cell_of_ones_own_and_checks_cannot_be_replaced(tmp_path, monkeypatch):
    helped = RIGHT | {"pcen": "def pcen(*of):\n    return helper(*of)"}
    more = RIGHT["pcen"].replace("def pcen", "def helper")
    assert set(said_of(hand_in(tmp_path / "a.ipynb", helped, more=more), find("03")).values()) == {"correct"}
    for cheat in ("class check:\n    smoother = pcen = print", "check.smoother = check.pcen = print"):
        for name in ("smoother", "pcen"):
            monkeypatch.setattr(check, name, getattr(check, name))  # put back afterwards
        said = said_of(hand_in(tmp_path / "b.ipynb", {}, more=cheat), find("03"))
        assert "correct" not in said.values() and len(said) == len(RIGHT)


def test_lines_for_ipython_and_cells_that_fail(tmp_path):
    """What IPython alone knows is left out; a cell that cannot run is named, not only what it lacks."""
    written = {
        "smoother": "%%time\n" + RIGHT["smoother"],
        "pcen": RIGHT["pcen"] + "\n!ls\n%timeit 1",
        "coefficient": "def coefficient(t, rate, hop):\n    return (1",
        "contrast": "def contrast(*of):\n    return {}['mean']",
    }
    said = said_of(hand_in(tmp_path / "a.ipynb", RIGHT | written), find("03"))
    assert said["smoother"] == said["pcen"] == "correct"
    assert "coefficient is not defined; the cell fails: SyntaxError: '(' was never closed" in said["coefficient"]
    assert said["contrast"] == "KeyError: 'mean'"


def test_bad_input(tmp_path):
    with pytest.raises(SedError, match="holds no notebook"):
        grade.main([str(tmp_path)])
    with pytest.raises(SedError, match="give the folder"):
        grade.main([str(tmp_path / "none")])
    path = hand_in(tmp_path / "mine.ipynb", {}, "abc")
    (row,) = grade.grade([path], seconds=0.1)
    assert "3 letters for 8 questions" in row["remarks"] and "not reached" in row["remarks"]
