"""What is sent to change a cluster: everything but the size stays as Atlas told it."""

from __future__ import annotations

from datetime import UTC, datetime

from leadbook.actions.scaling import next_tier, rank
from leadbook.atlas import changes
from leadbook.atlas.calls import CALLS

SPECS = [
    {
        "id": "0" * 24, "zoneName": "Zone 1",
        "regionConfigs": [
            {
                "providerName": "AWS", "regionName": "EU_CENTRAL_1", "priority": 7,
                "electableSpecs": {"instanceSize": "M30", "nodeCount": 3, "diskSizeGB": 40.0, "diskIOPS": 3000,
                                   "ebsVolumeType": "STANDARD", "effectiveInstanceSize": "M30"},
                "readOnlySpecs": {"instanceSize": "M30", "nodeCount": 1, "diskSizeGB": 40.0, "diskIOPS": 4000,
                                  "ebsVolumeType": "PROVISIONED"},
                "analyticsSpecs": {"instanceSize": "M50", "nodeCount": 1, "diskSizeGB": 40.0},
                "effectiveElectableSpecs": {"instanceSize": "M30"},
                "autoScaling": {"diskGB": {"enabled": True}},
            },
        ],
    },
]  # fmt: skip


def region(tier, disk_gb=None):
    (spec,) = changes.resized(SPECS, tier, disk_gb)
    return spec["regionConfigs"][0]


def test_a_tier_changes_electable_and_read_only_nodes_alone():
    found = region("M40")
    assert found["electableSpecs"] == {"instanceSize": "M40", "nodeCount": 3, "diskSizeGB": 40.0,
                                       "ebsVolumeType": "STANDARD"}  # fmt: skip
    assert (found["readOnlySpecs"]["instanceSize"], found["readOnlySpecs"]["diskIOPS"]) == ("M40", 4000)
    assert found["analyticsSpecs"]["instanceSize"] == "M50" and found["autoScaling"] == {"diskGB": {"enabled": True}}
    assert "effectiveElectableSpecs" not in found


def test_a_disk_changes_at_all_nodes():
    found = region("", 100.0)
    assert {found[name]["diskSizeGB"] for name in found if name.endswith("Specs")} == {100.0}
    assert found["electableSpecs"]["instanceSize"] == "M30" and SPECS[0]["regionConfigs"][0]["effectiveElectableSpecs"]


def test_each_change_has_its_call_and_role():
    made = [
        changes.snapshot("leads", "before", 3), changes.disallowed("203.0.113.7/32"),
        changes.allowed("203.0.113.7/32", "n8n", datetime(2026, 12, 1, 8, tzinfo=UTC)),
    ]  # fmt: skip
    assert [CALLS[one.call].method for one in made] == ["POST", "DELETE", "POST"]
    assert all(changes.role_for(one.call) != "Project Read Only" for one in made)
    assert made[2].body[0]["deleteAfterDate"] == "2026-12-01T08:00:00Z"


def test_tiers_grow_within_their_class():
    assert [next_tier(one) for one in ("M30", "M80", "R40", "M40_NVME", "M700")] == [
        "M40",
        "M140",
        "R50",
        "M50_NVME",
        "",
    ]
    assert rank("M40") < rank("R50") and not rank("FLEX")
