"""What Atlas measures of the cluster's machines: CPU, memory, disk and connections, which no remote command tells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

from leadbook.atlas.project import AtlasProject
from leadbook.atlas.records import AtlasProcess, Measurement
from leadbook.core.checks import Unmeasured
from leadbook.core.errors import LeadbookError
from leadbook.phases.console.atlas import Atlas, Questions
from leadbook.phases.console.cluster import known
from leadbook.phases.judging import Finding, got
from leadbook.phases.section import Table, rows_table

PERIOD, MINUTES = "PT15M", 15
"""Long enough that a late point of Atlas (one a minute) is among them, short enough to be of now."""
CPU = ("SYSTEM_NORMALIZED_CPU_USER", "SYSTEM_NORMALIZED_CPU_KERNEL", "SYSTEM_NORMALIZED_CPU_STEAL")
USED, AVAILABLE, CONNECTIONS = "SYSTEM_MEMORY_USED", "SYSTEM_MEMORY_AVAILABLE", "CONNECTIONS"
IOPS, DISK_PERCENT = "DISK_PARTITION_IOPS_TOTAL", "DISK_PARTITION_SPACE_PERCENT_USED"
COLUMNS = {
    "member": "host and port", "kind": "its state in the set",
    "CPU, %": "user, kernel and steal, of all cores: median of a quarter of an hour",
    "memory, %": "used, of used and available: highest", "disk, %": "space used: highest",
    "IOPS": "disk operations a second: highest", "connections": "highest",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class MemberLoad:
    """One member over MINUTES. cpu: median, %; memory, disk: highest, %; iops, connections: highest. None: not told."""

    member: str
    kind: str
    cpu: float | None = None
    memory: float | None = None
    disk: float | None = None
    iops: float | None = None
    connections: float | None = None


@dataclass(frozen=True, kw_only=True)
class ClusterLoad:
    """All members; `highest` of a field is of the busiest one. problem: why disks are not told."""

    members: tuple[MemberLoad, ...]
    problem: str = field(default="")

    def highest(self, name: str) -> tuple[float | None, str]:
        """The busiest member's value, and which member that is."""
        told = [(getattr(one, name), one.member) for one in self.members if getattr(one, name) is not None]
        value, member = max(told, default=(None, ""))
        return value, f"Atlas' measurements of the last {MINUTES} minutes, busiest of {len(told)} members: {member}"


def read_load(project: AtlasProject) -> ClusterLoad:
    """Ask for each member's measurements. Raises LeadbookError where Atlas does not tell them; without the disks where
    it does not tell those."""
    problems: list[str] = []
    members = tuple(_member(project, process, problems) for process in project.processes())
    return ClusterLoad(members=members, problem=problems[0] if problems else "")


def _member(project: AtlasProject, process: AtlasProcess, problems: list[str]) -> MemberLoad:
    told = {one.name: one for one in project.measurements(process, (*CPU, USED, AVAILABLE, CONNECTIONS), PERIOD)}
    try:
        told |= {one.name: one for one in project.measurements(process, (IOPS, DISK_PERCENT), PERIOD)}
    except LeadbookError as error:
        problems.append(str(error))
    busy = [told[name] for name in CPU if name in told]
    return MemberLoad(
        member=process.id, kind=process.kind, cpu=_median_of_sums(busy),
        memory=_memory(told.get(USED), told.get(AVAILABLE)),
        disk=_highest(told.get(DISK_PERCENT)), iops=_highest(told.get(IOPS)),
        connections=_highest(told.get(CONNECTIONS)),
    )  # fmt: skip


def _highest(found: Measurement | None) -> float | None:
    return max((value for value in (found.values if found else ()) if value is not None), default=None)


def _median_of_sums(found: Sequence[Measurement]) -> float | None:
    """Median over the points at which each of the measurements has a value."""
    rows = zip(*(one.values for one in found), strict=False)
    sums = [sum(value for value in row if value is not None) for row in rows if None not in row]
    return round(median(sums), 2) if sums else None


def _memory(used: Measurement | None, available: Measurement | None) -> float | None:
    pairs = zip(used.values, available.values, strict=False) if used and available else ()
    shares = [
        100 * one / (one + spare) for one, spare in pairs if one is not None and spare is not None and one + spare
    ]
    return round(max(shares), 2) if shares else None


def disk_operations(atlas: Atlas, load: ClusterLoad | Unmeasured | Exception) -> Questions:
    """The question of phase 08 whether the disk's operations are near those that are provisioned."""
    return {"MON-ATL-001": lambda: _operations(got(atlas), got(load))}


def _operations(project: AtlasProject, load: ClusterLoad) -> Finding:
    limit, (highest, said) = known(project.cluster().iops), load.highest("iops")
    if highest is None:
        return Unmeasured(load.problem or "Atlas gave no disk operations"), ""
    return round(100 * highest / limit, 1), f"{highest:,.0f} of {limit:,} provisioned; {said}"


def table(load: ClusterLoad) -> Table:
    """A row a member."""
    rows = [(one.member, one.kind, one.cpu, one.memory, one.disk, one.iops, one.connections) for one in load.members]
    return rows_table(f"Atlas' measurements of the last {MINUTES} minutes", COLUMNS, rows)
