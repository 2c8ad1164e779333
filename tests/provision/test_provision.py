"""Phase 01's checks against real servers: guarded ones, bare ones, and accounts that may not ask."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace

import pytest
import redis as redis_py

from leadbook.atlas.records import AtlasCluster
from leadbook.core import connect
from leadbook.core.checks import BLOCKING, Check, Unmeasured, Verdict, blockers
from leadbook.core.connect import Client, Endpoints
from leadbook.core.definitions import catalogue
from leadbook.core.errors import LeadbookError
from leadbook.core.settings import Settings
from leadbook.phases.judging import attempt
from leadbook.phases.p01 import redis_verdicts, sections, verdicts
from leadbook.phases.p01.documents import connection_string, documents, infrastructure
from leadbook.provision.asked import Asked, on_loopback
from leadbook.provision.cache import Cache, inspect_cache
from leadbook.provision.connectivity import mongodb_latency, redis_latency
from leadbook.provision.pools import held
from leadbook.provision.security import anonymous
from leadbook.provision.server import inspect
from leadbook.rehearsal.servers import binaries, replica_set
from leadbook.runner.objections import objection

ATTESTED = {entry.id for entry in catalogue().values()
            if entry.phase == "01" and (entry.kind == "attestation" or entry.id.startswith("ATL-"))}  # fmt: skip
"""Checks of the provider's console: attested, or answered by its API."""
PASS, WARN, NA = Verdict.PASS, Verdict.WARN, Verdict.NOT_APPLICABLE


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """A standalone mongod without TLS or users and a Redis without password or limit, as on a developer's machine."""
    folder = tmp_path_factory.mktemp("bare")
    ports = replica_set.free_ports(2)
    (folder / "db").mkdir()
    mongod = [binaries.mongod(), "--dbpath", folder / "db", "--port", str(ports[0]), "--bind_ip", "127.0.0.1",
              "--nounixsocket", "--wiredTigerCacheSizeGB", "0.25", "--logpath", folder / "log"]  # fmt: skip
    redis_server = [binaries.redis_server(), "--port", str(ports[1]), "--bind", "127.0.0.1", "--dir", folder,
                    "--save", ""]  # fmt: skip
    started = [subprocess.Popen(map(str, argv), stdout=subprocess.DEVNULL) for argv in (mongod, redis_server)]
    yield f"mongodb://127.0.0.1:{ports[0]}/", f"redis://127.0.0.1:{ports[1]}/0"
    for process in started:
        process.kill()
        process.wait()


def everything(
    client: Client,
    admin: Client,
    reporting: Client | None,
    redis: redis_py.Redis,
    endpoints: tuple[str, str],
    settings: Settings,
) -> dict[str, Check]:
    """All measured checks of the phase, as the notebook makes them."""
    server, cache = inspect(client, admin, settings), inspect_cache(redis)
    trips = [mongodb_latency(client, 5), redis_latency(redis, 5)]
    return by_id(
        *verdicts.connectivity(client, redis, trips, settings),
        *verdicts.topology(server, settings),
        *verdicts.encryption(client, server, settings),
        *verdicts.access(client, reporting, endpoints[0], server, settings),
        *verdicts.host(server, settings, client[settings.database]),
        *verdicts.pool(client, redis, held(client, redis, settings), settings),
        *redis_verdicts.memory(cache, endpoints[1], settings),
        *redis_verdicts.persistence(redis, cache, settings),
        *redis_verdicts.keys(redis, settings),
    )


def by_id(*checks: Check) -> dict[str, Check]:
    return {check.id: check for check in checks}


@pytest.fixture(scope="module")
def roomy(settings: Settings) -> Settings:
    return settings.model_copy(update={"min_pool_size": 5})


@pytest.fixture(scope="module")
def guarded_checks(
    endpoints: Endpoints, admin: Client, redis_client: redis_py.Redis, roomy: Settings
) -> dict[str, Check]:
    """Checks of the tests' own TLS replica set and Redis."""
    assert endpoints.reporting_uri
    with (
        connect.mongodb(endpoints.mongodb_uri, roomy) as client,
        connect.mongodb(endpoints.reporting_uri, roomy) as reporting,
    ):
        urls = (endpoints.mongodb_uri, endpoints.redis_url)
        return everything(client, admin, reporting, redis_client, urls, roomy)


