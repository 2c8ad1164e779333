"""Finds and counts: each query of the task book against a filled collection, timed, and its plan looked at."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import pandas as pd

from leadbook.bench.lookups import plan_of
from leadbook.core.checks import Check, judge
from leadbook.core.settings import Settings
from leadbook.measure.histograms import Latencies
from leadbook.measure.rounds import calls_a_round, interleaved
from leadbook.measure.session import BenchmarkSession, Leads

__all__ = ["COLUMNS", "Find", "checks", "measure", "queries", "table"]

PAGE = 100
"""Documents fetched a find: a page of a list, as the queries of the task book are used."""
FINDS_IN_ALL, COUNTS_IN_ALL = (200, 50), (50, 13)
"""Calls in all rounds, and in each, at least: a p95 is told from 200 on, and more rounds are to tell more."""

Document = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Find:
    """One query. matching: documents that match.  plan: as `lookups.plan_of`; None for a count."""

    name: str
    latencies: Latencies
    matching: int
    plan: Document | None


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


def measure(place: BenchmarkSession, collection: Leads, *, seed: int = 4) -> tuple[Find, ...]:
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
    number = place.settings.bench_rounds
    timed = {
        name: partial(
            _timed, call, calls_a_round(number, *(FINDS_IN_ALL if name.startswith("find") else COUNTS_IN_ALL))
        )
        for name, call in variants.items()
    }
    rounds = interleaved(timed, rounds=number, seed=seed)
    found = []
    for name, times in rounds.items():
        kind, _, what = name.partition(" ")
        query = filters.get(what, {})
        found.append(
            Find(
                name=name,
                latencies=Latencies().merge(*(Latencies(one) for one in times)),
                matching=collection.count_documents(query),
                plan=plan_of(collection, query) if kind == "find" else None,
            )
        )
    return tuple(found)


def _page(collection: Leads, query: Document) -> list[Document]:
    return list(collection.find(query).limit(PAGE))


def _timed(call: Callable[[], Any], count: int) -> list[float]:
    times = []
    for _ in range(count):
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    return times


COLUMNS = {
    "query": "filter, or kind of count",
    "matching": "documents that match in all",
    "calls": "calls timed in all rounds",
    "p50_ms": "median, ms",
    "p95_ms": "95th percentile, ms",
    "worst_ms": "slowest call, ms",
    "index": "index that the server chose",
    "examined": "documents examined / returned without a limit",
}


def table(finds: tuple[Find, ...] | None) -> pd.DataFrame:
    """One row a query; columns as in `COLUMNS`."""
    return pd.DataFrame(
        [
            {
                "query": find.name,
                "matching": find.matching,
                "calls": (told := find.latencies.summary()).count,
                "p50_ms": told.p50_ms,
                "p95_ms": told.p95_ms,
                "worst_ms": told.worst_ms,
                "index": ", ".join(find.plan["indexes"]) or "none" if find.plan else "",
                "examined": f"{find.plan['documents']} / {find.plan['returned']}" if find.plan else "",
            }
            for find in finds or ()
        ],
        columns=list(COLUMNS),
    )


def checks(finds: tuple[Find, ...], settings: Settings) -> list[Check]:
    """Steps 1.1.4.2 and 1.4.1.7: the slowest filter, the counts, no collection scan."""
    filters = [find for find in finds if find.plan is not None]
    slowest = max(filters, key=lambda find: find.latencies.worst_ms or 0)
    count = next(find for find in finds if find.name == "count all")
    scans = [find.name for find in filters if find.plan and "COLLSCAN" in find.plan["stages"]]
    return [
        judge(
            "BCH-FND-001",
            slowest.latencies.worst_ms,
            settings=settings,
            evidence=f"slowest of {sum(find.latencies.count for find in filters):,} finds: {slowest.name}; its median "
            f"{slowest.latencies.percentile(50)} ms",
        ),
        judge(
            "BCH-FND-002",
            len(scans),
            evidence=f"collection scans: {', '.join(scans) or 'none'}, {len(filters)} filters",
        ),
        judge(
            "BCH-CNT-001",
            count.latencies.worst_ms,
            settings=settings,
            evidence=f"slowest of {count.latencies.count} counts of {count.matching:,} documents; median "
            f"{count.latencies.percentile(50)} ms",
        ),
    ]
