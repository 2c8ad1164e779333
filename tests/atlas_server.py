"""An Atlas on loopback: answers as the published description says, checks credentials and roles, fails when told.

`AtlasServer(hosts=["127.0.0.1:27017"])` stands for the cluster that has these hosts. As a program,
`python tests/atlas_server.py HOST:PORT…` prints what a user exports, and serves until its input ends.
Every answer is validated before it is sent (`atlas_schema`); one that has another shape is a 500, kept in `.wrong`.
"""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import json
import re
import secrets
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import atlas_schema

PROJECT = "32b6e34b3d91647abb20e7b8"
REALM = "MMS Public API"
FREE = ("M0", "M2", "M5", "FLEX")
REASONS = {400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 406: "Not Acceptable",
           409: "Conflict", 429: "Too Many Requests", 500: "Internal Server Error"}  # fmt: skip


def hexes(number: int = 0) -> str:
    """24 hex digits: those of `number`, or random ones."""
    return f"{number:024x}" if number else secrets.token_hex(12)


def ago(**how: float) -> str:
    """A time in the past as Atlas writes it."""
    return stamp(datetime.now(UTC) - timedelta(**how))


def stamp(time_: datetime) -> str:
    return time_.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def alert(event: str, metric: str = "", threshold: float = 0, units: str = "RAW", **also: Any) -> dict[str, Any]:
    """An alert configuration in Atlas's shape, on, that mails the group."""
    told = {"typeName": "GROUP", "delayMin": 0, "intervalMin": 60, "emailEnabled": True, "smsEnabled": False}
    found: dict[str, Any] = {"id": hexes(), "groupId": PROJECT, "enabled": True, "eventTypeName": event,
                             "created": ago(days=30), "updated": ago(days=30), "notifications": [told]}  # fmt: skip
    if metric:
        found["metricThreshold"] = {"metricName": metric, "mode": "AVERAGE", "operator": "GREATER_THAN",
                                    "threshold": threshold, "units": units}  # fmt: skip
    return found | also


def snapshot(kind: str = "scheduled", status: str = "completed", hours: float = 3, days: int = 7) -> dict[str, Any]:
    """A snapshot in Atlas's shape, taken `hours` ago and kept `days`."""
    found = {"id": hexes(), "snapshotType": kind, "status": status, "type": "REPLICA_SET", "cloudProvider": "AWS",
             "mongodVersion": "8.0.4", "replicaSetName": "atlas-rs",
             "frequencyType": "ondemand" if kind == "onDemand" else "daily"}  # fmt: skip
    if status == "completed":
        found |= {"createdAt": ago(hours=hours), "expiresAt": ago(hours=hours - 24 * days),
                  "storageSizeBytes": 3 * 2**30}  # fmt: skip
    return found


def restore(of: str, into: str = "leads-drill", hours: float = 1, **also: Any) -> dict[str, Any]:
    """A finished restore in Atlas's shape."""
    return {"id": hexes(), "deliveryType": "automated", "snapshotId": of, "targetClusterName": into,
            "targetGroupId": PROJECT, "timestamp": ago(hours=hours + 1), "finishedAt": ago(hours=hours),
            "failed": False, "cancelled": False, "expired": False} | also  # fmt: skip


def user(name: str, *roles: str, **also: Any) -> dict[str, Any]:
    """A database user with roles such as `readWrite@lead_generation`."""
    held = [{"roleName": role.partition("@")[0], "databaseName": role.partition("@")[2] or "admin"} for role in roles]
    none = dict.fromkeys(("awsIAMType", "ldapAuthType", "oidcAuthType", "x509Type"), "NONE")
    return {"username": name, "databaseName": "admin", "groupId": PROJECT, "roles": held, "scopes": [],
            **none} | also  # fmt: skip


def slow(namespace: str, filter_: dict[str, Any], ms: int = 350, plan: str = "COLLSCAN", minutes: float = 10,
         examined: int = 20_000, returned: int = 1) -> dict[str, Any]:  # fmt: skip
    """An entry of slowQueryLogs whose line is mongod's."""
    database, _, collection = namespace.partition(".")
    command = {"find": collection, "filter": filter_, "$db": database}
    told = {"type": "command", "ns": namespace, "command": command, "planSummary": plan, "keysExamined": 0,
            "docsExamined": examined, "nreturned": returned, "durationMillis": ms}  # fmt: skip
    at = ago(minutes=minutes).replace("Z", ".000+00:00")
    line = {
        "t": {"$date": at},
        "s": "I",
        "c": "COMMAND",
        "id": 51803,
        "ctx": "conn1",
        "msg": "Slow query",
        "attr": told,
    }
    return {"namespace": namespace, "opType": "query", "line": json.dumps(line),
            "metrics": {"docsExamined": examined, "docsReturned": returned, "keysExamined": 0,
                        "operationExecutionTime": ms}}  # fmt: skip


