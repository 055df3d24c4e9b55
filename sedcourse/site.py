"""``python -m sedcourse.site [FOLDER]``: the course as a static site, ``site/`` of the workspace.

Sphinx makes it, with search, light and dark, from README, ``docs/``, the lessons as `sedlib reproduce` executed them
(those that were not are shown without outputs), slides, the explorer, and the docstrings. Nothing is loaded from
another machine: formulas are MathML. Needs ``pip install 'sedlib[site]'``.

Links that open the student's version elsewhere are there where ``GITHUB_REPOSITORY`` names the repository, as in
GitHub's own workflows.
"""

from __future__ import annotations

import os
import pkgutil
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import nbformat

import minidesed
import sedlib
from reproduction import shipped
from reproduction.lessons import LESSONS, find
from sedcourse.execute import read
from sedcourse.explorer import write_page
from sedcourse.report import TITLE, formula, without_widgets
from sedcourse.slides import write_slides
from sedlib.errors import SedError
from sedlib.files import check_folder, write_output
from sedlib.workspace import scratch, workspace

SETTINGS: dict[str, Any] = {
    "project": TITLE,
    "html_title": TITLE,
    "extensions": ["sphinx.ext.autodoc", "sphinx.ext.napoleon", "myst_nb", "sedcourse.site"],
    "html_theme": "furo",
    "html_static_path": ["_static"],
    "html_css_files": ["course.css"],
    "html_extra_path": ["_extra"],
    "html_math_renderer": "mathml",
    "html_show_sphinx": False,
    "html_copy_source": False,
    "pygments_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
    "nb_execution_mode": "off",
    "nb_ipywidgets_js": {},
    "nb_code_prompt_show": "Solution",
    "nb_code_prompt_hide": "Hide the solution",
    "myst_enable_extensions": ["dollarmath"],
    "myst_heading_anchors": 3,
    "autodoc_typehints": "signature",
    "napoleon_use_ivar": True,  # an attribute is described once, by its class
    "suppress_warnings": ["ref.python", "docutils", "myst.xref_missing"],  # a test follows every link
    "exclude_patterns": ["_extra"],
}
CSS = """
img { background: #fff; max-width: 100%; height: auto; }
audio { width: 100%; max-width: 30rem; }
div.math { overflow-x: auto; }
.quiz details { margin: 0.3rem 0; } .quiz summary { cursor: pointer; }
.cell_output { overflow-x: auto; }
@media print { audio, .sidebar-drawer, .toc-drawer, .mobile-header, .related-pages { display: none; } }
"""


