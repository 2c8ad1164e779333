"""Enrichment fills, never overwrites, never loses a lead; each documented answer has its own consequence."""

import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from ingest.vendor_records import contact, person
from leadbook.core import connect
from leadbook.core.errors import ParameterError
from leadbook.core.redactor import Redactor
from leadbook.enrich import clearbit, hunter
from leadbook.enrich.client import VendorClient
from leadbook.enrich.enrich import ERASED, FREE_MAIL, Enricher
from leadbook.enrich.limits import Budget, LocalLimit
from leadbook.enrich.response import Meaning
from leadbook.enrich.services import Service, Services
from leadbook.ingest import pipeline
from leadbook.ingest.replay import replay
from leadbook.ingest.site import Site
from leadbook.ingest.workers import processes
from leadbook.rehearsal.sandbox.server import Sandbox

FINDER, VERIFIER, COMBINED = "email-finder", "email-verifier", "combined"
ASKED = {"full_name": "Ana Example", "domain": "shop.example"}


def lead(slug="ana", **fields):
    return {
        "linkedin_url": f"https://www.linkedin.com/in/{slug}", "full_name": "Ana Example", "job_title": "Growth Lead",
        "company_name": "Shop", "company_website": "https://shop.example",
    } | fields  # fmt: skip


def people(count, **fields):
    return [lead(f"p{number}", full_name=f"Ana Number{number}", **fields) for number in range(count)]


@pytest.fixture
def sandbox():
    with Sandbox(faults={}) as running:
        yield running


@pytest.fixture
def spending(database):
    return database["enrichment_spending"]


@pytest.fixture
def ask(sandbox, settings, spending):
    """Enriches leads: `ask(lead, lead, services=…, enrichment_verify=False)`."""

    def run(*leads, services=None, **changes):
        enricher = Enricher(services or sandbox.services, settings.model_copy(update=changes), spending, pause_s=0.001)
        said = enricher.enrich(leads)
        enricher.close()
        return said

    return run


def calling(service, meanings=hunter.MEANINGS, **more):
    return VendorClient(service, meanings, limit=LocalLimit(), **{"pause_s": 0.001, **more})


def of(kind, enrichment):
    """Questions whose outcome is `kind`, whatever the reason."""
    return sum(count for said, count in enrichment.questions.items() if said.partition(":")[0] == kind)


def balanced(said):
    return sum(said.questions.values()) == sum(
        of(kind, said) for kind in ("enriched", "not found", "failed", "skipped", "erased")
    )


# ------------------------------------------------------------------------------------------------ what is filled


def test_a_lead_gains_email_and_company_and_keeps_what_it_has(ask):
    given = people(20)
    given[0] |= {"company_website": "https://mine.example", "company_size": "2-10"}
    said = ask(*given)
    with_email = [one for one in given if "email" in one]
    assert 0 < len(with_email) <= said.enriched and not said.erased and balanced(said)
    assert (given[0]["company_website"], given[0]["company_size"]) == ("https://mine.example", "2-10")
    for one in with_email:
        assert one["additional_data"]["email_source"] == "hunter"
        assert one["company_size"] and one["company_industry"]
        assert one["additional_data"]["enriched_by"][0] == "hunter"
        assert one["email_verified"] == (one["additional_data"]["email_status"] == "valid")


def test_only_what_is_missing_is_asked(ask, sandbox):
    full = lead(email="ana@shop.example", email_verified=True, company_industry="Retail", company_size="2-10")
    before = dict(full)
    said = ask(full)
    assert (full, sandbox.requests, said.spent_usd) == (before, 0, 0.0)


def test_a_known_email_is_verified_and_not_searched(ask, sandbox):
    one = lead(email="ana@shop.example")
    ask(one)
    assert sandbox.calls[FINDER, 200] == 0 and sandbox.calls[VERIFIER, 200] == 1
    assert one["email"] == "ana@shop.example" and isinstance(one["email_verified"], bool)


def test_nothing_is_verified_where_that_is_off(ask, sandbox):
    ask(lead(email="ana@shop.example"), *people(5), enrichment_verify=False)
    assert not [call for call, _ in sandbox.calls if call == VERIFIER]


def test_an_email_that_cannot_receive_mail_is_not_taken(ask, sandbox):
    given = people(60)
    ask(*given)
    verdicts = [one["additional_data"]["email_status"] for one in given if "email" in one]
    assert "valid" in verdicts and "invalid" not in verdicts


