"""Documents render, hold no credentials, and their examples run as they stand."""

import json
import os
import re
from dataclasses import replace
from types import SimpleNamespace

import pytest

from ingest.vendor_records import person
from leadbook.core.provenance import collection_uuid
from leadbook.core.settings import Settings
from leadbook.ingest import pipeline
from leadbook.ingest.drain import drain
from leadbook.n8n import names, workflows
from leadbook.phases.p04 import documents


def test_the_design_names_every_vendor_and_every_reason(settings):
    text = documents.design(settings)
    for word in ("Bright Data", "Apollo", "missing_full_name", "500 a batch", "120 points at most", "E11000"):
        assert word in text


@pytest.fixture
def handed_over(site, leads, endpoints, monkeypatch):
    """The hand-off's code blocks, run in order, as one namespace."""
    monkeypatch.setenv("MONGODB_URI", endpoints.mongodb_uri)
    monkeypatch.setenv("REDIS_URL", endpoints.redis_url)
    text = documents.handoff(site.settings, collection_uuid(leads))
    names: dict = {}
    for block in re.findall(r"```python\n(.*?)```", text, re.S):
        exec(block, names)
    yield SimpleNamespace(**names, text=text)
    for client in {id(names["client"]): names["client"]}.values():
        client.close()


def test_the_handoffs_examples_work(handed_over, site, leads, database, settings, ingest, vendor_file, clean_redis):
    ingest(vendor_file(person("ana")))
    known = "https://www.linkedin.com/in/ana"
    assert handed_over.is_known(known) is True
    assert handed_over.is_known("https://www.linkedin.com/in/nobody") is False
    clean_redis.flushdb()
    assert handed_over.is_known(known) is True
    handed_over.stage("brightdata", [person("ben"), person("ben")], "brightdata-1", "4711", 1, True)
    stamp = {"workflow": "brightdata-1", "execution": "4711", "batch": 1, "size": 2, "last": True}
    staged = database[settings.staging_collection]
    assert [record["collector"] for record in staged.find({"vendor": "brightdata"})] == [stamp, stamp]
    result = drain(site, workers=1)
    assert (result.ledger.stored, result.ledger.duplicates) == (1, 1)
    rest = {"full_name": "A", "job_title": "B", "company_name": "C"}
    new = [{"linkedin_url": f"https://www.linkedin.com/in/{slug}", **rest} for slug in ("cleo", "ana", "dora")]
    stored, duplicates, refused = handed_over.insert(new)
    assert (stored, [error["index"] for error in duplicates], refused) == (2, [1], [])


def test_the_handoff_holds_no_credentials(handed_over, endpoints):
    for secret in endpoints.secrets:
        assert secret not in handed_over.text
    assert os.environ["MONGODB_URI"] not in handed_over.text


def test_results_tell_of_a_run(site, leads, ingest, vendor_file):
    from leadbook.bench import limits
    from leadbook.phases.p04.lookups import look_up

    result = ingest(vendor_file(person("ana"), person("ana"), person("ben", name=None)))
    assert isinstance(result, pipeline.PipelineResult)
    measured = limits.measure(site, documents=200, batches=(100,))
    found = look_up(site, None, leads, rounds=2)
    text = documents.optimization(result, result, measured, found, measured.table(), site.settings)
    assert "records that are no lead" in text and "not measured" in text and "ordered: false" in text


def test_prepared_documents_sent_without_the_journal_are_not_sent_as_configured(site):
    from leadbook.bench import limits
    from leadbook.phases.p04 import speed

    def check(endpoints):
        measured = limits.measure(replace(site, endpoints=endpoints), documents=50, batches=(50,), rounds=1)
        return next(one for one in speed._batches(measured, site.settings) if one.id == "PIPE-INS-003")

    assert check(site.endpoints).verdict.value == "pass"
    weak = check(replace(site.endpoints, mongodb_uri=f"{site.endpoints.mongodb_uri}&journal=false"))
    assert weak.verdict.value == "fail" and "j: false" in weak.evidence


def test_the_handoff_shows_the_nodes_that_the_workflows_hold_for_this_profile():
    production = Settings.for_notebook({"profile": "production"})
    text = documents.handoff(production, "8f1e")
    nodes = {node["name"]: node for one in workflows.all_workflows(production, "8f1e") for node in one["nodes"]}
    shown = [json.loads(block)["nodes"][0] for block in re.findall(r"```json\n(.*?)```", text, re.S)]
    assert [node["name"] for node in shown] == ["Insert into staging", "Batches", "Ask vendor", "Redis", "MongoDB"]
    assert all(node.items() <= nodes[node["name"]].items() for node in shown)
    scripts = {node["parameters"].get("jsCode", "").strip() for node in nodes.values()}
    blocks = re.findall(r"```javascript\n(.*?)```", text, re.S)
    assert len(blocks) == 4 and {block.strip() for block in blocks} <= scripts
    assert "lead_generation" in text and "leadbook_rehearsal" not in text
    for stamp in names.STAMPS:
        assert stamp in text
