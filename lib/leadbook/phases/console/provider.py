"""The provider's part of the documents: instance, region, backups, monitoring, as Atlas or a person told it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from leadbook.atlas.records import AtlasCluster
from leadbook.core.checks import Check, Unmeasured, Verdict
from leadbook.phases.console.atlas import Atlas
from leadbook.phases.console.cluster import size
from leadbook.phases.judging import attempt


def instance(atlas: Atlas) -> AtlasCluster | None:
    """The cluster as ordered; None where Atlas is not asked, or does not tell."""
    if isinstance(atlas, Unmeasured):
        return None
    found = attempt(atlas.cluster)
    return found if isinstance(found, AtlasCluster) else None


def provider_facts(atlas: Atlas, checks: Iterable[Check]) -> dict[str, Any]:
    """Rows for a document: the instance as Atlas listed it, and what each check of the provider found, `not known`
    where nobody told."""
    found = instance(atlas)
    listed = {
        "told_by": "Atlas' API", "cluster": found.name, "instance": size(found), "instance_type": found.tier,
        "provider": found.provider, "region": found.region, "release": found.version,
        "tier_auto_scaling": f"{found.lowest_tier} to {found.highest_tier}" if found.scales_tier else "off or not told",
    } if found else {"told_by": "persons who attest it; no API is asked"}  # fmt: skip
    return {**listed, **{check.title: told_of(check) for check in checks}}


def told_of(check: Check) -> str:
    """What a document says of a check: its evidence, or that it is not known, and why."""
    if check.verdict in (Verdict.PASS, Verdict.WARN, Verdict.FAIL):
        return check.evidence
    return f"not known: {check.evidence}"
