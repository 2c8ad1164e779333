"""What Atlas says, read over real sockets from a loopback Atlas that answers by the published shapes."""

from datetime import UTC, datetime, timedelta

import pytest

from atlas_server import PROJECT, alert, hexes, restore, slow, snapshot, user
from leadbook.atlas.failures import AtlasAbsentError, AtlasDeniedError
from leadbook.atlas.records import AtlasProcess, PolicyItem
from leadbook.core.errors import LeadbookError, ParameterError, RefusedError


def test_the_cluster_as_ordered(atlas, opened):
    project = opened()
    found = project.cluster()
    assert (found.name, found.provider, found.region, found.tier) == ("leads", "AWS", "EU_CENTRAL_1", "M30")
    assert (found.cores, found.memory_gb, found.disk_gb, found.iops, found.members) == (2, 8.0, 40.0, 3000, 3)
    assert found.hosts == (*atlas.hosts, "leads.abc12.mongodb.net")
    assert (found.backup, found.point_in_time, found.termination_protection, found.paused) == (True, True, True, False)
    assert (found.tls_floor, found.encryption, found.state, found.version) == ("TLS1_2", "NONE", "IDLE", "8.0.4")
    assert (found.scales_storage, found.scales_tier) == (True, False)
    assert [path for _, path, _ in atlas.requests] == ["/clusters"], "asked once, and remembered"
    atlas.state.tier = "M9000"
    project.forget()
    assert (project.cluster().tier, project.cluster().cores, project.cluster().memory_gb) == ("M9000", None, None)


def test_the_access_list_also_of_ipv6_and_world_open(atlas, opened):
    atlas.state.access_list += [
        {"cidrBlock": "0.0.0.0/0"},
        {"cidrBlock": "::/0"},
        {"ipAddress": "198.51.100.4"},
        {"awsSecurityGroup": "sg-012345", "deleteAfterDate": "2030-01-02T03:04:05Z"},
    ]
    found = opened().access_list()
    assert [one.cidr for one in found] == ["203.0.113.7/32", "0.0.0.0/0", "::/0", "198.51.100.4/32", ""]
    assert (found[0].comment, found[4].group) == ("collectors", "sg-012345")
    assert found[4].deletes_at == datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_users_and_their_roles(atlas, opened):
    atlas.state.users = [
        user("app", "readWrite@lead_generation", scopes=[{"name": "leads", "type": "CLUSTER"}]),
        user("arn:aws:iam::1:user/x", "atlasAdmin@admin", awsIAMType="USER", databaseName="$external"),
    ]
    atlas.state.users[0]["roles"].append({"roleName": "read", "databaseName": "crm", "collectionName": "accounts"})
    app, other = opened().users()
    assert app.roles == ("readWrite@lead_generation", "read@crm.accounts")
    assert (app.name, other.roles) == ("app", ("atlasAdmin@admin",))
    (role,) = opened().custom_roles()
    assert (role.name, role.privileges, role.inherits) == ("leadbookCollector", (("INSERT", "lead_generation"),), ())


def test_alert_configurations_and_whom_they_tell(atlas, opened):
    silent = [{"typeName": "GROUP", "emailEnabled": False, "smsEnabled": False}]
    slack = [{"typeName": "SLACK", "channelName": "dba"}, {"typeName": "EMAIL", "emailAddress": "jane@example.com"}]
    atlas.state.alerts = [
        alert("OUTSIDE_METRIC_THRESHOLD", "CONNECTIONS_PERCENT", 80),
        alert("NO_PRIMARY", enabled=False, notifications=silent),
        alert("REPLICATION_OPLOG_WINDOW_RUNNING_OUT", notifications=slack)
        | {"threshold": {"threshold": 1, "operator": "LESS_THAN", "units": "HOURS"}},
    ]  # fmt: skip
    first, second, third = opened().alert_configs()
    assert (first.enabled, first.metric, first.threshold, first.operator, first.units, first.notifies) == (
        True, "CONNECTIONS_PERCENT", 80.0, "GREATER_THAN", "RAW", ("GROUP",))  # fmt: skip
    assert (second.event, second.enabled, second.notifies, second.metric) == ("NO_PRIMARY", False, (), "")
    assert (third.threshold, third.units, third.notifies) == (1.0, "HOURS", ("SLACK", "EMAIL"))
    assert "example.com" not in repr(third)


def test_auditing_encryption_and_the_tls_floor(atlas, opened):
    project = opened()
    assert (project.auditing().enabled, project.auditing().filter) == (True, False)
    assert project.own_keys() == ()
    atlas.state.encryption["awsKms"] = {"enabled": True, "valid": True, "region": "EU_CENTRAL_1"}
    atlas.state.auditing = {"enabled": False, "auditFilter": '{"atype": "authenticate"}'}
    atlas.state.args |= {"minimumEnabledTlsProtocol": "TLS1_1"}
    project.forget()
    assert (project.auditing().enabled, project.auditing().filter) == (False, True)
    assert project.own_keys() == ("AWS",)
    assert project.tls_floor() == "TLS1_1"


