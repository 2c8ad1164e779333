"""Atlas is changed as all else is: planned, approved, sent once, waited for, journalled; on a loopback Atlas."""

from __future__ import annotations

import pytest

from atlas_server import AtlasServer, AtlasState
from leadbook.actions import atlas as acting
from leadbook.actions import scaling
from leadbook.atlas.failures import AtlasBusyError, AtlasDeniedError, AtlasDoubtError
from leadbook.commands.act import act, effects
from leadbook.commands.doctor.examine import examine
from leadbook.core import addresses
from leadbook.core.errors import LeadbookError, ParameterError, RefusedError, UnreachableError
from leadbook.core.journal import Journal
from leadbook.rehearsal import adoption

WRITES = ("POST", "PATCH", "DELETE")
ENTRY = "198.51.100.7/32"


@pytest.fixture
def server(endpoints, monkeypatch):
    """An Atlas whose cluster has the hosts of the tests' MongoDB."""
    monkeypatch.setattr(acting, "LOOK_S", 0.02)
    monkeypatch.setattr(scaling, "BEGINS_S", 0.5)
    with AtlasServer(hosts=addresses.parse(endpoints.mongodb_uri).shown.split(",")) as made:
        for name, value in made.environment().items():
            monkeypatch.setenv(name, value)
        yield made
        assert not made.wrong


@pytest.fixture
def real(production, server, leads, clean_redis):
    """`real(approve=…)`: settings of the real sprint, at that Atlas."""
    return lambda **changes: production(atlas_project=server.state.project, **changes)


def writes(server):
    return [(method, path) for method, path, _ in server.requests if method in WRITES]


def entries(database, endpoints):
    return Journal(database, endpoints.mongodb_uri).entries("action")


def approved(settings, *words, **more):
    return act(settings, words, approve=act(settings, words).plan.hash, **more)


def cidrs(server):
    return [one["cidrBlock"] for one in server.state.access_list]


def test_an_address_is_let_in_once_its_plan_is_approved_and_out_again(real, server, database, endpoints):
    words = ["atlas-access", f"add={ENTRY}", "comment=n8n in Frankfurt"]
    planned = act(real(), words)
    assert f"-p atlas_project={server.state.project} -p database=leadbook_test --approve" in planned.next[0]
    assert (planned.plan.now, planned.plan.would) == ({"entry": "absent"}, {"entry": "listed"})
    assert f"Atlas cluster leads of project {server.state.project}" in planned.plan.target
    assert not writes(server) and not entries(database, endpoints) and ENTRY not in cidrs(server)
    with pytest.raises(RefusedError, match="approves another plan"):  # of another entry
        act(real(), ["atlas-access", "add=198.51.100.8/32"], approve=planned.plan.hash)
    server.state.cluster = "others"
    with pytest.raises(RefusedError, match="approves another plan"):  # of another cluster
        act(real(), words, approve=planned.plan.hash)
    server.state.cluster = "leads"
    assert not writes(server)
    done = act(real(), words, approve=planned.plan.hash)
    assert done.done and done.so and writes(server) == [("POST", "/accessList")]
    assert server.state.access_list[-1]["comment"] == "n8n in Frankfurt" and ENTRY in cidrs(server)
    assert act(real(), words).plan.is_so_already
    out = approved(real(), "atlas-access", f"remove={ENTRY}")
    assert out.so and ENTRY not in cidrs(server) and "comment='n8n in Frankfurt'" in out.plan.back
    first, second = entries(database, endpoints)
    assert (first["before"], first["after"]) == ({"entry": "absent"}, {"entry": "listed"})
    assert first["approved"] == planned.plan.hash and first["plan"]["about"]["cidr"] == ENTRY
    assert second["after"] == {"entry": "absent"} and "Atlas cluster leads" in second["target"]
    act(real(approve="act on leadbook_test"), ["atlas-access", f"add={ENTRY}", "hours=8"])
    assert "deleteAfterDate" in server.state.access_list[-1]
    with pytest.raises(ParameterError, match="another"):
        act(real(approve="act on another"), ["atlas-access", f"remove={ENTRY}"])
    assert ENTRY in cidrs(server)


STRANGERS = [
    (["add=0.0.0.0/0"], "lets in everybody"), (["add=::/0"], "lets in everybody"),
    (["add=16.0.0.0/7"], "strangers"), (["add=2001:d00::/24"], "wider than /32"),
    (["add=203.0.113.7/24"], "do you mean 203.0.113.7/32 or 203.0.113.0/24"), (["add=n8n"], "an address"),
    ([], "one of add and remove"), (["add=1.2.3.4", "remove=1.2.3.4"], "one of add and remove"),
    (["remove=1.2.3.4", "hours=3"], "goes with add"), (["add=1.2.3.4", "hours=169"], "from 1 to 168"),
    (["add=1.2.3.4", "comment=for jane@example.com"], "names a person"),
]  # fmt: skip
"""What is given, and what is told."""


