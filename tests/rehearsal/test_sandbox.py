"""The sandbox speaks the vendors' documented shapes, checks keys, counts, and repeats itself."""

import os
import signal
import subprocess
import sys
from base64 import b64encode

import httpx
import pytest

from leadbook.rehearsal.sandbox.faults import FAULTS, PASSING
from leadbook.rehearsal.sandbox.server import Sandbox

FINDER = "/hunter/v2/email-finder?full_name=Ana+Example&domain=shop.example"
COMBINED = "/clearbit/v2/combined/find?email=ana%40shop.example"
UPSERT = "/hubspot/crm/v3/objects/contacts/batch/upsert"


@pytest.fixture
def sandbox():
    with Sandbox(faults={}) as running:
        yield running


@pytest.fixture
def client(sandbox):
    with httpx.Client(base_url=sandbox.url, trust_env=False) as one:
        yield one


def bearer(sandbox, vendor):
    return {"Authorization": f"Bearer {getattr(sandbox.services, vendor).key}"}


def contact(number, **properties):
    email = f"p{number}@shop.example"
    return {"id": email, "idProperty": "email", "properties": {"email": email, **properties}}


def test_keys_are_checked_as_each_vendor_documents(sandbox, client):
    key = sandbox.services.hunter.key
    for headers in ({"X-API-KEY": key}, bearer(sandbox, "hunter")):
        assert client.get(FINDER, headers=headers).status_code == 200
    assert client.get(f"{FINDER}&api_key={key}").status_code == 200 and sandbox.keys_in_urls == 1
    basic = b64encode(f"{sandbox.services.clearbit.key}:".encode()).decode()
    assert client.get(COMBINED, headers={"Authorization": f"Basic {basic}"}).status_code == 200
    for method, path in (("GET", FINDER), ("GET", COMBINED), ("POST", UPSERT)):
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic %%%"}):
            body = {"inputs": []} if method == "POST" else None
            assert client.request(method, path, headers=headers, json=body).status_code == 401


def test_errors_have_the_shape_of_their_vendor(sandbox, client):
    sandbox.script("email-finder", 403, 429, 451)
    for code in (403, 429, 451):
        reply = client.get(FINDER, headers=bearer(sandbox, "hunter"))
        (said,) = reply.json()["errors"]
        assert reply.status_code == said["code"] == code and said["id"] and said["details"]
    sandbox.script("combined", 429, 402)
    limited = client.get(COMBINED, headers=bearer(sandbox, "clearbit"))
    assert (limited.status_code, limited.headers["X-RateLimit-Remaining"]) == (429, "0")
    assert client.get(COMBINED, headers=bearer(sandbox, "clearbit")).json()["error"]["type"] == "over_quota"
    sandbox.script("upsert", 429, 423)
    limited = client.post(UPSERT, headers=bearer(sandbox, "hubspot"), json={"inputs": [contact(1)]})
    assert limited.headers["Retry-After"] and limited.json()["errorType"] == "RATE_LIMIT"
    locked = client.post(UPSERT, headers=bearer(sandbox, "hubspot"), json={"inputs": [contact(1)]})
    assert (locked.status_code, locked.json()["category"]) == (423, "LOCKED")


def test_hubspot_takes_a_hundred_and_names_new_contacts(sandbox, client):
    sandbox.contacts.refused = lambda email: False

    def upsert(inputs):
        return client.post(UPSERT, headers=bearer(sandbox, "hubspot"), json={"inputs": inputs})

    first = upsert([contact(number) for number in range(100)])
    assert (first.status_code, len(first.json()["results"])) == (200, 100)
    assert all(one["new"] and one["id"] and one["properties"]["email"] for one in first.json()["results"])
    assert not any(one["new"] for one in upsert([contact(1, firstname="Ana")]).json()["results"])
    assert upsert([contact(number) for number in range(101)]).status_code == 400
    assert upsert([contact(1), contact(1)]).status_code == 400
    unknown = upsert([contact(1, nosuch="x")])
    assert unknown.json()["errors"][0]["code"] == "PROPERTY_DOESNT_EXIST"
    sandbox.contacts.refused = lambda email: email.startswith("p3@")
    partly = upsert([contact(3), contact(4)]).json()
    assert (partly["numErrors"], partly["errors"][0]["context"]["ids"]) == (1, ["p3@shop.example"])
    sandbox.contacts.conflicting = lambda email: email.startswith(("p5@", "p6@"))
    conflict = upsert([contact(4), contact(5), contact(6)])
    assert conflict.status_code == 409 and conflict.json()["message"].count("Existing ID") == 1


def test_faults_repeat_and_passing_ones_pass():
    def statuses():
        said = []
        with Sandbox(seed=7) as sandbox, httpx.Client(base_url=sandbox.url, trust_env=False) as client:
            for number in range(120):
                for _ in range(2):
                    try:
                        path = f"/hunter/v2/email-finder?full_name=Ana+N{number}&domain=shop.example"
                        said.append(client.get(path, headers=bearer(sandbox, "hunter")).status_code)
                    except httpx.HTTPError:
                        said.append("reset")
        return said

    first = statuses()
    assert first == statuses() and {403, 404, 451} <= set(first)
    for once, twice in zip(first[::2], first[1::2], strict=True):
        assert twice == 200 if once in PASSING else twice == once
    assert set(FAULTS) == {"email-finder", "email-verifier", "combined", "upsert"}


def test_a_rate_limit_and_a_quota_can_be_set():
    with Sandbox(faults={}, per_second=5, quota=3) as sandbox, httpx.Client(trust_env=False) as client:
        said = [client.get(sandbox.url + FINDER, headers=bearer(sandbox, "hunter")).status_code for _ in range(7)]
    assert (said.count(200), said.count(429), said.count(403)) == (3, 2, 2)


def test_what_is_charged_is_counted(sandbox, client):
    found = [client.get(f"/hunter/v2/email-finder?full_name=Ana+N{n}&domain=shop.example",
                        headers=bearer(sandbox, "hunter")).json()["data"]["email"] for n in range(20)]  # fmt: skip
    assert sandbox.billed["email-finder"] == sum(1 for email in found if email) and None in found


def test_it_listens_on_loopback_only_and_can_be_served_by_hand():
    served = subprocess.Popen(
        [sys.executable, "-m", "leadbook.rehearsal.sandbox"], stdout=subprocess.PIPE, text=True, env=os.environ.copy()
    )
    try:
        lines = [served.stdout.readline() for _ in range(4)]
        url = lines[1].split()[1]
        assert "SANDBOX" in lines[0] and url.startswith("http://127.0.0.1:")
        reply = httpx.get(url + "/v2/email-finder", trust_env=False)
        assert (reply.status_code, reply.headers["X-Sandbox"]) == (401, "leadbook")
    finally:
        served.send_signal(signal.SIGINT)
        assert served.wait(10) == 0
