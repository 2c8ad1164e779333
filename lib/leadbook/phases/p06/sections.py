"""Phase 06, section by section: back up, damage copies, restore beside the original, compare, write down, clean up.

Nothing but copies that tell whose they are is written, and those are dropped: at the end, also on error, and by the
next phase where this one is killed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import pandas as pd

from leadbook.backup import folder
from leadbook.backup.archive import Manifest, read_manifest
from leadbook.backup.backup import Backup, back_up, collections_of
from leadbook.backup.cache import cache_facts
from leadbook.backup.damage import Damage, abort, corrupt
from leadbook.backup.drill import SPRINT, Recovery, recover
from leadbook.backup.restore import unexplained
from leadbook.backup.verify import Verification, verify
from leadbook.core.checks import Unmeasured, judge
from leadbook.page.prose import number
from leadbook.phases.judging import Missing, attempt
from leadbook.phases.p06 import checks
from leadbook.phases.p06.figures import recovery_stages
from leadbook.phases.phase import Phase
from leadbook.phases.section import Document, Plot, Section, Table
from leadbook.phases.templates import render
from leadbook.schema import undo


def _table(title: str, columns: dict[str, str], rows: Iterable[Sequence[Any]]) -> Table:
    return Table(pd.DataFrame(list(rows), columns=list(columns)), title, columns)


def _known(found: Any) -> Any:
    """What was found; None where nothing was."""
    return None if isinstance(found, Unmeasured | Exception) else found


def backup(book: Phase) -> Section:
    """6.1: remove what killed drills left, dump into the backups' folder, verify, hold against the originals.

    Raises ParameterError, before anything is written, where the restore is approved for another database.
    """
    book.settings.approves("restore_drill")
    swept = attempt(lambda: _sweep(book))
    dump = attempt(lambda: _dump(book))
    manifest = dump[0].manifest if isinstance(dump, tuple) else None
    columns = {
        "collection": "what was backed up",
        "documents": "documents in the backup",
        "BSON MB": "size of the documents before compression, MB",
        "file MB": "size on disk, MB",
        "content hash": "first digits of the sum of each document's SHA-256; the order of documents does not matter",
    }
    return Section(
        tables=(_table("What the backup holds", columns, _contents(manifest) if manifest else ()),),
        checks=(
            *checks.judged((checks.SWEPT,), swept, checks.sweep),
            *checks.judged(("BKP-DMP",), dump, checks.dump),
        ),
        facts={
            "backup_bytes": manifest and manifest.size,
            "backup_documents": manifest and manifest.documents,
            "backup_leads": manifest and manifest.documents_of(book.settings.collection),
        },
        found=_known(dump),
    )


def _contents(manifest: Manifest) -> Iterable[Sequence[Any]]:
    for entry in manifest.collections:
        sizes = (round(entry.bson_bytes / 1e6, 2), round(manifest.size_of(entry.name) / 1e6, 2))
        yield entry.name, entry.documents, *sizes, entry.content[:12]


def _sweep(book: Phase) -> tuple[list[str], list[str]]:
    """What was removed: when the phase opened, what the DBA may beyond it, and folders; copies that are still there."""
    dba = book.admin[book.database.name]
    dropped = undo.sweep(dba, book.admin, None)
    removed = folder.sweep(folder.backups_folder(book.settings), book.settings)
    told = [f"a killed drill had left {', '.join(removed)}: removed"] if removed else []
    return [*book.swept, *dropped, *told], unexplained(dba)


def _dump(book: Phase) -> tuple[Backup, Verification]:
    names, place = collections_of(book.settings), folder.backups_folder(book.settings)
    made = back_up(book.database, names, place, book.settings)
    return made, verify(made.path)


def damage(book: Phase, taken: Section) -> Section:
    """6.2: damage copies of the backup and interrupt a dump; each must be noticed. taken: section 6.1."""
    drills = attempt(lambda: _drills(book, taken.found[0])) if taken.found else checks.NO_BACKUP
    columns = {
        "drill": "what was done to a copy of the backup",
        "noticed": "whether the verifier refused it",
        "what was said": "its first complaint",
    }
    rows = [(drill.name, drill.noticed, drill.said) for drill in _known(drills) or ()]
    judged = checks.judged(("BKP-COR",), drills, checks.damage)
    return Section(tables=(_table("Damage drills", columns, rows),), checks=judged, found=_known(drills))


def _drills(book: Phase, made: Backup) -> list[Damage]:
    if not read_manifest(made.path).collections:
        raise Missing(checks.NO_BACKUP)
    names, place = collections_of(book.settings), made.path.parent
    return [*corrupt(made.path), abort(book.database, names, place, book.settings)]


def restore(book: Phase, taken: Section) -> Section:
    """6.3: restore beside the original, compare, erase again, drop the copies. In production only when approved."""
    recovery = _recover(book, taken)
    columns = {
        "collection": "what was restored",
        "documents": "documents in the backup",
        "restored": "documents in the restored copy",
        "content": "whether the copy has exactly the backup's content",
        "indexes": "whether all indexes are the same, by key, order and options",
        "options": "whether validator, level and action are the same",
        "original unchanged": "whether the original still has the backup's content; leads that arrived since change it",
        "validate": "what the server's own validation of the copy says",
    }
    rows = [
        (one.original, one.documents_backup, one.documents_restored, one.content_equal, one.indexes_equal,
         one.options_equal, one.original_unchanged, one.validate_says)
        for one in (recovery.comparisons if isinstance(recovery, Recovery) else ())
    ]  # fmt: skip
    return Section(
        tables=(_table("Restored copies beside the backup", columns, rows),),
        checks=checks.judged(("BKP-RST", "BKP-CMP", "BKP-ERA"), recovery, checks.recovery),
        found=_known(recovery),
    )


def _recover(book: Phase, taken: Section) -> Recovery | Unmeasured | Exception:
    if taken.found is None:
        return checks.NO_BACKUP
    if not book.settings.approves("restore_drill"):
        why = "restoring a copy beside the leads is not approved"
        return Unmeasured(why, book.settings.how_to_approve("restore_drill"))
    made: Backup = taken.found[0]
    if not made.manifest.documents:
        return Unmeasured("the backup holds no document")
    return attempt(lambda: recover(made, book.admin[book.database.name], book.settings))


def times(restored: Section) -> Section:
    """6.4: how long a recovery takes. restored: section 6.3."""
    recovery: Recovery | None = restored.found
    if recovery is None:
        return Section(says="Nothing was restored, so no recovery time is known.")
    kind = "in proportion" if recovery.documents >= SPRINT else "extrapolated from fewer documents"
    said = (
        f"**{recovery.documents:,} documents were back in {recovery.seconds:.1f} s** (verify, load, build indexes); "
        f"{number(recovery.estimate, 's', 1)} for {SPRINT:,} {kind}. That is the recovery of the data on this server, "
        "without the time that people need to decide."
    )
    caption = "Dump and recovery, stage by stage, in seconds"
    facts = {"restore_seconds": recovery.seconds, "restore_estimate_seconds": recovery.estimate}
    return Section(says=said, plots=(Plot(recovery_stages(recovery.stages), caption),), facts=facts)


def cache(book: Phase) -> Section:
    """6.5: whether Redis holds anything that MongoDB could not give back."""
    redis, leads = book.redis, book.leads
    keys = attempt(lambda: cache_facts(redis, leads)) if redis is not None else Unmeasured("Redis is away")
    seen = _known(keys)
    if seen is None:
        said = "Redis was not looked at."
    elif seen.other:
        said = (
            f"{seen.other:,} of {seen.looked_at:,} keys are no duplicate keys: MongoDB cannot rebuild them. Find out "
            "whose they are and whether they need a backup."
        )
    else:
        said = (
            "**Nothing in Redis needs a backup:** every key looked at is a duplicate key, which MongoDB can give back. "
            "After a loss the pipeline runs on slower, asks MongoDB, and writes the keys anew."
        )
    return Section(says=said, checks=checks.judged(("BKP-RDS",), keys, checks.cache), found=seen)


def attested() -> Section:
    """6.6: what only the provider's console shows."""
    return Section(attested=("BKP-ATL-001", "BKP-ATL-002"))


