"""Simulated collectors send what their facts say, stamped, and what comes of it is known beforehand."""

import json
from collections import Counter, defaultdict

import pytest

from leadbook.ingest.drain import drain
from leadbook.ingest.site import Site
from leadbook.lead.vendors import load_vendor
from leadbook.rehearsal import collectors
from leadbook.schema.state import apply

RECORDS = 2_000


@pytest.fixture(scope="module")
def planned():
    return collectors.plan(RECORDS, 7)


def test_the_same_seed_is_the_same_sprint_and_another_is_not(planned):
    assert collectors.plan(RECORDS, 7) == planned
    assert collectors.plan(RECORDS, 8) != planned


def test_ten_collectors_of_four_vendors_with_the_faults_of_real_ones(planned):
    facts = planned.facts()
    assert facts["records"] == RECORDS + planned.resent and len(facts["collectors"]) == 10
    assert {load_vendor(one["vendor"]).name for one in facts["collectors"].values()} == set(collectors.COLLECTORS)
    assert {"broken_json", "vendor_error", "missing_linkedin_url"} <= set(facts["rejected"])
    assert facts["unique"] < facts["records"] - sum(facts["rejected"].values()), "people seen more than once"
    late = [one for one in planned.batches if one.due > one.collected]
    assert {one.workflow for one in late} == {collectors.LATE}
    assert json.loads(json.dumps(facts)) == facts


def test_stamps_tell_whether_a_batch_is_missing(planned):
    executions = defaultdict(list)
    for batch in planned.batches:
        executions[batch.workflow, batch.execution].append(batch)
    for mine in executions.values():
        assert [one.number for one in mine] == list(range(1, len(mine) + 1))
        assert [one.last for one in mine] == [False] * (len(mine) - 1) + [True]


def test_what_is_staged_comes_to_what_the_facts_say(planned, database, admin, endpoints, settings, clean_redis):
    apply(database[settings.collection], admin, settings)
    staging = database[settings.staging_collection]
    collectors.stage(staging, planned, seconds=0.5)
    stamps = Counter(one["collector"]["workflow"] for one in staging.find({}, {"collector": 1}))
    facts = planned.facts()
    assert stamps == {name: one["records"] for name, one in facts["collectors"].items()}
    one = staging.find_one({"collector.workflow": "apollo-1"})
    assert set(one) == {"_id", "vendor", "payload", "collected_at", "collector"}
    assert set(one["collector"]) == {"workflow", "execution", "batch", "size", "last"}
    ledger = drain(Site(endpoints=endpoints, settings=settings), workers=1).ledger
    Site.close()
    assert (ledger.read, ledger.stored) == (facts["records"], facts["unique"])
    assert dict(ledger.rejected) == facts["rejected"]
