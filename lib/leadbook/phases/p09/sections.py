"""Notebook 09, section by section. Read-only: what was stored, how good and how whole it is, what to do next."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Any

from pymongo.collection import Collection
from redis import Redis

from leadbook.analysis import reporting
from leadbook.analysis.anomalies import find_anomalies
from leadbook.analysis.collecting import read_collecting
from leadbook.analysis.completeness import completeness, source_outliers
from leadbook.analysis.configuration import read_configuration
from leadbook.analysis.integrity import Validation, breaking, guarded, index_counts, validate
from leadbook.analysis.losses import Places, gaps, lost_leads, read_rejects, unstaged
from leadbook.analysis.push import last_inserts, left_behind, read_drained, unlike_design
from leadbook.analysis.sessions import STAGING, differences, parted, read_erasures, read_sessions
from leadbook.analysis.stamps import arrivals, parse_sent
from leadbook.analysis.statistics import read_statistics
from leadbook.analysis.totals import read_totals
from leadbook.bench.profiler import current
from leadbook.core.checks import Check, Unmeasured
from leadbook.core.connect import Client
from leadbook.core.journal import Journal
from leadbook.core.settings import Settings
from leadbook.ingest.site import Site
from leadbook.ingest.trials.rehearsal import ensure_leads
from leadbook.monitor.topology import read_replication
from leadbook.monitor.validation import review_latest
from leadbook.phases import collected, deeds
from leadbook.phases.console.seen import newest_snapshot
from leadbook.phases.documents import incomplete
from leadbook.phases.judging import Answers, attempt, checks_of, of_each
from leadbook.phases.p09 import checks, figures, losses, push, tables
from leadbook.phases.p09.documents import Findings, documents, score_sentence
from leadbook.phases.p09.evidence import RunEvidence, metrics, trends
from leadbook.phases.p09.recommendations import recommend
from leadbook.phases.section import Plot, Section, Table, section
from leadbook.provision.excess import of_reporting

Document = dict[str, Any]


class FinalAnalysis(Findings):
    """The analysis at work: each section reads, judges and shows; those that build on others say which come first."""

    def __init__(
        self, leads: Collection[Document], *, admin: Client, reporting_user: Client | None, redis: Redis | None,
        settings: Settings, evidence: RunEvidence, journal: Journal | None = None, done: deeds.Told = (),
        snapshot: datetime | None = None,
    ) -> None:  # fmt: skip
        database = leads.database
        self.own, self.leads = leads, reporting.reporting_collection(reporting_user, leads)
        self.staging, self.rejected = database[settings.staging_collection], database[settings.rejected_collection]
        self.admin, self.reporting_user, self.redis = admin, reporting_user, redis
        self.settings, self.evidence, self.journal = settings, evidence, journal
        self.sent = parse_sent(settings.sent)
        self.checks, self.done, self.snapshot = {}, done, snapshot

    @classmethod
    def of(cls, book: Any) -> FinalAnalysis:
        """The analysis of an opened phase. On rehearsal, without leads, a small sample is brought in first."""
        ensure_leads(Site(endpoints=book.endpoints, settings=book.settings), book.mongodb, book.admin)
        done = deeds.done_to(book)
        if going := deeds.still_open(done):
            book.show(Section(says=f"**{going}**", facts={"open_alarms": going}))
        return cls(
            book.leads, admin=book.admin, reporting_user=book.reporting, redis=book.redis, settings=book.settings,
            evidence=RunEvidence.of(book), journal=book.journal, done=done, snapshot=newest_snapshot(book),
        )  # fmt: skip

    def _judged(self, told: Answers) -> tuple[Check, ...]:
        made = checks_of(told, self.settings)
        self.checks |= {check.id: check for check in made}
        return made

    # ------------------------------------------------------------------------------------------------- the sections

    def counterparts(self) -> Section:
        """9.1: what the task book's SQL means here."""
        return Section(tables=(tables.counterparts(),))

    @section("9.2")
    def final_statistics(self) -> Section:
        """9.2: collected, unique, by source; what became of all that was brought in, by vendor and collector."""
        self.statistics = found = read_statistics(self.leads, self.settings)
        self.parted = parted(read_sessions(self.journal), self.own, self.staging)
        self.sessions = self.parted.mine
        self.erasures = read_erasures(self.journal)
        self.totals = totals = read_totals(self.staging, self.sessions, self.erasures)
        plot = Plot(figures.sources(found.by_source), "Leads by source: who brought how many")
        shown = (tables.statistics(found, totals, self.settings), *tables.brought(totals))
        return Section(tables=shown, plots=(plot,), checks=self._judged(checks.counts(found, totals)))

    @section("9.3", "9.2")
    def quality(self) -> Section:
        """9.3: score, points, e-mail and company data."""
        plot = Plot(
            figures.quality(self.statistics, self.settings.target_quality_score),
            "Leads by quality score and by quality points",
        )
        made = self._judged(checks.quality(self.statistics))
        return Section(says=score_sentence(self.statistics), plots=(plot,), checks=made)

    @section("9.4")
    def completeness(self) -> Section:
        """9.4: how complete each field is."""
        self.fields = completeness(self.leads)
        caption = "How complete each field is, over all sources and for each one"
        made = self._judged(checks.completeness(self.fields))
        return Section(plots=(Plot(figures.completeness(self.fields), caption),), checks=made)

    @section("9.5")
    def integrity(self) -> Section:
        """9.5: validate, every index against a scan, the validator against what is stored."""
        indexes = attempt(partial(index_counts, self.leads))
        leads = self.leads.estimated_document_count()
        unique, broken = attempt(partial(guarded, self.leads)), attempt(partial(breaking, self.leads))
        told = checks.integrity(self._validation(), indexes, unique, broken, leads)
        shown = (tables.indexes(indexes),) if isinstance(indexes, list) else ()
        return Section(tables=shown, checks=self._judged(told))

    def _validation(self) -> Validation | Unmeasured | Exception:
        mode = self.settings.validate_collection
        if mode == "off":
            return Unmeasured("validate_collection is off", "validate a restored copy (phase 06)")
        return attempt(partial(validate, self.admin[self.settings.database][self.settings.collection], mode))

    @section("9.6", "9.2")
    def losses(self) -> Section:
        """9.6: nothing lost, nothing half done, nothing that nobody brought in; data and journal agree."""
        places = Places(leads=self.leads, staging=self.staging, rejects=self.rejected, redis=self.redis)
        totals, sessions, settings = self.totals, self.sessions, self.settings
        named = lost_leads(places)
        other = unstaged(places, named, totals, sessions)
        counted = gaps(places, other, self.evidence.backup, sessions, self.erasures)
        rejects = read_rejects(places, totals, settings.rejected_ttl_days)
        unlike = differences(sessions, totals.ended, expires=settings.staging_ttl_days > 0, erased=totals.erased)
        came = arrivals(self.staging, totals, self.sent)
        told = {
            "FIN-LOSS-001": losses.ended(totals, places, sessions),
            "FIN-LOSS-002": losses.kept(named, counted, places, deeds.lost_keys(self.done)),
            **losses.rejects(rejects, totals.records),
            "FIN-LOSS-005": losses.arrived(came, sum(one.staged for one in self.erasures), totals.gone.total()),
            "FIN-LOSS-006": losses.nobodys(other, self.leads.count_documents({})),
            "FIN-LOSS-008": losses.told_alike(unlike, sum(one.source == STAGING for one in sessions), totals),
            "FIN-LOSS-009": losses.dropped(self.parted),
            **of_each({"FIN-LAST-001": losses.newest}, attempt(partial(review_latest, self.leads))),
        }  # fmt: skip
        story = attempt(lambda: self.journal.entries("stage", "action") if self.journal else [])
        shown = (tables.story(story if isinstance(story, list) else []), tables.sessions(sessions, totals, unlike))
        return Section(tables=shown, checks=self._judged(told))

    @section("9.7", "9.2", "9.4")
    def odd_leads(self) -> Section:
        """9.7: what looks wrong although every rule let it in."""
        self.anomalies = find_anomalies(self.leads, self.settings)
        self.outliers = source_outliers(self.fields)
        odd = tables.anomalies(self.anomalies)
        weak = tables.table(self.outliers, "Fields that one source fills much less than all together")
        told = checks.anomalies(self.anomalies, self.outliers, self.statistics.total)
        return Section(tables=(odd, weak), checks=self._judged(told))

    @section("9.8")
    def readiness(self) -> Section:
        """9.8: the report's queries as the reporting user."""
        plans, user = reporting.plans(self.leads), self.reporting_user
        granted = None if user is None else of_reporting(user, self.settings.database)
        tried = checks.NOT_TRIED if user is None else attempt(partial(reporting.writes_let_through, self.leads))
        sizes = attempt(partial(reporting.sizes, self.leads))
        made = self._judged(checks.ready(plans, granted, sizes, self.settings, tried))
        return Section(tables=(tables.table(plans, "Queries of the report and their plans"),), checks=made)

    @section("9.9")
    def performance(self) -> Section:
        """9.9: how fast leads were collected, and what phases 03, 04, 05 and 08 measured."""
        found, collecting = metrics(self.evidence), read_collecting(self.staging)
        shown: tuple[Table, ...] = (
            collected.table(collecting),
            tables.table(found, "Performance metrics"),
            tables.table(trends(self.evidence), "Trend within the monitoring snapshot"),
            *deeds.tables(self.done),
        )
        told = {"FIN-RATE-001": collected.in_sprint(collecting), **checks.performance(self.evidence, found)}
        return Section(says=deeds.in_words(self.done), tables=shown, checks=self._judged(told))

    @section("9.10", *(f"9.{number}" for number in range(2, 10)))
    def final_push(self) -> Section:
        """9.10: drained, nothing arrives, the database as it should be left; the eight steps and what answers each."""
        inserts = attempt(partial(last_inserts, self.own))
        counted = (self.totals.of_staged.total(), self.statistics.total)
        told = push.told(
            drained=attempt(partial(read_drained, self.staging, self.own, counted)), inserts=inserts,
            unlike=attempt(partial(unlike_design, self.own, self.settings)),
            profiler=attempt(lambda: current(self.admin[self.settings.database])),
            left=attempt(partial(left_behind, self.own.database)),
            members=attempt(partial(read_replication, self.admin)), backup=self.evidence.backup,
            leads=self.statistics.total, snapshot=self.snapshot, settings=self.settings,
        )  # fmt: skip
        made = self._judged(told)
        return Section(tables=(push.steps(self.checks), *push.inserted(inserts)), checks=made)

    @section("9.11", "9.2")
    def cost(self) -> Section:
        """9.11: cost per qualified lead."""
        return Section(checks=self._judged(checks.cost(self.statistics, self.settings)))

    @section("9.11, recommendations", *(f"9.{number}" for number in range(2, 12)))
    def recommendations(self) -> Section:
        """9.11: what to do, from all that was judged so far."""
        judged = list(self.checks.values())
        self.advice = recommend(self.statistics, self.anomalies, self.fields, judged, self.evidence, self.settings)
        return Section(tables=(tables.recommendations(self.advice),))

    @section("9.12", "9.11, recommendations")
    def documents(self) -> Section:
        """9.12: seven documents, each for its readers."""
        self.configuration = read_configuration(self.admin, self.own, self.redis, self.settings)
        written = documents(self)
        return Section(documents=written, checks=self._judged({"FIN-DOC-001": incomplete(written)}))
