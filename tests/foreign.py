"""Servers as somebody else would run them: nothing of them was made by leadbook, and nobody there has more rights than
needed.

A replica set of three members on 127.0.0.2 with TLS of a company's own authority, a keyFile and three users, and a
Redis with a password. As a program it starts them, prints the exports, and stops them at its end of input:
`python tests/foreign.py FOLDER`.
"""

from __future__ import annotations

import base64
import secrets
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import trustme
from pymongo import MongoClient
from pymongo.errors import PyMongoError

from leadbook.rehearsal.servers import binaries

HOST = "127.0.0.2"
SET = "crm-prod"
DATABASE = "lead_generation"
ROLES: dict[str, list[dict[str, str]]] = {
    "n8n_app": [{"role": "readWrite", "db": DATABASE}],
    "dba": [
        {"role": "clusterMonitor", "db": "admin"},
        {"role": "dbAdmin", "db": DATABASE},
        {"role": "readWrite", "db": DATABASE},
    ],
    "reports": [{"role": "read", "db": DATABASE}],
}


class ForeignServers:
    """The servers, started by `start` in a folder of their own. members: processes, in the order of their ports."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.passwords = {name: secrets.token_urlsafe(18) for name in (*ROLES, "root", "redis")}
        *self.ports, self.redis_port = _free_ports(4)
        self.members: list[subprocess.Popen[bytes]] = []
        self.redis: subprocess.Popen[bytes] | None = None

    def start(self) -> ForeignServers:
        """Start everything and wait until the set has a primary and its users."""
        authority = trustme.CA(organization_name="Example Corp")
        certificate = authority.issue_cert(HOST)
        authority.cert_pem.write_to_path(self.folder / "corp-ca.pem")
        certificate.private_key_and_cert_chain_pem.write_to_path(self.folder / "server.pem")
        keyfile = self.folder / "keyfile"
        keyfile.write_bytes(base64.b64encode(secrets.token_bytes(128)))
        keyfile.chmod(0o400)
        self.members = [self.start_member(number) for number in range(len(self.ports))]
        self.start_redis()
        self._initiate()
        return self

    def start_member(self, number: int) -> subprocess.Popen[bytes]:
        """Start, or start again, one member."""
        data = self.folder / f"member-{number}"
        data.mkdir(exist_ok=True)
        argv = [binaries.mongod(), "--dbpath", data, "--port", self.ports[number], "--bind_ip", HOST,
                "--replSet", SET, "--keyFile", self.folder / "keyfile", "--tlsMode", "requireTLS",
                "--tlsCertificateKeyFile", self.folder / "server.pem", "--tlsCAFile", self.folder / "corp-ca.pem",
                "--tlsAllowConnectionsWithoutCertificates", "--nounixsocket", "--wiredTigerCacheSizeGB", "0.5",
                "--oplogSize", "2048", "--logpath", data / "mongod.log", "--logappend"]  # fmt: skip
        return subprocess.Popen(list(map(str, argv)), stdout=subprocess.DEVNULL, start_new_session=True)

    def start_redis(self) -> None:
        """Start Redis, or start it again: what it held in memory only is gone then."""
        conf = self.folder / "redis.conf"
        conf.touch(mode=0o600)
        conf.write_text(
            f"bind {HOST}\nport {self.redis_port}\nrequirepass {self.passwords['redis']}\ndir {self.folder}\n"
            "maxmemory 1700mb\nmaxmemory-policy allkeys-lru\nappendonly yes\nsave 900 1\n"
            f"logfile {self.folder / 'redis.log'}\n"
        )
        self.redis = subprocess.Popen(
            [str(binaries.redis_server()), str(conf)], stdout=subprocess.DEVNULL, start_new_session=True
        )

    def _client(self, number: int, **options: Any) -> MongoClient[dict[str, Any]]:
        authority = str(self.folder / "corp-ca.pem")
        return MongoClient(HOST, self.ports[number], directConnection=True, tls=True, tlsCAFile=authority,
                           serverSelectionTimeoutMS=20_000, **options)  # fmt: skip

    def _initiate(self) -> None:
        hosts = [{"_id": number, "host": f"{HOST}:{port}"} for number, port in enumerate(self.ports)]
        settings = {"electionTimeoutMillis": 2000}
        system = {"username": "__system", "password": (self.folder / "keyfile").read_text(), "authSource": "local",
                  "authMechanism": "SCRAM-SHA-256"}  # fmt: skip
        for number in range(1, len(self.ports)):
            _until(lambda number=number: self._answers(number))
        with self._client(0, **system) as client:
            client.admin.command("replSetInitiate", {"_id": SET, "members": hosts, "settings": settings})
            _until(lambda: client.admin.command("hello")["isWritablePrimary"])
            everything = {"root": [{"role": "root", "db": "admin"}], **ROLES}
            for name, roles in everything.items():
                client.admin.command("createUser", name, pwd=self.passwords[name], roles=roles)
            states = lambda: client.admin.command("replSetGetStatus")["members"]  # noqa: E731
            _until(lambda: sorted(member["state"] for member in states()) == [1, 2, 2])

    def _answers(self, number: int) -> bool:
        with suppress(OSError), socket.create_connection((HOST, self.ports[number]), 1):
            return True
        return False

    def uri(self, user: str) -> str:
        """The address of one user of the set."""
        hosts = ",".join(f"{HOST}:{port}" for port in self.ports)
        authority = quote(str(self.folder / "corp-ca.pem"), safe="")
        return (
            f"mongodb://{user}:{quote(self.passwords[user], safe='')}@{hosts}/?replicaSet={SET}&tls=true"
            f"&tlsCAFile={authority}&authSource=admin"
        )

    @property
    def redis_url(self) -> str:
        """The address of Redis."""
        return f"redis://:{quote(self.passwords['redis'], safe='')}@{HOST}:{self.redis_port}/0"

    @property
    def environment(self) -> dict[str, str]:
        """What a user exports."""
        return {
            "MONGODB_URI": self.uri("n8n_app"), "MONGODB_ADMIN_URI": self.uri("dba"),
            "MONGODB_REPORTING_URI": self.uri("reports"), "REDIS_URL": self.redis_url,
        }  # fmt: skip

    def primary(self) -> int:
        """Which member is primary. Waits for an election."""
        found: list[int] = []

        def elected() -> bool:
            found[:] = [number for number in range(len(self.ports)) if self._is_primary(number)]
            return bool(found)

        _until(elected)
        return found[0]

    def _is_primary(self, number: int) -> bool:
        try:
            with self._client(number, username="root", password=self.passwords["root"]) as client:
                return bool(client.admin.command("hello")["isWritablePrimary"])
        except PyMongoError:
            return False

    def step_down(self) -> None:
        """Make the primary hand over."""
        with self._client(self.primary(), username="root", password=self.passwords["root"]) as client:
            client.admin.command("replSetStepDown", 20, secondaryCatchUpPeriodSecs=10)

    def stop(self) -> None:
        """End everything at once."""
        for process in [*self.members, *([self.redis] if self.redis else [])]:
            process.kill()
            process.wait()


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind((HOST, 0))
    ports = [int(each.getsockname()[1]) for each in sockets]
    for each in sockets:
        each.close()
    return ports


def _until(condition: Any, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("the foreign servers did not come up")
        time.sleep(0.05)


if __name__ == "__main__":
    where = Path(sys.argv[1])
    where.mkdir(parents=True, exist_ok=True)
    running = ForeignServers(where).start()
    lines = [f"export {key}={value!r}" for key, value in running.environment.items()]
    pids = [one.pid for one in running.members]
    sys.stdout.write("\n".join([*lines, f"# members {pids}, redis {running.redis.pid if running.redis else None}\n"]))
    sys.stdout.flush()
    sys.stdin.read()
    running.stop()
