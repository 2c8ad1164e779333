"""An ingest's session in the sprint's journal: begun, the ledger of each batch, a beat a minute, ended.

A thread of its own writes: a journal that is away neither stops nor slows the ingest. A session that gives no sign any
more is ended by another, with what the staging collection and the journal know of it.
"""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

from bson import ObjectId
from pymongo.errors import PyMongoError

from leadbook.core import write_errors as faults
from leadbook.core.journal import Entry, Journal
from leadbook.core.ticker import Repeater
from leadbook.core.traces import PoolCounts
from leadbook.ingest.pipeline import PipelineResult
from leadbook.ingest.staging import LONG_AGO, Backlog, Staging
from leadbook.ingest.store.patience import Patience
from leadbook.lead.ledger import Ledger, UnbalancedError
from leadbook.rehearsal.servers import owner

BEAT_S = 60.0

FLUSH_S = 1.0
"""What batches did reaches the journal so soon, many entries in one write."""

DEAD_S = 180.0
"""A session that gave no sign for so long, and did not end, counts as dead."""

LOOK_S = 3.0
"""A process that is gone at two looks so far apart has taken its worker processes with it: they end when it does, but
not in the same instant (`workers._begin`)."""

HERE = ("processes", "threads")
"""Executors whose workers end with the process that began the session; a Dask cluster's go on without it."""

SIGNS = ("session.begun", "session.batch", "session.beat")


