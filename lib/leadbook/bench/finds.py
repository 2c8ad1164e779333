"""Finds and counts: each query of the task book against a filled collection, timed, and its plan looked at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Any

from leadbook.measure.histograms import Latencies
from leadbook.measure.rounds import calls_a_round, interleaved, timed
from leadbook.measure.session import BenchmarkSession, Leads
from leadbook.schema.explain import PlanFacts, explain_query

PAGE = 100
"""Documents fetched a find: a page of a list, as the queries of the task book are used."""
FINDS_IN_ALL, COUNTS_IN_ALL = (200, 50), (50, 13)
"""Calls in all rounds, and in each, at least: a p95 is told from 200 on, and more rounds are to tell more."""

Document = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Find:
    """One query. matching: documents that match.  plan: how the server answers it; None for a count."""

    name: str
    latencies: Latencies
    matching: int
    plan: PlanFacts | None


def queries(collection: Leads) -> dict[str, Document]:
    """The task book's filters with values that occur in `collection`. Raises ValueError for an empty one."""
    lead = collection.find_one({"email": {"$exists": True}, "location_state": {"$exists": True}})
    if lead is None:
        raise ValueError(f"{collection.name} holds no lead with e-mail and state")
    return {
        "linkedin_url": {"linkedin_url": lead["linkedin_url"]},
        "email": {"email": lead["email"]},
        "company_name": {"company_name": lead["company_name"]},
        "location_state": {"location_state": lead["location_state"]},
        "job_title": {"job_title": lead["job_title"]},
        "location_state, job_title": {"location_state": lead["location_state"], "job_title": lead["job_title"]},
        "is_qualified": {"is_qualified": True},
        "crm_synced": {"crm_synced": False},
        "data_collected_date": {"data_collected_date": {"$lte": lead["data_collected_date"]}},
    }


def measure(session: BenchmarkSession, collection: Leads, *, seed: int = 4) -> tuple[Find, ...]:
    """Every filter (a page of 100 documents) and three counts, in interleaved rounds on `collection`."""
    filters = queries(collection)
    variants: dict[str, Callable[[], Any]] = {
        f"find {name}": partial(_page, collection, query) for name, query in filters.items()
    }
    variants |= {
        "count all": lambda: collection.count_documents({}),
        "count location_state": lambda: collection.count_documents(filters["location_state"]),
        "estimated count": lambda: collection.estimated_document_count(),
    }
    number = session.settings.bench_rounds
    trials = {
        name: partial(timed, call, calls_a_round(number, *(FINDS_IN_ALL if name.startswith("find") else COUNTS_IN_ALL)))
        for name, call in variants.items()
    }
    rounds = interleaved(trials, rounds=number, seed=seed)
    found = []
    for name, times in rounds.items():
        kind, _, what = name.partition(" ")
        query = filters.get(what, {})
        found.append(
            Find(
                name=name,
                latencies=Latencies(chain.from_iterable(times)),
                matching=collection.count_documents(query),
                plan=explain_query(collection, query) if kind == "find" else None,
            )
        )
    return tuple(found)


def _page(collection: Leads, query: Document) -> list[Document]:
    return list(collection.find(query).limit(PAGE))
