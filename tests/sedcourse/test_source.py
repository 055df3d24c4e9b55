"""`show.source`: the code as it runs, without docstrings."""

from sedcourse import show
from sedlib import training
from sedlib.decode import hmm
from sedlib.models.crnn import GLU


def test_the_code_is_shown_without_its_docstrings():
    found = show.shown(training.rampup)
    assert found.text.startswith("def rampup(") and "Compute exp" not in found.text and "math.exp" in found.text
    assert "sedlib.training.mean_teacher.rampup" in found.data and "<style" not in found.data


def test_a_class_and_its_methods():
    text = show.shown(GLU).text
    assert text.startswith("class GLU") and "Gated" not in text and "x.sigmoid()" in text
    compile(text, "shown", "exec")


def test_what_only_machines_read_is_left_out():
    assert "pyright" not in show.shown(training.update_teacher).text


def test_a_method_is_dedented_and_a_compiled_function_is_as_written():
    assert show.shown(training.MeanTeacher.step).text.startswith("def step(")
    assert "def best_paths(" in show.shown(hmm.best_paths).text
