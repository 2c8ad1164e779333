"""Did all arrive that collectors sent: by the stamps on staged records, and by what people say was sent. Read-only.

A stamp numbers a record's batch within an execution of its collector, and tells the batch's size and whether it is the
execution's last. A batch may be sent twice: more records than its size are no loss.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pymongo.collection import Collection

from leadbook.analysis.totals import Totals
from leadbook.core.connect import LENIENT
from leadbook.core.errors import ParameterError
from leadbook.ingest.staging import LONGEST_NAME, WORKFLOW

Batches = dict[int, tuple[int, int, bool]]
"""Of one execution: records, size and whether it is the last, by number of the batch."""

MOST = 1_000_000
"""A stamp with a greater number is none."""
_COUNTS, _NAMES = ["int", "long", "double"], ["string", "int", "long", "double", "objectId"]
_IS_COUNT = {"$in": [{"$type": "$collector.batch"}, _COUNTS]}
_IS_SIZE = {"$in": [{"$type": "$collector.size"}, _COUNTS]}
_IS_EXECUTION = {"$in": [{"$type": "$collector.execution"}, _NAMES]}
"""A stamp without an execution is none either: batches of two runs would be taken for one."""


@dataclass(frozen=True, kw_only=True)
class Arrived:
    """What arrived of one collector. sent: as people say, None where nobody does.  unstamped: staged without a stamp.

    short: records that are missing from batches that came.  absent: records of batches that did not come, as many as
    others of the execution hold, and at least one where the last did not come.  faults: batch by batch.
    """

    collector: str
    staged: int
    sent: int | None = None
    unstamped: int = 0
    short: int = 0
    absent: int = 0
    faults: tuple[str, ...] = field(default=())

    @property
    def known(self) -> bool:
        """Whether anything tells what was sent."""
        return self.sent is not None or not self.unstamped

    @property
    def missing(self) -> int:
        """Records that did not arrive, at least."""
        return max(self.short + self.absent, (self.sent or 0) - self.staged)


def parse_sent(text: str) -> dict[str, int]:
    """The parameter `sent`: records by collector. Raises ParameterError."""
    found = {}
    for part in filter(None, map(str.strip, text.split(","))):
        name, _, count = part.rpartition("=")
        if not name.strip() or not count.strip().isdigit():
            raise ParameterError("sent", f"cannot read {part!r}", "say 'apollo-1=2000, brightdata-2=1800'")
        found[name.strip()] = int(count)
    return found


def arrivals(staging: Collection[dict[str, Any]], totals: Totals, sent: Mapping[str, int]) -> list[Arrived]:
    """What arrived, for each collector that staged records, or is said to have sent some. Raises PyMongoError.

    Records that name no collector are their vendor's.
    """
    staged: dict[str, int] = dict.fromkeys(sent, 0)
    for one in totals.staged:
        name = one.collector or one.vendor
        staged[name] = staged.get(name, 0) + one.read
    executions = _executions(staging)
    return [_arrived(name, count, sent.get(name), executions.get(name, {})) for name, count in staged.items()]


def _executions(staging: Collection[dict[str, Any]]) -> dict[str, dict[str, Batches]]:
    """Stamped batches by collector and execution."""
    of = {"collector": WORKFLOW, "execution": "$collector.execution", "batch": "$collector.batch"}
    rows = staging.with_options(codec_options=LENIENT).aggregate([
        {"$match": {"collector.batch": {"$gte": 1, "$lte": MOST}, "collector.size": {"$gte": 1, "$lte": MOST},
                    "$expr": {"$and": [_IS_COUNT, _IS_SIZE, _IS_EXECUTION]}}},
        {"$group": {"_id": of, "n": {"$sum": 1}, "size": {"$max": "$collector.size"},
                    "last": {"$max": "$collector.last"}}},
    ])  # fmt: skip
    found: dict[str, dict[str, Batches]] = {}
    for row in rows:
        name, execution = row["_id"]["collector"][:LONGEST_NAME], str(row["_id"].get("execution", ""))
        if name:
            batches, number = found.setdefault(name, {}).setdefault(execution, {}), int(row["_id"]["batch"])
            count, size, last = batches.get(number, (0, 0, False))
            batches[number] = (count + row["n"], max(size, int(row["size"])), last or row["last"] is True)
    return found


def _arrived(name: str, staged: int, sent: int | None, executions: Mapping[str, Batches]) -> Arrived:
    stamped = sum(count for batches in executions.values() for count, _, _ in batches.values())
    short = absent = 0
    faults: list[str] = []
    for execution, batches in sorted(executions.items()):
        where = f"{name}, execution {execution[:20]}"
        for number, (count, size, _) in sorted(batches.items()):
            if count < size:
                short += size - count
                faults.append(f"{where}: {count:,} of {size:,} records of batch {number} came")
        gone = sorted(set(range(1, max(batches))) - set(batches))
        if gone:
            absent += len(gone) * max(size for _, size, _ in batches.values())
            faults.append(f"{where}: {_numbers(gone)} did not come")
        if not any(last for _, _, last in batches.values()):
            absent += 1
            faults.append(f"{where}: batch {max(batches)} is not its last, and none came after it")
    if sent is not None and staged < sent:
        faults.append(f"{name}: {staged:,} of {sent:,} records came")
    return Arrived(
        collector=name, staged=staged, sent=sent, unstamped=staged - stamped, short=short, absent=absent,
        faults=tuple(faults),
    )  # fmt: skip


def _numbers(batches: Iterable[int]) -> str:
    named = [str(one) for one in batches]
    return f"batch{'es' if len(named) > 1 else ''} {', '.join(named[:5])}{', …' if len(named) > 5 else ''}"
