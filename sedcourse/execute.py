"""Run a lesson: check its parameters, execute it from top to bottom in a fresh kernel.

A lesson, ``notebooks/NN_name.py``, is text in jupytext's py:percent format; one cell, tagged ``parameters``, holds its
typed parameters. Used by `sedlib reproduce` and by the tests; in JupyterLab a reader runs the same file cell by cell.
"""

from __future__ import annotations

import ast
import difflib
import os
from pathlib import Path
from typing import Any

import jupytext
import papermill
from ipykernel.kernelspec import get_kernel_dict
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from nbformat import NotebookNode
from papermill.exceptions import PapermillExecutionError

from reproduction.lessons import find
from sedlib.errors import SedError
from sedlib.files import whole
from sedlib.workspace import handed_on, home_path

TYPES = {"str": str, "int": int, "float": float, "bool": bool}


class ThisInterpreter(AsyncKernelManager):
    """Starts the kernel with the running interpreter, whatever kernels are registered on this machine."""

    @property
    def kernel_spec(self) -> KernelSpec:
        # the kernel works in the folder of the lesson
        return KernelSpec(**get_kernel_dict(), env=handed_on())


def read(lesson: str | Path) -> NotebookNode:
    """A lesson as a notebook without outputs."""
    return jupytext.read(find(lesson))


def parameters(lesson: str | Path) -> dict[str, tuple[type, Any]]:
    """Type and default of each parameter of a lesson, read from its cell tagged ``parameters``."""
    cells = [c for c in read(lesson).cells if "parameters" in c.metadata.get("tags", [])]
    if len(cells) != 1:
        raise SedError(f"{lesson}: {len(cells)} cells are tagged 'parameters'; a lesson has exactly one")
    found = {}
    for node in ast.parse(cells[0].source).body:
        if isinstance(node, ast.AnnAssign):
            name, kind, value = node.target, node.annotation, node.value
            assert isinstance(name, ast.Name) and isinstance(kind, ast.Name) and value is not None
            found[name.id] = TYPES[kind.id], ast.literal_eval(value)
    return found


def check_parameters(lesson: str | Path, values: dict[str, Any]) -> None:
    """`SedError` for a name that the lesson does not have, or a value that is not of its type."""
    known = parameters(lesson)
    for name, value in values.items():
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            names = ", ".join(f"{n}: {kind.__name__}" for n, (kind, _) in known.items())
            raise SedError(f"{Path(lesson).name}: no parameter {name!r}; {hint}it has {names}")
        kind = known[name][0]
        # bool is an int in Python, and an int serves as a float; neither is meant the other way round
        fits = type(value) is kind or (kind is float and type(value) is int)
        if not fits:
            raise SedError(f"{Path(lesson).name}: parameter {name} is {value!r}; it must be of type {kind.__name__}")


def execute(lesson: str | Path, out_dir: str | Path, **values: Any) -> Path:
    """Run a lesson from top to bottom in a fresh kernel of this interpreter.

    Parameters
    ----------
    lesson : str or path
        As `find` takes it.
    out_dir : path
        Where ``NN_name.ipynb`` is written, with all outputs.
    **values
        Parameters of the lesson; the others keep their defaults. ``data`` may be a path relative to the current folder.

    Returns
    -------
    path of the executed notebook

    Raises
    ------
    SedError
        For an unknown parameter or one of a wrong type; and for a cell that fails, with the lesson, the cell's first
        line and the error. What ran until then is kept as ``NN_name.failed.ipynb``.
    """
    path, out_dir = find(lesson), Path(out_dir)
    check_parameters(path, values)
    if values.get("data", "mini") != "mini":  # a path; the kernel works in another folder
        values["data"] = os.path.abspath(home_path(values["data"]))
    out_dir.mkdir(parents=True, exist_ok=True)
    done, failed = out_dir / f"{path.stem}.ipynb", out_dir / f"{path.stem}.failed.ipynb"
    partial = out_dir / f".{path.stem}.partial.ipynb"
    jupytext.write(read(path), partial, fmt="ipynb")
    try:
        papermill.execute_notebook(
            partial,
            partial,
            parameters=values,
            kernel_name="python3",
            language="python",
            cwd=path.parent,
            kernel_manager_class=ThisInterpreter,
            progress_bar={"desc": path.stem, "unit": "cell"},
        )
    except PapermillExecutionError as error:
        partial.replace(failed)
        line = next((text for text in error.source.splitlines() if text.strip()), "")
        raise SedError(
            f"{path.name}, cell [{error.exec_count}] {line!r}: {error.ename}: {error.evalue}; "
            f"what ran until there: {failed}"
        ) from None
    with whole(done) as complete:
        partial.replace(complete)
    failed.unlink(missing_ok=True)
    return done
