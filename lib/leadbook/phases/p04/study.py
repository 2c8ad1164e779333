"""Phase 04 at work: what the notebook asks for, in the order in which it asks. Shows nothing itself."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from leadbook.bench import limits
from leadbook.core.checks import Check, Verdict, judge
from leadbook.enrich.services import Services
from leadbook.ingest import pipeline, rehearsal
from leadbook.ingest.drain import drain
from leadbook.ingest.site import Site
from leadbook.ingest.staging import Staging
from leadbook.ingest.workers import started
from leadbook.lead.clock import now_ms
from leadbook.lead.keys import collection_uuid
from leadbook.lead.ledger import Ledger
from leadbook.lead.score import Rules
from leadbook.page.prose import number
from leadbook.phases.p04 import audit, documents, inputs, probes, tryout, verdicts
from leadbook.rehearsal.servers.owner import passing_folder
from leadbook.schema import apply, guard
from leadbook.schema.contracts import measure_contracts
from leadbook.schema.scratch import scratch, scratch_name

__all__ = ["Study"]

TRIAL = 500
"""Records of the small sample: the task book asks for 100 to 500."""

UNAIDED = 3_000
"""Records that are run once more without Redis."""


LEDGER_COLUMNS = {
    "source": "file, or the whole run", "read": "records, broken ones too", "stored": "new leads acknowledged",
    "filled": "known leads that gained a field", "duplicate": "known leads", "rejected": "no lead; kept with reasons",
    "failed": "outcome unknown", "balanced": "read = all the others together",
}  # fmt: skip
DUPLICATE_COLUMNS = {
    "run": "which run of the same input", "stored": "new leads", "filled": "leads that gained a field",
    "batch, redis, mongodb": "who knew the duplicates", "records/s": "records brought to an outcome a second",
}  # fmt: skip
QUERY_COLUMNS = {
    "query": "its shape, without values", "index": "index of the winning plan", "examined": "documents looked at",
    "returned": "documents found", "ms": "server's time, median of three",
}  # fmt: skip


class Study:
    """The phase's work. Made by `begin`; every method may be called once its predecessors were; `leave` ends it."""

    LEDGER_COLUMNS, DUPLICATE_COLUMNS, QUERY_COLUMNS = LEDGER_COLUMNS, DUPLICATE_COLUMNS, QUERY_COLUMNS

    def __init__(self, book: Any) -> None:
        self.book, self.settings = book, book.settings
        services = Services.of(book.settings) if book.settings.is_production else Services()
        self.site = Site(endpoints=book.endpoints, settings=book.settings, services=services)
        self.database = self.site.database(book.mongodb)
        self.leads = self.database[self.settings.collection]
        made = None if self.settings.is_production else passing_folder()
        self._folder = tempfile.TemporaryDirectory(dir=made)
        staging = self.database[self.settings.staging_collection]
        self.unjudged = guard.unjudged(book.leads)
        self.input = None if self.unjudged else inputs.choose(self.settings, Path(self._folder.name), staging)
        self.before: set[str] = set()
        self.pool: Executor = started(self.settings.executor, self.settings.writers, self.site)

    @classmethod
    def begin(cls, book: Any) -> Study:
        """Empty the rehearsal (never production), choose the input, start the workers; says what it did.

        Where no unique index judges the leads, nothing is brought in. Raises ParameterError (w: 0) before any lead is
        written.
        """
        guard.refuse_unacknowledged(book.leads)
        if book.settings.is_rehearsal:
            book.say(rehearsal.reset(book))
        else:
            apply(book.leads, book.admin, book.settings)
        study = cls(book)
        study.before = {lead["linkedin_url"] for lead in study.leads.find({}, {"linkedin_url": 1, "_id": 0})}
        if study.unjudged:
            book.say(f"Nothing is brought in: {study.unjudged}; {study._apply_schema}.")
        elif study.input is None:
            book.say(f"Nothing to bring in: {verdicts.NOTHING}; made records never go into production.")
        else:
            book.table(study.input.table(), "Input", columns=inputs.COLUMNS)
        return study

    @property
    def _apply_schema(self) -> str:
        how = self.settings.how_to_approve("apply_schema") if self.settings.is_production else "with apply_schema: true"
        return f"apply the schema by phase 02, then run this phase again; {how}"

    @property
    def _may_try(self) -> bool:
        """Whether made records may be written beside the leads, in scratch collections, and timed."""
        return bool(self.settings.approves("benchmarks"))

    def _tried(self, checks: list[Check]) -> list[Check]:
        """Checks of what needs that approval: without it, those not measured say so."""
        if self._may_try:
            return checks
        why, how = "inserts of made records are not approved", self.settings.how_to_approve("benchmarks")
        return [
            replace(one, evidence=why, remedy=how) if one.verdict is Verdict.NOT_MEASURED else one for one in checks
        ]

    def probe_writes(self) -> str:
        """One unordered batch with every kind of write error; a sentence on what it left, or why it was not sent."""
        self.write_probes: list[probes.Probe] = []
        if not self._may_try:
            return f"Not tried: {self.settings.how_to_approve('benchmarks')}."
        self.write_probes, said = probes.write_errors(self.site, self.database)
        return said

    def probe_checks(self, rules: Sequence[probes.Probe]) -> list[Check]:
        """Validation rules and write errors."""
        return self._tried(verdicts.probe_checks(rules, self.write_probes))

    def _explained(self, checks: list[Check]) -> list[Check]:
        """Checks of the input: where there is none, those not measured say so."""
        if self.unjudged:
            return verdicts.explained(checks, self.unjudged, self._apply_schema)
        return verdicts.explained(checks, "" if self.input else verdicts.NOTHING)

    def _sources(self, first: int | None = None) -> Sequence[pipeline.RecordSource]:
        return list(self.input.sources(first=first)) if self.input else []

    def _run(self, sources: Sequence[pipeline.RecordSource], site: Site) -> pipeline.PipelineResult:
        return pipeline.run(sources, site, executor=self.pool, workers=self.settings.writers)

    # ------------------------------------------------------------------------------------------ small sample

    def trial(self) -> None:
        """The first records through the whole flow into scratch collections, in this process."""
        self._trial, self._trial_stored, self._trial_kept = pipeline.PipelineResult(), 0, 0
        if not self._may_try:
            return
        rejected = scratch_name("rejected")
        with scratch(self.database, "trial", self.settings) as collection:
            named = {"collection": collection.name, "rejected_collection": rejected}
            site = Site(
                endpoints=self.site.endpoints, settings=self.settings.model_copy(update=named),
                use_cache=self.settings.is_rehearsal,
            )  # fmt: skip
            try:
                self._trial = pipeline.run(self._sources(TRIAL), site, workers=1)
                self._trial_stored = collection.count_documents({})
                self._trial_kept = self.database[rejected].count_documents({})
            finally:
                Site.close()
                rehearsal.forget_keys(self.book.redis, collection_uuid(collection))
                self.database[rejected].drop()

    def trial_table(self) -> pd.DataFrame:
        """The small sample's ledger by source."""
        return _ledgers({**self._trial.sources, "all": self._trial.ledger})

    def trial_checks(self) -> list[Check]:
        """Nothing lost, and collection and rejects hold what the ledger says."""
        ledger = self._trial.ledger
        lost = abs(ledger.stored - self._trial_stored) + abs(ledger.rejects - self._trial_kept) + ledger.failed
        said = (
            f"{ledger.read} records; {self._trial_stored} leads and {self._trial_kept} rejects were counted afterwards"
        )
        return self._tried(self._explained([judge("PIPE-E2E-001", lost if ledger.read else None, evidence=said)]))

    # ---------------------------------------------------------------------------------------------- full run

    def run(self) -> None:
        """The whole input."""
        if isinstance(self.input, inputs.Staged):
            self.result = drain(self.site, executor=self.pool, workers=self.settings.writers)
        else:
            self.result = self._run(self._sources(), self.site)
        if not self.unjudged:
            pipeline.finish(self.result, self.site)

    @property
    def ledger(self) -> dict[str, Any]:
        """Of the full run, as a mapping."""
        return self.result.ledger.as_dict()

    @property
    def reasons(self) -> dict[str, int]:
        """Rejected records by reason; a record may have several."""
        return dict(self.result.reasons)

    @property
    def stages(self) -> dict[str, float]:
        """Seconds by stage."""
        return dict(self.result.stages)

    def sentence(self) -> str:
        """What the full run did."""
        result = self.result
        share = 100 * result.ledger.rejects / result.ledger.read if result.ledger.read else float("nan")
        return (
            f"**{result.ledger.read:,}** records read, **{result.ledger.stored:,}** leads stored in "
            f"{number(result.seconds, 's')} by {result.workers} workers: "
            f"{number(result.stored_per_second, 'leads/s')}; {number(share, '%')} rejected. {result.problem}"
        )

    def ledger_table(self) -> pd.DataFrame:
        """Ledger by source and in all."""
        return _ledgers({**self.result.sources, "all": self.result.ledger})

    @cached_property
    def truth(self) -> audit.Recount:
        """The independent recount of the input."""
        return audit.recount(self._sources())

    def ledger_checks(self) -> list[Check]:
        """Balanced, nothing failed, equal to the recount."""
        return self._explained(verdicts.ledger_checks(self.result, self.truth, len(self.truth.urls & self.before)))

    # ----------------------------------------------------------------------------------------------- quality

    @property
    def fill_rates(self) -> pd.DataFrame:
        """Fields before and after cleaning, %."""
        return self.truth.fill_rates()

    @cached_property
    def formats(self) -> audit.Formats:
        """Formats of stored leads."""
        return audit.formats(self.leads)

    @cached_property
    def scores(self) -> audit.Scores:
        """Scores of stored leads."""
        return audit.scores(self.leads, Rules.of(self.settings))

    def quality_checks(self) -> list[Check]:
        """Formats, fill rates and scores."""
        return self._explained(verdicts.quality_checks(self.formats, self.fill_rates, self.scores, self.settings))

    # -------------------------------------------------------------------------------------------- duplicates

    def again(self) -> None:
        """The same input once more, and a part of it without Redis; then look-ups are timed."""
        self.accuracy = audit.accuracy(self.truth, self.result, self.leads, self.before)
        self.second = self._run(self._sources(), self.site)
        unaided = Site(endpoints=self.site.endpoints, settings=self.settings, use_cache=False)
        self.unaided = self._run(self._sources(UNAIDED), unaided)
        Site.close()  # a cache that gave Redis up during a run asks afresh
        away = self.book.redis_problem or "Redis is away"
        self.lookups = probes.lookups(self.site, self.book.redis, self.leads, away=away)

    def duplicate_table(self) -> pd.DataFrame:
        """The three runs of the input (DUPLICATE_COLUMNS)."""
        runs = {"first": self.result, "second": self.second, f"without Redis, {UNAIDED:,} records": self.unaided}
        rows = [
            (name, run.ledger.stored, run.ledger.filled, ", ".join(f"{n:,}" for n in run.ledger.duplicate.values()),
             round(run.leads_per_second)) for name, run in runs.items()
        ]  # fmt: skip
        return pd.DataFrame(rows, columns=list(self.DUPLICATE_COLUMNS))

    def duplicate_checks(self) -> list[Check]:
        """Accuracy, second run, run without Redis."""
        return self._explained(verdicts.duplicate_checks(self.accuracy, self.second, self.unaided, self.settings))

    def truth_sentence(self) -> str:
        """How far Redis was right."""
        return documents.cache_sentence(self.result.cache)

    def lookup_checks(self) -> list[Check]:
        """Look-ups by Redis and MongoDB."""
        return verdicts.lookup_checks(self.lookups, self.settings)

    # ------------------------------------------------------------------------------------------------- speed

    def limit(self) -> None:
        """How fast prepared documents go in."""
        unmeasured = limits.Limits.unmeasured(self.settings.batch_size)
        self.limits = limits.measure(self.site) if self._may_try else unmeasured

    def rates(self) -> list[tuple[str, float]]:
        """(name, leads/s) of prepared documents and of the pipeline."""
        best = self.limits.best
        prepared = [(f"prepared documents,\n{best.writers} writer(s)", best.rate)] if best.documents else []
        return [
            *prepared,
            ("pipeline: leads written", self.result.written_per_second),
            ("pipeline: records", self.result.leads_per_second),
            ("pipeline: second run,\nrecords", self.second.leads_per_second),
        ]

    def speed_checks(self) -> list[Check]:
        """Rates of prepared documents, and the pipeline beside them."""
        beside = verdicts.speed_checks(self.result, self.limits)
        return self._tried(verdicts.batch_checks(self.limits, self.settings) + self._explained(beside))

    # ----------------------------------------------------------------------------------------------- queries

    @cached_property
    def queries(self) -> list[Any]:
        """The task book's queries, explained on the leads just stored."""
        return measure_contracts(self.leads)

    def query_table(self) -> pd.DataFrame:
        """QUERY_COLUMNS."""
        rows = [
            (
                one.contract.shape,
                ", ".join(one.plan.indexes) or "none",
                one.plan.docs_examined,
                one.plan.returned,
                one.millis,
            )
            for one in self.queries
        ]
        return pd.DataFrame(rows, columns=list(self.QUERY_COLUMNS))

    def query_checks(self) -> list[Check]:
        """No collection scan, all fast."""
        return self._explained(verdicts.query_checks(self.queries if self.scores.leads else [], self.settings))

    # --------------------------------------------------------------------------------------------------- end

    def stage(self) -> None:
        """Stage payloads twice over in a scratch collection as n8n does, and drain them into another."""
        names = {name: scratch_name(name) for name in ("staged", "rejected")}
        now = now_ms()
        documents = [
            {"vendor": source.vendor, "payload": record.payload, "collected_at": now}
            for source in self._sources(TRIAL // 5) for record in source.records
        ]  # fmt: skip
        self.staged, self.ended, self.sent = Ledger(), {}, 2 * len(documents)
        if not (documents and self._may_try):
            self.sent = 0
            return
        with scratch(self.database, "drained", self.settings) as leads:
            renamed = {"collection": leads.name, "staging_collection": names["staged"],
                       "rejected_collection": names["rejected"]}  # fmt: skip
            settings = self.settings.model_copy(update=renamed)
            site = replace(
                self.site, settings=settings, use_cache=False, services=Services()
            )  # nobody is paid for these
            try:
                for _ in range(2):
                    self.database[names["staged"]].insert_many([dict(one) for one in documents], ordered=True)
                self.staged = drain(site, executor=self.pool, workers=self.settings.writers).ledger
                self.ended = Staging(self.database[names["staged"]]).ended()
            finally:
                for name in names.values():
                    self.database[name].drop()

    def staging_checks(self) -> list[Check]:
        """Everything staged arrived, and ended once."""
        ended = sum(self.ended.values())
        said = f"{self.sent} payloads staged, every one twice; stored {self.staged.stored}, ended {ended}"
        right = ended == self.staged.read == self.sent
        return self._tried(self._explained([judge("PIPE-N8N-003", right if self.sent else None, evidence=said)]))

    def ask_vendors(self) -> None:
        """Enrichment and CRM: on rehearsal tried in the sandbox, in production what the full run did."""
        self.vendors = tryout.told(self.site, self.result)

    @cached_property
    def issues(self) -> list[verdicts.Issue]:
        """What the full run met."""
        return verdicts.issues(self.result)

    def issue_checks(self) -> list[Check]:
        """Nothing unsettled."""
        return self._explained([verdicts.issue_check(self.issues, self.result.ledger.read)])

    def optimization(self) -> str:
        """The optimization results as Markdown."""
        return documents.optimization(
            self.result, self.second, self.limits, self.lookups, self.query_table(), self.issues, self.settings
        )

    def handoff(self) -> str:
        """The hand-off as Markdown."""
        return documents.handoff(self.settings, collection_uuid(self.leads))

    def document_checks(self, *paths: Path) -> list[Check]:
        """The phase's documents were written."""
        there = [path for path in paths if path.is_file()]
        return [judge("PIPE-DOC-001", len(there), evidence=", ".join(path.name for path in there))]

    def leave(self, book: Any) -> None:
        """Facts for later phases; ends the workers and removes the made input."""
        share = self.result.written_per_second / self.limits.best.rate
        facts = {
            "ledger": self.result.as_dict(), "collected": self.result.ledger.read, "stored": self.result.ledger.stored,
            "leads_per_second": self.result.stored_per_second, "records_per_second": self.result.leads_per_second,
            "duplicate_accuracy_percent": self.accuracy.percent, "raw_limit": self.limits.best.rate,
            "pipeline_share": share, "false_new_percent": self.result.cache.false_new_percent,
            "mean_quality_score": self.scores.mean, "mean_quality_points": self.scores.mean_points,
            "qualified": self.scores.qualified, "stages": self.stages,
            "input": {"made": bool(self.input and self.input.facts)},
        }  # fmt: skip
        for name, value in facts.items():
            book.fact(name, value)
        self.pool.shutdown()
        Site.close()
        self._folder.cleanup()


def _ledgers(ledgers: dict[str, Ledger]) -> pd.DataFrame:
    rows = [
        (name, one.read, one.stored, one.filled, one.duplicates, one.rejects, one.failed,
         "yes" if one.read == one.accounted else "NO") for name, one in ledgers.items()
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=list(LEDGER_COLUMNS))
