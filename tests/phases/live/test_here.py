"""A cell of one's own watches real servers, and leaves nothing behind."""

from __future__ import annotations

import warnings
from datetime import UTC, datetime

import pytest

from leadbook.alerts.dispatcher import Dispatcher
from leadbook.alerts.records import Alert
from leadbook.phases.live.drawn.here import watch_here
from leadbook.watch.place import folder_of


@pytest.mark.usefixtures("endpoints", "database")
def test_a_cell_reads_the_servers_where_no_watch_is_at_work(settings, tmp_path):
    here = settings.model_copy(update={"watch_dir": str(tmp_path / "watch")})
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        view = watch_here(here, seconds=1.0, every_s=0.4)
    assert view.snapshot.readings["sprint.leads"] == 0 and view.snapshots >= 1
    assert view.whose == "MADE-UP DATA" and settings.database in view.target
    assert not (tmp_path / "watch").exists(), "only a watch writes a series"


@pytest.mark.usefixtures("database")
def test_what_somebody_answered_to_the_watch_is_known_in_a_cell(settings, endpoints, tmp_path):
    here, now = settings.model_copy(update={"watch_dir": str(tmp_path / "watch")}), datetime.now(UTC)
    with Dispatcher(here, folder_of(here, endpoints), heading="REAL DATA") as alerts:
        alerts.take([Alert(key="LIVE-DISK-001", level=2, title="disk", lines=("full",), at=now)], now)
        alerts.book.acknowledge("LIVE-DISK-001", by="Ada", now=now, until=None)
    (told,) = watch_here(here, seconds=0.2, every_s=0.4).alerts
    assert told["key"] == "LIVE-DISK-001" and "answered by Ada" in told["answered"]
