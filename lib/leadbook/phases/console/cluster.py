"""What Atlas says of the cluster as ordered: tier, storage, TLS floor, protection, keys."""

from __future__ import annotations

import re
from typing import Any

from leadbook.atlas.project import AtlasProject
from leadbook.atlas.records import AtlasCluster
from leadbook.core.checks import Unmeasured
from leadbook.page.prose import number
from leadbook.phases.console.atlas import Atlas, Questions
from leadbook.phases.judging import Finding, Missing, got

LEAST_TIER = 30
"""Task book 1.1.1.1: M30 or larger; R40 and the like are larger."""
NOT_SAID = "Atlas did not say; look at the cluster's configuration in its console"


def ordered(atlas: Atlas) -> Questions:
    """Questions that are attested where Atlas is not asked."""
    return {
        "ATL-CLU-001": lambda: _tier(got(atlas).cluster()),
        "ATL-CLU-002": lambda: _storage(got(atlas).cluster()),
        "ATL-ENC-001": lambda: _encrypted(got(atlas)),
    }


def besides(atlas: Atlas) -> Questions:
    """Questions that only Atlas answers."""
    return {
        "ATL-CLU-003": lambda: (known(got(atlas).cluster().termination_protection), "terminationProtectionEnabled"),
        "ATL-TLS-001": lambda: _tls_floor(got(atlas)),
    }


def known(value: Any) -> Any:
    """`value`. Raises Missing where Atlas did not tell it."""
    if value is None:
        raise Missing(Unmeasured(NOT_SAID))
    return value


def size(cluster: AtlasCluster) -> str:
    """The instance for people: `M30 of AWS in EU_CENTRAL_1: 2 vCPU and 8 GB by Atlas' list, 50 GB of disk`."""
    cores = f"{cluster.cores} vCPU" if cluster.cores else "vCPU not known"
    memory = f"{number(cluster.memory_gb, 'GB', 1)}" if cluster.memory_gb else "RAM not known"
    disk = f", {cluster.disk_gb:g} GB of disk" if cluster.disk_gb else ""
    return f"{cluster.tier} of {cluster.provider} in {cluster.region}: {cores} and {memory} by Atlas' list{disk}"


def _tier(cluster: AtlasCluster) -> Finding:
    rank = re.match(r"[MR](\d+)", cluster.tier)
    told = f"{size(cluster)}; state {cluster.state}, {cluster.members} members"
    near = "; how near it is to who inserts, the round trip tells (MDB-CON-002)"
    if known(cluster.paused):
        return False, f"the cluster is paused; {told}"
    return bool(rank) and int(rank[1] if rank else 0) >= LEAST_TIER, told + near


def _storage(cluster: AtlasCluster) -> Finding:
    disk = f"; {cluster.disk_gb:g} GB now" if cluster.disk_gb else ""
    state = "on, up to the largest disk of the tier" if cluster.scales_storage else "off"
    return known(cluster.scales_storage) or (cluster.disk_gb or 0) >= 100, f"storage auto-scaling is {state}{disk}"


def _encrypted(project: AtlasProject) -> Finding:
    cluster, keys = project.cluster(), project.own_keys()
    used = "" if cluster.encryption in ("", "NONE") else cluster.encryption
    if not re.match(r"[MR]\d{2}", cluster.tier):
        return Unmeasured(f"Atlas tells nothing of encryption for tier {cluster.tier or 'not told'}"), ""
    if keys and not used:
        return False, f"keys of your own are set up ({', '.join(keys)}), and this cluster does not use them"
    if used and not keys:
        return False, f"the cluster wants keys of {used}, and none is enabled in the project"
    own = f"and with keys of your own ({used})" if used else "no keys of your own besides"
    return True, f"Atlas encrypts the volumes of every dedicated tier, this {cluster.tier} too; {own}"


def _tls_floor(project: AtlasProject) -> Finding:
    floor = project.tls_floor() or project.cluster().tls_floor
    version, told = re.fullmatch(r"TLS(\d)_(\d)", floor), f"minimumEnabledTlsProtocol {floor or 'not told'}"
    return float(f"{version[1]}.{version[2]}") if version else Unmeasured(told), told
