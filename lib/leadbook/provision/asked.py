"""Administrative questions to MongoDB that change nothing: the answer, or why there is none."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pymongo.errors import OperationFailure, PyMongoError

from leadbook.core import connect, write_errors
from leadbook.core.addresses import is_loopback
from leadbook.core.connect import Client
from leadbook.core.errors import UnreachableError
from leadbook.schema.undo import SCRATCH_KEYS

UNAUTHORIZED = 13
FORBIDDEN_CODES = frozenset({UNAUTHORIZED, 59, 115, 8000})
"""Unauthorized, CommandNotFound, CommandNotSupported, and Atlas' own refusal on small tiers."""
REDIS_KEYS = f"~lead:* ~{SCRATCH_KEYS}*"
"""Keys that leadbook reads and writes: leads', and those of trials."""
REDIS_RIGHTS = (
    f"{REDIS_KEYS} +ping +info +config|get +client|setname +client|id +select +get +mget +exists +ttl "
    "+scan +dbsize +memory|usage +set +del +unlink +evalsha +script|load +slowlog|get +client|list +latency|latest"
)
"""Rules of an ACL user who may do all that leadbook and its watch ask of Redis, besides what only an administrator does
(and names when it is refused). CLIENT SETINFO is sent, too, and may be refused: Redis before 7.2 knows no such rule.
tests/provision/test_redis_rights.py works as such a user."""
_READS = {"config": ("get",), "client": ("setname", "id", "list"), "script": ("load",), "memory": ("usage",),
          "slowlog": ("get",), "latency": ("latest",)}  # fmt: skip
"""Of commands that Redis 6 refuses without naming the subcommand, those that are sent; all of CONFIG would set, too."""
REFUSED_DBA = "the account of MONGODB_ADMIN_URI is refused: authentication failed"


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A server's answer to one command, or why there is none."""

    values: Mapping[str, Any] = field(default_factory=dict)
    problem: str = ""

    def get(self, path: str) -> Any:
        """The value at a dotted path, or None."""
        found: Any = self.values
        for key in path.split("."):
            found = found.get(key) if isinstance(found, Mapping) else None
        return found


def ask(client: Client, command: str, database: str = "admin", **options: Any) -> Asked:
    """The answer to an administrative command that changes nothing. Never raises: see `Asked.problem`."""
    try:
        return Asked(values=client[database].command(command, **options))
    except PyMongoError as error:
        return Asked(problem=refusal(error, f"run {command}"))


def refusal(error: PyMongoError, what: str) -> str:
    """Why the server did not do `what` ("run hostInfo"), without the command that it quotes."""
    if isinstance(error, OperationFailure) and error.code == UNAUTHORIZED:
        return f"the account may not {what}"
    if isinstance(error, OperationFailure) and error.code in FORBIDDEN_CODES:
        return f"this tier does not let anybody {what}"
    return f"could not {what}: {write_errors.line(error)}"


def dba_refused(admin: Client) -> str:
    """Why the DBA's account cannot be used at all; empty where it can. Asked once: each refusal costs seconds."""
    try:
        connect.ping_mongodb(admin)
    except UnreachableError as error:
        return REFUSED_DBA if "authentication failed" in str(error) else f"the DBA's address: {error}"
    return ""


def acl(refusal: str) -> str:
    """The command that allows what Redis refused with NOPERM, for the user whom it names."""
    user = re.search(r"User (\S+) has", refusal)
    name, command = user[1] if user else "NAME", re.search(r"'([^']+)' command", refusal)
    if command is None:
        return f"ACL SETUSER {name} {REDIS_KEYS}"
    allowed = [f"+{command[1]}|{part}" for part in _READS.get(command[1], ())] or [f"+{command[1]}"]
    return f"ACL SETUSER {name} {' '.join(allowed)}"


def on_loopback(hosts: Iterable[str]) -> bool:
    """True if there are hosts and all of them are this very machine."""
    hosts = list(hosts)
    return bool(hosts) and all(host.startswith("/") or is_loopback(host) for host in hosts)
