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

_TYPES = {"str": str, "int": int, "float": float, "bool": bool}


class ThisInterpreter(AsyncKernelManager):
    """Starts the kernel with the running interpreter, whatever kernels are registered on this machine."""

    @property
    def kernel_spec(self) -> KernelSpec:
        """Return this interpreter's kernel, which works in the folder of the lesson."""
        return KernelSpec(**get_kernel_dict(), env=handed_on())


def read(lesson: str | Path) -> NotebookNode:
    """Read a lesson as a notebook without outputs."""
    return jupytext.read(find(lesson))


def parameters(lesson: str | Path) -> dict[str, tuple[type, Any]]:
    """Read type and default of each parameter of a lesson from its cell tagged ``parameters``."""
    cells = [c for c in read(lesson).cells if "parameters" in c.metadata.get("tags", [])]
    if len(cells) != 1:
        raise SedError(f"{lesson}: {len(cells)} cells are tagged 'parameters'; a lesson has exactly one")
    found = {}
    for node in ast.parse(cells[0].source).body:
        if isinstance(node, ast.AnnAssign):
            name, kind, value = node.target, node.annotation, node.value
            assert isinstance(name, ast.Name) and isinstance(kind, ast.Name) and value is not None
            found[name.id] = _TYPES[kind.id], ast.literal_eval(value)
    return found


def check_parameters(lesson: str | Path, values: dict[str, Any]) -> None:
    """Raise `SedError` for a name that the lesson does not have, or a value that is not of its type."""
    known = parameters(lesson)
    for name, value in values.items():
        if name not in known:
            hint = "".join(f"did you mean {near!r}? " for near in difflib.get_close_matches(name, known, n=1))
            names = ", ".join(f"{n}: {kind.__name__}" for n, (kind, _) in known.items())
            raise SedError(f"{Path(lesson).name}: no parameter {name!r}; {hint}it has {names}")
        kind = known[name][0]
        if type(value) is not kind and not (kind is float and type(value) is int):  # bool is an int in Python
            raise SedError(f"{Path(lesson).name}: parameter {name} is {value!r}; it must be of type {kind.__name__}")


def execute(lesson: str | Path, out_dir: str | Path, **values: Any) -> Path:
    """Run a lesson (path, name or number) from top to bottom in a fresh kernel of this interpreter.

    Parameters
    ----------
    out_dir : path
        Folder of the result, ``NN_name.ipynb`` with all outputs, which is returned.
    **values
        Parameters of the lesson; the others keep their defaults. ``data`` and ``own`` may be paths relative to the
        current folder.

    Raises
    ------
    SedError
        For an unknown parameter, one of a wrong type, or a cell that fails, with the lesson, the cell's first line and
        the error. What ran until then is kept as ``NN_name.failed.ipynb``.
    """
    path, out_dir = find(lesson), Path(out_dir)
    check_parameters(path, values)
    for name, none in (("data", "mini"), ("own", "")):  # paths; the kernel works in another folder
        if values.get(name, none) != none:
            values[name] = os.path.abspath(home_path(values[name]))
    out_dir.mkdir(parents=True, exist_ok=True)
    done, failed = out_dir / f"{path.stem}.ipynb", out_dir / f"{path.stem}.failed.ipynb"
    partial = out_dir / f".{path.stem}.partial.ipynb"
    jupytext.write(read(path), partial, fmt="ipynb")
    try:
        settings = {"kernel_name": "python3", "language": "python", "kernel_manager_class": ThisInterpreter}
        bar = {"desc": path.stem, "unit": "cell"}
        papermill.execute_notebook(partial, partial, parameters=values, cwd=path.parent, progress_bar=bar, **settings)
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