def test_what_lets_strangers_in_or_is_no_address_is_refused_in_a_line(real, server):
    for words, message in STRANGERS:
        with pytest.raises(LeadbookError, match=message) as caught:
            act(real(), ["atlas-access", *words])
        assert "\n" not in str(caught.value)
    assert not writes(server)


def test_the_entry_that_lets_this_machine_in_stays(real, server):
    server.state.access_list.append({"cidrBlock": "127.0.0.0/8"})
    with pytest.raises(RefusedError, match="lock itself out"):
        act(real(), ["atlas-access", "remove=127.0.0.0/8"])
    assert act(real(), ["atlas-access", "remove=127.0.0.0/8", "forced=true"]).plan.evidence["connected_from_there"]
    server.state.access_list.append({"cidrBlock": "127.0.0.1/32"})
    assert act(real(), ["atlas-access", "remove=127.0.0.0/8"]).plan.now == {"entry": "listed"}


def test_a_snapshot_is_taken_waited_for_and_told_once(real, server, database, endpoints):
    told = []
    server.state.snapshot_turns = 4
    done = approved(real(), "atlas-snapshot", "description=before indexes", "days=3", tell=told.append)
    assert done.so and done.after["snapshot"] == "completed" and "snapshot inProgress" in told[0]
    assert writes(server) == [("POST", "/clusters/leads/backup/snapshots")]
    assert server.state.snapshots[0]["description"] == "before indexes"
    begun, ended = entries(database, endpoints)  # of one deed: when it began, and what came of it
    assert begun["after"]["snapshot"] != "completed" and ended["of"] == begun["_id"]
    assert [one.after["snapshot"] for one in effects(real())] == ["completed"]
    server.state.snapshot_turns = 10**6
    left = approved(real(), "atlas-snapshot", "wait=0")
    assert left.done and not left.so and left.after["snapshot"] in ("queued", "inProgress")
    with pytest.raises(RefusedError, match="one at a time"):
        act(real(), ["atlas-snapshot"])
    server.state.snapshots.clear()
    server.state.backup = False
    with pytest.raises(RefusedError, match="backup is off"):
        act(real(), ["atlas-snapshot"])
    with pytest.raises(ParameterError, match="from 1 to 7"):
        act(real(), ["atlas-snapshot", "days=400"])


def test_a_larger_tier_is_planned_with_its_election_and_waited_for(real, server, database, endpoints):
    choice = act(real(), ["atlas-scale"]).plan
    assert choice.is_choice and choice.rows[0]["next_tier"] == "M40" and "tier=M40" in choice.why
    planned = act(real(), ["atlas-scale", "tier=M40", "disk=80"]).plan
    assert planned.now == {"tier": "M30", "disk_gb": 40.0, "state": "IDLE"} and "election" in planned.warns[0]
    assert planned.would == {"tier": "M40", "disk_gb": 80.0, "state": "IDLE"} and "tier=M30 disk=40" in planned.back
    assert planned.evidence["M40"] == "4 cores and 16 GB" and planned.evidence["M30"] == "2 cores and 8 GB"
    assert not writes(server) and planned.back.count(f"-p atlas_project={server.state.project}") == 1
    done = act(real(), ["atlas-scale", "tier=M40", "disk=80"], approve=planned.hash)
    assert done.so and (server.state.tier, server.state.disk_gb) == ("M40", 80.0)
    assert writes(server) == [("PATCH", "/clusters/leads")]
    begun, ended = entries(database, endpoints)
    assert begun["after"]["state"] == "UPDATING" and ended["after"] == planned.would and ended["began"] <= ended["at"]
    with pytest.raises(RefusedError, match="another plan"):  # the situation is another one
        act(real(), ["atlas-scale", "tier=M50"], approve=planned.hash)
    server.state.scale_turns = 10**6
    left = approved(real(), "atlas-scale", "tier=M50", "wait=0")
    assert left.done and not left.so and left.after["state"] == "UPDATING"
    with pytest.raises(RefusedError, match="is UPDATING"):
        act(real(), ["atlas-scale", "tier=M60"])


REFUSED = [
    ({}, ["tier=M45"], "no dedicated tier of Atlas"), ({}, ["disk=5"], "from 10 to 16384"),
    ({"paused": True}, ["tier=M40"], "paused"), ({"tier": "M0"}, ["tier=M40"], "shared or flex"),
    ({"scales_tier": True, "lowest_tier": "M30", "highest_tier": "M40"}, ["tier=M60"], "auto-scaling keeps to"),
]  # fmt: skip
"""What is so at Atlas, what is given, and what is told."""


def test_what_atlas_would_refuse_is_not_sent(real, server):
    for state, words, message in REFUSED:
        server.state = AtlasState(**state)
        with pytest.raises(LeadbookError, match=message) as caught:
            act(real(), ["atlas-scale", *words])
        assert "\n" not in str(caught.value)
    assert not writes(server)


