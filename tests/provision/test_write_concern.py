"""An option of the address that weakens every write is told as a difference from the profile."""

from __future__ import annotations

import pytest

from leadbook.core import connect
from leadbook.core.checks import Unmeasured, Verdict
from leadbook.core.connect import Endpoints
from leadbook.core.settings import Settings
from leadbook.phases.p01 import verdicts
from leadbook.phases.p01.documents import connection_string
from leadbook.provision.pools import held


@pytest.mark.parametrize(
    ("option", "changed", "told"),
    [
        ("journal=false", {}, "MongoDB journal: false"),
        ("w=1", {}, "MongoDB w: 1"),
        ("journal=false", {"journal": "true"}, "MongoDB journal: false"),
        ("journal=true", {"journal": "true"}, ""),
        ("w=majority", {}, ""),
    ],
)
def test_a_write_concern_in_the_address_is_held_against_the_profile(
    endpoints: Endpoints, settings: Settings, option: str, changed: dict[str, str], told: str
) -> None:
    settings = settings.model_copy(update=changed)
    with connect.mongodb(f"{endpoints.mongodb_uri}&{option}", settings) as client:
        rows = held(client, None, settings)
        made = {check.id: check for check in verdicts.pool(client, Unmeasured("away"), rows, settings)}
    check = made["MDB-POOL-004"]
    assert check.verdict is (Verdict.WARN if told else Verdict.PASS), check.evidence
    assert told in check.evidence


@pytest.mark.parametrize(("journal", "shown"), [("true", "&journal=true"), ("default", "")])
def test_the_address_to_hand_over_tells_the_profiles_journal(
    endpoints: Endpoints, settings: Settings, journal: str, shown: str
) -> None:
    settings = settings.model_copy(update={"journal": journal})
    with connect.mongodb(endpoints.mongodb_uri, settings) as client:
        told = connection_string(endpoints.mongodb_uri, held(client, None, settings))
        assert client.write_concern.document == connect.write_concern(settings)
    assert told.partition("&journal")[2] == shown.partition("&journal")[2]
