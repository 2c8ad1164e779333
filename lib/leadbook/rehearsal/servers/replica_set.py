"""A replica set of real mongods: TLS required, a keyFile between members, three users, everything on 127.0.0.1."""

from __future__ import annotations

import base64
import contextlib
import json
import secrets
import socket
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil
import trustme
import yaml
from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

from leadbook.core.connect import REHEARSAL_MARK
from leadbook.core.errors import ServerError
from leadbook.rehearsal.servers import leash
from leadbook.rehearsal.servers.state import Process, State, spawn

NAME = "leadbook"
ELECTION_TIMEOUT_MS = 2000
HOST = "127.0.0.1"
START_SECONDS = 60.0
OPLOG_MB = 4096
"""Upper bound; the file grows with what is written. A thorough run writes about 2 GB within minutes, and an oplog that
it fills has a window of minutes, which would say nothing about a server in use."""
CERTIFICATE_LASTS = timedelta(days=365)
"""As those of real servers: trustme's own would last until the year 3000."""
CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")
ALWAYS_ALLOWED = ("lead_generation",)
"""Databases that the application may use besides the settings' own: the task book's name."""


class PortTakenError(ServerError):
    """Somebody else took the port between choosing and using it; another try is worth while."""


def free_ports(count: int) -> list[int]:
    """Ports nobody listens on now. Another process may take one before we do: see PortTakenError."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind((HOST, 0))
        return [int(each.getsockname()[1]) for each in sockets]
    finally:
        for each in sockets:
            each.close()


def private(path: Path, content: str | bytes, mode: int = 0o600) -> Path:
    """Write a file that only its owner may read."""
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    path.chmod(mode)
    return path


def configure(data: Path, ports: Sequence[int]) -> None:
    """Write certificates, keyFile and one configuration file a member (`mongod-0.conf` …) into `data`."""
    authority = trustme.CA(organization_name="leadbook rehearsal")
    certificate = authority.issue_cert(HOST, "localhost", organization_name="leadbook rehearsal",
                                       not_after=datetime.now(UTC) + CERTIFICATE_LASTS)  # fmt: skip
    authority.cert_pem.write_to_path(data / "ca.pem")
    private(data / "server.pem", certificate.private_key_and_cert_chain_pem.bytes())
    private(data / "keyfile", base64.b64encode(secrets.token_bytes(256)), 0o400)
    cache_gb = shared_cache_gb(_memory_bytes(), len(ports))
    for number, port in enumerate(ports):
        (data / f"mongod-{number}").mkdir()
        member = _member_configuration(data, number, port, cache_gb)
        private(data / f"mongod-{number}.conf", yaml.safe_dump(member))


def shared_cache_gb(memory_bytes: float, members: int) -> float:
    """Each member's WiredTiger cache in GiB: MongoDB's own rule (half of the RAM beyond 1 GiB), shared by the members.

    Between 0.25, the least that MongoDB takes by default, and 4. The cache only grows with the data: 20,000 leads need
    about 0.1 GiB; a million leads in caches of 0.25 GiB took 1.7 times as long as in 3.8 GiB.
    """
    return round(min(4.0, max(0.25, (memory_bytes / 2**30 - 1) / 2 / members)), 2)


def _memory_bytes() -> float:
    """This machine's memory, or the container's where it has less."""
    with contextlib.suppress(OSError, ValueError):
        return float(min(int(CGROUP_LIMIT.read_text()), psutil.virtual_memory().total))
    return float(psutil.virtual_memory().total)


def _member_configuration(data: Path, number: int, port: int, cache_gb: float) -> dict[str, Any]:
    return {
        "net": {
            "bindIp": HOST,
            "port": port,
            "unixDomainSocket": {"enabled": False},  # its path would have a length limit
            "tls": {
                "mode": "requireTLS",
                "certificateKeyFile": str(data / "server.pem"),
                "CAFile": str(data / "ca.pem"),
                "allowConnectionsWithoutCertificates": True,
            },
        },
        "replication": {"replSetName": NAME, "oplogSizeMB": OPLOG_MB},
        "security": {"keyFile": str(data / "keyfile"), "authorization": "enabled"},
        "storage": {
            "dbPath": str(data / f"mongod-{number}"),
            "wiredTiger": {"engineConfig": {"cacheSizeGB": cache_gb}},
        },
        "systemLog": {"destination": "file", "path": str(data / f"mongod-{number}.log"), "logAppend": True},
        "setParameter": {"diagnosticDataCollectionEnabled": False},
    }


def start_member(binary: Path, data: Path, number: int, port: int) -> Process:
    """Start one member from its configuration file; does not wait until it listens."""
    argv = (str(binary), "--config", str(data / f"mongod-{number}.conf"))
    pid, created = spawn(argv, data / f"mongod-{number}.out")
    return Process(name=f"mongod-{number}", pid=pid, created=created, port=port, argv=argv)


def wait_listening(process: Process, data: Path, seconds: float = START_SECONDS) -> None:
    """Wait until the process accepts connections. Raises PortTakenError, or ServerError when it dies or is too slow."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not process.alive:
            raise _died(process, data)
        if leash.listens(process.pid, process.port):
            return
        time.sleep(0.03)
    raise ServerError(f"{process.name} did not listen on {HOST}:{process.port} within {seconds:.0f} s; see {data}")


