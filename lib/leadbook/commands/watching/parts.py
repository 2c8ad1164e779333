"""What a watch is made of besides its loop: each part by one function, the only place where it is named."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bson import json_util
from rich.console import RenderableType

from leadbook.commands.ack import dispatching
from leadbook.commands.place import hurried
from leadbook.core import connect, files
from leadbook.core.settings import Settings
from leadbook.forecast.forecast import forecast
from leadbook.phases.live import messages
from leadbook.phases.live.baselines import Baselines, read_baselines
from leadbook.phases.live.drawn import terminal
from leadbook.phases.live.judge import Judge
from leadbook.phases.live.records import LiveView
from leadbook.phases.live.view import make_view
from leadbook.report.live.metrics import exporting
from leadbook.report.live.page import live_page
from leadbook.report.live.serve import serving
from leadbook.watch.clock import SprintClock
from leadbook.watch.history import History
from leadbook.watch.loop import me
from leadbook.watch.snapshot import SnapshotReader

PATIENCE_MS, MOST_ACTIONS = 1_000, 10
DRAWN = ("at", "action", "who", "by", "before", "after", "done", "problem")
"""Of an action, what `drawn.words.action` tells."""
Output = Callable[[LiveView], object]
"""Gets each new view."""


def clock(settings: Settings, last: datetime | None) -> SprintClock:
    """The sprint's clock. A rehearsal's fast one goes on where its series ended: `last`."""
    goes_on = settings.clock != 1 and last is not None and last > datetime.now(UTC)
    return SprintClock(settings.clock, began=last if goes_on else None)


def reader(settings: Settings, endpoints: connect.Endpoints, clock: SprintClock) -> SnapshotReader:
    """Who reads the snapshots; a context manager."""
    return SnapshotReader(settings, endpoints, clock, watch=me())


def judge(settings: Settings, endpoints: connect.Endpoints) -> Judge:
    """Who judges the snapshots."""
    return Judge(settings, baselines(settings, endpoints))


def baselines(settings: Settings, endpoints: connect.Endpoints) -> Baselines:
    """What 03 and 05 of this target measured."""
    with connect.mongodb(endpoints.mongodb_uri, hurried(settings, PATIENCE_MS)) as client:
        return read_baselines(client, settings, endpoints)


def view(
    settings: Settings, history: History, judge: Judge, now: datetime, *, target: str,
    actions: Sequence[dict[str, Any]], alerts: Sequence[dict[str, Any]],
) -> LiveView:  # fmt: skip
    """Everything that is drawn, with the forecast as of `now`, by the sprint's clock."""
    made = forecast(history, settings, now)
    whose = messages.heading(settings, target).partition(":")[0]
    return make_view(settings, history, judge, made, target=target, whose=whose, actions=actions,
                     alerts=alerts)  # fmt: skip


def screen(drawn: LiveView) -> RenderableType:
    """The terminal's picture of a view."""
    return terminal.screen(drawn)


def outputs(stack: ExitStack, page: Path | None, serve: int | None, metrics: int | None) -> list[tuple[str, Output]]:
    """Who gets each view besides the terminal, by a name for people: page, server, metrics. Raises UsageError."""
    found: list[tuple[str, Output]] = []
    if page is not None:
        found.append((f"the page {page}", lambda drawn: files.write(page, live_page(drawn))))
    if serve is not None:
        found.append(("the page's server", stack.enter_context(serving(serve))))
    if metrics is not None:
        found.append(("the metrics", stack.enter_context(exporting(metrics))))
    return found


class Alerts:
    """Messages to people, and what the journal tells of actions, while entered."""

    def __init__(self, settings: Settings, endpoints: connect.Endpoints, folder: Path) -> None:
        self._settings, self._endpoints, self._folder = settings, endpoints, folder
        self._stack = ExitStack()

    def __enter__(self) -> Alerts:
        made = dispatching(self._settings, self._endpoints, self._folder)
        self._dispatcher, self._journal = self._stack.enter_context(made)
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()

    def take(self, judge: Judge, now: datetime) -> None:
        """Tell what goes on."""
        self._dispatcher.take([messages.alert_of(one) for one in judge.findings], now)

    def standing(self) -> list[dict[str, Any]]:
        """What is open, sent and undeliverable, JSON-ready."""
        return self._dispatcher.standing()

    def acted(self) -> list[dict[str, Any]]:
        """The latest actions of the journal, JSON-ready, the latest last; what is drawn of them and no more, since the
        page is passed on. Raises PyMongoError."""
        drawn = {"_id": 0, **dict.fromkeys(DRAWN, 1)}
        actions = {"kind": "action", "at": {"$type": "date"}}  # an entry that somebody else wrote may have none
        found = self._journal.collection.find(actions, drawn).sort([("at", -1)]).limit(MOST_ACTIONS)
        return [json.loads(json_util.dumps(one | {"at": one["at"].isoformat()})) for one in found][::-1]
