"""What Atlas says of who gets in: the access list, database users and their roles, auditing."""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from urllib.parse import unquote

from leadbook.atlas.project import AtlasProject
from leadbook.atlas.records import AccessEntry, CustomRole, DatabaseUser
from leadbook.atlas.values import WIDEST, Network
from leadbook.core import addresses
from leadbook.core.checks import Unmeasured
from leadbook.core.settings import Settings
from leadbook.n8n.rights import READ_WRITE, SHOWN
from leadbook.phases.console.asked import AlsoAttested
from leadbook.phases.console.atlas import Atlas, Questions
from leadbook.phases.judging import Finding, Missing, got
from leadbook.provision.security import BROAD_ROLES

NARROW = {4: 24, 6: 64}
"""Prefix length from which an entry is narrow: one office's or one subnet's addresses."""
MAPPED = 96
"""Prefix length of all IPv4 addresses written as IPv6."""
_READ_WRITE = {action.casefold() for action in READ_WRITE}
"""Atlas writes an action as CREATE_INDEX: compared without case and underscores."""
UNREADABLE = "an entry of the access list names no address that can be read; look at the list in Atlas"


def attested(atlas: Atlas, uri: str, settings: Settings) -> Questions:
    """Questions that are attested where Atlas is not asked. uri: the application's address."""
    return {
        "ATL-USR-001": lambda: _users(got(atlas), uri, settings),
        "ATL-NET-001": lambda: _open_to_the_world(got(atlas).access_list()),
        "ATL-AUD-001": lambda: _auditing(got(atlas)),
    }


def besides(atlas: Atlas, uri: str, settings: Settings, n8n: Callable[[], Collection[str]]) -> Questions:
    """Questions that only Atlas answers. n8n: users by which n8n is logged in at MongoDB, as far as they are known."""
    return {
        "ATL-USR-002": lambda: _roles_beyond(got(atlas), uri, settings, n8n),
        "ATL-NET-002": lambda: _narrow(got(atlas)),
    }


# -------------------------------------------------------------------------------------------------------------- users


def _application(users: Sequence[DatabaseUser], uri: str) -> DatabaseUser | None:
    name = unquote(addresses.parse(uri).user)
    return next((user for user in users if name and user.name == name), None)


def _broad(user: DatabaseUser) -> list[str]:
    return [role for role in user.roles if role.partition("@")[0] in BROAD_ROLES]


def _is_inside(role: str, database: str) -> bool:
    """Whether a role is readWrite or read on the leads' database, or a part of it."""
    name, _, where = role.partition("@")
    return name in ("readWrite", "read") and (where == database or where.startswith(f"{database}."))


def _beyond(role: str, custom: Mapping[str, CustomRole], database: str, outer: frozenset[str] = frozenset()) -> str:
    """How a role reaches beyond readWrite on the leads' database, in words; empty where it does not. outer: custom
    roles that inherit it. Raises Missing for a custom role of which Atlas tells nothing."""
    found = custom.get(role.partition("@")[0])
    if found is None or found.name in outer:
        return "" if _is_inside(role, database) or found is not None else role
    if not found.privileges and not found.inherits:
        raise Missing(Unmeasured(f"Atlas tells nothing of what the custom role {found.name} allows"))
    reaches = [f"{action} on {where or 'everything'}" for action, where in found.privileges
               if where != database or action.replace("_", "").casefold() not in _READ_WRITE]  # fmt: skip
    inherited = (_beyond(one, custom, database, outer | {found.name}) for one in found.inherits)
    told = [*reaches, *filter(None, inherited)]
    more = f" and {len(told) - SHOWN} more" if len(told) > SHOWN else ""
    return f"{found.name} ({', '.join(told[:SHOWN])}{more})" if told else ""


def _users(project: AtlasProject, uri: str, settings: Settings) -> Finding:
    users = project.users()
    mine = _application(users, uri)
    if mine is None:
        return Unmeasured("no database user of the project has the name in MONGODB_URI"), ""
    if broad := _broad(mine):
        return False, f"the application's user holds {', '.join(broad)}; it needs readWrite on {settings.database}"
    held = Counter(role.partition("@")[0] for user in users if user is not mine for role in _broad(user))
    others = ", ".join(f"{role} ({count})" for role, count in held.items()) or "none"
    told = f"{len(users)} database users; the application's holds {', '.join(mine.roles) or 'no role'}"
    return AlsoAttested(f"{told}; roles of others that reach beyond one database: {others}"), ""


