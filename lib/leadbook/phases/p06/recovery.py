"""Phase 06 as checks: back up, damage copies, restore beside the original, compare, clean up.

Every function returns facts beside checks; a server or file error becomes an `error` check. Nothing but marked copies
is written, and those are dropped: at the end, also on error, and by the next run where this one is killed.
"""

from __future__ import annotations

import stat
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bson.codec_options import CodecOptions, DatetimeConversion
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import PyMongoError
from redis import Redis, RedisError

from leadbook.backup.archive import backups_folder, remove, sweep_folder
from leadbook.backup.backup import Backup, back_up
from leadbook.backup.cache import CacheFacts, cache_facts
from leadbook.backup.compare import Comparison, compare
from leadbook.backup.damage import Damage, abort, corrupt
from leadbook.backup.erased import Again, erase_again
from leadbook.backup.marks import sweep_copies, unexplained
from leadbook.backup.restore import Restored, drop_restored, restore
from leadbook.backup.verify import Verification, verify
from leadbook.core.checks import Check, errored, judge, not_measured, warned
from leadbook.core.errors import LeadbookError, RefusedError
from leadbook.core.settings import Settings
from leadbook.enrich.limits import SPENDING
from leadbook.lead.suppression import SUPPRESSED

__all__ = [
    "Recovery", "backup_audit", "cache_audit", "collections_of", "damage_audit", "discard", "recovery_audit",
    "sweep_audit",
]  # fmt: skip

Document = dict[str, Any]
PROBLEMS = (PyMongoError, LeadbookError, OSError, ValueError)
SPRINT = 20_000
"""Leads of a sprint: what the estimate of the recovery time is for."""
DAMAGE_CHECKS = {
    "one bit flipped in the data": "BKP-COR-001",
    "data cut off by 64 bytes": "BKP-COR-002",
    "metadata file lost": "BKP-COR-003",
    "count changed in the manifest": "BKP-COR-003",
    "manifest lost": "BKP-COR-003",
    "dump interrupted half-way": "BKP-COR-004",
}
RESTORE_CHECKS = ("BKP-RST-001", "BKP-RST-002", "BKP-RST-003", "BKP-CMP-001", "BKP-CMP-002", "BKP-CMP-003",
                  "BKP-CMP-004", "BKP-CMP-005", "BKP-ERA-001")  # fmt: skip
ANYTHING: CodecOptions[Document] = CodecOptions(
    datetime_conversion=DatetimeConversion.DATETIME_AUTO, unicode_decode_error_handler="replace"
)


@dataclass(frozen=True, kw_only=True)
class Recovery:
    """A restore that was timed and compared. stages: seconds by stage name, in order."""

    restored: tuple[Restored, ...] = ()
    comparisons: tuple[Comparison, ...] = ()
    stages: dict[str, float] = field(default_factory=dict)

    @property
    def documents(self) -> int:
        """Documents restored, all collections."""
        return sum(one.documents for one in self.restored)

    @property
    def seconds(self) -> float | None:
        """Recovery time: verify the backup, load it, build the indexes. None when nothing was restored."""
        parts = [self.stages[name] for name in ("verify", "load", "indexes") if name in self.stages]
        return sum(parts) if self.restored else None

    @property
    def estimate(self) -> float | None:
        """Recovery time of 20,000 documents, in proportion, s. None when nothing was restored."""
        return self.seconds * SPRINT / self.documents if self.seconds is not None and self.documents else None


def collections_of(settings: Settings) -> list[str]:
    """What is backed up, in the order in which it is restored.

    The list of erasure requests comes first, so that no lead is ever back without it. Then leads, staging (whose
    outcomes prove that nothing was lost), rejected records, and what enrichment has spent (its cap must hold after a
    recovery too). Left out: marks that let a rehearsal empty a database, which must never come back into another one,
    and scratch collections.
    """
    return [
        SUPPRESSED, settings.collection, settings.staging_collection, settings.rejected_collection, SPENDING,
    ]  # fmt: skip


