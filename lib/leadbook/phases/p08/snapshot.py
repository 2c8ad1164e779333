"""A snapshot of a sprint's database: taken, taken again where a time was missed, and judged.

One slow moment of the host is not the database's fault: a snapshot that missed a time is taken once more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from redis.exceptions import RedisError

from leadbook.backup.archive import Manifest
from leadbook.backup.folder import backups_folder
from leadbook.backup.newest import backup_named, sound
from leadbook.backup.origin import Origin
from leadbook.core.checks import Check, Unmeasured
from leadbook.core.settings import Settings
from leadbook.measure import canary
from leadbook.measure.session import BenchmarkSession
from leadbook.monitor.session import Observation, observe
from leadbook.monitor.staging import Intake, read_intake
from leadbook.monitor.topology import Disk, Oplog, RedisState, read_disk, read_oplog, read_redis_state
from leadbook.monitor.validation import HourOfLeads, read_pace
from leadbook.phases import measuring
from leadbook.phases.console.seen import AtlasSeen, see_atlas
from leadbook.phases.deeds import Told, done_to
from leadbook.phases.judging import Answers, Finding, attempt, checks_of
from leadbook.phases.live.baselines import read_baselines
from leadbook.phases.live.judge import Judge
from leadbook.phases.p08 import decisions, performance, readings, servers, staged
from leadbook.phases.p08.hour import Watched, read_hour
from leadbook.phases.phase import Phase
from leadbook.schema.state import Change, losing
from leadbook.watch.periods import Period

SPRINT_H = 24
Failed = Unmeasured | Exception


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What is looked at once, after the snapshot; in place of each why it could not be."""

    disk: Disk | Failed | None
    oplog: Oplog | Failed | None
    redis: RedisState | Failed
    pace: HourOfLeads | Failed | None
    backup: Manifest | Failed | None
    staged: Intake | Failed
    losing: Sequence[Change] | Failed


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """All that phase 08 judges.

    again: a second observation where the first one missed a time, and heard: the constant workload around it.
    benchmarks: facts of phase 03 of this target, `source` says of when.  proofs: checks of phase 06.  load: those of
    phase 05, whose advice is told beside the decisions.  kept: the series of a watch; on production, checks of duration
    are of its last hour where that ends about now.  done: what was done to the running sprint, by the journal.  atlas:
    what its API told; None where it is not asked.
    """

    settings: Settings
    seen: Observation
    around: Surroundings
    again: Observation | None = None
    heard: canary.Canary | None = None
    benchmarks: Mapping[str, Any] = field(default_factory=dict)
    proofs: Sequence[Check] = ()
    load: Sequence[Check] = ()
    kept: Watched | Failed | None = None
    done: Told = ()
    atlas: AtlasSeen | None = None

    @property
    def hour(self) -> Period | None:
        """The hour that checks of duration are of; None where they are of the snapshot."""
        fresh = isinstance(self.kept, Watched) and self.settings.is_production and self.kept.is_fresh()
        return self.kept.hour if fresh and isinstance(self.kept, Watched) else None

    @cached_property
    def groups(self) -> dict[str, tuple[Check, ...]]:
        """Everything measured, judged, by section of the notebook."""
        seen, around, settings = self.seen, self.around, self.settings
        recent = SPRINT_H if settings.is_production else 0
        age = self.atlas.snapshot_age if self.atlas else None
        told: dict[str, Answers] = {
            "watch": performance.watch(seen),
            "readings": readings.readings(seen.timeline, seen.versions, seen.absent, self._of_the_host),
            "servers": {
                **servers.replication(seen.replication, recent_h=recent, begun=self._begun),
                **servers.window(around.oplog),
                **servers.disks(around.disk, seen.logs, self._at_atlas("disk")),
                **servers.backup_age(around.backup, self.proofs, settings, age),
                **servers.redis(around.redis, settings),
            },
            "staged": {**staged.waiting(around.staged, settings), **staged.losing(around.losing)},
            "inserts": performance.inserts(seen, around.pace, settings, self.hour, around.staged),
            "slow": performance.slow(seen, settings),
        }
        asked = {"atlas": self.atlas.checks if self.atlas else ()}
        return {name: checks_of(answers, settings) for name, answers in told.items()} | asked | self._timed

    @property
    def _begun(self) -> datetime | None:
        """When the sprint began: its first staged record, or what the profile says, whichever is earlier."""
        first = self.around.staged.first if isinstance(self.around.staged, Intake) else None
        start = self.settings.sprint_start
        said = datetime.fromisoformat(start) if start else None
        return min((one for one in (first, said) if one), default=None)

    @property
    def _of_the_host(self) -> dict[str, Finding]:
        """Readings of the servers' machine by Atlas, where it told them."""
        told = {readings.HOST_CPU: self._at_atlas("cpu"), readings.HOST_MEMORY: self._at_atlas("memory")}
        return {name: finding for name, finding in told.items() if finding is not None}

    def _at_atlas(self, name: str) -> Finding | None:
        return self.atlas.highest(name) if self.atlas else None

    @property
    def _timed(self) -> dict[str, tuple[Check, ...]]:
        """Times and rates; those that were missed as the second observation and the canary say."""
        first = _timed(self.seen, self.settings, self.benchmarks, self.hour)
        if self.again is None or self.heard is None:
            return first
        again = _timed(self.again, self.settings, self.benchmarks, self.hour)
        return {name: tuple(measuring.settled(checks, again[name], self.heard)) for name, checks in first.items()}

    @property
    def judged(self) -> list[Check]:
        """What issues and decisions are drawn from: all but whether the watch itself can be believed."""
        return [check for name, checks in self.groups.items() if name != "watch" for check in checks]

    @cached_property
    def _by_id(self) -> dict[str, Check]:
        return {check.id: check for check in self.judged}

    @cached_property
    def resources(self) -> list[decisions.Resource]:
        """What inserts and duplicate checks pass through."""
        return decisions.resources(self.seen, self._by_id)

    @cached_property
    def decided(self) -> tuple[Check, ...]:
        """What the task book leaves to be decided."""
        told = decisions.decided(self.seen, self.settings, self._by_id, self.resources, self.benchmarks)
        return checks_of(told, self.settings)


