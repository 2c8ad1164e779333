"""What a watch is made of besides its loop: each part by one function, the only place where it is named."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from bson import json_util

from leadbook.alerts.dispatcher import Dispatcher
from leadbook.commands.place import hurried
from leadbook.core import connect, files
from leadbook.core.journal import COLLECTION
from leadbook.core.settings import Settings
from leadbook.forecast.records import Forecast
from leadbook.phases.live.messages import alerts_of
from leadbook.phases.live.whose import whose_sprint
from leadbook.watch import loop
from leadbook.watch.history import History

PATIENCE_MS, MOST_ACTIONS = 1_000, 10
Output = Callable[[Any], object]
"""Gets each new view."""


def _there(name: str) -> Any:
    """A module of leadbook, None where this checkout has none.  SEAM: direct imports once all parts are there."""
    parts = name.split(".")
    if all(find_spec(".".join(["leadbook", *parts[: count + 1]])) for count in range(len(parts))):
        return import_module(f"leadbook.{name}")
    return None


# SEAM _clock, _reader (W1)
def clock(settings: Settings, last: datetime | None) -> loop.Clock:
    """The sprint's clock. A rehearsal's fast one goes on where its series ended: `last`."""
    factor, now = float(getattr(settings, "clock", 1.0)), datetime.now(UTC)
    began = last if factor != 1 and last is not None and last > now else None
    found: loop.Clock = import_module("leadbook.watch.clock").SprintClock(factor, began=began)
    return found


def reader(settings: Settings, endpoints: connect.Endpoints, clock: loop.Clock) -> Any:
    """Who reads the snapshots; a context manager."""
    module = import_module("leadbook.watch.snapshot")
    return module.SnapshotReader(settings, endpoints, clock, watch=loop.me())


# SEAM _judge (W4)
@dataclass
class PlainJudge:
    """Stands in for the rules: something that was not measured is worth attention."""

    findings: Sequence[Any] = ()
    over: Sequence[Any] = ()
    unknown: dict[str, str] = field(default_factory=dict)
    verdict: str = "HEALTHY"

    def take(self, snapshot: Any, history: History) -> Sequence[Any]:
        """Judge the next snapshot."""
        self.unknown = dict(snapshot.unmeasured)
        self.verdict = "ATTENTION" if self.unknown else "HEALTHY"
        return ()


def judge(settings: Settings, endpoints: connect.Endpoints) -> Any:
    """Who judges the snapshots."""
    rules, baselines = _there("phases.live.judge"), _there("phases.live.baselines")
    if rules is None:
        return PlainJudge()
    return rules.Judge(settings, baselines.of(settings, endpoints) if baselines else {})


# SEAM _forecast (W5)
def forecast(history: History, settings: Settings, now: datetime) -> Forecast:
    """What comes."""
    module = _there("forecast.forecast")
    if module is None:
        leads = history.last.readings.get("sprint.leads", 0.0) if history.last else 0.0
        return Forecast(at=now, leads=int(leads), unmeasured="no forecast is built in")
    made: Forecast = module.forecast(history, settings, now)
    return made


# SEAM _view, _screen, _outputs (W3)
def view(settings: Settings, history: History, judge: Any, made: Forecast, **more: Any) -> Any:
    """Everything that is drawn; None where nothing draws."""
    module = _there("phases.live.view")
    if module is None:
        return None
    return module.make_view(settings, history, judge, made, whose=whose_sprint(settings), **more)


def screen(drawn: Any) -> Any:
    """The terminal's picture of a view; None where nothing draws it."""
    module = _there("phases.live.terminal")
    return None if module is None or drawn is None else module.screen(drawn)


def outputs(stack: ExitStack, page: Path | None, serve: int | None, metrics: int | None) -> list[tuple[str, Output]]:
    """Who gets each view besides the terminal, by a name for people: page, server, metrics. Raises LeadbookError."""
    found: list[tuple[str, Output]] = []
    pages = _there("report.live.page")
    if pages is not None and page is not None:
        found.append((f"the page {page}", lambda drawn: files.write(page, pages.live_page(drawn))))
    if serve is not None and (server := _there("report.live.serve")) is not None:
        found.append(("the page's server", stack.enter_context(server.serving(serve))))
    if metrics is not None and (exporter := _there("report.live.metrics")) is not None:
        found.append(("the metrics", stack.enter_context(exporter.exporting(metrics))))
    return found


class Alerts:
    """Messages to people about what the judge finds."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher

    def take(self, judge: Any, now: datetime) -> None:
        """What goes on, and what is over."""
        self._dispatcher.take(alerts_of(judge.findings, judge.over), now)

    def standing(self) -> list[dict[str, Any]]:
        """What is open, sent and undeliverable, JSON-ready."""
        return self._dispatcher.standing()


@contextmanager
def acted(settings: Settings, endpoints: connect.Endpoints) -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """Who tells the latest actions of the journal, JSON-ready, the latest last. Raises PyMongoError when asked."""
    with connect.mongodb(endpoints.mongodb_uri, hurried(settings, PATIENCE_MS)) as client:
        journal = client[settings.database][COLLECTION]

        def ask() -> list[dict[str, Any]]:
            found = journal.find({"kind": "action"}, {"_id": 0}).sort([("at", -1)]).limit(MOST_ACTIONS)
            return [json.loads(json_util.dumps(one | {"at": one["at"].isoformat()})) for one in found][::-1]

        yield ask