@pytest.mark.parametrize("email", ["ana@gmail.com", "ana@yahoo.co.uk", "ana@gmx.de", ""])
def test_a_free_mail_address_says_nothing_about_a_company(ask, sandbox, email):
    one = lead(email=email, email_verified=True) if email else lead(full_name="Ana")
    ask(one)
    assert not [call for call, _ in sandbox.calls if call == COMBINED] and "company_size" not in one
    assert not FREE_MAIL.fullmatch("mail.shop.example") and not FREE_MAIL.fullmatch("live.example")


def test_another_companys_data_is_not_taken(ask):
    one = lead(email="ana@former.example", email_verified=True)
    said = ask(one)
    assert "company_size" not in one and said.questions["not found"] == 1


def test_the_self_employed_are_not_searched_by_their_company(ask, sandbox):
    alone = lead(company_name="Self-employed")
    del alone["company_website"]
    assert ask(alone).questions["skipped: too little to ask by"] == 2 and sandbox.requests == 0


def test_hunter_serves_where_there_is_no_clearbit_key(ask, sandbox):
    one = lead(email="ana@shop.example", email_verified=True)
    ask(one, services=Services(hunter=sandbox.services.hunter))
    assert sandbox.calls["hunter-combined", 200] == 1 and one["additional_data"]["enriched_by"] == ["hunter"]
    assert one["company_size"]


# ------------------------------------------------------------------------------------------------ answers


@pytest.mark.parametrize(
    ("status", "calls", "meaning"),
    [(403, 2, Meaning.FOUND), (500, 2, Meaning.FOUND), (202, 2, Meaning.FOUND), (222, 2, Meaning.FOUND),
     ("reset", 2, Meaning.FOUND), ("garbage", 2, Meaning.FOUND), ("html", 2, Meaning.FOUND), ("odd", 1, Meaning.FOUND),
     (404, 1, Meaning.NOTHING), (400, 1, Meaning.INVALID), (401, 1, Meaning.DENIED), (422, 1, Meaning.INVALID),
     (429, 1, Meaning.SPENT), (451, 1, Meaning.ERASE)],
)  # fmt: skip
def test_each_of_hunters_answers_has_its_consequence(sandbox, status, calls, meaning):
    sandbox.script(FINDER, status)
    caller = calling(sandbox.services.hunter)
    assert caller.get("/v2/email-finder", **ASKED).meaning is meaning
    assert sandbox.requests == calls
    caller.close()


@pytest.mark.parametrize(
    ("status", "calls", "meaning"),
    [(202, 2, Meaning.FOUND), (429, 2, Meaning.FOUND), (503, 2, Meaning.FOUND), (401, 1, Meaning.DENIED),
     (402, 1, Meaning.SPENT), (404, 1, Meaning.NOTHING), (422, 1, Meaning.INVALID)],
)  # fmt: skip
def test_each_of_clearbits_answers_has_its_consequence(sandbox, status, calls, meaning):
    sandbox.script(COMBINED, status)
    caller = calling(sandbox.services.clearbit, clearbit.MEANINGS)
    assert clearbit.look_up(caller, "ana@shop.example").meaning is meaning
    assert sandbox.requests == calls
    caller.close()


@pytest.mark.parametrize("kind", [403, 500, "reset", "garbage", "html", 202])
def test_no_question_is_asked_a_fourth_time(sandbox, kind):
    sandbox.script(FINDER, *[kind] * 10)
    caller = calling(sandbox.services.hunter)
    expected = Meaning.PENDING if kind == 202 else Meaning.AWAY
    assert caller.get("/v2/email-finder", **ASKED).meaning is expected
    assert sandbox.requests == sandbox.most_attempts == 3
    caller.close()


@pytest.mark.parametrize("kind", [*range(400, 405), 422, 429, 500, 202, "reset", "garbage", "html", "odd"])
def test_whatever_the_vendors_say_the_lead_goes_on(ask, sandbox, kind):
    for call in (FINDER, VERIFIER, COMBINED):
        sandbox.script(call, *[kind] * 60)
    given = [*people(4), lead(email="ana@shop.example")]
    said = ask(*given)
    assert balanced(said) and not said.erased
    assert all(one["linkedin_url"] and one["full_name"] for one in given)


