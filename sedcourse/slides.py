"""``python -m sedcourse.slides [FOLDER]``: slides of every lesson, one HTML page each, ``slides/`` of the report.

They are made of the lessons: titles, predictions, formulas, exercises with their solutions folded, the quiz, and where
the lesson was executed its pictures, players, tables and printed results. The browser's own keys page through them
(Page Down, space, Home, End) and print them, one slide per sheet. There is no script: no speaker's view, no animation,
no remote control. Those would need reveal.js, which no package brings.
"""

from __future__ import annotations

import html
import re
import sys
from pathlib import Path

import nbformat
from jinja2 import Environment, PackageLoader
from nbformat import NotebookNode

from reproduction.lessons import LESSONS, find
from sedcourse import quiz
from sedcourse.execute import read
from sedcourse.report import lesson_title, markdown
from sedlib.files import write_output
from sedlib.workspace import workspace

_ASKED = re.compile(r"\*\*(Predict|Exercise)\b")
_LARGE = re.compile("<(img|table|figcaption><code)")  # one of these on a slide


def write_slides(lesson: Path, out: Path) -> None:
    """Write the slides of a lesson: of its ``.py``, or of the ``.ipynb`` that an execution left."""
    notebook = nbformat.read(lesson, as_version=4) if lesson.suffix == ".ipynb" else read(lesson)
    title, number = lesson_title(notebook), lesson.stem[:2]
    slides, heading, begun = [markdown(_opening(notebook.cells[0].source)), ""], title, False
    sections: dict[int, str] = {}
    before: str | None = ""  # the paragraph left out just now; none if the last slide takes no more
    for cell in notebook.cells[1:]:
        if cell.cell_type == "markdown":
            for paragraph in re.split(r"\n\s*\n", cell.source):
                if found := re.match(r"#{2,3} (.*)", paragraph):
                    heading = found[1]
                    if heading == "Exercises":
                        break
                    slides.append(markdown(f"## {heading}"))
                    sections[len(slides)] = heading
                    begun = True
                elif begun or ("$$" in paragraph and before == ""):  # a section's first words, and their formula
                    slides[-1] += markdown(paragraph)
                    begun, before = False, ""
                elif heading == "What you did" or _ASKED.search(paragraph) or "$$" in paragraph:
                    lead = before or "" if "$$" in paragraph else ""
                    slides.append(markdown(f"## {heading}\n\n{lead}\n\n{paragraph}"))
                    before = ""
                else:
                    before = paragraph
        elif "solution" in cell.metadata.get("tags", []):
            slides[-1] += (
                f"<details><summary>Solution</summary><pre tabindex='0'>{html.escape(cell.source)}</pre></details>"
            )
        elif groups := _outputs(cell):
            if before and not _LARGE.search(groups[0]):
                groups[0] = markdown(before) + groups[0]
            slides += [f"{markdown(f'## {heading}')}{group}" for group in groups]
            begun, before = False, None
    for i, question in enumerate(quiz.questions(number), 1):
        slides.append(f"<h2>Question {i}</h2><ul class='quiz'>{quiz.question_html(f'quiz-{i}', question)}</ul>")
    links = "".join(f"<li><a href='#slide-{at}'>{markdown(words)}</a></li>" for at, words in sections.items())
    slides[1] = f"<h2>Contents</h2><ol class='contents'>{links}</ol>"
    # From lesson to lesson between their slides; to other files not at all.
    slides = [re.sub(r'href="(\d\d_\w+)\.py', r'href="\1.html', slide) for slide in slides]
    slides = [re.sub(r'<a href="\.\./[^"]*">(.*?)</a>', r"\1", slide) for slide in slides]
    template = Environment(loader=PackageLoader("sedcourse", "."), autoescape=True).get_template("slides.html.j2")
    write_output(out, template.render(title=title, slides=slides))


def _outputs(cell: NotebookNode) -> list[str]:
    """Return what a cell showed, a slide each: a picture, table or source, with the players and lines around it."""
    groups: list[str] = []
    for output in cell.outputs if not re.match(r"(check|quiz)\.|from sedcourse import quiz", cell.source) else []:
        text = "".join(output.get("data", {}).get("text/html", ""))
        if output.output_type == "stream" and output.name == "stdout":
            text = f"<pre>{html.escape(output.text)}</pre>"
        if groups and not (_LARGE.search(groups[-1]) and _LARGE.search(text)):
            groups[-1] += text
        elif text:
            groups.append(text)
    return groups


def _opening(first: str) -> str:
    """Title and aims of a lesson."""
    return re.split(r"\n\s*\n(?=\*\*You need)", first)[0]


def main(folder: Path) -> None:
    """Write the slides of every lesson, executed in the workspace or not."""
    for name, _, _ in LESSONS:
        done = workspace() / "report" / "lessons" / f"{name}.ipynb"
        write_slides(done if done.exists() else find(name), folder / f"{name}.html")
        print(folder / f"{name}.html", "" if done.exists() else "(without pictures: not executed here)")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if sys.argv[1:] else workspace() / "report" / "slides")
