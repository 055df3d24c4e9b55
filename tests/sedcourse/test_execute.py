"""Running a lesson: parameters, failures, the kernel; on lessons of three cells, made here."""

import ast
import json
import sys
from pathlib import Path

import nbformat
import pytest

from reproduction import lessons
from sedcourse import execute
from sedlib.errors import SedError

PARAMETERS = '# %% tags=["parameters"]\nprofile: str = "lesson"\nseed: int = 0\nshare: float = 0.5\nfast: bool = True\n'


@pytest.fixture
def lesson(tmp_path: Path):
    """Write a lesson; returns its path."""

    def write(code: str, name: str = "42_test.py") -> Path:
        path = tmp_path / name
        path.write_text(f"# %% [markdown]\n# # A test\n\n{PARAMETERS}\n# %%\n{code}\n")
        return path

    return write


def test_parameters_are_read_with_type_and_default(lesson):
    assert execute.parameters(lesson("")) == {
        "profile": (str, "lesson"),
        "seed": (int, 0),
        "share": (float, 0.5),
        "fast": (bool, True),
    }


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"sead": 1}, ["no parameter 'sead'", "did you mean 'seed'?", "profile: str, seed: int"]),
        ({"zzz": 1}, ["no parameter 'zzz'; it has profile: str"]),
        ({"seed": "1"}, ["seed is '1'", "of type int"]),
        ({"seed": True}, ["seed is True", "of type int"]),
        ({"fast": 1}, ["fast is 1", "of type bool"]),
        ({"profile": None}, ["profile is None", "of type str"]),
        ({"share": "half"}, ["share is 'half'", "of type float"]),
    ],
)
def test_wrong_parameters_are_refused_before_anything_runs(lesson, tmp_path, values, words):
    with pytest.raises(SedError) as error:
        execute.execute(lesson("raise SystemExit"), tmp_path / "out", **values)
    assert all(word in str(error.value) for word in words)
    assert not (tmp_path / "out").exists()


def test_an_int_serves_as_a_float(lesson):
    execute.check_parameters(lesson(""), {"share": 1})


def test_without_a_parameters_cell(tmp_path):
    path = tmp_path / "42_test.py"
    path.write_text("# %%\n1\n")
    with pytest.raises(SedError, match="0 cells are tagged 'parameters'"):
        execute.parameters(path)


def test_a_run_uses_this_interpreter_and_the_parameters(lesson, tmp_path, monkeypatch):
    # a user's kernel of the usual name that is somebody else's
    kernel = tmp_path / "jupyter/kernels/python3"
    kernel.mkdir(parents=True)
    (kernel / "kernel.json").write_text(json.dumps({"argv": ["false"], "display_name": "x", "language": "python"}))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    monkeypatch.chdir(tmp_path)
    code = "import sys\n{'interpreter': sys.executable, 'prefix': sys.prefix, 'seed': seed, 'profile': profile}"
    done = execute.execute(lesson(code), "out", seed=7)
    assert done == Path("out/42_test.ipynb")
    outputs = nbformat.read(done, as_version=4).cells[-1].outputs
    found = ast.literal_eval(outputs[0]["data"]["text/plain"])
    assert found == {"interpreter": sys.executable, "prefix": sys.prefix, "seed": 7, "profile": "lesson"}
    assert [p.name for p in Path("out").iterdir()] == ["42_test.ipynb"]


def test_a_failing_cell_is_named_and_its_output_kept(lesson, tmp_path):
    path = lesson("\nanswer = 41\nprint('so far')\nassert answer == 42, 'wrong answer'")
    with pytest.raises(SedError) as error:
        execute.execute(path, tmp_path / "out")
    for part in ("42_test.py", "'answer = 41'", "AssertionError: wrong answer", "42_test.failed.ipynb"):
        assert part in str(error.value)
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["42_test.failed.ipynb"]
    notebook = nbformat.read(tmp_path / "out/42_test.failed.ipynb", as_version=4)
    outputs = [o for cell in notebook.cells if cell.cell_type == "code" for o in cell.outputs]
    assert any(o.get("text") == "so far\n" for o in outputs)
    assert any(o.output_type == "error" for o in outputs)


def test_lessons_are_found_by_number_name_and_path():
    first = lessons.lessons()[0]
    assert first.name == "00_start_here.py"
    assert all(lessons.find(name) == first for name in ("00", "00_start_here", "00_start_here.py", first))
    with pytest.raises(SedError, match="lesson '77' does not exist; choose one of 00_start_here"):
        lessons.find("77")
