"""n8n's address: https, or plain http within one's own networks, since the key travels with each question."""

from __future__ import annotations

import ipaddress
import socket
from urllib.parse import SplitResult, urlsplit

from leadbook.core.addresses import is_loopback
from leadbook.core.errors import ParameterError


def address_of(url: str) -> SplitResult:
    """The parts of n8n's address. Raises ParameterError for what is none, or would send the key in the clear."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ParameterError("n8n_url", "is no address", "say https://n8n.example.com") from None
    if parts.scheme not in ("http", "https") or not host or not url.isprintable() or " " in url:
        raise ParameterError("n8n_url", "must begin with https:// and name a host", "say https://n8n.example.com")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ParameterError("n8n_url", "holds more than an address", "the key belongs into N8N_API_KEY")
    if parts.scheme == "http" and not _is_private(host):
        raise ParameterError("n8n_url", "is plain http to a public address: the key could be read on its way",
                             "use https, or an address within your own network")  # fmt: skip
    return parts


def shown(parts: SplitResult) -> str:
    """Scheme, host and port."""
    return f"{parts.scheme}://{parts.netloc}"


def warning(parts: SplitResult) -> str:
    """What is doubtful about an address that is used all the same; empty where nothing is."""
    if parts.scheme == "https" or is_loopback(parts.hostname or ""):
        return ""
    return f"n8n is asked over plain http ({shown(parts)}): who listens in this network can read the key; use https"


def _is_private(host: str) -> bool:
    """Whether each address of a host is of a private network. A name that nobody knows is not asked over the network:
    it counts as one's own, and connecting tells that it is unknown."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_private
    except ValueError:
        return all(ipaddress.ip_address(one).is_private for one in addresses_of(host))


def addresses_of(host: str) -> frozenset[str]:
    """IP addresses of a host; none where its name is unknown."""
    try:
        return frozenset(str(info[4][0]).partition("%")[0] for info in socket.getaddrinfo(host, None))
    except (OSError, UnicodeError):
        return frozenset()
