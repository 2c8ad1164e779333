"""A record that nobody can work on spoils no other: it is found by halving its batch, and set aside.

Whatever a record makes the library raise, its batch goes on without it. Of a server's or the machine's trouble
(pymongo's errors, OSError) no record is guilty.
"""

from __future__ import annotations

from dataclasses import replace

from pymongo.errors import PyMongoError

from leadbook.core import write_errors as faults
from leadbook.core.errors import LeadbookError
from leadbook.ingest.batch import process
from leadbook.ingest.batches import BatchReport, RecordBatch
from leadbook.ingest.store.rejects import Reject
from leadbook.ingest.store.tools import Tools
from leadbook.lead.ledger import FAILED, UnbalancedError, rejected

POISON = "poison_record"
"""The ledger's reason for a record that no worker can work on: it raises errors, or ends the process."""

MAX_ATTEMPTS = 5
"""A staged record that fails so often, or whose worker died so often, is set aside; a file's record at once."""


def safely(batch: RecordBatch, tools: Tools) -> BatchReport:
    """`process`, for every record of `batch` that can be worked on; the others are set aside, or fail and are tried
    again. Raises LeadbookError for what a user got wrong (a vendor's file)."""
    try:
        return process(batch, tools)
    except OSError as error:
        return BatchReport.alike(batch, FAILED, f"{type(error).__name__}: {error.strerror or error}")
    except Exception as error:
        if isinstance(error, LeadbookError) and not isinstance(error, UnbalancedError):
            raise
        return _halved(batch, tools, error)


def _halved(batch: RecordBatch, tools: Tools, error: Exception) -> BatchReport:
    count = len(batch.records)
    if count > 1:
        report = safely(batch.part(slice(count // 2)), tools)
        report.append(safely(batch.part(slice(count // 2, count)), tools))
        return report
    if batch.attempts and batch.attempts[0] < MAX_ATTEMPTS:
        return BatchReport.alike(batch, FAILED)
    return set_aside(batch, tools, type(error).__name__)


def set_aside(batch: RecordBatch, tools: Tools, why: str) -> BatchReport:
    """Keep the records of `batch` among the rejects, unread. why: type of the error, or what became of the workers."""
    try:
        for position in range(0 if batch.kept else len(batch.records)):
            _keep(batch.reject(position, (POISON,), why), tools)
    except PyMongoError as error:
        return BatchReport.alike(batch, FAILED, faults.described(error))
    return BatchReport.alike(batch, rejected(POISON))


def _keep(reject: Reject, tools: Tools) -> None:
    """Keep a reject; where its payload cannot be, all but that."""
    try:
        tools.store.retry(lambda: tools.rejects.keep([reject]))
    except PyMongoError:
        raise
    except Exception as error:  # noqa: BLE001  (the payload is what nobody can work on)
        bare = replace(reject, payload={"not_kept": type(error).__name__})
        tools.store.retry(lambda: tools.rejects.keep([bare]))