def sweep_audit(database: Database[Document], settings: Settings, swept: Sequence[str] = ()) -> list[Check]:
    """Remove what killed drills of leadbook's left in the database and in the backups' folder, and say so.

    swept: what was found when the phase opened, which is told too (see `Phase.swept`).

    Raises ParameterError, before anything is written, where the restore is approved for another database.
    """
    settings.approves("restore_drill")
    try:
        removed = [*sweep_copies(database), *sweep_folder(backups_folder(settings), settings)]
        left = unexplained(database)
    except PROBLEMS as error:
        return [errored("BKP-CLN-002", error)]
    found = [*swept, *([f"a killed drill had left {', '.join(removed)}: removed"] if removed else [])]
    said = "; ".join(line.rstrip(".") for line in found) or "nothing was left by a killed drill"
    strange = f"; named as a copy, but without a mark of a drill at work: {', '.join(left)}" if left else ""
    return [judge("BKP-CLN-002", len(left), evidence=said + strange)]


def backup_audit(database: Database[Document], settings: Settings) -> tuple[Backup | None, list[Check]]:
    """Dump the collections into the backups folder, verify the dump byte by byte, and hold it against the originals."""
    try:
        backup = back_up(database, collections_of(settings), backups_folder(settings), settings)
        found = verify(backup.path)
    except PROBLEMS as error:
        return None, [errored(f"BKP-DMP-{number:03d}", error) for number in (1, 2, 3, 4, 5)]
    return backup, [*_dump_checks(backup, found), _original_check(backup)]


def _original_check(backup: Backup) -> Check:
    """The dump against the live collections, which were read a second time at the same point in time."""
    manifest = backup.manifest
    if not manifest.documents:
        return not_measured("BKP-DMP-005", "the backup holds no document")
    if len(backup.originals) < len(manifest.collections):
        why = "the dump took longer than the server keeps snapshots: the originals could not be read again"
        return not_measured("BKP-DMP-005", why, remedy="raise minSnapshotHistoryWindowInSeconds, then dump again")
    beside = [(entry, backup.originals[entry.name]) for entry in manifest.collections]
    unlike = [f"{entry.name}: {entry.documents:,} of {live.documents:,} documents" for entry, live in beside
              if entry.content != live.content]  # fmt: skip
    moved = [entry.name for entry, live in beside if entry.content != live.content and not live.quiet]
    if moved and len(moved) == len(unlike):
        why = f"written to during the dump of a standalone server: {', '.join(moved)}"
        return not_measured("BKP-DMP-005", why, remedy="stop the writers, then dump again")
    how = "read twice at one point in time" if manifest.consistency == "snapshot" else "unchanged during the dump"
    evidence = f"unlike their originals: {'; '.join(unlike)}" if unlike else f"{len(beside)} collections, {how}"
    return judge("BKP-DMP-005", len(unlike), evidence=f"{evidence}; compared by count and content hash")


def _dump_checks(backup: Backup, found: Verification) -> list[Check]:
    manifest = backup.manifest
    what = ", ".join(f"{entry.name} {entry.documents:,}" for entry in manifest.collections)
    size = f"{manifest.size / 1e6:.1f} MB on disk, {manifest.seconds:.1f} s"
    checks = [
        judge("BKP-DMP-001", manifest.documents, evidence=f"{what}; {size}"),
        judge("BKP-DMP-002", len(found.problems),
              evidence=found.problems[0] if found.problems else
              f"{found.documents:,} documents read back and decoded; SHA-256, counts and content hashes agree"),
        judge("BKP-DMP-004", not (open_ := _readable_by_others(backup.path)),
              evidence=f"readable by others: {', '.join(open_) or 'nothing'}"),
    ]  # fmt: skip
    if manifest.consistency == "snapshot":
        how = "all collections read at one point in time (snapshot read concern)"
        return [*checks, judge("BKP-DMP-003", True, evidence=how)]
    why = "a standalone server has no snapshot reads: each document is whole, the set of them may span the dump's time"
    return [*checks, warned("BKP-DMP-003", False, evidence=why)]


def _readable_by_others(backup: Path) -> list[str]:
    paths = [backup, *backup.iterdir()]
    return [path.name for path in paths if stat.S_IMODE(path.stat().st_mode) & 0o077]


