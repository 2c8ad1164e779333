"""Atlas's answers as records: fields by their published names, what is missing stays empty."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from leadbook.atlas import values
from leadbook.atlas.records import (
    AccessEntry,
    AlertConfig,
    AtlasProcess,
    AtlasSnapshot,
    Auditing,
    BackupPolicy,
    CustomRole,
    DatabaseUser,
    Measurement,
    PolicyItem,
    RestoreJob,
    SuggestedIndex,
)

Body = Mapping[str, Any]

_DAYS = {"days": 1, "weeks": 7, "months": 30, "years": 365}
_PERSONS = ("GROUP", "ORG", "USER", "TEAM")
"""Notifications that reach a person by e-mail or SMS, each of which may be off."""
_KEYS = {"awsKms": "AWS", "azureKeyVault": "AZURE", "googleCloudKms": "GCP"}
SUGGESTS = ("suggestedIndexes",)
DROPS = {"unusedIndexes": "unused", "redundantIndexes": "redundant", "hiddenIndexes": "hidden"}


def access_entry(body: Body) -> AccessEntry:
    """An entry of the access list; a single address as a network of one."""
    return AccessEntry(
        cidr=values.network(values.text(body, "cidrBlock") or values.text(body, "ipAddress")),
        group=values.text(body, "awsSecurityGroup"), comment=values.text(body, "comment"),
        deletes_at=values.moment(body, "deleteAfterDate"),
    )  # fmt: skip


def database_user(body: Body) -> DatabaseUser:
    """A database user; a role on one collection as `read@database.collection`."""
    roles = []
    for role in values.many(body, "roles"):
        where = [values.text(role, "databaseName"), values.text(role, "collectionName")]
        roles.append(f"{values.text(role, 'roleName')}@{'.'.join(filter(None, where))}")
    return DatabaseUser(name=values.text(body, "username"), roles=tuple(roles))


def custom_role(body: Body) -> CustomRole:
    """A custom role; an action that names no resource counts as one on all of them."""
    return CustomRole(
        name=values.text(body, "roleName"),
        privileges=tuple(
            (values.text(one, "action"), values.text(resource, "db") or None)
            for one in values.many(body, "actions") for resource in values.many(one, "resources") or [{}]
        ),
        inherits=tuple(f"{values.text(one, 'role')}@{values.text(one, 'db')}"
                       for one in values.many(body, "inheritedRoles")),
    )  # fmt: skip


def alert_config(body: Body) -> AlertConfig:
    """An alert configuration. A notification whose e-mail and SMS both are off tells nobody, and is left out."""
    kinds = []
    for told in values.many(body, "notifications"):
        kind = values.text(told, "typeName")
        off = values.flag(told, "emailEnabled") is False and not values.flag(told, "smsEnabled")
        if kind and not (kind in _PERSONS and off):
            kinds.append(kind)
    limit = values.at(body, "metricThreshold") or values.at(body, "threshold")
    return AlertConfig(
        id=values.text(body, "id"), enabled=values.flag(body, "enabled") or False,
        event=values.text(body, "eventTypeName"), metric=values.text(body, "metricThreshold.metricName"),
        threshold=values.number(limit, "threshold"), operator=values.text(limit, "operator"),
        units=values.text(limit, "units"), notifies=tuple(kinds),
        only=tuple((values.text(one, "fieldName"), values.text(one, "operator"), values.text(one, "value"))
                   for one in values.many(body, "matchers")),
    )  # fmt: skip


def auditing(body: Body) -> Auditing:
    """Database auditing; an empty filter is none."""
    return Auditing(
        enabled=values.flag(body, "enabled") or False,
        filter=values.text(body, "auditFilter").strip() not in ("", "{}"),
    )


def own_keys(body: Body) -> tuple[str, ...]:
    """Providers whose key of the customer's own is enabled; Atlas encrypts its volumes besides."""
    return tuple(name for key, name in _KEYS.items() if values.flag(body, f"{key}.enabled"))


def backup_policy(body: Body) -> BackupPolicy:
    """The schedule. A month counts 30 days, a year 365; an unknown unit counts as days."""
    items = [item for policy in values.many(body, "policies") for item in values.many(policy, "policyItems")]
    return BackupPolicy(
        items=tuple(
            PolicyItem(
                frequency=values.text(item, "frequencyType"), interval=values.whole(item, "frequencyInterval") or 0,
                days=(values.number(item, "retentionValue") or 0) * _DAYS.get(values.text(item, "retentionUnit"), 1),
            )
            for item in items
        ),
        restore_window_days=values.number(body, "restoreWindowDays"), next=values.moment(body, "nextSnapshot"),
    )  # fmt: skip


