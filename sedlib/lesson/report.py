"""The report of ``make reproduce``: the executed lessons and the table "paper / here" as pages that need no network.

Pictures and sounds lie inside the pages, formulas become drawings with their TeX as description, and nothing is loaded
from anywhere: no script, no style sheet, no font.
"""

from __future__ import annotations

import copy
import html
import io
from pathlib import Path

import nbformat
import pandas as pd
from jinja2 import DictLoader
from matplotlib.font_manager import FontProperties
from matplotlib.path import Path as Outline
from matplotlib.textpath import TextToPath
from nbconvert import HTMLExporter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from nbformat import NotebookNode
from pygments.formatters import HtmlFormatter

from sedlib.errors import SedError
from sedlib.lesson.html import table as html_table

NOT_YET = "not yet"


def report(executed: list[Path], table: pd.DataFrame, out_dir: str | Path) -> Path:
    """Write ``index.html`` and a page for every executed lesson.

    Parameters
    ----------
    executed : list of path
        Executed notebooks, as `execute` returns them.
    table : DataFrame with the columns ``paper`` and ``here`` among others
        Rows of the paper's tables; a missing value of ``here`` is shown as "not yet".
    out_dir : path
        Folder of the report.

    Returns
    -------
    path of ``index.html``
    """
    out_dir = Path(out_dir)
    out_dir.mkdir(parents=True, exist_ok=True)
    pages = []
    for path in executed:
        notebook = nbformat.read(path, as_version=4)
        name = f"{path.stem}.html"
        title = lesson_title(notebook)
        back = '<p><a href="index.html">All lessons and results</a></p>'
        _write(out_dir / name, page(title, f"<header>{back}</header><main>{notebook_html(notebook)}</main>"))
        minutes = notebook.metadata.get("papermill", {}).get("duration")
        took = f" ({_duration(minutes)})" if minutes else ""
        pages.append(f'<li><a href="{html.escape(name)}">{html.escape(title)}</a>{took}</li>')
    shown = table.assign(here=table["here"].astype(object).where(table["here"].notna(), NOT_YET))
    results = html_table(shown, "The paper's numbers and those of this run").data
    title = "Sound event detection, taught and reproduced"
    body = (
        f"<main><h1>{title}</h1><p>The DCASE 2020 Task 4 system of Cornell et al., run by this course. "
        "The course's embedded data set is small and generated, so that its numbers compare systems with one another; "
        "they are not those of DESED.</p>"
        f'<h2>Paper / here</h2><div class="wide">{results}</div>'
        f'<h2>Lessons as they ran</h2><ul>{"".join(pages)}</ul></main>'
    )
    _write(out_dir / "index.html", page(title, body))
    return out_dir / "index.html"


def lesson_title(notebook: NotebookNode) -> str:
    """The text of the one H1 of a lesson."""
    for cell in notebook.cells:
        for line in cell.source.splitlines():
            if cell.cell_type == "markdown" and line.startswith("# "):
                return line.removeprefix("# ").strip()
    raise SedError("the notebook has no title; a lesson's first cell starts with '# Title'")


def notebook_html(notebook: NotebookNode) -> str:
    """Cells and outputs of a notebook as HTML without a page around them; widgets, which need scripts, are left out."""
    notebook = copy.deepcopy(notebook)
    notebook.metadata.pop("widgets", None)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if _WIDGET not in output.get("data", {})]
    exporter = _Exporter(
        extra_loaders=[DictLoader({"lesson.html.j2": _CELLS})], template_file="lesson.html.j2",
        exclude_input_prompt=True, exclude_output_prompt=True,
    )
    return exporter.from_notebook_node(notebook)[0]


def page(title: str, body: str) -> str:
    """A whole page; follows the reader's choice of light or dark and fits a phone."""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(title)}</title>\n<style>\n{_style()}</style>\n</head>\n<body>\n{body}\n</body>\n</html>\n"
    )


