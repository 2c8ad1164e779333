"""What Atlas measures of the cluster's machines: CPU, memory, disk and connections, which no remote command tells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

from leadbook.atlas import metrics
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
COLUMNS = {
    "member": "host and port", "kind": "its state in the set",
    "CPU, %": "at work, of all cores: median of a quarter of an hour",
    "memory, %": "used, of used and available: highest", "disk, %": "space used: highest",
    "IOPS": "reads and writes of the disk a second: highest", "connections": "highest",
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
    told = {one.name: one for one in project.measurements(process, metrics.MACHINE, PERIOD)}
    try:
        told |= {one.name: one for one in project.measurements(process, metrics.DISK, PERIOD)}
    except LeadbookError as error:
        problems.append(str(error))
    busy = _sums([told[name] for name in metrics.CPU if name in told])
    return MemberLoad(
        member=process.id, kind=process.kind, cpu=round(median(busy), 2) if busy else None,
        memory=_share(told.get(metrics.MEMORY_USED), told.get(metrics.MEMORY_AVAILABLE)),
        disk=_share(told.get(metrics.DISK_USED), told.get(metrics.DISK_FREE)),
        iops=max(_sums([told[name] for name in metrics.DISK[2:] if name in told]), default=None),
        connections=_highest(told.get(metrics.CONNECTIONS)),
    )  # fmt: skip


def _highest(found: Measurement | None) -> float | None:
    return max((value for value in (found.values if found else ()) if value is not None), default=None)


def _sums(found: Sequence[Measurement]) -> list[float]:
    """The sum at each point at which all of the measurements have a value."""
    rows = zip(*(one.values for one in found), strict=False)
    return [sum(value for value in row if value is not None) for row in rows if None not in row]


def _share(part: Measurement | None, rest: Measurement | None) -> float | None:
    """The highest share of `part` over the points."""
    pairs = zip(part.values, rest.values, strict=False) if part and rest else ()
    shares = [share for one, other in pairs if (share := metrics.share(one, other)) is not None]
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