def test_a_refused_key_and_a_spent_quota_stop_asking(sandbox):
    for status, meaning in ((401, Meaning.DENIED), (429, Meaning.SPENT)):
        sandbox.script(FINDER, status)
        caller = calling(sandbox.services.hunter)
        said = [caller.get("/v2/email-finder", **ASKED).meaning for _ in range(5)]
        assert set(said) == {meaning}
        caller.close()
    assert sandbox.requests == 2


def test_a_spent_quota_leaves_the_other_vendor_alone(settings, spending):
    with Sandbox(faults={}, quota=3) as sandbox:
        enricher = Enricher(sandbox.services, settings, spending, pause_s=0.001)
        given = [*people(30), *people(5, email="ana@shop.example", email_verified=True)]
        said = enricher.enrich(given)
        enricher.close()
    assert said.questions["skipped: quota spent"] >= 25 and balanced(said)
    assert sandbox.calls[FINDER, 429] <= settings.enrichment_concurrency
    assert all(one["company_size"] for one in given[30:])


def test_a_slow_vendor_is_not_waited_for(settings, spending):
    with Sandbox(faults={}, slow_s=30.0) as sandbox:
        sandbox.script(FINDER, *["slow"] * 3)
        caller = calling(sandbox.services.hunter, timeout_s=0.05)
        assert caller.get("/v2/email-finder", **ASKED).meaning is Meaning.AWAY
        caller.close()


@pytest.mark.parametrize("said", ["3600", "Fri, 31 Dec 2100 23:59:59 GMT"])
def test_a_long_retry_after_is_not_waited_for(sandbox, monkeypatch, said):
    asked, headers = [], {"Retry-After": said}
    monkeypatch.setattr(sandbox, "answer", lambda *words: asked.append(words) or (0, (403, headers, {})))
    caller = calling(sandbox.services.hunter)
    assert caller.get("/v2/email-finder", **ASKED).meaning is Meaning.AWAY
    assert caller.get("/v2/email-finder", **ASKED).meaning is Meaning.PAUSED
    assert len(asked) == 1
    caller.close()


def test_nobody_there_means_not_enriched_and_the_circuit_opens(ask, settings, spending):
    away = Service(name="hunter", url="http://127.0.0.1:9", key="k", per_second=1000, per_minute=60_000)
    given = people(12)
    said = ask(*given, services=Services(hunter=away))
    assert said.enriched == 0 and not said.erased and not any("email" in one for one in given)
    assert said.questions["skipped: circuit open"] > 0 and balanced(said)
    assert said.spent_usd == 0.0  # nobody was reached, so nobody charged


def test_the_rate_limit_is_kept_by_all_workers_together(sandbox, spending):
    slow = Service(name="hunter", url=sandbox.services.hunter.url, key="k", per_second=50, per_minute=6_000)
    workers = [Budget(spending, cap_usd=1, prices={}) for _ in range(3)]
    with ThreadPoolExecutor(6) as pool:
        permits = list(pool.map(lambda number: workers[number % 3].acquire(slow, FINDER), range(30)))
    month = spending.find_one({})
    assert month["next"]["hunter/email-finder"] - float(month["start"]) == pytest.approx(20.0, abs=0.1)
    assert max(permit.wait_s for permit in permits) > 0.1  # thirty calls, 20 ms apart


def test_rate_limit_lets_no_more_through_than_allowed():
    now = [0.0]
    limit = LocalLimit(clock=lambda: now[0])
    vendor = Service(name="v", url="", key="", per_second=10, per_minute=300)
    assert [round(limit.acquire(vendor, "c").wait_s, 3) for _ in range(3)] == [0.0, 0.2, 0.4]
    assert limit.acquire(vendor, "another").wait_s == 0.0
    now[0] = 5.0
    assert limit.acquire(vendor, "c").wait_s == 0.0


# ------------------------------------------------------------------------------------------------ money


def test_the_cap_holds_over_many_workers_at_once(sandbox, settings, spending):
    capped = settings.model_copy(update={"enrichment_budget_usd": 0.5, "hunter_finder_usd": 0.05})
    enrichers = [Enricher(sandbox.services, capped, spending, pause_s=0.001) for _ in range(4)]
    batches = [[lead(f"w{w}p{n}", full_name=f"Ana W{w}n{n}") for n in range(20)] for w in range(4)]
    with ThreadPoolExecutor(4) as pool:
        said = list(pool.map(lambda pair: pair[0].enrich(pair[1]), zip(enrichers, batches, strict=True)))
    for enricher in enrichers:
        enricher.close()
    charged = (
        sandbox.billed[FINDER] * 0.05 + sandbox.billed[VERIFIER] * capped.hunter_verifier_usd
        + sandbox.billed[COMBINED] * capped.company_usd
    )  # fmt: skip
    month = spending.find_one({})
    assert 0.3 < charged <= sum(one.spent_usd for one in said) + 1e-9 <= 0.5 + 2e-9
    assert month["spent"] == round(1e6 * sum(one.spent_usd for one in said)) <= 500_000
    assert sum(one.questions["skipped: spending cap reached"] for one in said) > 0
    assert all(balanced(one) for one in said)


