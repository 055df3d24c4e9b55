"""The report of ``make reproduce``: ledger, executed lessons and records of the runs as pages that need no network.

Pictures and sounds lie inside the pages, formulas are MathML, and no script, style sheet or font is loaded. The PCEN
explorer is a page beside them, with a script of its own.
"""

from __future__ import annotations

import copy
import html
import re
from pathlib import Path
from typing import Any, NamedTuple

import nbformat
import pandas as pd
from jinja2 import DictLoader, Environment, PackageLoader
from latex2mathml.converter import convert
from nbconvert import HTMLExporter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from nbformat import NotebookNode
from pygments.formatters import HtmlFormatter

from reproduction.ledger import beside_published, claims_table, how_measured, numbers_table, verdicts
from sedcourse import plots
from sedcourse.explorer import write_page
from sedcourse.html import table as html_table
from sedlib.errors import SedError
from sedlib.files import write_output

TITLE = "Sound event detection, taught and reproduced"
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


def report(executed: list[Path], ledger: dict[str, Any], out_dir: str | Path) -> Path:
    """Write ``index.html`` with the ledger, ``runs.html`` with the trainings, the explorer, and every lesson.

    Parameters
    ----------
    executed : list of path
        Executed notebooks, as `execute` returns them.
    ledger : dict
        As `reproduction.ledger.read` returns it.
    out_dir : path
        Folder of the report.

    Returns
    -------
    path of ``index.html``
    """
    notebooks = {path.stem: nbformat.read(path, as_version=4) for path in executed}
    titles = {name: lesson_title(notebook) for name, notebook in notebooks.items()}
    pages = {"index": "Results", **titles, "runs": "Run records", "explorer": "PCEN explorer"}
    template = Environment(loader=PackageLoader("sedcourse", "."), autoescape=True).get_template("report.html.j2")
    styles = {"light": _code_style("vs"), "dark": _code_style("github-dark")}

    def write(name: str, title: str, **content: Any) -> Path:
        page = template.render(here=name, title=title, pages=pages, ledger=ledger, **styles, **content)
        write_output(Path(out_dir) / f"{name}.html", page)
        return Path(out_dir) / f"{name}.html"

    for name, notebook in notebooks.items():
        seconds = notebook.metadata.get("papermill", {}).get("duration")
        took = f"{seconds:.0f} s" if seconds and seconds < 90 else f"{seconds / 60:.1f} min" if seconds else ""
        write(name, titles[name], took=took, body=notebook_html(notebook))
    write("runs", "What was trained", **_runs(ledger))
    write_page(Path(out_dir) / "explorer.html")
    return write("index", TITLE, **_results(ledger))


def _code_style(name: str) -> str:
    return HtmlFormatter(style=name, nobackground=True).get_style_defs(".highlight")


class _Wide(NamedTuple):
    """What scrolls by itself on a phone, by keyboard too, rather than break every word."""

    data: str
    name: str
    letters: int | None = None


def _table(frame: pd.DataFrame, caption: str) -> _Wide:
    widths = (max(map(len, [name, *values.fillna("").astype(str)])) for name, values in frame.items())
    return _Wide(html_table(frame, caption).data, caption, sum(min(26, width) for width in widths))


def _results(ledger: dict[str, Any]) -> dict[str, Any]:
    numbers, claims = numbers_table(ledger), claims_table(ledger)
    drawn = ""
    if any(number["here"] is not None for number in ledger["numbers"]):
        drawn = plots.picture(plots.ledger(ledger["numbers"]), plots.ledger_text(ledger["numbers"])).data
    all_numbers = (
        "Every number of Tables 1 to 3: the paper on DESED, and here with a 95 % interval over clips and trainings"
    )
    paired = (
        "Differences of two rows, in points of F1 or in PSDS, with paired 95 % intervals; why: what the lessons found "
        "in profile lesson on MiniDESED"
    )
    return {
        "count": len(claims),
        "counted": ", ".join(f"{count} {name}" for name, count in verdicts(ledger).items() if count),
        "measured": [*how_measured(ledger), *filter(None, [beside_published(ledger)])],
        "drawn": _Wide(drawn, "The numbers as a picture"),
        "numbers": _table(numbers, all_numbers),
        "claims": _table(claims, paired),
    }