def bare_checks(bare: tuple[str, str], settings: Settings) -> dict[str, Check]:
    with connect.mongodb(bare[0], settings) as client:
        deadline = time.monotonic() + 20
        redis = connect.redis(bare[1], settings)
        connect.ping_mongodb(client)
        while time.monotonic() < deadline:
            try:
                redis.ping()
                break
            except redis_py.ConnectionError:
                time.sleep(0.05)
        return everything(client, client, None, redis, bare, settings)


def told(checks: dict[str, Check], *ids: str) -> list[str]:
    return [checks[check_id].verdict.value for check_id in ids]


# ------------------------------------------------------------------------------------------------ guarded servers


def test_every_check_of_the_phase_is_made(guarded_checks: dict[str, Check]) -> None:
    """With the attestations, nothing in the catalogue is left out: the gate would call it missing."""
    of_phase = {entry.id for entry in catalogue().values() if entry.phase == "01"}
    assert set(guarded_checks) | ATTESTED == of_phase
    assert not set(guarded_checks) & ATTESTED


def test_rehearsal_servers_pass(guarded_checks: dict[str, Check]) -> None:
    """One member instead of three warns; floors of production are not applicable; nothing blocks."""
    assert [(c.id, c.evidence) for c in blockers(guarded_checks.values())] == []
    assert {c.id for c in guarded_checks.values() if c.verdict is WARN} == {"MDB-TOP-001"}
    assert {c.id for c in guarded_checks.values() if c.verdict is NA} == {
        "MDB-VER-002", "MDB-TOP-003", "MDB-HST-001", "MDB-HST-002", "MDB-HST-003", "MDB-ENG-002", "MDB-ENG-004",
        "RDS-SEC-002", "RDS-MEM-001", "RDS-MEM-003", "RDS-PER-004",
    }  # fmt: skip


def test_what_was_seen_stands_beside_a_floor_of_production(guarded_checks: dict[str, Check]) -> None:
    assert "cores" in guarded_checks["MDB-HST-001"].evidence
    assert "GB" in guarded_checks["MDB-HST-003"].evidence


def test_probes_leave_nothing_behind(
    guarded_checks: dict[str, Check], mongo: Client, redis_client: redis_py.Redis, settings: Settings
) -> None:
    assert [n for n in mongo[settings.database].list_collection_names() if n.startswith("leadbook_scratch_")] == []
    assert list(redis_client.scan_iter("*leadbook-probe*")) == []


def test_floors_are_judged_in_production(mongo: Client, admin: Client, settings: Settings) -> None:
    """This machine and these servers are no production cluster: at least the cache's share fails."""
    production = settings.model_copy(update={"profile": "production"})
    server = inspect(mongo, admin, production)
    made = {c.id: c for c in verdicts.host(server, production, mongo[settings.database])}
    assert made["MDB-ENG-002"].verdict is Verdict.FAIL
    assert made["MDB-HST-001"].measured == server.cores
    assert made["MDB-ENG-004"].verdict is WARN and "once it is full" in made["MDB-ENG-004"].evidence
    topology = {c.id: c for c in verdicts.topology(server, production)}
    assert topology["MDB-TOP-001"].verdict is Verdict.FAIL


@pytest.mark.parametrize(("percent", "verdict"), [(24, "fail"), (25, "pass"), (80, "pass"), (95, "fail")])
def test_the_share_of_the_ram_that_the_cache_takes_is_held_against_both_ends(
    mongo: Client, admin: Client, settings: Settings, percent: int, verdict: str
) -> None:
    production = settings.model_copy(update={"profile": "production"})
    server = inspect(mongo, admin, production)
    size = {"wiredTiger": {"cache": {"maximum bytes configured": percent * 10**8}}}
    machine = {"system": {"memSizeMB": 10**10 / 1024**2}}
    of = replace(server, status=Asked(values={**server.status.values, **size}), host=Asked(values=machine))
    made = by_id(*verdicts.host(of, production, mongo[settings.database]))
    assert told(made, "MDB-ENG-002") == [verdict] and made["MDB-ENG-002"].measured == pytest.approx(percent)