def _timed(
    seen: Observation, settings: Settings, benchmarks: Mapping[str, Any], hour: Period | None = None
) -> dict[str, tuple[Check, ...]]:
    return {
        "look-ups": checks_of(performance.lookups(seen, settings, benchmarks, hour), settings),
        "pool": checks_of(performance.pool(seen), settings),
    }


def look_around(place: BenchmarkSession, seen: Observation, proven: str = "") -> Surroundings:
    """Read disk, oplog, Redis's own records (since the snapshot began), the leads of the last hour, the backup that
    phase 06 proved. proven: its name."""
    settings, admin, redis = place.settings, place.admin, place.redis
    away = seen.absent.get("redis", "")
    state: RedisState | Failed = Unmeasured(away)
    if redis is not None and not away:
        state = attempt(lambda: read_redis_state(redis, since=seen.started_at))
    if isinstance(state, RedisError):  # Redis only saves work: that it is away is no error of the sprint
        state = Unmeasured("Redis did not answer INFO")
    now = datetime.now(UTC) if settings.is_production else None
    return Surroundings(
        disk=attempt(lambda: read_disk(admin, settings.database)),
        oplog=attempt(lambda: read_oplog(admin)),
        redis=state,
        pace=attempt(lambda: read_pace(place.database[settings.collection], now)),
        backup=attempt(lambda: _backup(place, proven)),
        staged=attempt(lambda: read_intake(place.database[settings.staging_collection])),
        losing=attempt(lambda: losing(place.database[settings.collection], settings)),
    )


def _backup(place: BenchmarkSession, name: str) -> Manifest | None:
    """That backup, read again; None where it is not there. Raises InputFileError where it is not sound, or not of these
    leads."""
    settings = place.settings
    origin = Origin.read(place.database[settings.collection])
    path = backup_named(name, backups_folder(settings), settings, origin)
    return None if path is None else sound(path)


def _benchmarks(book: Phase) -> dict[str, Any]:
    """Facts of the newest phase 03 of this target that counts here, of this run or an earlier stage."""
    facts = book.facts("03")
    closed = book.records.used.get("03", {}).get("closed_at", "")
    return facts | {"source": f"phase 03, closed {closed[:16].replace('T', ' ')} UTC"} if facts else {}


def _kept(place: BenchmarkSession) -> Watched | Unmeasured:
    """What a watch of this sprint has kept, judged by the rules once more."""
    judge = Judge(place.settings, read_baselines(place.mongodb, place.settings, place.endpoints))
    return read_hour(place.settings, place.endpoints, judge)


def take(book: Phase) -> Snapshot:
    """Watch, look around, and watch once more where a time was missed."""
    place, benchmarks, proven = BenchmarkSession.of(book), _benchmarks(book), str(book.facts("06").get("backup", ""))
    try:
        seen, again, heard = observe(place), None, None
        missed = [check for checks in _timed(seen, place.settings, benchmarks).values() for check in checks]
        if measuring.missed(missed):
            again, heard = measuring.retaken(lambda: observe(place))
        return Snapshot(
            settings=place.settings, seen=seen, around=look_around(place, seen, proven), again=again, heard=heard,
            benchmarks=benchmarks, proofs=book.checks("06"), load=book.checks("05"),
            kept=attempt(lambda: _kept(place)), done=done_to(book), atlas=see_atlas(book),
        )  # fmt: skip
    finally:
        place.close()
