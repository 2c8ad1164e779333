"""TLS as negotiated, authentication as enforced, roles as granted: probes, not settings."""

from __future__ import annotations

import socket
import ssl
import struct
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import bson
from pymongo.errors import OperationFailure

from leadbook.core import addresses, connect
from leadbook.core.connect import Client
from leadbook.core.settings import Settings
from leadbook.provision.asked import UNAUTHORIZED
from leadbook.schema.scratch import drop_scratch, scratch_name

BROAD_ROLES = frozenset({
    "root", "atlasAdmin", "__system", "readWriteAnyDatabase", "dbAdminAnyDatabase", "userAdminAnyDatabase",
    "clusterAdmin", "clusterManager", "hostManager", "dbOwner", "userAdmin", "backup", "restore",
})  # fmt: skip
"""Built-in roles that reach further than reading and writing one database."""

TIMEOUT_S = 5.0
OP_MSG = 2013


@dataclass(frozen=True, kw_only=True)
class Tls:
    """One handshake. version: such as 1.3. verified: the chain and the host name were checked. days_left: of the
    certificate, None where it was not verified."""

    version: float
    cipher: str
    verified: bool
    days_left: float | None


def handshake(client: Client) -> Tls | None:
    """Negotiate TLS with the server that `client` uses, with the driver's own context; None where it uses no TLS.

    Raises OSError (ssl.SSLError among others).
    """
    context: Any = client.options.pool_options._ssl_context
    address = connect.server_of(client)
    if context is None or address is None:
        return None
    with (
        socket.create_connection(address, TIMEOUT_S) as plain,
        context.wrap_socket(plain, server_hostname=address[0]) as wrapped,
    ):
        verified = context.verify_mode == ssl.CERT_REQUIRED and context.check_hostname
        ends = wrapped.getpeercert().get("notAfter") if verified else None
        left = ssl.cert_time_to_seconds(ends) - datetime.now(UTC).timestamp() if ends else None
        return Tls(
            version=float(wrapped.version().removeprefix("TLSv")),
            cipher=wrapped.cipher()[0],
            verified=verified,
            days_left=left / 86_400 if left is not None else None,
        )


def speaks_plainly(host: str, port: int) -> bool:
    """True if the server answers an unencrypted `hello`, False if it cuts the connection off. Raises OSError where
    nobody listens, TimeoutError where it does neither within TIMEOUT_S."""
    body = b"\0\0\0\0" + b"\0" + bson.encode({"hello": 1, "$db": "admin"})
    message = struct.pack("<iiii", 16 + len(body), 1, 0, OP_MSG) + body
    with socket.create_connection((host, port), TIMEOUT_S) as plain:
        try:
            plain.sendall(message)
            answer = plain.recv(16, socket.MSG_WAITALL)
        except (ConnectionResetError, BrokenPipeError):
            return False
    return len(answer) == 16 and struct.unpack("<iiii", answer)[3] == OP_MSG


def anonymous(uri: str) -> str:
    """The address without user, password and the options that belong to them."""
    return addresses.parse(uri).without_credentials("authsource", "authmechanism", "authmechanismproperties")


def strangers_read(uri: str, settings: Settings) -> bool:
    """Whether a client without credentials may read the leads. Raises PyMongoError for any other refusal."""
    with connect.mongodb(anonymous(uri), settings.model_copy(update={"min_pool_size": 0})) as stranger:
        leads = stranger[settings.database][settings.collection]
        return _allowed(lambda: leads.find_one({}, {"_id": 1}))


def may_write(account: Client, owner: Client, database: str) -> bool:
    """Whether `account` can store a probe in the database, which `owner` drops then. Raises UnreachableError where
    the account cannot log in."""
    connect.ping_mongodb(account)
    name = scratch_name("provision")
    allowed = _allowed(lambda: account[database][name].insert_one({"probe": "reporting"}))
    if allowed:
        drop_scratch(owner[database][name])
    return allowed


def _allowed(act: Callable[[], object]) -> bool:
    try:
        act()
    except OperationFailure as error:
        if error.code != UNAUTHORIZED:
            raise
        return False
    return True