def _alerts() -> list[dict[str, Any]]:
    return [
        alert("OUTSIDE_METRIC_THRESHOLD", "NORMALIZED_SYSTEM_CPU_USER", 80),
        alert("OUTSIDE_METRIC_THRESHOLD", "DISK_PARTITION_SPACE_USED_DATA", 80),
        alert("OUTSIDE_METRIC_THRESHOLD", "CONNECTIONS_PERCENT", 80),
        alert("OUTSIDE_METRIC_THRESHOLD", "OPLOG_SLAVE_LAG_MASTER_TIME", 60, "SECONDS"),
        alert("NO_PRIMARY"),
    ]


def _schedule() -> dict[str, Any]:
    rows = (("hourly", 6, "days", 7), ("daily", 1, "days", 7), ("weekly", 6, "weeks", 4), ("monthly", 40, "months", 12))
    items = [{"id": hexes(), "frequencyType": kind, "frequencyInterval": every, "retentionUnit": unit,
              "retentionValue": value} for kind, every, unit, value in rows]  # fmt: skip
    return {"clusterId": hexes(7), "clusterName": "leads", "nextSnapshot": ago(hours=-3), "restoreWindowDays": 7,
            "referenceHourOfDay": 3, "referenceMinuteOfHour": 0,
            "policies": [{"id": hexes(), "policyItems": items}]}  # fmt: skip


def _measures() -> dict[str, tuple[str, float | None]]:
    return {
        "SYSTEM_NORMALIZED_CPU_USER": ("PERCENT", 21.5), "PROCESS_NORMALIZED_CPU_USER": ("PERCENT", 18.0),
        "SYSTEM_CPU_STEAL": ("PERCENT", 0.0), "SYSTEM_NORMALIZED_CPU_STEAL": ("PERCENT", 0.0),
        "SYSTEM_NORMALIZED_CPU_NICE": ("PERCENT", 0.0), "SYSTEM_NORMALIZED_CPU_IRQ": ("PERCENT", 0.0),
        "SYSTEM_NORMALIZED_CPU_SOFTIRQ": ("PERCENT", 0.4),
        "SYSTEM_NORMALIZED_CPU_IOWAIT": ("PERCENT", 1.2), "SYSTEM_NORMALIZED_CPU_KERNEL": ("PERCENT", 3.1),
        "SYSTEM_MEMORY_AVAILABLE": ("KILOBYTES", 4.1e6), "SYSTEM_MEMORY_USED": ("KILOBYTES", 3.9e6),
        "MEMORY_RESIDENT": ("MEGABYTES", 2_900.0), "CONNECTIONS": ("SCALAR", 42.0),
        "DISK_PARTITION_IOPS_TOTAL": ("SCALAR_PER_SECOND", 210.0),
        "DISK_PARTITION_IOPS_READ": ("SCALAR_PER_SECOND", 30.0),
        "DISK_PARTITION_IOPS_WRITE": ("SCALAR_PER_SECOND", 180.0),
        "DISK_PARTITION_SPACE_USED": ("BYTES", 9.0e9), "DISK_PARTITION_SPACE_FREE": ("BYTES", 3.4e10),
        "DISK_PARTITION_SPACE_PERCENT_USED": ("PERCENT", 21.0), "DISK_PARTITION_SPACE_PERCENT_FREE": ("PERCENT", 79.0),
        "DISK_PARTITION_UTILIZATION": ("PERCENT", 12.0), "DISK_PARTITION_LATENCY_READ": ("MILLISECONDS", 0.8),
        "DISK_PARTITION_LATENCY_WRITE": ("MILLISECONDS", 1.1),
        "OPLOG_SLAVE_LAG_MASTER_TIME": ("SECONDS", 0.0), "OPLOG_MASTER_TIME": ("SECONDS", 180_000.0),
        "CACHE_BYTES_READ_INTO": ("BYTES_PER_SECOND", 0.0), "OPCOUNTER_INSERT": ("SCALAR_PER_SECOND", 40.0),
        "QUERY_TARGETING_SCANNED_OBJECTS_PER_RETURNED": ("SCALAR", 1.0),
    }  # fmt: skip


