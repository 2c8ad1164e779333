"""A loopback Atlas whose credentials stand in the environment, and projects opened on it."""

from collections.abc import Callable, Iterator

import pytest

from atlas_server import AtlasServer
from leadbook.atlas import login
from leadbook.atlas.client import AtlasClient
from leadbook.atlas.project import AtlasProject, open_project
from leadbook.core.settings import Settings

HOSTS = ("127.0.0.1:27017", "127.0.0.1:27018", "127.0.0.1:27019")
PASSWORD = "S3cretWord"


@pytest.fixture
def atlas(monkeypatch: pytest.MonkeyPatch) -> Iterator[AtlasServer]:
    """Stands for a cluster of three members; no answer of it may have another shape than the published one."""
    with AtlasServer(hosts=HOSTS) as server:
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        yield server
        assert not server.wrong


@pytest.fixture
def opened(atlas: AtlasServer) -> Iterator[Callable[..., AtlasProject]]:
    """Opens a project as a phase does; impatient, so that a test of an outage takes no time."""
    made: list[AtlasProject] = []

    def opens(uri: str = f"mongodb://app:{PASSWORD}@{HOSTS[1]}/?tls=true", **also: object) -> AtlasProject:
        project = open_project(Settings.from_mapping({"atlas_project": atlas.state.project, **also}), uri)
        project.client.pause_s, project.client.patience_s = 0.01, 2.0
        made.append(project)
        return project

    yield opens
    for project in made:
        project.client.close()


@pytest.fixture
def client(atlas: AtlasServer) -> Iterator[AtlasClient]:
    """A client alone, that hardly waits between its attempts."""
    found = AtlasClient(login.from_environment(), atlas.state.project, pause_s=0.01, patience_s=5.0)
    yield found
    found.close()
