"""Phase 06's judgements: each check's value and evidence, from what was found. An id stands here once."""

from __future__ import annotations

import stat
from collections.abc import Iterable, Sequence

from leadbook.backup.backup import Backup
from leadbook.backup.cache import CacheFacts
from leadbook.backup.damage import Damage
from leadbook.backup.drill import Recovery
from leadbook.backup.verify import Verification
from leadbook.core.checks import Unmeasured
from leadbook.core.definitions import catalogue
from leadbook.phases.judging import Answers, Finding
from leadbook.phases.proven import COMPARED, RESTORED

SWEPT, CLEANED, REMOVED = "BKP-CLN-002", "BKP-CLN-001", "BKP-CLN-003"
"""Checks of what is removed before and after the drills."""
NO_BACKUP = Unmeasured(
    "there is no backup, or none that holds anything", "do what the dump's checks ask, then run 06 again"
)

DRILLS = {
    "BKP-COR-001": ("one bit flipped in the data",),
    "BKP-COR-002": ("data cut off by 64 bytes",),
    "BKP-COR-003": ("metadata file lost", "count changed in the manifest", "manifest lost"),
    "BKP-COR-004": ("dump interrupted half-way",),
}

RECOVERY = "BKP-RST-003"
"""The time that a recovery would take."""


def of(*areas: str) -> list[str]:
    """Ids of the checks of these areas (beginnings of ids)."""
    return [check_id for check_id in catalogue() if check_id.startswith(areas)]


def dump(found: tuple[Backup, Verification]) -> Answers:
    """The dump: its size, whether it can be read back, and what it agrees with."""
    backup, verification = found
    manifest = backup.manifest
    what = ", ".join(f"{entry.name} {entry.documents:,}" for entry in manifest.collections)
    sound = f"{verification.documents:,} documents read back and decoded; SHA-256, counts and content hashes agree"
    snapshot = manifest.consistency == "snapshot"
    paths = [backup.path, *backup.path.iterdir()]
    open_ = [path.name for path in paths if stat.S_IMODE(path.stat().st_mode) & 0o077]
    return {
        "BKP-DMP-001": (
            manifest.documents, f"{what}; {manifest.size / 1e6:.1f} MB on disk, {manifest.seconds:.1f} s"
        ),
        "BKP-DMP-002": (len(verification.problems), (*verification.problems, sound)[0]),
        "BKP-DMP-003": (snapshot, "all collections read at one point in time (snapshot read concern)" if snapshot else
                        "a standalone server has no snapshot reads: each document is whole, the set of them may span "
                        "the dump's time"),
        "BKP-DMP-004": (not open_, f"readable by others: {', '.join(open_) or 'nothing'}"),
        "BKP-DMP-005": _like_originals(backup),
    }  # fmt: skip


def _like_originals(backup: Backup) -> Finding:
    """The dump against the live collections, which were read a second time at the same point in time."""
    manifest, originals = backup.manifest, backup.originals
    if not manifest.documents:
        return Unmeasured("the backup holds no document"), ""
    if len(originals) < len(manifest.collections):
        why = "the dump took longer than the server keeps snapshots: the originals could not be read again"
        return Unmeasured(why, "raise minSnapshotHistoryWindowInSeconds, then dump again"), ""
    unlike = [entry for entry in manifest.collections if entry.content != str(originals[entry.name])]
    if unlike and all(entry.name in backup.moved for entry in unlike):
        why = f"written to during the dump of a standalone server: {_names(entry.name for entry in unlike)}"
        return Unmeasured(why, "stop the writers, then dump again"), ""
    counts = [f"{one.name}: {one.documents:,} of {originals[one.name].documents:,} documents" for one in unlike]
    how = "read twice at one point in time" if manifest.consistency == "snapshot" else "unchanged during the dump"
    evidence = f"unlike their originals: {'; '.join(counts)}" if unlike else f"{len(originals)} collections, {how}"
    return len(unlike), f"{evidence}; compared by count and content hash"


def damage(drills: Sequence[Damage]) -> Answers:
    """Whether all drills of a kind were noticed."""
    made = {drill.name: drill for drill in drills}
    answers: dict[str, Finding] = {}
    for check_id, names in DRILLS.items():
        noticed, said = [made[name].noticed for name in names], "; ".join(f"{n}: {made[n].said}" for n in names)
        answers[check_id] = Unmeasured(said) if None in noticed else all(noticed), said
    return answers


def recovery(found: Recovery) -> Answers:
    """The restored copies: whole, like the backup, without whoever is erased, and dropped; and the time it took."""
    copies, again = found.comparisons, found.erased
    bypassed = all(one.bypassed for one in found.restored)
    counts = [f"{one.original} {one.documents_restored:,} of {one.documents_backup:,}" for one in copies]
    unlike, indexes, options, moved = (
        [one.original for one in copies if not getattr(one, aspect)]
        for aspect in ("content_equal", "indexes_equal", "options_equal", "original_unchanged")
    )
    since = f"written to since the backup: {_names(moved)}" if moved else "the originals still hash the same"
    says = "; ".join(f"{one.original}: {one.validate_says}" for one in copies)
    valid = [one.valid for one in copies]
    came = f"{again.requests:,} erasure requests, live and in the backup; {again.found:,} documents of theirs came back"
    named = f" and were erased again: _id {', '.join(again.names)}{', …' if again.found > len(again.names) else ''}"
    made = ", ".join(one.name for one in found.restored)
    stay = (len(found.restored), f"copies that this drill made could not be dropped ({found.left}): {made}")
    return {
        RESTORED: (sum(one.refused for one in found.restored), f"{found.documents:,} documents restored"
                        f"{'' if bypassed else '; the account may not bypass validation'}"),
        "BKP-RST-002": (bool(found.refusal), found.refusal or "restored over an original"),
        RECOVERY: (found.estimate and round(found.estimate, 2),
                        f"{found.documents:,} documents in {found.seconds:.2f} s: verify, load, build indexes"),
        COMPARED: (sum(abs(one.documents_backup - one.documents_restored) for one in copies), ", ".join(counts)),
        "BKP-CMP-002": (not unlike, f"differing: {_names(unlike)}; {since}"),
        "BKP-CMP-003": (not indexes, f"differing: {_names(indexes)}"),
        "BKP-CMP-004": (not options, f"differing: {_names(options)}"),
        "BKP-CMP-005": (Unmeasured(says) if None in valid else all(valid), says),
        "BKP-ERA-001": (again.left, came + (named if again.found else "")),
        **({SWEPT: stay} if found.left else {}),
    }  # fmt: skip


def cache(facts: CacheFacts) -> Answers:
    """Keys that MongoDB could not rebuild, and keys that a restore made false."""
    looked = f"{facts.looked_at:,} of {facts.total:,} keys looked at, {facts.known:,} of stored leads"
    stale = "; the others name leads that MongoDB lacks" if facts.stale else ""
    return {"BKP-RDS-001": (facts.other, looked), "BKP-RDS-002": (facts.stale, f"{looked}{stale}")}


def sweep(found: tuple[Sequence[str], Sequence[str]]) -> Answers:
    """What tells of what was removed, and the copies that are still there."""
    lines, left = found
    said = "; ".join(line.rstrip(".") for line in lines) or "nothing was left by a killed drill"
    strange = f"; named as a copy, but of no drill at work: {', '.join(left)}" if left else ""
    return {SWEPT: (len(left), said + strange)}


def _names(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"
