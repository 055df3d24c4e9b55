"""What holds for every module of the package."""

import dataclasses
import importlib
import pkgutil
import re
import subprocess
import sys

import numpy as np
import pytest

import sedlib
from sedlib.decode import Hmm

MODULES = [module.name for module in pkgutil.walk_packages(sedlib.__path__, "sedlib.")]
ARRAYS = re.compile(r"\b(ndarray|Tensor|DataFrame|Series)\b")


@pytest.mark.parametrize("name", MODULES)
def test_dataclasses_that_hold_arrays_are_compared_by_identity(name):
    """An `==` of arrays is an array, so a comparison of all fields raises ValueError."""
    for kind in vars(importlib.import_module(name)).values():
        if isinstance(kind, type) and dataclasses.is_dataclass(kind) and kind.__module__ == name:
            holds = [known.name for known in dataclasses.fields(kind) if ARRAYS.search(str(known.type))]
            assert not holds or kind.__eq__ is object.__eq__, f"{name}.{kind.__name__} holds {', '.join(holds)}: eq=False"


def test_an_import_changes_no_filter_of_warnings_and_a_training_shows_none_of_others():
    code = """
import warnings
before = list(warnings.filters)
import sedlib
assert warnings.filters == before, warnings.filters[:3]
import sedlib.cli, sedlib.metrics, sedlib.training  # whose libraries have filters of their own
assert not [kind for kind in warnings.filters if "pkg_resources" in str(kind)], warnings.filters
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    sedlib.training.loop.own_fabric()
assert not [w for w in caught if "pkg_resources is deprecated" in str(w.message)], caught[0]
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_two_models_can_be_compared():
    one = Hmm.alike(0.9, 0.9)
    assert one == one and one != Hmm.alike(0.9, 0.9) and len({one, one}) == 1
    assert np.array_equal(one.p_event, Hmm.alike(0.9, 0.9).p_event)
