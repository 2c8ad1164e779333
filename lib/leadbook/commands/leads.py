"""What the command line calls: plain arguments in, a JSON-ready mapping out, one clear error for what a user got
wrong."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from pymongo.errors import PyMongoError
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn

from leadbook.core import connect
from leadbook.core import write_errors as faults
from leadbook.core.errors import LeadbookError, ParameterError
from leadbook.core.journal import Journal
from leadbook.core.provenance import collection_uuid
from leadbook.core.settings import Settings
from leadbook.enrich.services import Services
from leadbook.ingest import pipeline
from leadbook.ingest.crm import Synced
from leadbook.ingest.drain import drain, lease_of
from leadbook.ingest.logbook import HERE, Beat, Logbook
from leadbook.ingest.readers.marks import FileMark
from leadbook.ingest.readers.records import checked_file
from leadbook.ingest.replay import replay
from leadbook.ingest.site import Site
from leadbook.ingest.staging import Staging
from leadbook.ingest.stops import ends_in_order
from leadbook.lead.vendors import RawRecord, load_vendor
from leadbook.rehearsal import adoption, servers
from leadbook.rehearsal.locks import TargetLock
from leadbook.rehearsal.sandbox.server import Sandbox
from leadbook.schema import guard
from leadbook.schema.state import apply

Notice = Callable[[str], None]
Heard = Callable[[Beat], None]

BROKEN = frozenset({"broken_json", "broken_csv"})
"""Problems of a damaged file, not of a poor record: the user hears of them."""


class IncompleteError(LeadbookError):
    """The run stopped early. What was stored is stored; running the same sources again brings in the rest.

    ledger: of what was done until then, as the finished run's; empty where nothing was.
    """

    def __init__(self, problem: str, ledger: dict[str, Any] | None = None) -> None:
        super().__init__(problem)
        self.ledger = ledger or {}


def ingest_files(
    files: Sequence[Path], vendor: str, settings: Settings, *, progress: bool = False,
    unreadable: list[str] | None = None, notice: Notice = lambda _: None, heard: Heard = lambda _: None,
) -> dict[str, Any]:  # fmt: skip
    """Bring vendor files into the leads' collection; the ledger with `seconds` and `leads_per_second`.

    unreadable: takes one line for each file with records that are no JSON or CSV at all; they count as rejected.
    notice: takes one line for what a user should know meanwhile.  heard: takes a beat each minute, and at the begin and
    the end. SIGTERM, SIGINT and SIGHUP stop reading. The sprint's journal keeps what was done.
    Raises InputFileError (missing or unusable file), ParameterError (unknown vendor), UnreachableError (no MongoDB;
    Redis may be away) and IncompleteError.
    """
    name = load_vendor(vendor).name
    for path in files:
        checked_file(path, name)
    with ends_in_order(notice) as stop, _site(settings) as site, _shown(progress) as show:
        marks = [FileMark.of(path) for path in files]
        sources = [pipeline.file_source(path, name) for path in files]
        watched = [_Watched(source.records, path) for source, path in zip(sources, files, strict=True)]
        sources = [
            replace(source, records=records, content=mark.content)
            for source, records, mark in zip(sources, watched, marks, strict=True)
        ]
        with _logbook(
            site, heard, notice, names=[path.name for path in files], contents=[mark.content for mark in marks],
            paths=[mark.place for mark in marks], vendor=name,
        ) as book:  # fmt: skip
            result = pipeline.run(sources, site, progress=CacheWatch(notice, book.take, show), stop=stop)
            result.problem = result.problem or "; ".join(filter(None, (mark.changed for mark in marks)))
            book.take(result)
            ledger = _told(result, site)
    if unreadable is not None:
        unreadable += [records.told(settings.rejected_collection) for records in watched if records.count]
    return ledger


class _Watched:
    """Records of a file, passed on; counts those that could not be read at all and remembers the first."""

    def __init__(self, records: Iterable[RawRecord], path: Path) -> None:
        self.records, self.path = records, path
        self.count, self.first = 0, RawRecord(0, {}, None)

    def __iter__(self) -> Iterator[RawRecord]:
        for record in self.records:
            if record.problem in BROKEN:
                self.first = self.first if self.count else record
                self.count += 1
            yield record

    def told(self, kept_in: str) -> str:
        more = f", nor can {self.count - 1} more" if self.count > 1 else ""
        kind = "JSON" if self.first.problem == "broken_json" else "CSV"
        return (
            f"{self.path}:{self.first.number}: record cannot be read as {kind}{more}; kept in {kept_in}, all others "
            "went on: mend the file, or get it again, and ingest it once more"
        )


def ingest_staged(
    settings: Settings, *, vendor: str = "", follow: bool = False, progress: bool = False,
    notice: Notice = lambda _: None, heard: Heard = lambda _: None,
) -> dict[str, Any]:  # fmt: skip
    """Move staged records on until none is left, with `follow` until a signal; the ledger as `ingest_files` gives it.

    vendor: of records that name none.  notice, heard: as in `ingest_files`. SIGTERM, SIGINT and SIGHUP end it in order.
    With `follow` it waits for a MongoDB that is away. Ingest sessions that died are ended in the journal. Raises
    ParameterError, UnreachableError and IncompleteError, which without `follow` tells of records that are left.
    """
    name = load_vendor(vendor).name if vendor else ""
    with (
        ends_in_order(notice) as stop, _site(settings) as site, _shown(progress) as show,
        _logbook(site, heard, notice, staged=True, vendor=name) as book,
    ):  # fmt: skip
        watch = CacheWatch(notice, book.take, show)
        if follow:
            whose = "a rehearsal's own servers" if site.endpoints.source == "rehearsal" else "the servers named"
            notice(
                f"follows {settings.staging_collection} of {settings.database} on {whose}, profile {settings.profile}"
            )
        result = drain(site, follow=follow, vendor=name, progress=watch, notice=notice, stop=stop,
                       session=book.session)  # fmt: skip
        book.take(result)
        if not follow:
            result.problem = result.problem or _left(result, settings, stop())
        return _told(result, site)


@contextmanager
def _logbook(site: Site, heard: Heard, notice: Notice, *, staged: bool = False, **named: Any) -> Iterator[Logbook]:
    """The journal's part of an ingest, over a client of its own: its thread works beside the run."""
    client, _ = site.clients()
    with client:
        database, settings = site.database(client), site.settings
        staging = Staging(database[settings.staging_collection]) if staged else None
        journal = Journal(database, site.endpoints.mongodb_uri)
        executor = settings.executor if settings.executor in HERE else "dask"  # an address stays out of the journal
        with Logbook(journal, staging, heard=heard, notice=notice, max_age_s=settings.backlog_max_age_s,
                     stuck_s=lease_of(site) if staged else float("inf"), clock=settings.clock,
                     executor=executor, enriches=site.services.enriches,
                     leads=collection_uuid(database[settings.collection]), **named) as book:  # fmt: skip
            yield book


