"""Phase 06's judgements: each check's value and evidence, from what was found. An id stands here once."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from leadbook.backup.backup import Backup, Original
from leadbook.backup.cache import CacheFacts
from leadbook.backup.damage import Damage
from leadbook.backup.drill import Recovery
from leadbook.backup.verify import Verification
from leadbook.core.checks import Check, Unmeasured, judge

__all__ = ["CACHE", "CLEAN", "DAMAGE", "DUMP", "RESTORE", "SWEEP", "Answers", "judged"]

Found = TypeVar("Found")
Answer = tuple[Any, str]
"""What `judge` takes: a value or the reason for none, and the evidence."""
Answers = Mapping[str, Callable[[Found], Answer]]


def judged(found: Found | Unmeasured | Exception, answers: Answers[Found]) -> tuple[Check, ...]:
    """A check for each of `answers`, from what was found; where nothing was, all of them say why."""
    if isinstance(found, Unmeasured | Exception):
        return tuple(judge(check_id, found) for check_id in answers)
    told = {check_id: answer(found) for check_id, answer in answers.items()}
    return tuple(judge(check_id, value, evidence=evidence) for check_id, (value, evidence) in told.items())


def _names(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"


# -------------------------------------------------------------------------------------------------------- the backup

Dump = tuple[Backup, Verification]


def _size(dump: Dump) -> Answer:
    manifest = dump[0].manifest
    what = ", ".join(f"{entry.name} {entry.documents:,}" for entry in manifest.collections)
    return manifest.documents, f"{what}; {manifest.size / 1e6:.1f} MB on disk, {manifest.seconds:.1f} s"


def _read_back(dump: Dump) -> Answer:
    found = dump[1]
    sound = f"{found.documents:,} documents read back and decoded; SHA-256, counts and content hashes agree"
    return len(found.problems), (*found.problems, sound)[0]


def _point_in_time(dump: Dump) -> Answer:
    if dump[0].manifest.consistency == "snapshot":
        return True, "all collections read at one point in time (snapshot read concern)"
    why = "a standalone server has no snapshot reads: each document is whole, the set of them may span the dump's time"
    return False, why


def _private(dump: Dump) -> Answer:
    paths = [dump[0].path, *dump[0].path.iterdir()]
    others = [path.name for path in paths if stat.S_IMODE(path.stat().st_mode) & 0o077]
    return not others, f"readable by others: {', '.join(others) or 'nothing'}"


def _like_originals(dump: Dump) -> Answer:
    """The dump against the live collections, which were read a second time at the same point in time."""
    manifest, originals = dump[0].manifest, dump[0].originals
    if not manifest.documents:
        return Unmeasured("the backup holds no document"), ""
    if len(originals) < len(manifest.collections):
        why = "the dump took longer than the server keeps snapshots: the originals could not be read again"
        return Unmeasured(why, "raise minSnapshotHistoryWindowInSeconds, then dump again"), ""
    unlike: dict[str, tuple[int, Original]] = {
        entry.name: (entry.documents, originals[entry.name]) for entry in manifest.collections
        if entry.content != originals[entry.name].content
    }  # fmt: skip
    if unlike and not any(live.quiet for _, live in unlike.values()):
        why = f"written to during the dump of a standalone server: {', '.join(unlike)}"
        return Unmeasured(why, "stop the writers, then dump again"), ""
    told = "; ".join(f"{name}: {mine:,} of {live.documents:,} documents" for name, (mine, live) in unlike.items())
    how = "read twice at one point in time" if manifest.consistency == "snapshot" else "unchanged during the dump"
    evidence = f"unlike their originals: {told}" if unlike else f"{len(manifest.collections)} collections, {how}"
    return len(unlike), f"{evidence}; compared by count and content hash"


DUMP: Answers[Dump] = {
    "BKP-DMP-001": _size,
    "BKP-DMP-002": _read_back,
    "BKP-DMP-003": _point_in_time,
    "BKP-DMP-004": _private,
    "BKP-DMP-005": _like_originals,
}


# -------------------------------------------------------------------------------------------------------- the drills


def _noticed(*names: str) -> Callable[[Sequence[Damage]], Answer]:
    """Whether all drills of these names were noticed."""

    def answer(drills: Sequence[Damage]) -> Answer:
        mine = [drill for drill in drills if drill.name in names]
        evidence = "; ".join(f"{drill.name}: {drill.said}" for drill in mine)
        untried = any(drill.noticed is None for drill in mine)
        return Unmeasured(evidence) if untried else all(drill.noticed for drill in mine), evidence

    return answer


DAMAGE: Answers[Sequence[Damage]] = {
    "BKP-COR-001": _noticed("one bit flipped in the data"),
    "BKP-COR-002": _noticed("data cut off by 64 bytes"),
    "BKP-COR-003": _noticed("metadata file lost", "count changed in the manifest", "manifest lost"),
    "BKP-COR-004": _noticed("dump interrupted half-way"),
}


def _stored(recovery: Recovery) -> Answer:
    bypassed = all(one.bypassed for one in recovery.restored)
    how = "" if bypassed else "; the account may not bypass validation"
    return sum(one.refused for one in recovery.restored), f"{recovery.documents:,} documents restored{how}"


def _time(recovery: Recovery) -> Answer:
    estimate, seconds = recovery.estimate, recovery.seconds or 0
    scaled = f"{recovery.documents:,} documents in {seconds:.2f} s: verify, load, build indexes"
    return round(estimate, 2) if estimate is not None else None, scaled


def _complete(recovery: Recovery) -> Answer:
    told = [f"{one.original} {one.documents_restored:,} of {one.documents_backup:,}" for one in recovery.comparisons]
    return sum(abs(one.documents_backup - one.documents_restored) for one in recovery.comparisons), ", ".join(told)


def _equal(aspect: str) -> Callable[[Recovery], Answer]:
    """Whether all copies agree with the backup in this aspect, a field of RestoreComparison."""

    def answer(recovery: Recovery) -> Answer:
        unlike = [one.original for one in recovery.comparisons if not getattr(one, aspect)]
        return not unlike, f"differing: {_names(unlike)}"

    return answer


def _content(recovery: Recovery) -> Answer:
    equal, evidence = _equal("content_equal")(recovery)
    moved = [one.original for one in recovery.comparisons if not one.original_unchanged]
    since = f"written to since the backup: {', '.join(moved)}" if moved else "the originals still hash the same"
    return equal, f"{evidence}; {since}"


def _valid(recovery: Recovery) -> Answer:
    says = "; ".join(f"{one.original}: {one.validate_says}" for one in recovery.comparisons)
    unknown = any(one.valid is None for one in recovery.comparisons)
    return Unmeasured(says) if unknown else all(one.valid for one in recovery.comparisons), says


def _erased(recovery: Recovery) -> Answer:
    again = recovery.erased
    count = sum(again.found.values())
    said = f"{again.requests:,} erasure requests, live and in the backup; {count:,} documents of theirs came back"
    named = f" and were erased again: _id {', '.join(again.names)}{', …' if count > len(again.names) else ''}"
    return again.left, said + (named if count else "")


RESTORE: Answers[Recovery] = {
    "BKP-RST-001": _stored,
    "BKP-RST-002": lambda recovery: (bool(recovery.refusal), recovery.refusal or "restored over an original"),
    "BKP-RST-003": _time,
    "BKP-CMP-001": _complete,
    "BKP-CMP-002": _content,
    "BKP-CMP-003": _equal("indexes_equal"),
    "BKP-CMP-004": _equal("options_equal"),
    "BKP-CMP-005": _valid,
    "BKP-ERA-001": _erased,
}


# -------------------------------------------------------------------------------------------- Redis, and cleaning up


def _others(facts: CacheFacts) -> Answer:
    return facts.other, _looked(facts)


def _stale(facts: CacheFacts) -> Answer:
    return facts.stale, _looked(facts) + ("; the others name leads that MongoDB lacks" if facts.stale else "")


def _looked(facts: CacheFacts) -> str:
    return f"{facts.looked_at:,} of {facts.total:,} keys looked at, {facts.known:,} of stored leads"


CACHE: Answers[CacheFacts] = {"BKP-RDS-001": _others, "BKP-RDS-002": _stale}


def _explained(swept: tuple[Sequence[str], Sequence[str]]) -> Answer:
    lines, left = swept
    said = "; ".join(line.rstrip(".") for line in lines) or "nothing was left by a killed drill"
    strange = f"; named as a copy, but of no drill at work: {', '.join(left)}" if left else ""
    return len(left), said + strange


SWEEP: Answers[tuple[Sequence[str], Sequence[str]]] = {"BKP-CLN-002": _explained}
"""Of the lines that tell what was removed, and the copies that are still there."""
CLEAN: Answers[tuple[int, str]] = {"BKP-CLN-001": lambda found: found}
"""Of how many backups a rehearsal leaves, and what became of them."""
