"""Questions of each lesson, with an explanation for every option, from ``quizzes/NN.toml``.

An option opens its explanation: HTML's own disclosure, without a script, by mouse, keyboard and screen reader, with
and without a kernel. Answers given as letters are marked, and `sedcourse.grade` counts them.
"""

from __future__ import annotations

import html
import random
import re
import tomllib
from functools import cache
from importlib.resources import files
from typing import NamedTuple

from sedcourse.html import Shown
from sedlib.errors import SedError

LETTERS = "abcdefgh"


class Question(NamedTuple):
    """A question, its options in the order in which they are shown, why each is right or wrong, and the right one."""

    ask: str
    options: list[str]
    why: list[str]
    right: int


@cache
def questions(lesson: str) -> list[Question]:
    """Read the questions of a lesson ("03"); `SedError` if it has none."""
    path = files("sedcourse") / "quizzes" / f"{lesson}.toml"
    if not path.is_file():
        raise SedError(f"lesson {lesson!r} has no quiz; its number has two digits, as in '03'")
    found = []
    for written in tomllib.loads(path.read_text(encoding="utf-8"))["question"]:
        pairs = [written["right"], *written["wrong"]]
        order = random.Random(written["ask"]).sample(range(len(pairs)), len(pairs))
        options, why = zip(*(pairs[i] for i in order), strict=True)
        found.append(Question(written["ask"], list(options), list(why), order.index(0)))
    return found


def points(lesson: str, answers: str) -> int:
    """Count the right answers; `SedError` unless ``answers`` has a letter, or a "-", for each question, or is empty."""
    asked, letters = questions(lesson), re.sub(r"[\s,]", "", answers).lower()
    if letters and len(letters) != len(asked):
        raise SedError(f"answers {answers!r}: {len(letters)} letters for {len(asked)} questions; '-' leaves one out")
    for number, (letter, question) in enumerate(zip(letters, asked, strict=False), 1):
        if letter not in LETTERS[: len(question.options)] + "-":
            raise SedError(f"answers {answers!r}: question {number} has no option {letter!r}")
    return sum(letter == LETTERS[q.right] for letter, q in zip(letters, asked, strict=False))


def show(lesson: str, answers: str = "") -> Shown:
    """Show the questions of a lesson.

    Parameters
    ----------
    lesson : str
        Its number, "03".
    answers : str
        A letter for each question, as in "abcd abcd"; these are marked, with their explanations open.
    """
    asked, right = questions(lesson), points(lesson, answers)
    given = re.sub(r"[\s,]", "", answers).lower() or "-" * len(asked)
    result = f"{right} of {len(asked)} right" if answers else f"{len(asked)} questions"
    items = "".join(
        question_html(f"quiz-{lesson}-{i}", q, letter)
        for i, (q, letter) in enumerate(zip(asked, given, strict=True), 1)
    )
    text = "\n".join(f"{i}. {q.ask}" for i, q in enumerate(asked, 1))
    return Shown(f'<div class="quiz"><p>{result}.</p><ol>{items}</ol></div>', f"{result}\n{text}")


def question_html(name: str, question: Question, given: str = "-") -> str:
    """Return a question as an item of a list; ``given`` is the letter of an answer that is marked."""
    out = f'<li style="margin-bottom: 1em"><p>{inline(question.ask)}</p>'
    for i, (letter, option, why) in enumerate(zip(LETTERS, question.options, question.why, strict=False)):
        verdict = "Right." if i == question.right else "No."
        chosen = " open" if letter == given else ""
        mark = "your answer: " if chosen else ""
        out += (
            f'<details name="{name}"{chosen}><summary>{mark}{letter}) {inline(option)}</summary>'
            f"<p><strong>{verdict}</strong> {inline(why)}</p></details>"
        )
    return out + "</li>"


def inline(text: str) -> str:
    """Turn ``code`` and *stress* of a line of Markdown into HTML."""
    text = re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text))
    return re.sub(r"\*([^*\s][^*]*)\*", r"<em>\1</em>", text)
