"""Rejected records once more, after a rule, a mapping or the validator was changed."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

from pymongo.collection import Collection
from pymongo.errors import PyMongoError

from leadbook.core import write_errors as faults
from leadbook.enrich.enrich import ERASED
from leadbook.ingest.batches import RecordBatch
from leadbook.ingest.isolate import safely
from leadbook.ingest.pipeline import PipelineResult
from leadbook.ingest.site import Site
from leadbook.ingest.staging import raw_record, vendor_of
from leadbook.ingest.store.rejects import RejectedLeads, payload_text
from leadbook.lead.clock import now_ms
from leadbook.lead.ledger import FAILED
from leadbook.lead.vendors import RawRecord

UNREADABLE = frozenset({"broken_json", "broken_csv", "too_large", "not_an_object", ERASED})
"""Reasons that no rule can change: the record itself cannot be read, or was not kept."""


def replay(site: Site, *, stop: Callable[[], str] = lambda: "") -> PipelineResult:
    """Run every rejected record through the pipeline; those that became leads (or were leads already) leave the
    collection.

    Safe to repeat and to break off. stop: why to end after the batch at work. A server that cannot be used ends it
    early: see `problem`.
    """
    tools = site.tools()
    result, started = PipelineResult(), time.perf_counter()
    try:
        for vendor in tools.store.retry(lambda: tools.rejects.collection.distinct("vendor")):
            for part in _parts(tools.rejects.collection, vendor, site.settings.batch_size):
                report = safely(_batch(part, str(vendor)), tools)
                tools.store.retry(lambda part=part, report=report: _renew(tools.rejects, part, report.outcomes))  # type: ignore[misc]
                result.add(report)
                result.problem = result.problem or stop()
                if result.problem:
                    return result
    except PyMongoError as error:
        result.problem = result.problem or faults.described(error)
    finally:
        result.seconds = time.perf_counter() - started
    return result


def _parts(rejects: Collection[dict[str, Any]], vendor: str, size: int) -> Iterator[list[dict[str, Any]]]:
    """Rejected records of one vendor, in the order of their `_id`s, each once even while some are deleted."""
    with rejects.find({"vendor": vendor}, sort=[("_id", 1)], batch_size=size) as found:
        while part := list(islice(found, size)):
            yield part


def _batch(part: Sequence[dict[str, Any]], called: str) -> RecordBatch:
    """A part once more, by the vendor that `called` means now."""
    vendor = vendor_of({"vendor": called})
    records = [_record(reject, vendor) for reject in part]
    return RecordBatch(source="replay", vendor=vendor, called=called, records=records, kept=True)


def _record(reject: dict[str, Any], vendor: str) -> RawRecord:
    if reject.get("payload_truncated"):
        return RawRecord(reject["record_number"], {}, "too_large")
    read = raw_record(reject, vendor)
    problem = reject["reason"] if reject["reason"] in UNREADABLE else read.problem
    return read._replace(number=reject["record_number"], problem=problem)


def _renew(kept: RejectedLeads, part: Sequence[dict[str, Any]], outcomes: Sequence[str]) -> None:
    again: dict[str, list[str]] = defaultdict(list)
    for reject, outcome in zip(part, outcomes, strict=True):
        again[outcome].append(reject["_id"])
    for outcome, ids in again.items():
        reason = outcome.partition(":")[2] if outcome.startswith("rejected:") else ""
        if reason:
            kept.renew(ids, reason, now_ms())
        elif outcome != FAILED:
            kept.forget(ids)
        if reason == ERASED:  # nothing of theirs stays
            kept.collection.update_many({"_id": {"$in": ids}}, {"$set": {"payload": payload_text({"erased": True})}})
