"""Collections for the tests of the analysis."""

from __future__ import annotations

import pytest

from analysis_leads import lead
from leadbook.schema.state import create_like


@pytest.fixture
def leads(database, settings):
    """The empty collection of leads with validator and indexes."""
    return create_like(database, settings.collection, settings)


NAMES = ("ann", "bob", "cyd", "dan", "eve", "fay", "gus", "hal", "ida", "jon")


@pytest.fixture
def ten(leads):
    """Ten whole leads: four with an e-mail, of which three are qualified; eight with an industry; two sources."""
    made = [lead(name) for name in NAMES]
    for n in range(4):
        made[n] |= {"email": f"{NAMES[n]}@firm{n}.test", "additional_data": {"quality_points": 120}}
    for n in range(3):
        made[n]["is_qualified"] = True
    for n in (8, 9):
        made[n] |= {"data_source": "BrightData", "data_quality_score": 80, "additional_data": {"quality_points": 80}}
        del made[n]["company_industry"]
    leads.insert_many(made)
    return leads