def formula(tex: str, display: bool = False) -> str:
    """A TeX formula as a drawing in the colour of the text, its source as the description; by matplotlib's mathtext.

    Raises
    ------
    SedError
        If mathtext cannot set the formula.
    """
    size, font = 100.0, FontProperties(family="serif", math_fontfamily="stix", size=100)
    source = " ".join(tex.split())
    try:
        vertices, codes = TextToPath().get_text_path(font, f"${source}$", ismath=True)
        width, height, descent = TextToPath().get_text_width_height_descent(f"${source}$", font, ismath=True)
    except ValueError as error:
        raise SedError(f"formula {source!r} cannot be drawn: {error}; use TeX that mathtext knows") from None
    data = _svg_path(Outline(vertices, codes))
    place = "display:block;margin:1em auto;font-size:1.2em" if display else f"vertical-align:{-descent / size:.3f}em"
    return (
        f'<svg role="img" aria-label="{html.escape(source)}" style="width:{width / size:.3f}em;'
        f'height:{height / size:.3f}em;max-width:100%;overflow:visible;{place}" '
        f'viewBox="0 {descent - height:.0f} {width:.0f} {height:.0f}" '
        f'fill="currentColor"><path d="{data}"/></svg>'
    )


def _svg_path(outline: Outline) -> str:
    """Path data of an outline; y points down in SVG."""
    letters = {Outline.MOVETO: "M", Outline.LINETO: "L", Outline.CURVE3: "Q", Outline.CURVE4: "C",
               Outline.CLOSEPOLY: "Z"}
    out = io.StringIO()
    for points, code in outline.iter_segments(curves=True, simplify=False):
        out.write(letters[code])
        if code != Outline.CLOSEPOLY:
            out.write(" ".join(f"{x:.0f} {-y:.0f}" for x, y in points.reshape(-1, 2)))
    return out.getvalue()


class _Renderer(IPythonRenderer):
    def inline_math(self, body: str) -> str:
        return formula(body)

    def block_math(self, body: str) -> str:
        return formula(body, display=True)


class _Exporter(HTMLExporter):
    """nbconvert's HTML without a page, with formulas drawn instead of left to a script."""

    template_name = "basic"

    def default_filters(self):
        yield from super().default_filters()
        yield "markdown2html", lambda source: MarkdownWithMath(
            renderer=_Renderer(escape=False, exclude_anchor_links=True)
        ).render(source)


_WIDGET = "application/vnd.jupyter.widget-view+json"

# What differs from nbconvert's "basic" template: solutions are folded, scripts are left out.
_CELLS = """
{%- extends 'basic/index.html.j2' -%}
{%- block input -%}
{%- if cell.metadata.get('jupyter', {}).get('source_hidden') -%}
<details><summary>Solution</summary>{{ super() }}</details>
{%- else -%}{{ super() }}{%- endif -%}
{%- endblock input -%}
{%- block data_javascript -%}{%- endblock -%}
"""

_CSS = """
:root { color-scheme: light dark; --text: #1b1b1b; --page: #fff; --quiet: #f3f3f3; --line: #bbb; --link: #0055aa; }
@media (prefers-color-scheme: dark) {
  :root { --text: #e8e8e8; --page: #161616; --quiet: #242424; --line: #555; --link: #8cc4ff; }
}
body { color: var(--text); background: var(--page); font: 1.05rem/1.55 system-ui, sans-serif; margin: 0 auto;
  max-width: 52rem; padding: 1rem; overflow-wrap: break-word; }
a { color: var(--link); }
h1, h2, h3 { line-height: 1.25; }
pre, code { font-family: ui-monospace, monospace; font-size: 0.92em; }
pre { margin: 0; padding: 0.6rem; overflow-x: auto; background: var(--quiet); border-radius: 4px; }
.highlight { background: var(--quiet); margin: 0.8rem 0; }
.output_stream pre, .output_text pre { background: none; border-left: 3px solid var(--line); border-radius: 0;
  white-space: pre-wrap; }
table { border-collapse: collapse; margin: 0.8rem 0; }
caption { padding: 0.3rem 0; font-style: italic; }
th, td { border-bottom: 1px solid var(--line); padding: 0.25rem 0.7rem 0.25rem 0; vertical-align: top; }
.wide, .rendered_html { overflow-x: auto; }
img { background: #fff; }
audio { width: 100%; max-width: 30rem; }
summary { cursor: pointer; }
"""


def _style() -> str:
    light = HtmlFormatter(style="vs", nobackground=True).get_style_defs(".highlight")
    dark = HtmlFormatter(style="github-dark", nobackground=True).get_style_defs(".highlight")
    return f"{_CSS}{light}\n@media (prefers-color-scheme: dark) {{\n{dark}\n}}\n"


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.1f} min"


def _write(path: Path, text: str) -> None:
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)