def _roles_beyond(
    project: AtlasProject, uri: str, settings: Settings, n8n: Callable[[], Collection[str]]
) -> Finding:  # fmt: skip
    mine = _application(project.users(), uri)
    if mine is None:
        return Unmeasured("no database user of the project has the name in MONGODB_URI"), ""
    its = n8n()
    users = {"the application's user": mine}
    users |= {f"n8n's user {one.name}": one for one in project.users() if one is not mine and one.name in its}
    if silent := [who for who, user in users.items() if not user.roles]:
        return Unmeasured(f"Atlas tells no role of {' and '.join(silent)}"), ""
    plain = all(_is_inside(role, settings.database) for user in users.values() for role in user.roles)
    custom = {} if plain else {one.name: one for one in project.custom_roles()}
    count, told = 0, []
    for who, user in users.items():
        beyond = [said for role in user.roles if (said := _beyond(role, custom, settings.database))]
        count += len(beyond)
        told.append(f"{who} holds {', '.join(beyond or user.roles)}")
    unseen = "" if its else "; by which user n8n is logged in is not known"
    return count, "; ".join(told) + unseen


# ------------------------------------------------------------------------------------------------------------ network


def _networks(entries: Sequence[AccessEntry]) -> list[Network]:
    """Whom the entries let in: neighbours as the one network that they are together, IPv4 in IPv6 as IPv4.

    Raises Missing where an entry names nobody that we can read: it could be everybody.
    """
    found: dict[int, list[Network]] = {4: [], 6: []}
    for entry in entries:
        try:
            network = ipaddress.ip_network(entry.cidr, strict=False) if entry.cidr or not entry.group else None
        except ValueError:
            raise Missing(Unmeasured(UNREADABLE)) from None
        if network is not None:
            plain = _plain(network)
            found[plain.version].append(plain)
    return [network for each in found.values() for network in ipaddress.collapse_addresses(each)]  # type: ignore[type-var]


def _plain(network: Network) -> Network:
    """`::ffff:0:0/96` as the 0.0.0.0/0 that it is."""
    mapped = network.network_address.ipv4_mapped if isinstance(network, ipaddress.IPv6Network) else None
    if mapped is None or network.prefixlen < MAPPED:
        return network
    return ipaddress.ip_network((mapped, network.prefixlen - MAPPED), strict=False)


def _open_to_the_world(entries: Sequence[AccessEntry]) -> Finding:
    networks = _networks(entries)
    wide = [network for network in networks if network.prefixlen < WIDEST[network.version]]
    temporary = sum(entry.deletes_at is not None for entry in entries)
    groups = sum(bool(entry.group) for entry in entries)
    count = "1 entry" if len(entries) == 1 else f"{len(entries)} entries"
    told = f"{count} of the access list (temporary: {temporary}, security groups: {groups})"
    if wide:
        return False, f"{', '.join(map(str, wide))} is open to the world; {told}"
    widest = min(networks, key=lambda one: one.prefixlen / one.max_prefixlen, default=None)
    return True, f"{told}; the widest is {widest or 'none'}: look whether n8n's and the DBA's addresses are in it"


def _narrow(project: AtlasProject) -> Finding:
    networks = [one for one in _networks(project.access_list()) if not one.is_private]
    wide = [network for network in networks if network.prefixlen < NARROW[network.version]]
    ways = f"{len(project.private_endpoints())} private endpoints, {len(project.peers())} peered networks"
    return len(wide), f"{', '.join(map(str, wide)) or 'none is wider than /24 (IPv6: /64)'}; {ways}"


def _auditing(project: AtlasProject) -> Finding:
    found = project.auditing()
    if not found.enabled:
        return AlsoAttested("auditing is off; that it is not wanted somebody must sign"), ""
    return True, f"auditing is on, {'with a filter' if found.filter else 'of everything'}"
