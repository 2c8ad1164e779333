"""What a query really did: reads `explain` of any server generation, and holds each query to its contract.

The winning plan is walked recursively: classic plans, `queryPlan` of the slot-based engine (SBE), EXPRESS stages of
MongoDB 8, sharded plans and aggregation stages. A contract fails on COLLSCAN; it never demands IXSCAN by name.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pymongo.collection import Collection

_NOT_CHOSEN = frozenset({"rejectedPlans", "allPlansExecution", "slotBasedPlan"})


@dataclass(frozen=True, kw_only=True)
class PlanFacts:
    """One explained query.

    stages: stage names of the winning plan, outermost first.  indexes: names of the indexes it reads.
    keys_examined, docs_examined, returned: totals.  millis: executionTimeMillis of the server, ms.
    Numbers are None where the explanation has no execution statistics.
    """

    stages: tuple[str, ...]
    indexes: tuple[str, ...]
    keys_examined: int | None = None
    docs_examined: int | None = None
    returned: int | None = None
    millis: float | None = None

    @property
    def collection_scan(self) -> bool | None:
        """Whether the plan reads the whole collection; None where no plan was found (EOF: no such collection)."""
        if not self.stages or set(self.stages) == {"EOF"}:
            return None
        return any(stage.endswith("COLLSCAN") for stage in self.stages)

    @property
    def examined_per_returned(self) -> float | None:
        """Documents examined for each one returned; 1 is ideal, 0 for a covered query. None when not measured."""
        if self.docs_examined is None or self.returned is None:
            return None
        return self.docs_examined / max(self.returned, 1)


@dataclass(frozen=True, kw_only=True)
class Contract:
    """A query and what it may cost.

    filter: with real values.  judged: False for one that is only shown.
    operation: `find`, or `count` (count_documents).
    indexes: the indexes expected to win; another one without COLLSCAN still keeps the contract.
    hint: index to force.
    """

    title: str
    filter: Mapping[str, Any]
    operation: str = "find"
    indexes: tuple[str, ...] = ()
    hint: str = ""
    judged: bool = True

    @property
    def shape(self) -> str:
        """The query without its values, fit for a report: `find({company_name: …})`."""
        parts = [f"{name}: {_value_shape(value)}" for name, value in self.filter.items()]
        hint = f", hint {self.hint}" if self.hint else ""
        return f"{self.operation}({{{', '.join(parts)}}}{hint})"


def _value_shape(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{k}: [{len(v)} values]" if isinstance(v, list) else f"{k}: …"
                               for k, v in value.items()) + "}"  # fmt: skip
    return str(value).lower() if isinstance(value, bool) else "…"


@dataclass(frozen=True, kw_only=True)
class QueryResult:
    """A contract measured. millis: median server time; client_millis: median time to the first batch, both in ms."""

    contract: Contract
    plan: PlanFacts
    millis: float | None
    client_millis: float
    subject: str = field(default="", metadata={"meaning": "collection it was measured on"})


def stages(plan: Any) -> Iterator[Mapping[str, Any]]:
    """Every stage of a winning plan, outermost first, whatever generation of server wrote it."""
    if isinstance(plan, Mapping):
        if isinstance(plan.get("stage"), str):
            yield plan
        for key, value in plan.items():
            if key not in _NOT_CHOSEN:
                yield from stages(value)
    elif isinstance(plan, list):
        for item in plan:
            yield from stages(item)


def _named(explanation: Any, key: str) -> Iterator[Mapping[str, Any]]:
    """Values of `key` at any depth, not looking inside a value once found."""
    if isinstance(explanation, Mapping):
        for name, value in explanation.items():
            if name == key and isinstance(value, Mapping):
                yield value
            elif name not in _NOT_CHOSEN:
                yield from _named(value, key)
    elif isinstance(explanation, list):
        for item in explanation:
            yield from _named(item, key)


def read_plan(explanation: Mapping[str, Any]) -> PlanFacts:
    """Facts of an explanation of find, count or aggregate."""
    found = [stage for planner in _named(explanation, "queryPlanner") for stage in stages(planner.get("winningPlan"))]
    statistics_ = list(_named(explanation, "executionStats"))

    def total(key: str) -> int | None:
        values = [one[key] for one in statistics_ if isinstance(one.get(key), int | float)]
        return int(sum(values)) if values else None

    times = [one["executionTimeMillis"] for one in statistics_ if "executionTimeMillis" in one]
    return PlanFacts(
        stages=tuple(stage["stage"] for stage in found),
        indexes=tuple(dict.fromkeys(stage["indexName"] for stage in found if "indexName" in stage)),
        keys_examined=total("totalKeysExamined"), docs_examined=total("totalDocsExamined"), returned=total("nReturned"),
        millis=float(max(times)) if times else None,
    )  # fmt: skip


def explain_query(
    collection: Collection[dict[str, Any]], searched: Mapping[str, Any], *, operation: str = "find", hint: str = ""
) -> PlanFacts:
    """Run a find or count of what is `searched` under `explain("executionStats")`. Read-only."""
    command: dict[str, Any] = {"find": collection.name, "filter": dict(searched)}
    if operation == "count":
        pipeline = [{"$match": dict(searched)}, {"$group": {"_id": 1, "n": {"$sum": 1}}}]
        command = {"aggregate": collection.name, "pipeline": pipeline, "cursor": {}}
    if hint:
        command["hint"] = hint
    return read_plan(collection.database.command("explain", command, verbosity="executionStats"))


def measure(collection: Collection[dict[str, Any]], contract: Contract, *, repeats: int = 3) -> QueryResult:
    """Explain and run the query `repeats` times; medians of the server's and the client's time. Read-only."""
    plans, client = [], []
    for _ in range(repeats):
        plans.append(explain_query(collection, contract.filter, operation=contract.operation, hint=contract.hint))
        began = time.perf_counter()
        _run(collection, contract)
        client.append((time.perf_counter() - began) * 1000)
    times = [plan.millis for plan in plans if plan.millis is not None]
    return QueryResult(
        contract=contract, plan=plans[-1], millis=statistics.median(times) if times else None,
        client_millis=statistics.median(client), subject=collection.name,
    )  # fmt: skip


def _run(collection: Collection[dict[str, Any]], contract: Contract) -> None:
    options: dict[str, Any] = {"hint": contract.hint} if contract.hint else {}
    if contract.operation == "count":
        collection.count_documents(contract.filter, **options)
        return
    with collection.find(contract.filter, **options) as cursor:
        next(cursor, None)
