"""A cluster's description as a record, and which cluster an address means."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from leadbook.atlas import values
from leadbook.atlas.records import AtlasCluster
from leadbook.atlas.tiers import size_of

_STRINGS = ("standard", "standardSrv", "private", "privateSrv")
_PRIVATE = ("connectionString", "srvConnectionString", "srvShardOptimizedConnectionString")
_DEFAULT_PORT = 27017


def hosts_of(address: str) -> tuple[str, ...]:
    """`host:port` of each member an address names; of an SRV address its name alone. Lower case, no credentials."""
    scheme, _, rest = address.partition("://")
    listed = re.split("[/?]", rest, maxsplit=1)[0].rpartition("@")[2].lower()
    port = "" if scheme == "mongodb+srv" else f":{_DEFAULT_PORT}"
    return tuple(
        host if re.search(r":\d+$", host) else f"{host}{port}" for host in listed.split(",") if host.strip(". ")
    )


def hosts_in(body: Mapping[str, Any]) -> tuple[str, ...]:
    """Hosts of all of a cluster's connection strings."""
    strings = body.get("connectionStrings")
    found = [values.text(strings, name) for name in _STRINGS]
    found += [values.text(one, name) for one in values.many(strings, "privateEndpoint") for name in _PRIVATE]
    return tuple(dict.fromkeys(host for address in found if address for host in hosts_of(address)))


def cluster_of(body: Mapping[str, Any]) -> AtlasCluster:
    """The record of a cluster's description; of several regions, that with the highest priority."""
    specs = values.many(body, "effectiveReplicationSpecs") or values.many(body, "replicationSpecs")
    regions = [region for spec in specs for region in values.many(spec, "regionConfigs")]
    first = max(regions, key=lambda region: values.number(region, "priority") or 0, default={})
    provider = values.text(first, "providerName")
    provider = values.text(first, "backingProviderName") if provider in ("TENANT", "FLEX") else provider
    tier = values.text(first, "electableSpecs.instanceSize")
    cores, memory = size_of(provider, tier)
    scales = values.flag(first, "autoScaling.compute.enabled")
    return AtlasCluster(
        name=values.text(body, "name"), provider=provider, region=values.text(first, "regionName"), tier=tier,
        version=values.text(body, "mongoDBVersion"), state=values.text(body, "stateName"), hosts=hosts_in(body),
        members=sum(values.whole(region, "electableSpecs.nodeCount") or 0 for region in regions),
        cores=cores, memory_gb=memory, disk_gb=values.number(first, "electableSpecs.diskSizeGB"),
        iops=values.whole(first, "electableSpecs.diskIOPS"),
        scales_storage=values.flag(first, "autoScaling.diskGB.enabled"), scales_tier=scales,
        lowest_tier=values.text(first, "autoScaling.compute.minInstanceSize"),
        highest_tier=values.text(first, "autoScaling.compute.maxInstanceSize"),
        backup=values.flag(body, "backupEnabled"), point_in_time=values.flag(body, "pitEnabled"),
        tls_floor=values.text(body, "advancedConfiguration.minimumEnabledTlsProtocol"),
        termination_protection=values.flag(body, "terminationProtectionEnabled"),
        encryption=values.text(body, "encryptionAtRestProvider"), paused=values.flag(body, "paused"),
    )  # fmt: skip
