"""Credentials as n8n imports them, made of the addresses that the environment holds. They hold passwords: only the
private file of `export` may carry them."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from leadbook.core import connect
from leadbook.core.addresses import Address
from leadbook.core.errors import InputFileError, ParameterError
from leadbook.core.settings import Settings

APP_NAME = "leadbook-n8n"
"""Under this name MongoDB lists the connections of n8n's nodes."""
PLACEHOLDER = "PUT THE KEY HERE"
"""What stands where a vendor's key belongs: leadbook knows none."""
ID_LENGTH = 16
"""Characters of an id of n8n's."""
_DRIVER = frozenset(map(str.lower, (
    "appName", "authMechanism", "authMechanismProperties", "authSource", "compressors", "connectTimeoutMS",
    "directConnection", "heartbeatFrequencyMS", "journal", "loadBalanced", "localThresholdMS", "maxConnecting",
    "maxIdleTimeMS", "maxPoolSize", "maxStalenessSeconds", "minPoolSize", "readConcernLevel", "readPreference",
    "readPreferenceTags", "replicaSet", "retryReads", "retryWrites", "serverSelectionTimeoutMS", "socketTimeoutMS",
    "srvMaxHosts", "srvServiceName", "ssl", "timeoutMS", "tls", "tlsAllowInvalidCertificates",
    "tlsAllowInvalidHostnames", "tlsInsecure", "w", "waitQueueTimeoutMS", "wTimeoutMS", "zlibCompressionLevel",
)))  # fmt: skip
"""Options of an address that the Node.js driver 6 knows; it refuses any other."""
_FILES = ("tlscafile", "tlscertificatekeyfile", "tlscertificatekeyfilepassword", "ssl_ca_certs")
"""Options that name a file of this machine, or open one: n8n gets what is in it."""


@dataclass(frozen=True, kw_only=True)
class Credential:
    """One credential. data: the fields of n8n's credential type, in plain text."""

    id: str
    name: str
    type: str
    data: Mapping[str, Any] = field(repr=False)

    def as_dict(self) -> dict[str, Any]:
        """An element of the array that `n8n import:credentials` reads."""
        return {"id": self.id, "name": self.name, "type": self.type, "data": dict(self.data)}


def id_of(name: str, database: str) -> str:
    """The id of a workflow or a credential: the same for the same database, so that another import replaces it."""
    return hashlib.sha256(f"{database}\0{name}".encode()).hexdigest()[:ID_LENGTH]


def mongodb(uri: str, settings: Settings) -> tuple[dict[str, Any], list[str]]:
    """Data of a `mongoDb` credential of the user in `uri`, and what of `uri` could not be carried over.

    n8n runs elsewhere, so the certificates that `uri` names as files are put in as text. Raises ParameterError for an
    address that cannot be read, InputFileError for a file that cannot.
    """
    address = connect.read(uri, settings.mongodb_uri_env, "MongoDB")
    options = {key: value for key, value in address.options if key.lower() in _DRIVER and key.lower() != "appname"}
    held = {key.lower() for key in options}
    for key, value in (("w", settings.write_concern), ("retryWrites", "true"), ("appName", APP_NAME)):
        if key.lower() not in held:
            options[key] = value
    lost = [key for key, _ in address.options if key.lower() not in {*_DRIVER, *_FILES}]
    data = {
        "configurationType": "connectionString", "connectionString": _mongodb_address(address, options),
        "database": settings.database, **_certificates(address),
    }  # fmt: skip
    if address.option("tlsCertificateKeyFilePassword"):
        data["passphrase"] = address.option("tlsCertificateKeyFilePassword")
    told = [
        f"the Node.js driver does not know the option {key} of {settings.mongodb_uri_env}: left out" for key in lost
    ]
    return data, told


def _mongodb_address(address: Address, options: Mapping[str, str]) -> str:
    user = "" if not address.user else f"{address.user}:{address.password or ''}@"
    query = "&".join(f"{key}={value}" for key, value in options.items())
    return f"{address.scheme}://{user}{address.shown}{address.path or '/'}?{query}"


def _certificates(address: Address) -> dict[str, Any]:
    """Fields of n8n's own TLS switch: needed only where certificates are given, the address itself says the rest."""
    authority, own = address.option("tlsCAFile"), address.option("tlsCertificateKeyFile")
    if not authority and not own:
        return {"tls": False}
    key = _text(own) if own else ""
    return {"tls": True, "ca": _text(authority) if authority else "", "cert": key, "key": key}


def redis(url: str, settings: Settings) -> tuple[dict[str, Any], list[str]]:
    """Data of a `redis` credential, and what of `url` could not be carried over. Raises ParameterError where n8n cannot
    reach such a Redis."""
    address = connect.read(url, settings.redis_url_env, "Redis")
    if address.scheme == "unix":
        problem = "names a socket of this machine, which n8n's Redis node cannot use"
        raise ParameterError(settings.redis_url_env, problem, "name host and port")
    where = re.fullmatch(r"\[?([^\]]+?)\]?(?::(\d+))?", address.hosts[0])
    host, port = (where[1], where[2]) if where else (address.hosts[0], None)
    number = address.path.strip("/") or address.option("db") or "0"
    data = {
        "host": host, "port": int(port or 6379), "database": int(number), "user": unquote(address.user),
        "password": unquote(address.password or ""), "ssl": address.scheme == "rediss",
    }  # fmt: skip
    authority = address.option("ssl_ca_certs")
    if not authority:
        return data, []
    told = (
        "n8n's Redis credential takes no CA certificate: start n8n with "
        f"NODE_EXTRA_CA_CERTS set to a copy of {authority}"
    )
    return data, [told]


def header(name: str, value: str) -> dict[str, Any]:
    """Data of an `httpHeaderAuth` credential."""
    return {"name": name, "value": value}


def as_file(credentials: Sequence[Credential]) -> str:
    """The file that `n8n import:credentials --input` reads."""
    return json.dumps([one.as_dict() for one in credentials], indent=1) + "\n"


def _text(path: str) -> str:
    try:
        return Path(path).read_text()
    except (OSError, ValueError):
        raise InputFileError(path, "cannot be read, so n8n would not trust MongoDB", hint="see MONGODB_URI") from None
