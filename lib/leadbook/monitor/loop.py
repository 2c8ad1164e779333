"""The sampling loop: read every source every half second, keep the readings, and lay them out as a timeline."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import pandas as pd
import psutil
from pymongo.errors import PyMongoError
from redis.exceptions import RedisError

from leadbook.core import write_errors
from leadbook.core.ticker import Ticker
from leadbook.monitor.readings import Formulas, Reading, ReadingSource, apply, rates


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """Readings in time.

    frame: a row a sample, index `seconds` since the watch began, columns `<source>.<reading>`; NaN = not reported.
    expected: samples that the interval should have given.  dropped: intervals left out because a server restarted.
    problems: readings that failed, `SOURCE: why`.
    """

    frame: pd.DataFrame
    expected: int
    dropped: int = 0
    problems: Sequence[str] = ()

    def values(self, reading: str) -> pd.Series:
        """What was reported of one reading, without gaps; empty where nothing was."""
        if reading not in self.frame.columns:
            return pd.Series(dtype=float)
        return self.frame[reading].dropna()

    def statistic(self, reading: str, statistic: str) -> float | None:
        """`max`, `min`, `mean`, `median`, `last` or `first` of a reading; None where it was never reported."""
        values = self.values(reading)
        if values.empty:
            return None
        found = (
            values.iloc[{"last": -1, "first": 0}[statistic]]
            if statistic in ("last", "first")
            else getattr(values, statistic)()
        )
        return float(found) if math.isfinite(found) else None

    def samples(self) -> dict[str, int]:
        """How many samples each source gave."""
        sources = dict.fromkeys(column.partition(".")[0] for column in self.frame.columns)
        return {source: int(self.frame.filter(regex=rf"^{source}\.").notna().any(axis=1).sum()) for source in sources}

    def growth(self, reading: str) -> float | None:
        """How much a counter grew from the first sample to the last; None where a restart lies between or it is absent.

        A restart shows as a fall of the counter.
        """
        values = self.values(reading)
        if len(values) < 2 or not values.is_monotonic_increasing:
            return None
        return float(values.iloc[-1] - values.iloc[0])


class Watcher(Ticker):
    """Samples `sources` in a thread of its own while entered; `timeline()` afterwards.

    A source that fails leaves a problem and a gap, never a stop. interval_s: seconds from sample to sample.
    """

    def __init__(self, sources: Sequence[ReadingSource], *, interval_s: float = 0.5) -> None:
        super().__init__(self._sample, interval_s, first_after_s=interval_s)
        self._sources, self._interval = list(sources), interval_s
        self._rows: list[tuple[float, dict[str, Reading]]] = []
        self._problems: list[str] = []
        self._start = time.monotonic()
        self._ended: float | None = None

    def __enter__(self) -> Self:
        self._start = time.monotonic()
        self._sample()
        return super().__enter__()

    def __exit__(self, *exception: Any) -> None:
        super().__exit__(*exception)
        if exception[0] is not None:
            return
        if len(self._rows) > 1 and self._now - self._rows[-1][0] < self._interval / 2:
            self._rows.pop()  # the last sample replaces it: a rate over a few milliseconds tells nothing
        self._sample()
        self._ended = self._now

    @property
    def _now(self) -> float:
        """Seconds since the watch began."""
        return time.monotonic() - self._start

    def _sample(self) -> None:
        at, found = self._now, {}
        for source in self._sources:
            try:
                found[source.name] = source.read()
            except (PyMongoError, RedisError, OSError, psutil.Error) as error:
                self._problems.append(f"{source.name}: {write_errors.described(error)}")
        self._rows.append((at, found))

    def timeline(self) -> Timeline:
        """What was read so far."""
        expected = int((self._ended or self._now) / self._interval) + 1
        formulas = {source.name: source.derived for source in self._sources}
        return lay_out(self._rows, formulas, expected=expected, problems=tuple(self._problems))


def lay_out(
    rows: Sequence[tuple[float, dict[str, Reading]]],
    formulas: Mapping[str, Formulas],
    *,
    expected: int,
    problems: Sequence[str] = (),
) -> Timeline:
    """A timeline of readings by moment, of this process or of any other that kept them.

    Gauges, rates against the sample before, and what the `formulas` of each source make of both.
    """
    last: dict[str, Reading] = {}
    flat, dropped = [], 0
    for _, found in rows:
        row: dict[str, float] = {}
        for source, reading in found.items():
            grown = rates(last[source], reading) if source in last else {}
            dropped += grown is None
            values = {**reading.values, **(grown or {})}
            values |= apply(formulas[source], values)
            row |= {f"{source}.{name}": value for name, value in values.items()}
        last = found
        flat.append(row)
    frame = pd.DataFrame(flat, index=pd.Index([at for at, _ in rows], name="seconds"))
    return Timeline(frame=frame, expected=expected, dropped=dropped, problems=tuple(problems))