def damage_audit(
    backup: Backup | None, database: Database[Document], settings: Settings
) -> tuple[list[Damage], list[Check]]:
    """Damage copies of the backup and interrupt a dump; each must be noticed."""
    ids = sorted(set(DAMAGE_CHECKS.values()))
    if backup is None:
        return [], [not_measured(check_id, "there is no backup") for check_id in ids]
    try:
        drills = [*corrupt(backup.path), abort(database, collections_of(settings), backup.path.parent, settings)]
    except PROBLEMS as error:
        return [], [errored(check_id, error) for check_id in ids]
    checks = []
    for check_id in ids:
        mine = [drill for drill in drills if DAMAGE_CHECKS[drill.name] == check_id]
        evidence = "; ".join(f"{drill.name}: {drill.said}" for drill in mine)
        if check_id == "BKP-COR-004" and "ended before" in evidence:
            checks.append(not_measured(check_id, evidence))
        else:
            checks.append(judge(check_id, all(drill.noticed for drill in mine), evidence=evidence))
    return drills, checks


def recovery_audit(
    backup: Backup | None, database: Database[Document], settings: Settings
) -> tuple[Recovery, list[Check]]:
    """Restore beside the original, compare, erase again, drop the copies. `database`: the DBA's view where there is
    one. In production only with an approval. Raises ParameterError where another database is approved."""
    if backup is None:
        return Recovery(), [not_measured(check_id, "there is no backup") for check_id in RESTORE_CHECKS]
    if not settings.approves("restore_drill"):
        why, how = "restoring a copy beside the leads is not approved", settings.how_to_approve("restore_drill")
        return Recovery(), [not_measured(check_id, why, remedy=how) for check_id in RESTORE_CHECKS]
    restored: list[Restored] = []
    try:
        began = time.perf_counter()
        restored = restore(backup.path, database)
        total = time.perf_counter() - began
        comparisons = [
            compare(backup.path, entry, one.name, database)
            for entry, one in zip(backup.manifest.collections, restored, strict=True)
        ]
        again = _erase_again(restored, database, settings)
    except PROBLEMS as error:
        return Recovery(), [errored(check_id, error) for check_id in RESTORE_CHECKS]
    finally:
        with suppress(PyMongoError):  # the mark stays, and the next phase drops what is left
            drop_restored(database, [one.name for one in restored])
    load, index = sum(one.load_seconds for one in restored), sum(one.index_seconds for one in restored)
    stages = {"dump": backup.manifest.seconds, "verify": total - load - index, "load": load, "indexes": index,
              "compare": sum(one.seconds for one in comparisons)}  # fmt: skip
    recovery = Recovery(restored=tuple(restored), comparisons=tuple(comparisons), stages=stages)
    checks = [*_restore_checks(recovery, backup, database), *_compare_checks(comparisons)]
    checks.append(_erasure_check(again) if recovery.documents else not_measured("BKP-ERA-001", "nothing was restored"))
    return recovery, checks


def _erase_again(restored: Iterable[Restored], database: Database[Document], settings: Settings) -> Again:
    """Erase from the copies whoever is on the live list of requests, or on the backup's."""
    copies = {one.original: database.get_collection(one.name, codec_options=ANYTHING) for one in restored}
    lists = [database[SUPPRESSED], *([copies[SUPPRESSED]] if SUPPRESSED in copies else [])]
    return erase_again(
        copies.get(settings.collection), copies.get(settings.staging_collection),
        copies.get(settings.rejected_collection), lists,
    )  # fmt: skip


def _erasure_check(again: Again) -> Check:
    count = sum(again.found.values())
    said = f"{again.requests:,} erasure requests, live and in the backup; {count:,} documents of theirs came back"
    named = f" and were erased again: _id {', '.join(again.names)}{', …' if count > len(again.names) else ''}"
    return judge("BKP-ERA-001", again.left, evidence=said + (named if count else ""))


def _restore_checks(recovery: Recovery, backup: Backup, database: Database[Document]) -> list[Check]:
    if not recovery.documents:
        stored = not_measured("BKP-RST-001", "the backup holds no document")
    else:
        refused = sum(one.refused for one in recovery.restored)
        how = "" if all(one.bypassed for one in recovery.restored) else "; the account may not bypass validation"
        stored = judge("BKP-RST-001", refused, evidence=f"{recovery.documents:,} documents restored{how}")
    estimate = recovery.estimate
    scaled = f"{recovery.documents:,} documents in {recovery.seconds or 0:.2f} s: verify, load, build indexes"
    return [
        stored,
        _refuses_original(backup, database),
        judge("BKP-RST-003", round(estimate, 2) if estimate is not None else None, evidence=scaled),
    ]


