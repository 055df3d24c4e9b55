"""Every lesson: its form, its solutions, its stubs, and a run from top to bottom with profile "smoke"."""

import ast
import difflib
import json
import re
from pathlib import Path

import jupytext
import nbformat
import pytest
from IPython.core.interactiveshell import InteractiveShell
from nbformat.v4 import new_code_cell

from reproduction import lessons
from sedcourse.check import WrongAnswer
from sedcourse.execute import check_parameters, execute, parameters, read
from sedcourse.report import lesson_title, notebook_html
from sedcourse.stubs import YOUR_TURN, exercise_notebook, stub

LESSONS = lessons.lessons()
each_lesson = pytest.mark.parametrize("lesson", LESSONS, ids=lambda path: path.stem)


def tags(cell) -> list[str]:
    return cell.metadata.get("tags", [])


def faults(notebook: nbformat.NotebookNode) -> list[str]:
    """What is wrong with the form of a lesson."""
    found = []
    cells = notebook.cells
    prose = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    if len(re.findall(r"^# ", prose, re.M)) != 1 or not cells[0].source.startswith("# "):
        found.append("needs one H1, in its first cell")
    frame = ("**You will**", "**You need**", "**Time**", "**Paper**")
    found += [f"first cell lacks {part}" for part in frame if part not in cells[0].source]
    found += [f"lacks {part}" for part in ("## What you did", "## Exercises") if part not in prose]
    if [tags(cell) for cell in cells].count(["parameters"]) != 1:
        found.append("needs one cell tagged parameters")
    for before, cell in zip([None, *cells], cells):
        if cell.cell_type != "code":
            continue
        where = repr(cell.source.splitlines()[0])
        if before is None or before.cell_type != "markdown":
            found.append(f"{where}: no prose before it")
        if len(cell.source.splitlines()) > 15:
            found.append(f"{where}: more than 15 lines")
        if max(map(len, cell.source.splitlines())) > 90:
            found.append(f"{where}: a line of more than 90 characters")
        if "solution" in tags(cell):
            if not cell.metadata.get("jupyter", {}).get("source_hidden"):
                found.append(f"{where}: the solution is not hidden")
            if "**Exercise" not in before.source:
                found.append(f"{where}: the solution does not follow the text of its exercise")
            rest = cells[cells.index(cell) + 1 :]
            following = next((c.source for c in rest if c.cell_type == "code"), "")
            if "check." not in following:
                found.append(f"{where}: no check follows the solution")
            if YOUR_TURN not in stub(cell.source):
                found.append(f"{where}: the stub leaves nothing to do")
            ast.parse(stub(cell.source))
    return found


def test_there_are_lessons():
    assert LESSONS and [path.stem for path in LESSONS] == [name for name, _, _ in lessons.LESSONS]


@each_lesson
def test_form(lesson):
    assert faults(read(lesson)) == []


@each_lesson
def test_closing_exercises_go_on_counting_and_have_folded_solutions(lesson):
    cells = read(lesson).cells
    (last,) = (i for i, cell in enumerate(cells) if "## Exercises" in cell.source)
    within = [int(n) for cell in cells for n in re.findall(r"\*\*Exercise (\d+)\.", cell.source)]
    asked = [int(n) for n in re.findall(r"^(\d+)\. ", cells[last].source.split("## Exercises")[1], re.M)]
    assert len(asked) >= 2 and within + asked == list(range(1, 1 + len(within) + len(asked)))
    (solutions,) = cells[last + 1 :]
    assert tags(solutions) == ["solution"]
    folded = re.findall(
        r"<details><summary>Solution of exercise (\d+)</summary>\n\n(.+?)\n\n</details>", solutions.source, re.S
    )
    assert [int(n) for n, _ in folded] == asked and len(folded) == solutions.source.count("details>") // 2
    for code in closing_code(read(lesson)):
        ast.parse(code)


def closing_code(notebook: nbformat.NotebookNode) -> list[str]:
    """The code in the solutions of the closing exercises."""
    solutions = notebook.cells[-1].source
    assert "<summary>Solution of exercise" in solutions
    return re.findall(r"```python\n(.+?)\n```", solutions, re.S)


@each_lesson
def test_measured_times_are_filled_in(lesson):
    time = re.search(r"\*\*Time\*\*[^*]*", read(lesson).cells[0].source)[0]
    assert re.search(r"\d (s|min)\b[^*]*`lesson`[^*]*\d (s|min)\b[^*]*`smoke`", time), time


@each_lesson
def test_parameters(lesson):
    found = parameters(lesson)
    own = ["own"] if lesson.stem == "08_your_own_sounds" else []
    assert list(found) == ["profile", "seed", "data", "interactive", *own]
    check_parameters(lesson, {name: default for name, (_, default) in found.items()})


@each_lesson
def test_saving_from_jupyterlab_changes_nothing(lesson):
    text = lesson.read_text(encoding="utf-8")
    saved = jupytext.writes(jupytext.reads(text, "py:percent"), "py:percent")
    assert "".join(difflib.unified_diff(text.splitlines(True), saved.splitlines(True))) == ""


