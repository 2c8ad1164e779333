"""Addresses of databases, read strictly: what is a host, what is a secret, and whether there is any doubt.

A password with a raw `/`, `#`, `?` or `@` makes every driver read the address as another one: a part of the password
becomes a port, a host or a database name, and the driver's error quotes it. So an address is used only where it can be
read in one way, and nothing of one that cannot is ever shown.
"""

from __future__ import annotations

import hashlib
import html
import ipaddress
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, quote_plus, unquote, unquote_plus

MONGODB = ("mongodb", "mongodb+srv")
REDIS = ("redis", "rediss", "unix")
DEFAULT_PORT = ":27017"
"""Of a MongoDB that is named without one."""
SHORTEST = 3
"""Shorter pieces are no secrets worth masking: every text holds them."""

UNREADABLE = "(an address that cannot be read)"
ENCODE = (
    "it can be read in more than one way; write every special character of the user and of the password "
    "percent-encoded, such as %2F for /, %40 for @, %3A for :, %23 for #, %3F for ?, %25 for % and %20 for a space"
)
NO_HOST = "it names no host, or a host or port that cannot be one; the form is SCHEME://USER:PASSWORD@HOST:PORT"

_HOST = re.compile(r"(?:[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+(?:%25\w+)?\])(?::(\d{1,5}))?|(?i:%2F)[\w.%-]+\.sock")
_PATH = {"mongodb": r"(?:/[\w.%$+-]*)?", "redis": r"(?:/\d*/?)?", "unix": r"/.+"}
_WITH_SECRET = re.compile(
    r"(?:mongodb|mongodb\+srv|redis|rediss|unix)://|[a-z][a-z0-9+.-]*://(?:[^/?#\s@]*:[^/?#\s]*|[^/?#\s@:]{8,})@"
)
_SEPARATORS = re.compile(r"[/:#?@\s]+")
_SECRET_OPTION = re.compile(r"(?i)pass|pwd|secret|token|api_?key|credential|signature|^(?:key|auth|sig)$")
_PROPERTIES = "authmechanismproperties"
_PUBLIC_PROPERTIES = frozenset({
    "SERVICE_NAME", "SERVICE_REALM", "SERVICE_HOST", "CANONICALIZE_HOST_NAME", "ENVIRONMENT", "TOKEN_RESOURCE",
    "ALLOWED_HOSTS", "PROVIDER_NAME",
})  # fmt: skip
_NAMED_MECHANISMS = frozenset({"MONGODB-X509", "GSSAPI", "MONGODB-OIDC"})
"""Mechanisms whose user is a name and never a password."""


class AddressError(ValueError):
    """An address cannot be read without doubt. The text is one of a few constants and holds nothing of the address."""


@dataclass(frozen=True, kw_only=True)
class Address:
    """An address that can be read in one way only. user, password and options stand as written (percent-encoded).

    hosts: `host:port`, `host` or a socket's path.  path: the database, with its slash.
    """

    scheme: str
    hosts: tuple[str, ...]
    path: str = ""
    user: str = field(default="", repr=False)
    password: str | None = field(default=None, repr=False)
    options: tuple[tuple[str, str], ...] = field(default=(), repr=False)

    @property
    def shown(self) -> str:
        """Hosts and ports, fit to be read by people."""
        return ",".join(self.hosts)

    def option(self, name: str) -> str:
        """The decoded value of an option, whatever its case; empty where it is not given."""
        return next((unquote_plus(value) for key, value in self.options if key.lower() == name.lower()), "")

    def plain_options(self) -> Iterator[tuple[str, str]]:
        """Options that hold no secret, as written."""
        yield from ((key, value) for key, value in self.options if not any(_in_option(key, value)))

    def without_credentials(self, *without: str) -> str:
        """The address as a stranger has it: no user, no password, none of the options named `without`. What opens the
        client's own TLS key stays, so this is for a driver and not for people."""
        plain = {key for key, _ in self.plain_options()}
        kept = [
            f"{key}={value}"
            for key, value in self.options
            if key.lower() not in without and (key in plain or key.lower().startswith(("tls", "ssl")))
        ]
        tail = self.path or ("/" if kept and self.scheme in MONGODB else "")
        host = "" if self.scheme == "unix" else self.shown
        return f"{self.scheme}://{host}{tail}" + (f"?{'&'.join(kept)}" if kept else "")


