"""The sprint so far, as the forecast sees it: leads and records ended over time, and whether collectors have ended."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from leadbook.watch.history import History

ENDED = ("sprint.stored", "sprint.filled", "sprint.duplicates", "sprint.rejected")
SILENCE_S, TIMES_LONGEST = 1_800.0, 3.0
"""Collectors have ended when nothing was staged for half an hour, and for three times the longest pause before."""


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Counts that never fall, at moments that do not repeat; between two readings, a gap too, they grew evenly.

    seconds: since 1970.  leads: unique leads.  records: records ended; the leads themselves where those are not known.
    waiting: records staged and not ended.  silent_s: since anything was staged, or stored where that is not known.
    ended: collectors have ended, see SILENCE_S.
    """

    seconds: np.ndarray
    leads: np.ndarray
    records: np.ndarray
    waiting: float
    silent_s: float
    ended: bool

    @classmethod
    def of(cls, history: History, begin: datetime | None) -> Progress:
        """What a series tells since `begin`, or since anything grew; by the snapshots that counted leads."""
        leads, at = history.column("sprint.leads"), history.seconds
        known = np.isfinite(leads) & (at >= (begin.timestamp() if begin else -np.inf))
        seconds, grown = at[known], _never_falling(leads[known])
        ended = sum(history.column(name)[known] for name in ENDED)
        records = _never_falling(np.asarray(ended)) if len(seconds) else grown
        if len(seconds) and not _gain(records) >= _gain(grown):  # NaN, or leads that files brought
            records = grown
        waiting = history.column("sprint.waiting")[known] + history.column("sprint.claimed")[known]
        first = _first(seconds, records, begin)
        staged = _never_falling(history.column("sprint.staged")[known])
        came = staged if np.isfinite(staged).all() and _gain(staged) >= _gain(grown) else grown
        silent, longest = _pauses(seconds[first:], came[first:])
        left = float(waiting[-1]) if len(waiting) and np.isfinite(waiting[-1]) else 0.0
        return cls(
            seconds=seconds[first:], leads=grown[first:], records=records[first:], waiting=left, silent_s=silent,
            ended=len(seconds) > 0 and silent > max(SILENCE_S, TIMES_LONGEST * longest),
        )  # fmt: skip

    @property
    def known_s(self) -> float:
        """Time that the series spans."""
        return float(self.seconds[-1] - self.seconds[0]) if len(self.seconds) else 0.0


def _never_falling(counts: np.ndarray) -> np.ndarray:
    """The same growth without losses: records that were purged, or people who were erased, were brought in all the
    same. What was not read is taken from the reading before; NaN where nothing ever was."""
    if not np.isfinite(counts).any():
        return counts
    seen = np.flatnonzero(np.isfinite(counts))
    filled = np.interp(np.arange(len(counts)), seen, counts[seen])
    grown: np.ndarray = filled[0] + np.concatenate([[0.0], np.cumsum(np.maximum(np.diff(filled), 0.0))])
    return grown


def _gain(counts: np.ndarray) -> float:
    return float(counts[-1] - counts[0]) if len(counts) else 0.0


def _first(seconds: np.ndarray, records: np.ndarray, begin: datetime | None) -> int:
    """Where the sprint begins: at `begin`; where that is not told, with the last reading before the first growth."""
    if begin is not None or not _gain(records) > 0:
        return 0
    return max(0, int(np.searchsorted(records, records[0], side="right")) - 1)


def _pauses(seconds: np.ndarray, came: np.ndarray) -> tuple[float, float]:
    """Seconds since the last growth, and the longest time without any before it."""
    if not len(seconds):
        return 0.0, 0.0
    grew = seconds[1:][np.diff(came) > 0]
    if not len(grew):
        return float(seconds[-1] - seconds[0]), 0.0
    before = np.diff(np.concatenate([[seconds[0]], grew]))
    return float(seconds[-1] - grew[-1]), float(before.max())


def reached_at(history: History, leads: int) -> datetime | None:
    """When a number of leads was reached, between two snapshots in proportion; None where it was not.

    Reached before the first snapshot: that snapshot's time, since nothing earlier is known.
    """
    known = np.isfinite(history.column("sprint.leads"))
    counts, seconds = _never_falling(history.column("sprint.leads")[known]), history.seconds[known]
    if not len(counts) or counts[-1] < leads:
        return None
    index = int(np.searchsorted(counts, leads))
    if index == 0:
        return datetime.fromtimestamp(float(seconds[0]), UTC)
    share = (leads - counts[index - 1]) / (counts[index] - counts[index - 1])
    return datetime.fromtimestamp(float(seconds[index - 1] + share * (seconds[index] - seconds[index - 1])), UTC)
