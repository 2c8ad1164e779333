"""What Atlas answered, as plain records: names are Atlas's own, values None where it did not say."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, kw_only=True)
class AtlasCluster:
    """A cluster as ordered. hosts: `host:port` of each member, and the host of its SRV address, in lower case.

    provider: AWS, GCP, AZURE.  tier: instanceSize, `M30`.  cores, memory_gb: of that tier by Atlas's list.
    disk_gb, state (`IDLE`, `UPDATING`), version (`8.0.4`) as Atlas names them.  lowest_tier, highest_tier: bounds of
    auto-scaling.  encryption: `NONE` or whose key encrypts besides Atlas's own.
    """

    name: str
    provider: str
    region: str
    tier: str
    version: str
    state: str
    hosts: tuple[str, ...]
    members: int = 0
    cores: int | None = None
    memory_gb: float | None = None
    disk_gb: float | None = None
    iops: int | None = None
    scales_storage: bool | None = None
    scales_tier: bool | None = None
    lowest_tier: str = ""
    highest_tier: str = ""
    backup: bool | None = None
    point_in_time: bool | None = None
    tls_floor: str = ""
    termination_protection: bool | None = None
    encryption: str = ""
    paused: bool | None = None


@dataclass(frozen=True, kw_only=True)
class AccessEntry:
    """An entry of the project's access list. cidr: `203.0.113.7/32`; empty for an AWS security group (`group`)."""

    cidr: str
    group: str = ""
    comment: str = ""
    deletes_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class DatabaseUser:
    """A database user. roles: `readWrite@lead_generation`, one on a collection `read@lead_generation.leads`."""

    name: str
    roles: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class CustomRole:
    """A custom role of the project. privileges: each action (`CREATE_INDEX`) with the database that it reaches,
    None for the cluster or all of them.  inherits: roles that it takes over, as of a DatabaseUser."""

    name: str
    privileges: tuple[tuple[str, str | None], ...] = ()
    inherits: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class AlertConfig:
    """An alert configuration. metric: metricName of a threshold on a measurement; empty for other events.
    notifies: kinds of its notifications (`EMAIL`, `SLACK`); none tells nobody.  only: field, operator and value of what
    it is limited to (`CLUSTER_NAME`, `EQUALS`, `leads`)."""

    id: str
    enabled: bool
    event: str
    metric: str = ""
    threshold: float | None = None
    operator: str = ""
    units: str = ""
    notifies: tuple[str, ...] = ()
    only: tuple[tuple[str, str, str], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Auditing:
    """Database auditing. filter: whether one is set."""

    enabled: bool
    filter: bool = False


@dataclass(frozen=True, kw_only=True)
class PolicyItem:
    """One line of a backup policy: every `interval` of `frequency` (hourly, daily, …), kept `days`."""

    frequency: str
    interval: int
    days: float


@dataclass(frozen=True, kw_only=True)
class BackupPolicy:
    """The backup schedule. restore_window_days: of point-in-time restores. next: of the next snapshot."""

    items: tuple[PolicyItem, ...]
    restore_window_days: float | None = None
    next: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class AtlasSnapshot:
    """A snapshot. kind: `onDemand`, `scheduled`, `fallback`.  status: `completed`, `inProgress`, `queued`, `failed`."""

    id: str
    kind: str
    status: str
    taken: datetime | None = None
    expires: datetime | None = None
    size_gb: float | None = None
    description: str = ""


@dataclass(frozen=True, kw_only=True)
class RestoreJob:
    """A restore. kind: `automated`, `download`, `pointInTime`.  into: cluster that it restored into."""

    id: str
    kind: str
    snapshot: str
    finished: datetime | None = None
    into: str = ""
    failed: bool = False
    cancelled: bool = False
    expired: bool = False


@dataclass(frozen=True, kw_only=True)
class AtlasProcess:
    """A mongod of the project. id: `host:port`.  kind: `REPLICA_PRIMARY`, `REPLICA_SECONDARY`, …"""

    id: str
    host: str
    port: int
    kind: str
    version: str = ""


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """A measurement's points over a period, oldest first. unit: Atlas's (`PERCENT`, `BYTES`, `SCALAR_PER_SECOND`)."""

    name: str
    unit: str
    times: tuple[datetime, ...]
    values: tuple[float | None, ...]

    @property
    def last(self) -> float | None:
        """The newest value that is there."""
        return next((value for value in reversed(self.values) if value is not None), None)


@dataclass(frozen=True, kw_only=True)
class SuggestedIndex:
    """An index that the Performance Advisor would create or drop. keys: fields and directions.  weight: its own
    measure of what it would save; why: for a drop, Atlas's reason."""

    namespace: str
    keys: tuple[tuple[str, int], ...]
    name: str = ""
    weight: float | None = None
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class AtlasSlowQuery:
    """One slow query, without any value of it. shape: its filter's fields.  plan: planSummary."""

    namespace: str
    at: datetime | None
    ms: float | None
    plan: str = ""
    operation: str = ""
    shape: tuple[str, ...] = ()