def parse(url: str) -> Address:
    """The parts of a MongoDB, Redis or other address. Raises AddressError, which never quotes the address."""
    scheme, found, rest = url.partition("://")
    if not found or not re.fullmatch(r"[a-z][a-z0-9+.-]*", scheme):
        raise AddressError("it is no address of the form SCHEME://HOST")
    if re.search(r"[\s\x00-\x1f\x7f]", url):
        raise AddressError(ENCODE)
    authority = re.split("[/?#]", rest, maxsplit=1)[0]
    tail = rest[len(authority) :]
    database = scheme in MONGODB or scheme in REDIS
    if database and ("@" in tail or "#" in tail):
        raise AddressError(ENCODE)
    userinfo, at, listed = authority.rpartition("@")
    user, colon, password = userinfo.partition(":")
    doubtful = r"[:@\[\]]|%(?![0-9A-Fa-f]{2})" if scheme in MONGODB else r"[\[\]]"
    if database and (re.search(doubtful, user + password) or (at and not user and scheme in MONGODB)):
        raise AddressError(ENCODE)
    path, _, query = tail.partition("#")[0].partition("?")
    pairs = [pair.partition("=") for pair in re.split("[&;]", query)] if query else []
    if not all(key and value for key, _, value in pairs):  # a raw & in a password reads as an option without a value
        raise AddressError(ENCODE)
    return Address(
        scheme=scheme, hosts=_hosts(scheme, listed, path), path=path, user=user, password=password if colon else None,
        options=tuple((key, value) for key, _, value in pairs),
    )  # fmt: skip


def _hosts(scheme: str, listed: str, path: str) -> tuple[str, ...]:
    kind = "mongodb" if scheme in MONGODB else "unix" if scheme == "unix" else "redis" if scheme in REDIS else ""
    if kind and not re.fullmatch(_PATH[kind], path):
        raise AddressError(NO_HOST if kind == "unix" else ENCODE)
    if kind == "unix":
        if listed:
            raise AddressError(NO_HOST)
        return (path,)
    hosts = tuple(listed.split(",")) if kind == "mongodb" else (listed,)
    for host in hosts:
        match = _HOST.fullmatch(host)
        if not match or (match[1] and not 0 < int(match[1]) < 65_536):
            raise AddressError(NO_HOST)
    return hosts


def is_loopback(host: str) -> bool:
    """Whether a host is this very machine; a name that has to be looked up is not."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def shown(url: str) -> str:
    """Hosts and ports of an address, for people; of one that cannot be read, nothing."""
    try:
        return parse(url).shown
    except AddressError:
        return UNREADABLE


def places(uri: str, database: str) -> list[str]:
    """Names of this machine's files for a database, sixteen hexadecimal digits each: the one to write under, then those
    that other spellings of its address may have written under.

    A host is of one replica set only, so there is a name for each host, and the first one's, in order of their letters,
    is written under: an address that holds this host finds what was written, one that holds other members only does
    not. The last names are of all hosts together, as earlier versions named them.
    """
    try:
        address = parse(uri)
        hosts, is_srv = address.hosts, address.scheme == "mongodb+srv"
    except AddressError:
        hosts, is_srv = (UNREADABLE,), True
    plain = sorted(host.lower() for host in hosts)
    full = sorted({one if is_srv or re.search(r":\d+$|\.sock$", one) else f"{one}{DEFAULT_PORT}" for one in plain})
    bare = [one.removesuffix(DEFAULT_PORT) for one in full]
    spelt = [*full, *(",".join(sorted(one)) for one in (plain, full, bare))]
    return list(dict.fromkeys(hashlib.sha256(f"{one}/{database}".encode()).hexdigest()[:16] for one in spelt))


# ---------------------------------------------------------------------------------------------------------- secrets


def secret_values(urls: Iterable[str]) -> set[str]:
    """What must never be shown of `urls`: passwords, secret options and whole addresses, plain and encoded.

    Of an address that cannot be read without doubt, every piece that may be a part of its password is a secret.
    """
    found: set[str] = set()
    for url in urls:
        mine = _secrets_of(url)
        if mine:
            found |= {url, *mine}
    return {spelt for secret in found for spelt in _encoded(secret) if len(spelt) >= SHORTEST}


def environment_secrets(environment: Mapping[str, str], named: Iterable[str]) -> set[str]:
    """Secrets of the addresses in an environment: of those that the variables `named` hold, however they are written,
    and of every other variable that holds a database's address or a URL with a password or a key."""
    mine = [value for name in named if (value := environment.get(name, "").strip())]
    others = [value for value in environment.values() if _WITH_SECRET.match(value.strip())]
    return secret_values([value if "://" in value else f"mongodb://{value}" for value in mine] + others)


