"""The JavaScript of the workflows' Code nodes, run with Node.js: what it stages, the pipeline reads."""

import json
import shutil
import subprocess
from datetime import datetime
from pathlib import Path

import pytest
from bson import ObjectId

from ingest.vendor_records import contact, person
from leadbook.analysis.stamps import arrivals
from leadbook.analysis.totals import read_totals
from leadbook.core.settings import Settings
from leadbook.ingest.drain import drain
from leadbook.ingest.normalize.urls import canonical
from leadbook.lead.keys import encode, linkedin_key
from leadbook.n8n import names, workflows

NODE = shutil.which("node")
pytestmark = pytest.mark.skipif(NODE is None, reason="Node.js is not installed")
PRODUCTION = Settings.for_notebook({"profile": "production"})


def scripts(workflow):
    return {one["name"]: one["parameters"]["jsCode"] for one in workflow["nodes"] if "jsCode" in one["parameters"]}


def node_js(**job):
    argv = [NODE, str(Path(__file__).parent / "harness.js")]
    done = subprocess.run(argv, input=json.dumps(job), capture_output=True, text=True, timeout=30, check=True)
    return json.loads(done.stdout)


def collected(vendor, answers, execution="4711", **changes):
    """What a vendor's first collector stages where the vendor answers so."""
    (instance, *_) = (one for one in names.INSTANCES if one.vendor == vendor)
    workflow = workflows.collector(PRODUCTION, instance.number, vendor)
    (node,) = (one for one in workflow["nodes"] if one["name"] == "Parameters")
    said = {one["name"]: one["value"] for one in node["parameters"]["assignments"]["assignments"]}
    said |= {"first_page": 1, "first_cursor": "", "execution": execution} | changes
    return node_js(scripts=scripts(workflow), parameters=said, answers=answers, execution=execution)


def answer(body, status=200, **headers):
    return {"statusCode": status, "headers": headers, "data": body if isinstance(body, str) else json.dumps(body)}


def pages(key, records, size):
    """The records, page by page, and an empty page behind them."""
    parts = [records[at : at + size] for at in range(0, len(records), size)] + [[]]
    return [answer({key: part} if key else part) for part in parts]


def stamps(found):
    batches = []
    for batch in found["found"]["inserted"]:
        (stamp,) = {json.dumps(one["collector"]) for one in batch}
        batches.append(json.loads(stamp))
        assert batches[-1]["size"] == len(batch)
    return batches