@pytest.mark.parametrize(
    ("release", "verdict"),
    [("4.4.29", "fail"), ("5.0.30", "fail"), ("6.0.5", "fail"), ("7.2.2", "fail"), ("7.3.4", "fail"), ("8.0.4", "pass"),
     ("8.2.1", "warn"), ("10.0.0", "warn")],
)  # fmt: skip
def test_a_release_that_has_ended_fails_and_only_one_too_new_to_be_known_warns(
    mongo: Client, settings: Settings, release: str, verdict: str
) -> None:
    production = settings.model_copy(update={"profile": "production"})
    server = replace(inspect(mongo, mongo, production), build=Asked(values={"version": release}))
    made = by_id(*verdicts.topology(server, production))
    assert told(made, "MDB-VER-002") == [verdict] and objection(made["MDB-VER-002"], production) == ""


def test_members_are_listed(mongo: Client, admin: Client, settings: Settings) -> None:
    table = sections.members_table(inspect(mongo, admin, settings))
    frame = table.frame
    assert list(frame.columns) == list(table.columns)
    assert frame.iloc[0].to_dict() | {"member": ""} == {
        "member": "", "state": "PRIMARY", "healthy": True, "votes": 1, "priority": 1, "lag": None,
    }  # fmt: skip


def test_round_trips_are_tabled(mongo: Client) -> None:
    table = sections.latencies_table([mongodb_latency(mongo, 5)])
    frame = table.frame
    assert list(frame.columns) == list(table.columns)
    row = frame.iloc[0]
    assert (row["service"], row["pings"]) == ("MongoDB", 5) and 0 < row["p50"] <= row["slowest"]


# --------------------------------------------------------------------------------------------------- bare servers


def test_bare_servers_on_this_machine_warn(bare: tuple[str, str], roomy: Settings) -> None:
    made = bare_checks(bare, roomy)
    assert [(c.id, c.evidence) for c in blockers(made.values())] == []
    unprotected = ("MDB-SEC-001", "MDB-SEC-002", "MDB-SEC-004", "MDB-TOP-001", "MDB-TOP-002", "RDS-SEC-001",
                   "RDS-MEM-002", "RDS-MEM-004", "MDB-SEC-005", "MDB-SEC-006", "RDS-PER-001")  # fmt: skip
    assert told(made, *unprotected) == ["warn"] * len(unprotected)
    assert told(made, "MDB-SEC-003", "MDB-TOP-003", "RDS-PER-003") == ["not applicable"] * 3
    assert "in production this fails" in made["MDB-SEC-001"].evidence


def test_bare_servers_fail_in_production(bare: tuple[str, str], roomy: Settings) -> None:
    made = bare_checks(bare, roomy.model_copy(update={"profile": "production"}))
    failing = ("MDB-SEC-001", "MDB-SEC-002", "MDB-SEC-004", "MDB-TOP-001", "MDB-TOP-002", "RDS-SEC-001", "RDS-SEC-002",
               "RDS-MEM-002", "RDS-MEM-003", "RDS-MEM-004")  # fmt: skip
    assert told(made, *failing) == ["fail"] * len(failing)


@pytest.mark.parametrize(
    ("hosts", "expected"),
    [(["localhost", "127.0.0.1"], True), (["::1"], True), (["127.0.0.1", "db.example"], False), (["10.0.0.5"], False),
     ([], False)],
)  # fmt: skip
def test_only_this_machine_is_judged_mildly(hosts: list[str], expected: bool) -> None:
    assert on_loopback(hosts) is expected


# ------------------------------------------------------------------------------------- what may not be asked


def test_lack_of_privilege_is_not_measured_and_names_the_remedy(mongo: Client, roomy: Settings) -> None:
    """The application alone may not run serverStatus: never a pass."""
    server = inspect(mongo, mongo, roomy)
    made = {c.id: c for c in verdicts.host(server, roomy, mongo[roomy.database])}
    made |= {c.id: c for c in verdicts.topology(server, roomy)}
    for check_id in ("MDB-ENG-001", "MDB-TOP-002", "MDB-TOP-003"):
        assert made[check_id].verdict is Verdict.NOT_MEASURED
        assert "MONGODB_ADMIN_URI" in made[check_id].remedy
    production = roomy.model_copy(update={"profile": "production"})
    strict = {c.id: c for c in verdicts.host(server, production, mongo[roomy.database])}
    assert {strict[each].verdict for each in ("MDB-HST-001", "MDB-HST-002", "MDB-ENG-002", "MDB-ENG-004")} == {
        Verdict.NOT_MEASURED
    }


