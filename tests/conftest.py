"""Real servers for the tests: a one-member TLS replica set and Redis of their own, one set for each pytest worker."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis as redis_py
from pymongo import MongoClient

from leadbook.core import addresses, connect
from leadbook.core.settings import Settings
from leadbook.monitor.topology import read_replication
from leadbook.rehearsal import servers
from leadbook.rehearsal.servers import binaries, replica_set

SMALL = {
    "members": 1,
    "database": "leadbook_test",
    "min_pool_size": 0,
    "max_pool_size": 60,
    "server_selection_timeout_ms": 5_000,
}
ADDRESSES = ("MONGODB_URI", "MONGODB_ADMIN_URI", "MONGODB_REPORTING_URI", "REDIS_URL", servers.OWNER_VARIABLE)

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # so a shell starts jobs in the background; tests press Ctrl-C
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def state_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Every test, and every command a test starts, uses servers of this session, never the checkout's or the user's."""
    folder = tmp_path_factory.mktemp("servers")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LEADBOOK_STATE", str(folder))
        for name in ADDRESSES:
            patch.delenv(name, raising=False)
        patch.setenv(servers.OWNER_VARIABLE, str(os.getpid()))
        yield folder
        servers.down(folder)


@pytest.fixture(scope="session")
def settings() -> Settings:
    """Rehearsal settings with one member, small pools and a database of the tests' own."""
    return Settings.from_mapping(SMALL)


def unmark_redis(url: str, settings: Settings) -> None:
    """Take a rehearsal's mark from a Redis, so that it may stand for somebody's own."""
    with connect.redis(url, settings) as client:
        client.config_set("proc-title-template", "{title} {listen-addr}")


def unmark_mongodb(admin_uri: str, settings: Settings) -> None:
    """Take a rehearsal's mark from a replica set, so that it may stand for somebody's own."""
    with connect.mongodb(admin_uri, settings) as client:
        wanted = client.admin.command("replSetGetConfig")["config"]
        for member in wanted["members"]:
            member["tags"].pop(connect.REHEARSAL_MARK, None)
        client.admin.command("replSetReconfig", wanted | {"version": wanted["version"] + 1})


@pytest.fixture(scope="session")
def endpoints(state_folder: Path, settings: Settings) -> connect.Endpoints:
    """Addresses of the session's servers, started when first asked for; without a rehearsal's mark, so that they may
    stand for somebody's own."""
    found = servers.resolve(settings, folder=state_folder)
    unmark_mongodb(found.admin_uri, settings)
    unmark_redis(found.redis_url, settings)
    return found


@pytest.fixture(scope="session")
def mongo(endpoints: connect.Endpoints, settings: Settings) -> Iterator[connect.Client]:
    """The application's client."""
    with connect.mongodb(endpoints.mongodb_uri, settings) as client:
        yield client


@pytest.fixture(scope="session")
def admin(endpoints: connect.Endpoints, settings: Settings) -> Iterator[connect.Client]:
    """The DBA's client."""
    with connect.mongodb(endpoints.admin_uri, settings) as client:
        yield client


@pytest.fixture(scope="session")
def redis_client(endpoints: connect.Endpoints, settings: Settings) -> Iterator[redis_py.Redis]:
    """A Redis client over the session's Redis; see `clean_redis` for an empty one."""
    client = connect.redis(endpoints.redis_url, settings)
    yield client
    client.close()
    client.connection_pool.disconnect()


@pytest.fixture
def database(mongo: connect.Client, admin: connect.Client, settings: Settings) -> connect.Database:
    """The application's view of an empty database."""
    admin.drop_database(settings.database)
    return mongo[settings.database]


@pytest.fixture
def clean_redis(redis_client: redis_py.Redis) -> redis_py.Redis:
    """Redis without any key."""
    redis_client.flushdb()
    return redis_client


@pytest.fixture
def somebodys_redis(own_servers: Callable[..., servers.State], settings: Settings) -> servers.State:
    """A Redis that a test may kill, and that production may use."""
    state = own_servers(mongodb=False)
    unmark_redis(state.redis_url, settings)
    return state


