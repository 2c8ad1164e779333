"""The sections of notebook 03: each measures, is judged, and gives its tables, plots, checks and facts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from leadbook.bench import concerns, finds, indexes, inserts, lookups, pools, profiler, references
from leadbook.core.checks import Check, Unmeasured
from leadbook.core.definitions import catalogue
from leadbook.core.errors import LeadbookError, RefusedError
from leadbook.core.settings import Settings
from leadbook.measure.disclosure import LIKE, Disclosure, disclose
from leadbook.measure.session import BenchmarkSession, Leads
from leadbook.measure.trials import Problems, attempt
from leadbook.page.prose import pipe_table
from leadbook.page.tables import measured_text, target_text
from leadbook.phases.console import advisor
from leadbook.phases.console.asked import with_api
from leadbook.phases.console.atlas import Atlas, atlas_of
from leadbook.phases.documents import render
from leadbook.phases.judging import Answered, checks_of
from leadbook.phases.measuring import Judged, take, why_not
from leadbook.phases.p03 import figures, tables, verdicts
from leadbook.phases.phase import Phase
from leadbook.phases.section import Document, Plot, Section

T = TypeVar("T")
AREAS = {
    "inserts": ("BCH-INS", "BCH-ENV"), "write concerns": ("BCH-WC",), "look-ups": ("BCH-RDS", "BCH-DUP"),
    "finds": ("BCH-FND", "BCH-CNT"), "connections": ("BCH-POOL",), "index prices": ("BCH-IDX",),
    "slow query": ("BCH-LOG",), "references": ("BCH-REF",),
}  # fmt: skip
"""Measurements in the order of the notebook, and the areas of the catalogue that they answer."""
NO_ATLAS = Unmeasured("Atlas is not asked")
UNMEASURED = "Not measured; the checks below say why."


@dataclass(kw_only=True)
class Benchmarks:
    """The benchmarks in one session. leads: the real ones.  filled: what look-ups and finds run on; the stored leads
    where nothing may be written, None where there are none.  judged: what was measured, by its name in AREAS.  atlas:
    whose Performance Advisor is asked."""

    session: BenchmarkSession
    leads: Leads
    filled: Leads | None = None
    problems: Problems = field(default_factory=dict)
    disclosed: Disclosure | None = None
    judged: dict[str, Judged[Any]] = field(default_factory=dict)
    closed: bool = False
    atlas: Atlas = NO_ATLAS

    @classmethod
    def open(cls, book: Phase) -> Benchmarks:
        """The benchmarks of an opened phase."""
        made = cls.of(BenchmarkSession.of(book))
        made.atlas = atlas_of(book)
        return made

    @classmethod
    def of(cls, session: BenchmarkSession) -> Benchmarks:
        """Fill a scratch collection where that is approved."""
        settings = session.settings
        leads = session.database[settings.collection]
        made = cls(session=session, leads=leads)
        if made.approved:
            made.filled = attempt(
                session, made.problems, "filling", lambda: session.keep("leads", settings.bench_leads)
            )
        elif leads.find_one({"email": {"$exists": True}, "location_state": {"$exists": True}}, {"_id": 1}):
            made.filled = leads
        return made

    def close(self) -> None:
        """Drop what was filled; nothing is measured afterwards."""
        self.closed = True
        self.session.close()

    @property
    def approved(self) -> bool:
        """Whether anything may be written here."""
        return self.session.settings.approves(self.session.action)

    # ------------------------------------------------------------------------------------------------- sections

    def subject(self) -> Section:
        """3.1: on what is measured. Raises what kept it from being read."""
        collection = self.leads if self.filled is None else self.filled
        found = attempt(self.session, self.problems, "disclosure", lambda: disclose(self.session, collection))
        if found is None:
            why = self.problems["disclosure"]
            raise why if isinstance(why, BaseException) else RefusedError(why)
        self.disclosed = found
        environment = {name: found[name] for name in LIKE}
        return Section(
            says=self._subject, tables=(tables.disclosure(found),), facts={"environment": environment}, found=found
        )

    @property
    def _subject(self) -> str:
        settings = self.session.settings
        if self.approved:
            return f"Look-ups and finds run on {settings.bench_leads:,} sample leads in a scratch collection."
        what = (
            "Look-ups, finds and connections read the stored leads" if self.filled is not None else "No lead is stored"
        )
        return (
            f"**Benchmarks are not approved for `{settings.database}`: nothing is written.** {what}; everything else "
            f"is not measured. {settings.how_to_approve('benchmarks').capitalize()}."
        )

    def inserts(self) -> Section:
        """3.2: one at a time and in batches."""
        return self._take("inserts", inserts.measure, verdicts.inserts, _inserts)

    def write_concerns(self) -> Section:
        """3.3: the price of each write concern, and what it hides."""
        return self._take("write concerns", concerns.measure, verdicts.concerns, _concerns)

    def duplicate_checks(self) -> Section:
        """3.4: Redis first, MongoDB decides."""
        return self._take("look-ups", lookups.measure, verdicts.lookups, _lookups, self.filled)

    def finds(self) -> Section:
        """3.5: finds and counts."""
        return self._take("finds", finds.measure, verdicts.finds, _finds, self.filled)

    def connections(self) -> Section:
        """3.6: cold, warm and saturated pools."""
        return self._take("connections", pools.measure, verdicts.pools, _pools, self.filled)

    def index_prices(self) -> Section:
        """3.7: what each index costs an insert."""
        return self._take("index prices", indexes.measure, verdicts.indexes, _indexes, self.filled, self.leads)

    def slow_query(self) -> Section:
        """3.8: the profiler and the log see one."""
        section = self._take("slow query", profiler.catch, verdicts.profiler, lambda *_: Section(), self.filled)
        return with_api(section, advisor.switched_on(self.atlas), self.session.settings)

    def references(self) -> Section:
        """3.9: beside independent figures."""
        return self._take(
            "references", references.measure, verdicts.references,
            lambda found, _: Section(tables=(tables.references(found),)),
        )  # fmt: skip

    def document(self, earlier: list[Check]) -> Section:
        """3.10: the document. earlier: checks of phases 01 and 02. Raises LeadbookError before all is measured."""
        missing = [name for name in AREAS if name not in self.judged]
        if self.disclosed is None or missing:
            raise LeadbookError(f"{missing[0] if missing else 'what is measured on'}: run that section's cell first")
        found = {name: judged.found for name, judged in self.judged.items()}
        checks = [check for name in AREAS for check in self.judged[name].checks]
        text = _performance(self.session.settings, self.disclosed, found, checks, earlier)
        made = Document("performance-benchmarks", "Performance benchmarks", text, ("Technical Lead", "Project Manager"))
        return Section(documents=(made,))

    # ---------------------------------------------------------------------------------------------- measurement

    def _take(
        self, name: str, measure: Callable[..., T], judge: Callable[[T, Settings], tuple[Check, ...]],
        show: Callable[[T, Settings], Section], *given: Leads | None,
    ) -> Section:  # fmt: skip
        """`measure(session, *given)` judged and shown; a reason for each of its checks where it could not be made."""
        session, answered = self.session, _answered(name)
        if self.closed:
            raise LeadbookError("the benchmarks are closed; run the notebook from its first code cell")

        def judged(found: T | None) -> tuple[Check, ...]:
            if found is None:
                why = Answered(why_not(session, self.problems, name))
                return checks_of(dict.fromkeys(answered, why), session.settings)
            return judge(found, session.settings)

        if self.filled is None and self.filled in given:
            self.problems[name] = self.problems.get("filling") or "benchmarks are not approved, and no lead is stored"
            done: Judged[T] = Judged(found=None, checks=judged(None))
        else:
            done = take(session, self.problems, name, lambda: measure(session, *given), judged)
        self.judged[name] = done
        section = Section(says=UNMEASURED) if done.found is None else show(done.found, session.settings)
        return replace(section, checks=done.checks, found=done.found)


def _answered(name: str) -> list[str]:
    """Checks of the catalogue that a measurement answers, those that a person attests left out."""
    return [one.id for one in catalogue().values() if one.id.startswith(AREAS[name]) and one.kind == "measured"]


def _inserts(found: inserts.Inserts, settings: Settings) -> Section:
    best, table = found.best, tables.inserts(found)
    decided = inserts.batch_size(found, settings.batch_size)
    return Section(
        tables=(table,),
        plots=(
            Plot(
                figures.throughput(tables.insert_bars(found), target=settings.target_insert_rate),
                "Insert rate by batch size, with 95 % intervals: overlapping bars show no difference",
            ),
        ),
        facts={
            "insert_rate": best.rate.low,
            "insert_rate_mean": best.rate.middle,
            "best_batch_size": best.batch,
            "batch_size_decision": {
                "configured": decided.configured, "proposed": decided.proposed, "measured": decided.measured,
                "best": decided.best, "effect": decided.effect.text(), "says": _batch_size(decided),
            },
            "single_insert_p99_ms": found.get(1).latencies.summary().judged[1],
            "canary_seconds": found.canary.seconds,
            "rates_by_round": {one.name: one.rates for one in found.series},
            "inserts": table.frame.to_dict("records"),
        },
    )  # fmt: skip


def _concerns(found: concerns.Concerns, settings: Settings) -> Section:
    caption = "Documents/s until readable, by write concern; orange ones do not wait for the server's answer"
    return Section(
        tables=(tables.concerns(found), tables.losses(found)),
        plots=(Plot(figures.write_concerns(found), caption),),
        facts={"rates_by_concern": {one.concern.name: list(one.readable) for one in found.prices}},
    )


def _lookups(found: lookups.LookupTimes, settings: Settings) -> Section:
    table, operations = tables.lookups(found), found.operations
    told = {name: one.latencies.summary().judged[1] for name, one in operations.items()}
    curves = {name: one.latencies.curve() for name, one in operations.items()}
    return Section(
        tables=(table,),
        plots=(
            Plot(
                figures.percentiles(
                    curves, "Duplicate checks by percentile", target=settings.target_duplicate_check_ms
                ),
                "Latency of duplicate checks by percentile, as far as the samples carry; a curve that rises late "
                "has a short tail",
            ),
        ),
        facts={
            "duplicate_check_redis_p99_ms": told.get("Redis GET"),
            "duplicate_check_mongodb_p99_ms": told.get("MongoDB find"),
            "histograms": {name: one.latencies.encoded() for name, one in operations.items()},
            "lookups": table.frame.to_dict("records"),
        },
    )


def _finds(found: tuple[finds.Find, ...], settings: Settings) -> Section:
    worst = max((one.latencies.worst_ms or 0 for one in found if one.plan), default=None)
    return Section(tables=(tables.finds(found),), facts={"find_worst_ms": worst})


def _pools(found: tuple[pools.Pool, ...], settings: Settings) -> Section:
    table = tables.pools(found)
    warm = [one for one in found if (one.service, one.state) == ("MongoDB", "warm")]
    told = [one.checkouts.summary().judged[1] for one in warm if not verdicts.client_bound(one, settings)]
    waits = [value for value in told if value is not None]
    return Section(
        tables=(table,),
        plots=(
            Plot(
                figures.checkouts(found, targets=verdicts.targets(settings)),
                "Slowest (bar) and median (dot) wait for a connection, by state of the pool; only warm bars must "
                "stay below the target",
            ),
        ),
        facts={"checkout_p99_ms": max(waits, default=None), "pools": table.frame.to_dict("records")},
    )


def _indexes(found: indexes.Prices, settings: Settings) -> Section:
    bars = tables.index_bars(found)
    caption = "Extra insert time of each index with 95 % intervals; where the interval holds zero no cost was shown"
    return Section(
        tables=(tables.indexes(found),),
        plots=(Plot(figures.index_prices(bars), caption),),
        facts={
            "hidden_indexes": [
                {"index": one.index, "covered_by": one.covered_by, "query": one.query, "effect": one.effect.text()}
                for one in found.hidden
            ],
            "index_prices": bars.to_dict("records"),
        },
    )


def _batch_size(decided: inserts.BatchSize) -> str:
    """The decision in words, for every document that names a batch size."""
    kept = decided.proposed == decided.configured
    return f"`batch_size: {decided.proposed}` ({'as it is: no better size is shown' if kept else 'shown to be better'})"


def _performance(
    settings: Settings, disclosed: Disclosure, found: Mapping[str, Any], checks: Iterable[Check],
    earlier: Iterable[Check],
) -> str:  # fmt: skip
    """Markdown with the sections of steps 1.1.4.5 and 1.4.1.9.

    found: measurements by name, None for what could not be made.  earlier: checks of phases 01 and 02 of this run.
    """
    earlier, inserted = list(earlier), found["inserts"]
    return render(
        __file__, "performance-benchmarks", tables=tables, verdicts=_verdicts, settings=settings,
        disclosed=disclosed, checks=checks, inserted=inserted,
        decided=_batch_size(inserts.batch_size(inserted, settings.batch_size)) if inserted else "",
        concerns=found["write concerns"], lookups=found["look-ups"], finds=found["finds"] or (),
        pools=found["connections"] or (), prices=found["index prices"], references=found["references"],
        connectivity=[one for one in earlier if one.phase == "01"],
        errors=[one for one in earlier if one.phase == "02"],
    )  # fmt: skip


def _verdicts(checks: Iterable[Check]) -> str:
    rows = [[one.id, one.title, str(one.verdict), measured_text(one), target_text(one)] for one in checks]
    return pipe_table(["check", "what", "verdict", "measured", "target"], rows) if rows else "Not run in this run."
