"""One worker's session at the staging collection: claim, process, end."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bson import ObjectId
from pymongo.errors import PyMongoError

from leadbook.core import write_errors as faults
from leadbook.core.errors import LeadbookError
from leadbook.ingest.batches import BatchReport, RecordBatch, Undecided
from leadbook.ingest.isolate import MAX_ATTEMPTS, POISON, safely, set_aside
from leadbook.ingest.site import Site
from leadbook.ingest.staging import LEASE_S, Claim, Staging, key_of, raw_record, said_vendor, vendor_of
from leadbook.ingest.store.tools import Tools
from leadbook.lead.ledger import FAILED, STORED
from leadbook.lead.vendors import RawRecord


@dataclass(frozen=True, kw_only=True)
class WorkOrder:
    """What a worker is sent to do. id: the drain's, on all its claims.  vendor: of records that name none.

    lease_s: see Staging.  seconds: how long it goes on claiming.  abandoned: take expired claims only, or only free
    records.
    """

    id: ObjectId
    vendor: str = ""
    lease_s: float = LEASE_S
    seconds: float = 5.0
    abandoned: bool = False


def drain_some(site: Site, order: WorkOrder) -> list[BatchReport]:
    """Claim, process, end, until nothing is left or the session's seconds are over. Never raises for a server."""
    tools, size = site.tools(), site.settings.batch_size
    collection = tools.store.collection.database[site.settings.staging_collection]
    staging = Staging(collection, lease_s=order.lease_s, session=order.id, patience=tools.store.patience)
    reports: list[BatchReport] = []
    over = time.monotonic() + order.seconds
    try:
        if order.abandoned:
            reports += _give_up(staging, tools, size, order.vendor)
        while time.monotonic() < over and not any(report.problem for report in reports):
            claim = staging.claim(size, abandoned=order.abandoned)
            if not claim.records:
                break
            if claim.taken_over:
                reports.append(BatchReport(source=collection.name, taken_over=claim.taken_over))
            for part in _parts(claim, collection.name, order.vendor):
                reports.append(_ended(part, safely(part, tools), claim, staging))
    except PyMongoError as error:
        reports.append(BatchReport(source=collection.name, problem=faults.described(error)))
    return reports


def _parts(claim: Claim, name: str, default: str) -> list[RecordBatch]:
    """The claim's records, a batch for each vendor; unknown vendors by what they are called."""
    known = {said: vendor_of({"vendor": said}, default) for said in set(map(said_vendor, claim.records))}
    parts: dict[tuple[str, str], list[Mapping[str, Any]]] = defaultdict(list)
    for record in claim.records:
        said = said_vendor(record)
        parts[known[said], "" if known[said] else said].append(record)
    return [
        RecordBatch(
            source=f"{name} ({vendor or 'unknown vendor'})", vendor=vendor, called=called,
            records=[_raw(record, vendor) for record in part], ids=[record["_id"] for record in part],
            since=[_date(record["pipeline"].get("since")) for record in part],
            attempts=[record["pipeline"]["attempts"] for record in part],
        )
        for (vendor, called), part in parts.items()
    ]  # fmt: skip


def _raw(record: Mapping[str, Any], vendor: str) -> RawRecord:
    try:
        return raw_record(record, vendor)
    except LeadbookError:
        raise
    except Exception as error:  # noqa: BLE001  (whatever a record can cause)
        return RawRecord(0, {"not_kept": type(error).__name__}, POISON)


def _date(value: Any) -> datetime | None:
    return value if isinstance(value, datetime) else None


def _ended(batch: RecordBatch, report: BatchReport, claim: Claim, staging: Staging) -> BatchReport:
    """End a batch's records. The ledger counts only those whose claim still was ours when they ended."""
    ids = batch.ids or ()
    keys = [key_of(record_id) for record_id in ids]
    sent = {keys[position] for position in report.sent}
    outcomes, attempts = dict(zip(keys, report.outcomes, strict=True)), dict(zip(keys, batch.attempts, strict=True))
    report.settle(())
    try:
        ended = staging.end(claim, outcomes, unjudged=bool(report.problem))
    except PyMongoError as error:
        report.undecided = tuple(Undecided(id=one, sent=True) for one in ids)
        report.problem = report.problem or faults.described(error)
        return report
    back = {key for key, said in ended.items() if said == FAILED and (report.problem or attempts[key] < MAX_ATTEMPTS)}
    report.settle([said for key, said in ended.items() if key not in back])
    report.undecided = tuple(
        Undecided(id=record_id, sent=key in sent) for key, record_id in zip(keys, ids, strict=True) if key in back
    )
    return report


def _give_up(staging: Staging, tools: Tools, size: int, default: str) -> list[BatchReport]:
    """Set aside records whose workers died with them, time after time; those whose lead is there ended well."""
    claim = staging.exhausted(size)
    reports: list[BatchReport] = []
    for batch in _parts(claim, staging.collection.name, default):
        for position, (record_id, since) in enumerate(zip(batch.ids or (), batch.since, strict=True)):
            one = batch.part(slice(position, position + 1))
            if isinstance(record_id, ObjectId) and tools.store.made_since({record_id: since}):
                report = BatchReport.alike(one, STORED)
            else:
                report = set_aside(one, tools, f"its worker ended {MAX_ATTEMPTS} times")
            if report.problem:
                return [*reports, BatchReport(source=one.source, problem=report.problem)]
            reports.append(_ended(one, report, claim, staging))
    return reports
