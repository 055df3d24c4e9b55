"""Checks of lesson 08: a noise floor, two annotators' onsets, and sounds that are alone."""

import numpy as np

from sedcourse.check.core import Check

_LEVELS = np.array([-52.0, -18.0, -50.0, -51.0, -12.0, -49.0, -53.0, -20.0, -48.0, -50.5, -15.0])
_MOSTLY_LOUD = np.array([-9.0, -8.0, -60.0, -10.0, -9.5, -8.2, -61.0, -9.9, -7.0, -8.8, -9.2])

noise_floor = Check(
    "The level in dB that a tenth of the blocks' ``level`` stay below.",
    cases=[(_LEVELS,), (_MOSTLY_LOUD,), (np.full(21, -40.0),)],
    expected=lambda level: float(np.quantile(level, 0.1)),
    correct="the floor is what the quietest moments reach: fan, traffic, the microphone itself",
    hints={
        "the single quietest block may be a gap in the recording; take the level that a tenth stay below": lambda x: (
            x.min()
        ),
        "the median is the floor only if sounds are rare; take the level that a tenth stay below": lambda x: float(
            np.median(x)
        ),
        "this averages loud and quiet moments; take the level that a tenth stay below": lambda x: float(x.mean()),
        "this is what a tenth exceed; the floor is at the other end": lambda x: float(np.quantile(x, 0.9)),
        "np.percentile counts from 0 to 100: a tenth is 10, not 0.1": lambda x: float(np.percentile(x, 0.1)),
        "quantiles count from 0 to 1; this is 10 % as np.percentile counts, or a quantile of 0.01": lambda x: float(
            np.quantile(x, 0.01)
        ),
    },
)


def _onsets(first, second, sign=1, chosen=None, touching=False):
    found = []
    for onset, offset in first:
        overlap = [min(offset, b) - max(onset, a) for a, b in second]
        if overlap and (max(overlap) > 0 or touching):
            k = max(range(len(second)), key=overlap.__getitem__)
            found.append(sign * (second[k][0] - onset))
    return found if chosen is None else chosen(found)


def _nearest(first, second):
    return [min((a - onset for a, _ in second), key=abs) for onset, _ in first if second]


onset_differences = Check(
    "For each event ``(onset, offset)`` of the first annotator the second's onset minus the first's, for the event "
    "that overlaps it longest; events that none overlaps are left out.",
    cases=[
        ([(1.0, 2.0), (4.0, 5.0)], [(1.1, 2.1), (3.9, 5.2)]),
        ([(1.0, 3.0), (3.1, 6.0)], [(1.2, 6.1)]),
        ([(2.0, 6.0)], [(1.9, 2.2), (2.5, 6.0)]),
        ([(1.0, 2.0), (7.0, 8.0)], [(1.05, 2.0), (5.0, 6.0)]),
        ([(1.0, 2.0)], []),
    ],
    expected=_onsets,
    correct="positive: the second annotator marks the sound later",
    hints={
        "the second's onset minus the first's: yours has the other sign": {"sign": -1},
        "take the event that overlaps longest, not the one with the nearest onset": _nearest,
        "an event that the other annotator missed has no difference; leave it out": {"touching": True},
        "the tables need not be in step: look for the event that overlaps, not for the one with the same number": (
            lambda first, second: [b[0] - a[0] for a, b in zip(first, second, strict=False)]
        ),
        "keep the sign: it says who is late": {"chosen": lambda found: [abs(d) for d in found]},
    },
    value=lambda returned: np.asarray(returned, float),
)


def _alone(events, margin=0.0, others=lambda i, k: k != i, keep=lambda overlapped: not overlapped):
    def overlap(i, k):
        return events[k][0] < events[i][1] - margin and events[i][0] < events[k][1] - margin

    return [i for i in range(len(events)) if keep(any(overlap(i, k) for k in range(len(events)) if others(i, k)))]


alone = Check(
    "The places, from 0, of the events ``(onset, offset)`` of a clip that overlap no other.",
    cases=[
        ([(0.0, 1.0), (2.0, 3.0), (2.5, 4.0)],),
        ([(1.0, 2.0), (2.0, 3.0)],),
        ([(0.0, 9.0), (3.0, 4.0), (9.5, 9.9)],),
        ([(4.0, 6.0), (1.0, 4.5), (8.0, 9.0)],),
        ([(4.0, 6.0), (1.0, 3.0), (5.0, 7.0)],),
        ([(1.0, 2.0)],),
        ([],),
    ],
    expected=_alone,
    correct="only these are isolated sounds; the others hold two classes and would be labelled with one",
    hints={
        "every event overlaps itself: compare it with the others only": {"others": lambda i, k: True},
        "these are the events that do overlap another": {"keep": bool},
        "compare each event with all others, not only with the next one": {"others": lambda i, k: k == i + 1},
        "compare each event with all others, not only with those before it": {"others": lambda i, k: k < i},
        "compare each event with all others, also with those before it": {"others": lambda i, k: k > i},
        "compare each event with all others; they need not be in order": {"others": lambda i, k: abs(i - k) == 1},
        "give the places of the events, from 0, not the events themselves": lambda events: [
            events[i] for i in _alone(events)
        ],
        "an event that lies wholly in another one overlaps it, too": lambda events: [
            i for i, (a, b) in enumerate(events) if not any(a < end < b for event in events for end in event)
        ],
        "events that only touch, as 1 to 2 s and 2 to 3 s do, do not overlap": {"margin": -1e-9},
    },
    value=lambda returned: np.asarray(list(returned), float),
)
