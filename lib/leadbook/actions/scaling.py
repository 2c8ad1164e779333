"""The cluster's size at Atlas: another tier, another disk. Larger at any time; smaller only between sprints."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from leadbook.actions.atlas import minutes_of, role_text, settled, target_of, waited
from leadbook.actions.ingester import followers
from leadbook.actions.records import Action, ActPlan, ActScene, Given, whole
from leadbook.atlas import changes
from leadbook.atlas.records import AtlasCluster
from leadbook.atlas.tiers import all_tiers, known_tiers, size_of
from leadbook.core.errors import ParameterError, RefusedError, did_you_mean

if TYPE_CHECKING:
    from leadbook.atlas.project import AtlasProject

IDLE = "IDLE"
"""stateName of a cluster that nothing changes."""
DISK_GB = 10, 16_384
"""Bounds of diskSizeGB; what a tier and a provider bear, Atlas says itself."""
BEGINS_S = 60.0
"""Atlas may call a cluster IDLE for a moment after it has taken an order."""
ROLLING = (
    "Atlas changes one member at a time: the primary too, so there is an election, in which writes wait for seconds "
    "and drivers send them again; it takes from ten minutes to hours, and the new size is billed from then on"
)
GROWS = "Atlas enlarges disks without an election as a rule; where it must replace them, one member at a time"


def rank(tier: str) -> int:
    """The number in a tier's name, by which tiers of a class grow; 0 where there is none."""
    return int(found[0]) if (found := re.search(r"\d+", tier)) else 0


def next_tier(provider: str, tier: str) -> str:
    """The next larger tier of the same class at that provider; empty where there is none."""
    kind, _, suffix = tier[:1], *tier.partition("_")[1:]
    same = [one for one in known_tiers(provider) or all_tiers() if one[:1] == kind and one.partition("_")[2] == suffix]
    return next((one for one in sorted(same, key=rank) if rank(one) > rank(tier)), "")


def _plan(scene: ActScene, given: Given) -> ActPlan:
    tier, disk = _tier(given), whole(given, "disk", *DISK_GB) if "disk" in given else None
    minutes = minutes_of(given, "atlas-scale")
    project = scene.atlas()
    cluster = project.cluster()
    if not tier and disk is None:
        return _choice(scene, project, cluster)
    now: dict[str, Any] = {"tier": cluster.tier} if tier else {}
    would: dict[str, Any] = {"tier": tier} if tier else {}
    if disk is not None:
        now["disk_gb"], would["disk_gb"] = cluster.disk_gb, float(disk)
    if now != would:
        _refuse(cluster, tier)
        now["state"] = would["state"] = IDLE
    down = _smaller(cluster, tier, disk)
    if down and given.get("during_sprint") != "true" and (why := _under_way(scene)):
        raise RefusedError(f"{down} while {why}: a smaller cluster may not bear it; wait, or add during_sprint=true")
    return ActPlan(
        action="atlas-scale", target=target_of(scene, project), now=now, would=would,
        about={"provider": cluster.provider, "region": cluster.region, "wait_min": minutes,
               "during_sprint": given.get("during_sprint") == "true"},
        evidence={**_servers(cluster, tier), "members": cluster.members, "version": cluster.version},
        why="a larger tier has more memory, processors and connections, a larger disk more room and as a rule more IOPS"
        if not down else "a smaller cluster costs less",
        back=_back(scene, cluster, tier, disk), warns=_warns(cluster, tier, disk, down),
    )  # fmt: skip


def _servers(cluster: AtlasCluster, tier: str) -> dict[str, str]:
    """A server of each tier, where the table knows it."""
    sizes = {name: size_of(cluster.provider, name) for name in (cluster.tier, tier) if name}
    return {name: f"{cores} cores and {memory:g} GB" for name, (cores, memory) in sizes.items() if memory is not None}


def _tier(given: Given) -> str:
    tier = given.get("tier", "").upper()
    if "tier" in given and tier not in all_tiers():
        hint = did_you_mean(tier, all_tiers()) or f"there are {', '.join(all_tiers())}"
        raise ParameterError("tier", f"{tier!r} is no dedicated tier of Atlas", hint)
    return tier


def _choice(scene: ActScene, project: AtlasProject, cluster: AtlasCluster) -> ActPlan:
    larger = next_tier(cluster.provider, cluster.tier)
    rows = [{"cluster": cluster.name, "tier": cluster.tier, "disk_gb": cluster.disk_gb, "state": cluster.state,
             "next_tier": larger or "none", "scales_by_itself": bool(cluster.scales_tier)}]  # fmt: skip
    command = scene.command(f"act atlas-scale tier={larger or cluster.tier}")
    return ActPlan(
        action="atlas-scale", target=target_of(scene, project), rows=rows, is_choice=True,
        why=f"plan one: {command}, or disk=GB in place of the tier",
    )  # fmt: skip


