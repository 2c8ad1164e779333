"""Ten collectors at work, which can be made to fall silent, to repeat themselves and to send what nobody can read.

All that they send is counted, so that the ledger of a sprint with faults can be held against it. They outlast a
MongoDB that is away, as n8n's retries do: a batch is sent until it is acknowledged, and never twice by that.

As a process of its own: `python -m leadbook.rehearsal.crew PROFILE` stages the live sprint of a whole rehearsal and
prints what was sent as one JSON object.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import cycle, islice
from types import TracebackType
from typing import Any, Self

from bson import ObjectId
from pymongo.errors import BulkWriteError, PyMongoError

from leadbook.core import connect, write_errors
from leadbook.core.errors import LeadbookError
from leadbook.core.settings import Settings, load_profile
from leadbook.rehearsal import adoption, servers
from leadbook.rehearsal.collectors import Batch, SprintPlan
from leadbook.rehearsal.feeds import MadeRecord
from leadbook.rehearsal.shape import live_plan

AGAIN_S = 0.5
"""A collector tries a batch that was not acknowledged again after so long."""
BROKEN = MadeRecord(payload='{"url": "https://www.linkedin.com/in/', rejected="broken_json")


class CollectorCrew:
    """The collectors of a plan at work over so many seconds: `with CollectorCrew(collection, planned, 480.0): …`.

    Leaving the block ends them at once, whatever they have not sent.
    """

    def __init__(self, collection: connect.Collection, planned: SprintPlan, seconds: float) -> None:
        self.collection, self.planned, self.seconds = collection, planned, seconds
        self.extra: Counter[str] = Counter()
        """Records that were sent beyond the plan: `records`, and of those the rejected by reason."""
        self._sent: Counter[str] = Counter()
        self._silent, self._stop, self._change = set[str](), threading.Event(), threading.Condition()
        self._threads = [
            threading.Thread(target=self._work, args=(name, mine), name=f"collector {name}", daemon=True)
            for name, mine in planned.by_collector.items()
        ]

    def __enter__(self) -> Self:
        self._began, self._start = datetime.now(UTC), time.monotonic()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        with self._change:
            self._change.notify_all()
        for thread in self._threads:
            thread.join()

    @property
    def names(self) -> list[str]:
        """The collectors."""
        return list(self.planned.by_collector)

    @property
    def per_s(self) -> float:
        """Records a second that all of them send together, on average."""
        return sum(len(batch.sightings) for batch in self.planned.batches) / max(self.seconds, 1e-3)

    def finish(self) -> None:
        """Wait until all is sent."""
        for thread in self._threads:
            thread.join()

    @property
    def working(self) -> bool:
        """Whether one has something to send still."""
        return any(thread.is_alive() for thread in self._threads)

    def silence(self, *names: str) -> None:
        """These send nothing until `resume`."""
        with self._change:
            self._silent |= set(names)

    def resume(self, *names: str) -> None:
        """These go on; what they held back is sent at once."""
        with self._change:
            self._silent -= set(names)
            self._change.notify_all()

    def repeat(self, name: str, count: int, skip: int = 0) -> None:
        """A collector sends so many of the good records again that it has sent, from the `skip`th on. None where it has
        sent none."""
        sent = self.planned.by_collector[name][: self._sent[name]]
        good = [one for batch in sent for one in batch.sightings if not one.rejected]
        if not good:
            return
        self._beyond(name, list(islice(cycle(good), skip % len(good), skip % len(good) + count)))

    def break_payloads(self, name: str, count: int) -> None:
        """A collector sends so many records that nobody can read."""
        self._beyond(name, [BROKEN] * count)

    def facts(self) -> dict[str, Any]:
        """What was sent in all, as `SprintPlan.facts` tells it: the plan, and what came beyond it."""
        told = self.planned.facts()
        beyond = Counter(self.extra)
        told["records"] += beyond.pop("records", 0)
        told["rejected"] = dict(Counter(told["rejected"]) + beyond)
        return told

    def _beyond(self, name: str, sightings: Sequence[MadeRecord]) -> None:
        first = self.planned.by_collector[name][0]
        batch = replace(first, execution=f"again-{ObjectId()}", number=1, last=True, sightings=sightings)
        if self._send(batch.documents(datetime.now(UTC), 0.0)):
            self.extra["records"] += len(sightings)
            self.extra.update(one.rejected for one in sightings if one.rejected)

    def _work(self, name: str, mine: Sequence[Batch]) -> None:
        for batch in mine:
            if self._stop.wait(max(0.0, self._start + batch.due * self.seconds - time.monotonic())):
                return
            with self._change:
                self._change.wait_for(lambda: name not in self._silent or self._stop.is_set())
            if not self._send(batch.documents(self._began, self.seconds)):
                return
            self._sent[name] += 1

    def _send(self, documents: list[dict[str, Any]]) -> bool:
        """Insert until all are acknowledged; False where the sprint was ended first."""
        for document in documents:
            document["_id"] = ObjectId()
        while True:
            try:
                self.collection.insert_many(documents, ordered=False)
                return True
            except BulkWriteError as error:
                doubt = error.details.get("writeConcernErrors")
                known = all(one["code"] == write_errors.DUPLICATE for one in error.details["writeErrors"])
                if known and not doubt:  # written before its acknowledgement was lost
                    return True
            except PyMongoError:
                pass
            if self._stop.wait(AGAIN_S):
                return False


def main(profile: str) -> None:
    """Stage a profile's live sprint and print what was sent. Raises LeadbookError and PyMongoError."""
    settings = Settings.from_mapping(load_profile(profile))
    settings.refuse_in_production("stage made records")
    endpoints = servers.resolve(settings)
    planned = live_plan(settings.sample_records, settings.sample_seed)
    with connect.mongodb(endpoints.mongodb_uri, settings) as client:
        adoption.require(client, settings, endpoints)
        connect.ping_mongodb(client)
        staging = client[settings.database][settings.staging_collection]
        with CollectorCrew(staging, planned, settings.live_seconds) as crew:
            crew.finish()
    print(json.dumps(planned.facts()))  # noqa: T201


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except LeadbookError as error:
        sys.exit(f"leadbook: {error}")
    except PyMongoError as error:
        sys.exit(f"leadbook: {write_errors.described(error)}")
