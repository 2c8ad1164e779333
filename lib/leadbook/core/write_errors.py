"""What a failed write means: a duplicate, an invalid document, or an outcome that nobody knows yet."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from bson.errors import BSONError
from pymongo.errors import (
    AutoReconnect,
    BulkWriteError,
    ConnectionFailure,
    DocumentTooLarge,
    ExecutionTimeout,
    OperationFailure,
    WriteConcernError,
)

DUPLICATE = 11000
VALIDATION = 121
IN_DOUBT = frozenset({
    6, 7, 50, 64, 79, 89, 91, 100, 112, 133, 134, 189, 262, 317, 358, 365, 384, 9001, 10058, 10107, 11600, 11601,
    11602, 13388, 13435, 13436,
})  # fmt: skip
"""Server codes after which the same write may be tried again: elections, shutdowns, time-outs, write conflicts and
write concerns not met in time (the documents may be written). From the server's error_codes.yml and the driver
specifications' list of retryable writes."""

NO_TRANSACTIONS = frozenset({20, 263})
"""Codes by which a server says that it has no transactions: a standalone, or an operation not supported in one."""

REFUSED = frozenset({2, 9, 14, 15, 22, 52, 53, 55, 57, 10334, 17280, 17419, 17420, 51270})
"""Server codes that say: this document can never be stored as it is (too large, too deep, a bad field name)."""

UNENCODABLE = (BSONError, DocumentTooLarge, OverflowError, UnicodeError, RecursionError, TypeError, ValueError)
"""What the driver raises for a document that cannot be encoded; it names none, so the batch is halved to find it."""


def duplicate_key(error: Mapping[str, Any]) -> str:
    """Field of the unique index that an 11000 write error names: `_id`, `linkedin_url`, `email`; empty if none."""
    pattern = error.get("keyPattern") or (error.get("errInfo") or {}).get("keyPattern") or {}
    return next(iter(pattern), "")


def is_in_doubt(error: BaseException) -> bool:
    """Whether a command's failure leaves open if it was carried out, or invites another try."""
    if isinstance(error, BulkWriteError):
        return False
    if isinstance(error, AutoReconnect | ConnectionFailure | ExecutionTimeout | WriteConcernError):
        return True
    if isinstance(error, OperationFailure):
        return error.code in IN_DOUBT or error.has_error_label("RetryableWriteError")
    return False


def is_refused(code: int | None) -> bool:
    """Whether a document's error code means that it can never be stored."""
    return code == VALIDATION or code in REFUSED


def reason(code: int | None) -> str:
    """The ledger's word for a refused document."""
    return "validation" if code == VALIDATION else "not_storable"


def detail(error: Mapping[str, Any]) -> str:
    """Which rule a document broke, without its values (they may be personal data)."""
    rules = (error.get("errInfo") or {}).get("details", {}).get("schemaRulesNotSatisfied", ())
    broken = []
    for rule in rules:
        for part in rule.get("propertiesNotSatisfied", ()):
            names = ", ".join(item.get("operatorName", "?") for item in part.get("details", ()))
            broken.append(f"{part.get('propertyName')}: {names}")
        if missing := rule.get("missingProperties"):
            broken.append(f"missing {', '.join(missing)}")
    return "; ".join(broken) or f"code {error.get('code')}"


def concern_not_met(errors: Sequence[Mapping[str, Any]]) -> str:
    """What a bulk write's `writeConcernErrors` say, in words."""
    return f"write concern not met: code {errors[0].get('code')}"


_COMMAND = re.compile(r" to execute command \{ (\w{1,40}):.*")


def line(error: BaseException | str) -> str:
    """First line of an error or its text, without what drivers append: the topology's state, or a document. Of a
    command that was refused its name stays, so that the right that is missing is known."""
    first = _COMMAND.sub(r" to run \1", (str(error).strip().splitlines() or [""])[0])
    for appended in (" (configured timeouts:", ", Timeout:", ", full error:", " to execute command "):
        first = first.partition(appended)[0]
    return first[:300]


def described(error: BaseException) -> str:
    """Type and first line of an error; the driver's never show an address's credentials."""
    return f"{type(error).__name__}: {line(error)}".removesuffix(": ")