def test_the_tier_stands_in_for_a_host_that_may_not_be_asked(mongo: Client, roomy: Settings) -> None:
    """What Atlas lists is judged by the same floors: an M30 has two of the four vCPU that the task book expects."""
    production = roomy.model_copy(update={"profile": "production"})
    tier = AtlasCluster(name="leads", provider="AWS", region="EU_CENTRAL_1", tier="M30", version="8.0.4", state="IDLE",
                        hosts=(), cores=2, memory_gb=8.0, disk_gb=40.0)  # fmt: skip
    made = {c.id: c for c in verdicts.host(inspect(mongo, mongo, roomy), production, mongo[roomy.database], tier)}
    assert told(made, "MDB-HST-001", "MDB-HST-002") == ["fail", "pass"]
    assert made["MDB-HST-001"].measured == 2 and "M30 by Atlas' list" in made["MDB-HST-001"].evidence


def test_a_refused_dba_is_told_apart_from_a_missing_one(mongo: Client, endpoints: Endpoints, roomy: Settings) -> None:
    """The remedy is the password, not a role; and nothing of the command that the server quotes is shown."""
    password = endpoints.admin_uri.split(":")[2].split("@")[0]
    production = roomy.model_copy(update={"profile": "production"})
    with connect.mongodb(endpoints.admin_uri.replace(password, "wrongwrong"), production) as refused:
        server = inspect(mongo, refused, production)
        made = verdicts.host(server, production, mongo[production.database])
        made += verdicts.topology(server, production)
    unknown = [check for check in made if check.verdict is Verdict.NOT_MEASURED]
    assert {check.id for check in unknown} >= {"MDB-HST-001", "MDB-ENG-001", "MDB-ENG-004", "MDB-TOP-002"}
    assert {check.evidence for check in unknown} == {
        "the account of MONGODB_ADMIN_URI is refused: authentication failed"
    }
    assert all("correct user, password" in check.remedy for check in unknown)
    assert not any("lsid" in check.evidence for check in made)


@pytest.fixture
def limited(redis_client: redis_py.Redis, endpoints: Endpoints, settings: Settings) -> Iterator[redis_py.Redis]:
    """A Redis account as on a managed service: no CONFIG, no BGSAVE."""
    redis_client.execute_command("ACL", "SETUSER", "limited", "on", ">secretive", "~*", "+@all", "-config", "-bgsave")
    client = connect.redis(endpoints.redis_url.replace("redis://:", "redis://limited:x@").split("@")[0].replace(
        ":x", ":secretive") + "@" + endpoints.redis_url.rpartition("@")[2], settings)  # fmt: skip
    yield client
    client.connection_pool.disconnect()
    redis_client.execute_command("ACL", "DELUSER", "limited")


def test_managed_redis_is_read_from_info(limited: redis_py.Redis, endpoints: Endpoints, settings: Settings) -> None:
    """Without CONFIG, INFO tells memory and policy; a forbidden snapshot is not measured."""
    cache = inspect_cache(limited)
    assert cache and cache.configuration == {}
    memory = {c.id: c for c in redis_verdicts.memory(cache, endpoints.redis_url, settings)}
    assert told(memory, "RDS-MEM-002", "RDS-MEM-004") == ["pass", "pass"]
    kept = {c.id: c for c in redis_verdicts.persistence(limited, cache, settings)}
    assert told(kept, "RDS-PER-001", "RDS-PER-002", "RDS-PER-003") == ["pass", "not measured", "pass"]


@pytest.fixture(scope="module")
def without_config(tmp_path_factory: pytest.TempPathFactory, settings: Settings) -> Iterator[redis_py.Redis]:
    """A Redis that knows no CONFIG, as ElastiCache, Memorystore and Azure run it."""
    (port,) = replica_set.free_ports(1)
    argv = [binaries.redis_server(), "--port", str(port), "--bind", "127.0.0.1", "--dir",
            tmp_path_factory.mktemp("managed"), "--save", "", "--maxmemory", "1700mb", "--maxmemory-policy",
            "allkeys-lru", "--rename-command", "CONFIG", ""]  # fmt: skip
    process = subprocess.Popen(list(map(str, argv)), stdout=subprocess.DEVNULL)
    client = connect.redis(f"redis://127.0.0.1:{port}/0", settings)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            client.ping()
            break
        except redis_py.ConnectionError:
            time.sleep(0.05)
    yield client
    client.connection_pool.disconnect()
    process.kill()
    process.wait()