def _left(result: pipeline.PipelineResult, settings: Settings, stopped: str) -> str:
    """Why a drain that ended is not done; empty when nothing is left."""
    waiting, claimed = result.staging.get("waiting", 0), result.staging.get("claimed", 0)
    if not waiting and not claimed:
        return ""
    left = f"{waiting} records of {settings.staging_collection} wait still, and {claimed} are claimed by other workers"
    return f"{stopped}; {left}" if stopped else left


class CacheWatch:
    """Takes a run's progress, says when Redis went away and when it is asked again, and passes it on to `others`."""

    def __init__(self, notice: Notice, *others: Callable[[pipeline.PipelineResult], None]) -> None:
        self.notice, self.others = notice, others
        self.away, self.asked, self.is_away = 0, 0, False

    def __call__(self, result: pipeline.PipelineResult) -> None:
        """Look at what the cache was asked since the last call."""
        away, asked = result.cache.away - self.away, result.cache.asked - self.asked
        self.away, self.asked = result.cache.away, result.cache.asked
        if away and result.cache.failures and not self.is_away:
            self.is_away = True
            self.notice("Redis does not answer: MongoDB alone tells what is a duplicate meanwhile; slower, never wrong")
        elif self.is_away and asked and not away:
            self.is_away = False
            self.notice("Redis answers again")
        for other in self.others:
            other(result)


def replay_rejected(settings: Settings, *, notice: Notice = lambda _: None) -> dict[str, Any]:
    """Run rejected records again; the ledger as `ingest_files` gives it. Those that are leads now leave the
    collection.

    Raises UnreachableError and IncompleteError.
    """
    with (
        ends_in_order(notice) as stop, _site(settings) as site,
        _logbook(site, lambda _: None, notice, source="replay") as book,
    ):  # fmt: skip
        result = replay(site, stop=stop)
        book.take(result)
        return _told(result, site)


