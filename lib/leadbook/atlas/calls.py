"""Which endpoint of the Atlas Administration API v2 answers what: its path, its version, the role that it takes.

Names are Atlas's operation ids. versions are pinned one by one, as the published description names them
(openapi/atlas-api-transformed.yaml of mongodb/atlas-sdk-go); `docs/atlas-api.md` is this table, and a test holds both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class AtlasCall:
    """An endpoint. path: below the project, with names in braces.  role: the least project role that may ask.
    asks: what it tells, in words.  reading: the method of AtlasProject that gives it; empty for changes.
    fields: what is read of its answer, dotted."""

    method: Literal["GET", "POST", "PATCH", "DELETE"] = "GET"
    path: str
    version: str = "2023-01-01"
    role: str = "Project Read Only"
    asks: str
    reading: str = ""
    fields: tuple[str, ...] = ()


_CLUSTER = "/clusters/{cluster}"
_CLUSTER_FIELDS = (
    "name", "stateName", "mongoDBVersion", "connectionStrings.standard", "connectionStrings.standardSrv",
    "connectionStrings.private", "connectionStrings.privateSrv", "connectionStrings.privateEndpoint",
    "replicationSpecs.regionConfigs.providerName", "replicationSpecs.regionConfigs.backingProviderName",
    "replicationSpecs.regionConfigs.regionName", "replicationSpecs.regionConfigs.priority",
    "replicationSpecs.regionConfigs.electableSpecs.instanceSize",
    "replicationSpecs.regionConfigs.electableSpecs.nodeCount",
    "replicationSpecs.regionConfigs.electableSpecs.diskSizeGB",
    "replicationSpecs.regionConfigs.electableSpecs.diskIOPS",
    "replicationSpecs.regionConfigs.autoScaling.diskGB.enabled",
    "replicationSpecs.regionConfigs.autoScaling.compute.enabled",
    "replicationSpecs.regionConfigs.autoScaling.compute.minInstanceSize",
    "replicationSpecs.regionConfigs.autoScaling.compute.maxInstanceSize",
    "backupEnabled", "pitEnabled", "advancedConfiguration.minimumEnabledTlsProtocol",
    "terminationProtectionEnabled", "encryptionAtRestProvider", "paused",
)  # fmt: skip
_INDEX_FIELDS = tuple(
    f"content.{kind}.{name}" for kind in ("hiddenIndexes", "redundantIndexes", "unusedIndexes")
    for name in ("namespace", "name", "index")
)  # fmt: skip

CALLS: dict[str, AtlasCall] = {
    "getCluster": AtlasCall(
        path=_CLUSTER, version="2024-08-05", asks="the cluster", reading="cluster", fields=_CLUSTER_FIELDS),
    "listClusters": AtlasCall(
        path="/clusters", version="2024-08-05", asks="the project's clusters", reading="cluster",
        fields=_CLUSTER_FIELDS),
    "listAccessListEntries": AtlasCall(
        path="/accessList", asks="the access list", reading="access_list",
        fields=("cidrBlock", "ipAddress", "awsSecurityGroup", "comment", "deleteAfterDate")),
    "listDatabaseUsers": AtlasCall(
        path="/databaseUsers", asks="database users", reading="users",
        fields=("username", "databaseName", "roles.roleName", "roles.databaseName", "roles.collectionName")),
    "listCustomDbRoles": AtlasCall(
        path="/customDBRoles/roles", asks="custom database roles", reading="custom_roles",
        fields=("roleName", "actions.action", "actions.resources.cluster", "actions.resources.db",
                "inheritedRoles.role", "inheritedRoles.db")),
    "listAlertConfigs": AtlasCall(
        path="/alertConfigs", asks="alert configurations", reading="alert_configs",
        fields=("id", "enabled", "eventTypeName", "metricThreshold.metricName", "metricThreshold.threshold",
                "metricThreshold.operator", "metricThreshold.units", "threshold.threshold", "threshold.operator",
                "threshold.units", "notifications.typeName", "notifications.emailEnabled",
                "notifications.smsEnabled")),
    "getGroupAuditLog": AtlasCall(
        path="/auditLog", role="Project Owner", asks="database auditing", reading="auditing",
        fields=("enabled", "auditFilter")),
    "getEncryptionAtRest": AtlasCall(
        path="/encryptionAtRest", asks="keys of the customer's own", reading="own_keys",
        fields=("awsKms.enabled", "azureKeyVault.enabled", "googleCloudKms.enabled")),
    "getBackupSchedule": AtlasCall(
        path=f"{_CLUSTER}/backup/schedule", version="2024-08-05", asks="the backup policy", reading="backup_policy",
        fields=("nextSnapshot", "restoreWindowDays", "policies.policyItems.frequencyType",
                "policies.policyItems.frequencyInterval", "policies.policyItems.retentionUnit",
                "policies.policyItems.retentionValue")),
    "listBackupSnapshots": AtlasCall(
        path=f"{_CLUSTER}/backup/snapshots", asks="snapshots", reading="snapshots",
        fields=("id", "snapshotType", "status", "createdAt", "expiresAt", "storageSizeBytes")),
    "listBackupRestoreJobs": AtlasCall(
        path=f"{_CLUSTER}/backup/restoreJobs", role="Project Backup Manager", asks="restore jobs",
        reading="restore_jobs",
        fields=("id", "deliveryType", "snapshotId", "finishedAt", "targetClusterName", "failed", "cancelled",
                "expired")),
    "listPrivateEndpointService": AtlasCall(
        path="/privateEndpoint/{provider}/endpointService", asks="private endpoints", reading="private_endpoints",
        fields=("status", "regionName", "interfaceEndpoints", "privateEndpoints", "endpointGroupNames")),
    "listGroupPeers": AtlasCall(
        path="/peers", asks="network peerings", reading="peers",
        fields=("statusName", "status", "vpcId", "vnetName", "networkName")),
    "getProcessArgs": AtlasCall(
        path=f"{_CLUSTER}/processArgs", version="2024-08-05", asks="the cluster's advanced configuration",
        reading="tls_floor", fields=("minimumEnabledTlsProtocol",)),
    "listGroupProcesses": AtlasCall(
        path="/processes", asks="the project's processes", reading="processes",
        fields=("id", "hostname", "userAlias", "port", "typeName", "version")),
    "getProcessMeasurements": AtlasCall(
        path="/processes/{process}/measurements", asks="measurements of a process", reading="measurements",
        fields=("measurements.name", "measurements.units", "measurements.dataPoints.timestamp",
                "measurements.dataPoints.value")),
    "getDiskMeasurements": AtlasCall(
        path="/processes/{process}/disks/{partition}/measurements", asks="measurements of a process's disk",
        reading="measurements",
        fields=("measurements.name", "measurements.units", "measurements.dataPoints.timestamp",
                "measurements.dataPoints.value")),
    "listClusterSuggestedIndexes": AtlasCall(
        path=f"{_CLUSTER}/performanceAdvisor/suggestedIndexes", version="2024-08-05",
        asks="indexes that the Performance Advisor would create", reading="suggested_indexes",
        fields=("content.suggestedIndexes.namespace", "content.suggestedIndexes.index",
                "content.suggestedIndexes.weight")),
    "listDropIndexSuggestions": AtlasCall(
        path=f"{_CLUSTER}/performanceAdvisor/dropIndexSuggestions", version="2024-08-05",
        asks="indexes that the Performance Advisor would drop", reading="droppable_indexes", fields=_INDEX_FIELDS),
    "listSlowQueryLogs": AtlasCall(
        path="/processes/{process}/performanceAdvisor/slowQueryLogs", role="Project Observability Viewer",
        asks="slow queries", reading="slow_queries",
        fields=("slowQueries.namespace", "slowQueries.line", "slowQueries.opType",
                "slowQueries.metrics.operationExecutionTime")),
    "takeSnapshots": AtlasCall(
        method="POST", path=f"{_CLUSTER}/backup/snapshots", role="Project Backup Creator", asks="a snapshot now"),
    "updateCluster": AtlasCall(
        method="PATCH", path=_CLUSTER, version="2024-10-23", role="Project Cluster Manager",
        asks="another tier or disk of the cluster"),
    "createAccessListEntry": AtlasCall(
        method="POST", path="/accessList", role="Project Network Access Manager", asks="an entry of the access list"),
    "deleteAccessListEntry": AtlasCall(
        method="DELETE", path="/accessList/{entry}", role="Project Network Access Manager",
        asks="an entry of the access list"),
}  # fmt: skip
"""By operation id. `deleteAccessListEntry` and `getDiskMeasurements` are of the same description, and not among the
excerpts that answers are validated against; the shape of the latter's answer is."""
