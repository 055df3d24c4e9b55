"""The report of ``make reproduce``: the ledger, the executed lessons and the records of the runs as pages that need no network.

Pictures and sounds lie inside the pages, formulas become drawings with their TeX as description, and nothing is loaded
from anywhere: no script, no style sheet, no font.
"""

from __future__ import annotations

import copy
import html
import io
import re
from pathlib import Path
from typing import Any

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

from reproduction.ledger import claims_table, how_measured, numbers_table, verdicts
from sedcourse import plots
from sedcourse.html import table as html_table
from sedcourse.plots import picture
from sedlib.errors import SedError
from sedlib.files import whole

TITLE = "Sound event detection, taught and reproduced"


def report(executed: list[Path], ledger: dict[str, Any], out_dir: str | Path) -> Path:
    """Write ``index.html`` with the ledger, ``runs.html`` with what was trained, and a page for every executed lesson.

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
    out_dir = Path(out_dir)
    out_dir.mkdir(parents=True, exist_ok=True)
    notebooks = {path.stem: nbformat.read(path, as_version=4) for path in executed}
    titles = {name: lesson_title(notebook) for name, notebook in notebooks.items()}
    for name, notebook in notebooks.items():
        seconds = notebook.metadata.get("papermill", {}).get("duration")
        took = f"<p>Executed in {_duration(seconds)}, profile {html.escape(str(ledger['profile']))}.</p>" if seconds else ""
        _write(out_dir / f"{name}.html", page(titles[name], f'<main id="main">{took}{notebook_html(notebook)}</main>', _links(name, titles)))
    _write(out_dir / "runs.html", page("What was trained", _runs(ledger), _links("runs", titles)))
    _write(out_dir / "index.html", page(TITLE, _index(ledger, titles), _links("index", titles)))
    return out_dir / "index.html"


def _links(here: str, titles: dict[str, str]) -> str:
    """The list of pages that stands on each of them; the one that is open is marked."""
    pages = {"index": "Results", **titles, "runs": "Run records"}
    items = "".join(f'<li><a href="{html.escape(name)}.html"{_CURRENT if name == here else ""}>{html.escape(title)}</a></li>'
                    for name, title in pages.items())
    return f'<nav aria-label="Pages"><details{" open" if here == "index" else ""}><summary>All pages</summary><ul>{items}</ul></details></nav>'


_CURRENT = ' aria-current="page"'


def _index(ledger: dict[str, Any], titles: dict[str, str]) -> str:
    numbers, claims = numbers_table(ledger), claims_table(ledger)
    counted = ", ".join(f"{count} {name}" for name, count in verdicts(ledger).items() if count)
    seeds = len(ledger["seeds"])
    failed = "".join(f"<li><strong>{html.escape(name)}</strong>: {html.escape(why)}</li>" for name, why in ledger["failed"].items())
    alarm = f'<section role="alert" class="failed"><h2>Not everything ran</h2><p>These jobs failed; the rest is complete:</p><ul>{failed}</ul></section>'
    figures = "".join(
        f"<li>Figure {f['figure']}: {html.escape(f['shows'])}. <strong>{html.escape(f['verdict'])}</strong>: {html.escape(f['here'])}"
        + (f" (<a href=\"{f['lesson']}.html\">{html.escape(titles[f['lesson']])}</a>)" if f["lesson"] in titles else "") + ".</li>"
        for f in ledger["figures"])
    drawn = picture(plots.ledger(ledger["numbers"]), plots.ledger_text(ledger["numbers"])).data if any(
        n["here"] is not None for n in ledger["numbers"]) else ""
    return (
        f'<main id="main"><h1>{TITLE}</h1><p>The DCASE 2020 Task 4 system of Cornell et al., run by this course on '
        f"{html.escape(str(ledger['data']))}, profile {html.escape(str(ledger['profile']))}, seed{'s' if seeds > 1 else ''} {', '.join(map(str, ledger['seeds']))}. "
        "The course's own data set is small and generated: its numbers compare systems with one another and are not those of DESED.</p>"
        f"{alarm if failed else ''}"
        f"<p>Of {len(claims)} sentences and comparisons that the paper makes of these numbers: {html.escape(counted) or 'none was measured'}.</p>"
        f"<h2>The paper's numbers and ours</h2>{_region(drawn, 'The numbers as a picture') if drawn else ''}"
        f"{_wide(numbers, 'Every number of Tables 1 to 3: the paper on DESED, and here with a 95 % interval over clips and trainings')}"
        f"{''.join(f'<p>{html.escape(sentence)}</p>' for sentence in how_measured(ledger))}"
        f"<h2>The paper's sentences</h2>"
        f"{_wide(claims, 'Differences of two rows, in points of F1 or in PSDS, with paired 95 % intervals; why: what the lessons found in profile lesson on MiniDESED')}"
        f"<h2>The paper's figures</h2><ul>{figures}</ul></main>"
    )


def _runs(ledger: dict[str, Any]) -> str:
    runs = pd.DataFrame([
        {**{name: run[name] for name in ("system", "seed", "steps", "configuration")},
         "minutes": "" if run["minutes"] is None else f"{run['minutes']:.1f}", **run["versions"]} for run in ledger["runs"]])
    facts = {"profile": ledger["profile"], "data": ledger["data"], "generator of MiniDESED": ledger["generator"], "configuration": ledger["configuration"],
             "seeds": ", ".join(map(str, ledger["seeds"])), **ledger["made"]}
    made = _wide(pd.DataFrame([(name.replace("_", " "), value) for name, value in facts.items()], columns=["what", "value"]), "What this reproduction was made with")
    table = _wide(runs, "Trainings: steps, checksum of the configuration, minutes, versions") if len(runs) else "<p>Nothing was trained.</p>"
    return f'<main id="main"><h1>Run records</h1>{made}{table}</main>'


def _wide(frame: pd.DataFrame, caption: str) -> str:
    """A table that scrolls by itself rather than break every word."""
    letters = sum(min(26, max(map(len, [column, *values.fillna("").astype(str)]))) for column, values in frame.items())
    return _region(html_table(frame, caption).data, caption, f' style="--letters:{letters}"')


def _region(inside: str, name: str, style: str = "") -> str:
    """What scrolls by itself on a phone, by keyboard too."""
    return f'<div class="wide" role="region" tabindex="0" aria-label="{html.escape(name)}"{style}>{inside}</div>'


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
    written = exporter.from_notebook_node(notebook)[0]
    return re.sub(r'href="(\d\d_\w+)\.py"', r'href="\1.html"', written)  # from one lesson to another: here between their pages


def page(title: str, body: str, links: str = "") -> str:
    """A whole page; follows the reader's choice of light or dark, fits a phone and a sheet of paper."""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(title)}</title>\n<style>\n{_style()}</style>\n</head>\n<body>\n"
        f'<a class="skip" href="#main">To the content</a>\n{links}\n{body}\n</body>\n</html>\n'
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
.wide { position: relative; left: 50%; transform: translateX(-50%); width: max-content; min-width: 100%;
  max-width: min(72rem, 100vw - 3rem); font-size: 0.95rem; }
