"""Atlas itself: a snapshot on demand, and who may reach the cluster. Its size: `actions.scaling`."""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from pymongo.errors import PyMongoError

from leadbook.actions.records import Action, ActPlan, ActScene, Given, whole
from leadbook.atlas import changes
from leadbook.atlas.failures import AtlasDoubtError
from leadbook.atlas.records import AtlasSnapshot
from leadbook.atlas.values import WIDEST, Network
from leadbook.core.errors import LeadbookError, ParameterError, RefusedError
from leadbook.lead.masks import mask_people

if TYPE_CHECKING:
    from leadbook.atlas.project import AtlasProject

LONGEST_H = 7 * 24
"""Atlas keeps a temporary entry for a week at most."""
LOOK_S = 5.0
"""Between two looks at what becomes of a change."""
LISTED_S = 60.0
"""An entry stands in the list at once, and holds at the cluster within a minute."""
WAIT_MIN = {"atlas-snapshot": 15, "atlas-scale": 30}
"""So long an action waits where nothing else is said; Atlas goes on by itself."""
SHOWS_S = (0.0, 1.0, 2.0)
"""Waits before the looks at a change in doubt: Atlas shows what it has begun within seconds."""
UNDER_WAY = ("queued", "inProgress")
IN_DOUBT = "the connection broke before Atlas answered, and it is so at Atlas"
"""What `seen` says where the outcome was in doubt and a look settled it."""


def target_of(scene: ActScene, project: AtlasProject) -> str:
    """Cluster and project besides the database: an approval names and covers all three."""
    return f"Atlas cluster {project.cluster().name} of project {project.project}, {scene.target}"


def role_text(call: str) -> str:
    """What an action takes besides rights at MongoDB, in words: the project role of its change."""
    return f"{changes.role_for(call)} in the Atlas project, of the service account or API key"


def minutes_of(given: Given, action: str) -> int:
    """How long is waited, min; 0 is not at all. Raises ParameterError."""
    return whole(given, "wait", 0, 240, WAIT_MIN[action])


def settled(scene: ActScene, change: changes.AtlasChange, is_so: Callable[[AtlasProject], bool]) -> str:
    """Send a change once. Where its outcome is in doubt, look whether it is so: empty, or how it was settled.

    Raises AtlasDoubtError where the look does not show it either, and as `changes.send`.
    """
    try:
        changes.send(scene.atlas(), change)
        return ""
    except AtlasDoubtError as error:
        with suppress(LeadbookError):
            for wait_s in SHOWS_S:
                time.sleep(wait_s)
                if is_so(scene.atlas()):
                    return IN_DOUBT
        raise AtlasDoubtError(f"{error}; it does not show at Atlas so far: look again before you do it again") from None


def waited(
    scene: ActScene, minutes: float, look: Callable[[AtlasProject], tuple[bool, Mapping[str, Any]]]
) -> Mapping[str, Any]:
    """Look again and again until it has ended or the time is over; what was seen last. look: (ended, seen).

    A look that fails is told and tried again: what was begun goes on without us.
    """
    began, seen = time.monotonic(), dict[str, Any]()
    while True:
        try:
            ended, found = look(scene.atlas())
            seen = dict(found)
            if ended:
                return seen
            told = ", ".join(f"{name} {value}" for name, value in seen.items())
        except LeadbookError as error:
            told = f"could not look: {error}"
        left = 60 * minutes - (time.monotonic() - began)
        if left <= 0:
            return {**seen, "waited_min": round(minutes, 1)}
        scene.tell(f"{(time.monotonic() - began) / 60:.1f} min: {told}")
        time.sleep(min(LOOK_S, left))


# ----------------------------------------------------------------------------------------------------------- snapshot


def _plan_snapshot(scene: ActScene, given: Given) -> ActPlan:
    days = whole(given, "days", 1, kept := scene.settings.target_backup_days, kept)
    minutes = minutes_of(given, "atlas-snapshot")
    description = _words(given, "description", "leadbook, before a change")
    project = scene.atlas()
    cluster, there = project.cluster(), project.snapshots()
    if cluster.backup is False:
        raise RefusedError(
            f"backup is off for cluster {cluster.name}: Atlas takes no snapshot; switch on Cloud Backup first"
        )
    if one := next((one for one in there if one.status in UNDER_WAY), None):
        raise RefusedError(f"snapshot {one.id} is {one.status}; Atlas takes one at a time: look again when it ends")
    newest = max((one.taken for one in there if one.taken), default=None)
    return ActPlan(
        action="atlas-snapshot", target=target_of(scene, project), now={"snapshot": "not taken"},
        would={"snapshot": "completed"},
        about={"description": description, "days": days, "wait_min": minutes},
        evidence={"snapshots": len(there), "newest": f"{newest:%Y-%m-%d %H:%M} UTC" if newest else None},
        why="a state to come back to before something large is changed",
        back=f"none is needed: Atlas removes it after {days} days; earlier by hand (Backup, Snapshots)",
        warns=["it is billed by its size for as long as it is kept; it holds personal data for as long"],
    )  # fmt: skip