@pytest.mark.parametrize("count", [0, 1, 99, 100, 101, 250, 300])
def test_batches_are_counted_and_the_last_is_marked(count):
    found = collected("apollo", pages("people", [{"n": n} for n in range(count)], 100))
    marked = stamps(found)
    assert [one["batch"] for one in marked] == list(range(1, len(marked) + 1))
    assert [one["last"] for one in marked] == [False] * (len(marked) - 1) + [True] * bool(marked)
    assert [one["size"] for one in marked] == [100] * ((count - 1) // 100) + [(count - 1) % 100 + 1] * bool(count)
    numbers = [one["payload"]["n"] for batch in found["found"]["inserted"] for one in batch]
    assert numbers == list(range(count))
    assert found["found"]["done"] == {
        "workflow": "apollo-1", "execution": "4711", "records": count, "batches": len(marked), "next": None
    }  # fmt: skip


def test_pages_greater_and_smaller_than_a_batch():
    records = [{"n": n} for n in range(730)]
    small = stamps(collected("apollo", pages("people", records, 30), page_size=30))
    great = stamps(collected("apollo", pages("people", records, 350), page_size=350))
    assert small == great
    assert [one["size"] for one in small] == [100] * 7 + [30]


def test_each_way_of_paging_asks_for_what_the_vendor_takes():
    apify = collected("apify", pages("", [{"n": n} for n in range(40)], 20), page_size=20)
    assert apify["found"]["queries"] == [{"limit": 20, "offset": at} for at in (0, 20, 40)]
    scroll = [answer({"data": [{"n": 1}], "scroll_token": "abc"}), answer({"data": [{"n": 2}]})]
    assert collected("peopledatalabs", scroll)["found"]["queries"] == [
        {"size": 100}, {"size": 100, "scroll_token": "abc"}
    ]  # fmt: skip
    part = collected("brightdata", [answer([{"n": 1}])])  # a short page is the last one
    assert part["found"]["queries"] == [{"part": 1, "batch_size": 1000}]
    assert [one["last"] for one in stamps(part)] == [True]


def test_a_busy_vendor_is_asked_again_as_late_as_it_says():
    busy = [answer("no JSON", 429, **{"retry-after": "7"}), answer("", 503), answer({"status": "running"})]
    found = collected("brightdata", [*busy, answer([{"n": 1}])])["found"]
    assert found["waits"] == [7, 2, 4]
    assert [query["part"] for query in found["queries"]] == [1, 1, 1, 1]
    assert [len(batch) for batch in found["inserted"]] == [1]


def test_what_stays_an_error_ends_the_execution_and_quotes_no_record():
    refused = collected("apollo", [answer({"error": "ana@shop.example"}, 401)])
    assert refused == {"error": "apollo answered 401, at page 1"}
    endless = collected("apollo", [answer("ana@shop.example", 503)], attempts=3)
    assert endless == {"error": "apollo answered 503 3 times, at page 1"}
    strange = collected("apollo", [answer({"contacts": ["ana"]})], attempts=2)
    assert strange == {"error": "apollo answered without a list of records 2 times, at page 1"}


def test_an_execution_ends_at_its_limit_and_says_where_the_next_goes_on():
    found = collected("apollo", pages("people", [{"n": n} for n in range(600)], 100), max_records=300)
    assert found["found"]["done"]["next"] == {"page": 4, "cursor": ""}
    assert [one["last"] for one in stamps(found)] == [False, False, True]
    going_on = collected("apollo", pages("people", [{"n": n} for n in range(100)], 100), first_page=4)
    assert going_on["found"]["queries"][0]["page"] == 4


def test_what_mongodb_might_refuse_is_staged_as_text():
    deep = {}
    for _ in range(60):
        deep = {"in": deep}
    odd = [None, 7, "text", [1], deep, {"a.b": 1, "c": None}, {"in": {"$id": 1}}, {"a\0": 1}]
    (batch,) = collected("apify", [answer(odd), answer([])])["found"]["inserted"]
    payloads = [one["payload"] for one in batch]
    assert payloads[:4] == ["null", "7", '"text"', "[1]"]
    assert [json.loads(payloads[n]) for n in (4, 6, 7)] == [deep, odd[6], odd[7]]
    assert payloads[5] == odd[5]


def staged(database, settings, *runs):
    collection = database[settings.staging_collection]
    for run in runs:
        for batch in run["found"]["inserted"]:  # as the node does: ordered, dates as dates
            collection.insert_many([
                {**one, "collected_at": datetime.fromisoformat(one["collected_at"])} for one in batch
            ])  # fmt: skip
    return collection


def test_the_pipeline_takes_what_collectors_stage_and_a_second_run_doubles_nothing(site, database, settings, leads):
    people = [person(f"ana-{n}") for n in range(240)] + [person(f"ana-{n}") for n in range(10)]
    first = collected("brightdata", pages("", people, 1000))
    other = collected("apollo", pages("people", [contact(f"bea-{n}") for n in range(30)] + [None, "no lead"], 100))
    collection = staged(database, settings, first, other)
    result = drain(site, workers=1)
    assert (result.ledger.stored, result.ledger.duplicates, result.ledger.rejects) == (270, 10, 2)
    came = {one.collector: one for one in arrivals(collection, read_totals(collection, ()), {})}
    assert set(came) == {"brightdata-1", "apollo-1"}
    assert all(one.known and not one.missing and not one.faults for one in came.values())
    staged(database, settings, first)
    again = drain(site, workers=1)
    assert (again.ledger.stored, again.ledger.duplicates) == (0, 250)
    assert leads.count_documents({}) == 270


def test_a_failed_execution_run_again_under_its_number_leaves_no_gap(site, database, settings):
    whole = collected("apollo", pages("people", [contact(f"cid-{n}") for n in range(330)], 100))
    failed = {"found": {"inserted": whole["found"]["inserted"][:2]}}
    collection = staged(database, settings, failed)
    drain(site, workers=1)
    (came,) = arrivals(collection, read_totals(collection, ()), {})
    assert came.missing == 1
    staged(database, settings, whole)  # POST {"execution": "4711"}
    drain(site, workers=1)
    (came,) = arrivals(collection, read_totals(collection, ()), {})
    assert came.missing == 0 and not came.faults


ADDRESSES = [
    "https://www.linkedin.com/in/ana", "http://uk.linkedin.com/in/Ana-B/", "linkedin.com/in/ana?trk=x", "  ana ", "",
    "https://www.linkedin.com/in/ACoAABCDEFGHIJKLMNOPQRSTUVWX", "https://linkedin.com/company/ana", None,
    "https://www.linkedin.com/in/j%25c3%25b6rgen-x", "https://www.linkedin.com/in/jörgen-x",
    "https://www.linkedin.com/in/mu%C3%B1oz", "https://www.linkedin.com/in/a%20b", "https://www.linkedin.com/in/a&b$c+ü",
    "https://www.linkedin.com/in/ana\u200b-x/en", "https://www.linkedin.com/mwlite/in/ana", "ftp://evil.example/in/ana",
]  # fmt: skip


def look_up(values, rows, addresses=("https://www.linkedin.com/in/ana",), collection="8f1e"):
    """What the look-up answers where Redis and MongoDB say so; Redis is not asked where its values are None."""
    code = scripts(workflows.look_up(PRODUCTION, collection))
    asked = [{"linkedin_url": one} for one in addresses]
    ran = node_js(scripts=code, chain=[("Keys", asked), ("Left for MongoDB", values), ("Answer", rows)])["found"]
    return [one["known"] for one in ran["Answer"]], json.loads(ran["Left for MongoDB"][0]["query"])


def test_addresses_are_keyed_as_the_pipeline_keys_them():
    code = scripts(workflows.look_up(PRODUCTION, "8f1e"))
    found = node_js(scripts=code, chain=[("Keys", [{"linkedin_url": one} for one in ADDRESSES])])["found"]["Keys"]
    wanted = [canonical(one or "") for one in ADDRESSES]
    assert [one["canonical"] for one in found] == [one.url if one else "" for one in wanted]
    key = "lead:linkedin:" + found[0]["canonical"]
    assert key == linkedin_key("https://www.linkedin.com/in/ana")


def test_redis_is_believed_only_for_this_collection():
    mine, others = encode("8f1e", ObjectId(), 7), encode("older", ObjectId(), 7)
    assert look_up([{"value": mine}], [{}]) == ([True], {"linkedin_url": {"$in": []}})
    for value in (others, "1", "{", None, '"text"', "null"):
        known, query = look_up([{"value": value}], [{}])
        assert (known, query) == ([False], {"linkedin_url": {"$in": ["https://www.linkedin.com/in/ana"]}}), value
    assert look_up([{"value": others}], [{"linkedin_url": "https://www.linkedin.com/in/ana"}])[0] == [True]


def test_without_redis_mongodb_answers_and_without_both_nobody_knows():
    ana = [{"linkedin_url": "https://www.linkedin.com/in/ana"}]
    assert look_up([{"error": "READONLY"}], ana)[0] == [True]
    assert look_up(None, ana)[0] == [True]  # n8n hands on the node's input where the whole node failed
    assert look_up(None, [{}], collection="")[0] == [False]
    assert look_up(None, None)[0] == ["unknown"]
    assert look_up(None, [{"error": "connect ECONNREFUSED"}])[0] == ["unknown"]
    both = ["https://www.linkedin.com/in/ana", "not an address", "https://linkedin.com/in/Bea"]
    assert look_up(None, ana, both)[0] == [True, "unknown", False]


def alert(failure):
    """What the alert channel is told of a failure."""
    code = scripts(workflows.errors(PRODUCTION))
    (told,) = node_js(scripts=code, chain=[("Message", [failure])])["found"]["Message"]
    return told["text"]


@pytest.mark.parametrize("message", [
    'E11000 duplicate key error collection: x index: linkedin_url_1 dup key: { linkedin_url: "linkedin.com/in/ana-b" }',
    "cannot read linkedin.com/in/ana-b", "ana-b@shop.example bounced",
    "Unexpected token 'A', \"Ana Ana-b\" is not JSON",
    "connect to mongodb+srv://app:ana-b@cluster failed", "refused\n{\"full_name\": \"ana-b\"}", "unclosed 'ana-b",
])  # fmt: skip
def test_the_alert_names_place_and_reason_and_no_lead(message):
    failed = {"workflow": {"name": "leadbook collector 03"}, "execution": {
        "id": "4711", "lastNodeExecuted": "Insert into staging", "error": {"message": message}}}  # fmt: skip
    told = alert(failed)
    for word in ("leadbook collector 03", "4711", "Insert into staging", "lead_generation"):
        assert word in told
    assert "ana-b" not in told.lower()


def test_the_alert_keeps_an_address_of_a_server_and_bears_an_empty_error():
    failed = {"execution": {"id": "1", "error": {"message": "connect ECONNREFUSED 10.0.0.1:27017"}}}
    assert "connect ECONNREFUSED 10.0.0.1:27017" in alert(failed)
    trigger = {"trigger": {"error": {"message": "no", "node": {"name": "Start by webhook"}}}, "workflow": {"name": "w"}}
    assert "Start by webhook" in alert(trigger)
