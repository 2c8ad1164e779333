"""The queries of the task book as contracts, with values that the collection really holds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from pymongo.collection import Collection

from leadbook.core.settings import Settings
from leadbook.schema.explain import Contract, QueryResult, measure
from leadbook.schema.scratch import scratch

BATCH, ENOUGH = 500, 1_000
"""URLs of the batched duplicate check; and leads from which on a plan is taken as realistic: with fewer, queries run on
a scratch collection of sample leads."""

_EXAMPLE: Mapping[str, Any] = {
    "linkedin_url": "https://www.linkedin.com/in/test",
    "email": "nobody@example.com",
    "company_name": "Test Company",
    "location_state": "CA",
    "job_title": "Performance Marketing Manager",
    "data_source": "BrightData",
    "data_collected_date": datetime(2025, 1, 15, tzinfo=UTC),
}


def example_lead(collection: Collection[dict[str, Any]]) -> dict[str, Any]:
    """Values to search for: those of a stored lead that has an e-mail and a state, else the task book's. Read-only."""
    wanted = {"email": {"$gt": ""}, "location_state": {"$gt": ""}}
    fields = dict.fromkeys(_EXAMPLE, 1)
    found = collection.find_one(wanted, fields, max_time_ms=5_000) or collection.find_one({}, fields) or {}
    usable = {name: found[name] for name, kind in _EXAMPLE.items() if isinstance(found.get(name), type(kind))}
    return {**_EXAMPLE, **usable}


def contracts(example: Mapping[str, Any], urls: Iterable[str] = ()) -> tuple[Contract, ...]:
    """The task book's queries, in its order, searching for the values of `example`; `urls` is a batch for the duplicate
    check. The counts of all leads are shown, not judged: a hint forces their index, so that no server could miss it."""
    get = example.__getitem__
    day = get("data_collected_date").replace(hour=0, minute=0, second=0, microsecond=0)
    one_day = {"$gte": day, "$lt": day + timedelta(days=1)}
    state, company = ("idx_location_state", "idx_location_state_job_title"), "idx_company_name"

    def find(title: str, filter_: Mapping[str, Any], *indexes: str) -> Contract:
        return Contract(title=title, filter=filter_, indexes=indexes)

    def count(title: str, filter_: Mapping[str, Any], *indexes: str, hint: str = "") -> Contract:
        return Contract(
            title=title, filter=filter_, operation="count", indexes=indexes, hint=hint, judged=bool(filter_)
        )

    def pick(*names: str) -> dict[str, Any]:
        return {name: get(name) for name in names}

    return (
        find("duplicate check by profile URL", pick("linkedin_url"), "idx_linkedin_url_unique"),
        find("duplicate check of a whole batch", {"linkedin_url": {"$in": list(urls) or [get("linkedin_url")]}},
             "idx_linkedin_url_unique"),
        find("duplicate check by e-mail", pick("email"), "idx_email_unique"),
        find("leads of a company", pick("company_name"), company, "idx_company_name_location_state"),
        find("leads of a state", pick("location_state"), *state),
        find("leads with a job title", pick("job_title"), "idx_job_title"),
        find("leads collected on one day", {"data_collected_date": one_day}, "idx_data_collected_date"),
        find("qualified leads", {"is_qualified": True}, "idx_is_qualified"),
        find("leads not yet in the CRM", {"crm_synced": False}, "idx_crm_synced"),
        find("a job title in a state", pick("location_state", "job_title"), "idx_location_state_job_title"),
        find("a company in a state", pick("company_name", "location_state"), "idx_company_name_location_state"),
        find("a vendor's leads of one day", {**pick("data_source"), "data_collected_date": one_day},
             "idx_data_source_data_collected_date"),
        count("count of qualified leads", {"is_qualified": True}, "idx_is_qualified"),
        count("count of all leads, no hint", {}),
        count("count of all leads, hint _id_", {}, "_id_", hint="_id_"),
    )  # fmt: skip


@contextmanager
def realistic(
    collection: Collection[dict[str, Any]], settings: Settings, sample: Iterable[dict[str, Any]]
) -> Iterator[Collection[dict[str, Any]]]:
    """`collection` itself, or while it holds fewer than ENOUGH leads a scratch collection of `sample` leads.

    The scratch collection has the same validator and indexes and is dropped at the end.
    """
    if collection.estimated_document_count() >= ENOUGH:
        yield collection
        return
    with scratch(collection.database, "explain", settings, documents=sample) as trial:
        yield trial


def measure_contracts(collection: Collection[dict[str, Any]]) -> list[QueryResult]:
    """Measure every contract on `collection`; BATCH URLs in the batched duplicate check. Read-only."""
    with collection.find({}, {"linkedin_url": 1, "_id": 0}).limit(BATCH) as cursor:
        urls = [lead["linkedin_url"] for lead in cursor if "linkedin_url" in lead]
    return [measure(collection, contract) for contract in contracts(example_lead(collection), urls)]
