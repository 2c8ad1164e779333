"""The rate of collecting: staged records over time, by collector, in the last hour and over the sprint. Read-only.

A record's time is `collected_at`, or else that of its `_id`. Collectors stage batches, so that neighbouring minutes are
alike: the interval of a rate comes from a block bootstrap (Politis and Romano 1992, circular blocks), which draws runs
of neighbours. What lasted less than an hour is extrapolated, and says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
from pymongo.collection import Collection

from leadbook.analysis.totals import vendor_named
from leadbook.core.connect import LENIENT
from leadbook.ingest.staging import LONGEST_NAME, WORKFLOW
from leadbook.measure.intervals import Interval

HOUR = 3_600.0
FEWEST, MOST = 10, 1_440
"""Parts that a period is cut into: of a minute or more where it is long enough for that, never below a second."""
RESAMPLES = 2_000


@dataclass(frozen=True, kw_only=True)
class CollectionRate:
    """Records staged in a period. hourly: records an hour, with its 95 % interval."""

    records: int
    seconds: float
    hourly: Interval

    @property
    def extrapolated(self) -> bool:
        """Whether the period is shorter than the hour that is told of."""
        return self.seconds < HOUR


@dataclass(frozen=True, kw_only=True)
class Collecting:
    """Staged records over time. by_collector: a row each.  sprint: from the first to the last record.  hour: up to
    now, from the first record where that is younger.  None: nothing was staged, or too little time passed."""

    by_collector: pd.DataFrame
    staged: int
    in_hour: int
    sprint: CollectionRate | None
    hour: CollectionRate | None


def read_collecting(staging: Collection[dict[str, Any]], now: datetime | None = None) -> Collecting:
    """Read when records were staged, to the second. Raises PyMongoError.

    What came in the first second was collected before it: a period that begins there does not count it.
    """
    now = now or datetime.now(UTC)
    frame = _seconds(staging, now)
    ago = now - timedelta(hours=1)
    hour = frame[frame["at"] > ago]
    first, last = (frame["at"].min(), frame["at"].max()) if len(frame) else (now, now)
    later = frame[frame["at"] > first]
    return Collecting(
        by_collector=_by_collector(frame, hour), staged=int(frame["records"].sum()),
        in_hour=int(hour["records"].sum()), sprint=_rate(later, first, last),
        hour=_rate(later[later["at"] > ago], max(first, ago), now) if len(hour) else None,
    )  # fmt: skip


def _seconds(staging: Collection[dict[str, Any]], now: datetime) -> pd.DataFrame:
    """A row a collector and second. A time that cannot be read, or lies ahead, is the `_id`'s."""
    said = {"$convert": {"input": "$collected_at", "to": "date", "onError": None, "onNull": None}}
    own = {"$convert": {"input": "$_id", "to": "date", "onError": None, "onNull": None}}
    known = {"$and": [{"$ne": ["$said", None]}, {"$lte": ["$said", now + timedelta(minutes=1)]}]}
    at = {"$dateTrunc": {"date": {"$cond": [known, "$said", own]}, "unit": "second"}}
    rows = staging.with_options(codec_options=LENIENT).aggregate([
        {"$set": {"said": said}},
        {"$group": {"_id": {"vendor": "$vendor", "collector": WORKFLOW, "at": at}, "records": {"$sum": 1}}},
    ])  # fmt: skip
    found = [(of["collector"][:LONGEST_NAME] or vendor_named(of), of.get("at"), row["records"])
             for row in rows if isinstance((of := row["_id"]).get("at"), datetime)]  # fmt: skip
    frame = pd.DataFrame(found, columns=["collector", "at", "records"])
    return frame.assign(at=pd.to_datetime(frame["at"], utc=True))


def _by_collector(frame: pd.DataFrame, hour: pd.DataFrame) -> pd.DataFrame:
    grouped = frame.groupby("collector")
    made = pd.DataFrame({
        "staged": grouped["records"].sum(), "first": grouped["at"].min(), "last": grouped["at"].max(),
        "last hour": hour.groupby("collector")["records"].sum(),
    }).fillna({"last hour": 0})  # fmt: skip
    span = (made["last"] - made["first"]).dt.total_seconds()
    later = frame[frame["at"] > grouped["at"].transform("min")].groupby("collector")["records"].sum()
    made["leads/hour"] = (HOUR * later / span.where(span >= FEWEST)).round()
    for name in ("first", "last"):
        made[name] = made[name].dt.strftime("%Y-%m-%d %H:%M:%S")
    return made.astype({"last hour": int}).reset_index()


def _rate(frame: pd.DataFrame, first: datetime, last: datetime) -> CollectionRate | None:
    """The rate from `first` to `last`; None where that is too short to be cut into FEWEST seconds."""
    seconds = (last - first).total_seconds()
    parts = int(np.clip(seconds / 60, min(FEWEST * 6, int(seconds)), MOST))
    if parts < FEWEST:
        return None
    place = ((frame["at"] - first).dt.total_seconds() * parts / seconds).clip(0, parts - 1).astype(int)
    counts = np.bincount(place, weights=frame["records"], minlength=parts)
    return CollectionRate(records=int(counts.sum()), seconds=seconds, hourly=hourly(counts, seconds))


def hourly(counts: np.ndarray[Any, Any], seconds: float, *, seed: int = 0) -> Interval:
    """Records an hour, with the 95 % interval of a circular block bootstrap over equal parts of a period."""
    parts = len(counts)
    length = max(2, round(2 * parts ** (1 / 3)))
    sums = np.convolve(np.concatenate([counts, counts[: length - 1]]), np.ones(length), "valid")
    drawn = np.random.default_rng(seed).integers(0, parts, size=(RESAMPLES, -(-parts // length)))
    totals = sums[drawn].mean(axis=1) * parts / length
    low, high = (float(value) * HOUR / seconds for value in np.quantile(totals, [0.025, 0.975]))
    return Interval(middle=float(counts.sum()) * HOUR / seconds, low=low, high=high, rounds=parts)