@dataclass(frozen=True, kw_only=True)
class Beat:
    """How a session stands. state: `begun`, `at work` or `ended`.  rate: records brought to an outcome per second since
    the beat before.  backlog: None for files, and where MongoDB does not tell."""

    state: str
    session: ObjectId
    ledger: Ledger
    rate: float
    backlog: Backlog | None

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready, without personal data; what is not known is None."""
        ledger, left = self.ledger, self.backlog
        return {
            "time": datetime.now(UTC).isoformat(timespec="seconds"), "state": self.state, "session": str(self.session),
            "read": ledger.read, "stored": ledger.stored, "filled": ledger.filled, "duplicate": ledger.duplicates,
            "rejected": ledger.rejects, "failed": ledger.failed, "backlog": left and left.left,
            "oldest_s": left and round(left.oldest_s or 0.0, 1), "rate": round(self.rate, 1),
        }  # fmt: skip


@dataclass(kw_only=True)
class _Told:
    """How much of a run the beats have told: batches, leads stored, and seconds spent inserting."""

    batches: int = 0
    stored: int = 0
    insert_s: float = 0.0

    def work(self, result: PipelineResult) -> dict[str, Any]:
        """What the run did since this was asked before: documents (stored), documents_per_s (by the time that all
        workers together spent inserting; None without an insert), batches (of records, so many took them), batch_size,
        writers, and the pool of the busiest worker (see PoolCounts.as_dict)."""
        pools = [pool for _, pool, _ in result.batches[self.batches :]]
        stored, seconds = result.ledger.stored - self.stored, result.stages.get("insert", 0.0) - self.insert_s
        self.batches += len(pools)
        self.stored, self.insert_s = self.stored + stored, self.insert_s + seconds
        return {
            "documents": stored, "documents_per_s": round(stored / seconds, 1) if seconds > 0 and stored else None,
            "batches": len(pools), "batch_size": result.batch_size, "writers": result.workers,
            "pool": sum(pools, PoolCounts()).as_dict(),
        }  # fmt: skip


class Departed:
    """Which sessions have ended with their process, as far as this machine can tell: nobody need wait for them.

    Those only that say so of themselves in `session.begun`: a process of this machine, since its last start, with
    workers of its own, that asks no vendor (who would be paid twice for a lead that was just bought).
    """

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self._begun, self._first = dict[ObjectId, Entry](), dict[ObjectId, float]()

    def of(self, sessions: Iterable[ObjectId]) -> dict[ObjectId, bool]:
        """Those of `sessions` whose process is gone, and whether it was so at two looks LOOK_S apart. Raises
        PyMongoError."""
        gone = [session for session in sessions if self._is_gone(session)]
        now = time.monotonic()
        return {session: now - self._first.setdefault(session, now) >= LOOK_S for session in gone}

    def _is_gone(self, session: ObjectId) -> bool:
        if session not in self._begun and (found := self.journal.newest("session.begun", session=session)):
            self._begun[session] = found
        told = self._begun.get(session, {})
        return told.get("enriches") is False and _has_ended(told)


def _has_ended(begun: Mapping[str, Any]) -> bool:
    """Whether a session has ended for certain with its process. begun: its `session.begun`."""
    mark = begun.get("mark")
    return begun.get("executor") in HERE and isinstance(mark, Mapping) and owner.has_ended(mark)


class Logbook(Repeater):
    """Keeps one session while entered: hand `take` to a run as its progress, and `session` to a drain.

    staging: of staged records; None for others.  named: what `session.begun` says besides.  heard: takes each beat.
    notice: takes a line for what a user should know.  max_age_s: oldest staged record that may wait without a notice.
    stuck_s: a run that gives no progress for so long gives no beat either: it hangs, and its claims have expired.
    clock: how many times as fast as the real one the sprint's clock goes: a rehearsal in haste beats sooner.
    """

    def __init__(
        self, journal: Journal, staging: Staging | None, *, heard: Callable[[Beat], None] = lambda _: None,
        notice: Callable[[str], None] = lambda _: None, max_age_s: float = float("inf"),
        stuck_s: float = float("inf"), clock: float = 1.0, **named: Any,
    ) -> None:  # fmt: skip
        super().__init__()
        self.session, self.journal, self.staging = ObjectId(), journal, staging
        if staging is not None:
            self.staging = Staging(staging.collection, session=self.session, patience=Patience(0.0))
        self.heard, self.notice, self.max_age_s, self.stuck_s = heard, notice, max_age_s, stuck_s
        self.named = {"source": "files" if staging is None else "staging", **named}
        self.result, self.clock, self._work = PipelineResult(), clock, _Told()
        self._told, self._read, self._obeys = 0, 0, 0
        self._progress = self._beaten = self._may_bury = time.monotonic()
        self._is_late = self._is_deaf = False
        self._departed = Departed(journal)

    def __enter__(self) -> Self:
        self.heard(self._beat("begun", self._backlog()))
        self._write([self.journal.entry("session.begun", session=self.session, mark=owner.me(), **self.named)])
        self._bury()
        return super().__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        self._flush()
        problem = self.result.problem or (faults.described(error) if error is not None else "")
        ledger = self.result.ledger.as_dict()
        self._write([self.journal.entry("session.ended", session=self.session, ledger=ledger, problem=problem)])
        self.heard(self._beat("ended", self._backlog()))

    def take(self, result: PipelineResult) -> None:
        """The run goes on; what it did is told from here."""
        self.result, self._progress = result, time.monotonic()

    def step(self) -> float:
        """Write what batches did, and once a minute that the session lives; also as soon as it obeys new orders."""
        self._flush()
        now, obeys = time.monotonic(), self.result.work.get("orders", 0)
        is_due = now - self._beaten >= BEAT_S / self.clock or obeys != self._obeys
        if is_due and now - self._progress < self.stuck_s:
            self._obeys = obeys
            backlog = self._backlog()
            beat = self._beat("at work", backlog)
            told = asdict(backlog) if backlog else {}
            work = {**self._work.work(self.result), **self.result.work}
            signs = {"source": self.named["source"], "backlog": told, "work": work}
            self._write([self.journal.entry("session.beat", session=self.session, **signs)])
            with suppress(OSError):  # nobody listens any more (a terminal that was closed): the session goes on
                self._bury()
                self._say_late(backlog)
                self.heard(beat)
        return FLUSH_S

    def _beat(self, state: str, backlog: Backlog | None) -> Beat:
        now, ledger = time.monotonic(), self.result.ledger
        rate = (ledger.read - self._read) / max(now - self._beaten, 1e-3)
        self._beaten, self._read = now, ledger.read
        return Beat(state=state, session=self.session, ledger=ledger, rate=rate, backlog=backlog)

    def _backlog(self) -> Backlog | None:
        try:
            return self.staging.backlog() if self.staging is not None else None
        except PyMongoError:
            return None

    def _flush(self) -> None:
        batches = self.result.batches[self._told :]
        self._told += len(batches)
        self._write([
            self.journal.entry("session.batch", session=self.session, source=source, ledger=ledger.as_dict())
            for source, _, ledger in batches if ledger.read
        ])  # fmt: skip

    def _write(self, entries: Sequence[dict[str, Any]]) -> None:
        if not entries:
            return
        if self.journal.waiting():  # MongoDB was away: the signs of others may still be on their way
            self._may_bury = time.monotonic() + DEAD_S
        try:
            self.journal.add(entries)
        except OSError as error:
            if not self._is_deaf:
                self.notice(f"the journal cannot be written ({error.strerror}): the ledger at the end is its only copy")
            self._is_deaf = True

    def _say_late(self, backlog: Backlog | None) -> None:
        """Say once that records wait too long, and once that they do not any more."""
        oldest = backlog.oldest_s or 0.0 if backlog else 0.0
        if backlog is None or self._is_late == (oldest > self.max_age_s):
            return
        self._is_late = not self._is_late
        self.notice(
            f"{backlog.left} staged records wait, the oldest for {oldest:.0f} s, longer "
            f"than backlog_max_age_s ({self.max_age_s:g} s): start a second follower, on another machine if you can"
            if self._is_late else f"no staged record waits longer than {self.max_age_s:g} s any more"
        )  # fmt: skip

    def _bury(self) -> None:
        """End dead sessions."""
        if self.staging is None or time.monotonic() < self._may_bury:
            return
        try:
            for session in bury(self.journal, self.staging, self._departed):
                self.notice(f"ingest session {session} gives no sign any more: the journal holds its ledger")
        except (PyMongoError, OSError):
            return  # the next beat looks again


def bury(journal: Journal, staging: Staging, departed: Departed | None = None) -> list[ObjectId]:
    """End sessions that gave no sign for DEAD_S and did not end, each with the ledger of what it did; which they were.
    Also those that have `departed`.

    Batches tell what a session did, until its last sign; the staging collection also what it did after that, as long as
    its records are kept. Of each outcome the larger count is true. Raises PyMongoError and OSError.
    """
    buried = []
    found = [one for one in unended(journal) if one["_id"] != staging.session]
    gone = departed.of(one["_id"] for one in found) if departed else {}
    for one in found:
        session = one["_id"]
        if one["silent_s"] < DEAD_S and not gone.get(session):
            continue
        batches = filter(None, map(_ledger, journal.entries("session.batch", session=session)))
        counts = Counter(sum(batches, Ledger()).outcomes()) | Counter(staging.ended(session))
        problem = f"gave no sign since {one['sign']:%Y-%m-%d %H:%M:%S} UTC"
        told = {"session": session, "ledger": Ledger.counted(counts).as_dict(), "problem": problem, "dead": True}
        end = journal.entry("session.ended", **told)
        sign = f"{session} {one['sign'].isoformat()}".encode()
        end["_id"] = ObjectId(hashlib.sha256(sign).digest()[:12])  # two who find it dead write one entry
        journal.add([end])
        buried.append(session)
    return buried


def _ledger(entry: Entry) -> Ledger | None:
    """A batch's ledger; None where the entry holds none that adds up, which nobody here has written."""
    with suppress(KeyError, TypeError, UnbalancedError):
        return Ledger.from_dict(entry["ledger"])
    return None