def _refuse(cluster: AtlasCluster, tier: str) -> None:
    """Raise RefusedError where Atlas would refuse, or undo, what is wanted."""
    if cluster.paused:
        raise RefusedError(f"cluster {cluster.name} is paused: resume it first")
    if cluster.state != IDLE:
        raise RefusedError(f"cluster {cluster.name} is {cluster.state}: Atlas changes it already; look again when IDLE")
    if cluster.tier not in all_tiers():
        raise RefusedError(f"{cluster.tier} is a shared or flex tier: upgrade it in the Atlas console")
    if tier and cluster.scales_tier:
        low, high = rank(cluster.lowest_tier), rank(cluster.highest_tier)
        if (low and rank(tier) < low) or (high and rank(tier) > high):
            raise RefusedError(
                f"auto-scaling keeps to {cluster.lowest_tier or 'its lowest'} and {cluster.highest_tier}; "
                f"change these bounds in the Atlas console first, then take {tier}"
            )


def _smaller(cluster: AtlasCluster, tier: str, disk: int | None) -> str:
    """What would become smaller, in words."""
    if tier and (rank(tier), tier[:1]) < (rank(cluster.tier), cluster.tier[:1]):
        return f"{cluster.tier} to {tier} is a smaller tier"
    if disk is not None and cluster.disk_gb is not None and disk < cluster.disk_gb:
        return f"{cluster.disk_gb:g} to {disk} GB is a smaller disk"
    return ""


def _under_way(scene: ActScene) -> str:
    """Why a sprint counts as under way; empty where none is."""
    if alive := len(followers(scene)):
        return f"a sprint is under way ({alive} followers alive)"
    begin, end = (datetime.fromisoformat(one) if one else None
                  for one in (scene.settings.sprint_start, scene.settings.sprint_deadline))  # fmt: skip
    if end is not None and (begin or end.min.replace(tzinfo=UTC)) <= datetime.now(UTC) <= end:
        return f"a sprint is under way (until {end:%Y-%m-%d %H:%M})"
    return ""


def _back(scene: ActScene, cluster: AtlasCluster, tier: str, disk: int | None) -> str:
    words = [f"tier={cluster.tier}"] if tier else []
    words += [f"disk={cluster.disk_gb:g}"] if disk is not None and cluster.disk_gb else []
    return scene.command(f"act atlas-scale {' '.join(words)}") + ", which is a rolling change of its own"


def _warns(cluster: AtlasCluster, tier: str, disk: int | None, down: str) -> list[str]:
    found = [ROLLING if tier or down else GROWS]
    if cluster.scales_tier and tier:
        found.append("auto-scaling is on: Atlas may change the tier again by itself")
    if cluster.scales_storage and disk is not None:
        found.append("storage auto-scaling is on: Atlas enlarges the disk by itself, at 90 % used")
    if down:
        found.append("fewer connections, less memory: what fits now may not fit then")
    if cluster.members > 3:
        found.append("all electable and read-only nodes get the same size; analytics nodes keep their tier")
    return found


def _do(scene: ActScene, plan: ActPlan) -> Mapping[str, Any]:
    change = changes.scaled(scene.atlas(), plan.would.get("tier", ""), plan.would.get("disk_gb"))
    seen = settled(scene, change, lambda again: _is_begun(again.cluster(), plan))
    return {**_seen(scene.atlas().cluster(), plan), **({"seen": seen} if seen else {})}


def _is_begun(cluster: AtlasCluster, plan: ActPlan) -> bool:
    return cluster.state != IDLE or all(_seen(cluster, plan)[name] == value for name, value in plan.would.items())


def _seen(cluster: AtlasCluster, plan: ActPlan) -> dict[str, Any]:
    told = {"tier": cluster.tier, "disk_gb": cluster.disk_gb, "state": cluster.state}
    return {name: told[name] for name in plan.would}


def _wait(scene: ActScene, plan: ActPlan, after: Mapping[str, Any]) -> Mapping[str, Any]:
    began = time.monotonic()

    def look(project: AtlasProject) -> tuple[bool, Mapping[str, Any]]:
        seen = {**after, **_seen(project.cluster(), plan)}
        is_so = all(seen[name] == value for name, value in plan.would.items())
        return seen["state"] == IDLE and (is_so or time.monotonic() - began > BEGINS_S), seen

    return waited(scene, plan.about["wait_min"], look)


ACTIONS = (
    Action(
        name="atlas-scale", does="another tier or another disk of the cluster; without either: what it has now",
        plan=_plan, do=_do, wait=_wait, kind="scaling",
        also=role_text("updateCluster"),
        takes={"tier": "M40", "disk": "GB", "wait": "min, 0 to 240; 0 does not wait",
               "during_sprint": "true makes it smaller in the middle of a sprint, too"},
        moves=("mongodb.write_ms", "mongodb.read_ms", "mongodb.cache_used_percent", "host.cpu_percent"),
    ),
)  # fmt: skip
