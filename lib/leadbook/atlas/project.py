"""One Atlas project and the cluster of it that MONGODB_URI means: what it says of itself, each asked once."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, TypeVar

from leadbook.atlas import login, parsing, values
from leadbook.atlas.calls import CALLS
from leadbook.atlas.client import AtlasClient
from leadbook.atlas.clusters import cluster_of, hosts_in, hosts_of
from leadbook.atlas.failures import AtlasAbsentError, AtlasDeniedError
from leadbook.atlas.records import (
    AccessEntry,
    AlertConfig,
    AtlasCluster,
    AtlasProcess,
    AtlasSlowQuery,
    AtlasSnapshot,
    Auditing,
    BackupPolicy,
    CustomRole,
    DatabaseUser,
    Measurement,
    RestoreJob,
    SuggestedIndex,
)
from leadbook.atlas.slow import slow_query
from leadbook.core import connect
from leadbook.core.errors import ParameterError, RefusedError
from leadbook.core.settings import Settings

T = TypeVar("T")

MOST_MEASURES = 10
"""Measurements that one request may name (published description)."""
MOST_LOGS = 1_000
"""Slow queries of a process that are read: enough to judge by; Atlas gives 20,000 at most."""
DISK, PARTITION = "DISK_", "data"
"""Measurements whose name begins so are a disk's, and asked of its partition; Atlas calls the data's `data`."""
GRANULARITY = "PT1M"
"""Atlas's finest that every dedicated tier has."""