@dataclass
class AtlasState:
    """What this Atlas holds; change it as you like between questions. Lists and mappings are in Atlas's own shape."""

    project: str = PROJECT
    cluster: str = "leads"
    provider: str = "AWS"
    region: str = "EU_CENTRAL_1"
    tier: str = "M30"
    disk_gb: float = 40.0
    iops: int = 3000
    members: int = 3
    version: str = "8.0.4"
    status: str = "IDLE"
    backup: bool = True
    point_in_time: bool = True
    termination_protection: bool = True
    tls_floor: str = "TLS1_2"
    own_key: str = "NONE"
    scales_disk: bool = True
    scales_tier: bool = False
    lowest_tier: str = ""
    highest_tier: str = ""
    paused: bool = False
    srv: str = "leads.abc12.mongodb.net"
    access_list: list[dict[str, Any]] = field(
        default_factory=lambda: [{"cidrBlock": "203.0.113.7/32", "ipAddress": "203.0.113.7", "comment": "collectors"}]
    )
    users: list[dict[str, Any]] = field(
        default_factory=lambda: [
            user("app", "readWrite@lead_generation"),
            user("reports", "read@lead_generation"),
            user("dba", "clusterMonitor@admin", "dbAdmin@lead_generation", "readWrite@lead_generation"),
            user("n8n", "leadbookCollector@admin"),
        ]
    )
    custom_roles: list[dict[str, Any]] = field(
        default_factory=lambda: [
            {
                "roleName": "leadbookCollector",
                "inheritedRoles": [],
                "actions": [
                    {
                        "action": "INSERT",
                        "resources": [{"cluster": False, "db": "lead_generation", "collection": "raw_leads"}],
                    }
                ],
            }
        ]
    )
    alerts: list[dict[str, Any]] = field(default_factory=_alerts)
    auditing: dict[str, Any] = field(
        default_factory=lambda: {
            "enabled": True,
            "auditFilter": "{}",
            "auditAuthorizationSuccess": False,
            "configurationType": "FILTER_JSON",
        }
    )
    encryption: dict[str, Any] = field(
        default_factory=lambda: {
            "awsKms": {"enabled": False},
            "azureKeyVault": {"enabled": False},
            "googleCloudKms": {"enabled": False},
        }
    )
    schedule: dict[str, Any] = field(default_factory=_schedule)
    snapshots: list[dict[str, Any]] = field(
        default_factory=lambda: [snapshot("onDemand", hours=4, days=30), snapshot(hours=3), snapshot(hours=27)]
    )
    restores: list[dict[str, Any]] = field(default_factory=list)
    endpoints: list[dict[str, Any]] = field(default_factory=list)
    peers: list[dict[str, Any]] = field(default_factory=list)
    args: dict[str, Any] = field(
        default_factory=lambda: {
            "minimumEnabledTlsProtocol": "TLS1_2",
            "javascriptEnabled": False,
            "noTableScan": False,
            "defaultWriteConcern": "majority",
            "oplogMinRetentionHours": 24.0,
        }
    )
    measures: dict[str, tuple[str, float | None]] = field(default_factory=_measures)
    suggested: list[dict[str, Any]] = field(default_factory=list)
    droppable: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    slow_queries: list[dict[str, Any]] = field(default_factory=list)
    others: list[dict[str, Any]] = field(default_factory=list)
    """Other clusters of the project, as Atlas describes them."""
    token_s: int = 3600
    """Life of a token in seconds."""
    key_roles: set[str] = field(default_factory=lambda: {"Project Owner"})
    """Project roles of whoever asks; Project Owner may do everything."""
    snapshot_turns: int = 2
    """A snapshot that was asked for is completed when it is listed for the so-manieth time."""
    scale_turns: int = 2
    """A cluster that was changed is IDLE again when it is asked for the so-manieth time."""


class _Refused(Exception):  # noqa: N818
    def __init__(self, status: int, code: str, detail: str = "", headers: dict[str, str] | None = None) -> None:
        self.status, self.code, self.detail, self.headers = status, code, detail, headers or {}


class _Cut(Exception):  # noqa: N818
    """Close the connection without another byte."""