def crm_sync(settings: Settings, *, limit: int | None = None) -> dict[str, Any]:
    """Send qualified leads that the CRM has not taken yet, `limit` at most; counts, and why it ended early.

    On a rehearsal HubSpot's sandbox takes them, and `sandbox` is true. Raises ParameterError (crm is off, no token),
    UnreachableError and IncompleteError (HubSpot stopped it: what was taken is marked, run it again).
    """
    if not settings.crm:
        raise ParameterError("crm", "is false, so nothing is sent to HubSpot", "set it with -p crm=true")
    with _site(settings.model_copy(update={"enrichment": False})) as site:
        hubspot = site.services.hubspot
        synced = pipeline.crm_of(site, hubspot).sync(limit) if hubspot else Synced()
        if synced.stopped:
            raise IncompleteError(f"{synced.stopped}; {synced.sent} leads were sent; run it again for the rest")
        return synced.as_dict() | {"sandbox": site.services.sandbox}


@contextmanager
def _site(settings: Settings) -> Iterator[Site]:
    """Where to work, found ready; with the vendors of enrichment and CRM, on a rehearsal their sandbox."""
    with ExitStack() as stack:
        if settings.is_rehearsal and "LEADBOOK_RUN_ID" not in os.environ:  # a run has the servers for itself already
            stack.enter_context(TargetLock(settings, "an ingest", shared=True))
        site = Site(endpoints=servers.resolve(settings), settings=settings)
        ready(site)
        if settings.enrichment or settings.crm:
            real = not settings.is_rehearsal
            services = Services.of(settings) if real else stack.enter_context(Sandbox()).services.only(settings)
            site = replace(site, services=services)
        stack.callback(Site.close)
        try:
            yield site
        except PyMongoError as error:
            raise IncompleteError(f"{faults.described(error)}; run it again once MongoDB answers") from None


def _told(result: pipeline.PipelineResult, site: Site) -> dict[str, Any]:
    failed = f"{result.ledger.failed} records failed" if result.ledger.failed else ""
    if not result.problem and not failed:
        try:
            pipeline.finish(result, site)
        except PyMongoError as error:
            result.problem = f"all records have their outcome, what follows has not: {faults.described(error)}"
    if result.problem or failed:
        said = f"{result.problem or failed}; {_summary(result)}; run it again to bring in the rest"
        raise IncompleteError(said, result.as_dict())
    return result.as_dict()


def ready(site: Site) -> None:
    """Raise unless MongoDB answers and the unique index on linkedin_url, the arbiter of duplicates, is there.

    On rehearsal a missing schema is applied. Raises UnreachableError, ParameterError (w: 0) and LeadbookError.
    """
    settings = site.settings
    with connect.mongodb(site.endpoints.mongodb_uri, settings) as client:
        connect.ping_mongodb(client)
        adoption.require(client, settings, site.endpoints)
        leads = client[settings.database][settings.collection]
        guard.refuse_unacknowledged(leads)
        if guard.has_unique_index(leads):
            return
        if settings.is_rehearsal and settings.apply_schema:
            with connect.mongodb(site.endpoints.admin_uri, settings) as admin:
                apply(leads, admin, settings)
        guard.refuse_without_unique_index(leads)


def _summary(result: pipeline.PipelineResult) -> str:
    ledger = result.ledger
    return (
        f"until then read {ledger.read}: stored {ledger.stored}, filled {ledger.filled}, "
        f"duplicate {ledger.duplicates}, rejected {ledger.rejects}, failed {ledger.failed}"
    ) + (f" ({result.in_doubt} of them were sent and not acknowledged: they may be stored)" if result.in_doubt else "")


@contextmanager
def _shown(progress: bool) -> Iterator[Callable[[pipeline.PipelineResult], None]]:
    """A live line of counts on standard error while the run lasts, or nothing."""
    if not progress:
        yield lambda _: None
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("reading", total=None)

        def show(result: pipeline.PipelineResult) -> None:
            ledger = result.ledger
            bar.update(task, completed=ledger.read, description=f"{ledger.read:,} read, {ledger.stored:,} stored")

        yield show