@pytest.fixture
def own_servers(tmp_path_factory: pytest.TempPathFactory, settings: Settings) -> Iterator[Callable[..., servers.State]]:
    """Starts servers that a test may kill: `own_servers(members=1, mongodb=True, redis=True)`; gone afterwards."""
    folders: list[Path] = []

    def start(*, members: int = 1, mongodb: bool = True, redis: bool = True) -> servers.State:
        folder = tmp_path_factory.mktemp("own-servers")
        folders.append(folder)
        wanted = settings.model_copy(update={"members": members})
        return servers.up(wanted, owner_pid=os.getpid(), mongodb=mongodb, redis=redis, folder=folder)

    yield start
    for folder in folders:
        servers.down(folder)


@pytest.fixture
def recovering(
    own_servers: Callable[..., servers.State], settings: Settings
) -> Iterator[tuple[servers.State, connect.Client, str]]:
    """A set of three of which one member is in RECOVERING: its state, the admin's client, and that member."""
    state = own_servers(members=3, redis=False)
    with connect.mongodb(state.admin_uri, settings) as client:
        deadline = time.monotonic() + 30
        while not client.secondaries and time.monotonic() < deadline:
            time.sleep(0.1)
        host, port = next(iter(client.secondaries))
        with MongoClient[dict[str, Any]](
            host, port, directConnection=True, tls=True, tlsCAFile=str(state.ca_file), username="leadbook_admin",
            password=addresses.parse(state.admin_uri).password,
        ) as member:  # fmt: skip
            member.admin.command("replSetMaintenance", True)
        while read_replication(client).healthy == 3 and time.monotonic() < deadline:
            time.sleep(0.1)
        yield state, client, f"{host}:{port}"


@pytest.fixture
def standalone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a mongod that is no member of a replica set, without TLS or users."""
    (port,) = replica_set.free_ports(1)
    argv = [binaries.mongod(), "--dbpath", tmp_path_factory.mktemp("standalone"), "--port", port, "--bind_ip",
            "127.0.0.1", "--nounixsocket", "--wiredTigerCacheSizeGB", "0.25"]  # fmt: skip
    process = subprocess.Popen(list(map(str, argv)), stdout=subprocess.DEVNULL)
    yield f"mongodb://127.0.0.1:{port}/"
    process.kill()
    process.wait()


class Trust:
    """What a test marked `trust` promises of one way to break a run; `check` holds the promise against what came."""

    def __init__(self, *, way: str, status: int | None, says: Iterable[str], leaves: str) -> None:
        self.way, self.status, self.leaves = way, status, leaves
        self.says = (says,) if isinstance(says, str) else tuple(says)
        self.checked = False

    def check(self, status: int | None, text: str) -> None:
        """Assert the exit status (None where no command ran) and that `text` says all that was promised."""
        self.checked = True
        assert status == self.status, text
        missing = [part for part in self.says if part not in text]
        assert not missing, f"{missing} not said in: {text}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse a promise that nobody checks; files that may take longest come first, then those with most slow tests, so
    that none of them is the last to end while the other workers have nothing left to do."""
    lost = [i.nodeid for i in items if i.get_closest_marker("trust") and "trust" not in getattr(i, "fixturenames", ())]
    if lost:
        raise pytest.UsageError(f"marked `trust`, but without the fixture that checks it: {', '.join(lost)}")
    slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    marks = ((item.path, item.get_closest_marker("timeout")) for item in items)
    patience = {path: mark.args[0] for path, mark in marks if mark}
    items.sort(key=lambda item: (-patience.get(item.path, 0), -slow[item.path]))


@pytest.fixture
def trust(request: pytest.FixtureRequest) -> Iterator[Trust]:
    """The promise of the test's `trust` mark, a row of docs/trust.md; a test that never checks it fails."""
    mark = request.node.get_closest_marker("trust")
    assert mark is not None, "the trust fixture needs @pytest.mark.trust(way=…, status=…, says=…, leaves=…)"
    promise = Trust(**mark.kwargs)
    yield promise
    assert promise.checked, "the test never called trust.check(status, text)"