def setup(app: Any) -> dict[str, bool]:
    """Have Sphinx write formulas as MathML."""

    def inline(page: Any, node: Any) -> None:
        page.body.append(formula(node.astext()))
        raise _skip()

    def block(page: Any, node: Any) -> None:
        page.body.append(f'<div class="math" tabindex="0">{formula(node.astext(), display="block")}</div>')
        raise _skip()

    app.add_html_math_renderer("mathml", (inline, None), (block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _skip() -> Exception:
    from docutils.nodes import SkipNode

    return SkipNode()


def write_sources(folder: Path, executed: Path) -> None:
    """Write what the site is made of.

    Parameters
    ----------
    folder : path
        The folder to write; README is its ``index.md``, and other files keep their places.
    executed : path
        Folder of executed lessons, ``NN_name.ipynb``.
    """
    docs = shipped("docs")
    for path in sorted(docs.rglob("*.md")):
        text = path.read_text(encoding="utf-8").replace("](../README.md", "](../index.md")
        write_output(folder / "docs" / path.relative_to(docs), text)
    for picture in shipped("figures").glob("*.png"):
        (folder / "figures").mkdir(parents=True, exist_ok=True)
        shutil.copy(picture, folder / "figures")
    names = [name for name, _, _ in LESSONS]
    for name in names:
        done = executed / f"{name}.ipynb"
        notebook = nbformat.read(done, as_version=4) if done.exists() else read(find(name))
        write_output(folder / "notebooks" / f"{name}.ipynb", nbformat.writes(_for_site(notebook, name)) + "\n")
        write_slides(done if done.exists() else find(name), folder / "_extra" / "slides" / f"{name}.html")
    write_page(folder / "_extra" / "explorer.html")
    api = [page for package in (sedlib, minidesed) for page in _api(folder / "api", package)]
    write_output(folder / "_static" / "course.css", CSS)
    write_output(folder / "index.md", _index(folder, names, api))


def _index(folder: Path, names: list[str], api: list[str]) -> str:
    """README, with its links as they are in the site, and the list of all pages."""
    readme = (shipped("docs").parent / "README.md").read_text(encoding="utf-8")
    readme = re.sub(r"\[([^]]+)\]\(report/explorer.html\)", r'<a href="explorer.html">\1</a>', readme)
    readme = re.sub(r"(?<!!)\[([^]]+)\]\((?!http|docs/|#)[^)]+\)", r"\1", readme)  # links to files that the site lacks
    pages = {
        "Lessons": [f"notebooks/{name}" for name in names],
        "Results and reference": ["LEDGER", "RESULTS", "GLOSSARY", "DIFFERENCES", "DATA", "DESED", "ARCHITECTURE"],
        "Teaching": ["README", "syllabus", "notes", "projects", "class", "reading"],
        "API": api,
    }
    places = {"Results and reference": "docs/", "Teaching": "docs/teaching/", "API": "api/"}
    trees = ""
    for caption, found in pages.items():
        lines = "\n".join(f"{places.get(caption, '')}{page}" for page in found)
        trees += f"\n```{{toctree}}\n:hidden:\n:caption: {caption}\n\n{lines}\n```\n"
    slides = ", ".join(f'<a href="slides/{name}.html">{name[:2]}</a>' for name in names)
    extra = f'<p><a href="explorer.html">PCEN explorer</a>. Slides of the lessons: {slides}.</p>\n'
    return f"{readme}\n{_launch('00_start_here')}\n{extra}{trees}"


def _for_site(notebook: nbformat.NotebookNode, name: str) -> nbformat.NotebookNode:
    """Fold solutions, leave widgets out, let links lead to the site's pages, and say how to run the lesson."""
    notebook = without_widgets(notebook)
    for cell in notebook.cells:
        tags = cell.metadata.get("tags", [])
        if "solution" in tags:
            cell.metadata["tags"] = [*tags, "hide-input"]
        if cell.cell_type == "markdown":
            cell.source = re.sub(r"\]\((\d\d_\w+)\.py\b", r"](\1.ipynb", cell.source)
    links = f'<p><a href="../slides/{name}.html">Slides</a></p>\n'
    notebook.cells.insert(1, nbformat.v4.new_markdown_cell(links + _launch(name)))
    return notebook


def _launch(name: str) -> str:
    """Return links that open the student's version of a lesson; none where the repository has no address."""
    repository = os.environ.get("GITHUB_REPOSITORY")
    if not repository:
        return ""
    places = {
        "Colab": f"https://colab.research.google.com/github/{repository}/blob/lessons/{name}.ipynb",
        "Binder": f"https://mybinder.org/v2/gh/{repository}/HEAD?urlpath=lab/tree/lessons/{name}.ipynb",
        "Codespaces": f"https://codespaces.new/{repository}",
    }
    links = ", ".join(f'<a href="{url}">{place}</a>' for place, url in places.items())
    return f"<p>Open the student's version, in profile <code>smoke</code>: {links}.</p>\n"


def _api(folder: Path, package: Any) -> list[str]:
    """Write a page for each part of a package, with all that is public in its modules."""
    modules = [m for m in pkgutil.walk_packages(package.__path__, f"{package.__name__}.") if "._" not in m.name]
    parts: dict[str, list[str]] = {}
    for name, is_package in [(package.__name__, True), *((module.name, module.ispkg) for module in modules)]:
        if not name.endswith((".cli", ".__main__")):
            members = "" if is_package else "   :members:\n"  # a package's are those of its modules
            text = f"\n## {name}\n\n```{{eval-rst}}\n.. automodule:: {name}\n{members}```\n"
            parts.setdefault(".".join(name.split(".")[:2]), []).append(text)
    for part, texts in parts.items():
        write_output(folder / f"{part}.md", f"# {part}\n{''.join(texts)}")
    return list(parts)


def build(out: Path, executed: Path | None = None) -> Path:
    """Build the site into a folder; its ``index.html`` is returned."""
    try:
        from sphinx.application import Sphinx
    except ImportError:
        raise SedError("the site needs Sphinx: pip install 'sedlib[site]'") from None
    check_folder(out)
    sources = scratch() / "site"
    shutil.rmtree(sources, ignore_errors=True)
    write_sources(sources, executed or workspace() / "report" / "lessons")
    write_output(sources / "conf.py", "from sedcourse.site import SETTINGS\n\nglobals().update(SETTINGS)\n")
    Sphinx(sources, sources, out, sources / "_doctrees", "html", status=None, warning=sys.stderr).build()
    for page in [*out.glob("*.html"), *out.glob("[adn]*/**/*.html")]:  # api, docs, notebooks: what Sphinx wrote
        if page.name != "explorer.html":
            _finish(page)
    return out / "index.html"


def _finish(page: Path) -> None:
    """Give captions a level, and let the keyboard scroll code and tables: what axe-core misses in the theme."""
    text = page.read_text(encoding="utf-8")
    text = text.replace('class="caption" role="heading"', 'class="caption" role="heading" aria-level="2"')
    text = text.replace('<div class="table-wrapper', '<div tabindex="0" class="table-wrapper')
    page.write_text(text.replace("<pre>", '<pre tabindex="0">'), encoding="utf-8")


if __name__ == "__main__":
    try:
        print(build(Path(sys.argv[1]) if sys.argv[1:] else workspace() / "site"))
    except SedError as error:
        sys.exit(f"Error: {error}")
