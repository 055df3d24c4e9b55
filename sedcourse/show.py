"""`source` shows the library's code in a lesson: what is taught is what is run."""

from __future__ import annotations

import ast
import html
import inspect
import re
import textwrap
from typing import Any

from IPython.display import display
from pygments import highlight
from pygments.formatters.html import HtmlFormatter
from pygments.lexers.python import PythonLexer

from sedcourse.html import Shown


def source(thing: Any) -> None:
    """Show the source of a function, method or class in colours, without its docstrings.

    Parameters
    ----------
    thing : function, method or class
        A function that numba compiled is shown as it was written.
    """
    display(shown(thing))


def shown(thing: Any) -> Shown:
    """Return what `source` displays."""
    thing = getattr(thing, "py_func", thing)
    code = _without_docstrings(textwrap.dedent(inspect.getsource(thing))).strip()
    code = re.sub(r"  # (pyright|type|noqa):.*", "", code)  # for machines
    coloured = highlight(code, PythonLexer(), HtmlFormatter(noclasses=True, nobackground=True))
    name = html.escape(f"{thing.__module__}.{thing.__qualname__}")
    return Shown(
        f'<figure style="margin:0.5em 0"><figcaption><code>{name}</code></figcaption>{coloured}</figure>', code
    )


def _without_docstrings(code: str) -> str:
    lines: list[str | None] = [*code.splitlines()]
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and ast.get_docstring(node, clean=False) is not None:
            first = node.body[0]
            end = first.end_lineno or first.lineno
            if end < len(lines) and not (lines[end] or "").strip():
                end += 1  # the empty line after it
            lines[first.lineno - 1 : end] = [None] * (end - first.lineno + 1)
    return "\n".join(line for line in lines if line is not None)