def _runs(ledger: dict[str, Any]) -> dict[str, Any]:
    facts = {
        **{name: ledger[name] for name in ("profile", "data", "configuration")},
        "generator of MiniDESED": ledger["generator"],
        "seeds": ", ".join(map(str, ledger["seeds"])),
        **ledger["made"],
    }
    made = pd.DataFrame([(name.replace("_", " "), value) for name, value in facts.items()], columns=["what", "value"])
    rows = []
    for run in ledger["runs"]:
        minutes = "" if run["minutes"] is None else f"{run['minutes']:.1f}"
        row = {name: run[name] for name in ("system", "seed", "steps", "configuration")}
        rows.append(row | {"minutes": minutes} | run["versions"])
    caption = "Trainings: steps, checksum of the configuration, minutes, versions"
    return {
        "made": _table(made, "What this reproduction was made with"),
        "trainings": _table(pd.DataFrame(rows), caption) if rows else None,
    }


def lesson_title(notebook: NotebookNode) -> str:
    """Return the text of the one H1 of a lesson."""
    for cell in notebook.cells:
        for line in cell.source.splitlines():
            if cell.cell_type == "markdown" and line.startswith("# "):
                return line.removeprefix("# ").strip()
    raise SedError("the notebook has no title; a lesson's first cell starts with '# Title'")


def without_widgets(notebook: NotebookNode) -> NotebookNode:
    """Return a copy of a notebook without what needs a kernel."""
    notebook = copy.deepcopy(notebook)
    notebook.metadata.pop("widgets", None)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if _WIDGET not in output.get("data", {})]
    return notebook


def notebook_html(notebook: NotebookNode) -> str:
    """Return cells and outputs of a notebook as HTML without a page around them, and without widgets."""
    notebook = without_widgets(notebook)
    loaders = [DictLoader({"lesson.html.j2": _CELLS})]
    no_prompts = {"exclude_input_prompt": True, "exclude_output_prompt": True}
    exporter = _Exporter(extra_loaders=loaders, template_file="lesson.html.j2", **no_prompts)
    page = exporter.from_notebook_node(notebook)[0]
    return re.sub(r'href="(\d\d_\w+)\.py"', r'href="\1.html"', page)  # from one lesson to another: between their pages


def formula(tex: str, display: str = "inline") -> str:
    """Convert a TeX formula to MathML, with its source as the description; `SedError` if it is not understood."""
    source = " ".join(tex.split())
    try:
        written = convert(source, display=display)
    except Exception as error:  # the library has one kind for every mistake
        raise SedError(f"formula {source!r} is not TeX: {type(error).__name__}") from None
    if unknown := re.search(r"<m\w+>(\\\w+)", written):
        raise SedError(f"formula {source!r}: {unknown[1]} is unknown to latex2mathml; write it differently")
    return written.replace("<math", f'<math alttext="{html.escape(source)}"', 1)


class _Renderer(IPythonRenderer):
    def inline_math(self, body: str) -> str:
        return formula(body)

    def block_math(self, body: str) -> str:
        return formula(body, display="block")


def markdown(source: str) -> str:
    """Convert a lesson's Markdown to HTML."""
    return MarkdownWithMath(renderer=_Renderer(escape=False, exclude_anchor_links=True)).render(source)


class _Exporter(HTMLExporter):
    """nbconvert's HTML without a page, with formulas as MathML instead of left to a script."""

    template_name = "basic"

    def default_filters(self):
        yield from super().default_filters()
        yield "markdown2html", markdown
