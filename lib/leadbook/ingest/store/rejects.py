"""Rejected records: kept with their raw payload and reasons, so that nothing read is ever lost.

The payload is kept as JSON text: no field name in it can act as an operator, whatever the vendor sent. The `_id`
follows from the record and its file's content, so that running a file again adds nothing, and another file of the same
name hides nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import bson
from pymongo.collection import Collection
from pymongo.errors import BulkWriteError, WriteConcernError

from leadbook.core import write_errors as faults
from leadbook.lead.clock import now_ms

MAX_PAYLOAD = 1_000_000
"""Characters of a payload that are kept; a document may hold 16 MB, a sound record holds about 2 kB."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reject:
    """A record that is no lead. reasons: the first is the ledger's. number: of the record in its source, from 1.

    payload: as read: a mapping, or text where the record could not be parsed. detail: the server's reason, if any.
    staged_id: `_id` of the staged record, None for files.  content: digest of the file, see `FileMark`; or empty.
    """

    source: str
    vendor: str
    number: int
    payload: Any
    reasons: tuple[str, ...]
    detail: str = ""
    staged_id: Any = None
    content: str = ""

    def document(self, at: datetime) -> dict[str, Any]:
        """As stored."""
        text = payload_text(self.payload)
        staged = "" if self.staged_id is None else bson.encode({"_id": self.staged_id}).hex()  # 1 is not "1"
        parts = [self.vendor, self.source, self.number, text, staged, *filter(None, [self.content])]
        identity = json.dumps(parts).encode()
        made = {
            "_id": hashlib.sha256(identity).hexdigest()[:32],
            "vendor": self.vendor, "source": _encodable(self.source), "record_number": self.number,
            "reason": self.reasons[0], "reasons": list(self.reasons),
            "payload": text[:MAX_PAYLOAD], "rejected_at": at,
        }  # fmt: skip
        if self.staged_id is not None:
            made["staged_id"] = self.staged_id
        if len(text) > MAX_PAYLOAD:
            made["payload_truncated"] = True
        return made | ({"detail": self.detail[:500]} if self.detail else {})


def _encodable(name: str) -> str:
    """A file's name may hold bytes that are no text."""
    return name.encode("utf-8", "replace").decode()


def payload_text(payload: Any) -> str:
    """`payload` as ASCII JSON text, whatever it holds (lone surrogates and NUL are escaped)."""
    try:
        return json.dumps(payload, default=str)
    except (ValueError, RecursionError, TypeError):
        return json.dumps(repr(payload)[:MAX_PAYLOAD])


class RejectedLeads:
    """The rejected collection. Raises pymongo's errors when the server cannot take the records: they are not kept
    then."""

    def __init__(self, collection: Collection[dict[str, Any]]) -> None:
        self.collection = collection

    def keep(self, rejects: Sequence[Reject]) -> None:
        """Store the rejects; those kept before stay as they are. WriteConcernError: not acknowledged, try again."""
        if not rejects:
            return
        at = now_ms()
        documents = {document["_id"]: document for document in (reject.document(at) for reject in rejects)}
        try:
            self.collection.insert_many(documents.values(), ordered=False)
        except BulkWriteError as error:
            others = [item for item in error.details.get("writeErrors", ()) if item.get("code") != faults.DUPLICATE]
            concerns = error.details.get("writeConcernErrors") or ()
            if concerns or (others and all(item.get("code") in faults.IN_DOUBT for item in others)):
                raise WriteConcernError("rejects not acknowledged", (*concerns, *others)[0].get("code")) from None
            if others:
                raise

    def renew(self, ids: Sequence[str], reason: str, at: datetime) -> None:
        """Rejected again: the reason may be another one now."""
        change = {"$set": {"reason": reason, "replayed_at": at}, "$addToSet": {"reasons": reason}}
        self.collection.update_many({"_id": {"$in": list(ids)}}, change)

    def forget(self, ids: Iterable[str]) -> None:
        """Delete rejects by `_id`: they became leads."""
        self.collection.delete_many({"_id": {"$in": list(ids)}})
