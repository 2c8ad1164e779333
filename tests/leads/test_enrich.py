"""Enrichment fills, never overwrites, never loses a lead; each documented answer has its own consequence."""

import pytest

from leadbook.errors import ParameterError
from leadbook.leads.calls import Budget, Caller, Meaning
from leadbook.leads.enrich import ERASED, HUNTER_MEANINGS, Enricher
from leadbook.leads.sandbox import Sandbox
from leadbook.leads.services import Pace, Service, Services
from leadbook.leads.site import Site
from leads.vendor_records import contact, person

FINDER, VERIFIER, COMBINED = "email-finder", "email-verifier", "combined"


def lead(slug="ana", **fields):
    return {
        "linkedin_url": f"https://www.linkedin.com/in/{slug}", "full_name": "Ana Example", "job_title": "Growth Lead",
        "company_name": "Example", "company_website": "https://shop.example",
    } | fields  # fmt: skip


def only(call, status):
    """A sandbox that answers one call with one fault, always at first."""
    return Sandbox(faults={call: ((status, 1.0),)})


def enriched(sandbox, *leads, max_calls=100):
    with sandbox:
        enricher = Enricher(sandbox.services, max_calls=max_calls, pause_s=0.001)
        said = enricher.enrich(list(leads))
        enricher.close()
    return said


def test_a_lead_gains_email_and_company_and_keeps_what_it_has():
    given = [lead(f"p{number}", full_name=f"Ana Number{number}") for number in range(20)]
    given[0]["company_website"] = "https://mine.example"
    said = enriched(Sandbox(faults={}), *given)
    with_email = [one for one in given if "email" in one]
    assert 0 < len(with_email) <= said.enriched and not said.erased
    assert given[0]["company_website"] == "https://mine.example"
    for one in with_email:
        assert one["additional_data"]["email_source"] == "hunter"
        assert one["company_size"] and one["company_industry"]
        assert one["additional_data"]["enriched_by"][0] == "hunter"
    assert not any("_enriched" in one for one in given)


@pytest.mark.parametrize(
    ("status", "calls", "meaning"),
    [(403, 2, Meaning.FOUND), (500, 2, Meaning.FOUND), (202, 2, Meaning.FOUND), (222, 2, Meaning.FOUND),
     (404, 1, Meaning.NOTHING), (400, 1, Meaning.INVALID), (401, 1, Meaning.DENIED), (429, 1, Meaning.SPENT),
     (451, 1, Meaning.ERASE)],
)  # fmt: skip
def test_each_of_hunters_codes_has_its_consequence(status, calls, meaning):
    with only(FINDER, status) as sandbox:
        caller = Caller(sandbox.services.hunter, HUNTER_MEANINGS, budget=Budget(10), pause_s=0.001)
        assert caller.get("/v2/email-finder", full_name="Ana Example", domain="shop.example").meaning is meaning
        assert sum(sandbox.calls.values()) == calls
        caller.close()


def test_a_fault_that_does_not_pass_ends_after_three_attempts():
    with only("upsert", 400), Sandbox(faults={FINDER: ((509, 1.0),)}) as sandbox:
        caller = Caller(sandbox.services.hunter, HUNTER_MEANINGS, budget=Budget(10), pause_s=0.001)
        assert caller.get("/v2/email-finder", full_name="Ana", domain="x.example").meaning is Meaning.AWAY
        assert sandbox.calls[FINDER, 509] == 3
        caller.close()


def test_nobody_there_means_not_enriched_and_the_circuit_opens():
    service = Service(name="hunter", url="http://127.0.0.1:9", key="k", per_second=1000, per_minute=60_000)
    given = [lead(f"p{number}") for number in range(12)]
    enricher = Enricher(Services(hunter=service), max_calls=1000, pause_s=0.001)
    said = enricher.enrich(given)
    assert said.enriched == 0 and not said.erased and not any("email" in one for one in given)
    assert not enricher.hunter.circuit.allows
    enricher.close()


def test_a_spent_quota_stops_asking():
    sandbox = Sandbox(faults={}, quota=3)
    enriched(sandbox, *[lead(f"p{number}", full_name=f"Ana N{number}") for number in range(40)])
    assert sandbox.calls[FINDER, 429] <= 8  # those under way when the first one was told


