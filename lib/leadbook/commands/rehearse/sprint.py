"""A rehearsal sprint from nothing to its end: ten collectors, a follower, a watch, and the faults that were wanted."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml
from redis.exceptions import RedisError

from leadbook.commands import leads, live
from leadbook.commands.rehearse import detected
from leadbook.commands.rehearse.processes import Following, Watching
from leadbook.commands.rehearse.timeline import Injected, through
from leadbook.commands.rehearse.wanted import Wanted
from leadbook.core import connect, files
from leadbook.core.errors import LeadbookError
from leadbook.core.journal import Journal
from leadbook.core.settings import PROJECT, Settings, load_profile
from leadbook.ingest.site import Site
from leadbook.ingest.staging import Staging
from leadbook.ingest.stops import ends_in_order
from leadbook.lead.ledger import Ledger
from leadbook.phases.live.baselines import read_baselines
from leadbook.phases.live.judge import Judge
from leadbook.rehearsal import adoption, servers
from leadbook.rehearsal.crew import CollectorCrew
from leadbook.rehearsal.faults import undo
from leadbook.rehearsal.faults.fault import FaultScene
from leadbook.rehearsal.faults.registry import Planned
from leadbook.rehearsal.servers.owner import passing_folder
from leadbook.rehearsal.shape import long_plan
from leadbook.watch.place import folder_of
from leadbook.watch.series import Series

DRAIN_S = 300.0
"""What waits at the end may take so long: claims of a killed follower expire after two minutes."""
LAST = 2
"""Snapshots that the watch takes after all is drained."""
KEPT = PROJECT / ".leadbook" / "rehearsed"
Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Rehearsed:
    """How a rehearsal sprint went. sent, ledger: what the collectors sent, what became of it; they agree.  judged: the
    watch.  unfit: faults that could not be put in here, and why.  seconds: real ones.  folder: what was kept."""

    sent: Mapping[str, Any]
    ledger: Mapping[str, Any]
    judged: detected.JudgedSeries
    wanted: Wanted
    seconds: float
    unfit: Mapping[str, str] = field(default_factory=dict)
    folder: Path | None = None

    @property
    def is_good(self) -> bool:
        """Every fault was told in time, and nothing else was."""
        return not self.judged.alarms and all(one.in_time for one in self.judged.detections)


def rehearse(settings: Settings, wanted: Wanted, say: Say) -> Rehearsed:
    """Live through the sprint that is wanted, on the servers of this profile; they must be held for it (`Workplace`),
    and it must be possible (`Wanted.refuse`).

    Whatever happens, the faults are undone and the processes gone at the end; SIGTERM, SIGINT and SIGHUP end it in
    order. Raises RefusedError (production, a database of somebody, a fault that cannot be put in) and
    LeadbookError where the sprint went wrong or its ledger is not what was sent.
    """
    endpoints = servers.resolve(settings)
    with ExitStack() as stack:
        client = stack.enter_context(connect.mongodb(endpoints.mongodb_uri, settings))
        adoption.require(client, settings, endpoints)
        planned, unfit = wanted.planned(settings, endpoints)
        _begin(settings, endpoints, unfit, say)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=passing_folder())))
        sprint = _Sprint(settings, endpoints, wanted, folder, client[settings.database])
        began = datetime.now(UTC)
        sent, ledger, injected = sprint.run(planned, say)
        lived = Settings.from_mapping(load_profile(str(sprint.profile)))
        judge = Judge(lived, read_baselines(client, lived, endpoints))
        judged = detected.judged(judge, Series(sprint.series).read(), injected, wanted.clock)
        Journal(client[settings.database], endpoints.mongodb_uri).write(
            "action", action="rehearse_sprint", plan=dict(sent), done=dict(ledger), approved=""
        )
        return Rehearsed(
            sent=sent, ledger=ledger, judged=judged, wanted=wanted, unfit=unfit, folder=sprint.kept(),
            seconds=(datetime.now(UTC) - began).total_seconds(),
        )  # fmt: skip


def _begin(settings: Settings, endpoints: connect.Endpoints, unfit: Mapping[str, str], say: Say) -> None:
    """Undo what a killed rehearsal left, empty the database, and bring its schema in."""
    state = servers.status()
    if state is not None and endpoints.redis_source == "rehearsal":
        try:
            with connect.redis(endpoints.redis_url, settings) as redis:
                for line in undo.put_back(state.folder, redis):
                    say(f"of a rehearsal that was killed: {line}")
        except RedisError as error:
            raise LeadbookError(f"what a killed rehearsal changed in Redis stays: {type(error).__name__}") from None
    for name, why in unfit.items():
        say(f"without the fault {name}: {why}")
    say(live.start_from_nothing(settings))
    leads.ready(Site(endpoints=endpoints, settings=settings))


class _Sprint:
    """The sprint at work. series: folder of its series.  page: the live page.  profile: of follower and watch."""

    def __init__(
        self, settings: Settings, endpoints: connect.Endpoints, wanted: Wanted, folder: Path,
        database: connect.Database,
    ) -> None:  # fmt: skip
        self.settings, self.endpoints, self.wanted, self.folder = settings, endpoints, wanted, folder
        self.database = database
        self.page, self.profile = folder / "live.html", folder / "sprint.yaml"
        self.watched = settings.model_copy(update={"watch_dir": str(folder / "watch")})
        self.series = folder_of(self.watched, endpoints)

    def run(self, planned: Sequence[Planned], say: Say) -> tuple[dict[str, Any], dict[str, Any], list[Injected]]:
        """(what was sent, what became of it, the faults). Raises LeadbookError."""
        wanted = self.wanted
        staging = self.database[self.settings.staging_collection]
        plan = long_plan(wanted.records, wanted.seed, wanted.hours)
        self._write_profile()
        with ends_in_order(say) as stop, ExitStack() as stack:
            follower = stack.enter_context(Following(self.folder, self.profile))
            watch = stack.enter_context(Watching(self.folder, self.profile, wanted.interval_s, self.series, self.page))
            watch.wait(1)
            say(f"a sprint of {wanted.hours:g} hours in {wanted.seconds / 60:.1f} minutes: {plan.facts()['records']:,} "
                f"records of {len(plan.by_collector)} collectors, a snapshot each {wanted.interval_s:g} s")  # fmt: skip
            crew = stack.enter_context(CollectorCrew(staging, plan, wanted.seconds))
            scene = FaultScene(settings=self.settings, endpoints=self.endpoints, crew=crew, follower=follower,
                          interval_s=wanted.interval_s / wanted.clock)  # fmt: skip

            def goes_on() -> bool:
                if stop():
                    raise LeadbookError(f"{stop()}: the rehearsal sprint was not lived to its end")
                _insist(follower, watch, planned)
                return crew.working

            injected = through(scene, planned, wanted.clock, watch.newest, goes_on, say)
            live.drained(Staging(staging), follower, DRAIN_S)
            watch.wait(watch.newest() + LAST)
            watch.stop()
            watch.result(DRAIN_S)
            ledger = follower.ledger()
            sent = crew.facts()
        return sent, self._accounted(sent, ledger if not follower.kills else None), injected

    def _write_profile(self) -> None:
        """What follower and watch work by: these settings, with the sprint's clock, deadline and folder."""
        now = datetime.now(UTC).replace(microsecond=0)
        more = {
            "clock": float(self.wanted.clock), "sprint_start": now.isoformat(),
            "sprint_deadline": (now + timedelta(hours=self.wanted.hours)).isoformat(),
            "watch_every_s": float(self.wanted.interval_s),
        }  # fmt: skip
        files.write(self.profile, yaml.safe_dump({**self.watched.model_dump(), **more}), mode=0o600)

    def _accounted(self, sent: dict[str, Any], followers: dict[str, Any] | None) -> dict[str, Any]:
        """What became of every record, as the data tell it. Raises LeadbookError unless that is what was sent, also by
        the follower's own word where none was killed."""
        ended = Staging(self.database[self.settings.staging_collection]).ended()
        outcomes = [outcome for outcome, count in ended.items() for _ in range(count)]
        ledger = Ledger.of(outcomes, read=len(outcomes)).as_dict()
        live.agree(sent, ledger, "what the staging collection tells")
        if dict(sent["rejected"]) != {reason: count for reason, count in ledger["rejected"].items() if count}:
            raise LeadbookError("the records were rejected for other reasons than those they were sent with")
        stored = self.database[self.settings.collection].count_documents({})
        if stored != sent["unique"]:
            raise LeadbookError(f"{stored:,} leads are stored, and {sent['unique']:,} were sent")
        if followers is not None:
            live.agree(sent, followers)
        return ledger

    def kept(self) -> Path | None:
        """Where series and page are kept, if they shall be."""
        if not self.wanted.keep:
            return None
        target = KEPT / f"{datetime.now(UTC):%Y%m%dT%H%M%S}"
        shutil.copytree(self.series, target / "series")
        if self.page.exists():
            shutil.copy(self.page, target / self.page.name)
        return target


def _insist(follower: Following, watch: Watching, planned: Sequence[Planned]) -> None:
    """Raise LeadbookError where a process ended that no fault ends."""
    if not watch.running:
        watch.result(0)
        raise LeadbookError("the watch ended before the sprint did")
    if not follower.running and not any(one.name == "follower-killed" for one in planned):
        follower.result(0)
        raise LeadbookError("the follower ended before the sprint did")
