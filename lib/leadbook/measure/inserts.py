"""Inserts timed in one way for everybody: seconds and errors of each call, acknowledged of what was sent, arrived."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from pymongo.collection import Collection
from pymongo.errors import BulkWriteError

from leadbook.core.write_errors import DUPLICATE

ASKED = 10_000
"""Documents asked for at once when they are read back: a command holds 16 MB at most."""

Document = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class InsertCall:
    """One insert. sent, acknowledged: documents.  seconds: until the driver returned.  errors: how many, by reason."""

    sent: int
    acknowledged: int
    seconds: float
    errors: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class InsertTiming:
    """Documents inserted batch by batch. seconds: within the calls; of several writers, from the first start to the
    last end.  cpu_seconds: of this process meanwhile."""

    calls: tuple[InsertCall, ...]
    seconds: float
    cpu_seconds: float

    @classmethod
    def joined(cls, timings: Iterable[InsertTiming]) -> InsertTiming:
        """Several, one after the other, as one: their calls, and their seconds added up."""
        timings = tuple(timings)
        return cls(
            calls=tuple(call for one in timings for call in one.calls), seconds=sum(one.seconds for one in timings),
            cpu_seconds=sum(one.cpu_seconds for one in timings),
        )  # fmt: skip

    @property
    def sent(self) -> int:
        """Documents."""
        return sum(call.sent for call in self.calls)

    @property
    def acknowledged(self) -> int:
        """Documents."""
        return sum(call.acknowledged for call in self.calls)

    @property
    def rate(self) -> float:
        """Acknowledged documents a second."""
        return self.acknowledged / self.seconds


def insert(
    collection: Collection[Document], documents: Sequence[Document], *, ordered: bool = False, single: bool = False
) -> InsertCall:
    """One call of `insert_many`, or with `single` of `insert_one`. Write errors are counted, others raised."""
    errors: Counter[str] = Counter()
    started = time.perf_counter()
    try:
        if single:
            collection.insert_one(documents[0])  # type: ignore[arg-type]
            acknowledged = 1
        else:
            acknowledged = len(collection.insert_many(documents, ordered=ordered).inserted_ids)
    except BulkWriteError as error:
        acknowledged = int(error.details["nInserted"])
        for one in error.details["writeErrors"]:
            errors["duplicate" if one["code"] == DUPLICATE else f"write error {one['code']}"] += 1
        for one in error.details.get("writeConcernErrors", []):
            errors[f"write concern {one.get('codeName', one.get('code'))}"] += 1
    seconds = time.perf_counter() - started
    return InsertCall(sent=len(documents), acknowledged=acknowledged, seconds=seconds, errors=errors)


def insert_batches(
    collection: Collection[Document], documents: Sequence[Document], batch: int, *, ordered: bool = False,
    writers: int = 1,
) -> InsertTiming:  # fmt: skip
    """Insert `documents` in batches of `batch` (1: `insert_one`) by so many threads.

    The driver gives each document its `_id`, by which `arrived` finds it again. Raises PyMongoError; write errors are
    counted.
    """

    def call(part: Sequence[Document]) -> InsertCall:
        return insert(collection, part, ordered=ordered, single=batch == 1)

    parts = [list(documents[at : at + batch]) for at in range(0, len(documents), batch)]
    cpu, started = time.process_time(), time.perf_counter()
    if writers == 1:
        calls = [call(part) for part in parts]
        seconds = sum(one.seconds for one in calls)
    else:
        with ThreadPoolExecutor(writers) as pool:
            calls = list(pool.map(call, parts))
        seconds = time.perf_counter() - started
    return InsertTiming(calls=tuple(calls), seconds=seconds, cpu_seconds=time.process_time() - cpu)


def arrived(collection: Collection[Document], documents: Sequence[Document]) -> int:
    """How many of these inserted documents are there, by their `_id`s."""
    ids = [document["_id"] for document in documents]
    parts = (ids[at : at + ASKED] for at in range(0, len(ids), ASKED))
    return sum(collection.count_documents({"_id": {"$in": part}}) for part in parts)
