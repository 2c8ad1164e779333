"""What 9.10 tells for each of its checks: the final push, task book 4.4.1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial

import pandas as pd

from leadbook.analysis.losses import BackupCount
from leadbook.analysis.push import Drained, LastInserts
from leadbook.bench.profiler import ProfilerLevel
from leadbook.core.checks import GRAVEST, Check, Doubtful, Inapplicable, Unmeasured, Verdict
from leadbook.core.definitions import expected
from leadbook.core.settings import Settings
from leadbook.monitor.topology import Replication
from leadbook.phases.judging import Answered, Answers, Tell, of_each
from leadbook.phases.p09.checks import NO_LEAD
from leadbook.phases.proven import BACKED_UP, how_to_back_up
from leadbook.phases.section import Table
from leadbook.schema.state import Change

Failed = Unmeasured | Exception
STEPS = {
    "4.4.1.1": "the final inserts", "4.4.1.2": "the database's performance", "4.4.1.3": "data integrity",
    "4.4.1.4": "all data inserted correctly", "4.4.1.5": "database integrity checks", "4.4.1.6": "data completeness",
    "4.4.1.7": "data issues", "4.4.1.8": "ready for final reporting",
}  # fmt: skip
"""The task book's steps of the final push, in a few words."""
COLUMNS = {
    "step": "of the task book", "what": "what it asks for", "checks": "that answer it", "passed": "of those",
    "verdict": "the gravest of them so far", "what is not well": "checks that fail, warn or could not be measured",
}  # fmt: skip
QUIET_S = 900.0
"""A collector's batch takes minutes: ten of them at 833 leads an hour stage a batch of fifty every four minutes."""
NO_TIER = "this tier does not offer it"


def told(
    *, drained: Drained | Failed, inserts: LastInserts | Failed, unlike: list[Change] | Failed,
    profiler: ProfilerLevel | Failed, left: Sequence[str] | Failed, members: Replication | Failed, backup: BackupCount,
    leads: int, snapshot: datetime | None, settings: Settings,
) -> Answers:  # fmt: skip
    """One answer a check; what could not be read is told by those that need it. leads: stored ones.  snapshot: when
    Atlas took its newest completed one; None where it does not tell."""
    of_drained: Mapping[str, Tell[Drained]] = {
        "FIN-PUSH-001": _waiting, "FIN-PUSH-002": _claimed, "FIN-PUSH-003": partial(_arriving, settings)
    }  # fmt: skip
    return {
        **of_each(of_drained, drained),
        **of_each({"FIN-PUSH-004": _designed}, unlike),
        "FIN-PUSH-005": _profiled(profiler),
        **of_each({"FIN-PUSH-006": _left}, left),
        **of_each({"FIN-PUSH-007": _level}, members),
        **of_each({BACKED_UP: partial(_backed_up, backup, leads, snapshot, how_to_back_up(settings))}, inserts),
    }


NOT_STAGED = Inapplicable("nothing was staged: no collector was at work")


def _waiting(found: Drained) -> Answered:
    age = f", the oldest for {found.oldest_s:,.0f} s" if found.oldest_s is not None and found.waiting else ""
    said = f"{found.waiting:,} of {found.staged:,} staged records wait{age}"
    return Answered(found.waiting if found.staged else NOT_STAGED, said)


def _claimed(found: Drained) -> Answered:
    dead = f"{found.expired:,} of them by workers that died"
    said = f"{found.claimed:,} of {found.staged:,} staged records are claimed, {dead}"
    return Answered(found.claimed if found.staged else NOT_STAGED, said)


def _arriving(settings: Settings, found: Drained) -> Answered:
    """A close judges what does not change any more. Collectors pause between batches: where the last one came a moment
    ago more may come; those of a rehearsal are known to have ended."""
    last = f"; the last was staged {found.quiet_s:,.0f} s ago" if found.quiet_s is not None else ""
    said = f"{found.arrived:,} more records and leads than section 9.2 counted{last}"
    soon = settings.is_production and found.quiet_s is not None and found.quiet_s < QUIET_S
    return Answered(Doubtful(0) if soon and not found.arrived else found.arrived, said)