def recipients(text: str) -> list[str]:
    """The addresses of people in a variable, `https://hooks.slack.com/…, smtps://…?to=a@x,b@x`: split where after a
    comma or a space another scheme begins."""
    parts = re.split(r"[,\s]+(?=[A-Za-z][A-Za-z0-9+.-]*://)", text.strip())
    return [part.strip(" ,") for part in parts if part.strip(" ,")]


def _may_be_a_key(piece: str) -> bool:
    return len(piece) >= 8 and bool(re.search(r"\d", piece)) and not re.fullmatch(r"[\w-]+(\.[\w-]+)+", piece)


def recipient_secrets(text: str) -> set[str]:
    """What must never be shown of `recipients(text)`: a webhook's path is its password, a mail's address a person's."""
    found: set[str] = set()
    for url in recipients(text):
        rest = url.partition("://")[2] or url
        host, _, path = rest.partition("/")
        pieces = [piece for piece in re.split(r"[/?&=:@,;]+", rest) if _may_be_a_key(piece)]
        people = re.findall(r"[^\s/?&=:,;@]+(?:@|%40)[^\s/?&=:,;@]+", rest.partition("?")[2])
        found |= {url, rest, *pieces, *people} | ({path, f"/{path}"} if len(path) >= 8 else set())
        found |= {host.rpartition("@")[0].partition(":")[2]}
    return secret_values(recipients(text)) | {spelt for one in filter(None, found) for spelt in _encoded(one)
                                              if len(spelt) >= SHORTEST}  # fmt: skip


def _secrets_of(url: str) -> set[str]:
    rest = url.partition("://")[2]
    if not rest:
        return set()
    try:
        address = parse(url)
    except AddressError:
        return _pieces(rest)
    secrets = {secret for key, value in address.options for secret in _in_option(key, value)}
    if address.password:
        secrets |= {address.password, f"{address.user}:{address.password}"}
    elif address.user and address.option("authMechanism").upper() not in _NAMED_MECHANISMS:
        secrets.add(address.user)  # a password or a key that stands where the user should
    return secrets


def _pieces(rest: str) -> set[str]:
    """All that may be a part of the password: what stands before the last `@`, or everything where there is none."""
    head, at, tail = rest.rpartition("@")
    head = head if at else tail
    found = {head, head.partition(":")[2], *_SEPARATORS.split(head)}
    for pair in re.finditer(r"[?&;]([^=&;]+)=", rest):
        if _SECRET_OPTION.search(pair[1]) or pair[1].lower() == _PROPERTIES:
            value = rest[pair.end() :]
            found |= {value, *_SEPARATORS.split(value), *re.split("[&;]", value), *re.split(r"[/:#?@\s&;,=]+", value)}
    return found


def _in_option(name: str, value: str) -> Iterator[str]:
    """Secrets in one option of an address."""
    if name.lower() == _PROPERTIES:
        for entry in unquote_plus(value).split(","):
            key, _, held = entry.partition(":")
            if held and key.strip().upper() not in _PUBLIC_PROPERTIES:
                yield held
    elif value and _SECRET_OPTION.search(name):
        yield value


def _encoded(secret: str) -> set[str]:
    """A secret as it was written, decoded, and encoded anew."""
    plain = {secret, unquote(secret), unquote_plus(secret)}
    return plain | {spelt for one in plain for spelt in (quote(one, safe=""), quote_plus(one))}


def spellings(secret: str) -> set[str]:
    """A secret as messages and files hold it: plain, and escaped as Python's repr, JSON and HTML do."""
    escaped = {repr(secret)[1:-1], json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]}
    return {secret, *escaped, html.escape(secret, quote=True), html.escape(secret, quote=False)}