def test_redis_without_config_is_read_from_info_and_the_rest_is_not_measurable(
    without_config: redis_py.Redis, settings: Settings
) -> None:
    cache = inspect_cache(without_config)
    assert cache.configuration == {} and cache.refused is None
    memory = {c.id: c for c in redis_verdicts.memory(cache, "redis://127.0.0.1:1/0", settings)}
    assert told(memory, "RDS-MEM-002", "RDS-MEM-004") == ["pass", "pass"]
    (kept, *_) = redis_verdicts.persistence(without_config, cache, settings)
    assert (kept.verdict, "console" in kept.remedy) == (Verdict.NOT_MEASURED, True)
    without_config.bgsave()
    deadline = time.monotonic() + 10
    while not inspect_cache(without_config).info.get("rdb_saves") and time.monotonic() < deadline:
        time.sleep(0.05)
    (kept, *_) = redis_verdicts.persistence(without_config, inspect_cache(without_config), settings)
    assert (kept.verdict, kept.evidence) == (Verdict.PASS, "snapshots")


def test_what_info_leaves_out_is_not_measurable_with_the_providers_place(settings: Settings) -> None:
    trimmed = Cache(address="leads.abc.0001.euc1.cache.amazonaws.com:6379", encrypted=True,
                    info={"redis_version": "7.1.0", "redis_mode": "standalone"})  # fmt: skip
    memory = {c.id: c for c in redis_verdicts.memory(trimmed, "", settings)}
    assert told(memory, "RDS-MEM-002", "RDS-MEM-004") == ["not measured", "not measured"]
    assert "ElastiCache" in memory["RDS-MEM-004"].remedy


@pytest.mark.parametrize(
    ("percent", "verdict"), [(0, "fail"), (79.9, "warn"), (80, "pass"), (90, "pass"), (90.1, "fail")]
)
def test_the_share_of_the_ram_that_redis_may_fill_is_held_against_both_ends(percent: float, verdict: str) -> None:
    production = Settings.from_mapping({"profile": "production"})
    cache = Cache(address="cache:6379", encrypted=True, info={"total_system_memory": 10**10,
                                                              "maxmemory": int(percent * 10**8)})  # fmt: skip
    made = {check.id: check for check in redis_verdicts.memory(cache, "redis://127.0.0.1:1/0", production)}
    check = made["RDS-MEM-003"]
    assert (check.measured, check.target, check.verdict.value) == (percent, "80 to 90 %", verdict)
    assert objection(check, production) == ""


def test_a_redis_that_uses_little_of_its_machine_is_asked_for_its_real_limit() -> None:
    """2 GB of a container on a host of 64: 80 % of the RAM would have the kernel kill Redis."""
    production = Settings.from_mapping({"profile": "production"})
    cache = Cache(address="cache:6379", encrypted=True,
                  info={"total_system_memory": 68_719_476_736, "maxmemory": 1_677_721_600})  # fmt: skip
    made = {check.id: check for check in redis_verdicts.memory(cache, "redis://127.0.0.1:1/0", production)}
    assert told(made, "RDS-MEM-001", "RDS-MEM-002", "RDS-MEM-003") == ["warn", "pass", "warn"]
    for check_id in ("RDS-MEM-001", "RDS-MEM-003"):
        assert "limit of its container" in made[check_id].evidence
        assert objection(made[check_id], production) == ""
    assert "container" in made["RDS-MEM-003"].remedy and "of the RAM" not in made["RDS-MEM-003"].remedy


