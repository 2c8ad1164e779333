"""Requests that change something at Atlas: a snapshot, another size, an entry of the access list.

Each is made of plain values, sent once, and never sent again by itself: who sends decides what to do after a failure.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from leadbook.atlas.calls import CALLS

if TYPE_CHECKING:
    from leadbook.atlas.project import AtlasProject

COMMENT = 80
"""Characters of an entry's comment, at most (NetworkPermissionEntry)."""
_SIZED = ("electableSpecs", "readOnlySpecs")
"""Nodes that always have the same tier; analytics nodes have one of their own, and share only the disk's size."""


@dataclass(frozen=True, kw_only=True)
class AtlasChange:
    """One request. call: its operation id, a key of `calls.CALLS`.  where: what fills its path.  body: JSON-ready."""

    call: str
    where: Mapping[str, str] = field(default_factory=dict)
    body: Any = None


def role_for(call: str) -> str:
    """The project role that lets a service account or key make this change."""
    return CALLS[call].role


def snapshot(cluster: str, description: str, days: int) -> AtlasChange:
    """A snapshot on demand, kept so many days."""
    body = {"description": description, "retentionInDays": days}
    return AtlasChange(call="takeSnapshots", where={"cluster": cluster}, body=body)


def allowed(cidr: str, comment: str, until: datetime | None = None) -> AtlasChange:
    """An entry of the access list, which Atlas removes at `until`, a week from now at most."""
    entry = {"cidrBlock": cidr, "comment": comment}
    if until is not None:
        entry["deleteAfterDate"] = f"{until:%Y-%m-%dT%H:%M:%SZ}"
    return AtlasChange(call="createAccessListEntry", body=[entry])


def disallowed(cidr: str) -> AtlasChange:
    """An entry of the access list removed."""
    return AtlasChange(call="deleteAccessListEntry", where={"entry": cidr})


def scaled(project: AtlasProject, tier: str = "", disk_gb: float | None = None) -> AtlasChange:
    """Another tier, another disk, or both, of all electable and read-only nodes; the rest of the cluster's
    replicationSpecs, which are asked for, stays as it is. Raises as `AtlasClient.get`."""
    cluster = project.cluster().name
    specs = project.client.get("getCluster", cluster=cluster).get("replicationSpecs") or []
    body = {"replicationSpecs": resized(specs, tier, disk_gb)}
    return AtlasChange(call="updateCluster", where={"cluster": cluster}, body=body)


def resized(specs: Sequence[Mapping[str, Any]], tier: str, disk_gb: float | None) -> list[dict[str, Any]]:
    """replicationSpecs with another size, without what Atlas tells and does not take."""
    wanted: list[dict[str, Any]] = copy.deepcopy([dict(spec) for spec in specs])
    for spec in wanted:
        for region in spec.get("regionConfigs") or ():
            _resize(region, tier, disk_gb)
    return wanted


def _resize(region: dict[str, Any], tier: str, disk_gb: float | None) -> None:
    for told in [name for name in region if name.startswith("effective")]:
        del region[told]  # Atlas tells them and takes none
    for name in (*_SIZED, "analyticsSpecs"):
        nodes = region.get(name)
        if not isinstance(nodes, dict):
            continue
        nodes.pop("effectiveInstanceSize", None)
        nodes.pop("diskThroughput", None)
        if nodes.get("ebsVolumeType") != "PROVISIONED":
            nodes.pop("diskIOPS", None)  # of a standard volume they follow from tier and size
        if tier and name in _SIZED:
            nodes["instanceSize"] = tier
        if disk_gb is not None:
            nodes["diskSizeGB"] = disk_gb


def send(project: AtlasProject, change: AtlasChange) -> None:
    """Send it once. Raises as `AtlasClient.send`: AtlasDoubtError where nobody can tell whether Atlas did it."""
    project.client.send(change.call, change.body, **change.where)