def _words(given: Given, name: str, default: str) -> str:
    text = " ".join(given.get(name, default).split())
    if len(text) > changes.COMMENT or not text.isprintable():
        raise ParameterError(name, f"must be printable text of {changes.COMMENT} characters at most")
    if mask_people(text) != text:
        raise ParameterError(name, "names a person: everybody in the project reads it", "say what it is for")
    return text


def _do_snapshot(scene: ActScene, plan: ActPlan) -> Mapping[str, Any]:
    project = scene.atlas()
    before = {one.id for one in project.snapshots()}

    def ours(seen: AtlasProject) -> AtlasSnapshot | None:
        return next((one for one in seen.snapshots() if one.id not in before and one.kind == "onDemand"), None)

    change = changes.snapshot(project.cluster().name, plan.about["description"], plan.about["days"])
    seen = settled(scene, change, lambda again: ours(again) is not None)
    taken = ours(scene.atlas())
    return _told(taken.status if taken else "queued", taken.id if taken else "", seen)


def _told(status: str, identifier: str, seen: str) -> dict[str, Any]:
    return {"snapshot": status, "id": identifier, **({"seen": seen} if seen else {})}


def _wait_snapshot(scene: ActScene, plan: ActPlan, after: Mapping[str, Any]) -> Mapping[str, Any]:
    def look(project: AtlasProject) -> tuple[bool, Mapping[str, Any]]:
        ours = next((one for one in project.snapshots() if one.id == after["id"]), None)
        status = ours.status if ours is not None else str(after["snapshot"])
        return status not in UNDER_WAY, {**after, "snapshot": status}

    return waited(scene, plan.about["wait_min"], look)


# --------------------------------------------------------------------------------------------------------- access list


def _plan_access(scene: ActScene, given: Given) -> ActPlan:
    if ("add" in given) == ("remove" in given):
        raise ParameterError("add", "give one of add and remove", "leadbook act atlas-access add=203.0.113.7/32")
    if "remove" in given and (extra := next((one for one in ("comment", "hours") if one in given), "")):
        raise ParameterError(extra, "goes with add only")
    return _plan_add(scene, given) if "add" in given else _plan_remove(scene, given)


def _plan_add(scene: ActScene, given: Given) -> ActPlan:
    network = _network("add", given["add"])
    widest = WIDEST[network.version]
    if network.prefixlen < widest:
        raise RefusedError(
            f"{network} lets in {'networks of strangers' if network.prefixlen else 'everybody'}: entries wider than "
            f"/{widest} are refused; add the addresses that n8n and the DBA come from, such as 203.0.113.7/32"
        )
    comment = _words(given, "comment", "added by leadbook")
    hours = whole(given, "hours", 1, LONGEST_H) if "hours" in given else 0
    project = scene.atlas()
    is_there = any(_is(one.cidr, network) for one in project.access_list())
    covering = [one.cidr for one in project.access_list() if one.cidr and _covers(one.cidr, network)]
    return ActPlan(
        action="atlas-access", target=target_of(scene, project), now={"entry": "listed" if is_there else "absent"},
        would={"entry": "listed"}, about={"cidr": str(network), "comment": comment, "hours": hours or "for good"},
        evidence={"addresses": network.num_addresses, "entries": len(project.access_list())},
        why="who comes from there can reach the cluster, and then still needs a user and a password",
        back=scene.command(f"act atlas-access remove={network}"),
        warns=[f"{', '.join(covering)} lets these addresses in already"] if covering and not is_there else (),
    )  # fmt: skip


def _plan_remove(scene: ActScene, given: Given) -> ActPlan:
    network = _network("remove", given["remove"])
    project = scene.atlas()
    entries = project.access_list()
    entry = next((one for one in entries if _is(one.cidr, network)), None)
    others = [one.cidr for one in entries if one is not entry and one.cidr]
    mine = _own_address(scene)
    is_mine = mine is not None and mine in network and not any(_covers(one, _host(mine)) for one in others)
    if entry is not None and is_mine and given.get("forced") != "true":
        raise RefusedError(
            f"{network} is how this machine ({mine}, as MongoDB sees it) reaches the cluster: leadbook would lock "
            "itself out; add another entry first, or add forced=true"
        )
    comment = f" comment='{entry.comment}'" if entry is not None and entry.comment else ""
    return ActPlan(
        action="atlas-access", target=target_of(scene, project),
        now={"entry": "absent" if entry is None else "listed"}, would={"entry": "absent"},
        about={"cidr": str(network), "comment": entry.comment if entry else "",
               "forced": given.get("forced") == "true"},
        evidence={"entries": len(entries), "connected_from_there": _connected(scene, network, others)},
        why="what nobody needs any more lets in whoever gets that address next",
        back=scene.command(f"act atlas-access add={network}{comment}"),
        warns=["connections that are open stay open for a while; new ones from there are refused within a minute"],
    )  # fmt: skip


