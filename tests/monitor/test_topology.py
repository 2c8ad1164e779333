"""What a replica set tells of its members: who is at work, and how far the others are."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from leadbook.core.checks import Verdict
from leadbook.monitor.topology import read_replication, replication_of
from leadbook.phases.judging import checks_of
from leadbook.phases.p08 import servers
from leadbook.provision.asked import Asked

NOW = datetime(2026, 3, 2, 12)
PRIMARY = {"name": "a:1", "state": 1, "stateStr": "PRIMARY", "health": 1, "optimeDate": NOW}
DELAYED = Asked(values={"config": {"members": [{"host": "a:1"}, {"host": "b:1", "secondaryDelaySecs": 3600}]}})
"""An answer to replSetGetConfig."""


def member(name, state, told, behind_s=0.0, health=1):
    at = NOW - timedelta(seconds=behind_s)
    return {"name": name, "state": state, "stateStr": told, "health": health, "optimeDate": at}


def seen(*others, configuration=None):
    return replication_of({"members": [PRIMARY, *others], "term": 1}, configuration or Asked())


def verdicts(found, settings):
    return {check.id: check for check in checks_of(servers.replication((found, found)), settings)}


@pytest.mark.parametrize("state", [(3, "RECOVERING"), (5, "STARTUP2"), (9, "ROLLBACK")])
def test_a_member_that_answers_and_serves_nobody_is_not_healthy_and_its_lag_counts(state, settings):
    found = seen(member("b:1", 2, "SECONDARY"), member("c:1", *state, behind_s=9 * 3600))
    assert (found.members, found.healthy, found.lag_s) == (3, 2, 9 * 3600)
    made = verdicts(found, settings)
    assert made["MON-REPL-004"].verdict is made["MON-REPL-001"].verdict is Verdict.FAIL
    assert state[1] in made["MON-REPL-004"].evidence


def test_members_without_a_lag_are_not_measured_and_an_arbiter_has_none(settings):
    empty = {"optimeDate": datetime(1970, 1, 1)}
    syncing, gone = member("b:1", 5, "STARTUP2") | empty, member("c:1", 8, "(not reachable)", health=0) | empty
    assert verdicts(seen(syncing, gone), settings)["MON-REPL-001"].verdict is Verdict.NOT_MEASURED
    arbiter = member("b:1", 7, "ARBITER")
    del arbiter["optimeDate"]
    found = seen(arbiter)
    assert (found.healthy, found.others) == (2, 0)
    assert verdicts(found, settings)["MON-REPL-001"].verdict is Verdict.NOT_APPLICABLE


def test_a_configured_delay_is_no_lag_and_where_it_may_not_be_asked_that_is_said(settings):
    late = member("b:1", 2, "SECONDARY", behind_s=3610)
    assert seen(late, configuration=DELAYED).lag_s == 10
    older = Asked(values={"config": {"members": [{"host": "b:1", "slaveDelay": 3600}]}})
    assert seen(late, configuration=older).lag_s == 10, "as MongoDB 4.4 calls it"
    check = verdicts(seen(late, configuration=Asked(problem="the account may not run it")), settings)["MON-REPL-001"]
    assert check.verdict is Verdict.FAIL
    assert "a delayed member counts with its delay: the account may not run it" in check.evidence


def test_a_real_member_in_maintenance_recovers_and_is_not_healthy(recovering):
    found = read_replication(recovering[1])
    assert found.healthy == 2 and found.lag_s is not None and not found.delays
    assert sorted(found.states.values()) == ["PRIMARY", "RECOVERING", "SECONDARY"]
