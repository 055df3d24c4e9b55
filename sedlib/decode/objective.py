"""Event-based F1 of decoders on a set of clips, in milliseconds: tuning maximises it (paper section 3.4, lesson 06)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from sedlib.compiled import njit, prange
from sedlib.data import tables
from sedlib.decode.decoders import NUMBERS, Decoder, spans
from sedlib.decode.events import kept, rules
from sedlib.decode.hmm import Hmm, emissions
from sedlib.decode.parameters import log_odds
from sedlib.decode.posteriors import Posteriors
from sedlib.errors import SedError
from sedlib.metrics.clips import on_clips
from sedlib.metrics.f1 import EventIndex, f1_precision_recall, hits_by_cell, index_events
from sedlib.threads import one_thread, share_threads


class Objective:
    """Event-based F1 of decoders on a set of clips, with what does not depend on their parameters computed once.

    The clips of ``reference``, an event table, count as far as there are posteriors of them; ``duration_s`` as for
    `find_events`.
    """

    def __init__(self, posteriors: Posteriors, reference: pd.DataFrame, duration_s: float | None = None) -> None:
        names = set(reference["filename"])
        reference, _ = on_clips(reference, [name for name in posteriors.filenames if name in names])
        clips = tables.filenames(reference)
        self.posteriors, self.classes, self.duration_s = posteriors.select(clips), posteriors.classes, duration_s
        self.emissions = emissions(self.posteriors.scores)
        of_class = dict(list(tables.events(reference).groupby("event_label")))
        if unknown := set(of_class).difference(self.classes):
            raise SedError(f"reference: {tables.unknown_label(min(unknown), self.classes)}")
        indexed = [index_events(of_class.get(name, reference[:0]), clips, (name,)) for name in self.classes]
        self.references = np.array([len(of.onset) for of in indexed])
        if not self.references.any():
            raise SedError("reference: no events in these clips, so there is nothing to tune for")
        start = np.append(0, self.references.cumsum()[:-1])
        self.bounds = np.stack([of.bounds + first for of, first in zip(indexed, start, strict=True)])
        self.onset, self.offset = (np.concatenate([of[i] for of in indexed]) for i in (1, 2))

    def counts(self, decoder: Decoder) -> np.ndarray:
        """Count hits, predictions and references of every class, (class, 3)."""
        decoder = decoder.of(self.classes)
        with one_thread():  # threads would wait for each other longer than they work on a busy machine
            each = np.arange(len(self.classes))
            return self._counts(each, each, decoder, decoder.gates()[:, None])[:, 0]

    def f1(self, decoder: Decoder) -> float:
        """Compute macro F1; classes without reference events are left out."""
        return float(np.nanmean(f1_precision_recall(self.counts(decoder))[0]))

    def scan(self, every: Decoder, confidences: Sequence[float] = (0.0,)) -> np.ndarray:
        """Compute F1 of every class with each parameters in turn, (class, parameters, confidence).

        ``every`` holds the parameters to try where a decoder has those of its classes, and ``confidences`` are tried
        with each of them in place of their own. NaN for a class without references.
        """
        n = len(self.classes), len(every.classes)
        label, which = (of.ravel() for of in np.indices(n))
        counts = self._counts(label, which, every, np.tile(log_odds(np.array(confidences)), (n[0] * n[1], 1)))
        return f1_precision_recall(counts)[0].reshape(*n, len(confidences))

    def landscape(
        self,
        p_silence: Sequence[float] | np.ndarray,
        p_event: Sequence[float] | np.ndarray,
        confidences: Sequence[float] = (0.0,),
        drop_s: float = 0.0,
    ) -> np.ndarray:
        """Compute F1 of every HMM, (class, silence, event, confidence); NaN for a class without references."""
        s, e = (grid.ravel() for grid in np.meshgrid(p_silence, p_event, indexing="ij"))
        every = Hmm(tuple(map(str, range(len(s)))), s, e, np.zeros(len(s)), drop_s=drop_s)
        return self.scan(every, confidences).reshape(-1, len(p_silence), len(p_event), len(confidences))

    def _counts(self, label: np.ndarray, which: np.ndarray, decoder: Decoder, gates: np.ndarray) -> np.ndarray:
        """(task, gate, 3): a task is a class and which of a decoder's parameters, a gate a confidence in log-odds."""
        share_threads()
        vectors = decoder.vectors(self.posteriors.frame_s, self.posteriors.scores.shape[1])
        events = self.bounds, self.onset, self.offset
        of_events = rules(self.posteriors, self.duration_s, decoder.drop_s)
        found = _count(NUMBERS[type(decoder)], *self.emissions, label, which, vectors, gates, *events, *of_events)
        references = np.broadcast_to(self.references[label][:, None, None], (*found.shape[:2], 1))
        return np.concatenate([found, references], -1)


@njit(cache=True, parallel=True)
def _count(method, silence, event, label, which, vectors, gates, ref_bounds, ref_onset, ref_offset, frame_s, end, drop):
    """Hits and predictions (task, gate, 2), summed over the clips."""
    counts = np.zeros((len(label), gates.shape[1], 2), np.int64)
    for task in prange(len(label)):
        k = label[task]
        found, reference = (
            spans(method, silence[k], event[k], vectors[which[task]]),
            EventIndex(ref_bounds[k], ref_onset, ref_offset),
        )
        for gate in range(gates.shape[1]):
            predictions = EventIndex(*kept(found, frame_s, end, drop, gates[task, gate]))
            counts[task, gate, 0] = hits_by_cell(reference, predictions, 0.2, 0.2, 0.2).sum()
            counts[task, gate, 1] = len(predictions.onset)
    return counts
