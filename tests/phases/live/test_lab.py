"""In a notebook: it ends in time and is left as a picture with words."""

from __future__ import annotations

from dataclasses import replace

from tests import live_series as made

from leadbook.phases.live.drawn.lab import follow, live_figure, live_html


def test_it_ends_in_time():
    view = made.made_view(history=made.series(3))
    assert follow(lambda: view, seconds=0, every_s=1) is view


def test_what_is_shown_is_escaped_and_says_it_in_words():
    view = made.made_view(target="<b onclick=x>")
    html = live_html(view)
    assert "&lt;b onclick" in html and "MongoDB attention" in html and "leadbook act profiler" in html


def test_an_alert_that_somebody_answered_is_marked_as_on_the_page():
    view = made.made_view()
    answer = {"kind": "alert", "key": view.findings[0].key, "title": "disk", "answered": "answered by <Ada>"}
    first, *others = live_html(replace(view, alerts=(answer,))).split("<li>")[1:]
    assert "answered by &lt;Ada&gt;" in first and not any("answered by" in one for one in others)
    assert "answered by" not in live_html(replace(view, alerts=()))


def test_a_figure_has_four_panels_and_marks_the_gap():
    axes = live_figure(made.made_view()).axes
    assert [one.get_title(loc="left") for one in axes] == ["Leads", "Rate", "Backlog", "Duplicate check"]
    assert all(len(one.patches) >= 1 for one in axes)
    bare = live_figure(made.made_view(history=made.series(1)))
    assert bare.axes[1].texts[0].get_text() == "not measurable"
