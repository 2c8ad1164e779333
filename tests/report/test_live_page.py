"""The live page: all is there, in order; nothing is loaded; nothing hostile runs; nobody's data shows."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from bs4 import BeautifulSoup
from tests import live_series as made

from leadbook.forecast.records import Forecast
from leadbook.phases.live.view import make_view, view_json
from leadbook.report.live.charts import charts
from leadbook.report.live.page import live_page
from leadbook.watch.history import History
from leadbook.watch.records import LiveSnapshot

HOSTILE = '</script><img onerror="alert(1)" src=x>'
PERSONAL = "jane.doe@example.com wrote of https://www.linkedin.com/in/jane-doe-123, call +1 415 555 2671"


@pytest.fixture(scope="module")
def view():
    return made.made_view()


@pytest.fixture(scope="module")
def page(view):
    return BeautifulSoup(live_page(view), "html.parser")


def text_of(page, part):
    return page.find(id=part).get_text(" ", strip=True)


def test_parts_stand_in_the_order_in_which_a_busy_person_looks(page):
    parts = [part["id"] for part in page.find_all(attrs={"data-live": True})]
    assert parts == ["verdict", "progress", "now", "collectors", "health", "headroom", "charts", "record"]


def test_the_first_lines_say_verdict_whose_data_which_target_and_when(page, view):
    said = text_of(page, "verdict")
    assert said.startswith(f"MADE-UP DATA {made.TARGET} CRITICAL")
    assert "2026-12-01 15:59:30 UTC" in said and "could not be delivered: 1" in said
    progress = text_of(page, "progress")
    assert "13,291 of 20,000 leads" in progress and "10,000 reached at 13:52" in progress
    assert "20,000 about 20:07 (80 %: 19:40 to 20:52); 93 % likely by the deadline, 22:00" in progress
    assert "1,620 leads/hour (80 %: 1,409 to 1,814)" in progress


def test_each_trouble_says_what_since_when_who_and_a_command_to_paste(page, view):
    found = page.find_all("article")
    assert [one.find("h3").get_text(" ", strip=True).split()[0] for one in found] == ["critical", "level", "level"]
    disk = found[0].get_text(" ", strip=True)
    assert "96.1 %, limit 95 %" in disk and "since 15:56, for 3 min" in disk and "Technical Lead" in disk
    assert page.find("button")["data-copy"] == "leadbook act profiler level=0"
    of_production = BeautifulSoup(live_page(replace(view, profile="production")), "html.parser")
    assert of_production.find("button")["data-copy"] == "leadbook act profiler level=0 --profile production"


def test_what_was_not_read_is_never_good(view):
    bare = replace(view, snapshot=replace(view.snapshot, readings={}, unmeasured={"redis": "does not answer"}),
                   findings=())  # fmt: skip
    parts = BeautifulSoup(live_page(bare), "html.parser").select("#health .part")
    assert {part.select_one(".state").get_text() for part in parts} == {"not measurable"}
    assert "does not answer" in parts[1].get_text()
    assert "is-good" not in str(parts)


def test_a_silent_collector_stands_first_and_is_marked(page):
    first = page.select_one("#collectors tbody tr")
    assert "phantom-2" in first.get_text() and "silent" in first.get_text()
    assert len(page.select("#collectors tbody tr")) == 10


def test_the_limit_hit_first_stands_first_and_an_unknown_one_says_why(page):
    rows = [row.get_text(" ", strip=True) for row in page.select("#headroom tbody tr")]
    assert rows[0] == "disk 96.1 GB of 100 GB in 3 h 18 min (80 %: 2 h 6 min to 5 h 12 min)"
    assert rows[-1] == "Atlas tier not measurable the tier is not known to the servers"


def test_actions_alerts_ended_troubles_and_what_was_not_judged_are_on_the_record(page):
    record = text_of(page, "record")
    for said in ("batch_size 200 → 500; by dba", "not delivered by slack 1", "answer: leadbook ack LIVE-DISK-001",
                 "MongoDB does not answer 13:00 to 13:06", "LIVE-OPLOG-001 : needs the right clusterMonitor",
                 "redis: restarted", "nothing was read, 20 min", "a snapshot takes 61 ms"):  # fmt: skip
        assert said in record, said


def test_the_command_that_answers_can_be_pasted_whatever_a_workflow_is_called(view):
    key = "LIVE-COL-001/apollo 2; rm -r x"
    told = replace(view, profile="production", alerts=({"kind": "alert", "key": key, "level": 1, "title": "silent"},))
    record = text_of(BeautifulSoup(live_page(told), "html.parser"), "record")
    assert f"answer: leadbook ack '{key}' --profile production" in record


def test_an_alert_that_somebody_answered_is_marked_where_it_is_told_and_asks_for_no_answer(view):
    key, said = view.findings[1].key, "answered by Ada until Tue 14:02 UTC"
    told = replace(view, alerts=({"kind": "alert", "key": key, "level": 2, "title": "slow", "answered": said},))
    page = BeautifulSoup(live_page(told), "html.parser")
    marked = [one.find("h3").get_text() for one in page.select("article.finding") if said in one.get_text()]
    assert len(marked) == 1 and view.findings[1].title in marked[0]
    assert "leadbook ack" not in text_of(page, "record")


def test_charts_break_at_gaps_and_mark_them(view, page):
    leads = charts(view)[0]
    assert len(leads.gaps) == 1 and leads.gaps[0].text == "nothing was read for 20 min"
    assert leads.lines[0].path.count("M") == 3, "the gap and MongoDB's absence break the line"
    assert leads.fan and leads.deadline and "20,000 about 20:07" in leads.told
    assert all(figure.find("svg")["aria-label"] for figure in page.find_all("figure"))
    assert len(page.select("rect.gap")) == len(page.find_all("figure"))


def test_the_file_loads_nothing_and_its_script_alone_may_run(view, page):
    html = live_page(view)
    assert not re.findall(r"(?:https?:)?//[a-z]", html), "no address of another place"
    assert not page.find_all(["link", "img", "iframe", "object", "embed"], src=True)
    assert [one["href"] for one in page.find_all("link")] == ["data:,"]
    assert not re.search(r"url\(|@import", html)
    script = page.find_all("script")[-1].string
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = page.find("meta", attrs={"http-equiv": "Content-Security-Policy"})["content"]
    assert f"script-src 'sha256-{digest}'" in policy and "default-src 'none'" in policy
    assert not [tag for tag in page.find_all(True) if any(name.startswith("on") for name in tag.attrs)]


def hostile_view(text):
    last = made.series(5).last
    history, rows = History(), [{"workflow": text, "vendor": text, "staged": 3, "last_s": 4, "silent": True}]
    history.add(replace(last, details={"collectors": rows}, unmeasured={text: text}))
    finding = replace(made.findings(last.at)[0], title=text, subject=text, evidence=text, cause=text,
                      remedy=f"do {text} with `leadbook act {text}`", owner=text)  # fmt: skip
    judge = made.MadeJudge([finding], [finding], {text: text}, "ATTENTION")
    return make_view(
        made.SETTINGS, history, judge, Forecast(at=last.at, leads=3, unmeasured=text), target=text, whose="REAL DATA",
        actions=[{"action": text, "who": text, "after": {text: text}}], alerts=[{"kind": "note", "title": text}],
    )  # fmt: skip


def test_hostile_text_is_shown_and_does_nothing():
    html = live_page(hostile_view(HOSTILE))
    page = BeautifulSoup(html, "html.parser")
    assert not page.find_all("img") and len(page.find_all("script")) == 2
    assert HOSTILE in page.select_one("#collectors tbody th").get_text()
    assert json.loads(page.find(id="view").string)["verdict"] == "ATTENTION"


def test_nobodys_address_shows_wherever_it_stood():
    view = hostile_view(PERSONAL)
    for shown in (live_page(view), view_json(view)):
        assert "jane" not in shown and "j***@example.com" in shown and "linkedin.com/in/j***," in shown
        assert "14155552671" not in shown and "+1***71" in shown


def test_secrets_of_the_environment_do_not_show(monkeypatch):
    monkeypatch.setenv("MONGODB_URI", "mongodb://app:hunter2secret@10.0.0.1/")
    assert "hunter2secret" not in live_page(hostile_view("refused: hunter2secret"))


def test_the_page_knows_when_it_is_stale(view, page):
    told = json.loads(page.find(id="view").string)
    assert told["stale_after_s"] == 90 and told["poll_s"] == 30
    assert abs(datetime.fromtimestamp(told["drawn"] / 1000, UTC) - datetime.now(UTC)) < timedelta(minutes=5)
    hurried = live_page(replace(view, stale_after_s=5.0))
    assert '"poll_s":1.6' in hurried
    assert page.find(id="stale").has_attr("hidden") and "may have stopped" in text_of(page, "stale")


def test_a_sprint_that_has_just_begun_is_drawn_too():
    history = History()
    history.add(LiveSnapshot(at=made.BEGIN, number=1, watch="made", interval_s=30, unmeasured={"mongodb": "is away"}))
    judge = made.MadeJudge(verdict="ATTENTION", unknown={"LIVE-X-001": "is away"})
    view = make_view(made.SETTINGS, history, judge, Forecast(at=made.BEGIN, leads=0, unmeasured="1 snapshot"),
                     target="t", whose="REAL DATA")  # fmt: skip
    page = BeautifulSoup(live_page(view), "html.parser")
    assert "No forecast yet, 1 snapshot" in text_of(page, "progress")
    assert "Not measurable: is away" in text_of(page, "collectors").replace(" .", ".")
    assert page.find_all("figure")[0].select_one(".empty")
    assert json.loads(view_json(view))["history"]["at"]


def test_landmarks_headings_and_tables_can_be_read_aloud(page):
    assert page.find("html")["lang"] == "en" and page.find("main") and page.find("header") and page.find("nav")
    assert page.find(id="said")["aria-live"] == "polite"
    assert len(page.find_all("h1")) == 1
    for table in page.find_all("table"):
        assert all(cell.has_attr("scope") for cell in table.find_all("th"))
    ids = [tag["id"] for tag in page.find_all(id=True)]
    assert len(ids) == len(set(ids))
    for tag in page.find_all(attrs={"aria-labelledby": True}):
        assert tag["aria-labelledby"] in ids
