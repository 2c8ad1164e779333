"""When each collector sent, read a little at a time; and which of them fell silent while others still send."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from statistics import median
from typing import Any

from bson import ObjectId

from leadbook.ingest.staging import LONGEST_NAME, WORKFLOW
from leadbook.watch.sources.access import Access
from leadbook.watch.sources.base import Moment, SourcePart, SourceReading
from leadbook.watch.sources.counts import SKEW_S, SprintCounts

SILENT_S = 300.0
"""A collector may be silent for so long, in seconds of the sprint, or for GAPS times its own median gap."""
GAPS = 4.0
ONE_S = 30.0
"""What a collector sends within so many seconds of the sprint is one sending: a batch takes a moment to arrive."""
COARSE_S = 3.0
"""An `_id` tells the second: in a rehearsal in haste no silence shorter than so many real seconds is one."""
DAY_S = 86_400.0
HOUR_S = 3_600.0
KEPT_GAPS = 50
KNOWN, KNOWN_OF_ALL = 3, 30
"""Before a collector has shown so many gaps of its own, and all together so many, nobody knows what silence is: at the
begin of a sprint each workflow sends once, and then nothing for as long as its schedule says. One that has sent for
SILENT_S without a pause shows no gap, and is known as well; whoever is not known may be silent for HOUR_S."""


@dataclass
class _Sender:
    """One collector. seconds: records by the second (since 1970) in which they were staged, of the last hour.  gaps:
    between its latest sendings, real seconds.  begun, last: first and last second of its latest sending.  is_complete:
    by its stamp, that was the last batch of an execution."""

    vendor: str = ""
    seconds: dict[int, int] = field(default_factory=dict)
    gaps: list[float] = field(default_factory=list)
    begun: int = 0
    last: int = 0
    is_complete: bool = False

    def learn(self, seconds: Sequence[int], one_s: float) -> None:
        """New seconds in which it sent, in order. one_s: how long a sending may pause, real seconds."""
        for second in seconds:
            if second <= self.last:
                continue
            if self.last and second - self.last > one_s:
                self.gaps = [*self.gaps, float(second - self.begun)][-KEPT_GAPS:]
            if not self.last or second - self.last > one_s:
                self.begun = second
            self.last = second

    def is_steady(self, for_s: float) -> bool:
        """Whether its latest sending lasted for so many real seconds."""
        return self.last - self.begun >= for_s

    def forget(self, before: float) -> None:
        """Seconds that lie further back."""
        self.seconds = {second: count for second, count in self.seconds.items() if second >= before}


class Collectors(SourcePart):
    """Who staged something within a day: how much, when for the last time, and who fell silent."""

    name = "collectors"
    covers = ("sprint.collectors_silent", "collectors")

    def __init__(self, access: Access, counts: SprintCounts) -> None:
        super().__init__(access)
        self._counts = counts
        self._senders: dict[str, _Sender] = {}
        self._since: float | None = None

    def read(self, moment: Moment) -> SourceReading:
        """Read what was staged since the snapshot before, and a little more: clocks of collectors differ."""
        now = moment.server.timestamp()
        since = now - DAY_S if self._since is None else min(self._since, now) - SKEW_S
        self._take(moment, since)
        self._since = now
        for sender in self._senders.values():
            sender.forget(min(now - HOUR_S / moment.speed, now - SKEW_S))
        rows = [row | _staged(self._counts, row["workflow"]) for row in self._rows(moment, now)]
        silent = sum(row["silent"] for row in rows)
        return SourceReading(readings={"sprint.collectors_silent": float(silent)}, details={"collectors": rows})

    def _take(self, moment: Moment, since: float) -> None:
        staging = self._access.collection(self._access.settings.staging_collection)
        from_ = ObjectId.from_datetime(moment.server - timedelta(seconds=moment.server.timestamp() - since))
        second = {"$toLong": {"$divide": [{"$toLong": {"$toDate": "$_id"}}, 1000]}}
        found = staging.aggregate([
            {"$match": {"_id": {"$gte": from_}}},
            {"$group": {
                "_id": {"workflow": WORKFLOW, "second": second}, "count": {"$sum": 1}, "vendor": {"$last": "$vendor"},
                "complete": {"$last": {"$eq": ["$collector.last", True]}},
            }},
            {"$sort": {"_id.second": 1}},
        ], hint="_id_")  # fmt: skip
        one_s = max(1.0, ONE_S / moment.speed)
        for row in found:
            name, at = str(row["_id"]["workflow"])[:LONGEST_NAME], int(row["_id"]["second"])
            sender = self._senders.setdefault(name, _Sender())
            sender.vendor = str(row["vendor"] or "")[:LONGEST_NAME]
            self._access.own.scanned += row["count"]
            sender.seconds[at] = row["count"]
            if at >= sender.last:
                sender.is_complete = bool(row["complete"])
            sender.learn([at], one_s)

    def _rows(self, moment: Moment, now: float) -> list[dict[str, Any]]:
        known = [gap for sender in self._senders.values() for gap in sender.gaps]
        usual, silent_s = median(known) if known else 0.0, SILENT_S / moment.speed
        waits = {name: max(0.0, now - sender.last) for name, sender in self._senders.items()}
        rows = []
        for name, sender in sorted(self._senders.items()):
            gap = median(sender.gaps) if sender.gaps else usual
            is_known = len(sender.gaps) >= KNOWN or len(known) >= KNOWN_OF_ALL or sender.is_steady(silent_s)
            limit = max(silent_s if is_known else HOUR_S / moment.speed, COARSE_S, GAPS * gap)
            others = any(wait <= max(limit / 2, COARSE_S) for other, wait in waits.items() if other != name)
            in_hour = sum(n for second, n in sender.seconds.items() if second >= now - HOUR_S / moment.speed)
            rows.append({
                "workflow": name, "vendor": sender.vendor, "in_hour": in_hour,
                "last_s": round(waits[name] * moment.speed, 1), "gap_s": round(gap * moment.speed, 1),
                "complete": sender.is_complete,
                "silent": bool(others and limit < waits[name] <= DAY_S / moment.speed),
            })  # fmt: skip
        return rows


def _staged(counts: SprintCounts, workflow: str) -> dict[str, int]:
    """How many records of a collector there are, and how many of them have no outcome."""
    mine = [(key, count) for key, count in counts.tally.items() if key.workflow == workflow]
    return {
        "staged": sum(count for _, count in mine), "waiting": sum(count for key, count in mine if not key.ended)
    }  # fmt: skip
