"""Phase 06, section by section: back up, damage copies, restore beside the original, compare, write down, clean up.

What is backed up, the leads or made ones, is the sections' `subject`. Nothing but copies that tell whose they are is
written, and those are dropped: at the end, also on error, and by the next phase where this one is killed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from matplotlib.figure import Figure

from leadbook.backup import folder
from leadbook.backup.archive import Manifest, read_manifest
from leadbook.backup.backup import Backup, back_up, collections_of
from leadbook.backup.cache import cache_facts
from leadbook.backup.damage import Damage, abort, corrupt
from leadbook.backup.drill import RECOVERY_STAGES, SPRINT, Recovery, recover
from leadbook.backup.restore import unexplained
from leadbook.backup.verify import Verification, verify
from leadbook.core.checks import Inapplicable, Unmeasured
from leadbook.page import palette, style
from leadbook.page.prose import number
from leadbook.phases.console import backups
from leadbook.phases.console.asked import by_api
from leadbook.phases.console.atlas import atlas_of, only_by_atlas, shown_by
from leadbook.phases.documents import render
from leadbook.phases.judging import Finding, Missing, attempt, checks_of, of_found
from leadbook.phases.p06 import checks
from leadbook.phases.p06.subject import Subject
from leadbook.phases.phase import Phase
from leadbook.phases.section import Document, Plot, Section, rows_table
from leadbook.schema import undo


def _known(found: Any) -> Any:
    """What was found; None where nothing was."""
    return None if isinstance(found, Unmeasured | Exception) else found


def backup(subject: Subject) -> Section:
    """6.1: remove what killed drills left, dump into the backups' folder, verify, hold against the originals."""
    swept = attempt(lambda: _sweep(subject))
    dump = attempt(lambda: _dump(subject)) if subject.absent is None else subject.absent
    manifest = dump[0].manifest if isinstance(dump, tuple) else None
    columns = {
        "collection": "what was backed up",
        "documents": "documents in the backup",
        "BSON MB": "size of the documents before compression, MB",
        "file MB": "size on disk, MB",
        "content hash": "first digits of the sum of each document's SHA-256; the order of documents does not matter",
    }
    return subject.plain(
        Section(
            says=subject.told(),
            tables=(rows_table("What the backup holds", columns, _contents(manifest) if manifest else ()),),
            checks=checks_of(
                {
                    **of_found((checks.SWEPT,), swept, checks.sweep),
                    **of_found(checks.of("BKP-DMP"), dump, checks.dump),
                }
            ),
            facts=_facts(subject, dump[0]) if isinstance(dump, tuple) and not subject.made else {},
            found=_known(dump),
        )
    )


def _facts(subject: Subject, made: Backup) -> dict[str, Any]:
    """Which backup of the leads this is, for phases and commands that ask for it."""
    leads = made.manifest.documents_of(subject.settings.collection)
    return {"backup": made.path.name, "backup_taken_at": made.manifest.taken_at, "backup_leads": leads}


def _contents(manifest: Manifest) -> Iterable[Sequence[Any]]:
    for entry in manifest.collections:
        sizes = (round(entry.bson_bytes / 1e6, 2), round(manifest.size_of(entry.name) / 1e6, 2))
        yield entry.name, entry.documents, *sizes, entry.content[:12]


def _sweep(subject: Subject) -> tuple[list[str], list[str]]:
    """What was removed: when the phase opened, what the DBA may beyond it, and folders; copies that are still there."""
    dba = subject.admin[subject.database.name]
    dropped = undo.sweep(dba, subject.admin, None)
    removed = folder.sweep(folder.backups_folder(subject.settings), subject.settings)
    told = [f"a killed drill had left {', '.join(removed)}: removed"] if removed else []
    return [*subject.swept, *dropped, *told], unexplained(dba)


def _dump(subject: Subject) -> tuple[Backup, Verification]:
    names, place = collections_of(subject.settings), folder.backups_folder(subject.settings)
    made = back_up(subject.database, names, place, subject.settings, trial=bool(subject.made))
    return made, verify(made.path)


def damage(subject: Subject, taken: Section) -> Section:
    """6.2: damage copies of the backup and interrupt a dump; each must be noticed. taken: section 6.1."""
    drills = attempt(lambda: _drills(subject, taken.found[0])) if taken.found else checks.NO_BACKUP
    columns = {
        "drill": "what was done to a copy of the backup",
        "noticed": "whether the verifier refused it",
        "what was said": "its first complaint",
    }
    rows = [(drill.name, drill.noticed, drill.said) for drill in _known(drills) or ()]
    made = checks_of(of_found(checks.of("BKP-COR"), drills, checks.damage))
    return subject.plain(
        Section(tables=(rows_table("Damage drills", columns, rows),), checks=made, found=_known(drills))
    )


def _drills(subject: Subject, made: Backup) -> list[Damage]:
    if not read_manifest(made.path).collections:
        raise Missing(checks.NO_BACKUP)
    names, place = collections_of(subject.settings), made.path.parent
    return [*corrupt(made.path), abort(subject.database, names, place, subject.settings)]


def restore(subject: Subject, taken: Section) -> Section:
    """6.3: restore beside the original, compare, erase again, drop the copies. In production only when approved."""
    recovery = _recover(subject, taken)
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
    return subject.plain(
        Section(
            tables=(rows_table("Restored copies beside the backup", columns, rows),),
            checks=checks_of(of_found(checks.of("BKP-RST", "BKP-CMP", "BKP-ERA"), recovery, checks.recovery)),
            found=_known(recovery),
        )
    )


