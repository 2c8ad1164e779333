"""One question: signed in both ways, asked again or not, refused in one line that holds no secret."""

import logging
import ssl

import pytest
import trustme

from atlas_server import AtlasServer
from leadbook.atlas import login
from leadbook.atlas.client import AtlasClient
from leadbook.atlas.failures import (
    AtlasBusyError,
    AtlasDeniedError,
    AtlasDoubtError,
    AtlasError,
)
from leadbook.core.errors import LeadbookError, ParameterError, UnreachableError
from leadbook.core.redactor import Redactor

SNAPSHOT = {"description": "before the sprint", "retentionInDays": 7}


def paths(atlas: AtlasServer) -> list[str]:
    return [path for _, path, _ in atlas.requests]


def test_a_service_account_signs_in_once_for_many_questions(atlas, client):
    for _ in range(3):
        assert client.pages("listAccessListEntries")
    assert atlas.tokens_given == 1 and client.asked == 4 and client.seconds > 0


def test_a_token_is_renewed_before_it_ends_and_when_it_is_taken_back(atlas, client):
    atlas.state.token_s = 30  # less than the minute before its end in which it is renewed
    client.pages("listAccessListEntries")
    client.pages("listAccessListEntries")
    assert atlas.tokens_given == 2
    atlas.state.token_s = 3600
    client.pages("listAccessListEntries")
    atlas.tokens.clear()
    assert client.pages("listAccessListEntries") and atlas.tokens_given == 4


def test_an_api_key_signs_with_digest(atlas):
    key = login.from_environment(atlas.environment(digest=True))
    client = AtlasClient(key, atlas.state.project)
    assert client.pages("listAccessListEntries") and client.pages("listClusters")
    sent = client.send("takeSnapshots", SNAPSHOT, cluster="leads")
    assert sent["status"] == "queued" and len(atlas.state.snapshots) == 4
    client.close()
    assert atlas.tokens_given == 0


@pytest.mark.parametrize("digest", [False, True])
def test_a_wrong_secret_is_one_line_that_names_the_variables(atlas, digest):
    held = atlas.environment(digest=digest)
    name = "ATLAS_PRIVATE_KEY" if digest else "ATLAS_CLIENT_SECRET"
    client = AtlasClient(login.from_environment(held | {name: "wr0ngWord"}), atlas.state.project)
    with pytest.raises(AtlasDeniedError, match=name) as denied:
        client.get("getEncryptionAtRest")
    client.close()
    assert "wr0ngWord" not in str(denied.value) + repr(client) + repr(client.login)


def test_too_many_requests_is_waited_for_as_long_as_atlas_says(atlas, client):
    atlas.fault("encryptionAtRest", 429, times=2, retry_after=0.1)
    assert client.get("getEncryptionAtRest")
    assert paths(atlas).count("/encryptionAtRest") == 3
    atlas.fault("encryptionAtRest", 429, times=1, retry_after=60)
    with pytest.raises(AtlasBusyError, match="429, too many requests; it asks to wait 60 s") as busy:
        client.get("getEncryptionAtRest")
    assert busy.value.after_s == 60 and paths(atlas).count("/encryptionAtRest") == 4, "too long to be waited for"
    atlas.fault("encryptionAtRest", 429, retry_after="Fri, 31 Dec 2100 23:59:59 GMT")
    with pytest.raises(AtlasBusyError, match="it asks to wait") as busy:
        client.get("getEncryptionAtRest")
    assert busy.value.after_s > 1e9, "a date is one too"


@pytest.mark.parametrize("kind", [500, 503, "cut", "half", "slow"])
def test_a_reading_question_is_asked_again_and_no_more_than_three_times(atlas, client, kind):
    client.pages("listAccessListEntries")
    client.timeout_s = client._http.timeout = 0.2
    atlas.fault("encryptionAtRest", kind, times=2, seconds=0.5)
    assert client.get("getEncryptionAtRest")["awsKms"] == {"enabled": False}
    atlas.fault("encryptionAtRest", kind, seconds=0.5)
    with pytest.raises(UnreachableError, match=r"^Atlas at 127\.0\.0\.1:"):
        client.get("getEncryptionAtRest")
    assert paths(atlas).count("/encryptionAtRest") == 6
    with pytest.raises(UnreachableError):
        client.get("getGroupAuditLog")
    assert "/auditLog" not in paths(atlas), "who is away is not asked again at once"