def _died(process: Process, data: Path) -> ServerError:
    text = ""
    for path in (data / f"{process.name}.log", data / f"{process.name}.out"):
        text += path.read_text(errors="replace")[-20_000:] if path.is_file() else ""
    if "Address already in use" in text:
        return PortTakenError(f"port {process.port} was taken before {process.name} could use it")
    return ServerError(f"{process.name} ended while starting: {_last_error(text) or 'it said nothing'}")


def _last_error(text: str) -> str:
    """The last fatal or error line of a mongod's or Redis' log, in one line."""
    lines = text.strip().splitlines()
    for line in reversed(lines):
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if entry.get("s") in ("F", "E"):
            attributes = entry.get("attr", {})
            return f"{entry.get('msg')}: {attributes.get('error', attributes)}"[:300]
    return lines[-1][:300] if lines else ""


def _internal(state: State, port: int) -> MongoClient[dict[str, Any]]:
    """A client as the set's own __system user: it may do everything before there are users."""
    return MongoClient(
        HOST, port, directConnection=True, tls=True, tlsCAFile=str(state.ca_file), username="__system",
        password=(state.data / "keyfile").read_text(), authSource="local", authMechanism="SCRAM-SHA-256",
        serverSelectionTimeoutMS=20_000, socketTimeoutMS=30_000, appname="leadbook-servers",
    )  # fmt: skip


def initiate(state: State, passwords: dict[str, str]) -> None:
    """Make a replica set of the listening members, wait for a primary, create the users. Raises ServerError."""
    ports = [member.port for member in state.members]
    configuration = {
        "_id": NAME,
        "members": [
            {"_id": n, "host": f"{HOST}:{port}", "tags": {REHEARSAL_MARK: "yes"}} for n, port in enumerate(ports)
        ],
        "settings": {"electionTimeoutMillis": ELECTION_TIMEOUT_MS, "heartbeatIntervalMillis": 500},
    }
    try:
        with _internal(state, ports[0]) as client:
            client.admin.command("replSetInitiate", configuration)
            if len(ports) > 1:  # ask for the election now instead of after the time-out
                _until(lambda: _stood_up(client), "an election")
            _until(lambda: bool(client.admin.command("hello")["isWritablePrimary"]), "a primary")
            for name, roles in _users(state.databases).items():
                client.admin.command(
                    "createUser", name, pwd=passwords[name], roles=roles, mechanisms=["SCRAM-SHA-256"],
                    writeConcern={"w": 1},
                )  # fmt: skip
            _until_healthy(state, client)
            # The users exist on every member then, whichever the next reader asks.
            concern = {"w": len(state.members), "wtimeout": 20_000}
            client.admin.command("appendOplogNote", 1, data={"leadbook": "ready"}, writeConcern=concern)
    except PyMongoError as error:
        raise ServerError(f"the replica set could not be made: {type(error).__name__}: {str(error)[:200]}") from None


def _stood_up(client: MongoClient[dict[str, Any]]) -> bool:
    try:
        client.admin.command("replSetStepUp")
    except OperationFailure:
        return bool(client.admin.command("hello")["isWritablePrimary"])
    return True


def _users(databases: Sequence[str]) -> dict[str, list[dict[str, str]]]:
    return {
        "leadbook_admin": [{"role": "root", "db": "admin"}],
        "leadbook_app": [{"role": "readWrite", "db": name} for name in databases],
        "leadbook_reporting": [{"role": "read", "db": name} for name in databases],
    }


def _until(condition: Callable[[], bool], what: str, seconds: float = START_SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return
        time.sleep(0.03)
    raise ServerError(f"the replica set has not got {what} within {seconds:.0f} s")


def wait_healthy(state: State) -> None:
    """Wait until one member is primary and the others are secondaries that have caught up. Raises ServerError."""
    try:
        with _internal(state, state.members[0].port) as client:
            _until_healthy(state, client)
    except PyMongoError as error:
        raise ServerError(f"the replica set is not healthy: {type(error).__name__}: {str(error)[:200]}") from None


def _until_healthy(state: State, client: MongoClient[dict[str, Any]]) -> None:
    _until(lambda: _states(client) == [1] + [2] * (len(state.members) - 1), "all members healthy")


def _states(client: MongoClient[dict[str, Any]]) -> list[int]:
    try:
        return sorted(member["state"] for member in client.admin.command("replSetGetStatus")["members"])
    except PyMongoError:
        return []


def grant(state: State, database: str) -> None:
    """Give the application and reporting users their roles on one more database. Raises ServerError."""
    try:
        with MongoClient[dict[str, Any]](state.admin_uri, serverSelectionTimeoutMS=20_000) as client:
            for name, role in (("leadbook_app", "readWrite"), ("leadbook_reporting", "read")):
                client.admin.command("grantRolesToUser", name, roles=[{"role": role, "db": database}])
    except PyMongoError as error:
        raise ServerError(f"cannot grant roles on {database}: {type(error).__name__}: {str(error)[:200]}") from None


def address(state: State, user: str, passwords: dict[str, str], ports: Sequence[int], database: str) -> str:
    """The URI of one user of the set."""
    hosts = ",".join(f"{HOST}:{port}" for port in ports)
    options = f"replicaSet={NAME}&tls=true&tlsCAFile={quote(str(state.ca_file), safe='')}&authSource=admin"
    return f"mongodb://{user}:{passwords[user]}@{hosts}/{database}?{options}"