def test_a_cluster_is_not_made_smaller_in_the_middle_of_a_sprint(real, server):
    sprint = {"sprint_start": "2020-01-01T00:00Z", "sprint_deadline": "2090-01-01T00:00Z"}
    for word in ("tier=M20", "disk=20"):
        with pytest.raises(RefusedError, match=r"a sprint is under way.*during_sprint=true"):
            act(real(**sprint), ["atlas-scale", word])
    assert act(real(**sprint), ["atlas-scale", "tier=M20", "during_sprint=true"]).plan.warns
    assert act(real(**sprint), ["atlas-scale", "tier=M40"]).plan.would and act(real(), ["atlas-scale", "tier=M20"]).plan


def test_who_may_only_read_is_told_which_role_lacks(real, server, database, endpoints):
    server.state.key_roles = {"Project Read Only"}
    for words, role in (
        (["atlas-scale", "tier=M40"], "Project Cluster Manager"), (["atlas-snapshot"], "Project Backup Creator"),
        (["atlas-access", f"add={ENTRY}"], "Project Network Access Manager"),
    ):  # fmt: skip
        with pytest.raises(AtlasDeniedError, match=role):
            approved(real(), *words)
        assert role in entries(database, endpoints)[-1]["problem"]
    assert (server.state.tier, ENTRY in cidrs(server)) == ("M30", False)


def test_without_a_project_or_credentials_one_line_says_so(production, real, server, monkeypatch):
    with pytest.raises(ParameterError, match="atlas_project"):
        act(production(), ["atlas-scale", "tier=M40"])
    for name in server.environment():
        monkeypatch.delenv(name)
    with pytest.raises(LeadbookError, match="ATLAS_CLIENT_ID") as caught:
        act(real(), ["atlas-scale", "tier=M40"])
    assert "\n" not in str(caught.value)


def test_a_rehearsal_asks_no_real_atlas(real, server, admin, monkeypatch):
    settings = real().model_copy(update={"profile": "rehearsal"})
    admin.drop_database(settings.database)
    adoption.adopt(settings)
    monkeypatch.setenv("ATLAS_API_URL", "https://cloud.mongodb.com")
    with pytest.raises(RefusedError, match="changes nothing at Atlas: use --profile production"):
        act(settings, ["atlas-snapshot"])
    admin.drop_database(settings.database)
    assert not server.requests


def test_a_cluster_that_is_not_mongodb_uris_is_left_alone(real, server):
    server.hosts[:] = ["elsewhere.example.com:27017"]
    with pytest.raises(RefusedError, match="another"):
        act(real(), ["atlas-scale", "tier=M40"])


def test_too_many_requests_is_told_and_not_sent_again(real, server, database, endpoints):
    server.fault("/accessList", 429, method="POST", retry_after=1)
    with pytest.raises(AtlasBusyError, match="nothing was changed"):
        approved(real(), "atlas-access", f"add={ENTRY}")
    assert writes(server) == [("POST", "/accessList")] and ENTRY not in cidrs(server)
    assert "429" in entries(database, endpoints)[-1]["problem"]


@pytest.mark.parametrize("words", [["atlas-access", f"add={ENTRY}"], ["atlas-scale", "tier=M40"], ["atlas-snapshot"]])
def test_a_change_whose_answer_is_lost_is_looked_for_and_never_sent_twice(real, server, database, endpoints, words):
    plan = act(real(), words).plan
    for path, method in (("/accessList", "POST"), ("/clusters/leads", "PATCH"), ("/snapshots", "POST")):
        server.fault(path, "lost", 1, method=method)
    done = act(real(), words, approve=plan.hash)
    assert done.so and done.after["seen"] == acting.IN_DOUBT and len(writes(server)) == 1
    assert entries(database, endpoints)[-1]["after"]["seen"] == acting.IN_DOUBT


def test_a_change_that_does_not_show_stays_in_doubt(real, server, database, endpoints, monkeypatch):
    monkeypatch.setattr(acting, "SHOWS_S", (0.0, 0.05))
    plan = act(real(), ["atlas-access", f"add={ENTRY}"]).plan
    server.fault("/accessList", "cut", 1, method="POST")
    with pytest.raises(AtlasDoubtError, match=r"may have been done.*does not show at Atlas so far"):
        act(real(), ["atlas-access", f"add={ENTRY}"], approve=plan.hash)
    assert writes(server) == [("POST", "/accessList")]
    (told,) = entries(database, endpoints)
    assert "may have been done" in told["problem"] and told["done"] == {"changed": 0}


def test_an_atlas_that_does_not_answer_changes_nothing(real, server, monkeypatch):
    monkeypatch.setenv("ATLAS_API_URL", "http://127.0.0.1:9")
    monkeypatch.setattr("leadbook.atlas.client.ATTEMPTS", 1)
    with pytest.raises(UnreachableError, match="Atlas"):
        act(real(), ["atlas-snapshot"])


def test_the_doctor_says_whether_atlas_answers(real, server, production):
    def told(settings):
        return next(one for one in examine(settings) if one.about == "Atlas")

    found = told(real())
    assert found.state == "ok" and "cluster leads, M30 in AWS EU_CENTRAL_1" in found.text
    assert told(production()).state == "note"
    server.fault("/clusters", 403)
    found = told(real())
    assert found.state == "problem" and "Project Read Only" in found.text and "grant" in found.todo
