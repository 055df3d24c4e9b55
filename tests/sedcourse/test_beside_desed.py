"""The figure that lays a made data set beside DESED: every number at its place, both told apart without colour."""

import pytest

from minidesed import desed, statistics
from sedcourse import plots


def comparison(subset: str, factor: float):
    theirs = desed.facts(subset)
    return statistics.compare(factor * theirs, theirs)


def test_ours_and_deseds_numbers_are_drawn_where_they_are():
    fig = plots.beside_desed({"made": comparison("synthetic", 1.5), "real": comparison("validation", 2)})
    plots.picture(fig, "x")
    assert len(fig.axes) == 8
    durations, shares, counts, polyphony = fig.axes[4:]
    dishes = 3  # fourth of the classes
    for ax, expected in ((durations, (0.768, 0.384)), (shares, (29.2, 14.6)), (counts, (6.64, 3.32))):
        for line, value in zip(ax.get_lines(), expected, strict=True):
            assert line.get_xdata()[dishes] == pytest.approx(value)
            assert round(line.get_ydata()[dishes]) == dishes
    ranges = [bars.get_segments()[dishes][:, 0].tolist() for bars in durations.collections]
    assert ranges == [pytest.approx([0.5, 1.34]), pytest.approx([0.25, 0.67])]
    assert [line.get_xdata().tolist() for line in polyphony.get_lines()] == [
        pytest.approx([65.6, 117.2, 16.6, 0.6]),
        pytest.approx([32.8, 58.6, 8.3, 0.3]),
    ]


def test_every_axis_has_its_unit_and_every_source_its_marker():
    fig = plots.beside_desed({"real": comparison("validation", 2)})
    assert all("(" in ax.get_xlabel() for ax in fig.axes)
    ours, theirs = fig.axes[3].get_lines()
    assert (ours.get_label(), theirs.get_label()) == ("ours", "DESED")
    assert ours.get_marker() != theirs.get_marker()
    assert [tick.get_text() for tick in fig.axes[0].get_yticklabels()][:2] == ["Alarm bell ringing", "Blender"]
