"""Each action: planned, refused without an approval, done once, undone; on real servers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from bson import ObjectId
from pymongo.errors import PyMongoError

from leadbook.actions import ingester
from leadbook.actions import turn as turns
from leadbook.actions.acts import ACTIONS
from leadbook.commands.act import act, effects, listed, parse
from leadbook.commands.cleanup import cleanup
from leadbook.core import connect
from leadbook.core.errors import LeadbookError, ParameterError, RefusedError, UsageError
from leadbook.core.journal import Journal
from leadbook.core.provenance import collection_uuid
from leadbook.ingest import control
from leadbook.ingest.logbook import Logbook
from leadbook.ingest.pipeline import PipelineResult
from leadbook.ingest.staging import Staging
from leadbook.lead.keys import encode, linkedin_key

TYPED = "act on leadbook_test"


def entries(database, endpoints):
    return Journal(database, endpoints.mongodb_uri).entries("action")


def approved(production, *words, **more):
    """Plan, then do that very plan."""
    return act(production(), words, approve=act(production(), words).plan.hash, **more)


def test_words_are_read_in_three_ways_and_bad_ones_are_told():
    for words in (["batch_size=250"], ["batch_size", "250"], ["batch_size", "to=250"]):
        assert parse(words) == ("batch_size", {"to": "250"})
    with pytest.raises(ParameterError, match="did you mean 'batch_size'"):
        parse(["batchsize=3"])
    with pytest.raises(UsageError, match="takes nothing"):
        parse(["redis_clear", "all"])
    with pytest.raises(ParameterError, match="twice"):
        parse(["writers=3", "to=4"])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["batch_size=0"], "from 1 to 10000"), (["writers=1.5"], "whole number"), (["writers=many"], "a number"),
        (["profiler=loud"], "on or off"), (["profiler=on", "slow=3"], "does not take it; did you mean 'slowms'"),
        (["redis_policy=all"], "must be one of"), (["hide_index=idx_emial"], "has no index"),
        (["kill_operation=99"], "no operation 99"), (["kill_operation", "older=-1"], "a number"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_one_line(production, leads, clean_redis, words, message):
    with pytest.raises(LeadbookError, match=message) as caught:
        act(production(), words)
    assert "\n" not in str(caught.value)


def test_orders_to_followers_are_planned_approved_and_journalled(production, leads, database, endpoints, clean_redis):
    planned = act(production(), ["batch_size=250"])
    assert not planned.done and planned.plan.would == {"batch_size": 250} and planned.plan.now == {"batch_size": None}
    assert planned.plan.hash in planned.next[0] and TYPED in planned.next[1] and "default" in planned.plan.back
    assert planned.plan.back.endswith(" --profile production")
    assert not entries(database, endpoints) and control.read(database).version == 0  # a plan changes nothing
    with pytest.raises(RefusedError, match="approves another plan"):
        act(production(), ["batch_size=300"], approve=planned.plan.hash)
    done = act(production(), ["batch_size=250"], approve=planned.plan.hash, because="LIVE-INS-001")
    assert done.done and done.so and control.read(database).batch_size == 250
    again = act(production(), ["batch_size=250"], approve=planned.plan.hash)
    assert not again.done and again.plan.is_so_already and control.read(database).version == 1
    with pytest.raises(RefusedError, match="approves another plan"):  # the situation has changed since
        act(production(), ["batch_size=300"], approve=act(production(), ["batch_size=300"]).plan.hash[::-1])
    (told,) = entries(database, endpoints)
    assert (told["action"], told["before"], told["after"]["batch_size"]) == ("batch_size", {"batch_size": None}, 250)
    assert told["approved"] == told["hash"] == planned.plan.hash and told["because"] == "LIVE-INS-001"
    assert " as " in told["who"] and production().database in told["target"] and told["done"] == {"changed": 1}
    act(production(approve=TYPED), ["batch_size=default"])
    assert control.read(database) == control.Orders(version=2)
    with pytest.raises(ParameterError, match="key of an alarm"):
        act(production(), ["writers=3"], because="ana@example.com wrote")
    (first, second) = effects(production())
    assert first.is_resolution and first.effect.state == "not measurable" and second.kind == "optimisation"


def test_a_follower_confirms_what_it_obeys(production, leads, database, endpoints, clean_redis):
    staging = Staging(database[production().staging_collection])
    with Logbook(Journal(database, endpoints.mongodb_uri), staging) as book:
        book.take(PipelineResult(work={"batch_size": 500, "writers": 2, "pool_size": 10, "orders": 0}))
        plan = act(production(), ["batch_size=250"]).plan
        assert len(plan.evidence["followers"]) == 1 and not plan.warns
        book.take(PipelineResult(work={"batch_size": 250, "writers": 2, "pool_size": 10, "orders": 1}))
        done = act(production(), ["batch_size=250"], approve=plan.hash)
        assert (done.after["followers"], done.after["confirmed"]) == (1, 1) and done.so
    assert act(production(), ["batch_size=300"]).plan.warns  # it has ended: the next one obeys


def test_orders_that_a_follower_does_not_obey_are_not_told_as_done(
    production, leads, database, endpoints, clean_redis, monkeypatch
):
    monkeypatch.setattr(ingester, "CONFIRM_S", 0.5)
    with Logbook(Journal(database, endpoints.mongodb_uri), Staging(database[production().staging_collection])):
        done = approved(production, "batch_size=250")
        assert (done.after["followers"], done.after["confirmed"]) == (1, 0) and done.done and not done.so
        again = act(production(), ["batch_size=250"])
        assert again.plan.is_so_already and not again.so and "1 of 1 followers" in again.plan.lacks
    (told,) = entries(database, endpoints)
    assert told["done"] == {"changed": 1} and told["after"]["confirmed"] == 0  # whoever is started next obeys
    assert act(production(), ["batch_size=250"]).so


def test_the_eviction_policy_is_changed_and_put_back(production, leads, clean_redis):
    before = clean_redis.config_get("maxmemory-policy")["maxmemory-policy"]
    assert approved(production, "redis_policy=volatile-ttl").so
    assert clean_redis.config_get("maxmemory-policy")["maxmemory-policy"] == "volatile-ttl"
    assert act(production(), ["redis_policy=volatile-ttl"]).plan.is_so_already
    assert approved(production, f"redis_policy={before}").so
    assert clean_redis.config_get("maxmemory-policy")["maxmemory-policy"] == before


def test_a_managed_redis_says_where_to_change_it(production, leads, clean_redis, endpoints, monkeypatch, settings):
    clean_redis.execute_command("ACL", "SETUSER", "managed", "on", ">word", "~*", "+@all", "-config")
    try:
        own = endpoints.redis_url
        monkeypatch.setenv("REDIS_URL", f"redis://managed:word@{own.rpartition('@')[2].removeprefix('redis://')}")
        with pytest.raises(RefusedError, match="console"):
            act(production(), ["redis_policy=allkeys-lru"])
    finally:
        clean_redis.execute_command("ACL", "DELUSER", "managed")


def test_clearing_takes_this_collections_keys_alone(production, leads, database, clean_redis):
    uuid = collection_uuid(leads)
    mine = {linkedin_key(f"https://x/{n}"): encode(uuid, ObjectId(), 1) for n in range(1_500)}
    foreign = {
        linkedin_key("https://x/theirs"): encode("f" * 32, ObjectId(), 1), "lead:email:n8n@x": "1", "bull:jobs:1": "x",
        "lead:else": "y", f"{linkedin_key('https://x/torn')}": '{"collection":',
    }  # fmt: skip
    clean_redis.mset(mine | foreign)
    plan = act(production(), ["redis_clear"]).plan
    assert plan.evidence == {"to_go": 1_500, "lead_keys_of_others": 3}
    seen: list[int] = []
    done = act(production(), ["redis_clear"], approve=plan.hash, progress=seen.append)
    assert done.after == {"removed": 1_500, "written_since": 0, "lead_keys_of_others": 3} and seen[-1] == 1_500
    assert {key.decode() for key in clean_redis.scan_iter()} == set(foreign)
    assert act(production(), ["redis_clear"]).plan.is_so_already
    leads.drop()
    with pytest.raises(RefusedError, match="no collection"):
        act(production(), ["redis_clear"])


def test_a_rehearsal_changes_no_setting_of_somebodys_redis(production, leads, database, monkeypatch, clean_redis):
    guest = production(profile="rehearsal")
    with pytest.raises(RefusedError, match="does not work in database"):
        act(guest, ["writers=3"])


# --------------------------------------------------------------------------------------------- profiler and indexes


def test_the_profiler_goes_on_and_comes_back(production, leads, admin, database, clean_redis):
    name = leads.database.name
    admin[name].command("profile", 0, slowms=100, sampleRate=1.0)
    on = approved(production, "profiler=on", "slowms=50", "sample_rate=0.5")
    assert on.so and admin[name].command("profile", -1)["was"] == 1
    assert act(production(), ["profiler=on", "slowms=50", "sample_rate=0.5"]).plan.is_so_already
    held = database["leadbook_undo"].find_one({"kept": True})
    assert held["profiler"]["slowms"] == 100 and held["profiler"]["level"] == 0
    changed = approved(production, "profiler=on", "slowms=20")
    assert changed.so and database["leadbook_undo"].count_documents({"kept": True}) == 1
    off = approved(production, "profiler=off")
    state = admin[name].command("profile", -1)
    assert off.so and (state["was"], state["slowms"], state["sampleRate"]) == (0, 100, 1.0)
    assert database["leadbook_undo"].count_documents({}) == 0
    assert "system.profile" not in admin[name].list_collection_names()
    assert act(production(), ["profiler=off"]).plan.is_so_already


def test_cleanup_puts_the_profiler_back_and_a_phases_sweep_does_not(
    production, leads, admin, database, clean_redis, tmp_path
):
    from leadbook.schema import undo

    name = leads.database.name
    approved(production, "profiler=on", "slowms=50")
    assert undo.sweep(database, admin, clean_redis) == [] and admin[name].command("profile", -1)["was"] == 1
    tidy = {"backup_dir": str(tmp_path)}
    assert "profiler" in cleanup(production(**tidy)).plan.sessions[0]
    assert cleanup(production(**tidy, approve=f"cleanup on {name}")).left.found == 0
    assert admin[name].command("profile", -1)["was"] == 0


def test_somebodys_profiler_stays(production, leads, admin, clean_redis):
    name = leads.database.name
    admin[name].command("profile", 1, slowms=100)
    try:
        with pytest.raises(RefusedError, match="may be somebody's"):
            act(production(), ["profiler=off"])
        assert approved(production, "profiler=off", "forced=true").so
        assert admin[name].command("profile", -1)["was"] == 0
    finally:
        admin[name].command("profile", 0)
        admin[name].drop_collection("system.profile")


def test_an_index_is_hidden_and_shown_and_the_needed_ones_never(production, leads, clean_redis):
    hidden = approved(production, "hide_index=idx_company_name")
    assert hidden.so and leads.index_information()["idx_company_name"]["hidden"]
    assert hidden.plan.evidence["usage"] and "leads of a company" in hidden.plan.warns[0]
    assert act(production(), ["hide_index=idx_company_name"]).plan.is_so_already
    assert approved(production, "unhide_index=idx_company_name").so
    assert "hidden" not in leads.index_information()["idx_company_name"]
    leads.drop_index("idx_company_name")
    leads.create_index("company_name")
    assert "leads of a company" in act(production(), ["hide_index=company_name_1"]).plan.warns[0], "whatever its name"
    leads.create_index("erased_at", expireAfterSeconds=60, name="ttl")
    for name, why in (("_id_", "needs it"), ("idx_linkedin_url_unique", "arbiter"), ("ttl", "TTL")):
        with pytest.raises(RefusedError, match=why):
            act(production(), [f"hide_index={name}"])


# -------------------------------------------------------------------------------------------------------- operations


@pytest.fixture
def runaway(leads, endpoints, settings):
    """An operation of a collector that runs for long: `runaway("n8n")`."""
    leads.insert_one({"linkedin_url": "https://www.linkedin.com/in/slow", "full_name": "Slow Person"})
    started = []

    def begin(app: str, collection=settings.collection) -> threading.Thread:
        def run() -> None:
            client = connect.mongodb(f"{endpoints.mongodb_uri}&appName={app}", settings)
            slow = {"full_name": "Slow Person", "$where": "sleep(30000) || true"}
            try:
                client[settings.database][collection].find_one(slow)
            except PyMongoError as error:
                started.append(getattr(error, "code", None))
            finally:
                client.close()

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        return thread

    begin.codes = started
    return begin


def test_a_runaway_operation_is_shown_by_its_shape_and_ended(production, runaway, database, endpoints, clean_redis):
    thread = runaway("n8n")
    rows, deadline = [], time.monotonic() + 10
    while not rows and time.monotonic() < deadline:
        rows = act(production(), ["kill_operation", "older=0.2"]).plan.rows
    (row,) = rows
    assert row["fields"] == ["$where", "full_name"] and row["app"] == "n8n" and not row["ours"]
    assert "Slow Person" not in json.dumps(rows)
    words = ["kill_operation", f"opid={row['opid']}", "older=0.2"]
    plan = act(production(), words).plan
    assert act(production(), words).plan.hash == plan.hash  # its seconds go on, the plan is the same
    done = act(production(), words, approve=plan.hash)
    thread.join(10)
    assert done.so and runaway.codes == [11601] and not thread.is_alive()
    with pytest.raises(ParameterError, match="no operation"):
        act(production(), words, approve=plan.hash)
    (told,) = entries(database, endpoints)
    assert told["kind_of_action"] == "resolution" and "Slow Person" not in str(told)


def test_the_ingesters_own_operation_is_ended_only_when_forced(production, runaway, clean_redis):
    thread = runaway("leadbook-ingest")
    rows, deadline = [], time.monotonic() + 10
    while not rows and time.monotonic() < deadline:
        rows = act(production(), ["kill_operation", "older=0.2"]).plan.rows
    words = ["kill_operation", f"opid={rows[0]['opid']}", "older=0"]
    with pytest.raises(RefusedError, match="leadbook's own"):
        act(production(), words)
    assert approved(production, *words, "forced=true").so
    thread.join(10)
    assert runaway.codes == [11601]


# ---------------------------------------------------------------------------------------- one at a time, and trouble


def test_one_acts_at_a_time_and_a_dead_ones_turn_is_taken_over(production, leads, database, endpoints, clean_redis):
    held = {"_id": turns.ID, **turns.owner.me(), "told": {"action": "redis_clear", "hash": "abc", "target": "x"}}
    database["sprint_control"].insert_one(held)
    with pytest.raises(RefusedError, match=f"does redis_clear right now .process {os.getpid()}"):
        approved(production, "writers=3")
    database["sprint_control"].update_one({"_id": turns.ID}, {"$set": {"pid": 2**22 - 1}})
    assert approved(production, "writers=3").so
    killed, done = entries(database, endpoints)
    assert "killed" in killed["problem"] and killed["action"] == "redis_clear" and not done.get("problem")
    assert database["sprint_control"].count_documents({"_id": turns.ID}) == 0


@pytest.mark.trust(
    way="Ctrl-C in the middle of a `leadbook act` that is under way", status=2, says="leadbook: interrupted",
    leaves="the journal tells that it was interrupted, so *Scaling actions* does too; the next action has its turn",
)  # fmt: skip
def test_an_action_that_is_interrupted_is_told_and_its_turn_is_free(production, leads, database, endpoints, trust):
    argv = [sys.executable, "-m", "leadbook.cli", "act", "writers=3", "--profile", "production"]
    argv += ["-p", f"database={production().database}", "-p", f"approve={TYPED}"]
    book = Logbook(Journal(database, endpoints.mongodb_uri), Staging(database[production().staging_collection]))
    with book, subprocess.Popen(argv, stderr=subprocess.PIPE, text=True) as acting:
        until = time.monotonic() + 30
        while control.read(database).version == 0 and time.monotonic() < until:
            time.sleep(0.05)
        acting.send_signal(signal.SIGINT)  # it waits for the follower, which never obeys
        _, said = acting.communicate(timeout=30)
    trust.check(acting.returncode, said)
    assert control.read(database).writers == 3
    (told,) = entries(database, endpoints)
    assert told["problem"].startswith("interrupted") and told["action"] == "writers"
    assert [one.problem for one in effects(production()) if one.kind == "scaling"] == [told["problem"]]
    assert database["sprint_control"].count_documents({"_id": turns.ID}) == 0


def test_a_frozen_server_is_one_line(own_servers, settings, monkeypatch):
    state = own_servers()
    monkeypatch.setenv("LEADBOOK_STATE", str(state.folder))
    mongod = next(one for one in state.processes if "mongod" in one.name)
    os.kill(mongod.pid, signal.SIGSTOP)
    try:
        began = time.monotonic()
        with pytest.raises(LeadbookError) as caught:
            act(settings, ["writers=3"])
        assert "\n" not in str(caught.value) and time.monotonic() - began < 12
    finally:
        os.kill(mongod.pid, signal.SIGCONT)


def test_the_command_lists_plans_and_tells(production, leads, settings, clean_redis):
    def run(*words: str) -> subprocess.CompletedProcess[str]:
        argv = [sys.executable, "-m", "leadbook.cli", "act", *words, "--profile", "production"]
        argv += ["-p", f"database={settings.database}"]
        return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)

    settings = production()
    assert [one["name"] for one in listed(settings)] == list(ACTIONS)
    needs = {one["name"]: one["needs"] for one in listed(settings)}
    assert needs["profiler"] == ["dbAdmin on leadbook_test of the DBA's user"]
    done = run("writers=3", "--approve", act(settings, ["writers=3"]).plan.hash)
    assert done.returncode == 0 and "writers 3" in done.stdout and "done;" in done.stdout, done.stderr
    wrong = run("writers=4", "--approve", "0123456789ab")
    assert wrong.returncode == 2 and "another plan" in wrong.stderr and wrong.stderr.count("\n") == 1
