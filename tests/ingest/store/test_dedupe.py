"""Sightings of one URL in one batch become one candidate, and each has an outcome."""

from leadbook.ingest.store.dedupe import group
from leadbook.lead.ledger import FILLED, STORED, duplicate

ANA = "https://www.linkedin.com/in/ana"
BEN = "https://www.linkedin.com/in/ben"


def test_the_first_sighting_holds_the_lead():
    ana, ben = group(
        [(0, {"linkedin_url": ANA}), (1, {"linkedin_url": BEN}), (2, {"linkedin_url": ANA})], filling=False
    )
    assert (ana.position, [one.position for one in ana.followers]) == (0, [2])
    assert ana.outcomes(STORED) == {0: STORED, 2: duplicate("batch")}
    assert ben.outcomes(STORED) == {1: STORED}


def test_a_follower_fills_what_the_first_lacks_and_overwrites_nothing():
    (ana,) = group(
        [(0, {"linkedin_url": ANA, "phone": "+1"}), (1, {"linkedin_url": ANA, "phone": "+2", "email": "a@b.example"}),
         (2, {"linkedin_url": ANA, "email": "other@b.example"})], filling=True,
    )  # fmt: skip
    assert ana.lead == {"linkedin_url": ANA, "phone": "+1", "email": "a@b.example"}
    assert ana.outcomes(STORED) == {0: STORED, 1: FILLED, 2: duplicate("batch")}


def test_a_follower_fills_a_known_lead_only_where_mongodb_took_its_field():
    sightings = [(0, {"linkedin_url": ANA}), (1, {"linkedin_url": ANA, "email": "a@b.example"})]
    (ana,) = group(sightings, filling=True)
    assert ana.outcomes(duplicate("redis"), ["email"])[1] == FILLED
    assert ana.outcomes(duplicate("redis"), [])[1] == duplicate("batch")
    assert ana.outcomes(duplicate("redis"), ["phone"])[1] == duplicate("batch")


def test_a_verified_email_stays_verified_when_it_fills():
    sightings = [(0, {"linkedin_url": ANA}), (1, {"linkedin_url": ANA, "email": "a@b.example", "email_verified": True})]
    (ana,) = group(sightings, filling=True)
    assert ana.lead["email_verified"] is True
