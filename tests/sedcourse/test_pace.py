"""How long a lesson takes, and how much of its code only shows things: the rules, and that lessons keep to them."""

import re

import jupytext
import pytest

from reproduction.lessons import lessons
from sedcourse import pace
from sedcourse.execute import read

each_lesson = pytest.mark.parametrize("lesson", lessons(), ids=lambda path: path.stem)


def lesson_of(text: str):
    return jupytext.reads(text, "py:percent")


@each_lesson
def test_lessons_state_their_minutes_which_are_at_most_90_in_at_most_80_cells(lesson):
    notebook = read(lesson)
    (stated,) = re.findall(r"\*\*Time\*\* to read and try: (\d+) minutes", notebook.cells[0].source)
    assert int(stated) == pace.minutes(notebook) <= 90
    assert len(notebook.cells) <= 80


@each_lesson
def test_less_than_15_percent_of_a_lesson_s_code_only_draws(lesson):
    assert pace.showing(read(lesson), tables=False) < 0.15


def test_minutes_count_what_is_read_and_done():
    notebook = lesson_of(
        f"# %% [markdown]\n# {'word ' * 294}**Predict:** this. **Exercise 1.** Go on.\n"
        '\n# %% jupyter={"source_hidden": true} tags=["solution"]\n'
        + "x = 1\n"
        * 30
        + "\n# %%\nplots.show(*draw())\nshow.source(thing)\nplayers.play(x)\n"
        "\n# %% [markdown]\n# ## Exercises\n#\n# 2. Not counted, as long as it may be.\n"
    )
    found = pace.counts(notebook)
    wanted = {"words": 300, "lines": 3, "predictions": 1, "exercises": 1, "looks": 2, "sources": 1, "sliders": 0}
    assert found == wanted | {"quizzes": 0}
    assert pace.minutes(notebook) == 10  # 2 + 0.3 + 0.5 + 4 + 1 + 1 = 8.8


CELL = """# %%
import numpy as np
x = np.fft.rfft(sound)
words = ", ".join(f"{one:.1f}" for one in x)
for one in x:
    fig = plots.labels(one)
    plots.show(fig, words)
"""


def test_lines_that_show_are_those_that_draw_and_those_that_only_feed_them():
    assert pace.showing(lesson_of(CELL)) == pytest.approx(3 / 6)  # words, fig and show; not x, nor the loop
    assert pace.showing(lesson_of(CELL + "print(words)\n")) == pytest.approx(2 / 7)  # words are printed, too
    assert pace.showing(lesson_of(CELL + "html.table(x)\n")) == pytest.approx(4 / 7)
    assert pace.showing(lesson_of(CELL + "html.table(x)\n"), tables=False) == pytest.approx(3 / 7)