def test_the_cap_outlives_the_run(ask, sandbox):
    ask(*people(30), enrichment_budget_usd=0.1)
    asked = sandbox.requests
    later = [lead(f"later{n}", full_name=f"Bea Number{n}") for n in range(10)]
    assert of("enriched", ask(*later, enrichment_budget_usd=0.1)) <= 1 and sandbox.requests <= asked + 10


def test_nothing_is_spent_without_a_budget(ask, sandbox):
    said = ask(*people(5), enrichment_budget_usd=0.0)
    assert sandbox.requests == 0 and said.questions["skipped: spending cap reached"] == 5


def test_what_the_vendor_does_not_charge_is_given_back(sandbox, ask, spending):
    sandbox.script(FINDER, 404, 400, 500, 500, 500)
    said = ask(*people(3), enrichment_concurrency=1, enrichment_verify=False)
    assert of("enriched", said) == 0 and said.spent_usd == 0.0 and spending.find_one({})["spent"] == 0


def test_an_answer_that_never_came_counts_as_charged(sandbox, ask):
    sandbox.script(FINDER, "reset", "reset", "reset")
    assert ask(lead(), hunter_finder_usd=0.05).spent_usd == pytest.approx(0.15)


def test_without_mongodb_nobody_is_asked(sandbox, settings):
    quick = settings.model_copy(update={"server_selection_timeout_ms": 100})
    with connect.mongodb("mongodb://127.0.0.1:9/?directConnection=true", quick) as client:
        enricher = Enricher(sandbox.services, quick, client["away"]["enrichment_spending"], pause_s=0.001)
        said = enricher.enrich([lead()])
        enricher.close()
    assert said.questions["skipped: spending not known"] == 1 and sandbox.requests == 0


# ------------------------------------------------------------------------------------------------ secrets


def test_keys_and_people_stay_out_of_addresses_logs_and_texts(sandbox, ask, caplog):
    caplog.set_level(logging.DEBUG)
    sandbox.script(FINDER, 500, "reset", 403)
    secrets = [service.key for service in sandbox.each]
    services = sandbox.services
    said = ask(*people(3), services=services)
    text = caplog.text + repr(services) + repr(said)
    assert "HTTP Request" in caplog.text
    assert not [secret for secret in secrets if secret in text] and sandbox.keys_in_urls == 0
    assert "Number1" not in caplog.text and "shop.example" not in caplog.text


def test_a_key_under_any_name_is_redacted(monkeypatch, settings):
    monkeypatch.setenv("MY_HUNTER", "planted-hunter-key")
    named = settings.model_copy(update={"hunter_api_key_env": "MY_HUNTER"})
    assert Redactor.from_environment(named).text("x planted-hunter-key") == "x •••"


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
    assert Services.of(real).hunter.gap_s == pytest.approx(0.2)  # 5 calls a second


def test_off_means_nobody(settings, monkeypatch):
    monkeypatch.setenv("HUNTER_API_KEY", "planted-key")
    assert Services.of(settings) == Services() and not Services().enriches


# ------------------------------------------------------------------------------------------------ in the pipeline


@pytest.fixture
def asking(site, sandbox):
    """The site, with the sandbox's vendors of enrichment."""
    on = site.settings.model_copy(update={"enrichment": True})
    return Site(endpoints=site.endpoints, settings=on, services=sandbox.services.only(on))


def test_duplicates_cost_nothing(asking, sandbox, leads, ingest, vendor_file):
    path = vendor_file(*[person(f"p{number}", name=f"Ana N{number}") for number in range(10)])
    first = ingest(path, site=asking)
    asked = sandbox.requests
    again = ingest(path, site=asking)
    assert first.ledger.stored == 10 and first.enriched > 0 and asked >= 10
    assert again.ledger.duplicates == 10 and sandbox.requests == asked and again.spent_usd == 0.0
    assert leads.count_documents({"additional_data.email_source": "hunter"}) > 0
    assert first.as_dict()["enrichment"]["leads"] == first.enriched


