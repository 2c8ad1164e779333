"""What somebody is told who acts: why Redis cannot be changed, and which alarms an action may answer."""

from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from redis.exceptions import NoPermissionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from leadbook.actions.acts import planned
from leadbook.actions.told import Deed
from leadbook.cli.acting import _print_effects
from leadbook.commands.act import ALARM
from leadbook.core.errors import RefusedError, UnreachableError
from leadbook.core.settings import Settings


@pytest.mark.parametrize(
    ("said", "error", "message"),
    [
        (RedisTimeoutError("Timeout reading from socket"), UnreachableError, "try again"),
        (NoPermissionError("this user has no permissions to run 'config|get'"), RefusedError, "console"),
        ({}, RefusedError, "console"),
    ],
)
def test_a_redis_that_is_late_is_not_told_as_one_that_refuses(said, error, message):
    def config_get(_):
        if isinstance(said, Exception):
            raise said
        return said

    redis = SimpleNamespace(config_get=config_get, info=lambda _: {})
    scene = SimpleNamespace(redis_is_ours=True, cache=lambda: redis, target="t", settings=Settings())
    with pytest.raises(error, match=message):
        planned(scene, "redis_policy", {"to": "allkeys-lru"})


@pytest.mark.parametrize(
    ("key", "is_one"),
    [
        ("LIVE-COL-001/apollo-2", True), ("LIVE-COL-001/Apollo search #2 (EU)", True), ("WATCH-STALE", True),
        ("LIVE-COL-001/jane@example.com", False), ("LIVE-COL-001/linkedin.com/in/jane", False), ("jane doe", False),
    ],
)  # fmt: skip
def test_an_action_answers_an_alarm_of_any_workflow_and_names_nobody(key, is_one):
    assert bool(ALARM.fullmatch(key)) is is_one


@pytest.mark.parametrize(
    ("who", "nature", "says"),
    [("nobody answered", "alarm", "x, nobody answered"), ("Ada", "alarm", "x, answered by Ada"),
     ("Ada", "action", "x, by Ada")],
)  # fmt: skip
def test_who_acted_and_who_answered_an_alarm(who, nature, says, capsys):
    _print_effects(
        [Deed(at=datetime(2026, 1, 1, tzinfo=UTC), what="x", kind="resolution", who=who, nature=nature)], False
    )
    assert capsys.readouterr().out.splitlines()[0].endswith(says)
