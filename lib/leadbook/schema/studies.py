"""The study of phase 02: every query of the task book measured, every index reviewed, on a realistic collection."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pymongo import MongoClient
from pymongo.collection import Collection
from pymongo.errors import PyMongoError

from leadbook.core import write_errors
from leadbook.core.settings import Settings
from leadbook.schema.contracts import ENOUGH, measure_contracts, realistic
from leadbook.schema.explain import QueryResult
from leadbook.schema.index_advice import IndexAdvice, IndexUsage, advise, index_sizes, index_usage, selectivity
from leadbook.schema.indexes import IndexSpec
from leadbook.schema.scratch import is_scratch
from leadbook.schema.state import actual

Document = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class IndexReview:
    """What was found out about the indexes. sizes: bytes by name.  sampled: leads whose values were looked at.
    usage_problem: why there is no usage."""

    indexes: tuple[IndexSpec, ...] = ()
    sizes: Mapping[str, int] = field(default_factory=dict)
    usage: tuple[IndexUsage, ...] = ()
    usage_problem: str = ""
    sampled: int = 0
    advice: tuple[IndexAdvice, ...] = ()


@dataclass(frozen=True, kw_only=True)
class QueryStudy:
    """Measured queries and reviewed indexes. subject: the collection measured; empty where no query was."""

    subject: str = ""
    documents: int = 0
    queries: tuple[QueryResult, ...] = ()
    review: IndexReview = field(default_factory=IndexReview)

    @property
    def on_sample(self) -> bool:
        """Whether sample leads in a scratch collection stood for the stored ones."""
        return is_scratch(self.subject)


def study(
    leads: Collection[Document],
    admin: MongoClient[Document] | None,
    settings: Settings,
    sample: Iterable[Document],
) -> QueryStudy:
    """Measure the task book's queries and review the indexes of `leads`.

    With too few leads stored, plans and selectivity come from a scratch collection of `sample` leads, dropped at the
    end; production makes one only where `apply_schema` is approved, and measures no query otherwise. Use ($indexStats,
    read by `admin` where given) is that of `leads`. Raises PyMongoError and BSONError.
    """
    if not settings.approves("apply_schema") and leads.estimated_document_count() < ENOUGH:
        return QueryStudy(review=_review(leads, leads, admin))
    with realistic(leads, settings, sample) as subject:
        return QueryStudy(
            subject=subject.name, documents=subject.estimated_document_count(),
            queries=tuple(measure_contracts(subject)), review=_review(leads, subject, admin),
        )  # fmt: skip


def _review(
    leads: Collection[Document], subject: Collection[Document], admin: MongoClient[Document] | None
) -> IndexReview:
    found = actual(leads).indexes
    picks = selectivity(subject, [index for index in found if len(index.keys) == 1 and not index.unique])
    usage, problem = _usage(leads if admin is None else admin[leads.database.name][leads.name])
    return IndexReview(
        indexes=found, sizes=index_sizes(leads) if picks and subject.name == leads.name else {},
        usage=usage, usage_problem=problem, sampled=max((one.sampled for one in picks), default=0),
        advice=tuple(advise(found, picks, usage)),
    )  # fmt: skip


def _usage(reader: Collection[Document]) -> tuple[tuple[IndexUsage, ...], str]:
    try:
        return tuple(index_usage(reader)), ""
    except PyMongoError as error:
        return (), f"$indexStats: {write_errors.line(error)}"
