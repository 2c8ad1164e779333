"""A cell of one's own watches real servers, and leaves nothing behind."""

from __future__ import annotations

import warnings

import pytest

from leadbook.phases.live.drawn.here import watch_here


@pytest.mark.usefixtures("endpoints", "database")
def test_a_cell_reads_the_servers_where_no_watch_is_at_work(settings, tmp_path):
    here = settings.model_copy(update={"watch_dir": str(tmp_path / "watch")})
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        view = watch_here(here, seconds=1.0, every_s=0.4)
    assert view.snapshot.readings["sprint.leads"] == 0 and view.snapshots >= 1
    assert view.whose == "MADE-UP DATA" and settings.database in view.target
    assert not (tmp_path / "watch").exists(), "only a watch writes a series"
