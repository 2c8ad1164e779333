"""Our figures beside independent ones; the tool's one-off user never stays."""

import shutil

import pytest

from leadbook.bench import references
from leadbook.phases.p03 import verdicts


def users(client):
    return {name.decode() if isinstance(name, bytes) else name for name in client.acl_users()}


def test_the_insert_rate_is_compared_with_a_bare_loop_and_no_user_stays(place, clean_redis, scratches):
    found = references.measure(place)
    checks = {check.id: check.verdict.value for check in verdicts.references(found, place.settings)}
    assert checks["BCH-REF-001"] in ("pass", "warn")
    assert users(clean_redis) == {"default"}
    assert clean_redis.dbsize() == 0
    assert scratches() == []


@pytest.mark.skipif(shutil.which("redis-benchmark") is None, reason="redis-benchmark is not installed")
def test_a_look_up_over_a_bare_socket_is_near_redis_benchmark(place):
    found = references.measure(place)
    assert found.redis_why == ""
    assert found.redis.bare.middle < 5 and found.redis.tool.middle < 5, "milliseconds, both"


def test_without_the_tool_it_is_not_applicable_and_says_why(place, monkeypatch):
    monkeypatch.setattr(references.shutil, "which", lambda _: None)
    found = references.measure(place)
    (_, redis) = verdicts.references(found, place.settings)
    assert redis.verdict.value == "not applicable"
    assert "redis-tools" in redis.evidence


def test_the_tool_is_given_no_password_and_its_user_may_read_one_key(place, clean_redis, monkeypatch):
    """Whoever looks at the list of processes reads its arguments; so whoever reads them may do next to nothing."""
    argv, may = [], []

    def run(words, **_):
        name = words[words.index("--user") + 1]
        argv.extend(words)
        may.append(clean_redis.acl_getuser(name))
        monkeypatch.undo()
        raise OSError("enough seen")

    monkeypatch.setattr(references.shutil, "which", lambda _: "redis-benchmark")
    monkeypatch.setattr(references.subprocess, "run", run)
    references.measure(place)
    (user,) = may
    assert "nopass" in user["flags"] and not user["passwords"], "an argument that were a password would be seen"
    assert set(user["commands"]) == {"+get", "+ping"} and user["keys"] == [f"~{references._key(place)}"]
    assert references.ANY in argv and users(clean_redis) == {"default"}
