"""Where a sprint stands, from its journal and its data: read in a second or two, and nothing changed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from leadbook.analysis.sessions import FILES
from leadbook.backup.folder import backups_place
from leadbook.backup.newest import backup_named
from leadbook.backup.origin import Origin
from leadbook.commands.place import Place, opened
from leadbook.core.connect import Collection
from leadbook.core.errors import InputFileError, LeadbookError
from leadbook.core.journal import Journal
from leadbook.core.provenance import Target
from leadbook.core.settings import Settings
from leadbook.ingest.logbook import BEAT_S, DEAD_S, unended
from leadbook.lead.ledger import STORED
from leadbook.monitor.staging import read_intake
from leadbook.phases.proven import unproven
from leadbook.report.records import STAGES
from leadbook.report.verdict import EXIT
from leadbook.schema.guard import has_unique_index
from leadbook.schema.state import losing
from leadbook.watch import heartbeat
from leadbook.watch.place import folder_of

PATIENCE_MS = 2_000
"""Longest that a server is waited for: this is asked in passing."""


@dataclass(frozen=True, kw_only=True)
class StageVerdict:
    """What a stage ended with. risks: ids of the checks that somebody accepted."""

    verdict: str
    at: datetime
    risks: tuple[str, ...] = ()


OVERDUE_S = BEAT_S + 15.0
"""A session gives a sign every BEAT_S; a busy machine may be so much late."""


@dataclass(frozen=True, kw_only=True)
class Followers:
    """Sessions of staged records that did not end. overdue: they should have given a sign by now.  dead: they gave none
    for three minutes, or their process has ended on this machine. All by their host and process.  reading:
    ids of sessions that read files, and may live."""

    alive: tuple[str, ...] = ()
    overdue: tuple[str, ...] = ()
    dead: tuple[str, ...] = ()
    reading: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Standing:
    """Where the sprint stands. stages: those that ran.  staged: all records that collectors wrote.  stored: those
    of them that are recorded as stored; more of them than leads means that leads are gone.  claimed: now, by workers
    that may live.  oldest_s: age of the oldest record without an outcome.  last_hour: records staged within it.

    watch: how `leadbook watch` of this machine stands.  losing: what deletes records or refuses them by itself.
    has_schema: the unique index is there, without which nothing is ingested.

    backup: when the dump of the one that phase 06 proved last began, and how many leads it holds; None where none
    counts here, and `no_backup` says why.
    """

    profile: str
    target: str
    redis: str
    stages: Mapping[str, StageVerdict] = field(default_factory=dict)
    leads: int = 0
    leads_wanted: int = 0
    staged: int = 0
    staged_wanted: int = 0
    stored: int = 0
    waiting: int = 0
    claimed: int = 0
    oldest_s: float = 0.0
    last_hour: int = 0
    followers: Followers = Followers()
    backup: tuple[str, int] | None = None
    no_backup: str = ""
    watch: str = "nobody watches"
    losing: tuple[str, ...] = ()
    has_schema: bool = True
    next: str = ""


def status(settings: Settings) -> Standing:
    """Where the sprint of these settings stands. Reads only.

    Raises what `place.opened` raises, within PATIENCE_MS for each server that is away.
    """
    with opened(settings, patience_ms=PATIENCE_MS) as place:
        found = _read(place)
        return Standing(**{**found, "next": _next(settings, Standing(**found))})


def lines(now: Standing) -> Iterator[str]:
    """The standing for people, a line a subject."""
    yield f"target: {now.target}, profile {now.profile}; Redis: {now.redis}"
    for stage in STAGES:
        found = now.stages.get(stage)
        risks = f", {len(found.risks)} accepted risks: {', '.join(found.risks)}" if found and found.risks else ""
        told = f"{stage}: {found.verdict} on {found.at:%Y-%m-%d %H:%M} UTC{risks}" if found else f"{stage}: not run yet"
        yield f"{told}; watch: {now.watch}" if stage == "live" else told
    yield f"leads: {now.leads:,} unique of {now.leads_wanted:,} wanted; staged: {now.staged:,} of {now.staged_wanted:,}"
    oldest = f", the oldest for {now.oldest_s:,.0f} s" if now.oldest_s else ""
    if now.stored > now.leads:
        yield f"leads are gone: {now.stored:,} staged records are recorded as stored, and {now.leads:,} leads are there"
    if now.losing:
        told = f"records are deleted or refused: {'; '.join(now.losing)}"
        yield f"{told}; what stops it: leadbook doctor --profile {now.profile}"
    yield f"staging: {now.waiting:,} waiting{oldest}; {now.claimed:,} claimed by workers"
    yield f"collected in the last hour: {now.last_hour:,} records"
    yield (
        f"ingest sessions: {len(now.followers.alive)} alive"
        + "".join(
            f", {len(some)} {how}: {'; '.join(some[:2])}"
            for how, some in (("overdue, perhaps dead", now.followers.overdue), ("dead", now.followers.dead))
            if some
        )
        + (f"; {len(now.followers.reading)} read files" if now.followers.reading else "")
    )
    yield (
        f"last backup: {now.backup[0]}, {now.backup[1]:,} leads"
        if now.backup
        else f"last backup: none that counts: {now.no_backup}"
    )
    yield f"next: {now.next}"


def _read(place: Place) -> dict[str, Any]:
    settings, database = place.settings, place.database
    staging = database[settings.staging_collection]
    intake = read_intake(staging)
    left = intake.backlog
    stored, leads = _stored(staging, database[settings.collection])
    return {
        "profile": settings.profile, "redis": place.redis_problem or "answers",
        "target": Target.read(place.client, settings, place.endpoints).name,
        "stages": dict(_stages(place.journal)), "followers": followers(place.journal),
        "leads": leads, "stored": stored, "leads_wanted": settings.target_unique,
        "staged": staging.estimated_document_count(), "staged_wanted": settings.target_collected,
        "waiting": left.waiting, "claimed": left.claimed, "oldest_s": left.oldest_s or 0.0, "last_hour": intake.in_hour,
        **_backup(place), "watch": _watch(place), "has_schema": _has_schema(place),
        "losing": tuple(one.told for one in losing(database[settings.collection], settings)),
    }  # fmt: skip


def _stored(staging: Collection, leads: Collection) -> tuple[int, int]:
    """Staged records that are recorded as stored, and leads. In this order: a lead is there before its record says so.
    An erased person's record says so. An estimate may be wrong after a crash: one that is too low is not believed."""
    stored = staging.count_documents({"pipeline.state": "done", "pipeline.outcome": STORED})
    there = leads.estimated_document_count()
    return stored, there if there >= stored else leads.count_documents({})


