"""What Atlas says, read over real sockets from a loopback Atlas that answers by the published shapes."""

from collections.abc import Callable, Iterator

import pytest

from atlas_server import AtlasServer
from leadbook.atlas.project import AtlasProject, open_project
from leadbook.core.settings import Settings

HOST = "127.0.0.1:27017"
URI = f"mongodb://app:S3cretWord@{HOST}/?tls=true"


@pytest.fixture
def atlas(monkeypatch: pytest.MonkeyPatch) -> Iterator[AtlasServer]:
    with AtlasServer(hosts=[HOST, "127.0.0.1:27018", "127.0.0.1:27019"]) as server:
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        yield server
        assert not server.wrong


@pytest.fixture
def opened(atlas: AtlasServer) -> Iterator[Callable[..., AtlasProject]]:
    made = []

    def opens(uri: str = URI, **also: object) -> AtlasProject:
        made.append(open_project(Settings.from_mapping({"atlas_project": atlas.state.project, **also}), uri))
        return made[-1]

    yield opens
    for project in made:
        project.client.close()


def test_the_cluster_as_ordered(atlas, opened):
    project = opened()
    found = project.cluster()
    assert (found.name, found.provider, found.region, found.tier) == ("leads", "AWS", "EU_CENTRAL_1", "M30")
    assert (found.cores, found.memory_gb, found.disk_gb, found.iops, found.members) == (2, 8.0, 40.0, 3000, 3)
    assert found.hosts == (HOST, "127.0.0.1:27018", "127.0.0.1:27019", "leads.abc12.mongodb.net")
    assert (found.backup, found.point_in_time, found.termination_protection, found.paused) == (True, True, True, False)
    assert (found.tls_floor, found.encryption, found.state, found.version) == ("TLS1_2", "NONE", "IDLE", "8.0.4")
    assert (found.scales_storage, found.scales_tier) == (True, False)
    assert "connectionStrings" not in found.raw and found.raw["clusterType"] == "REPLICASET"
    assert [path for _, path, _ in atlas.requests] == ["/clusters"]


def test_the_access_list_also_of_ipv6_and_world_open(atlas, opened):
    atlas.state.access_list += [{"cidrBlock": "0.0.0.0/0"}, {"cidrBlock": "::/0"}]
    assert [entry.cidr for entry in opened().access_list()] == ["203.0.113.7/32", "0.0.0.0/0", "::/0"]
