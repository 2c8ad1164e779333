"""The terminal's dashboard: fits, tells all states in words, never half a command."""

from __future__ import annotations

import io

import pytest
from rich.console import Console
from tests import live_series as made

from leadbook.phases.live.drawn.terminal import screen


@pytest.fixture(scope="module")
def view():
    return made.made_view()


def shown(view, width=80, height=24):
    console = Console(width=width, height=height, file=io.StringIO(), force_terminal=True, color_system=None)
    console.print(screen(view))
    return console.file.getvalue().splitlines()


@pytest.mark.parametrize("troubles", [0, 1, 3, 12])
@pytest.mark.parametrize(("width", "height"), [(80, 24), (60, 20), (119, 50), (120, 24), (200, 60)])
def test_it_fits(width, height, troubles):
    found = (made.findings(made.BEGIN + 8 * made.EVERY * 120) * 4)[:troubles]
    view = made.made_view(made.MadeJudge(found, verdict="ATTENTION"), made.series(200))
    lines = shown(view, width, height)
    assert len(lines) <= height - 1 and max(map(len, lines)) <= width


def test_all_states_are_words(view):
    text = "\n".join(shown(view))
    for said in ("CRITICAL", "MADE-UP DATA", "13,291 of 20,000", "20,000 about 20:07", "[critical]",
                 "MongoDB  attention", "Redis    good", "Disk     critical", "first limit: disk", "SILENT: phantom-2",
                 "could not be delivered: 1"):  # fmt: skip
        assert said in text, said


def test_an_alert_that_somebody_answered_is_marked(view):
    answer = {"kind": "alert", "key": view.findings[0].key, "title": "disk", "answered": "answered by Ada"}
    told = made.made_view(alerts=(answer,))
    (line,) = [line for line in shown(told, 160, 45) if "[critical]" in line]
    assert "answered by Ada" in line and not any("answered by" in line for line in shown(view, 160, 45))


def test_a_wide_terminal_shows_collectors_and_all_facts(view):
    text = "\n".join(shown(view, 160, 45))
    for said in ("webform-1", "oplog not measurable", "pool wait 0.8 ms", "leadbook run --only 02"):
        assert said in text, said


def test_a_command_stands_there_whole_or_not_at_all(view):
    for height in range(18, 40):
        text = " ".join(" ".join(shown(view, 80, height)).split())
        assert text.count("`leadbook run") == text.count("apply_schema on lead_generation'`")
        assert text.count("`leadbook act") == text.count("level=0`")


def test_nothing_read_is_told_as_that():
    view = made.made_view(made.MadeJudge(verdict="ATTENTION"), made.series(3), snapshot=made.LiveSnapshot(
        at=made.BEGIN, number=1, watch="made", interval_s=30, unmeasured={"mongodb": "does not answer"}))  # fmt: skip
    text = "\n".join(shown(view))
    assert "MongoDB  not measurable" in text and "collectors not measurable" in text and "good" not in text