def test_a_change_is_sent_once(atlas, client):
    atlas.fault("snapshots", 429, times=1, method="POST", retry_after=1)
    with pytest.raises(AtlasBusyError, match="nothing was changed; it asks to wait 1 s"):
        client.send("takeSnapshots", SNAPSHOT, cluster="leads")
    client._http.timeout = 0.2
    for kind in (500, "cut", "half", "slow"):
        atlas.fault("snapshots", kind, times=1, method="POST", seconds=0.5)
        with pytest.raises(AtlasDoubtError, match="it may have been done; look in Atlas before"):
            client.send("takeSnapshots", SNAPSHOT, cluster="leads")
    assert paths(atlas).count("/clusters/leads/backup/snapshots") == 5
    atlas.fault("token", "cut")
    atlas.tokens.clear()
    client._token = ""
    with pytest.raises(UnreachableError):
        client.send("takeSnapshots", SNAPSHOT, cluster="leads")
    assert paths(atlas).count("/clusters/leads/backup/snapshots") == 5, "not sent: no doubt"


def test_changes_change_what_is_read_then(atlas, client):
    atlas.state.snapshot_turns = atlas.state.scale_turns = 2
    client.send("createAccessListEntry", [{"cidrBlock": "198.51.100.0/28", "comment": "n8n"}])
    assert [one["cidrBlock"] for one in client.pages("listAccessListEntries")][-1] == "198.51.100.0/28"
    assert client.send("deleteAccessListEntry", entry="198.51.100.0/28") is None
    assert len(client.pages("listAccessListEntries")) == 1
    with pytest.raises(AtlasError, match="404"):
        client.send("deleteAccessListEntry", entry="198.51.100.0/28")
    with pytest.raises(AtlasError, match="400 INVALID_ATTRIBUTE"):
        client.send("createAccessListEntry", [{"cidr": "198.51.100.0/28"}])
    specs = client.get("getCluster", cluster="leads")["replicationSpecs"]
    specs[0]["regionConfigs"][0]["electableSpecs"]["instanceSize"] = "M40"
    assert client.send("updateCluster", {"replicationSpecs": specs}, cluster="leads")["stateName"] == "UPDATING"
    with pytest.raises(AtlasError, match="409 CLUSTER_UPDATE_IN_PROGRESS"):
        client.send("updateCluster", {"replicationSpecs": specs}, cluster="leads")
    seen = [client.get("getCluster", cluster="leads")["stateName"] for _ in range(2)]
    assert seen == ["UPDATING", "IDLE"] and atlas.state.tier == "M40"
    taken = client.send("takeSnapshots", SNAPSHOT, cluster="leads")
    listed = [client.pages("listBackupSnapshots", cluster="leads")[0] for _ in range(2)]
    assert [(one["id"], one["status"]) for one in listed] == [(taken["id"], "inProgress"), (taken["id"], "completed")]


@pytest.mark.parametrize(("kind", "how", "says"), [
    (401, {}, "401 UNAUTHORIZED.*check ATLAS_CLIENT_ID and ATLAS_CLIENT_SECRET"),
    (403, {}, "403 USER_UNAUTHORIZED.*project role Project Read Only"),
    (403, {"code": "IP_ADDRESS_NOT_ON_ACCESS_LIST"}, "this machine's address on the access list of the service"),
    (404, {}, "does not offer it"), ("older", {}, "does not speak version 2024-08-05.*newer leadbook"),
    (406, {}, "does not speak version"), ("page", {}, "not of the published shape"), ("redirect", {}, "redirect"),
    (400, {"code": "INVALID_VERSION_DATE"}, "does not speak version"),
    (400, {"code": "VALIDATION_ERROR"}, "400 VALIDATION_ERROR.*see Atlas' console"),
    (400, {"code": "FLEX_CLUSTER_NOT_SUPPORTED"}, "tier does not offer it"),
    (418, {"code": "x\ny", "detail": "two\nlines of jane.doe@example.com"}, r"418 \(two lines of j\*+@ex"),
])  # fmt: skip
def test_a_refusal_is_one_line(atlas, client, kind, how, says):
    atlas.fault("schedule", kind, **how)
    with pytest.raises(LeadbookError, match=says) as refused:
        client.get("getBackupSchedule", cluster="leads")
    assert len(str(refused.value).splitlines()) == 1 and not isinstance(refused.value, UnreachableError)


