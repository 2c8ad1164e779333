"""Draining the staging collection, with any number of workers, once or for as long as records come."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from concurrent.futures import Executor, Future
from dataclasses import replace

from bson import ObjectId
from pymongo.errors import PyMongoError

from leadbook.core import connect
from leadbook.core import write_errors as faults
from leadbook.core.errors import LeadbookError
from leadbook.core.journal import Journal
from leadbook.enrich.enrich import batch_seconds
from leadbook.ingest.batches import BatchReport, Undecided
from leadbook.ingest.control import Ear
from leadbook.ingest.logbook import LOOK_S, Departed
from leadbook.ingest.pipeline import PipelineResult
from leadbook.ingest.session import WorkOrder, drain_some
from leadbook.ingest.site import Site
from leadbook.ingest.staging import LEASE_S, Bell, Claimed, Staging, key_of
from leadbook.ingest.store.patience import Patience
from leadbook.ingest.workers import DIED, Inline, processes, started, submitted, told
from leadbook.lead.ledger import FAILED

SESSION_S = 5.0
"""A worker returns after so long at most, so that a stop is heard and counts are shown."""

RECHECK_S = 10.0
"""A follower looks so often even when nothing is staged: records come back from other workers without an insert."""

FUTILE = 3
"""So many turns in a row that had something to do and did nothing end the drain: something is wrong."""

LONGEST_PAUSE_S = 30.0
"""A follower asks a MongoDB that is away so often at least."""

SAME_S = 0.5
"""Claims that expire at times no further apart are one claim seen twice."""


def drain(
    site: Site, *, follow: bool = False, vendor: str = "", executor: Executor | None = None, workers: int | None = None,
    progress: Callable[[PipelineResult], None] | None = None,
    notice: Callable[[str], None] = lambda _: None, stop: Callable[[], object] = lambda: False,
    session: ObjectId | None = None,
) -> PipelineResult:  # fmt: skip
    """Move staged records on until none is left, waiting for claims of workers that give no sign to expire; with
    `follow` wait for more until `stop` or Ctrl-C, also while MongoDB is away.

    vendor: of records that name none.  executor, workers: as in `pipeline.run`.  notice: takes one line for what a
    user should know meanwhile.  session: as which it claims. What is left at the end stands in `staging` of the result.
    """
    running = _Drain(site, follow, executor, workers or site.settings.writers, session or ObjectId(), notice, stop)
    order = WorkOrder(id=running.id, vendor=vendor, lease_s=lease_of(site), seconds=SESSION_S)
    try:
        running.go(order, progress or (lambda _: None))
    except KeyboardInterrupt:
        if not follow:
            raise
    finally:
        running.close()
    return running.result


def lease_of(site: Site) -> float:
    """How long a claim lasts, s: longer where each lead is asked about at vendors first."""
    return LEASE_S + (batch_seconds(site.settings) if site.services.enriches else 0.0)


class _Drain:
    """A drain at work. undecided: records worked on whose end is not certain, by `key_of` their `_id`.  lost: a
    worker's reports may be missing.  lone: see `_alone`.  troubles: turns in a row that ended in a problem though
    MongoDB answers.  ear: of a follower with workers of its own; it keeps a client of its own then, since its workers'
    clients change with what it is asked for."""

    def __init__(
        self, site: Site, follow: bool, executor: Executor | None, workers: int, session: ObjectId,
        notice: Callable[[str], None], stop: Callable[[], object],
    ) -> None:  # fmt: skip
        self.id, self.follow, self.site = session, follow, replace(site, own_ids=True)
        self.notice, self.stop = notice, stop
        self.result = PipelineResult(workers=workers, batch_size=site.settings.batch_size)
        self.begun = time.perf_counter()
        self.ear: Ear | None = None
        self.client: connect.Client | None = None
        self.name = site.settings.staging_collection
        self.staging = self._staging(listens=follow and executor is None)
        self.undecided = dict[object, Undecided]()
        self.ours, self.futile, self.deaths, self.seen, self.told = executor is None, 0, 0, 0.0, 0.0
        self.lone: Executor | None = None
        self.lost, self.is_fresh, self.troubles = False, True, 0
        self.executor = executor or self._started(workers)
        self.bell = Bell(self.staging.collection) if follow else None
        self.departed = Departed(Journal(self.staging.collection.database, site.endpoints.mongodb_uri))
        self.result.work = self._work()

    def _staging(self, *, listens: bool) -> Staging:
        """What it drains; where it `listens` to orders, over a client of its own."""
        if not listens:
            store = self.site.tools().store
            return Staging(store.collection.database[self.name], session=self.id, patience=store.patience)
        self.client, redis = self.site.clients()
        if redis is not None:
            redis.close()
        self.ear = Ear(self.site.settings.model_copy(update={"writers": self.result.workers}))
        staged = self.site.database(self.client)[self.name]
        return Staging(staged, session=self.id, patience=Patience(self.site.patience_s))

    def _started(self, workers: int) -> Executor:
        few = not self.follow and self.staging.left() <= 4 * self.site.settings.batch_size
        if few or workers == 1:
            self.result.workers = 1
            return Inline()
        return started(self.site.settings.executor, workers, self.site)

    # ------------------------------------------------------------------------------------------------------ orders

    def obeyed(self, order: WorkOrder) -> WorkOrder:
        """Take over what a DBA asks for since the last turn: nothing is under way between two turns."""
        settings = self.ear.listen(self.staging.collection.database) if self.ear else None
        if self.ear is None or settings is None:
            return order
        self.site = replace(self.site, settings=settings)
        if settings.writers != self.result.workers:
            self.result.workers = settings.writers
            if settings.executor in ("processes", "threads"):  # a cluster's workers are its own
                self.executor.shutdown(cancel_futures=True)
                self.executor = self._started(settings.writers)
        self.result.work = self._work()
        self.notice(self.ear.told())
        return replace(order, lease_s=lease_of(self.site))

    def _work(self) -> dict[str, int]:
        settings = self.site.settings
        return {
            "batch_size": settings.batch_size, "writers": self.result.workers, "pool_size": settings.max_pool_size,
            "orders": self.ear.heard.version if self.ear else 0,
        }  # fmt: skip

    # ------------------------------------------------------------------------------------------------------- turns

    def go(self, order: WorkOrder, progress: Callable[[PipelineResult], None]) -> None:
        """Turn after turn, until there is nothing to wait for."""
        goes_on = True
        while goes_on and not self.stop():
            try:
                if self.is_fresh:
                    self.staging.free()
                    self.is_fresh = False
                order = self.obeyed(order)
                did = self.turn(order)
                progress(self.result)
                goes_on = bool(self.result.problem) or did or self.wait()
            except PyMongoError as error:
                self.result.problem = self.result.problem or faults.described(error)
            if self.result.problem:
                goes_on = self.follow and self.outlasts(progress)
            else:
                self.troubles = 0

    def turn(self, order: WorkOrder) -> bool:
        """One session for each worker, or one alone for what a worker gave no sign of; whether that did anything."""
        abandoned = self.staging.claimed().expired > 0
        before = self.result.ledger.read + self.result.taken_over + len(self.undecided)
        executor = self._alone() if abandoned else self.executor
        order = replace(order, abandoned=abandoned)
        flying: list[Future[list[BatchReport]]] = []
        broken: list[Exception] = []
        for _ in range(1 if abandoned else self.result.workers):
            flying.append(submitted(executor, drain_some, self.site, order))
            if flying[-1].done():  # it ran here: what it found holds for those that were to follow
                broken += self._collected(flying.pop())
            if self.result.problem or broken:
                break
        for future in flying:
            broken += self._collected(future)
        if broken:
            self._broke(broken[0], alone=abandoned)
            return True
        did = self.result.ledger.read + self.result.taken_over + len(self.undecided) > before
        self.futile = 0 if did or not abandoned else self.futile + 1
        if self.futile >= FUTILE:
            self.result.problem = f"records of {self.name} can be neither claimed nor set aside"
        return did

    def _alone(self) -> Executor:
        """One process for records that may end it, so that they end neither other workers nor us."""
        if not self.ours or self.site.settings.executor not in ("processes", "threads"):
            return self.executor
        self.lone = self.lone or processes(1)
        return self.lone

    def _collected(self, future: Future[list[BatchReport]]) -> list[Exception]:
        """Take a session's reports in; what ended it, if anything did."""
        try:
            reports = future.result()
        except LeadbookError:
            raise
        except Exception as error:  # noqa: BLE001  (whatever an executor raises)
            return [error]
        for report in reports:
            self.result.add(report)
            self.undecided |= {key_of(one.id): one for one in report.undecided}
        return []

    def _broke(self, error: Exception, *, alone: bool) -> None:
        """A worker died, or raised what no record can cause: its claims go to others, who go on."""
        self.lost = True
        if self.stop():
            return
        if not isinstance(error, DIED) or not self.ours:
            self.result.problem = told(error)
            return
        if alone and self.lone is not None:
            self.lone.shutdown(cancel_futures=True)
            self.lone = None
        else:
            self.executor.shutdown(cancel_futures=True)
            self.executor = processes(self.result.workers)
        given_up = self.staging.expire()
        self.deaths = 0 if given_up else self.deaths + 1
        if self.deaths >= FUTILE:
            self.result.problem = told(error)
        else:
            self.notice(
                f"a worker process died (killed, or out of memory): the {given_up} records that it held are taken "
                "again, fewer at a time; one that ends its worker each time is set aside"
            )

    # ------------------------------------------------------------------------------------------------------ waiting

    def outlasts(self, progress: Callable[[PipelineResult], None]) -> bool:
        """Wait until MongoDB takes writes again; whether to go on. The problem stays where that does not help: on a
        stop, and when MongoDB answers and it comes back again and again."""
        problem, self.result.problem = self.result.problem, ""
        begun, pause, away = time.monotonic(), 1.0, False
        while not self.stop():
            try:
                self._regain()
            except PyMongoError as error:
                if not faults.is_in_doubt(error):
                    break
                if not away:
                    self.notice(f"MongoDB is away ({problem}): waiting for it; what is staged stays where it is")
                away, self.troubles = True, 0
                self._rest(pause)
                pause = min(2 * pause, LONGEST_PAUSE_S)
                progress(self.result)
                continue
            if away:
                self.notice(f"MongoDB answers again, after {time.monotonic() - begun:.0f} s")
            else:
                self.troubles += 1
            if self.troubles >= FUTILE:
                break
            self._rest(self.troubles)
            return True
        self.result.problem = problem
        return False

    def _regain(self) -> None:
        """Give up what our workers have claimed, and count what they ended without a report; one short try."""
        retry, self.staging.retry = self.staging.retry, Patience(0.0).retry
        try:
            self.staging.expire()
        finally:
            self.staging.retry = retry
        self.lost = True
        self._reconcile(set())
        if self.bell is not None:
            self.bell.close()
            self.bell = Bell(self.staging.collection)

    def _rest(self, seconds: float) -> None:
        over = time.monotonic() + seconds
        while not self.stop() and time.monotonic() < over:
            time.sleep(0.2)

    def wait(self) -> bool:
        """Wait for something to do; False when there is nothing to wait for, or a stop."""
        claimed = self.staging.claimed()
        gone = self.staging.retry(lambda: self.departed.of(claimed.sessions))
        freed = sum(self._freed(session) for session, is_certain in gone.items() if is_certain)
        if not gone:
            self._tell(claimed)
        if claimed.expired or freed:
            time.sleep(min(self.futile, 1))
            return True
        if self.bell is not None:
            longest = LOOK_S if gone else RECHECK_S
            due = time.monotonic() + (min(claimed.next_s, longest) if claimed.count else longest)
            while not self.stop() and not self.bell.wait() and time.monotonic() < due:
                pass
            return True
        if not claimed.count:
            return False
        time.sleep(min(claimed.next_s, 1.0) + 0.01)
        return not self.stop()

    def _freed(self, session: ObjectId) -> int:
        """Give up what a session held whose process is gone; how many records. Its tokens stay: what the server still
        carries out for it changes no record that another has claimed since."""
        freed = Staging(self.staging.collection, session=session).expire()
        if freed:
            self.notice(f"{freed} records of {self.name} were claimed by a process that is gone: they are taken now")
        return freed

    def _tell(self, claimed: Claimed) -> None:
        """Say once of claims that did not end since the last look who may hold them, and until when."""
        until, seen = time.time() + claimed.next_s, self.seen
        self.seen = until
        if claimed.count == claimed.expired or abs(until - seen) > SAME_S or until - self.told < SAME_S:
            return
        self.told = time.time() + claimed.last_s
        clock = time.strftime("%H:%M:%S", time.localtime(self.told))
        self.notice(
            f"{claimed.count - claimed.expired} records of {self.name} are claimed by a worker that is gone, or still "
            f"at work: they are taken when its claim expires, at {clock} at the latest (in {claimed.last_s:.0f} s)"
        )

    # ---------------------------------------------------------------------------------------------------------- end

    def close(self) -> None:
        """End the executors, give up what our workers left claimed, and count what is certain."""
        if self.bell is not None:
            self.bell.close()
        if self.ours:
            self.executor.shutdown(cancel_futures=True)
        if self.lone is not None:
            self.lone.shutdown(cancel_futures=True)
        if self.result.problem:
            self.staging.retry = Patience(0.0).retry
        try:
            self.staging.expire()
            self.staging.free()  # of what came meanwhile: the next drain takes it, and it is told as waiting
            if self.undecided or self.lost:
                self._reconcile(self.staging.open_of([one.id for one in self.undecided.values()]))
            left = self.staging.backlog()
            self.result.staging = {
                "waiting": left.waiting, "claimed": left.claimed, "taken_over": self.result.taken_over
            }  # fmt: skip
        except PyMongoError as error:
            self._count([FAILED] * len(self.undecided), self.undecided)
            self.result.problem = self.result.problem or faults.described(error)
        if self.client is not None:
            self.client.close()
        self.result.seconds = time.perf_counter() - self.begun

    def _reconcile(self, left: set[object]) -> None:
        """Count what the staging collection says that we ended and no report told (a worker died, half of an end was
        written), and as failed the records that we worked on and nobody ended: the next run takes them."""
        told = self.result.ledger.outcomes()
        ended = self.staging.ended(self.id)
        untold = [outcome for outcome, count in ended.items() for _ in range(count - told.get(outcome, 0))]
        self._count([*untold, *[FAILED] * len(left)], left)

    def _count(self, outcomes: list[str], failed: Collection[object]) -> None:
        self.result.in_doubt += sum(self.undecided[key].sent for key in failed)
        if outcomes:
            report = BatchReport(source=self.name)
            report.settle(outcomes)
            self.result.add(report)
        self.undecided = {}
