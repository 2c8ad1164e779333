"""Faults put in and undone in time, while the sprint goes on."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from pymongo.errors import PyMongoError
from redis.exceptions import RedisError

from leadbook.core import write_errors
from leadbook.core.errors import LeadbookError
from leadbook.rehearsal.faults.fault import Fault, FaultScene
from leadbook.rehearsal.faults.registry import Planned, named

LOOK_S = 0.05
ALIGN_S = 10.0
BROKEN = (LeadbookError, PyMongoError, RedisError, OSError)


@dataclass(kw_only=True)
class Injected:
    """A fault that was put in. before, began, ended: number of the newest snapshot when it was begun, once it was
    in, and once it was undone; None where it did not come to it.  problem: why it could not be put in, or undone."""

    name: str
    told: str
    before: int | None = None
    began: int | None = None
    ended: int | None = None
    problem: str = ""


@dataclass(kw_only=True)
class _Turn:
    planned: Planned
    fault: Fault
    injected: Injected
    steps: list[str] = field(default_factory=lambda: ["begin", "end"])

    @property
    def due_s(self) -> float:
        return self.planned.at_s if "begin" in self.steps else self.planned.ends_s


def through(
    scene: FaultScene, planned: Sequence[Planned], clock: float, newest: Callable[[], int], goes_on: Callable[[], bool],
    say: Callable[[str], None],
) -> list[Injected]:  # fmt: skip
    """Put in and undo each fault when its time has come, until `goes_on` is false. Whatever happens, all are undone.

    clock: of the sprint.  newest: number of the newest snapshot.  What a fault cannot do stands in its `problem`.
    """
    turns = []
    for one in planned:
        kind = named(one.name)
        turns.append(_Turn(planned=one, fault=kind(scene), injected=Injected(name=one.name, told=kind.told)))
    start = time.monotonic()
    try:
        while goes_on():
            now_s = (time.monotonic() - start) * clock
            for turn in sorted((turn for turn in turns if turn.steps), key=lambda turn: turn.due_s):
                if turn.due_s <= now_s:
                    _take(turn, newest, say)
            time.sleep(LOOK_S)
    finally:
        for turn in turns:
            if turn.steps == ["end"]:
                _take(turn, newest, say)
    return [turn.injected for turn in turns]


def _next_snapshot(newest: Callable[[], int]) -> None:
    """Wait until a snapshot is done: one that is being read just now would tell of half a fault."""
    before, until = newest(), time.monotonic() + ALIGN_S
    while newest() == before and time.monotonic() < until:
        time.sleep(LOOK_S / 5)


def _take(turn: _Turn, newest: Callable[[], int], say: Callable[[str], None]) -> None:
    """The fault's next step."""
    injected, step = turn.injected, turn.steps.pop(0)
    try:
        if step == "begin":
            turn.fault.prepare()
            _next_snapshot(newest)
            say(f"fault {injected.name}: {injected.told}")
            injected.before = newest()
            turn.fault.inject()
            injected.began = newest()
        else:
            turn.fault.end()
            injected.ended = newest()
            say(f"fault {injected.name} is over")
    except BROKEN as error:
        said = str(error) if isinstance(error, LeadbookError) else write_errors.described(error)
        injected.problem = injected.problem or said
        say(f"fault {injected.name}: it could not be {'put in' if step == 'begin' else 'undone'}: {said}")
        if step == "begin":
            turn.steps.clear()
            with suppress(*BROKEN):
                turn.fault.end()
