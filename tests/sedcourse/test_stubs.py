"""Exercises: what the learner starts from, made of the solution."""

import ast
import re

import nbformat
import pytest

from reproduction.lessons import lessons
from sedcourse.execute import read
from sedcourse.stubs import PREDICTION, YOUR_TURN, exercise_notebook, stub
from sedlib.errors import SedError

SOLUTION = '''\
import math

R = 50 * 100

def rampup(step: float, length: float = R) -> float:
    """exp(-5 (1 - step / R)^2)."""
    # a comment of the solution
    rest = 1 - min(step, length) / length
    factor = -5  # given
    exponent = factor * rest**2
    return math.exp(exponent)

def nothing(x):
    return x  # given

a, b = (
    1,
    2,
)
print(a)
print(b)
seed = 0  # given
'''

STUB = f'''\
import math
R = {YOUR_TURN}


def rampup(step: float, length: float = R) -> float:
    """exp(-5 (1 - step / R)^2)."""
    {YOUR_TURN}
    factor = -5  # given
    {YOUR_TURN}


def nothing(x):
    return x  # given
(a, b) = {YOUR_TURN}
{YOUR_TURN}
seed = 0  # given'''


def test_a_stub_keeps_signature_docstring_imports_and_given_lines():
    assert stub(SOLUTION) == STUB


def test_a_stub_is_a_program():
    ast.parse(STUB)


def test_a_function_in_one_block_becomes_one_turn():
    assert stub("def f(x):\n    y = 2 * x\n    return y") == f"def f(x):\n    {YOUR_TURN}"


def test_a_decorator_stays():
    assert stub("@torch.no_grad()\ndef f(x):\n    return x") == f"@torch.no_grad()\ndef f(x):\n    {YOUR_TURN}"


def test_an_exercise_notebook_hides_nothing_and_tells_nothing(tmp_path):
    lesson = tmp_path / "42_test.py"
    lesson.write_text(
        "# %% [markdown]\n# # Test\n\n# %%\nx = 1\n\n"
        '# %% jupyter={"source_hidden": true} tags=["solution"]\ndef f():\n    return 42\n\n'
        '# %% [markdown] tags=["solution"]\n# <details><summary>Solution of exercise 2</summary>\n# 42\n# </details>\n'
    )
    open_ended = nbformat.read(exercise_notebook(lesson, tmp_path / "folded.ipynb", solutions=True), as_version=4)
    assert open_ended.cells[-1].source.startswith("<details><summary>Solution of exercise 2")
    notebook = nbformat.read(exercise_notebook(lesson, tmp_path / "deep/out.ipynb"), as_version=4)
    nbformat.validate(notebook)
    assert [cell.source for cell in notebook.cells[1:]] == ["x = 1", f"def f():\n    {YOUR_TURN}"]
    assert dict(notebook.cells[2].metadata) == {"tags": ["exercise"]}
    assert [p.name for p in (tmp_path / "deep").iterdir()] == ["out.ipynb"]


def test_a_place_to_write_follows_each_prediction_and_the_solution_is_folded(tmp_path):
    lesson = tmp_path / "42_test.py"
    lesson.write_text(
        "# %% [markdown]\n# # Test\n#\n# **Predict:** what?\n# And why?\n#\n# Later. See [HMM](06_hmm.py#tuning).\n\n"
        '# %% jupyter={"source_hidden": true} tags=["solution"]\ndef f():\n    return 42\n'
    )
    notebook = nbformat.read(exercise_notebook(lesson, tmp_path / "out.ipynb", solutions=True), as_version=4)
    nbformat.validate(notebook)
    first, prediction, rest, exercise, solution = notebook.cells
    assert first.source.endswith("**Predict:** what?\nAnd why?") and prediction.source == PREDICTION
    assert rest.source == "Later. See [HMM](06_hmm.ipynb#tuning)."
    assert YOUR_TURN in exercise.source and "42" not in exercise.source
    assert solution.source.startswith("<details><summary>Solution</summary>\n\n```python\ndef f():\n    return 42")
    assert [cell.id for cell in notebook.cells] == [f"lesson-{i:03d}" for i in range(5)]


@pytest.mark.parametrize("lesson", lessons(), ids=lambda path: path.stem)
def test_every_prediction_of_a_lesson_has_its_place(lesson, tmp_path):
    notebook = nbformat.read(exercise_notebook(lesson, tmp_path / "out.ipynb"), as_version=4)
    cells = [cell.source for cell in notebook.cells]
    prompts = [i for i, source in enumerate(cells) if re.search(r"\*\*Predict\b", source)]
    assert prompts and all(cells[i + 1] == PREDICTION for i in prompts)
    texts = [
        c for c in read(lesson).cells if c.cell_type == "markdown" and "solution" not in c.metadata.get("tags", [])
    ]
    told = [line for cell in texts for line in cell.source.splitlines()]
    written = [line for source in cells for line in source.replace(".ipynb", ".py").splitlines()]
    assert not {line for line in told if line.strip()} - set(written)  # nothing of the text is lost


def test_a_profile_and_an_installation_where_they_are_asked_for(tmp_path):
    path = exercise_notebook("03", tmp_path / "out.ipynb", profile="smoke", source="someone/course")
    code = [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    assert "git+https://github.com/someone/course" in code[0] and 'profile: str = "smoke"' in code[1]
    usual = nbformat.read(exercise_notebook("03", path, force=True), as_version=4)
    (first, *_) = [cell.source for cell in usual.cells if cell.cell_type == "code"]
    assert 'profile: str = "lesson"' in first


def test_a_solved_notebook_is_not_written_over(tmp_path):
    notebook = exercise_notebook("00", tmp_path / "my.ipynb")
    notebook.write_text("hours of work")
    with pytest.raises(
        SedError, match="my.ipynb: exists already, perhaps with work in it; give another name, or --force"
    ):
        exercise_notebook("00", notebook)
    assert notebook.read_text() == "hours of work"
    nbformat.read(exercise_notebook("00", notebook, force=True), as_version=4)


def test_only_a_notebook_is_written(tmp_path):
    lesson = tmp_path / "42_test.py"
    lesson.write_text("# %%\nx = 1\n")
    for name in ("42_test.py", "notebook", "."):
        with pytest.raises(SedError, match="must end with .ipynb"):
            exercise_notebook(lesson, tmp_path / name, force=True)
    (tmp_path / "folder.ipynb").mkdir()
    with pytest.raises(SedError, match="folder.ipynb: is a folder"):
        exercise_notebook(lesson, tmp_path / "folder.ipynb", force=True)
    with pytest.raises(SedError, match="42_test.py: is a file, but a folder is needed"):
        exercise_notebook(lesson, lesson / "a.ipynb")
    assert lesson.read_text() == "# %%\nx = 1\n"