def snapshot(body: Body) -> AtlasSnapshot:
    """A snapshot; its size in GB of 2^30 bytes."""
    size = values.number(body, "storageSizeBytes")
    return AtlasSnapshot(
        id=values.text(body, "id"), kind=values.text(body, "snapshotType"), status=values.text(body, "status"),
        taken=values.moment(body, "createdAt"), expires=values.moment(body, "expiresAt"),
        size_gb=None if size is None else size / 2**30, description=values.text(body, "description"),
    )  # fmt: skip


def restore_job(body: Body) -> RestoreJob:
    """A restore; finished is None while it is under way. What is not plainly false counts as failed."""
    return RestoreJob(
        id=values.text(body, "id"), kind=values.text(body, "deliveryType"), snapshot=values.text(body, "snapshotId"),
        finished=values.moment(body, "finishedAt"), into=values.text(body, "targetClusterName"),
        failed=values.at(body, "failed") not in (None, False),
        cancelled=values.at(body, "cancelled") not in (None, False),
        expired=values.flag(body, "expired") or False,
    )  # fmt: skip


def private_endpoints(bodies: Iterable[Body]) -> tuple[str, ...]:
    """Endpoints of services that are AVAILABLE, as `region: endpoint`; a service without an endpoint lets nobody in."""
    found = []
    for body in bodies:
        if values.text(body, "status") == "AVAILABLE":
            region = values.text(body, "regionName") or "(any region)"
            for kind in ("interfaceEndpoints", "privateEndpoints", "endpointGroupNames"):
                found += [f"{region}: {one.rpartition('/')[2]}" for one in values.words(body, kind)]
    return tuple(found)


def peer(body: Body) -> str:
    """The network of a peering that is AVAILABLE; empty for one that is not."""
    if "AVAILABLE" not in (values.text(body, "statusName"), values.text(body, "status")):
        return ""
    names = (values.text(body, key) for key in ("vpcId", "vnetName", "networkName"))
    return next(filter(None, names), "(a network)")


def process(body: Body) -> AtlasProcess:
    """A process of the project. host: the name that connection strings use, where Atlas tells it (userAlias)."""
    return AtlasProcess(
        id=values.text(body, "id"), host=(values.text(body, "userAlias") or values.text(body, "hostname")).lower(),
        port=values.whole(body, "port") or 0, kind=values.text(body, "typeName"), version=values.text(body, "version"),
    )  # fmt: skip


def measurement(body: Body) -> Measurement:
    """A measurement's points in the order of time; a point without a time is left out."""
    timed = [(time, values.number(point, "value")) for point in values.many(body, "dataPoints")
             if (time := values.moment(point, "timestamp")) is not None]  # fmt: skip
    timed.sort(key=lambda point: point[0])
    return Measurement(
        name=values.text(body, "name"), unit=values.text(body, "units"),
        times=tuple(time for time, _ in timed), values=tuple(value for _, value in timed),
    )  # fmt: skip


def suggested(body: Any) -> tuple[SuggestedIndex, ...]:
    """Indexes that the Performance Advisor would create, heaviest first."""
    found = (_index(one, "") for one in values.many(content(body), "suggestedIndexes"))
    return tuple(sorted(found, key=lambda index: -(index.weight or 0)))


def droppable(body: Any) -> tuple[SuggestedIndex, ...]:
    """Indexes that the Performance Advisor would drop, with why: unused, redundant, hidden."""
    return tuple(_index(one, why) for kind, why in DROPS.items() for one in values.many(content(body), kind))


def content(body: Any) -> Any:
    """What an answer in an envelope (`{content, status}`) holds; another as it is."""
    return body["content"] if isinstance(body, dict) and "content" in body else body


def _index(body: Body, why: str) -> SuggestedIndex:
    """Keys of another kind than 1 and -1 (text, hashed, 2dsphere) have the direction 0."""
    keys = [(str(name), direction if type(direction) is int else 0)
            for part in values.many(body, "index") for name, direction in part.items()]  # fmt: skip
    return SuggestedIndex(
        namespace=values.text(body, "namespace"), keys=tuple(keys), name=values.text(body, "name"),
        weight=values.number(body, "weight"), why=why,
    )  # fmt: skip
