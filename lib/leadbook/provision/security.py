"""TLS as negotiated, authentication as enforced, roles as granted: probes, not settings."""

from __future__ import annotations

import socket
import ssl
import struct
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import bson
from pymongo.errors import OperationFailure, PyMongoError

from leadbook.core import addresses, connect
from leadbook.core.checks import Check, judge, not_applicable, not_measured, warned
from leadbook.core.connect import Client
from leadbook.core.settings import Settings
from leadbook.provision.judging import guarded, is_mild, mild
from leadbook.provision.server import Server
from leadbook.schema.scratch import scratch_name

__all__ = ["BROAD_ROLES", "Tls", "access_checks", "handshake", "roles_of", "speaks_plainly", "tls_checks"]

BROAD_ROLES = frozenset({
    "root", "atlasAdmin", "__system", "readWriteAnyDatabase", "dbAdminAnyDatabase", "userAdminAnyDatabase",
    "clusterAdmin", "clusterManager", "hostManager", "dbOwner", "userAdmin", "backup", "restore",
})  # fmt: skip
"""Built-in roles that reach further than reading and writing one database."""

TIMEOUT_S = 5.0
OP_MSG = 2013
UNAUTHORIZED = 13


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
    address = client.address
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
    """True if the server answers an unencrypted `hello`. Raises OSError where nobody listens."""
    body = b"\0\0\0\0" + b"\0" + bson.encode({"hello": 1, "$db": "admin"})
    message = struct.pack("<iiii", 16 + len(body), 1, 0, OP_MSG) + body
    with socket.create_connection((host, port), TIMEOUT_S) as plain:
        plain.settimeout(TIMEOUT_S)
        try:
            plain.sendall(message)
            answer = plain.recv(16)
        except OSError:
            return False
    return len(answer) == 16 and struct.unpack("<iiii", answer)[3] == OP_MSG


def tls_checks(client: Client, server: Server, settings: Settings) -> list[Check]:
    """TLS version, refusal of plain connections, certificate. Missing TLS warns in a rehearsal on this machine."""
    lenient = is_mild(settings, server.names)
    try:
        found = handshake(client)
    except (OSError, AttributeError, ValueError) as error:
        why = f"handshake failed: {type(error).__name__}: {str(error)[:120]}"
        return [not_measured(each, why, settings=settings) for each in ("MDB-SEC-001", "MDB-SEC-002", "MDB-SEC-003")]
    if found is None:
        negotiated = judge("MDB-SEC-001", 0.0, evidence="the driver connects without TLS")
        certificate = not_applicable("MDB-SEC-003", "no TLS, so no certificate: see MDB-SEC-001", settings=settings)
    else:
        negotiated = judge("MDB-SEC-001", found.version, evidence=f"TLS {found.version}, {found.cipher}")
        certificate = _certificate(found)
    refused = guarded("MDB-SEC-002", lambda: _plain_refused(client), settings)
    return [mild(negotiated, lenient), mild(refused, lenient), mild(certificate, lenient)]


def _plain_refused(client: Client) -> Check:
    host, port = client.address or ("localhost", 27017)
    answered = speaks_plainly(host, port)
    evidence = "an unencrypted hello was " + ("answered" if answered else "cut off")
    return judge("MDB-SEC-002", not answered, evidence=evidence)


def _certificate(found: Tls) -> Check:
    if not found.verified:
        return judge("MDB-SEC-003", 0, evidence="the driver does not verify the server's certificate")
    return judge("MDB-SEC-003", found.days_left, evidence="chain and host name verified by the driver's context")


# ------------------------------------------------------------------------------------------------------------ access


def roles_of(client: Client) -> tuple[list[str], list[str]]:
    """(users, `role@database` of each role) of this connection, as connectionStatus tells. Any account may ask."""
    info = client.admin.command("connectionStatus")["authInfo"]
    users = [f"{user['user']}@{user['db']}" for user in info["authenticatedUsers"]]
    return users, sorted(f"{role['role']}@{role['db']}" for role in info["authenticatedUserRoles"])


def access_checks(
    client: Client, reporting: Client | None, uri: str, server: Server, settings: Settings
) -> list[Check]:
    """Anonymous clients are refused, the application has what it needs, the reporting user only reads."""
    lenient = is_mild(settings, server.names)
    return [
        mild(guarded("MDB-SEC-004", lambda: _anonymous_refused(uri, settings), settings), lenient),
        guarded("MDB-SEC-005", lambda: _narrow(client), settings),
        guarded("MDB-SEC-006", lambda: _reads_only(reporting, client, settings), settings),
    ]


def anonymous(uri: str) -> str:
    """The address without user, password and the options that belong to them."""
    return addresses.parse(uri).without_credentials("authsource", "authmechanism", "authmechanismproperties")


def _anonymous_refused(uri: str, settings: Settings) -> Check:
    with connect.mongodb(anonymous(uri), settings.model_copy(update={"min_pool_size": 0})) as stranger:
        try:
            stranger[settings.database][settings.collection].find_one({}, {"_id": 1})
        except OperationFailure as error:
            if error.code != UNAUTHORIZED:
                raise
            return judge(
                "MDB-SEC-004", True, evidence="a find without credentials: command find requires authentication"
            )
    return judge("MDB-SEC-004", False, evidence="a find without credentials was answered")


def _narrow(client: Client) -> Check:
    users, roles = roles_of(client)
    if not users:
        return warned("MDB-SEC-005", None, evidence="no user is logged in: everything is allowed to everybody")
    broad = [role for role in roles if role.partition("@")[0] in BROAD_ROLES]
    if broad:
        return warned("MDB-SEC-005", len(broad), evidence=f"the application holds {', '.join(broad)}")
    return judge("MDB-SEC-005", 0, evidence=f"the application holds {', '.join(roles) or 'no role'}")


def _reads_only(reporting: Client | None, client: Client, settings: Settings) -> Check:
    if reporting is None:
        return warned("MDB-SEC-006", None, evidence="no reporting user is named; the task book suggests one")
    name = scratch_name("provision")
    connect.ping_mongodb(reporting)
    try:
        reporting[settings.database][name].insert_one({"probe": "reporting"})
    except OperationFailure as error:
        if error.code != UNAUTHORIZED:
            raise
        return judge(
            "MDB-SEC-006", True, evidence=f"its insert was refused; it holds {', '.join(roles_of(reporting)[1])}"
        )
    try:
        return judge("MDB-SEC-006", False, evidence="its probe insert was stored")
    finally:
        _drop(client, settings.database, name)


def _drop(client: Client, database: str, name: str) -> None:
    try:
        client[database].drop_collection(name)
    except PyMongoError as error:
        raise OSError(f"the probe collection {name} could not be dropped") from error
