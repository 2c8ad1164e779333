"""HubSpot's contacts in the sandbox: the batch upsert with its limit, its partial and its whole refusals."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from leadbook.rehearsal.sandbox.faults import part
from leadbook.rehearsal.sandbox.shapes import Reply, error

PROPERTIES = frozenset({
    "email", "firstname", "lastname", "jobtitle", "company", "phone", "website", "city", "state", "country",
})  # fmt: skip
"""HubSpot's default contact properties that the sandbox has; it can be given more."""

LIMIT = 100


class Contacts:
    """What HubSpot holds. by_id: contact by value of its unique property.

    refused: contacts that a 207 leaves out.  conflicting: contacts for which the whole batch is answered 409.
    properties: that exist.
    """

    def __init__(self) -> None:
        self.by_id: dict[str, dict[str, str]] = {}
        self.refused: Callable[[str], bool] = lambda email: part("refused", email) < 0.02
        self.conflicting: Callable[[str], bool] = lambda email: False
        self.properties = set(PROPERTIES)
        self.upserts = 0
        self._lock = threading.Lock()

    def upsert(self, body: Any) -> Reply:
        """Answer a batch upsert."""
        inputs = body.get("inputs") if isinstance(body, Mapping) else None
        if not isinstance(inputs, list) or not inputs:
            return error("hubspot", 400, "inputs: required")
        if len(inputs) > LIMIT:
            return error("hubspot", 400, f"the batch is limited to {LIMIT} inputs, found {len(inputs)}")
        ids = [str(one["id"]).lower() for one in inputs]
        if len(set(ids)) < len(ids):
            return error("hubspot", 400, "Duplicate IDs found in batch input")
        unknown = sorted({name for one in inputs for name in one["properties"]} - self.properties)
        if unknown:
            return self._unknown(unknown[0])
        clash = next((number for number in ids if self.conflicting(number)), None)
        if clash is not None:
            return error("hubspot", 409, f"Contact already exists. Existing ID: {_number(clash)}")
        return self._store(inputs)

    def _store(self, inputs: list[Any]) -> Reply:
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        results, errors = [], []
        for one in inputs:
            key = str(one["id"]).lower()
            if self.refused(key):
                context = {"ids": [one["id"]], "objectWriteTraceId": [one.get("objectWriteTraceId")]}
                errors.append({"status": "error", "category": "VALIDATION_ERROR", "context": context,
                               "message": f"Property values were not valid: {key}"})  # fmt: skip
                continue
            with self._lock:
                new = key not in self.by_id
                self.by_id[key] = {**self.by_id.get(key, {}), **one["properties"]}
                self.upserts += 1
            results.append({
                "id": _number(key), "new": new, "properties": self.by_id[key], "createdAt": now, "updatedAt": now,
                "archived": False, "objectWriteTraceId": one.get("objectWriteTraceId"),
            })  # fmt: skip
        answer: dict[str, Any] = {"status": "COMPLETE", "results": results, "startedAt": now, "completedAt": now}
        if errors:
            return 207, {}, {**answer, "numErrors": len(errors), "errors": errors}
        return 200, {}, answer

    def _unknown(self, name: str) -> Reply:
        status, headers, body = error(
            "hubspot", 400, f'Property values were not valid: Property "{name}" does not exist'
        )
        problem = {"message": "does not exist", "code": "PROPERTY_DOESNT_EXIST", "context": {"propertyName": [name]}}
        return status, headers, {**body, "errors": [problem]}


def _number(key: str) -> str:
    return str(int.from_bytes(sha256(key.encode()).digest()[:5]))
