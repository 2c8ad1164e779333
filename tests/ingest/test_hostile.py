"""Whatever a record holds, the pipeline neither crashes nor loses it. LEADBOOK_HOSTILE asks for more records."""

import json
import os
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from ingest.vendor_records import contact, person
from leadbook.ingest import pipeline
from leadbook.ingest.pipeline import RecordSource
from leadbook.lead.vendors import RawRecord, load_vendor, problem_of

RECORDS = int(os.environ.get("LEADBOOK_HOSTILE", "2000"))
A_BATCH = 100

KEYS = st.sampled_from(
    [*person("a"), *contact("a"), "$where", "$set", "a.b", "a\0b", "", "_id", "__proto__", "pipeline",
     "additional_data", "linkedin_url", "email", "input", "experience", "error", "\ud800", "ключ", "k" * 300]
)  # fmt: skip
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.integers(-(2**80), 2**80), st.floats(), st.text(max_size=40),
    st.binary(max_size=8),
    st.text(alphabet=st.characters(categories=["Cs", "Cc", "Cf", "Mn"]), max_size=10),
    st.sampled_from(["https://www.linkedin.com/in/ana", "https://linkedin.com/in/%25%00", "$gt", "\0", "--", "x" * 5000,
                     "ana@shop.example", "a@b", "+1 555 123 4567",
                     "https://www.linkedin.com/in/ACoAAAAAAAB" + "A" * 30]),
)  # fmt: skip
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=6
)
SOUND = st.sampled_from([person("ana"), person("ben"), contact("ana"), contact("cleo", Email="ana@shop.example")])
PAYLOADS = st.builds(
    lambda sound, odd: {**sound, **odd}, SOUND | st.just({}), st.dictionaries(KEYS, VALUES, max_size=4)
)


@pytest.fixture
def strict(site, leads, admin, database):
    """The server refuses what the schema does not allow, and batches are small."""
    admin[database.name].command("collMod", leads.name, validationAction="error", validationLevel="strict")
    return replace(site, settings=site.settings.model_copy(update={"batch_size": 40}))


def record(number, payload, vendor):
    return RawRecord(number, payload, problem_of(payload, load_vendor(vendor)))


def test_hostile_records_are_all_accounted_for(strict, leads, database, settings):
    stored = rejected = 0

    @hypothesis_settings(max_examples=max(1, RECORDS // A_BATCH), deadline=None, database=None,
                         suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(st.lists(PAYLOADS, min_size=A_BATCH, max_size=A_BATCH), st.sampled_from(["brightdata", "apollo"]))
    def hostile(payloads, vendor):
        nonlocal stored, rejected
        records = [record(number, payload, vendor) for number, payload in enumerate(payloads, 1)]
        result = pipeline.run([RecordSource(name="hostile", vendor=vendor, records=records)], strict, workers=1)
        result.ledger.assert_balanced()
        assert result.ledger.read == len(payloads) and result.ledger.failed == 0 and result.problem == ""
        stored += result.ledger.stored

    hostile()
    assert leads.count_documents({}) == stored > 0
    assert leads.count_documents({"linkedin_url": {"$not": {"$regex": "^https://www.linkedin.com/in/"}}}) == 0
    for kept in database[settings.rejected_collection].find().limit(200):
        json.loads(kept["payload"])


def deep(levels):
    value: dict = {"x": 1}
    for _ in range(levels):
        value = {"d": value}
    return value


@pytest.mark.parametrize(
    "odd",
    [{"extra": deep(60)}, {"extra": deep(150)}, {"extra": deep(900)}, {"n": 2**63}, {"blob": "x" * 3_000_000},
     {f"column {number}": "value" for number in range(3000)}, {"$where": "1 == 1", "a.b": {"$gt": 1}}, {"x": "\ud800"},
     {"y": float("nan"), "z": float("inf")}, {"name": {"$ne": None}}, {"url": ["https://linkedin.com/in/a"] * 50}],
    ids=["deep", "deeper than the server takes", "deeper than Python takes", "64 bits", "3 MB", "3,000 columns",
         "operators", "surrogate", "not a number", "object as a name", "list of URLs"],
)  # fmt: skip
def test_one_hostile_record_spoils_no_other(strict, leads, odd):
    payloads = [person("ana"), {**person("ben"), **odd}, person("cleo")]
    records = [record(number, payload, "brightdata") for number, payload in enumerate(payloads, 1)]
    result = pipeline.run([RecordSource(name="hostile", vendor="brightdata", records=records)], strict, workers=1)
    assert result.ledger.read == 3 and result.ledger.failed == 0
    assert result.ledger.stored + result.ledger.rejects == 3
    assert {"https://www.linkedin.com/in/ana", "https://www.linkedin.com/in/cleo"} <= set(
        leads.distinct("linkedin_url")
    )