def test_the_spending_cap_holds():
    sandbox = Sandbox(faults={})
    said = enriched(sandbox, *[lead(f"p{number}", full_name=f"Ana N{number}") for number in range(40)], max_calls=10)
    assert sum(sandbox.calls.values()) == 10
    assert said.answers[f"hunter: {Meaning.CAPPED}"] > 0


def test_a_known_email_is_verified_and_not_searched():
    sandbox = Sandbox(faults={})
    one = lead(email="ana@shop.example")
    enriched(sandbox, one)
    assert sandbox.calls[FINDER, 200] == 0 and sandbox.calls[VERIFIER, 200] == 1
    assert one["email"] == "ana@shop.example" and isinstance(one["email_verified"], bool)


def test_pace_lets_no_more_through_than_allowed():
    now, slept = [0.0], []
    pace = Pace(10, 5, clock=lambda: now[0], sleep=lambda s: (slept.append(s), now.__setitem__(0, now[0] + s)))
    for _ in range(6):
        pace.wait()
    assert now[0] >= 60.0 and slept[0] == pytest.approx(0.1)


# ------------------------------------------------------------------------------------------------ in the pipeline


def with_services(site, sandbox):
    return Site(endpoints=site.endpoints, settings=site.settings, services=sandbox.services.only(
        site.settings.model_copy(update={"enrichment": True})))  # fmt: skip


def test_duplicates_cost_nothing(site, leads, ingest, vendor_file):
    with Sandbox(faults={}) as sandbox:
        asking = with_services(site, sandbox)
        path = vendor_file(*[person(f"p{number}", name=f"Ana N{number}") for number in range(10)])
        first = ingest(path, site=asking)
        asked = sum(sandbox.calls.values())
        again = ingest(path, site=asking)
    assert first.ledger.stored == 10 and first.enriched > 0 and asked >= 10
    assert again.ledger.duplicates == 10 and sum(sandbox.calls.values()) == asked
    assert leads.count_documents({"additional_data.email_source": "hunter"}) > 0


def test_an_email_that_hunter_gives_to_two_people_stays_with_the_first(site, leads, ingest, vendor_file):
    with Sandbox(faults={}) as sandbox:
        names = (f"Ana N{number}" for number in range(50))
        asked = {"company": "Example Retail"}
        found = next(
            n for n in names if sandbox.reply("/v2/email-finder", {"full_name": n, **asked}, None)[2]["data"]["email"]
        )
        same = [person(slug, name=found) for slug in ("ana", "ana-2", "ana-3")]
        ingest(vendor_file(*same), site=with_services(site, sandbox))
    assert leads.count_documents({}) == 3
    assert leads.count_documents({"email": {"$exists": True}}) == 1
    assert leads.count_documents({"additional_data.flags": "email_conflict"}) == 2


def test_whoever_asked_for_erasure_is_dropped_and_not_kept(site, leads, ingest, vendor_file, database, settings):
    with only(FINDER, 451) as sandbox:
        result = ingest(vendor_file(person("ana"), person("ana")), site=with_services(site, sandbox))
    assert result.ledger.rejected == {ERASED: 2}
    assert leads.count_documents({}) == 0
    kept = list(database[settings.rejected_collection].find())
    assert {record["payload"] for record in kept} == {'{"erased": true}'}


def test_real_vendors_need_their_keys_and_a_rehearsal_never_asks_them(settings, monkeypatch):
    monkeypatch.delenv("HUNTER_API_KEY", raising=False)
    asked = settings.model_copy(update={"enrichment": True})
    with pytest.raises(ParameterError, match="rehearsal"):
        Services.of(asked)
    real = asked.model_copy(update={"profile": "production"})
    with pytest.raises(ParameterError, match="HUNTER_API_KEY"):
        Services.of(real)
    monkeypatch.setenv("HUNTER_API_KEY", "planted-key")
    assert "planted-key" not in repr(Services.of(real))


def test_an_enriched_lead_is_scored_with_what_it_gained(site, leads, ingest, vendor_file):
    with Sandbox(faults={}) as sandbox:
        ingest(vendor_file(contact("ana", Email=None)), vendor="apollo", site=with_services(site, sandbox))
    stored = leads.find_one({})
    assert stored["additional_data"]["quality_points"] == (120 if "email" in stored else 100)