class AtlasProject:
    """Asks about one cluster of a project. Each question is asked once and its answer remembered, a denial too.

    project: the group id.  cluster: its name.  hosts: `host:port` of its members and its SRV name.
    Every method raises a LeadbookError of one line: AtlasDeniedError (401, 403), AtlasAbsentError (not offered),
    UnreachableError and others. A context manager: leaving it closes connections.
    """

    def __init__(self, client: AtlasClient, project: str, cluster: str, hosts: tuple[str, ...]) -> None:
        self.client, self.project, self.name, self.hosts = client, project, cluster, hosts
        self._known: dict[tuple[Any, ...], Any] = {}

    def __enter__(self) -> AtlasProject:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.client.close()

    def __repr__(self) -> str:
        return f"AtlasProject({self.name!r} of {self.project} at {self.client.host})"

    def forget(self) -> None:
        """Forget all answers: the next questions are asked anew."""
        self._known.clear()

    def _once(self, key: tuple[Any, ...], ask: Callable[[], T]) -> T:
        if key not in self._known:
            try:
                self._known[key] = ask()
            except (AtlasDeniedError, AtlasAbsentError) as error:
                self._known[key] = error
        found = self._known[key]
        if isinstance(found, AtlasDeniedError | AtlasAbsentError):
            raise found.with_traceback(None)
        return found  # type: ignore[no-any-return]

    def _body(self, name: str, params: dict[str, Any] | None = None, **where: str) -> dict[str, Any]:
        body = self.client.get(name, params, **where)
        if not isinstance(body, dict):
            raise self.client.not_understood(CALLS[name])
        return body

    def _list(self, name: str, params: dict[str, Any] | None = None, **where: str) -> list[dict[str, Any]]:
        """A listing that Atlas does not divide into pages."""
        body = self.client.get(name, params, **where)
        if not isinstance(body, list) or not all(isinstance(one, dict) for one in body):
            raise self.client.not_understood(CALLS[name])
        return body

    # ------------------------------------------------------------------------------------------- cluster and network

    def cluster(self) -> AtlasCluster:
        """The cluster as it is ordered."""
        return self._once(("cluster",), lambda: cluster_of(self._body("getCluster", cluster=self.name)))

    def access_list(self) -> tuple[AccessEntry, ...]:
        """Who may reach the project's clusters over the network."""
        return self._once(("access_list",), lambda: tuple(
            parsing.access_entry(one) for one in self.client.pages("listAccessListEntries")))  # fmt: skip

    def private_endpoints(self) -> tuple[str, ...]:
        """Private endpoints that are available with the cluster's provider, as `region: endpoint`."""
        provider = self.cluster().provider
        return self._once(("private_endpoints",), lambda: parsing.private_endpoints(
            self._list("listPrivateEndpointService", provider=provider)))  # fmt: skip

    def peers(self) -> tuple[str, ...]:
        """Networks that are peered with the project's, at the cluster's provider, and available."""
        asked = {"providerName": self.cluster().provider}
        return self._once(("peers",), lambda: tuple(
            filter(None, map(parsing.peer, self.client.pages("listGroupPeers", asked)))))  # fmt: skip

    # -------------------------------------------------------------------------------------------- people and security

    def users(self) -> tuple[DatabaseUser, ...]:
        """The project's database users, of all its clusters."""
        return self._once(("users",), lambda: tuple(
            map(parsing.database_user, self.client.pages("listDatabaseUsers"))))  # fmt: skip

    def custom_roles(self) -> tuple[CustomRole, ...]:
        """The project's custom database roles."""
        return self._once(("custom_roles",), lambda: tuple(
            map(parsing.custom_role, self._list("listCustomDbRoles"))))  # fmt: skip

    def alert_configs(self) -> tuple[AlertConfig, ...]:
        """The project's alert configurations, those that are off too."""
        return self._once(("alert_configs",), lambda: tuple(
            map(parsing.alert_config, self.client.pages("listAlertConfigs"))))  # fmt: skip

    def auditing(self) -> Auditing:
        """Database auditing of the project. Takes the role Project Owner."""
        return self._once(("auditing",), lambda: parsing.auditing(self._body("getGroupAuditLog")))

    def own_keys(self) -> tuple[str, ...]:
        """Providers by whose keys, of the customer's own, the project encrypts: `AWS`."""
        return self._once(("own_keys",), lambda: parsing.own_keys(self._body("getEncryptionAtRest")))

    def tls_floor(self) -> str:
        """The lowest TLS version by the cluster's advanced configuration, `TLS1_2`; empty where it is not told."""
        return self._once(("tls_floor",), lambda: values.text(
            self._body("getProcessArgs", cluster=self.name), "minimumEnabledTlsProtocol"))  # fmt: skip

    # --------------------------------------------------------------------------------------------------------- backup

    def backup_policy(self) -> BackupPolicy:
        """The backup schedule."""
        return self._once(("backup_policy",), lambda: parsing.backup_policy(
            self._body("getBackupSchedule", cluster=self.name)))  # fmt: skip

    def snapshots(self) -> tuple[AtlasSnapshot, ...]:
        """The cluster's snapshots, newest first; those under way have no time and stand first."""
        return self._once(("snapshots",), lambda: tuple(sorted(
            map(parsing.snapshot, self.client.pages("listBackupSnapshots", cluster=self.name)),
            key=lambda one: one.taken or datetime.max.replace(tzinfo=UTC), reverse=True)))  # fmt: skip

    def restore_jobs(self) -> tuple[RestoreJob, ...]:
        """Restores of the cluster's snapshots, newest first. Takes the role Project Backup Manager."""
        return self._once(("restore_jobs",), lambda: tuple(sorted(
            map(parsing.restore_job, self.client.pages("listBackupRestoreJobs", cluster=self.name)),
            key=lambda one: one.finished or datetime.max.replace(tzinfo=UTC), reverse=True)))  # fmt: skip

    # ------------------------------------------------------------------------------------------------------ processes

    def processes(self) -> tuple[AtlasProcess, ...]:
        """The cluster's processes; those of the project's other clusters are left out."""
        return self._once(("processes",), self._processes)

    def _processes(self) -> tuple[AtlasProcess, ...]:
        mine = set(self.hosts)
        found = [(parsing.process(one), str(one.get("hostname") or "").lower())
                 for one in self.client.pages("listGroupProcesses")]  # fmt: skip
        kept = tuple(one for one, name in found if {f"{one.host}:{one.port}", f"{name}:{one.port}", one.id} & mine)
        if not kept:
            raise AtlasAbsentError(f"Atlas at {self.client.host} lists no process of the cluster {self.name!r}; a free "
                                   "or flex cluster has none, a new one after some minutes")  # fmt: skip
        return kept

    def measurements(self, process: AtlasProcess, names: tuple[str, ...], period: str) -> tuple[Measurement, ...]:
        """Measurements of a process, and of its data disk (names that begin with `DISK_`), over a period (`PT1H`), a
        point a minute. names: Atlas's metric names."""
        disk = tuple(name for name in names if name.startswith(DISK))
        own = tuple(name for name in names if not name.startswith(DISK))
        return self._once(("measurements", process.id, names, period), lambda: tuple(
            parsing.measurement(one)
            for kind, wanted in (("getProcessMeasurements", own), ("getDiskMeasurements", disk))
            for start in range(0, len(wanted), MOST_MEASURES)
            for one in self._measured(kind, process, wanted[start : start + MOST_MEASURES], period)))  # fmt: skip

    def _measured(self, kind: str, process: AtlasProcess, names: tuple[str, ...], period: str) -> list[dict[str, Any]]:
        asked = {"m": list(names), "period": period, "granularity": GRANULARITY}
        where = {"partition": PARTITION} if kind == "getDiskMeasurements" else {}
        found = self._body(kind, asked, process=process.id, **where).get("measurements")
        if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
            raise self.client.not_understood(CALLS[kind])
        return found

    # -------------------------------------------------------------------------------------------- Performance Advisor

    def suggested_indexes(self) -> tuple[SuggestedIndex, ...]:
        """Indexes that the Performance Advisor would create, heaviest first."""
        return self._once(("suggested",), lambda: parsing.suggested(
            self._advice("listClusterSuggestedIndexes", parsing.SUGGESTS)))  # fmt: skip

    def droppable_indexes(self) -> tuple[SuggestedIndex, ...]:
        """Indexes that the Performance Advisor would drop."""
        return self._once(("droppable",), lambda: parsing.droppable(
            self._advice("listDropIndexSuggestions", parsing.DROPS)))  # fmt: skip

    def _advice(self, name: str, lists: Collection[str]) -> dict[str, Any]:
        """An answer that has one of the lists at least: one without any is no word that nothing is advised."""
        body = self._body(name, cluster=self.name)
        told = parsing.content(body)
        if not any(isinstance(told.get(one), list) for one in lists):
            raise self.client.not_understood(CALLS[name])
        return body

    def slow_queries(self, process: AtlasProcess, since: datetime) -> tuple[AtlasSlowQuery, ...]:
        """Slow queries of a process from `since` on, without their values; at most MOST_LOGS."""
        return self._once(("slow", process.id, since), lambda: self._slow(process, since))

    def _slow(self, process: AtlasProcess, since: datetime) -> tuple[AtlasSlowQuery, ...]:
        start = since if since.tzinfo else since.replace(tzinfo=UTC)
        length = max(datetime.now(UTC) - start, timedelta(seconds=1))
        asked = {"since": int(start.timestamp() * 1000), "duration": int(length.total_seconds() * 1000),
                 "nLogs": MOST_LOGS, "includeMetrics": "true", "includeOpType": "true"}  # fmt: skip
        found = self._body("listSlowQueryLogs", asked, process=process.id).get("slowQueries")
        if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
            raise self.client.not_understood(CALLS["listSlowQueryLogs"])
        return tuple(map(slow_query, found))


