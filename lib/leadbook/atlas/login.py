"""Whose credentials Atlas is asked with, and where: from the environment, never shown."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from leadbook.core.addresses import is_loopback
from leadbook.core.errors import ParameterError

ADDRESS = "https://cloud.mongodb.com"
_MAKE = "make a service account in Atlas (Project Identity & Access > Applications), and export both of its words"


@dataclass(frozen=True, kw_only=True)
class AtlasLogin:
    """user and secret of a service account (kind `service account`) or of an API key (kind `API key`)."""

    kind: str
    user: str = field(repr=False)
    secret: str = field(repr=False)
    url: str = ADDRESS

    @property
    def variables(self) -> str:
        """The environment variables that hold user and secret, for messages."""
        names = _SERVICE if self.kind == "service account" else _KEY
        return " and ".join(names)

    @property
    def local(self) -> bool:
        """Whether the address is this machine's."""
        return is_loopback(urlsplit(self.url).hostname or "")


_SERVICE = ("ATLAS_CLIENT_ID", "ATLAS_CLIENT_SECRET")
_KEY = ("ATLAS_PUBLIC_KEY", "ATLAS_PRIVATE_KEY")


def from_environment(environment: Mapping[str, str] | None = None) -> AtlasLogin:
    """The login that the environment holds; a service account goes before an API key.

    Raises ParameterError where neither is whole, or where ATLAS_API_URL is no https address.
    """
    held = os.environ if environment is None else environment
    found = {name: held.get(name, "").strip() for name in (*_SERVICE, *_KEY)}
    url = _address(held.get("ATLAS_API_URL", "").strip() or ADDRESS)
    for kind, (user, secret) in (("service account", _SERVICE), ("API key", _KEY)):
        if found[user] and found[secret]:
            return AtlasLogin(kind=kind, user=found[user], secret=found[secret], url=url)
        if found[user] or found[secret]:
            missing = secret if found[user] else user
            raise ParameterError(missing, "is not set, and belongs to what is", f"export {missing}")
    raise ParameterError("ATLAS_CLIENT_ID", "is not set, nor ATLAS_PUBLIC_KEY: Atlas' API cannot be asked", _MAKE)


def _address(url: str) -> str:
    """The address without its last slash."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port = "", None
    if not host or port == 0 or parts.scheme not in ("http", "https"):
        raise ParameterError("ATLAS_API_URL", "is no address of the form https://HOST", f"usually {ADDRESS}")
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise ParameterError("ATLAS_API_URL", "must hold no user, password or query", f"usually {ADDRESS}")
    if parts.scheme == "http" and not is_loopback(host):
        raise ParameterError("ATLAS_API_URL", "must be https: credentials go there", f"usually {ADDRESS}")
    return url.rstrip("/")
