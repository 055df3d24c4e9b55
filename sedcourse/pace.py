"""``python -m sedcourse.pace``: how long each lesson takes to read and try, and how much of its code only shows things.

**Minutes.** Students read 150 words and 10 lines of code a minute. A prediction, and a table, picture or player, take
half a minute each; a function of the library that is shown takes one, a slider two, an exercise with a check four, and
the quiz four. Each call in the text of a cell counts once. Closing exercises, solutions and computing are left out.

**Lines that only show.** A line does if its statement draws (``plots.``, a function ``draw...``), tabulates
(``html.table``, ``display``), or is an assignment that feeds nothing else and calls only what formats text. All code
cells count but parameters and quiz.

A lesson states its minutes, rounded up to five, in its first cell; a test compares.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence

from nbformat import NotebookNode

from reproduction.lessons import lessons
from sedcourse.execute import read

WORDS, LINES = 150, 10  # a minute
MINUTES = {"predictions": 0.5, "looks": 0.5, "sources": 1, "sliders": 2, "exercises": 4, "quizzes": 4}
_CALLS = {
    "plots.show": "looks",
    "html.table": "looks",
    "players.play": "looks",
    "show.source": "sources",
    "explore.explore": "sliders",
    "quiz.show": "quizzes",
}
_FORMATS = set(
    "append astype dict enumerate format head in_words items join len list map rename_axis reset_index round sum "
    "to_dict to_numpy zip DataFrame".split()
)


def counts(lesson: NotebookNode) -> dict[str, int]:
    """Count what takes time in a lesson: ``words``, ``lines`` and the kinds of `MINUTES`."""
    found = dict.fromkeys(["words", "lines", *MINUTES], 0)
    for cell in lesson.cells:
        if "solution" in cell.metadata.get("tags", []):
            found["exercises"] += cell.cell_type == "code"
        elif cell.cell_type == "markdown":
            text = cell.source.split("## Exercises")[0]
            found["words"] += len(text.split())
            found["predictions"] += len(re.findall(r"\*\*Predict\b", text))
        else:
            found["lines"] += len(_lines(cell.source))
            for node in ast.walk(ast.parse(cell.source)):
                if isinstance(node, ast.Call) and (kind := _CALLS.get(ast.unparse(node.func))):
                    found[kind] += 1
    return found


def minutes(lesson: NotebookNode) -> int:
    """Return how long a lesson takes to read and try, rounded up to five minutes."""
    found = counts(lesson)
    exact = found["words"] / WORDS + found["lines"] / LINES + sum(of * found[kind] for kind, of in MINUTES.items())
    return 5 * -int(-exact // 5)


def showing(lesson: NotebookNode, tables: bool = True) -> float:
    """Return the share of a lesson's lines of code that only show things; without ``tables``, that only draw."""
    cells = [cell for cell in lesson.cells if cell.cell_type == "code"]
    texts = [c.source for c in cells if "parameters" not in c.metadata.get("tags", []) and "quiz.show" not in c.source]
    trees = [ast.parse(text) for text in texts]
    statements = [statement for tree in trees for statement in _simple(tree.body)]
    shows = [_shows(statement, tables) for statement in statements]
    while True:
        used = {name for tree in trees for name in _heads(tree)}
        for statement, only in zip(statements, shows, strict=True):
            used |= set() if only else _names(statement, ast.Load)
        more = [only or _feeds(statement, used) for statement, only in zip(statements, shows, strict=True)]
        if more == shows:
            break
        shows = more
    lines = sum((s.end_lineno or s.lineno) - s.lineno + 1 for s, only in zip(statements, shows, strict=True) if only)
    return lines / sum(len(_lines(text)) for text in texts)


def _lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.strip()]


def _simple(body: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the statements that hold no others."""
    for statement in body:
        parts = [part for part in ast.walk(statement) if part is not statement and isinstance(part, ast.stmt)]
        if parts:
            yield from (part for part in parts if not any(isinstance(x, ast.stmt) for x in ast.walk(part) if x != part))
        else:
            yield statement


def _heads(tree: ast.Module) -> set[str]:
    """Return the names in the heads of loops and conditions."""
    heads = [
        getattr(node, head, None) for node in ast.walk(tree) if isinstance(node, ast.stmt) for head in ("test", "iter")
    ]
    return {name for head in heads for name in _names(head, ast.Load)}


def _names(node: ast.AST | None, context: type) -> set[str]:
    of = ast.walk(node) if node is not None else ()
    return {name.id for name in of if isinstance(name, ast.Name) and isinstance(name.ctx, context)}


def _shows(statement: ast.stmt, tables: bool) -> bool:
    for call in ast.walk(statement):
        if isinstance(call, ast.Call):
            name = ast.unparse(call.func)
            draws = name.startswith("plots.") and name != "plots.in_words" or name.split(".")[-1].startswith("draw")
            if draws or tables and name in ("html.table", "display"):
                return True
    return False


def _feeds(statement: ast.stmt, used: set[str]) -> bool:
    """Whether an assignment feeds only what shows, and formats."""
    if not isinstance(statement, (ast.Assign, ast.AnnAssign)):
        return False
    targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
    if any(_names(target, ast.Store) & used for target in targets):
        return False
    called = [ast.unparse(node.func) for node in ast.walk(statement) if isinstance(node, ast.Call)]
    return all(name.split(".")[-1] in _FORMATS for name in called)


if __name__ == "__main__":
    for path in lessons():
        text = read(path)
        print(
            f"{path.stem:22} {minutes(text):3} minutes; of the code {showing(text, tables=False):4.0%} only draws, "
            f"{showing(text):4.0%} only shows; {len(text.cells)} cells; {counts(text)}"
        )