def test_duplicates_that_redis_has_forgotten_cost_nothing(asking, sandbox, ingest, vendor_file, clean_redis):
    path = vendor_file(*[person(f"p{number}", name=f"Ana N{number}") for number in range(10)])
    ingest(path, site=asking)
    asked = sandbox.requests
    clean_redis.flushdb()
    assert ingest(path, site=asking).ledger.duplicates == 10 and sandbox.requests == asked


def test_the_ledger_is_the_same_with_a_dead_vendor(asking, at, leads, ingest, vendor_file):
    away = Service(name="hunter", url="http://127.0.0.1:9", key="k", per_second=1000, per_minute=60_000)
    dead = Site(endpoints=asking.endpoints, settings=asking.settings, services=Services(hunter=away, sandbox=True))
    path = vendor_file(*[person(f"p{number}") for number in range(20)], "{broken", person("p1"))
    with_dead = ingest(path, site=dead)
    leads.delete_many({})
    without = ingest(path, site=at())
    assert with_dead.ledger == without.ledger and with_dead.ledger.stored == 20 and with_dead.enriched == 0


def test_an_email_that_hunter_gives_to_two_people_stays_with_the_first(asking, leads, ingest, vendor_file):
    records = [person(f"p{n}-{twin}", name=f"Ana N{n}") for n in range(10) for twin in "abc"]
    ingest(vendor_file(*records), site=asking)
    found = leads.count_documents({"email": {"$exists": True}})
    assert leads.count_documents({}) == 30 and 0 < found <= 10
    assert leads.count_documents({"additional_data.flags": "email_conflict"}) == 2 * found
    assert leads.count_documents({"additional_data.flags": "email_conflict", "email_verified": True}) == 0


def test_whoever_asked_for_erasure_is_dropped_and_not_kept(asking, sandbox, leads, ingest, vendor_file, database):
    sandbox.script(FINDER, 451)
    result = ingest(vendor_file(person("ana"), person("ana")), site=asking)
    assert result.ledger.rejected == {ERASED: 2} and result.questions == {"erased": 1}
    assert leads.count_documents({}) == 0
    kept = list(database[asking.settings.rejected_collection].find())
    assert {record["payload"] for record in kept} == {'{"erased": true}'} and "ana" not in str(kept)


def test_whoever_asked_for_erasure_stays_out(asking, sandbox, at, leads, ingest, vendor_file, database):
    sandbox.script(FINDER, 451)
    path = vendor_file(person("ana"))
    ingest(path, site=asking)
    for later in (asking, at(), at(on_duplicate="skip")):  # whether or not somebody is asked
        assert ingest(path, site=later).ledger.rejected == {ERASED: 1}
        Site.close()
    assert leads.count_documents({}) == 0 and sandbox.requests == 1
    assert "ana" not in str(list(database["erasure_requests"].find()))
    assert replay(asking).ledger.rejected == {ERASED: 1}
    assert database[asking.settings.rejected_collection].distinct("reason") == [ERASED]


def test_an_enriched_lead_is_scored_with_what_it_gained(asking, leads, ingest, vendor_file):
    ingest(vendor_file(contact("ana", Email=None)), vendor="apollo", site=asking)
    stored = leads.find_one({})
    assert stored["additional_data"]["quality_points"] == (120 if "email" in stored else 100)


def test_worker_processes_share_the_vendors_and_the_budget(asking, sandbox, vendor_file):
    settings = asking.settings.model_copy(update={
        "batch_size": 10, "enrichment_budget_usd": 0.4, "hunter_finder_usd": 0.05, "hunter_verifier_usd": 0.0,
        "company_usd": 0.0,
    })  # fmt: skip
    capped = replace(asking, settings=settings)
    source = pipeline.file_source(vendor_file(*[person(f"p{n}", name=f"Ana N{n}") for n in range(60)]), "brightdata")
    with processes(2) as pool:
        result = pipeline.run([source], capped, executor=pool, workers=2)
    assert result.ledger.stored == 60 and result.questions["skipped: spending cap reached"] > 0
    assert sandbox.billed[FINDER] == 8  # 0.40 USD at 0.05 each, whoever asked
    assert result.spent_usd == pytest.approx(0.4)
