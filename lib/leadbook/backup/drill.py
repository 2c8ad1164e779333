"""The recovery drill: restore beside the original, compare, erase again, drop the copies; with its times."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pymongo.database import Database
from pymongo.errors import PyMongoError

from leadbook.backup.backup import Backup
from leadbook.backup.compare import RestoreComparison, compare_all
from leadbook.backup.erased import ErasedAgain, erase_again
from leadbook.backup.restore import Restored, drop_restored, restore
from leadbook.core import write_errors
from leadbook.core.errors import RefusedError
from leadbook.core.settings import Settings
from leadbook.lead.suppression import SUPPRESSED

SPRINT = 20_000
"""Leads of a sprint: what the estimate of the recovery time is for."""
RECOVERY_STAGES = ("verify", "load", "indexes")
"""Stages that count as recovery time; dump and comparison come before and after it."""


@dataclass(frozen=True, kw_only=True)
class Recovery:
    """A restore that was timed and compared. stages: seconds by stage name, in order.

    refusal: what was said when a restore over the original was tried; empty where it was not refused.  left: why the
    copies, which hold leads, could not be dropped; empty where they are gone.
    """

    restored: tuple[Restored, ...]
    comparisons: tuple[RestoreComparison, ...]
    erased: ErasedAgain
    stages: Mapping[str, float]
    refusal: str
    left: str = ""

    @property
    def documents(self) -> int:
        """Documents restored, all collections."""
        return sum(one.documents for one in self.restored)

    @property
    def seconds(self) -> float:
        """Recovery time: verify the backup, load it, build the indexes."""
        return sum(self.stages[name] for name in RECOVERY_STAGES)

    @property
    def estimate(self) -> float | None:
        """Recovery time of 20,000 documents, in proportion, s. None where no document was restored."""
        return self.seconds * SPRINT / self.documents if self.documents else None


def recover(backup: Backup, database: Database[dict[str, Any]], settings: Settings) -> Recovery:
    """Restore `backup` beside the originals, compare, erase again, and drop the copies, also on error; then try to
    restore over an original. `database`: the DBA's view where there is one. Raises what `restore` and pymongo raise."""
    restored: list[Restored] = []
    left = ""
    try:
        began = time.perf_counter()
        restored = restore(backup.path, database)
        total = time.perf_counter() - began
        comparisons = compare_all(backup, restored, database)
        erased = erase_again({one.original: database[one.name] for one in restored}, database[SUPPRESSED], settings)
    finally:
        try:
            drop_restored(database, [one.name for one in restored])
        except PyMongoError as error:  # the next phase drops what is left
            left = write_errors.line(error)
    load, index = sum(one.load_seconds for one in restored), sum(one.index_seconds for one in restored)
    stages = {"dump": backup.manifest.seconds, "verify": total - load - index, "load": load, "indexes": index,
              "compare": sum(one.seconds for one in comparisons)}  # fmt: skip
    return Recovery(
        restored=tuple(restored), comparisons=comparisons, erased=erased, stages=stages,
        refusal=_restored_over(backup, database), left=left,
    )  # fmt: skip


def _restored_over(backup: Backup, database: Database[dict[str, Any]]) -> str:
    """Try to restore over the largest original: the refusal, empty where there was none."""
    name = max(backup.manifest.collections, key=lambda entry: entry.bson_bytes).name
    try:
        restore(backup.path, database, names={name: name})
    except RefusedError as error:
        return str(error)
    return ""