def _stages(journal: Journal) -> Iterator[tuple[str, StageVerdict]]:
    for stage in STAGES:
        if found := journal.newest("stage", stage=stage):
            risks = tuple(map(str, found.get("risks") or ()))
            yield stage, StageVerdict(verdict=str(found.get("verdict")), at=found["at"], risks=risks)


def _has_schema(place: Place) -> bool:
    try:
        return has_unique_index(place.database[place.settings.collection])
    except LeadbookError:  # who may not see it is told by `leadbook doctor`
        return True


def _watch(place: Place) -> str:
    pulse = heartbeat.check(folder_of(place.settings, place.endpoints))
    return "nobody watches" if pulse.status == heartbeat.STALE else pulse.line


def followers(journal: Journal) -> Followers:
    """Ingest sessions that began and did not end, as the journal knows them. Raises pymongo's errors."""
    found: dict[str, list[str]] = {"alive": [], "overdue": [], "dead": [], "reading": []}
    for one in unended(journal):
        silent = one["silent_s"]
        state = "dead" if one["gone"] or silent > DEAD_S else "overdue" if silent > OVERDUE_S else "alive"
        if one["source"] != FILES:
            ended = ", its process has ended" if one["gone"] else ""
            found[state].append(f"{one['by']}, last sign {silent:.0f} s ago{ended}")
        elif state != "dead":
            found["reading"].append(str(one["_id"]))
    return Followers(**{state: tuple(some) for state, some in found.items()})