class AtlasServer:
    """A context manager. hosts: `host:port` of the cluster's members.  state: an AtlasState, or what differs from one.

    .requests: `(method, path below the project, query)` of what was asked.  .wrong: answers that had another shape.
    """

    def __init__(self, hosts: list[str] | tuple[str, ...] = ("127.0.0.1:27017",),
                 state: AtlasState | dict[str, Any] | None = None, *,
                 tls: ssl.SSLContext | None = None) -> None:  # fmt: skip
        atlas_schema.faults_of("error", {})  # read the shapes before somebody waits for an answer
        self.hosts = list(hosts)
        self.state = state if isinstance(state, AtlasState) else AtlasState(**(state or {}))
        self.requests: list[tuple[str, str, dict[str, list[str]]]] = []
        self.wrong: list[str] = []
        self.client_id, self.client_secret = "mdb_sa_id_0001", "mdb_sa_sk_" + secrets.token_hex(12)
        self.public_key, self.private_key = "abcdefgh", secrets.token_hex(16)
        self.tokens: dict[str, float] = {}
        self.tokens_given = 0
        self._nonces: set[str] = set()
        self._faults: list[tuple[str, str, str, list[int], dict[str, Any]]] = []
        self._turns: dict[str, int] = {}
        self._changing: dict[str, Any] = {}
        self._lock = threading.RLock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.url = f"http{'s' * (tls is not None)}://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> AtlasServer:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def environment(self, *, digest: bool = False) -> dict[str, str]:
        """The variables that a user exports."""
        login = {"ATLAS_PUBLIC_KEY": self.public_key, "ATLAS_PRIVATE_KEY": self.private_key} if digest else {
            "ATLAS_CLIENT_ID": self.client_id, "ATLAS_CLIENT_SECRET": self.client_secret}  # fmt: skip
        return {"ATLAS_API_URL": self.url, **login}

    def fault(self, path: str, kind: str | int, times: int | None = None, *, method: str = "", **how: Any) -> None:
        """Fail requests whose path (below the project; `token` for tokens; `` for all) holds `path`.

        kind: 401, 403, 404, 406, 429, 500 or another status; `slow` (seconds=), `cut`, `half` (half an answer),
        `lost` (done, no answer), `page` (not Atlas), `redirect`, `older` (knows versions before 2023-02-01 only),
        `pages` (an entry a page).
        times: how often, for ever where None.  method: `POST` only.  code=, detail=, retry_after= say more.
        """
        self._faults.append((path, str(kind), method, [10**9 if times is None else times], how))

    def mend(self) -> None:
        """No more faults."""
        self._faults.clear()

    # ---------------------------------------------------------------------------------------------- what it answers

    def description(self) -> dict[str, Any]:
        """The cluster as Atlas describes it."""
        state, free = self.state, self.state.tier in FREE
        spec: dict[str, Any] = {"instanceSize": state.tier, "nodeCount": state.members}
        region: dict[str, Any] = {"providerName": "TENANT" if free else state.provider, "regionName": state.region,
                                  "priority": 7, "electableSpecs": spec}  # fmt: skip
        if free:
            region["backingProviderName"] = state.provider
        else:
            spec |= {"diskSizeGB": state.disk_gb, "diskIOPS": state.iops, "ebsVolumeType": "STANDARD"}
            compute = {"enabled": state.scales_tier, "scaleDownEnabled": False}
            compute |= {"minInstanceSize": state.lowest_tier} if state.lowest_tier else {}
            compute |= {"maxInstanceSize": state.highest_tier} if state.highest_tier else {}
            region["autoScaling"] = {"diskGB": {"enabled": state.scales_disk}, "compute": compute}
        return {
            "id": hexes(7), "groupId": state.project, "name": state.cluster, "clusterType": "REPLICASET",
            "stateName": state.status, "mongoDBVersion": state.version, "createDate": ago(days=40),
            "mongoDBMajorVersion": state.version.rpartition(".")[0], "backupEnabled": state.backup,
            "pitEnabled": state.point_in_time, "paused": state.paused, "encryptionAtRestProvider": state.own_key,
            "terminationProtectionEnabled": state.termination_protection,
            "connectionStrings": {
                "standard": f"mongodb://{','.join(self.hosts)}/?ssl=true&authSource=admin&replicaSet=atlas-rs",
                "standardSrv": f"mongodb+srv://{state.srv}"},
            "advancedConfiguration": {"minimumEnabledTlsProtocol": state.tls_floor},
            "replicationSpecs": [{"id": hexes(8), "zoneId": hexes(9), "zoneName": "Zone 1", "regionConfigs": [region]}],
        }  # fmt: skip

    def _processes(self) -> list[dict[str, Any]]:
        if self.state.tier in FREE:
            return []
        found = []
        for number, host in enumerate(self.hosts):
            name, _, port = host.rpartition(":")
            kind = "REPLICA_PRIMARY" if number == 0 else "REPLICA_SECONDARY"
            found.append({"id": f"{name}:{port}", "groupId": self.state.project, "hostname": name, "userAlias": name,
                          "port": int(port), "typeName": kind, "version": self.state.version,
                          "replicaSetName": "atlas-rs", "lastPing": ago(seconds=20)})  # fmt: skip
        for other in self.state.others:
            name = f"{other['name']}-shard-00-00.abc12.mongodb.net"
            found.append({"id": f"{name}:27017", "groupId": self.state.project, "hostname": name, "userAlias": name,
                          "port": 27017, "typeName": "REPLICA_PRIMARY", "version": "8.0.4"})  # fmt: skip
        return found

    def answer(self, method: str, path: str, query: dict[str, list[str]], body: Any) -> tuple[str, Any]:
        """The call's key in atlas_shapes.yaml and its answer. Raises _Refused."""
        key, where = self._call(method, path)
        if "clusterName" in where:
            known = {self.state.cluster, *(other["name"] for other in self.state.others)}
            if where["clusterName"] not in known:
                raise _Refused(
                    404, "CLUSTER_NOT_FOUND", f"No cluster named {where['clusterName']} exists in this group."
                )
            if self.state.tier in FREE and path.count("/") > 2:
                raise _Refused(400, "TENANT_CLUSTER_NOT_SUPPORTED", "Tenant clusters do not offer this.")
        if "processId" in where and where["processId"] not in {one["id"] for one in self._processes()}:
            raise _Refused(404, "HOST_NOT_FOUND", "No such process.")
        call = atlas_schema.ours()["calls"][key]
        if not self.state.key_roles & {"Project Owner", *call["roles"]}:
            raise _Refused(403, "USER_UNAUTHORIZED", "Current user is not authorized to perform this action.")
        if "body" in call and (wrong := atlas_schema.faults_of(key, body, sent=True)):
            raise _Refused(400, "INVALID_ATTRIBUTE", "; ".join(wrong)[:300])
        found = self._answers(key, where, query, body)
        if "page" in call:
            return key, self._page(found, query, path)
        return key, found

    def _call(self, method: str, path: str) -> tuple[str, dict[str, str]]:
        for key in atlas_schema.ours()["calls"]:
            wanted, _, form = key.partition(" ")
            pattern = re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(form))
            if wanted == method and (match := re.fullmatch(pattern, path or "/")):
                return key, {name: unquote(value) for name, value in match.groupdict().items()}
        raise _Refused(404, "RESOURCE_NOT_FOUND", "Cannot find resource.")

    def _page(self, entries: list[dict[str, Any]], query: dict[str, list[str]], path: str) -> dict[str, Any]:
        number, size = int(query.get("pageNum", ["1"])[0]), int(query.get("itemsPerPage", ["100"])[0])
        if not 1 <= size <= 500 or number < 1:
            raise _Refused(400, "VALIDATION_ERROR", "itemsPerPage must be between 1 and 500.")
        size = 1 if self._fault_of("GET", path, ("pages",)) else size
        return {"results": entries[(number - 1) * size : number * size], "totalCount": len(entries)}

    def _answers(self, key: str, where: dict[str, str], query: dict[str, list[str]], body: Any) -> Any:
        state = self.state
        plain: dict[str, Callable[[], Any]] = {
            "GET /": lambda: {"id": state.project, "name": "leads", "orgId": hexes(3), "clusterCount": 1,
                              "created": ago(days=90)},
            "GET /accessList": self._entries,
            "POST /accessList": lambda: self._add(body),
            "DELETE /accessList/{entryValue}": lambda: self._remove(where["entryValue"]),
            "GET /alertConfigs": lambda: state.alerts,
            "GET /auditLog": lambda: state.auditing,
            "GET /clusters": lambda: [*state.others, self.description()],
            "GET /clusters/{clusterName}": lambda: self._described(where["clusterName"]),
            "PATCH /clusters/{clusterName}": lambda: self._scale(body),
            "GET /clusters/{clusterName}/backup/restoreJobs": lambda: state.restores,
            "GET /clusters/{clusterName}/backup/schedule": lambda: state.schedule,
            "GET /clusters/{clusterName}/backup/snapshots": self._listed_snapshots,
            "POST /clusters/{clusterName}/backup/snapshots": lambda: self._take(body),
            "GET /clusters/{clusterName}/performanceAdvisor/dropIndexSuggestions": lambda: {
                "status": 200, "content": {kind: state.droppable.get(kind, []) for kind in
                                           ("hiddenIndexes", "redundantIndexes", "unusedIndexes")}},
            "GET /clusters/{clusterName}/performanceAdvisor/schemaAdvice": lambda: {
                "status": 200, "content": {"recommendations": []}},
            "GET /clusters/{clusterName}/performanceAdvisor/suggestedIndexes": lambda: {
                "status": 200, "content": {"suggestedIndexes": state.suggested, "shapes": []}},
            "GET /clusters/{clusterName}/processArgs": lambda: state.args,
            "GET /containers": lambda: [{"id": hexes(5), "providerName": state.provider, "provisioned": True}],
            "GET /customDBRoles/roles": lambda: state.custom_roles,
            "GET /databaseUsers": lambda: state.users,
            "GET /encryptionAtRest": lambda: state.encryption,
            "GET /peers": lambda: [one for one in state.peers
                                   if one.get("providerName") == query.get("providerName", ["AWS"])[0]],
            "GET /privateEndpoint/{cloudProvider}/endpointService": lambda: [
                one for one in state.endpoints if one["cloudProvider"] == where["cloudProvider"]],
            "GET /processes": self._processes,
            "GET /processes/{processId}/measurements": lambda: self._measured(where["processId"], query, disk=False),
            "GET /processes/{processId}/disks/{partitionName}/measurements": lambda: self._of_disk(where, query),
            "GET /processes/{processId}/performanceAdvisor/namespaces": lambda: {"namespaces": [
                {"namespace": name, "type": "collection"}
                for name in sorted({one["namespace"] for one in state.slow_queries})]},
            "GET /processes/{processId}/performanceAdvisor/slowQueryLogs": lambda: self._slow(query),
            "GET /processes/{processId}/performanceAdvisor/suggestedIndexes": lambda: {
                "suggestedIndexes": state.suggested, "shapes": []},
        }  # fmt: skip
        return plain[key]()

    def _entries(self) -> list[dict[str, Any]]:
        """The access list; an IPv6 network in its long form, as the published pattern wants it."""
        found = []
        for entry in self.state.access_list:
            shown = {"groupId": self.state.project, **entry}
            if ":" in shown.get("cidrBlock", ""):
                shown["cidrBlock"] = ipaddress.ip_network(shown["cidrBlock"]).exploded
            found.append(shown)
        return found

    def _add(self, body: Any) -> list[dict[str, Any]]:
        if not isinstance(body, list) or not body:
            raise _Refused(400, "INVALID_ATTRIBUTE", "The body must be a list of entries.")
        for entry in body:
            if not isinstance(entry, dict) or set(entry) - {"cidrBlock", "ipAddress", "awsSecurityGroup", "comment",
                                                            "deleteAfterDate", "groupId"}:  # fmt: skip
                raise _Refused(400, "INVALID_ATTRIBUTE", "An entry holds an attribute that is not known.")
            try:
                ipaddress.ip_network(entry.get("cidrBlock") or entry.get("ipAddress") or "")
            except ValueError:
                raise _Refused(400, "ATLAS_INVALID_NETWORK_PERMISSION_ENTRY", "An entry is no network.") from None
        for entry in body:
            cidr = str(ipaddress.ip_network(entry.get("cidrBlock") or entry["ipAddress"]))
            kept = [one for one in self.state.access_list if one.get("cidrBlock") != cidr]
            self.state.access_list[:] = [*kept, entry | {"cidrBlock": cidr}]
        return self._entries()

    def _remove(self, entry: str) -> None:
        names = {"cidrBlock", "ipAddress", "awsSecurityGroup"}
        kept = [one for one in self.state.access_list if entry not in {one.get(name) for name in names}]
        if len(kept) == len(self.state.access_list):
            raise _Refused(404, "ATLAS_NETWORK_PERMISSION_ENTRY_NOT_FOUND", "No such entry.")
        self.state.access_list[:] = kept

    def _described(self, name: str) -> dict[str, Any]:
        if name != self.state.cluster:
            return next(other for other in self.state.others if other["name"] == name)
        if self.state.status == "UPDATING":
            self._turns["scale"] = self._turns.get("scale", self.state.scale_turns) - 1
            if self._turns["scale"] <= 0:
                for key, value in self._changing.items():
                    setattr(self.state, key, value)
                self.state.status, self._changing = "IDLE", {}
                del self._turns["scale"]
        return self.description()

    def _scale(self, body: Any) -> dict[str, Any]:
        if self.state.status != "IDLE":
            raise _Refused(409, "CLUSTER_UPDATE_IN_PROGRESS", "The cluster is being changed.")
        try:
            regions = [region for spec in body["replicationSpecs"] for region in spec["regionConfigs"]]
            spec = regions[0]["electableSpecs"]
            wanted = {"tier": spec["instanceSize"], "disk_gb": float(spec.get("diskSizeGB", self.state.disk_gb))}
        except (TypeError, KeyError, IndexError):
            raise _Refused(400, "INVALID_ATTRIBUTE", "replicationSpecs are not whole.") from None
        if not re.fullmatch(r"[MR]\d+(_NVME)?", wanted["tier"]):
            raise _Refused(400, "INVALID_ENUM_VALUE", "An invalid instance size was given.")
        self.state.status, self._changing = "UPDATING", wanted
        return self.description()

    def _take(self, body: Any) -> dict[str, Any]:
        days = body.get("retentionInDays") if isinstance(body, dict) else None
        if not isinstance(days, int) or days < 1:
            raise _Refused(400, "INVALID_ATTRIBUTE", "retentionInDays must be at least 1.")
        if not self.state.backup:
            raise _Refused(400, "BACKUPS_NOT_ENABLED", "Backup is not enabled for this cluster.")
        taken = snapshot("onDemand", "queued") | {"description": str(body.get("description", ""))}
        self.state.snapshots.insert(0, taken)
        self._turns[taken["id"]] = self.state.snapshot_turns
        self._changing_days = days
        return taken

    def _listed_snapshots(self) -> list[dict[str, Any]]:
        for one in self.state.snapshots:
            if one["id"] in self._turns:
                self._turns[one["id"]] -= 1
                one["status"] = "inProgress"
                if self._turns[one["id"]] <= 0:
                    done = snapshot("onDemand", hours=0, days=self._changing_days)
                    one |= {key: done[key] for key in ("status", "createdAt", "expiresAt", "storageSizeBytes")}
                    del self._turns[one["id"]]
        return self.state.snapshots

    def _of_disk(self, where: dict[str, str], query: dict[str, list[str]]) -> dict[str, Any]:
        if where["partitionName"] != "data":
            raise _Refused(404, "PARTITION_NOT_FOUND", "No such partition.")
        return self._measured(where["processId"], query, disk=True) | {"partitionName": "data"}

    def _measured(self, process: str, query: dict[str, list[str]], *, disk: bool) -> dict[str, Any]:
        period = re.fullmatch(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?)?", query.get("period", [""])[0])
        if query.get("granularity", [""])[0] not in ("PT10S", "PT1M", "PT5M", "PT1H", "P1D") or not period:
            raise _Refused(400, "INVALID_QUERY_PARAMETER", "granularity and period are needed.")
        offered = [name for name in self.state.measures if name.startswith("DISK_") == disk]
        names = query.get("m", offered)
        if len(names) > 10 and "m" in query:
            raise _Refused(400, "INVALID_QUERY_PARAMETER", "m holds 10 values at most.")
        if unknown := [name for name in names if name not in offered]:
            raise _Refused(400, "INVALID_METRIC_NAME", f"Unknown: {unknown[0]}")
        days, hours, minutes = (int(part or 0) for part in period.groups())
        count = max(1, min(60, days * 1440 + hours * 60 + minutes))
        times = [ago(minutes=count - number) for number in range(count)]
        found = []
        for name in names:
            unit, value = self.state.measures[name]
            points = [{"timestamp": at} | ({} if value is None else {"value": value}) for at in times]
            found.append({"name": name, "units": unit, "dataPoints": points})
        return {"groupId": self.state.project, "processId": process, "hostId": process, "granularity": "PT1M",
                "start": times[0], "end": ago(), "measurements": found}  # fmt: skip

    def _slow(self, query: dict[str, list[str]]) -> dict[str, Any]:
        since = int(query.get("since", ["1199145600000"])[0])
        if since < 1199145600000:
            raise _Refused(400, "INVALID_QUERY_PARAMETER", "since is too early.")
        most, wanted = int(query.get("nLogs", ["20000"])[0]), set(query.get("namespaces", []))
        found = []
        for one in self.state.slow_queries:
            at = datetime.fromisoformat(json.loads(one["line"])["t"]["$date"]).timestamp() * 1000
            if at >= since and (not wanted or one["namespace"] in wanted):
                hidden = {"metrics"} if query.get("includeMetrics", ["false"])[0] != "true" else set()
                found.append({key: value for key, value in one.items() if key not in hidden})
        return {"slowQueries": found[:most]}

    # ------------------------------------------------------------------------------------------------- credentials

    def _may(self, method: str, uri: str, header: str) -> None:
        kind, _, rest = header.partition(" ")
        if kind == "Bearer" and self.tokens.get(rest, 0) > time.monotonic():
            return
        if kind == "Digest" and self._digest(method, uri, rest):
            return
        nonce = secrets.token_hex(16)
        self._nonces.add(nonce)
        asked = f'Digest realm="{REALM}", domain="", nonce="{nonce}", algorithm=MD5, qop="auth", stale=false'
        raise _Refused(401, "UNAUTHORIZED", "You are not authorized for this resource.", {"WWW-Authenticate": asked})

    def _digest(self, method: str, uri: str, header: str) -> bool:
        told = {name: value for name, _, value in re.findall(r'(\w+)=("?)([^",]*)\2', header)}

        def md5(*parts: str) -> str:
            return hashlib.md5(":".join(parts).encode(), usedforsecurity=False).hexdigest()

        wanted = md5(md5(self.public_key, REALM, self.private_key), told.get("nonce", ""), told.get("nc", ""),
                     told.get("cnonce", ""), "auth", md5(method, uri))  # fmt: skip
        return told.get("nonce") in self._nonces and told.get("uri") == uri and told.get("username") == (
            self.public_key) and secrets.compare_digest(told.get("response", ""), wanted)  # fmt: skip

    def _token(self, header: str, body: str) -> dict[str, Any]:
        wanted = base64.b64encode(f"{self.client_id}:{self.client_secret}".encode()).decode()
        if header != f"Basic {wanted}" or parse_qs(body).get("grant_type") != ["client_credentials"]:
            raise _Refused(401, "UNAUTHORIZED", "invalid_client")
        token = secrets.token_urlsafe(24)
        self.tokens[token] = time.monotonic() + self.state.token_s
        self.tokens_given += 1
        return {"access_token": token, "expires_in": self.state.token_s, "token_type": "Bearer"}

    # ------------------------------------------------------------------------------------------------------- faults

    def _fault_of(self, method: str, path: str, kinds: tuple[str, ...] = ()) -> tuple[str, dict[str, Any]] | None:
        with self._lock:
            for wanted, kind, only, left, how in self._faults:
                counts = kind in kinds if kinds else kind != "pages"
                if wanted in path and only in ("", method) and left[0] > 0 and counts:
                    left[0] -= 1
                    return kind, how
        return None

    def _fail(self, method: str, path: str, accept: str) -> str:
        """Fail as `fault` said; `half` is for the handler to do."""
        found = self._fault_of(method, path)
        if found is None:
            return ""
        kind, how = found
        if kind == "slow":
            time.sleep(how.get("seconds", 3.0))
        elif kind == "cut":
            raise _Cut
        elif kind == "older" and not path.startswith("token"):
            version = re.search(r"\d{4}-\d\d-\d\d", accept)
            if version and version[0] > "2023-02-01":
                raise _Refused(406, "INVALID_VERSION_DATE", "This version is not known.")
        elif kind.isdigit():
            codes = {401: "UNAUTHORIZED", 403: "USER_UNAUTHORIZED", 404: "RESOURCE_NOT_FOUND", 429: "RATE_LIMITED",
                     406: "NOT_ACCEPTABLE"}  # fmt: skip
            headers = {"Retry-After": str(how["retry_after"])} if "retry_after" in how else {}
            raise _Refused(int(kind), how.get("code", codes.get(int(kind), "UNEXPECTED_ERROR")),
                           how.get("detail", "As the test wants it."), headers)  # fmt: skip
        return kind


