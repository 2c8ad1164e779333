"""What Atlas tells while a sprint goes on: load of its machines, the Performance Advisor, the newest snapshot."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from leadbook.core.checks import Check, Unmeasured
from leadbook.phases.console import advisor, backups, load
from leadbook.phases.console.atlas import Atlas, atlas_of, only_by_atlas, shown_by
from leadbook.phases.judging import Finding, attempt, got
from leadbook.phases.phase import Phase
from leadbook.phases.section import Table


@dataclass(frozen=True, kw_only=True)
class AtlasSeen:
    """load: of the members, or why it is not told.  checks: that only Atlas answers.  snapshot_age: of its newest
    snapshot, hours; None where it is not told.  tables: for people."""

    load: load.ClusterLoad | Unmeasured | Exception
    checks: tuple[Check, ...]
    snapshot_age: Finding | None = None
    tables: tuple[Table, ...] = ()

    def highest(self, name: str) -> Finding | None:
        """The busiest member's reading; None where it is not told."""
        if not isinstance(self.load, load.ClusterLoad):
            return None
        value, said = self.load.highest(name)
        return None if value is None else (value, said)


def see_atlas(book: Phase) -> AtlasSeen:
    """Ask once. Where Atlas is not asked, its checks do not apply."""
    atlas, settings = atlas_of(book), book.settings
    found = attempt(lambda: load.read_load(got(atlas)))
    questions = {**load.disk_operations(atlas, found), **advisor.indexes(atlas, settings)}
    drawn = (load.table(found),) if isinstance(found, load.ClusterLoad) else ()
    advice = shown_by(atlas, lambda project: advisor.table(project, settings))
    return AtlasSeen(
        load=found, checks=only_by_atlas(questions, settings), snapshot_age=_age(atlas), tables=(*drawn, *advice)
    )


def newest_snapshot(book: Phase) -> datetime | None:
    """When Atlas took its newest completed snapshot; None where it is not told."""
    found = attempt(lambda: backups.newest(got(atlas_of(book))))
    return found if isinstance(found, datetime) else None


def _age(atlas: Atlas) -> Finding | None:
    found = attempt(lambda: backups.newest_age(got(atlas)))
    return found if isinstance(found, tuple) and isinstance(found[0], float) else None
