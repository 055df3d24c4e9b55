"""Quizzes: their files, their answers where code can give them, and what a page shows."""

import math
import re
from importlib.resources import files

import numpy as np
import pytest
import torch
from scipy import stats

from reproduction import lessons
from sedcourse import quiz
from sedcourse.execute import read
from sedcourse.report import notebook_html
from sedlib import config
from sedlib.errors import SedError
from sedlib.training.adversarial import reverse

NUMBERS = sorted(path.name[:2] for path in (files("sedcourse") / "quizzes").iterdir() if path.name.endswith(".toml"))
each_quiz = pytest.mark.parametrize("number", NUMBERS)


def faults(asked: list[quiz.Question]) -> list[str]:
    """What is wrong with questions that were read."""
    found = [] if 6 <= len(asked) <= 10 else [f"{len(asked)} questions; 6 to 10 are wanted"]
    asks = [question.ask for question in asked]
    found += [f"asked twice: {ask}" for ask in set(asks) if asks.count(ask) > 1]
    for ask, options, why, right in asked:
        found += [f"{ask}: {len(options)} options"] * (not 3 <= len(options) <= 5)
        found += [f"{ask}: an option twice"] * (len({option.lower() for option in options}) < len(options))
        found += [f"{ask}: an explanation is missing, twice there, or no sentence"] * (
            len(set(why)) < len(why) or any(len(reason) < 12 or reason[-1] not in ".?" for reason in why)
        )
        longest = max(len(option) for i, option in enumerate(options) if i != right)
        found += [f"{ask}: the right option is three times as long as any other"] * (len(options[right]) > 3 * longest)
    return found


def test_every_lesson_has_a_quiz():
    assert {path.stem[:2] for path in lessons.lessons()} <= set(NUMBERS)


@each_quiz
def test_questions(number):
    assert faults(quiz.questions(number)) == []


def test_the_test_of_questions_sees_faults():
    one = quiz.Question("Is it?", ["Yes, which nobody could have known before.", "no", "No"], ["So.", "So.", ""], 0)
    found = "\n".join(faults([one, one]))
    for fault in ("2 questions", "asked twice", "an option twice", "explanation", "three times as long"):
        assert fault in found


def test_the_right_option_is_not_always_at_one_place():
    places = [question.right for number in NUMBERS for question in quiz.questions(number)]
    assert max(np.bincount(places)) < len(places) / 2 and len(set(places)) >= 4


def test_the_right_option_is_not_known_by_its_length():
    asked = [question for number in NUMBERS for question in quiz.questions(number)]
    assert sum(len(q.options[q.right]) == max(map(len, q.options)) for q in asked) < 0.45 * len(asked)


def gradient() -> float:
    x = torch.ones(1, requires_grad=True)
    (3 * reverse(x, 0.5)).sum().backward()
    return x.grad.item()


PAPER = config.profile("paper")
# Answers that code can give: (lesson, part of the question, value, how it is written).
COMPUTED = [
    ("00", "How long is an output frame", 1000 * PAPER.frame_s, "{:.2f} ms"),
    ("00", "What is F1?", 2 / (2 + 1 + 1), "{:.1f}"),
    ("01", "How many centred frames", 1 + PAPER.features.samples // PAPER.features.hop, "{}"),
    ("01", "By how many dB", 20 * math.log10(10), "{:.0f} dB"),
    ("02", "How far apart are its peaks", 1 / 0.002, "{:.0f} Hz"),
    ("02", "By how much does it attenuate", math.floor(10 * math.log10(1 + 2**4)), "About {} dB"),
    ("02", "highest level that the paper allows", min(-12, -20, -9) + 5, "{} dB"),
    ("02", "How strong is the noise", round(10 ** (30 / 20)), "About {} times"),
    ("05", "What is dy/dx", gradient(), "{}"),
    ("05", "A-distance", 2 * (1 - 2 * 0.25), "{:.1f}"),
    ("06", "How long does it last", round(1 / (1 - 0.99)), "{} frames"),
    ("07", "Three members", f"{1 / 3:.2f}, and {0.5 + 0.5 / 3:.2f}", "{}"),
]


@pytest.mark.parametrize(("number", "part", "value", "written"), COMPUTED, ids=[part for _, part, _, _ in COMPUTED])
def test_answers_that_code_can_give(number, part, value, written):
    (question,) = [question for question in quiz.questions(number) if part in question.ask]
    answer = re.sub(r"(\d)/(\d)", lambda m: f"{int(m[1]) / int(m[2]):.2f}", question.options[question.right])
    assert written.format(value) in answer


def test_numbers_in_explanations():
    assert round(stats.t.ppf(0.975, 2), 1) == 4.3
    assert round(np.median(np.random.default_rng(0).geometric(0.01, 100_000))) == pytest.approx(69, abs=1)
    assert 0.05 * 5 + 0.95 * 0.05 != 0.9 and round((5 * 0.9 + 95 * 0.05) / 100, 2) == 0.09


def test_a_page_needs_no_script_and_says_all():
    page = quiz.show("00").data
    assert page.count("<details") == page.count("<summary>") == sum(len(q.options) for q in quiz.questions("00"))
    assert page.count("<strong>Right.") == len(quiz.questions("00")) and "<script" not in page
    assert " open" not in page and "your answer" not in page


def test_answers_are_marked():
    asked = quiz.questions("00")
    right = "".join(quiz.LETTERS[q.right] for q in asked)
    assert quiz.points("00", right) == len(asked) and quiz.points("00", "") == 0
    assert quiz.points("00", f" {right[0].upper()}, " + "-" * (len(asked) - 1)) == 1
    wrong = "".join(quiz.LETTERS[(q.right + 1) % len(q.options)] for q in asked)
    assert quiz.points("00", wrong) == 0
    page = quiz.show("00", right[0] + wrong[1:])
    assert page.data.count("your answer") == len(asked) and f"1 of {len(asked)} right" in repr(page)


@pytest.mark.parametrize(("answers", "said"), [("ab", "2 letters for 8 questions"), ("z-------", "no option 'z'")])
def test_answers_that_cannot_be_marked_are_refused(answers, said):
    with pytest.raises(SedError, match=said):
        quiz.show("00", answers)


def test_a_lesson_without_a_quiz_is_named():
    with pytest.raises(SedError, match="'3' has no quiz; its number has two digits"):
        quiz.questions("3")


def quiz_cells(lesson) -> list[int]:
    return [i for i, cell in enumerate(read(lesson).cells) if "quiz.show(" in cell.source and cell.cell_type == "code"]


@pytest.mark.parametrize("lesson", lessons.lessons(), ids=lambda path: path.stem)
def test_each_lesson_has_its_quiz_before_its_closing_part(lesson):
    cells = read(lesson).cells
    (place,) = quiz_cells(lesson)
    assert f'quiz.show("{lesson.stem[:2]}", answers="")' in cells[place].source
    closing = next(i for i, cell in enumerate(cells) if "## What you did" in cell.source)
    assert place == closing - 1


def test_the_report_keeps_the_quiz():
    import nbformat.v4 as v4

    output = v4.new_output("display_data", {"text/html": quiz.show("00").data})
    page = notebook_html(v4.new_notebook(cells=[v4.new_code_cell("quiz", outputs=[output])]))
    assert page.count('<details name="quiz-00-1">') == 4