def _network(name: str, text: str) -> Network:
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        hint = ""
        with suppress(ValueError):
            own, whole_net = ipaddress.ip_interface(text), ipaddress.ip_network(text, strict=False)
            hint = f"do you mean {own.ip}/{own.max_prefixlen} or {whole_net}?"
        raise ParameterError(name, "must be an address or a network, such as 203.0.113.7/32", hint) from None


def _host(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> Network:
    return ipaddress.ip_network(address)


def _is(cidr: str, network: Network) -> bool:
    with suppress(ValueError):
        return ipaddress.ip_network(cidr, strict=False) == network
    return False


def _covers(cidr: str, network: Network) -> bool:
    with suppress(ValueError, TypeError):  # TypeError: of the other IP version
        return network.subnet_of(ipaddress.ip_network(cidr, strict=False))  # type: ignore[arg-type]
    return False


def _own_address(scene: ActScene) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """This machine's address as MongoDB sees it; None where it does not tell."""
    with suppress(PyMongoError, ValueError, KeyError):
        return ipaddress.ip_address(_without_port(str(scene.client.admin.command("whatsmyuri")["you"])))
    return None


def _connected(scene: ActScene, network: Network, others: list[str]) -> int | None:
    """Connections from there that no other entry lets in; None where the DBA's user may not see them."""
    try:
        found = list(scene.admin.admin.aggregate([
            {"$currentOp": {"allUsers": True, "idleConnections": True}}, {"$match": {"client": {"$type": "string"}}},
            {"$project": {"client": 1}},
        ]))  # fmt: skip
    except PyMongoError:
        return None
    count = 0
    for one in found:
        with suppress(ValueError):
            address = ipaddress.ip_address(_without_port(one["client"]))
            count += address in network and not any(_covers(cidr, _host(address)) for cidr in others)
    return count


def _without_port(told: str) -> str:
    return told.rpartition(":")[0].strip("[]")


def _do_access(scene: ActScene, plan: ActPlan) -> Mapping[str, Any]:
    project, about = scene.atlas(), plan.about
    wanted, network = plan.would["entry"], ipaddress.ip_network(about["cidr"])

    def is_so(seen: AtlasProject) -> bool:
        return any(_is(one.cidr, network) for one in seen.access_list()) is (wanted == "listed")

    change = changes.disallowed(_spelt(project, network))
    if wanted == "listed":
        until = datetime.now(UTC) + timedelta(hours=about["hours"]) if about["hours"] != "for good" else None
        change = changes.allowed(about["cidr"], about["comment"], until)
    seen = settled(scene, change, is_so)
    until_s = time.monotonic() + LISTED_S
    while not (so := is_so(scene.atlas())) and time.monotonic() < until_s:
        scene.tell("waiting for Atlas to list it")
        time.sleep(LOOK_S)
    other = "absent" if wanted == "listed" else "listed"
    return {"entry": wanted if so else other, **({"seen": seen} if seen else {})}


def _spelt(project: AtlasProject, network: Network) -> str:
    """The entry as Atlas itself spells it."""
    return next((one.cidr for one in project.access_list() if _is(one.cidr, network)), str(network))


ACTIONS = (
    Action(
        name="atlas-snapshot", does="have Atlas take a snapshot of the cluster now", plan=_plan_snapshot,
        do=_do_snapshot, wait=_wait_snapshot, also=role_text("takeSnapshots"), kind="resolution",
        takes={"description": f"what it is for, {changes.COMMENT} characters at most",
               "days": "how long Atlas keeps it, target_backup_days at most", "wait": "min, 0 to 240; 0 does not wait"},
        moves=("mongodb.write_ms", "mongodb.read_ms"),
    ),
    Action(
        name="atlas-access", does="let an address reach the cluster, or no longer (Atlas's IP access list)",
        plan=_plan_access, do=_do_access, also=role_text("createAccessListEntry"),
        kind="resolution",
        takes={"add": "address or network, 203.0.113.7/32", "remove": "the same",
               "comment": "of an entry that is added", "hours": f"1 to {LONGEST_H}: then Atlas removes it again",
               "forced": "true removes the entry that lets this machine in, too"},
        moves=("mongodb.connections_current",),
    ),
)  # fmt: skip
