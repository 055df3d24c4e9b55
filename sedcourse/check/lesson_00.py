"""Checks of lesson 00: frames, seconds and the match of two events."""

import math

from sedcourse.check.core import FRAME_S, Check

frame_start = Check(
    "The second at which output frame ``frame`` starts, at the paper's sizes.",
    cases=[(0,), (1,), (16,), (156,)],
    expected=lambda frame: frame * FRAME_S,
    correct=f"one output frame lasts {1000 * FRAME_S:.2f} ms, and 157 of them cover the clip of 10 s",
    hints={
        "this is the hop of the spectrogram; pooling leaves only one frame in four": lambda f: f * 255 / 16000,
        "pooling multiplies the length of a frame; you divide by it": lambda f: f * 255 / 16000 / 4,
        "this is in milliseconds; times in event tables are seconds": lambda f: f * FRAME_S * 1000,
        "this is in samples; divide by the sample rate": lambda f: f * 4 * 255,
        "the hop is 255 samples, not 256": lambda f: f * 4 * 256 / 16000,
        "this turns seconds into frames; the question is the other way round": lambda f: f / FRAME_S,
        "this is where the frame ends; it starts one frame earlier": lambda f: (f + 1) * FRAME_S,
    },
)

frame_at = Check(
    "The output frame in which second ``second`` lies, at the paper's sizes.",
    cases=[(0.0,), (0.05,), (1.0,), (3.2,), (9.95,), (9.99,)],
    expected=lambda second: int(second / FRAME_S),
    correct="the frame is the whole part of second / frame length",
    hints={
        "a time within a frame belongs to that frame: round down, not to the nearest": lambda s: round(s / FRAME_S),
        "frame numbers are whole: round down": lambda s: s / FRAME_S,
        "the number is right, but frames are counted with ints; yours is a float": lambda s: s // FRAME_S,
        "this is the frame after it: round down, not up": lambda s: math.ceil(s / FRAME_S),
        "this counts frames of the spectrogram; pooling leaves only one in four": lambda s: int(s / (255 / 16000)),
        "the hop is 255 samples, not 256": lambda s: int(s / (4 * 256 / 16000)),
        "this turns frames into seconds; the question is the other way round": lambda s: s * FRAME_S,
    },
)


def _matches(reference, predicted, onset_s=0.2, least=0.2, share=0.2, larger=max, size=abs):
    collar = larger(least, share * (reference[1] - reference[0]))
    return size(predicted[0] - reference[0]) <= onset_s and size(predicted[1] - reference[1]) <= collar


event_matches = Check(
    "Whether a predicted event ``(onset, offset)`` is close enough to a reference event of its class.",
    cases=[
        *(((1.0, 2.0), predicted) for predicted in ((1.15, 2.15), (1.3, 2.0), (0.7, 2.0), (1.0, 1.7), (1.0, 2.3))),
        *(((0.0, 8.0), predicted) for predicted in ((0.1, 9.2), (0.1, 9.9))),
        *(((2.0, 2.3), (2.1, 2.45)), ((1.0, 9.0), (2.0, 9.0)), ((4.0, 9.0), (4.9, 9.9)), ((1.0, 1.5), (1.1, 1.9))),
    ],
    expected=_matches,
    correct="onset within 200 ms, offset within 200 ms or 20 % of the reference event, whichever is more",
    hints={
        "a long event's offset may be off by 20 % of its length, not by 200 ms": {"share": 0},
        "the offset may be off by 200 ms even if 20 % of the event is less: take the larger of the two": {"least": 0},
        "the collar of the offset is the larger of 200 ms and 20 % of the length; you take the smaller": {
            "larger": min
        },
        "the 20 % refer to the reference event's length, not the predicted one's": lambda r, p: _matches(p, r),
        "the onset counts too: it may be off by 200 ms": {"onset_s": math.inf},
        "the offset counts too": {"least": math.inf},
        "the onset collar is 200 ms; only the offset collar grows": lambda r, p: _matches(
            r, p, max(0.2, 0.2 * (r[1] - r[0]))
        ),
        "an event may start or end too early as well as too late: compare the absolute difference": {"size": float},
        "both ends must fit, not just one": lambda r, p: (
            _matches(r, p, least=math.inf) or _matches(r, p, onset_s=math.inf)
        ),
    },
)