def _backup(place: Place) -> dict[str, Any]:
    """`backup` and `no_backup` of the standing. What 06 told counts with the backup itself, which is not read again."""
    settings, folder = place.settings, backups_place(place.settings)
    try:
        record = json.loads(place.journal.record_of("06", settings.profile))
        missing = unproven({one["id"]: one["verdict"] for one in record["checks"]})
        facts, ended = record["facts"], bool(record["closed"])
    except (ValueError, LookupError, TypeError):
        return {"no_backup": "phase 06 has left no record of one"}
    name, taken_at, leads = (facts.get(fact) for fact in ("backup", "backup_taken_at", "backup_leads"))
    if not (name and taken_at and leads):
        return {"no_backup": "the newest phase 06 backed up no leads"}
    if missing or not ended:
        return {"no_backup": f"phase 06 did not prove {name}: {', '.join(missing) or 'it did not end'}"}
    try:
        if backup_named(name, folder, settings, Origin.read(place.database[settings.collection])) is None:
            return {"no_backup": f"{name} does not lie in {folder} of this machine"}
    except (InputFileError, OSError) as error:
        return {"no_backup": str(error)}
    return {"backup": (taken_at, leads)}


def apply_schema(settings: Settings) -> str:
    """The command that makes the collections, or what they lack: the README's first run. A rehearsal's makes them."""
    if settings.is_rehearsal:
        return f"leadbook run --profile {settings.profile} --only 02"
    approved = f"apply_schema on {settings.database}"
    return f"leadbook run --profile {settings.profile} --only 02 -p approve='{approved}'"


def _backup_first(settings: Settings, now: Standing) -> str:
    """What comes before the next thing while leads have no backup; empty where they have one, or need none."""
    if settings.is_rehearsal or not now.leads or now.backup:
        return ""
    return (
        f"make a backup: leadbook run --profile {settings.profile} --only 06 -p approve='restore_drill on "
        f"{settings.database}' (where the provider takes them, look at its snapshots); then "
    )


def _next(settings: Settings, now: Standing) -> str:
    """The next thing to do, as a command where there is one."""
    profile = f" --profile {settings.profile}"
    follow = f"leadbook ingest --staged --follow{profile}"
    verdicts = {stage: now.stages[stage].verdict for stage in now.stages}
    good = {stage for stage, verdict in verdicts.items() if EXIT.get(verdict) == 0}
    if now.stored > now.leads:
        return (
            f"{now.stored - now.leads:,} leads or more are gone; see what comes back: "
            f"leadbook recover --from both{profile}"
        )
    if "close" in good:
        return "the sprint is accepted: hand its documents over"
    if (now.waiting or now.claimed) and not now.followers.alive:
        lives = "gave a sign in time" if now.followers.overdue else "is alive"
        return f"{now.waiting + now.claimed:,} records wait or are claimed, and no follower {lives}: {follow}"
    if "close" in verdicts:
        return f"close was {verdicts['close']}: do what its report names, then leadbook run --stage close{profile}"
    if "ready" not in good:
        if settings.is_production and not now.has_schema:
            return f"make the collections: {apply_schema(settings)}"
        why = f"ready was {verdicts['ready']}: mend what its report names, then " if "ready" in verdicts else ""
        return f"{why}leadbook run --stage ready{profile}"
    first = _backup_first(settings, now)
    if now.staged < now.staged_wanted:
        run = "keep a follower running" if now.followers.alive else "start a follower"
        return f"{first}let the collectors go on, {run} ({follow}), look at: leadbook run --stage live{profile}"
    if now.waiting or now.claimed:
        return f"{first}wait until nothing is left in staging, then leadbook run --stage close{profile}"
    return f"{first}leadbook run --stage close{profile}"
