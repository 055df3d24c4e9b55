"""The examples in docstrings are true."""

import doctest
import importlib
import pkgutil

import pytest

import minidesed
import reproduction
import sedcourse
import sedlib

MODULES = [
    module.name
    for package in (sedlib, minidesed, reproduction, sedcourse)
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
]


def examples(name: str) -> list[doctest.DocTest]:
    found = doctest.DocTestFinder().find(importlib.import_module(name))
    return [test for test in found if test.examples]


def test_there_are_examples_of_every_step_of_the_system():
    rooms = ("data.encoder", "features.pcen", "features.smoother", "decode.events", "decode.decoders", "metrics.f1")
    assert all(examples(f"sedlib.{room}") for room in rooms)


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    for test in examples(name):
        report: list[str] = []
        doctest.DocTestRunner().run(test, out=report.append)
        assert not report, "".join(report)
