"""Phase 06, section by section: back up, damage copies, restore beside the original, compare, write down, clean up.

Nothing but copies that tell whose they are is written, and those are dropped: at the end, also on error, and by the
next phase where this one is killed.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from leadbook.backup import folder
from leadbook.backup.backup import Backup, back_up, collections_of
from leadbook.backup.cache import CacheFacts, cache_facts
from leadbook.backup.damage import Damage, abort, corrupt
from leadbook.backup.drill import Recovery, recover
from leadbook.backup.restore import unexplained
from leadbook.backup.verify import Verification, verify
from leadbook.core.checks import Unmeasured, judge
from leadbook.core.errors import InputFileError, LeadbookError
from leadbook.phases.judging import attempt
from leadbook.phases.p06 import checks
from leadbook.phases.p06.document import procedures, recovery_sentence, redis_sentence, unmeasured_parts
from leadbook.phases.p06.figures import recovery_stages
from leadbook.phases.p06.tables import comparison_table, content_table, damage_table, stage_table
from leadbook.phases.phase import Phase
from leadbook.phases.section import Plot, Section
from leadbook.schema import undo

__all__ = ["BackupProof"]

NO_BACKUP = Unmeasured("there is no backup")


class BackupProof:
    """The sections of notebook 06. Each can be called again; one that needs an earlier one says so where it is missing.

    Raises ParameterError, before anything is written, where the restore is approved for another database.
    """

    def __init__(self, book: Phase) -> None:
        self.book, self.settings = book, book.settings
        self.settings.approves("restore_drill")
        self._dba = book.admin[book.database.name]
        self._sections: dict[str, Section] = {}
        self._taken: list[Path] = []

    def _keep(self, number: str, found: Any, **shown: Any) -> Section:
        """Keep a section for the later ones. found: its record, or why there is none."""
        self._sections[number] = Section(found=None if isinstance(found, Unmeasured | Exception) else found, **shown)
        return self._sections[number]

    def _found(self, number: str) -> Any:
        if number not in self._sections:
            raise LeadbookError(f"section {number} has not been run: run its cell first, then this one")
        return self._sections[number].found

    @property
    def _backup(self) -> Backup | None:
        """The backup of section 6.1; None where it could not be taken."""
        dump: tuple[Backup, Verification] | None = self._found("6.1")
        return dump and dump[0]

    @property
    def _standing(self) -> Backup | Unmeasured:
        backup = self._backup
        if backup and not backup.path.exists():
            raise LeadbookError("section 6.7 has removed the backup: run the cell of section 6.1 again, then this one")
        return backup or NO_BACKUP

    # ---------------------------------------------------------------------------------------------------- sections

    def backup(self) -> Section:
        """6.1: remove what killed drills left, dump into the backups' folder, verify, hold against the originals."""
        swept = checks.judged(attempt(self._sweep), checks.SWEEP)
        dump = attempt(self._dump)
        backup = dump[0] if isinstance(dump, tuple) else None
        facts = {
            "backup_bytes": backup and backup.manifest.size,
            "backup_documents": backup and backup.manifest.documents,
            "backup_leads": backup and backup.manifest.documents_of(self.settings.collection),
        }
        judged = (*swept, *checks.judged(dump, checks.DUMP))
        return self._keep("6.1", dump, tables=(content_table(backup),), checks=judged, facts=facts)

    def _sweep(self) -> tuple[Sequence[str], Sequence[str]]:
        """What was found when the phase opened, what the DBA may remove beyond it, and what is still there."""
        dropped = undo.sweep(self._dba, self.book.admin, None)
        removed = folder.sweep(folder.backups_folder(self.settings), self.settings)
        told = [f"a killed drill had left {', '.join(removed)}: removed"] if removed else []
        return [*self.book.swept, *dropped, *told], unexplained(self._dba)

    def _dump(self) -> tuple[Backup, Verification]:
        place = folder.backups_folder(self.settings)
        backup = back_up(self.book.database, collections_of(self.settings), place, self.settings)
        self._taken.append(backup.path)
        return backup, verify(backup.path)

    def damage(self) -> Section:
        """6.2: damage copies of the backup and interrupt a dump; each must be noticed."""
        backup = self._standing
        drills = backup if isinstance(backup, Unmeasured) else attempt(lambda: self._damage(backup))
        shown = drills if isinstance(drills, list) else []
        return self._keep("6.2", drills, tables=(damage_table(shown),), checks=checks.judged(drills, checks.DAMAGE))

    def _damage(self, backup: Backup) -> list[Damage]:
        names, place = collections_of(self.settings), backup.path.parent
        return [*corrupt(backup.path), abort(self.book.database, names, place, self.settings)]

    def restore(self) -> Section:
        """6.3: restore beside the original, compare, erase again, drop the copies. In production only when approved."""
        recovery = self._recover(self._standing)
        shown = recovery if isinstance(recovery, Recovery) else Recovery()
        judged = checks.judged(recovery, checks.RESTORE)
        return self._keep("6.3", recovery, tables=(comparison_table(shown),), checks=judged)

    def _recover(self, backup: Backup | Unmeasured) -> Recovery | Unmeasured | Exception:
        if isinstance(backup, Unmeasured):
            return backup
        if not self.settings.approves("restore_drill"):
            why = "restoring a copy beside the leads is not approved"
            return Unmeasured(why, self.settings.how_to_approve("restore_drill"))
        if not backup.manifest.documents:
            return Unmeasured("the backup holds no document")
        return attempt(lambda: recover(backup, self._dba, self.settings))

    @property
    def _recovery(self) -> Recovery:
        return self._found("6.3") or Recovery()

    def times(self) -> Section:
        """6.4: how long a recovery takes."""
        recovery = self._recovery
        plot = Plot(recovery_stages(stage_table(recovery).frame), "Dump and recovery, stage by stage, in seconds")
        facts = {"restore_seconds": recovery.seconds, "restore_estimate_seconds": recovery.estimate}
        return Section(plots=(plot,), says=recovery_sentence(recovery), facts=facts, found=recovery)

    def cache(self) -> Section:
        """6.5: whether Redis holds anything that MongoDB could not give back."""
        redis = self.book.redis
        facts = Unmeasured("Redis is away") if redis is None else attempt(lambda: cache_facts(redis, self.book.leads))
        seen = facts if isinstance(facts, CacheFacts) else None
        return self._keep("6.5", facts, says=redis_sentence(seen), checks=checks.judged(facts, checks.CACHE))

    def attested(self) -> Section:
        """6.6: what only the provider's console shows."""
        return Section(attested=("BKP-ATL-001", "BKP-ATL-002"))

    def procedures(self) -> Section:
        """6.7: the procedures as a document; then a rehearsal's backup is removed, a production's kept."""
        measured = self._backup, self._found("6.2") or (), self._recovery, self._found("6.5")
        judged = [check for _, section in sorted(self._sections.items()) for check in section.checks]
        missing = unmeasured_parts(*measured)
        told = f"without {', '.join(missing)}" if missing else "every part holds what this run measured"
        document = procedures(self.settings, *measured, judged)
        cleaned = attempt(self._clean) if self._taken else NO_BACKUP
        made = (judge("BKP-DOC-001", len(missing), evidence=told), *checks.judged(cleaned, checks.CLEAN))
        return Section(documents=(document,), checks=made)

    def _clean(self) -> tuple[int, str]:
        """How many backups a rehearsal leaves, and what became of them."""
        if self.settings.is_production:
            kept = self._taken[-1]
            if kept not in folder.backups(kept.parent):
                raise InputFileError(kept, "is not there any more", hint="take another backup")
            age = datetime.now(UTC).timestamp() - kept.stat().st_mtime
            return 0, f"kept as {kept.name}, {age:.0f} s old, its owner's alone"
        for path in filter(Path.exists, self._taken):
            folder.remove(path)
        return sum(path.exists() for path in self._taken), "the rehearsal's backup was removed: it proved itself"