def test_redis_that_refuses_even_info_is_not_measured(
    redis_client: redis_py.Redis, mongo: Client, endpoints: Endpoints, settings: Settings
) -> None:
    """An account for keys alone: each check says what is missing, and the notebook goes on to its end."""
    redis_client.execute_command(
        "ACL", "SETUSER", "keys_only", "on", ">secretive", "~lead:*", "+@read", "+@write", "+ping"
    )
    host = endpoints.redis_url.rpartition("@")[2]
    client = connect.redis(f"redis://keys_only:secretive@{host}", settings)
    try:
        cache = attempt(lambda: inspect_cache(client))
        made = redis_verdicts.memory(cache, endpoints.redis_url, settings)
        made += redis_verdicts.persistence(client, cache, settings)
        assert {check.verdict for check in made} == {Verdict.NOT_MEASURED}
        assert all("no permissions" in check.evidence for check in made) and "ACL" in made[0].remedy
        facts = infrastructure(
            inspect(mongo, mongo, settings), None, held(mongo, client, settings), [], endpoints.mongodb_uri, settings
        )
        assert documents(facts, made, inspect(mongo, mongo, settings), settings)
    finally:
        client.connection_pool.disconnect()
        redis_client.execute_command("ACL", "DELUSER", "keys_only")


def test_absent_redis_is_never_a_pass(mongo: Client, roomy: Settings) -> None:
    problem = "Redis at 127.0.0.1:1: connection refused"
    away = Unmeasured(problem, verdicts.REDIS_AWAY)
    trips = [mongodb_latency(mongo, 5), away]
    both = (
        *verdicts.connectivity(mongo, away, trips, roomy),
        *verdicts.pool(mongo, away, held(mongo, None, roomy), roomy),
    )
    made = [
        *[check for check in both if check.id.startswith("RDS-")],
        *redis_verdicts.memory(away, "", roomy),
        *redis_verdicts.persistence(away, away, roomy),
        *redis_verdicts.keys(away, roomy),
    ]
    assert {check.id for check in made} == {c.id for c in catalogue().values() if c.id.startswith("RDS-")} - ATTESTED
    assert all(check.verdict in BLOCKING and problem in check.evidence for check in made)
    assert all("RDS-CON-001" in check.remedy for check in made if check.id != "RDS-CON-001")


# ---------------------------------------------------------------------------------------- roles, pools, keys


def test_broad_roles_warn(admin: Client, endpoints: Endpoints, settings: Settings) -> None:
    server = inspect(admin, admin, settings)
    made = {c.id: c for c in verdicts.access(admin, None, endpoints.admin_uri, server, settings)}
    assert made["MDB-SEC-005"].verdict is WARN and "root@admin" in made["MDB-SEC-005"].evidence


def test_reporting_user_that_can_write_fails(mongo: Client, endpoints: Endpoints, settings: Settings) -> None:
    server = inspect(mongo, mongo, settings)
    made = {c.id: c for c in verdicts.access(mongo, mongo, endpoints.mongodb_uri, server, settings)}
    assert made["MDB-SEC-006"].verdict is Verdict.FAIL
    assert [n for n in mongo[settings.database].list_collection_names() if n.startswith("leadbook_scratch_")] == []


def test_reporting_user_that_cannot_log_in_is_an_error_and_not_the_end(
    mongo: Client, endpoints: Endpoints, settings: Settings
) -> None:
    assert endpoints.reporting_uri
    password = endpoints.reporting_uri.split(":")[2].split("@")[0]
    server = inspect(mongo, mongo, settings)
    with connect.mongodb(endpoints.reporting_uri.replace(password, "wrongwrong"), settings) as refused:
        made = {c.id: c for c in verdicts.access(mongo, refused, endpoints.mongodb_uri, server, settings)}
    assert made["MDB-SEC-006"].verdict is Verdict.ERROR and "authentication failed" in made["MDB-SEC-006"].evidence


def test_address_without_credentials(endpoints: Endpoints) -> None:
    bare = anonymous(endpoints.mongodb_uri)
    assert "@" not in bare and "authSource" not in bare and "tlsCAFile" in bare
    assert anonymous("mongodb+srv://u:p@c.example/?authSource=admin") == "mongodb+srv://c.example/"
    assert anonymous("mongodb://u:p@h:1,g:2") == "mongodb://h:1,g:2"