def _refuses_original(backup: Backup, database: Database[Document]) -> Check:
    if not backup.manifest.collections:
        return not_measured("BKP-RST-002", "the backup holds no collection")
    name = max(backup.manifest.collections, key=lambda entry: entry.bson_bytes).name
    try:
        drop_restored(database, [one.name for one in restore(backup.path, database, names={name: name})])
    except RefusedError as error:
        return judge("BKP-RST-002", True, evidence=str(error))
    return judge("BKP-RST-002", False, evidence=f"restored over {name}")


def _compare_checks(comparisons: Sequence[Comparison]) -> list[Check]:
    if not any(one.documents_backup for one in comparisons):
        return [not_measured(f"BKP-CMP-{number:03d}", "the backup holds no document") for number in range(1, 6)]
    lost = sum(abs(one.documents_backup - one.documents_restored) for one in comparisons)
    unlike = [one.original for one in comparisons if not one.content_equal]
    moved = [one.original for one in comparisons if not one.original_unchanged]
    since = f"; written to since the backup: {', '.join(moved)}" if moved else "; the originals still hash the same"
    indexes = [one.original for one in comparisons if not one.indexes_equal]
    options = [one.original for one in comparisons if not one.options_equal]
    checks = [
        judge("BKP-CMP-001", lost, evidence=", ".join(f"{one.original} {one.documents_restored:,} of "
                                                      f"{one.documents_backup:,}" for one in comparisons)),
        judge("BKP-CMP-002", not unlike, evidence=f"differing: {_names(unlike)}{since}"),
        judge("BKP-CMP-003", not indexes, evidence=f"differing: {_names(indexes)}"),
        judge("BKP-CMP-004", not options, evidence=f"differing: {_names(options)}"),
    ]  # fmt: skip
    says = "; ".join(f"{one.original}: {one.validate_says}" for one in comparisons)
    if any(one.valid is None for one in comparisons):
        return [*checks, not_measured("BKP-CMP-005", says)]
    return [*checks, judge("BKP-CMP-005", all(one.valid for one in comparisons), evidence=says)]


def _names(names: Sequence[str]) -> str:
    return ", ".join(names) or "none"


def cache_audit(redis: Redis | None, leads: Collection[Document]) -> tuple[CacheFacts | None, list[Check]]:
    """Whether Redis holds anything that MongoDB could not give back."""
    ids = ("BKP-RDS-001", "BKP-RDS-002")
    if redis is None:
        return None, [not_measured(check_id, "Redis is away") for check_id in ids]
    try:
        facts = cache_facts(redis, leads)
    except (RedisError, PyMongoError) as error:
        return None, [errored(check_id, error) for check_id in ids]
    looked = f"{facts.looked_at:,} of {facts.total:,} keys looked at, {facts.known:,} of stored leads"
    if facts.stale:
        stale = warned("BKP-RDS-002", facts.stale, evidence=f"{looked}; the others name leads that MongoDB lacks")
    else:
        stale = judge("BKP-RDS-002", 0, evidence=looked)
    return facts, [judge("BKP-RDS-001", facts.other, evidence=looked), stale]


def discard(backup: Backup | None, settings: Settings) -> list[Check]:
    """Remove a rehearsal's backup; a production backup is kept, in its private folder."""
    if backup is None:
        return [not_measured("BKP-CLN-001", "there is no backup")]
    if settings.is_production:
        age = (datetime.now(UTC) - datetime.fromisoformat(backup.manifest.taken_at)).total_seconds()
        return [judge("BKP-CLN-001", 0, evidence=f"kept as {backup.path.name}, {age:.0f} s old, its owner's alone")]
    try:
        remove(backup.path)
    except PROBLEMS as error:
        return [errored("BKP-CLN-001", error)]
    left = int(backup.path.exists())
    return [judge("BKP-CLN-001", left, evidence="the rehearsal's backup was removed: it proved itself")]
