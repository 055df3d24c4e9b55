"""Exercises: written as solutions, handed out as stubs.

In a lesson, a cell tagged ``solution`` follows the text of its exercise, hidden until one opens it. In a notebook of
exercises it holds only signatures, docstrings, lines that end with ``# given``, and ``...  # your turn`` for the rest.
"""

from __future__ import annotations

import ast
from pathlib import Path

import nbformat

from sedcourse.execute import read
from sedlib.errors import SedError
from sedlib.files import check_output, write_output

YOUR_TURN = "...  # your turn"


def stub(solution: str) -> str:
    r"""Reduce the source of a solution to what the learner starts from.

    Functions keep their signature, docstring and given lines; ``name = value`` becomes ``name = ...``; imports stay.

    >>> print(stub("def double(x):\n    return 2 * x"))
    def double(x):
        ...  # your turn
    """
    lines = solution.splitlines()
    out: list[str] = []
    for node in ast.parse(solution).body:
        if isinstance(node, ast.FunctionDef):
            out += ["", "", *_function(node, lines)] if out else _function(node, lines)
        elif isinstance(node, (ast.Import, ast.ImportFrom)) or _is_given(node, lines):
            out += _lines(node, lines)
        elif isinstance(node, ast.Assign):
            out.append(f"{', '.join(ast.unparse(target) for target in node.targets)} = {YOUR_TURN}")
        elif out[-1:] != [YOUR_TURN]:
            out.append(YOUR_TURN)
    return "\n".join(out)


def exercise_notebook(lesson: str | Path, out: str | Path, force: bool = False) -> Path:
    """Write a lesson (path, name or number) as a notebook whose exercises are still to be solved.

    Parameters
    ----------
    out : path
        The notebook (.ipynb) to write.
    force : bool
        Write over a notebook that is there, with all that was done in it.

    Raises
    ------
    SedError
        If there is no such lesson; if ``out`` is no name of a notebook, is there already, or cannot be written.
    """
    out = Path(out)
    if out.suffix != ".ipynb":
        raise SedError(f"{out}: the name of a notebook must end with .ipynb")
    if out.exists() and not force:
        raise SedError(
            f"{out}: is there already, perhaps with work in it; give another name, or --force to write over it"
        )
    check_output(out)
    notebook = read(lesson)
    for cell in notebook.cells:
        if "solution" in cell.metadata.get("tags", []):
            cell.source = stub(cell.source)
            cell.metadata = nbformat.from_dict({"tags": ["exercise"]})
    write_output(out, nbformat.writes(notebook) + "\n")
    return out


def _function(node: ast.FunctionDef, lines: list[str]) -> list[str]:
    body = node.body
    first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
    out = lines[first - 1 : body[0].lineno - 1]
    if ast.get_docstring(node) is not None:
        out, body = out + _lines(body[0], lines), body[1:]
    turn = " " * node.body[0].col_offset + YOUR_TURN
    for statement in body:
        if _is_given(statement, lines):
            out += _lines(statement, lines)
        elif out[-1] != turn:
            out.append(turn)
    return out


def _lines(node: ast.stmt, lines: list[str]) -> list[str]:
    return lines[node.lineno - 1 : node.end_lineno]


def _is_given(node: ast.stmt, lines: list[str]) -> bool:
    return _lines(node, lines)[-1].rstrip().endswith("# given")