def test_pool_options_of_the_address_are_shown_and_judged(endpoints: Endpoints, settings: Settings) -> None:
    uri = endpoints.mongodb_uri + "&maxPoolSize=20&maxIdleTimeMS=30000"
    with connect.mongodb(uri, settings) as client:
        rows = held(client, None, settings)
        made = by_id(*verdicts.pool(client, Unmeasured("away"), rows, settings))
    assert told(made, "MDB-POOL-001", "MDB-POOL-002", "MDB-POOL-003", "MDB-POOL-004") == [
        "fail", "fail", "warn", "warn",
    ]  # fmt: skip
    assert "30 s" in made["MDB-POOL-003"].evidence
    assert made["MDB-POOL-004"].measured == 2
    frame = sections.pools_table(rows).frame.set_index("setting")
    assert list(frame.loc["maxPoolSize", ["profile", "held"]]) == ["60", "20"]


def test_wrong_key_format_fails(
    redis_client: redis_py.Redis, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever builds `linkedin:…` keys would never find the pipeline's."""
    monkeypatch.setattr(redis_verdicts, "linkedin_key", lambda url: f"linkedin:{url}")
    made = redis_verdicts.keys(redis_client, settings)
    assert [check.verdict.value for check in made] == ["fail", "pass", "pass"]


# ------------------------------------------------------------------------------------------------- documents


def test_documents_hold_no_credentials(
    guarded_checks: dict[str, Check], mongo: Client, admin: Client, redis_client: redis_py.Redis,
    endpoints: Endpoints, settings: Settings,
) -> None:  # fmt: skip
    server, cache = inspect(mongo, admin, settings), inspect_cache(redis_client)
    rows = held(mongo, redis_client, settings)
    facts = infrastructure(server, cache, rows, [mongodb_latency(mongo, 3)], endpoints.mongodb_uri, settings)
    made = documents(facts, list(guarded_checks.values()), server, settings)
    texts = [*(document.markdown for document in made), repr(facts)]
    assert not any(secret in text for secret in endpoints.secrets for text in texts)
    assert "<username>:<password>@127.0.0.1" in texts[0] and "maxPoolSize=60" in texts[0]
    assert "| MDB-VER-001 MongoDB release | pass |" in texts[0] and "MDB-SEC-001" in texts[1]
    assert "lead:email:{email}" in texts[2] and "RDS-KEY-002" in texts[2]
    assert [document.audience for document in made] == [("Technical Lead",), ("Project Manager",), ("Technical Lead",)]


def test_documents_without_redis(mongo: Client, admin: Client, endpoints: Endpoints, settings: Settings) -> None:
    server = inspect(mongo, admin, settings)
    facts = infrastructure(server, None, held(mongo, None, settings), [], endpoints.mongodb_uri, settings)
    assert "away" in documents(facts, [], server, settings)[2].markdown


def test_connection_string_keeps_own_options_and_hides_files(mongo: Client, settings: Settings) -> None:
    rows = held(mongo, None, settings)
    shown = connection_string(
        "mongodb+srv://n8n:s%40cret@c.example/leads?maxPoolSize=7&tlsCAFile=%2Fhome%2Fme%2Fca.pem"
        "&tlsCertificateKeyFilePassword=hidden",
        rows,
    )
    assert shown.startswith("mongodb+srv://<username>:<password>@c.example/leads?maxPoolSize=7&")
    assert "maxPoolSize=60" not in shown and "s%40cret" not in shown and "hidden" not in shown and "home" not in shown


def test_what_others_can_reach_is_never_judged_mildly(bare: tuple[str, str], roomy: Settings) -> None:
    """A rehearsal on a server behind a network address fails where one on this machine alone warns."""
    with connect.mongodb(bare[0], roomy) as client:
        server = inspect(client, client, roomy)
        near = by_id(*verdicts.topology(server, roomy))
        far = by_id(*verdicts.topology(replace(server, hosts=(("db.example", 27017),)), roomy))
    assert told(near, "MDB-TOP-001", "MDB-TOP-002") == ["warn", "warn"]
    assert told(far, "MDB-TOP-001", "MDB-TOP-002") == ["fail", "fail"]


def test_the_handover_asks_for_the_cells_above(roomy: Settings) -> None:
    book = SimpleNamespace(recorded=[])
    with pytest.raises(LeadbookError, match="checks are missing, such as MDB-CON-001: run all cells above"):
        sections.handover(book, None, None, [], [], {})  # type: ignore[arg-type]