def test_backup_policy_snapshots_and_restores(atlas, opened):
    under_way = snapshot("onDemand", "inProgress")
    atlas.state.snapshots = [snapshot(hours=30), under_way, snapshot("onDemand", hours=2)]
    taken = atlas.state.snapshots[2]["id"]
    atlas.state.restores = [restore(taken, hours=20), restore(taken, "leads-two", hours=1, failed=True)]
    project = opened()
    policy = project.backup_policy()
    assert policy.items[0] == PolicyItem(frequency="hourly", interval=6, days=7)
    assert [(item.frequency, item.days) for item in policy.items[2:]] == [("weekly", 28), ("monthly", 360)]
    assert policy.restore_window_days == 7.0 and policy.next and policy.next > datetime.now(UTC)
    newest = project.snapshots()
    assert [(one.kind, one.status) for one in newest] == [
        ("onDemand", "inProgress"), ("onDemand", "completed"), ("scheduled", "completed")]  # fmt: skip
    assert newest[1].id == taken and newest[1].size_gb == 3.0 and newest[0].taken is None
    assert [(job.into, job.failed, job.snapshot == taken) for job in project.restore_jobs()] == [
        ("leads-two", True, True), ("leads-drill", False, True)]  # fmt: skip


def test_private_endpoints_and_peers_count_only_where_they_work(atlas, opened):
    atlas.state.endpoints = [
        {"id": hexes(1), "cloudProvider": "AWS", "regionName": "EU_CENTRAL_1", "status": "AVAILABLE",
         "interfaceEndpoints": [hexes(11)]},
        {"id": hexes(2), "cloudProvider": "AWS", "regionName": "EU_WEST_1", "status": "AVAILABLE",
         "interfaceEndpoints": []},
        {"id": hexes(3), "cloudProvider": "AZURE", "status": "AVAILABLE", "privateEndpoints": []},
    ]  # fmt: skip
    atlas.state.peers = [
        {"containerId": hexes(4), "providerName": "AWS", "statusName": "AVAILABLE", "vpcId": "vpc-0123456789abcdef0"},
        {"containerId": hexes(4), "providerName": "AWS", "statusName": "PENDING_ACCEPTANCE"},
        {"containerId": hexes(4), "providerName": "GCP", "status": "AVAILABLE", "networkName": "net"},
    ]
    project = opened()
    assert project.private_endpoints() == (f"EU_CENTRAL_1: {hexes(11)}",)
    assert project.peers() == ("vpc-0123456789abcdef0",)


def test_processes_of_this_cluster_and_their_measurements(atlas, opened):
    atlas.state.others = [{"name": "crm", "connectionStrings": {}}]
    atlas.state.measures["SYSTEM_MEMORY_USED"] = ("KILOBYTES", None)
    names = tuple(sorted(atlas.state.measures))
    project = opened()
    found = project.processes()
    assert [one.id for one in found] == list(atlas.hosts)
    assert [one.kind for one in found] == ["REPLICA_PRIMARY", "REPLICA_SECONDARY", "REPLICA_SECONDARY"]
    measured = project.measurements(found[0], names, "PT10M")
    assert {one.name for one in measured} == set(names)
    asked = [path.rpartition("/processes/127.0.0.1:27017")[2] for _, path, _ in atlas.requests]
    assert asked.count("/measurements") == 2, "ten names a question"
    assert asked.count("/disks/data/measurements") == 1, "a disk's measurements are asked of the disk"
    cpu = next(one for one in measured if one.name == "SYSTEM_NORMALIZED_CPU_USER")
    assert (cpu.unit, cpu.last, len(cpu.values)) == ("PERCENT", 21.5, 10) and cpu.times == tuple(sorted(cpu.times))
    assert next(one for one in measured if one.name == "SYSTEM_MEMORY_USED").last is None
    with pytest.raises(LeadbookError, match="INVALID_METRIC_NAME"):
        project.measurements(found[0], ("NO_SUCH",), "PT10M")
    gone = AtlasProcess(id="127.0.0.1:1", host="127.0.0.1", port=1, kind="")
    with pytest.raises(AtlasAbsentError):
        project.measurements(gone, ("CONNECTIONS",), "PT10M")


def test_the_performance_advisor(atlas, opened):
    made = {"namespace": "lead_generation.leads", "index": [{"company": 1}, {"scored_at": -1}], "weight": 4.5}
    heavy = {"namespace": "lead_generation.raw_leads", "index": [{"vendor": 1}], "weight": 9.0}
    atlas.state.suggested = [made, heavy]
    atlas.state.droppable = {"unusedIndexes": [
        {"namespace": "lead_generation.leads", "name": "words", "index": [{"headline": "text"}]}]}  # fmt: skip
    project = opened()
    first, second = project.suggested_indexes()
    assert (first.weight, second.keys) == (9.0, (("company", 1), ("scored_at", -1)))
    (drop,) = project.droppable_indexes()
    assert (drop.name, drop.why, drop.keys) == ("words", "unused", (("headline", 0),))