def _recover(subject: Subject, taken: Section) -> Recovery | Unmeasured | Exception:
    if taken.found is None:
        return checks.NO_BACKUP
    if not subject.settings.approves("restore_drill"):
        why = "restoring a copy beside the leads is not approved"
        return Unmeasured(why, subject.settings.how_to_approve("restore_drill"))
    made: Backup = taken.found[0]
    if not made.manifest.documents:
        return Unmeasured("the backup holds no document")
    return attempt(lambda: recover(made, subject.admin[subject.database.name], subject.settings))


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
    return Section(says=said, plots=(Plot(_stages(recovery.stages), caption),))


def _stages(stages: Mapping[str, float]) -> Figure:
    """Seconds of each stage, one after another; the stages that count as recovery time have the first colour."""
    figure, axes = style.figure(
        "Dump and recovery, stage by stage", "seconds since the dump began", "", size=(8.0, 3.2)
    )
    style.sideways(axes)
    start = 0.0
    for place, (stage, seconds) in enumerate(stages.items()):
        colour = palette.SERIES[0 if stage in RECOVERY_STAGES else 6]
        axes.barh(place, seconds, left=start, height=0.6, color=colour)
        axes.annotate(f"{seconds:.2f} s", (start + seconds, place), xytext=(5, 0), va="center",
                      textcoords="offset points", fontsize=9, color=palette.INK)  # fmt: skip
        start += seconds
    names = [f"{name} (recovery)" if name in RECOVERY_STAGES else name for name in stages]
    axes.set_yticks(range(len(stages)), names, color=palette.INK)
    axes.invert_yaxis()
    axes.set_xlim(0, max(start, 0.1) * 1.12)
    return figure


def cache(subject: Subject) -> Section:
    """6.5: whether Redis holds anything that MongoDB could not give back."""
    redis, leads = subject.redis, subject.leads
    keys = attempt(lambda: cache_facts(redis, leads)) if redis is not None else Unmeasured("Redis is away")
    seen = _known(keys)
    if seen is None:
        said = "Redis was not looked at."
    elif not seen.looked_at:
        said = (
            "**Nothing in Redis needs a backup:** it holds no key of a lead yet, and MongoDB can give back those "
            "that the pipeline will write there."
        )
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
    return Section(says=said, checks=checks_of(of_found(checks.of("BKP-RDS"), keys, checks.cache)), found=seen)


def attested(book: Phase) -> Section:
    """6.6: Atlas' own backups, as its API shows them, else as somebody attests them."""
    atlas, settings = atlas_of(book), book.settings
    made = by_api(backups.proven(atlas, settings), settings)
    only = only_by_atlas(backups.besides_proven(atlas), settings)
    return Section(tables=shown_by(atlas, backups.tables), checks=(*made, *only))


def procedures(subject: Subject, taken: Section, damaged: Section, restored: Section, cached: Section) -> Section:
    """6.7: the procedures as a document, from sections 6.1 to 6.5; then what is made up is removed."""
    parts = {"backup": taken, "damage drills": damaged, "restored copies": restored, "Redis": cached}
    missing = [part for part, section in parts.items() if section.found is None]
    recovery: Recovery | None = restored.found
    text = render(
        __file__, "procedures", settings=subject.settings, staging=subject.staging, taken=taken, damaged=damaged,
        restored=restored, cached=cached, timed=times(restored),
        stages=list(recovery.stages.items()) if recovery else [],
        option=" --profile production" if subject.settings.is_production else "",
        checks=[(f"{check.id} {check.title}", check.verdict, check.evidence)
                for section in parts.values() for check in section.checks],
    )  # fmt: skip
    title, audience = "Backup and recovery procedures", ("Technical Lead", "Project Manager")
    told = f"without {', '.join(missing)}" if missing else "every part holds what this run measured"
    return subject.plain(
        Section(
            documents=(Document("backup-and-recovery", title, text, audience),),
            checks=checks_of(
                {
                    "BKP-DOC-001": lambda: (len(missing), told),
                    checks.CLEANED: lambda: _clean(subject, taken),
                    checks.REMOVED: lambda: _removed(subject),
                }
            ),
        )
    )


def _removed(subject: Subject) -> Finding:
    """How many collections of a trial are left after they were removed."""
    left = len(subject.left()) if subject.made else Inapplicable("the drills were of the leads")
    return left, ", ".join(subject.made)


def _clean(subject: Subject, taken: Section) -> Finding:
    """How many backups of this process stay that should not, and what became of them; a production keeps its leads'."""
    if taken.found is None:
        raise Missing(checks.NO_BACKUP)
    path = taken.found[0].path
    if subject.settings.is_production and not subject.made:
        age = (datetime.now(UTC) - datetime.fromisoformat(read_manifest(path).taken_at)).total_seconds()
        return 0, f"kept as {path.name}, {age:.0f} s old, its owner's alone"
    for mine in folder.taken_here(path.parent):
        folder.remove(mine)
    whose = "backup of made leads" if subject.made else "rehearsal's backup"
    return len(folder.taken_here(path.parent)), f"the {whose} was removed: it proved itself"