def test_nothing_secret_is_ever_said(atlas, client, caplog, monkeypatch):
    caplog.set_level(logging.DEBUG)
    said = [repr(client), repr(client.login)]
    for kind in (401, 403, 404, 406, 418, 429, 500, "cut", "page", "redirect", "half"):
        client._away_until = 0
        held = f"{atlas.client_secret} {next(iter(atlas.tokens), '')}"
        atlas.fault("", kind, detail=f"you sent {held}")
        for ask in (lambda: client.pages("listDatabaseUsers"),
                    lambda: client.send("takeSnapshots", SNAPSHOT, cluster="leads")):  # fmt: skip
            with pytest.raises(LeadbookError) as refused:
                ask()
            said.append(f"{refused.value} {refused.value!r}")
        atlas.mend()
    text = " ".join([*said, caplog.text])
    assert len(said) == 24
    for secret in (atlas.client_secret, *atlas.tokens):
        assert secret not in text
    monkeypatch.setenv("ATLAS_PRIVATE_KEY", atlas.private_key)
    known = Redactor.from_environment()
    assert known.text(f"{atlas.private_key} {atlas.client_secret}") == f"{known.MASK} {known.MASK}"


@pytest.mark.parametrize(("held", "says"), [
    ({}, "ATLAS_CLIENT_ID.*nor ATLAS_PUBLIC_KEY"),
    ({"ATLAS_CLIENT_ID": "a"}, "ATLAS_CLIENT_SECRET.*is not set"),
    ({"ATLAS_PRIVATE_KEY": "w0rd"}, "ATLAS_PUBLIC_KEY.*is not set"),
    ({"ATLAS_API_URL": "http://cloud.example.com"}, "must be https"),
    ({"ATLAS_API_URL": "cloud.example.com"}, "no address of the form"),
    ({"ATLAS_API_URL": "https://u:w0rd@cloud.example.com"}, "must hold no user"),
    ({"ATLAS_API_URL": "https://cloud.example.com:99999"}, "no address of the form"),
])  # fmt: skip
def test_what_is_missing_in_the_environment_is_named(held, says):
    with pytest.raises(ParameterError, match=says) as wrong:
        login.from_environment(held)
    assert "w0rd" not in str(wrong.value)


def test_a_service_account_goes_before_an_api_key_and_https_is_the_rule():
    held = {"ATLAS_CLIENT_ID": "a", "ATLAS_CLIENT_SECRET": "b", "ATLAS_PUBLIC_KEY": "c", "ATLAS_PRIVATE_KEY": "d"}
    found = login.from_environment(held)
    assert (found.kind, found.url, found.local) == ("service account", "https://cloud.mongodb.com", False)
    assert login.from_environment(held | {"ATLAS_API_URL": "http://localhost:8080/"}).url == "http://localhost:8080"


def test_a_certificate_that_nobody_trusts_is_refused():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    with AtlasServer(tls=context) as server:
        client = AtlasClient(login.from_environment(server.environment()), server.state.project, pause_s=0.01)
        with pytest.raises(UnreachableError, match="its TLS certificate is not trusted"):
            client.get("getEncryptionAtRest")
        client.close()
        assert not server.requests and not server.tokens_given


def test_nobody_there_is_one_line(atlas, monkeypatch):
    held = login.from_environment(atlas.environment() | {"ATLAS_API_URL": "http://127.0.0.1:1"})
    client = AtlasClient(held, atlas.state.project, pause_s=0.01)
    with pytest.raises(UnreachableError, match="nobody listens; check ATLAS_API_URL"):
        client.get("getEncryptionAtRest")
    client.close()


def test_listings_end_though_atlas_would_not(atlas, client, monkeypatch):
    monkeypatch.setattr("leadbook.atlas.client.MOST_PAGES", 4)
    atlas.fault("", "pages")
    atlas.state.access_list = [{"cidrBlock": f"10.0.0.{number}/32"} for number in range(6)]
    with pytest.raises(AtlasError, match="more than 4 pages"):
        client.pages("listAccessListEntries")