def _handler(atlas: AtlasServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def serve(self) -> None:
            text = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            try:
                self.take(text)
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True  # whoever asked has gone
            except _Cut:
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
            except _Refused as refused:
                body = {"error": refused.status, "errorCode": refused.code, "detail": refused.detail,
                        "reason": REASONS.get(refused.status, "Error"), }  # fmt: skip
                if wrong := atlas_schema.faults_of("error", body):
                    atlas.wrong += wrong
                self.say(refused.status, body, "application/json", refused.headers)

        def take(self, text: str) -> None:
            url = urlsplit(self.path)
            header, accept = self.headers.get("Authorization", ""), self.headers.get("Accept", "")
            if url.path == "/api/oauth/token" and self.command == "POST":
                atlas._fail("POST", "token", accept)
                self.say(200, atlas._token(header, text), "application/json")
                return
            base, query = f"/api/atlas/v2/groups/{atlas.state.project}", parse_qs(url.query)
            path = url.path.removeprefix(base) if url.path.startswith(base) else url.path
            atlas._may(self.command, self.path, header)
            atlas.requests.append((self.command, unquote(path), query))
            kind = atlas._fail(self.command, unquote(path), accept)
            if not url.path.startswith(base):
                raise _Refused(404, "GROUP_NOT_FOUND", "No group with this id exists.")
            if kind == "page":
                self.say(200, "<html>a proxy's page</html>", "text/html")
            elif kind == "redirect":
                self.say(302, {}, "application/json", {"Location": "http://127.0.0.1:1/elsewhere"})
            else:
                self.answer(path, query, accept, text, half=kind == "half", lost=kind == "lost")

        def answer(self, path: str, query: dict[str, list[str]], accept: str, text: str, *, half: bool,
                   lost: bool) -> None:  # fmt: skip
            with atlas._lock:
                key, body = atlas.answer(self.command, path, query, json.loads(text) if text else None)
                call = atlas_schema.ours()["calls"][key]
                asked = re.fullmatch(r"application/vnd\.atlas\.(\d{4}-\d\d-\d\d)\+json", accept)
                if "body" in call and self.headers.get("Content-Type", "") != accept:
                    raise _Refused(415, "UNSUPPORTED_MEDIA_TYPE", "The body's version is another one.")
                if not asked or asked[1] < call["version"]:
                    raise _Refused(406, "VERSION_NOT_FOUND", "No such version of this resource.")
                if lost:
                    raise _Cut
                if wrong := atlas_schema.faults_of(key, body):
                    atlas.wrong += [f"{key}: {one}" for one in wrong]
                    raise _Refused(500, "UNEXPECTED_ERROR", "; ".join(atlas.wrong)[:300])
            kind = f"application/vnd.atlas.{call['version']}+json"
            self.say(call.get("status", 200), body, kind, {"RateLimit-Remaining": "99"}, half=half)

        def say(self, status: int, body: Any, kind: str, headers: dict[str, str] | None = None, *,
                half: bool = False) -> None:  # fmt: skip
            data = b"" if status == 204 else (body if isinstance(body, str) else json.dumps(body)).encode()
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(data)))
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data[: len(data) // 2] if half else data)
            if half:
                self.wfile.flush()
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)

        do_GET = do_POST = do_PATCH = do_DELETE = serve  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    return Handler


def main(hosts: list[str]) -> None:
    """Print the exports, and serve until the input ends."""
    with AtlasServer(hosts=hosts or ["127.0.0.1:27017"]) as server:
        for name, value in {**server.environment(), "ATLAS_PROJECT": server.state.project}.items():
            print(f"export {name}={value}", flush=True)  # noqa: T201
        sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1:])