.wide table { min-width: calc(var(--letters) * 0.6em); }
.wide caption { position: sticky; left: 0; max-width: calc(100vw - 3rem); }
.wide img { min-width: 40rem; }
img { background: #fff; }
audio { width: 100%; max-width: 30rem; }
summary { cursor: pointer; }
nav ul { columns: 2 18rem; padding-left: 1.2rem; }
a[aria-current] { font-weight: bold; text-decoration: none; }
:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; }
.skip { position: absolute; left: -999rem; }
.skip:focus { position: static; }
.failed { border: 2px solid #d55e00; padding: 0 1rem; border-radius: 4px; }
@media print {
  :root { color-scheme: light; --text: #000; --page: #fff; --quiet: #f3f3f3; --line: #999; --link: #000; }
  body { max-width: none; font-size: 10pt; padding: 0; }
  nav, .skip, audio { display: none; }
  .wide, .rendered_html, pre { overflow: visible; white-space: pre-wrap; }
  .wide { white-space: normal; font-size: 8pt; position: static; transform: none; width: auto; max-width: none; }
  .wide table, .wide img { min-width: 0; }
  img, svg, tr { break-inside: avoid; max-width: 100%; }
  h1, h2, h3 { break-after: avoid; }
}
"""


def _style() -> str:
    light = HtmlFormatter(style="vs", nobackground=True).get_style_defs(".highlight")
    dark = HtmlFormatter(style="github-dark", nobackground=True).get_style_defs(".highlight")
    return f"{_CSS}{light}\n@media screen and (prefers-color-scheme: dark) {{\n{dark}\n}}\n"


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.1f} min"


def _write(path: Path, text: str) -> None:
    with whole(path) as partial:
        partial.write_text(text, encoding="utf-8")
