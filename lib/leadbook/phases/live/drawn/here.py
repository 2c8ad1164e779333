"""Watch the live sprint from a cell of one's own: what a running watch has read, else readings of this kernel's own."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from leadbook.alerts import standing
from leadbook.alerts.book import AlertBook
from leadbook.alerts.channels import Recipients
from leadbook.core import connect
from leadbook.core.provenance import Target
from leadbook.core.settings import Settings
from leadbook.forecast.forecast import forecast
from leadbook.page.prose import whose_data
from leadbook.phases.live.baselines import read_baselines
from leadbook.phases.live.drawn.lab import follow
from leadbook.phases.live.judge import Judge
from leadbook.phases.live.records import LiveView
from leadbook.phases.live.view import STALE_INTERVALS, make_view
from leadbook.rehearsal import adoption, servers
from leadbook.watch.clock import SprintClock
from leadbook.watch.history import History
from leadbook.watch.place import folder_of, series_of
from leadbook.watch.series import Series
from leadbook.watch.snapshot import SnapshotReader


def watch_here(settings: Settings, seconds: float, every_s: float = 10.0) -> LiveView:
    """Show the live sprint in this cell for `seconds`, redrawn in place each `every_s`; the last view.

    Reads only, and writes no series. Follows the series of a `leadbook watch` on this machine while that goes on; else
    it reads the servers itself. Raises what opening a phase does: ServerError, RefusedError, PyMongoError.
    """
    with _views(settings, every_s) as views:
        return follow(views, seconds, every_s)


@contextmanager
def _views(settings: Settings, every_s: float) -> Iterator[Callable[[], LiveView]]:

    endpoints = servers.resolve(settings)
    with connect.mongodb(endpoints.mongodb_uri, settings) as client:
        adoption.require(client, settings, endpoints)
        target = Target.read(client, settings, endpoints).name
        judge = Judge(settings, read_baselines(client, settings, endpoints))
    history, series, book = History(), series_of(settings, endpoints), AlertBook(folder_of(settings, endpoints))
    _take(series, history, judge)
    clock = SprintClock(settings.clock, began=_began(history, settings))
    me = f"kernel {os.getpid()}"
    with SnapshotReader(settings, endpoints, clock, watch=me) as reader:

        def view() -> LiveView:
            _take(series, history, judge)
            last, now = history.last, clock.now()
            if last is None or last.watch == me or now - last.at > STALE_INTERVALS * timedelta(seconds=last.interval_s):
                snapshot = reader.read(last.number + 1 if last else 1, clock.sprint_seconds(every_s))
                history.add(snapshot)
                judge.take(snapshot, history)
            return make_view(
                settings, history, judge, forecast(history, settings, now), target=target,
                whose=whose_data(settings.profile, settings.lead_files)[0], alerts=_open(book, now),
            )  # fmt: skip

        yield view


def _open(book: AlertBook, now: datetime) -> list[dict[str, Any]]:
    """Alerts that the watch has told and are not over, and who answered them."""
    book.refresh()
    told = standing.of(book.state, Recipients(named={}), max(now, book.state.latest), dry=True)
    return [one for one in told if one["kind"] == "alert"]


def _take(series: Series, history: History, judge: Judge) -> None:
    """What the series holds beyond the history."""
    last = history.last
    for snapshot in series.read(since=last.at if last else None):
        if history.last is None or snapshot.at > history.last.at:
            history.add(snapshot)
            judge.take(snapshot, history)


def _began(history: History, settings: Settings) -> datetime | None:
    """A fast clock goes on where the series ended."""
    return history.last.at if history.last and settings.clock != 1 else None
