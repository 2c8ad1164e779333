"""n8n's API by real sockets: what it says becomes records, what goes wrong is one line, and the key stays secret."""

from datetime import timedelta

import pytest

from leadbook.core.errors import LeadbookError, ParameterError
from leadbook.n8n import client as clients
from leadbook.n8n import names
from leadbook.n8n.client import N8nAbsentError, N8nClient, N8nDeniedError, open_n8n
from leadbook.n8n.seen import stamp_of
from n8n_server import N8nServer


@pytest.fixture
def n8n(settings):
    with N8nServer(settings) as server:
        server.workflows[names.LOOK_UP]["settings"]["saveDataSuccessExecution"] = "all"
        yield server


@pytest.fixture
def client(n8n):
    with N8nClient(n8n.url, n8n.key) as made:
        yield made


def history(client, n8n, name=names.LOOK_UP):
    return client.history(n8n.workflows[name]["id"])


def test_workflows_come_page_by_page(n8n, client):
    n8n.page = 5
    found = client.workflows()
    assert [one.name for one in found] == list(n8n.workflows)
    assert sum("/workflows?" in asked for asked in n8n.requests) == 3
    assert [stamp_of(one) for one in found if one.name.startswith("leadbook collector")] == list(names.STAMPS)


def test_what_n8n_runs_counts_and_not_a_draft(n8n, client):
    row = n8n.collector(3)
    row["nodes"] = [node for node in row["nodes"] if not node["type"].endswith("mongoDb")]
    found = next(one for one in client.workflows() if one.id == row["id"])
    assert found.of_kind("mongoDb")


def test_a_history_goes_back_a_day_and_on_to_the_newest_success(n8n, client):
    n8n.page = 4
    n8n.ran(names.LOOK_UP, ago=timedelta(days=3))
    for _ in range(4):
        n8n.ran(names.LOOK_UP, "error", ago=timedelta(hours=30))
    for _ in range(6):
        n8n.ran(names.LOOK_UP, "crashed", ago=timedelta(hours=2))
    n8n.ran(names.ERRORS)
    found = history(client, n8n)
    assert (found.failures, found.in_day, found.whole, found.recovered) == (6, 6, True, False)
    assert found.last == found.failure and found.success.id == "1"
    n8n.ran(names.LOOK_UP)
    assert history(client, n8n).recovered


def test_a_history_without_end_is_cut_and_says_so(n8n, client, monkeypatch):
    monkeypatch.setattr(clients, "HISTORY_PAGES", 2)
    n8n.page = 2
    for _ in range(6):
        n8n.ran(names.LOOK_UP)
    found = history(client, n8n)
    assert (found.in_day, found.whole) == (4, False)


def test_ids_are_ordered_as_numbers_and_running_ones_are_left_out(n8n, client):
    for number in range(11):
        n8n.ran(names.LOOK_UP, "error" if number == 8 else "success")
    n8n.ran(names.LOOK_UP, "running")
    assert history(client, n8n).recovered


def test_the_release_stands_on_the_start_page_and_that_page_gets_no_key(n8n, client):
    assert client.release() == "2.20.12"
    n8n.release = "<script>"
    assert client.release() == ""


def test_an_execution_tells_of_each_node_and_nothing_of_what_it_handled(n8n, client):
    number = n8n.ran(names.LOOK_UP, Redis="error", MongoDB="success")
    assert client.ended_well(number) == {"Redis": False, "MongoDB": True}


@pytest.mark.parametrize(("fault", "kind", "says"), [
    (401, N8nDeniedError, "the key is refused (401); make a key in n8n"),
    (403, N8nDeniedError, "may not read workflows (403); give it the scope workflow:list"),
    (404, N8nAbsentError, "is no n8n, or its public API is switched off: it does not know /api/v1/workflows"),
    (302, N8nAbsentError, "it redirects to another address"),
    (500, LeadbookError, "it answers with status 500; look at n8n's log"),
    ("html", N8nAbsentError, "the answer is no JSON"),
    ("list", N8nAbsentError, "the answer is no object"),
    ("cut", LeadbookError, "the connection broke off"),
    ("slow", LeadbookError, "no answer in time"),
])  # fmt: skip
def test_what_goes_wrong_is_one_line(n8n, client, fault, kind, says, monkeypatch):
    monkeypatch.setattr(clients, "TIMEOUT_S", 0.3)
    n8n.faults["/api/v1/workflows"] = [fault] * 2
    with pytest.raises(kind) as told:
        client.workflows()
    line = str(told.value)
    assert says in line and n8n.url in line and "\n" not in line and n8n.key not in line


def test_too_many_requests_are_waited_for_once(n8n, client):
    n8n.faults["/api/v1/workflows"] = [429]
    assert client.workflows()
    n8n.faults["/api/v1/workflows"] = [429, 429]
    with pytest.raises(LeadbookError, match="too many requests"):
        client.workflows()


def test_credentials_are_none_where_the_key_may_not_list_them(n8n, client):
    assert [one.kind for one in client.credentials()] == ["mongoDb", "redis"]
    n8n.scopes -= {"credential:list", "credential:read"}
    assert client.credentials() is None and client.test(n8n.credentials["redis"]["id"]) is None
    n8n.tries = False
    assert client.test("other") is None


def test_nobody_answers(n8n):
    with N8nClient("http://127.0.0.1:9", "k") as nobody, pytest.raises(LeadbookError, match="connection refused"):
        nobody.workflows()
    with N8nClient("https" + n8n.url[4:], "k") as no_tls, pytest.raises(LeadbookError, match="TLS handshake failed"):
        no_tls.workflows()


@pytest.mark.parametrize(("url", "says"), [
    ("http://93.184.215.14:5678", "plain http to a public address"), ("n8n.example.com", "must begin with https://"),
    ("https://u:p@n8n.example.com", "holds more than an address"), ("https://n8n.example.com/?a=b", "more than"),
    ("ftp://x", "must begin with"), ("http://[::1", "is no address"), ("https://x:99999", "is no address"),
])  # fmt: skip
def test_addresses_that_are_refused(url, says):
    with pytest.raises(ParameterError, match="n8n_url") as told:
        N8nClient(url, "key-key-key")
    assert says in str(told.value) and "u:p" not in str(told.value)


def test_plain_http_warns_within_ones_own_network_and_not_on_this_machine():
    assert "plain http" in N8nClient("http://10.0.0.4:5678", "k").warning
    assert N8nClient("http://127.0.0.1:5678", "k").warning == N8nClient("https://n8n.example.com", "k").warning == ""


def test_without_address_or_key_it_says_what_to_do(settings, monkeypatch):
    with pytest.raises(ParameterError, match="n8n_url"):
        open_n8n(settings)
    monkeypatch.delenv("N8N_API_KEY", raising=False)
    with pytest.raises(ParameterError, match="make a key in n8n under Settings"):
        open_n8n(settings.model_copy(update={"n8n_url": "https://n8n.example.com"}))
    assert "secret" not in repr(N8nClient("https://n8n.example.com", "secret-secret"))