def open_project(settings: Settings, mongodb_uri: str) -> AtlasProject:
    """The project of the settings, at the cluster that has the host of `mongodb_uri`.

    Raises ParameterError (a setting or a variable is missing or wrong), RefusedError (no cluster of the project has
    that host: another cluster would be judged), UnreachableError and AtlasError, each one line.
    """
    project = settings.atlas_project.strip()
    if not re.fullmatch(r"[a-f0-9]{24}", project):
        raise ParameterError("atlas_project", "must be the project's id, 24 hex digits",
                             "take it from the address of the project's page in Atlas")  # fmt: skip
    if settings.atlas_cluster and not re.fullmatch(r"[a-zA-Z0-9][a-zA-Z0-9-]*", settings.atlas_cluster):
        raise ParameterError("atlas_cluster", "is no cluster's name: letters, digits and hyphens")
    client = AtlasClient(login.from_environment(), project)
    try:
        return _at_cluster(client, settings, mongodb_uri)
    except BaseException:
        client.close()
        raise


def _at_cluster(client: AtlasClient, settings: Settings, mongodb_uri: str) -> AtlasProject:
    address = connect.read(mongodb_uri, settings.mongodb_uri_env, "MongoDB")
    wanted = set(hosts_of(f"{address.scheme}://{address.shown}"))
    if settings.atlas_cluster:
        body = client.get("getCluster", cluster=settings.atlas_cluster)
        bodies = [body] if isinstance(body, dict) else []
    else:
        bodies = client.pages("listClusters")
    for body in bodies:
        name, hosts = body.get("name"), hosts_in(body)
        if isinstance(name, str) and wanted & set(hosts):
            found = AtlasProject(client, client.project, name, hosts)
            found._known[("cluster",)] = cluster_of(body)
            return found
    which = f"the cluster {settings.atlas_cluster!r}" if settings.atlas_cluster else "no cluster of the project"
    does = "does not have" if settings.atlas_cluster else "has"
    raise RefusedError(f"{which} {does} the host of {settings.mongodb_uri_env} ({', '.join(sorted(wanted))}): another "
                       "cluster would be judged; correct atlas_project or atlas_cluster")  # fmt: skip
