"""Rejected records once more, after a rule, a mapping or the validator was changed."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

from pymongo.collection import Collection
from pymongo.errors import PyMongoError

from leadbook.core import write_errors as faults
from leadbook.enrich.enrich import ERASED
from leadbook.ingest.batches import Batch, BatchReport
from leadbook.ingest.isolate import safely
from leadbook.ingest.pipeline import PipelineResult
from leadbook.ingest.site import Site
from leadbook.ingest.staging import vendor_of
from leadbook.ingest.store.rejects import Reject, RejectedLeads, payload_text
from leadbook.ingest.store.tools import Tools
from leadbook.lead.ledger import FAILED, rejected
from leadbook.lead.score import now_ms
from leadbook.lead.vendors import RawRecord, load_vendor, problem_of

__all__ = ["replay"]

UNREADABLE = frozenset({"broken_json", "broken_csv", "too_large", "not_an_object", ERASED})
"""Reasons that no rule can change: the record itself cannot be read, or was not kept."""


class _Known(RejectedLeads):
    """Records that are kept already: nothing to keep."""

    def keep(self, rejects: Sequence[Reject]) -> None:
        """Nothing: the caller renews the reasons."""


def replay(site: Site, *, stop: Callable[[], str] = lambda: "") -> PipelineResult:
    """Run every rejected record through the pipeline; those that became leads (or were leads already) leave the
    collection.

    Safe to repeat and to break off. stop: why to end after the batch at work. A server that cannot be used ends it
    early: see `problem`.
    """
    tools = site.tools()
    kept = tools.rejects
    result = PipelineResult()
    started = time.perf_counter()
    tools.rejects = _Known(kept.collection)
    try:
        for vendor in tools.store.again(lambda: kept.collection.distinct("vendor")):
            for index, part in enumerate(_parts(kept.collection, vendor, site.settings.batch_size)):
                report = _again(index, part, str(vendor), tools)
                tools.store.again(lambda part=part, report=report: _renew(kept, part, report.outcomes))  # type: ignore[misc]
                result.add(report)
                result.problem = result.problem or stop()
                if result.problem:
                    return result
    except PyMongoError as error:
        result.problem = result.problem or faults.described(error)
    finally:
        tools.rejects = kept
        result.seconds = time.perf_counter() - started
    return result


def _parts(rejects: Collection[dict[str, Any]], vendor: str, size: int) -> Iterator[list[dict[str, Any]]]:
    """Rejected records of one vendor, in the order of their `_id`s, each once even while some are deleted."""
    with rejects.find({"vendor": vendor}, sort=[("_id", 1)], batch_size=size) as found:
        while part := list(islice(found, size)):
            yield part


def _again(index: int, part: Sequence[dict[str, Any]], called: str, tools: Tools) -> BatchReport:
    """A part once more, by the vendor that `called` means now."""
    vendor = vendor_of({"vendor": called})
    records = [_record(reject, vendor) for reject in part]
    batch = Batch(index=index, source="replay", vendor=vendor, called=called, records=records, keep_outcomes=True)
    return safely(batch, tools)


def _record(reject: dict[str, Any], vendor: str) -> RawRecord:
    number = reject["record_number"]
    if reject.get("payload_truncated"):
        return RawRecord(number, {}, "too_large")
    try:
        payload = json.loads(reject["payload"])
    except (ValueError, RecursionError):
        return RawRecord(number, {}, "broken_json")
    if reject["reason"] in UNREADABLE or not isinstance(payload, dict):
        return RawRecord(number, payload, reject["reason"] if reject["reason"] in UNREADABLE else "not_an_object")
    return RawRecord(number, payload, problem_of(payload, load_vendor(vendor)) if vendor else "unknown_vendor")


def _renew(kept: RejectedLeads, part: Sequence[dict[str, Any]], outcomes: Sequence[str]) -> None:
    again = {reject["_id"]: outcome for reject, outcome in zip(part, outcomes, strict=True)}
    kept.forget([reject_id for reject_id, said in again.items() if not said.startswith("rejected:") and said != FAILED])
    for outcome in {said for said in again.values() if said.startswith("rejected:")}:
        ids = [reject_id for reject_id, said in again.items() if said == outcome]
        kept.renew(ids, outcome.partition(":")[2], now_ms())
        if outcome == rejected(ERASED):  # nothing of theirs stays
            kept.collection.update_many({"_id": {"$in": ids}}, {"$set": {"payload": payload_text({"erased": True})}})
