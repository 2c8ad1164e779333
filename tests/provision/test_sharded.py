"""A sharded cluster behind two mongos is judged to its end, and nothing of a mongos passes for a shard's."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from leadbook.atlas.records import AtlasCluster
from leadbook.commands.doctor import examine as doctor
from leadbook.core import connect
from leadbook.core.checks import Check, Verdict
from leadbook.core.connect import Client
from leadbook.core.settings import Settings
from leadbook.phases.p01 import verdicts
from leadbook.provision.server import inspect
from leadbook.schema.undo import address_of
from routers import Routers

OF_A_SHARD = ("MDB-TOP-001", "MDB-TOP-002", "MDB-TOP-003", "MDB-HST-001", "MDB-HST-002", "MDB-HST-003", "MDB-ENG-001",
              "MDB-ENG-002", "MDB-ENG-004")  # fmt: skip


@pytest.fixture
def sharded(standalone: str, settings: Settings) -> Iterator[Client]:
    """A client that takes two mongos in turns."""
    with connect.mongodb(standalone, settings) as behind:
        connect.ping_mongodb(behind)
    routers = Routers(int(standalone.rstrip("/").rpartition(":")[2]))
    with connect.mongodb(routers.uri, settings) as client:
        connect.ping_mongodb(client)
        yield client
    routers.stop()


def judged(client: Client, settings: Settings, tier: AtlasCluster | None = None) -> dict[str, Check]:
    server = inspect(client, client, settings)
    assert server.kind == "sharded cluster" and len(server.hosts) == 2
    made = (
        *verdicts.topology(server, settings),
        *verdicts.encryption(client, server, settings),
        *verdicts.host(server, settings, client[settings.database], tier),
    )
    return {check.id: check for check in made}


def test_two_mongos_are_judged_and_not_taken_for_a_shards_host(sharded: Client, production: Settings) -> None:
    made = judged(sharded, production)
    assert {check_id: made[check_id].verdict for check_id in OF_A_SHARD} == dict.fromkeys(
        OF_A_SHARD, Verdict.NOT_MEASURED
    )
    assert {made[check_id].evidence for check_id in OF_A_SHARD} == {
        "a mongos does not tell of its shards' members and hosts"
    }
    assert made["MDB-SEC-001"].verdict is made["MDB-SEC-002"].verdict is Verdict.FAIL
    assert made["MDB-ENG-003"].verdict is Verdict.PASS


def test_the_tier_of_atlas_stands_for_the_shards_hosts(sharded: Client, production: Settings) -> None:
    tier = AtlasCluster(name="leads", provider="AWS", region="EU_CENTRAL_1", tier="M30", version="8.0.4", state="IDLE",
                        hosts=(), cores=2, memory_gb=8.0, disk_gb=60.0)  # fmt: skip
    made = judged(sharded, production, tier)
    told = [made[check_id].verdict.value for check_id in ("MDB-HST-001", "MDB-HST-002", "MDB-HST-003")]
    assert told == ["fail", "pass", "pass"] and "M30 by Atlas' list" in made["MDB-HST-001"].evidence


def test_doctor_and_what_is_put_back_name_one_mongos(sharded: Client) -> None:
    told = {one.about: one for one in doctor._server(sharded, "MongoDB, application")}
    assert "a sharded cluster" in told["MongoDB, application"].text and told["TLS"].state == "problem"
    host, _, port = address_of(sharded).rpartition(":")
    assert (host, int(port)) in sharded.nodes
