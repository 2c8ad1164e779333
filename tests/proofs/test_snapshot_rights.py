"""A watch with three users of least rights, of servers that leadbook did not make; elections and a lost member."""

import time

import pytest

from foreign import DATABASE, ForeignServers
from leadbook.core import connect
from leadbook.core.settings import Settings
from leadbook.watch.clock import SprintClock
from leadbook.watch.names import READINGS
from leadbook.watch.snapshot import SnapshotReader

pytestmark = pytest.mark.proof
SETTINGS = Settings.from_mapping({"database": DATABASE, "min_pool_size": 0, "server_selection_timeout_ms": 20_000})


@pytest.fixture(scope="module")
def foreign(tmp_path_factory):
    running = ForeignServers(tmp_path_factory.mktemp("foreign")).start()
    yield running
    running.stop()


def endpoints(foreign, *, admin, reporting):
    app = foreign.uri("n8n_app")
    return connect.Endpoints(
        mongodb_uri=app, admin_uri=foreign.uri("dba") if admin else app,
        reporting_uri=foreign.uri("reports") if reporting else None, redis_url=foreign.redis_url,
        source="environment", redis_source="environment",
    )  # fmt: skip


def watching(foreign, *, admin, reporting):
    return SnapshotReader(
        SETTINGS, endpoints(foreign, admin=admin, reporting=reporting), SprintClock(), watch="proof"
    )  # fmt: skip


def test_the_dbas_rights_leave_nothing_unmeasured(foreign):
    with connect.mongodb(foreign.uri("n8n_app"), SETTINGS) as client:
        client[DATABASE][SETTINGS.collection].insert_one({"linkedin_url": "https://www.linkedin.com/in/p"})
        client[DATABASE][SETTINGS.staging_collection].insert_one({"vendor": "apollo", "payload": {}})
    with watching(foreign, admin=True, reporting=True) as watch:
        watch.read(1, 30.0)
        time.sleep(1.5)  # mongod records its machine once a second
        seen = watch.read(2, 30.0)
    assert not [why for why in seen.unmeasured.values() if "lacks" in why or "may not" in why]
    # what only a sprint at work, a budget and a backup tell
    quiet = {"atlas.", "ingest.", "backup.", "sprint.spent", "sprint.budget", "mongodb.read_ms", "mongodb.write_ms",
             "mongodb.targeting", "redis.hit_percent", "redis.command_p99", "sprint.leads_per_s"}  # fmt: skip
    absent = {name for name in READINGS.keys() - seen.readings.keys() if not name.startswith(tuple(quiet))}
    assert {name for name in absent if "does not report it" not in seen.unmeasured.get(name, "")} == set()
    assert {row["user"] for row in seen.details["clients"]} >= {"dba", "reports"}
    secrets = [*foreign.passwords.values()]
    assert not [secret for secret in secrets if secret in seen.as_json()]


@pytest.mark.parametrize("reporting", [False, True])
def test_without_a_dba_it_says_what_is_missing(foreign, reporting):
    with watching(foreign, admin=False, reporting=reporting) as watch:
        watch.read(1, 30.0)
        seen = watch.read(2, 30.0)
    assert {"sprint.staged", "sprint.leads", "mongodb.disk_used_percent", "mongodb.elections"} <= seen.readings.keys()
    lacking = {name: why for name, why in seen.unmeasured.items() if "lacks" in why}
    assert {"mongodb", "mongodb.lag_s", "mongodb.oplog_window_h", "mongodb.slow", "mongodb.clients"} <= lacking.keys()
    assert all("clusterMonitor on admin" in why and "createUser" in why for why in lacking.values())


def test_an_election_and_a_lost_member_are_told(foreign):
    with watching(foreign, admin=True, reporting=False) as watch:
        watch.read(1, 30.0)
        before = watch.read(2, 30.0)
        assert before.readings["mongodb.elections"] == 0 and before.readings["mongodb.members_down"] == 0
        foreign.step_down()
        events, elections, number = [], 0.0, 3
        until = time.monotonic() + 40
        while not elections and time.monotonic() < until:
            began = time.monotonic()
            seen = watch.read(number, 30.0)
            assert time.monotonic() - began < 4.0
            events += seen.events
            elections += seen.readings.get("mongodb.elections", 0.0)
            number += 1
        assert elections >= 1 and "elected" in {event.kind for event in events}
        assert not [event for event in events if event.kind == "restarted"], "the primary moved, nothing restarted"
        primary = foreign.primary()
        lost = next(number for number in range(3) if number != primary)
        foreign.members[lost].kill(), foreign.members[lost].wait()
        until = time.monotonic() + 40
        while seen.readings.get("mongodb.members_down") != 1 and time.monotonic() < until:
            time.sleep(0.5)
            seen = watch.read(number, 30.0)
            number += 1
        assert seen.readings["mongodb.members_down"] == 1
        foreign.members[lost] = foreign.start_member(lost)