def top_level(cell: str, kind: type[ast.expr_context]) -> set[str]:
    """Names that a cell binds or reads outside of its functions."""
    outside = [s for s in ast.parse(cell).body if not isinstance(s, (ast.FunctionDef, ast.ClassDef))]
    names = [node for s in outside for node in ast.walk(s) if isinstance(node, ast.Name)]
    return {name.id for name in names if isinstance(name.ctx, kind)}


@each_lesson
def test_after_an_exercise_left_out_no_cell_goes_on_with_an_older_value(lesson):
    """A failed check ends its cell. What that would have bound must then be missing, not mean something else."""
    cells = [cell.source for cell in read(lesson).cells if cell.cell_type == "code"]
    for i, cell in enumerate(cells):
        if not cell.startswith("check."):
            continue
        again = top_level(cell, ast.Store) & set().union(*(top_level(c, ast.Store) for c in cells[:i]))
        later = [top_level(c, ast.Load) - top_level(c, ast.Store) for c in cells[i + 1 :]]
        assert not again & set().union(*later), cell.splitlines()[0]


@each_lesson
def test_a_slider_works_after_the_whole_lesson_has_run(lesson):
    """What a slider's function reads when it is moved is what it read at first: no later cell binds it anew."""
    cells = [cell.source for cell in read(lesson).cells if cell.cell_type == "code"]
    for i, cell in enumerate(cells):
        if "explore.explore(" not in cell:
            continue
        made = [f for c in cells[: i + 1] for f in ast.parse(c).body if isinstance(f, ast.FunctionDef)]
        called = re.findall(r"explore\.explore\((\w+)", cell)
        read_there = set()
        for function in (f for f in made if f.name in called):
            names = [node for node in ast.walk(function) if isinstance(node, ast.Name)]
            own = {a.arg for a in function.args.args} | {n.id for n in names if isinstance(n.ctx, ast.Store)}
            read_there |= {n.id for n in names} - own
        later = set().union(*(top_level(c, ast.Store) for c in cells[i + 1 :]))
        assert not read_there & later, cell


def test_the_form_test_can_fail():
    notebook = jupytext.reads(
        "# %% [markdown]\n# ## no title\n\n# %%\n"
        + "x = 1\n" * 16
        + '\n# %% tags=["solution"]\ndef f():\n    return "'
        + "x" * 90
        + '"\n',
        "py:percent",
    )
    found = "\n".join(faults(notebook))
    for fault in (
        "one H1",
        "lacks **Time**",
        "lacks ## Exercises",
        "tagged parameters",
        "'def f():': no prose",
        "more than 15 lines",
        "more than 90",
        "is not hidden",
        "text of its exercise",
        "no check follows",
    ):
        assert fault in found


@pytest.fixture(scope="session")
def workspace(tmp_path_factory) -> Path:
    """One workspace for all lessons, so that its data set is made once."""
    return tmp_path_factory.mktemp("workspace")


@each_lesson
def test_runs_with_profile_smoke_and_so_do_the_closing_solutions(lesson, workspace, tmp_path, monkeypatch):
    monkeypatch.setenv("SEDLIB_WORKSPACE", str(workspace))
    notebook = read(lesson)
    notebook.cells += map(new_code_cell, closing_code(notebook))
    jupytext.write(notebook, tmp_path / lesson.name, fmt="py:percent")
    done = execute(tmp_path / lesson.name, workspace / "executed", profile="smoke", interactive=False)
    notebook = nbformat.read(done, as_version=4)
    assert all(cell.execution_count for cell in notebook.cells if cell.cell_type == "code")
    assert "widget-view" not in "".join(
        json.dumps(cell.outputs) for cell in notebook.cells if cell.cell_type == "code" and "explore" in cell.source
    )
    text = notebook_html(notebook)
    assert not re.search(r"<(script|link|iframe)\b|@import", text)
    images = re.findall(r"<img\b[^>]*>", text)
    assert images and all(re.match(r'<img alt="[^"]{20,}" [^>]*src="data:image/png', image) for image in images)
    assert lesson_title(notebook)


@each_lesson
def test_stubs_run_up_to_their_checks_which_say_what_is_missing(lesson, tmp_path, capsys):
    notebook = nbformat.read(exercise_notebook(lesson, tmp_path / "exercise.ipynb"), as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    exercises = [cell for cell in code if "exercise" in tags(cell)]
    checks = [cell for cell in code if cell.source.startswith("check.")]
    if not exercises:
        pytest.skip("a lesson without exercises")
    shell = InteractiveShell()
    imports = [cell for cell in code if cell.source.startswith(("import", "from"))]
    for cell in [*imports, *exercises]:
        assert shell.run_cell(cell.source).success, cell.source
    for cell in checks:
        capsys.readouterr()
        error = shell.run_cell(cell.source).error_in_exec
        assert isinstance(error, WrongAnswer) and "nothing" in str(error) and "yet" in str(error)
        assert capsys.readouterr().out == f"not yet: {error}\n"  # and no traceback