def procedures(book: Phase, taken: Section, damaged: Section, restored: Section, cached: Section) -> Section:
    """6.7: the procedures as a document, from sections 6.1 to 6.5; then a rehearsal's backups are removed."""
    parts = {"backup": taken, "damage drills": damaged, "restored copies": restored, "Redis": cached}
    missing = [part for part, section in parts.items() if section.found is None]
    recovery: Recovery | None = restored.found
    text = render(
        __file__, "procedures", settings=book.settings, taken=taken, damaged=damaged, restored=restored,
        cached=cached, timed=times(restored), stages=list(recovery.stages.items()) if recovery else [],
        checks=[(f"{check.id} {check.title}", check.verdict, check.evidence)
                for section in parts.values() for check in section.checks],
    )  # fmt: skip
    title, audience = "Backup and recovery procedures", ("Technical Lead", "Project Manager")
    told = f"without {', '.join(missing)}" if missing else "every part holds what this run measured"
    cleaned = attempt(lambda: _clean(book, taken.found[0])) if taken.found else checks.NO_BACKUP
    return Section(
        documents=(Document("backup-and-recovery", title, text, audience),),
        checks=(
            judge("BKP-DOC-001", len(missing), evidence=told),
            *checks.judged((checks.CLEANED,), cleaned, checks.clean),
        ),
    )


def _clean(book: Phase, made: Backup) -> tuple[int, str]:
    """How many backups of this process a rehearsal leaves, and what became of them; a production keeps its own."""
    if book.settings.is_production:
        age = (datetime.now(UTC) - datetime.fromisoformat(read_manifest(made.path).taken_at)).total_seconds()
        return 0, f"kept as {made.path.name}, {age:.0f} s old, its owner's alone"
    place = made.path.parent
    for path in folder.taken_here(place):
        folder.remove(path)
    return len(folder.taken_here(place)), "the rehearsal's backup was removed: it proved itself"