def unended(journal: Journal) -> list[dict[str, Any]]:
    """Sessions without an end since their last sign, the oldest sign first: `_id`, `by`, `source`, `sign` (when),
    `silent_s` (for how long, by the server's clock) and `gone` (its process has ended, as this machine knows). Raises
    PyMongoError."""
    is_sign, is_begin = {"$in": ["$kind", [*SIGNS]]}, {"$eq": ["$kind", "session.begun"]}
    found = list(journal.collection.aggregate([
        {"$match": {"kind": {"$in": [*SIGNS, "session.ended"]}, "at": {"$type": "date"}}},
        {"$group": {
            "_id": "$session", "by": {"$first": "$by"}, "sign": {"$max": {"$cond": [is_sign, "$at", None]}},
            "source": {"$max": {"$cond": [is_begin, "$source", None]}},
            "end": {"$max": {"$cond": [is_sign, None, "$at"]}},
            "begun": {"$max": {"$cond": [is_begin, {"mark": "$mark", "executor": "$executor"}, None]}},
        }},
        {"$match": {"$expr": {"$gt": ["$sign", {"$ifNull": ["$end", LONG_AGO]}]}}},
        {"$set": {"silent_s": {"$divide": [{"$subtract": ["$$NOW", "$sign"]}, 1000]}}}, {"$sort": {"sign": 1}},
    ]))  # fmt: skip
    return [{**one, "gone": _has_ended(one.pop("begun") or {})} for one in found]
