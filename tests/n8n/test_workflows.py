"""The workflows hold together: known nodes, whole connections, no secret, the profile's names, ten stamps."""

import json
import re

import pytest
import yaml

from leadbook.core.settings import PROJECT, Settings
from leadbook.lead.vendors import vendor_names
from leadbook.n8n import names, workflows
from leadbook.rehearsal.collectors import COLLECTORS

PRODUCTION = Settings.for_notebook({"profile": "production"})
ALL = workflows.all_workflows(PRODUCTION, "8f1e")
PAGES = {path.name: json.loads(path.read_text(encoding="utf-8")) for path in (PROJECT / "n8n").glob("*.json")}
VERSIONS = {
    "manualTrigger": 1, "webhook": 2.1, "set": 3.4, "code": 2, "httpRequest": 4.4, "switch": 3.2, "wait": 1.1,
    "splitInBatches": 3, "mongoDb": 1.2, "redis": 1, "if": 2.3, "executeWorkflowTrigger": 1.1, "errorTrigger": 1,
}  # fmt: skip
"""Node types that n8n 2.8 and 2.20 know, and the version that was seen to do what the templates need."""

each = pytest.mark.parametrize("workflow", [*ALL, *PAGES.values()], ids=lambda one: one["name"])
collectors = pytest.mark.parametrize("workflow", ALL[2:], ids=lambda one: one["name"])


def texts(value):
    if isinstance(value, dict):
        for inner in value.values():
            yield from texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from texts(inner)
    elif isinstance(value, str):
        yield value


def node(workflow, name):
    (found,) = (one for one in workflow["nodes"] if one["name"] == name)
    return found


def parameters(workflow):
    return {one["name"]: one for one in node(workflow, "Parameters")["parameters"]["assignments"]["assignments"]}


def test_the_committed_files_are_what_the_production_profile_makes():
    assert {name: json.loads(text) for name, text in workflows.committed(PRODUCTION).items()} == PAGES
    assert set(PAGES) == {"collector.json", "look-up.json", "errors.json"}


def test_there_are_ten_collectors_as_in_the_rehearsal_and_each_has_its_own_name_path_and_stamp():
    assert [(one.vendor, one.stamp) for one in names.INSTANCES] == [
        (vendor, f"{vendor}-{number}") for vendor, count in COLLECTORS.items() for number in range(1, count + 1)
    ]
    assert [one["name"] for one in ALL] == [
        "leadbook errors", "leadbook look-up", *(f"leadbook collector {number:02}" for number in range(1, 11))
    ]  # fmt: skip
    ten = ALL[2:]
    assert [parameters(one)["workflow"]["value"] for one in ten] == list(names.STAMPS)
    assert [parameters(one)["vendor"]["value"] for one in ten] == [one.vendor for one in names.INSTANCES]
    assert len({node(one, "Start by webhook")["parameters"]["path"] for one in ten}) == 10
    assert len({node(one, "Start by webhook")["webhookId"] for one in ten}) == 10
    ids = [one["id"] for workflow in ALL for one in workflow["nodes"]]
    assert len(set(ids)) == len(ids)


def test_another_vendor_for_a_number_has_a_stamp_of_its_own():
    made = workflows.collector(PRODUCTION, 1, "apollo")
    assert parameters(made)["workflow"]["value"] == "apollo-01"
    assert set(yaml.safe_load((workflows._TEMPLATES / "vendors.yaml").read_text())) <= set(vendor_names())


@each
def test_nodes_are_known_and_connections_lead_to_them(workflow):
    found = [one["name"] for one in workflow["nodes"]]
    assert len(set(found)) == len(found)
    for one in workflow["nodes"]:
        assert VERSIONS[one["type"].removeprefix("n8n-nodes-base.")] == one["typeVersion"], one["name"]
        assert isinstance(one["id"], str) and len(one["position"]) == 2
    reached = {name for name in found if re.search("Trigger$|webhook$", node(workflow, name)["type"])}
    for source, outputs in workflow["connections"].items():
        assert source in found
        for target in (target for output in outputs["main"] for target in output):
            assert target["node"] in found and (target["type"], target["index"]) == ("main", 0)
            reached.add(target["node"])
    assert reached == set(found)


@each
def test_expressions_and_references_are_whole(workflow):
    found = {one["name"] for one in workflow["nodes"]}
    for text in texts([one["parameters"] for one in workflow["nodes"]]):
        assert not text.startswith("@"), text
        assert "'@" not in text, text
        assert set(re.findall(r"\$\('([^']+)'\)", text)) <= found
        if text.startswith("="):
            inside = re.fullmatch(r"=\{\{ (.+) \}\}", text)
            assert inside, text
            assert "}}" not in inside[1] and "{{" not in inside[1], text
            for opening, closing in ("()", "[]", "{}"):
                assert inside[1].count(opening) == inside[1].count(closing), text


@each
def test_nothing_secret_and_no_id_of_a_credential_is_inside(workflow):
    for one in workflow["nodes"]:
        for named in one.get("credentials", {}).values():
            assert set(named) == {"name"} and named["name"].startswith("leadbook ")
    assert "id" not in workflow and workflow["active"] is False
    text = json.dumps(workflow)
    assert not re.search(r"\$(env|vars|secrets)\b|mongodb(\+srv)?://|rediss?://|xox[a-z]-|Bearer|hooks\.slack", text)
    addresses = set(re.findall(r"https?://[a-z0-9.-]+", text))
    assert addresses <= {"https://vendor.invalid", "https://alerts.invalid", "https://www.linkedin.com"}


@collectors
def test_a_collector_stages_as_the_pipeline_reads(workflow):
    insert = node(workflow, "Insert into staging")
    assert insert["parameters"]["operation"] == "insert"
    assert insert["parameters"]["collection"] == PRODUCTION.staging_collection
    assert insert["parameters"]["fields"].split(",") == ["vendor", "payload", "collected_at", "collector"]
    assert insert["parameters"]["options"]["dateFields"] == "collected_at"
    assert insert["retryOnFail"] and insert["maxTries"] > 1
    assert 100 <= parameters(workflow)["batch_size"]["value"] <= 200
    assert parameters(workflow)["page_size"]["value"] <= parameters(workflow)["max_records"]["value"] <= 5_000
    assert workflow["settings"]["errorWorkflow"] == names.ERRORS
    vendor = parameters(workflow)["vendor"]["value"]
    ask = node(workflow, "Ask vendor")
    assert ask["credentials"]["httpHeaderAuth"]["name"] == f"leadbook vendor {vendor}"
    assert parameters(workflow)["url"]["value"] == f"https://vendor.invalid/{vendor}"
    assert node(workflow, "Start by webhook")["parameters"]["authentication"] == "headerAuth"


def test_names_of_the_database_are_the_profiles():
    other = Settings(database="other", staging_collection="raw", collection="people")
    made = {one["name"]: json.dumps(one) for one in workflows.all_workflows(other)}
    assert '"collection": "people"' in made[names.LOOK_UP]
    assert 'database ${\\"other\\"}' in made[names.ERRORS]
    assert '"collection": "raw"' in made["leadbook collector 10"]
    assert "raw_leads" not in "".join(made.values()) and "lead_generation" not in "".join(made.values())