def test_slow_queries_are_told_without_a_value(atlas, opened):
    person = "https://www.linkedin.com/in/jane-doe"
    atlas.state.slow_queries = [
        slow("lead_generation.leads", {"linkedin_url": person, "$or": [{"email": "jane@example.com"}, {"a.b": 1}]}),
        slow("lead_generation.leads", {"jane@example.com": 1}, plan="IXSCAN { email: 1 }", ms=120, minutes=600),
        {"namespace": "lead_generation.leads", "line": f"not JSON: {person}", "opType": person},
    ]
    atlas.state.slow_queries.pop()
    project = opened()
    process = project.processes()[0]
    (found,) = project.slow_queries(process, datetime.now(UTC) - timedelta(hours=2))
    assert (found.namespace, found.ms, found.plan, found.operation) == (
        "lead_generation.leads", 350.0, "COLLSCAN", "find")  # fmt: skip
    assert found.shape == ("linkedin_url", "email", "a.b")
    both = project.slow_queries(process, datetime.now(UTC) - timedelta(hours=24))
    assert (both[1].plan, both[1].shape) == ("IXSCAN { email: 1 }", ("…",))
    assert "jane" not in repr(both)


def test_a_free_tier_offers_less_and_says_so(atlas, opened):
    atlas.state.tier = "M0"
    project = opened()
    assert (project.cluster().provider, project.cluster().tier, project.cluster().cores) == ("AWS", "M0", None)
    asked = (project.backup_policy, project.snapshots, project.suggested_indexes, project.tls_floor,
             project.processes)  # fmt: skip
    for ask in asked:
        with pytest.raises(AtlasAbsentError) as refused:
            ask()
        assert len(str(refused.value).splitlines()) == 1
    before = len(atlas.requests)
    with pytest.raises(AtlasAbsentError):
        project.snapshots()
    assert len(atlas.requests) == before, "a refusal is remembered too"


def test_a_role_that_is_missing_is_named(atlas, opened):
    atlas.state.key_roles = {"Project Read Only"}
    project = opened()
    assert project.access_list()
    with pytest.raises(AtlasDeniedError, match="grant the service account the project role Project Owner") as denied:
        project.auditing()
    assert denied.value.role == "Project Owner"
    with pytest.raises(AtlasDeniedError, match="Project Backup Manager"):
        project.restore_jobs()
    with pytest.raises(AtlasDeniedError, match="Project Observability Viewer"):
        project.slow_queries(project.processes()[0], datetime.now(UTC) - timedelta(hours=1))


# --------------------------------------------------------------------------------------------------- which cluster


@pytest.mark.parametrize("uri", [
    "mongodb://127.0.0.1:27017,127.0.0.1:27018/", "mongodb+srv://app:word@LEADS.abc12.mongodb.net/",
    "mongodb+srv://leads-pl-0.abc12.mongodb.net/",
])  # fmt: skip
def test_the_cluster_is_known_by_the_hosts_of_the_address(atlas, opened, uri):
    private = [{"srvConnectionString": "mongodb+srv://leads-pl-0.abc12.mongodb.net", "type": "MONGOD"}]
    described = atlas.description
    atlas.description = lambda: described() | {
        "connectionStrings": described()["connectionStrings"] | {"privateEndpoint": private}}  # fmt: skip
    atlas.state.others = [{"name": "crm", "connectionStrings": {"standard": "mongodb://10.0.0.1:27017/"}}]
    assert opened(uri).name == "leads"
    assert opened(uri, atlas_cluster="leads").cluster().name == "leads"


def test_another_clusters_host_is_refused(atlas, opened):
    with pytest.raises(RefusedError, match="no cluster of the project has the host of MONGODB_URI") as refused:
        opened("mongodb://app:S3cretWord@127.0.0.1:27099/")
    assert "S3cret" not in str(refused.value) and "127.0.0.1:27099" in str(refused.value)
    atlas.state.others = [{"name": "crm", "connectionStrings": {"standard": "mongodb://10.0.0.1:27017/"}}]
    with pytest.raises(RefusedError, match="the cluster 'crm' does not have the host"):
        opened(atlas_cluster="crm")


@pytest.mark.parametrize(("given", "says"), [
    ({"atlas_project": ""}, "atlas_project.*24 hex digits"), ({"atlas_project": "leads"}, "24 hex digits"),
    ({"atlas_project": "f" * 24}, "knows no such project"), ({"atlas_cluster": "gone"}, "no cluster 'gone'"),
    ({"atlas_cluster": "../x"}, "no cluster's name"),
])  # fmt: skip
def test_a_wrong_project_or_cluster_is_one_line(atlas, opened, given, says):
    with pytest.raises(ParameterError, match=says) as wrong:
        opened(**{"atlas_project": PROJECT} | given)
    assert len(str(wrong.value).splitlines()) == 1


def test_two_pages_are_one_list(atlas, opened):
    atlas.state.access_list = [{"cidrBlock": f"10.0.{number}.0/24"} for number in range(7)]
    atlas.fault("", "pages")
    assert [one.cidr for one in opened().access_list()] == [f"10.0.{number}.0/24" for number in range(7)]
    assert [query["pageNum"] for _, path, query in atlas.requests if path == "/accessList"] == [
        [str(number)] for number in range(1, 8)]  # fmt: skip
