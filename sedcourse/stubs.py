"""Exercises: written as solutions, handed out as stubs.

In a lesson, a cell tagged ``solution`` follows the text of its exercise, hidden until opened. In a notebook of
exercises it holds only signatures, docstrings, lines that end with ``# given``, and ``...  # your turn`` for the rest.
A cell to write into follows each **Predict** prompt, and the solution lies folded below its exercise. The solutions of
a lesson's closing exercises are text with code, folded already, in a cell with the same tag.

``python -m sedcourse.stubs FOLDER [PROFILE]`` writes all lessons so, as ``make lab`` does. Where ``GITHUB_REPOSITORY``
names a repository, they install the course from there first if they run in Google's Colab.
"""

from __future__ import annotations

import ast
import hashlib
import os
import re
import sys
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell

from reproduction.lessons import find, lessons
from sedcourse.execute import read
from sedlib.errors import SedError
from sedlib.files import check_output, write_output

YOUR_TURN = "...  # your turn"
_INSTALL = """# only in Colab, once: a few minutes
import sys
if "google.colab" in sys.modules:
    %pip install -q "sedlib[course] @ git+https://github.com/{}"
"""
PREDICTION = "> **My prediction** (double-click to write it down before you run on): "


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


def exercise_notebook(
    lesson: str | Path,
    out: str | Path,
    force: bool = False,
    solutions: bool = False,
    profile: str = "",
    source: str = "",
) -> Path:
    """Write a lesson (path, name or number) as a notebook whose exercises are still to be solved.

    Parameters
    ----------
    out : path
        The notebook (.ipynb) to write.
    force : bool
        Overwrite an existing notebook, with all work in it.
    solutions : bool
        Put each solution below its exercise, folded.
    profile : str
        The profile to start with; the lesson's own if empty.
    source : str
        "owner/name" of a repository on GitHub, from which a first cell installs the course in Colab.

    Raises
    ------
    SedError
        If there is no such lesson; if ``out`` is no name of a notebook, is there already, or cannot be written.
    """
    out, path = Path(out), find(lesson)
    if out.suffix != ".ipynb":
        raise SedError(f"{out}: the name of a notebook must end with .ipynb")
    if out.exists() and not force:
        raise SedError(f"{out}: exists already, perhaps with work in it; give another name, or --force to overwrite it")
    check_output(out)
    notebook = read(path)
    cells = []
    for cell in notebook.cells:
        if "solution" in cell.metadata.get("tags", []) and cell.cell_type == "markdown":
            cells += [new_markdown_cell(cell.source)] if solutions else []
        elif "solution" in cell.metadata.get("tags", []):
            folded = f"<details><summary>Solution</summary>\n\n```python\n{cell.source}\n```\n\n</details>"
            cell.source = stub(cell.source)
            cell.metadata = nbformat.from_dict({"tags": ["exercise"]})
            cells += [cell, new_markdown_cell(folded)] if solutions else [cell]
        elif cell.cell_type == "markdown":
            cells += [new_markdown_cell(text) for text in _with_predictions(_own_links(cell.source))]
        else:
            if profile and "parameters" in cell.metadata.get("tags", []):
                cell.source = re.sub(r'(?m)^profile: str = ".*"$', f'profile: str = "{profile}"', cell.source)
            cells.append(cell)
    if source:
        cells.insert(1, new_code_cell(_INSTALL.format(source)))
    for number, cell in enumerate(cells):
        cell.id = f"lesson-{number:03d}"  # by which `sedcourse.grade` tells a learner's own cells
    notebook.cells = cells
    notebook.metadata["sedcourse"] = {"lesson": path.stem, "source": checksum(path)}
    write_output(out, nbformat.writes(notebook) + "\n")
    return out


def checksum(lesson: Path) -> str:
    """Return a checksum of a lesson's text."""
    return hashlib.sha256(lesson.read_bytes()).hexdigest()[:16]


def students_version(folder: Path, profile: str = "", source: str = "") -> list[str]:
    """Write every lesson that is not in a folder yet as a notebook of exercises; existing ones are never touched.

    Returns
    -------
    names of notebooks that were kept and that another state of the lesson was written for
    """
    older = []
    for lesson in lessons():
        out = folder / f"{lesson.stem}.ipynb"
        if not out.exists():
            exercise_notebook(lesson, out, solutions=True, profile=profile, source=source)
        elif checksum(lesson) not in out.read_text(encoding="utf-8", errors="replace"):
            older.append(out.name)
    return older


def _with_predictions(text: str) -> list[str]:
    """Cut a text after each paragraph with a **Predict** prompt, and put what one writes into there."""
    parts, rest = [], ""
    for paragraph in re.split(r"\n\s*\n", text):
        rest = f"{rest}\n\n{paragraph}" if rest else paragraph
        if re.search(r"\*\*Predict\b", paragraph):
            parts += [rest, PREDICTION]
            rest = ""
    return [*parts, rest] if rest else parts


def _own_links(text: str) -> str:
    """Let links to other lessons lead to the notebooks beside this one."""
    return re.sub(r"\]\((\d\d_\w+)\.py\b", r"](\1.ipynb", text)


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


if __name__ == "__main__":
    try:
        students_version(Path(sys.argv[1]), "".join(sys.argv[2:3]), os.environ.get("GITHUB_REPOSITORY", ""))
    except (SedError, IndexError) as error:
        sys.exit(f"Error: {error if isinstance(error, SedError) else 'give the folder to write the lessons into'}")