def _designed(unlike: list[Change]) -> Answered:
    told = [f"{one.collection}: {one.line}" for one in unlike]
    said = "; ".join(told) or "validator and indexes are as designed; nothing deletes or refuses records by itself"
    return Answered(len(unlike), said, "; ".join(dict.fromkeys(filter(None, (one.remedy for one in unlike)))))


def _profiled(found: ProfilerLevel | Failed) -> Answered:
    if isinstance(found, Unmeasured) and found.why.startswith(NO_TIER):
        return Answered(Inapplicable(found.why))
    if not isinstance(found, ProfilerLevel):
        return Answered(found)
    return Answered(found.level == 0, f"level {found.level}, slowms {found.slow_ms}")


def _left(found: Sequence[str]) -> Answered:
    return Answered(len(found), ", ".join(found) or "no scratch collection of an ended process")


def _level(found: Replication) -> Answered:
    if not found.others:
        return Answered(Inapplicable("no secondary: a server alone, or with arbiters only"))
    if found.lag_s is None:
        return Answered(Unmeasured(f"no member besides the primary tells how far it is: {found.shown}"))
    said = f"{found.healthy} of {found.members} members healthy, the slowest with data ({found.shown})"
    return Answered(found.lag_s if found.healthy == found.members else Doubtful(found.lag_s), said)


def _backed_up(backup: BackupCount, leads: int, snapshot: datetime | None, how: str, inserts: LastInserts) -> Answered:
    """A lead's time is of when it was made, so the last ones are known by their number too: `recover` brings leads back
    with the time that they had."""
    if inserts.last is None:
        return Answered(NO_LEAD)
    last = f"the last lead was stored at {inserts.last:%Y-%m-%d %H:%M:%S} UTC"
    if backup.began is None or not backup.leads:
        said, holds = "phase 06 left no backup of the leads that counts here", False
    else:
        said = f"phase 06's backup of {backup.leads:,} leads was begun at {backup.began:%Y-%m-%d %H:%M:%S}"
        said += f", and {leads:,} are stored" if leads > backup.leads else ""
        said += f"; not proven: {', '.join(backup.unproven)}" if backup.unproven else ""
        said += f"; {'restored as a trial, too' if backup.restored else 'no trial restore of it passed'}"
        holds = backup.began > inserts.last and leads <= backup.leads and not backup.unproven
    if snapshot is not None and not holds:
        said += f"; Atlas' newest completed snapshot is of {snapshot:%Y-%m-%d %H:%M:%S}"
        holds = snapshot > inserts.last
    return Answered(holds, f"{last}; {said}", f"back the final leads up: {how}, then close once more")


def steps(checks: Mapping[str, Check]) -> Table:
    """The eight steps of the final push, and what answers each so far."""
    rows = []
    for step, what in STEPS.items():
        mine = [checks[one.id] for one in expected("09") if step in one.steps and one.id in checks]
        bad = [one for one in mine if one.verdict not in (Verdict.PASS, Verdict.NOT_APPLICABLE)]
        gravest = min((one.verdict for one in mine), key=GRAVEST.index, default=Verdict.NOT_MEASURED)
        passed = sum(one.verdict is Verdict.PASS for one in mine)
        named = "; ".join(f"{one.title} ({one.id}: {one.verdict.value})" for one in bad) or "–"
        rows.append((step, what, len(mine), passed, gravest.value, named))
    return Table(pd.DataFrame(rows, columns=list(COLUMNS)), "The final push, step by step", COLUMNS)


def inserted(found: LastInserts | Failed) -> tuple[Table, ...]:
    """The last inserts by time; none where no lead is stored."""
    if not isinstance(found, LastInserts) or found.last is None:
        return ()
    columns = {"from": "UTC", "to": "UTC", "leads": "stored in that time"}
    return (Table(found.parts, f"The last inserts, up to {found.last:%Y-%m-%d %H:%M:%S} UTC", columns),)
