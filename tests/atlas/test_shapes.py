"""The shapes that the loopback Atlas answers by, held against what the client reads and what is published."""

import re

import httpx
import pytest

import atlas_schema
from leadbook.atlas.calls import CALLS
from leadbook.atlas.project import AtlasProject

SHAPES = atlas_schema.ours()
EXCERPTS_LACK = {"DELETE /accessList/{entryValue}", "GET /processes/{processId}/disks/{partitionName}/measurements"}
"""Endpoints of the same API that are not among the published excerpts; the shape of the answer is."""


def key_of(name: str) -> str:
    """`GET /accessList` of a call, its words in Atlas's own."""
    words = {
        "cluster": "clusterName",
        "process": "processId",
        "provider": "cloudProvider",
        "entry": "entryValue",
        "partition": "partitionName",
    }
    call = CALLS[name]
    return f"{call.method} {re.sub('{(.+?)}', lambda found: f'{{{words[found[1]]}}}', call.path)}"


@pytest.mark.parametrize("name", CALLS)
def test_a_call_stands_in_the_shapes_with_version_role_and_fields(name):
    call, shape = CALLS[name], SHAPES["calls"][key_of(name)]
    assert call.version == shape["version"] and call.role in shape["roles"]
    assert bool(call.reading) == (call.method == "GET") == bool(call.fields)
    assert not call.reading or callable(getattr(AtlasProject, call.reading))
    for field in call.fields:
        kind = shape.get("page") or shape.get("list") or shape["schema"]
        for step in field.split("."):
            fields = {known.rstrip("!"): value for known, value in SHAPES["schemas"][kind].items()}
            assert step in fields, f"{field}: {kind} has no {step}"
            kind = fields[step][0] if isinstance(fields[step], list) else fields[step]


def test_the_loopback_atlas_answers_every_reading_endpoint(atlas):
    login = httpx.BasicAuth(atlas.client_id, atlas.client_secret)
    body = {"grant_type": "client_credentials"}
    token = httpx.post(f"{atlas.url}/api/oauth/token", data=body, auth=login).json()["access_token"]
    where = {"clusterName": "leads", "processId": atlas.hosts[0], "cloudProvider": "AWS", "partitionName": "data"}
    reading = {key: call for key, call in SHAPES["calls"].items() if key.startswith("GET ")}
    assert len(reading) == 25
    with httpx.Client(headers={"Authorization": f"Bearer {token}"}) as http:
        for key, call in reading.items():
            path = key.removeprefix("GET ").rstrip("/").format(**where)
            asked = {"period": "PT1H", "granularity": "PT1M", "providerName": "AWS"}
            accept = {"Accept": f"application/vnd.atlas.{call['version']}+json"}
            url = f"{atlas.url}/api/atlas/v2/groups/{atlas.state.project}{path}"
            reply = http.get(url, params=asked, headers=accept)
            assert reply.status_code == 200, (key, reply.text)
            older = http.get(url, params=asked, headers={"Accept": "application/vnd.atlas.2022-01-01+json"})
            assert older.status_code == 406, key


def test_an_answer_of_another_shape_is_found_out(atlas, client):
    atlas.state.access_list = [{"cidr": "203.0.113.7/32"}]
    with pytest.raises(Exception, match="500"):
        client.pages("listAccessListEntries")
    assert "unexpected" in atlas.wrong[0]
    atlas.wrong.clear()


# -------------------------------------------------------------------------------------- against what is published


@pytest.fixture
def published():
    book = atlas_schema.published()
    if book is None:
        pytest.skip("ATLAS_OPENAPI names no published description")
    return book


def type_of(book, schema):
    """The published type of a field, through the references it takes."""
    while "$ref" in schema:
        schema = book["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema.get("type")


def test_every_field_of_the_shapes_is_published_with_the_same_type(published):
    schemas = published["components"]["schemas"]
    for name in SHAPES["schemas"]:
        there = schemas[name]
        mine = atlas_schema._our_definitions()[name]
        assert set(mine["required"]) == set(there.get("required", [])) & set(mine["properties"]), name
        assert set(there.get("required", [])) <= set(mine["properties"]), name
        for field in mine["properties"]:
            if field == "description":  # the excerpt leaves out every field of this name
                continue
            told, own = there["properties"].get(field), mine["properties"][field]
            assert told is not None, f"{name}.{field} is not published"
            if own.get("type") == "array":
                assert told["type"] == "array", f"{name}.{field}"
                told, own = told["items"], own["items"]
            if "$ref" in own:
                assert told.get("$ref", "").rpartition("/")[2] == own["$ref"].rpartition("/")[2], f"{name}.{field}"
                continue
            kind = type_of(published, told)
            assert kind == own["type"], f"{name}.{field}: {kind}"
            assert "enum" not in told or set(own.get("enum", told["enum"])) <= set(told["enum"]), f"{name}.{field}"


def test_versions_roles_and_paths_are_the_published_ones(published):
    ours = set(SHAPES["calls"])
    there = {f"{method.upper()} {path.removeprefix(atlas_schema.BASE) or '/'}": call
             for path, calls in published["paths"].items() for method, call in calls.items()}  # fmt: skip
    assert {key for key in there if key.startswith("GET ")} <= ours
    assert ours - set(there) == EXCERPTS_LACK
    for key in ours & set(there):
        call, shape = there[key], SHAPES["calls"][key]
        assert call["x-rolesRequirements"] == shape["roles"], key
        (content,) = (answer["content"] for status, answer in call["responses"].items() if status.startswith("2"))
        ((kind, held),) = content.items()
        assert kind == f"application/vnd.atlas.{shape['version']}+json", key
        named = held["schema"]["items"] if "list" in shape else held["schema"]
        assert named["$ref"].rpartition("/")[2] == shape.get("list", shape.get("schema")), key
