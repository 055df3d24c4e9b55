"""``python -m sedcourse.slides [FOLDER]``: slides of every lesson, one HTML page each, ``slides/`` of the report.

They are made of the lessons: titles, predictions, formulas, exercises with their solutions folded, pictures and players
where the lesson was executed, and the quiz. The browser's own keys page through them (Page Down, space, Home, End) and
print them, one slide per sheet. There is no script: no speaker's view, no animation, no remote control. Those would
need reveal.js, which no package brings.
"""

from __future__ import annotations

import html
import re
import sys
from pathlib import Path

import nbformat
from jinja2 import Environment, PackageLoader

from reproduction.lessons import LESSONS, find
from sedcourse import quiz
from sedcourse.execute import read
from sedcourse.report import lesson_title, markdown
from sedlib.files import write_output
from sedlib.workspace import workspace

_ASKED = re.compile(r"\*\*(Predict|Exercise)\b")


def write_slides(lesson: Path, out: Path) -> None:
    """Write the slides of a lesson: of its ``.py``, or of the ``.ipynb`` that an execution left."""
    notebook = nbformat.read(lesson, as_version=4) if lesson.suffix == ".ipynb" else read(lesson)
    title, number = lesson_title(notebook), lesson.stem[:2]
    slides, heading, begun = [markdown(_opening(notebook.cells[0].source))], title, False
    for cell in notebook.cells[1:]:
        if cell.cell_type == "markdown":
            for paragraph in re.split(r"\n\s*\n", cell.source):
                if found := re.match(r"#{2,3} (.*)", paragraph):
                    heading = found[1]
                    if heading == "Exercises":
                        break
                    slides.append(markdown(f"## {heading}"))
                    begun = True
                elif begun and not _ASKED.search(paragraph):  # the section's first words
                    slides[-1] += markdown(paragraph)
                    begun = False
                elif heading == "What you did" or _ASKED.search(paragraph) or "$$" in paragraph:
                    slides.append(markdown(f"## {heading}\n\n{paragraph}"))
        elif "solution" in cell.metadata.get("tags", []):
            slides[-1] += (
                f"<details><summary>Solution</summary><pre tabindex='0'>{html.escape(cell.source)}</pre></details>"
            )
        else:
            shown = [output["data"]["text/html"] for output in cell.outputs if "text/html" in output.get("data", {})]
            seen_or_heard = [text for text in map("".join, shown) if re.search("<(img|audio) ", text)]
            slides += [f"{markdown(f'## {heading}')}{text}" for text in seen_or_heard if "quiz" not in text]
    for i, question in enumerate(quiz.questions(number), 1):
        slides.append(f"<h2>Question {i}</h2><ul>{quiz.question_html(f'quiz-{i}', question)}</ul>")
    # From lesson to lesson between their slides; to other files not at all.
    slides = [re.sub(r'href="(\d\d_\w+)\.py', r'href="\1.html', slide) for slide in slides]
    slides = [re.sub(r'<a href="\.\./[^"]*">(.*?)</a>', r"\1", slide) for slide in slides]
    template = Environment(loader=PackageLoader("sedcourse", "."), autoescape=True).get_template("slides.html.j2")
    write_output(out, template.render(title=title, slides=slides))


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
