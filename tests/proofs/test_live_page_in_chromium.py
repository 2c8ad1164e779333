"""In a real Chromium the live page redraws itself, over file and over HTTP, and says so when no news comes."""

from __future__ import annotations

import fcntl
import json
import os
import select
import shutil
import subprocess
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests import live_series as made

from leadbook.core import files
from leadbook.report.live.page import live_page
from leadbook.report.live.serve import PAGE, LoopbackServer

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--remote-debugging-pipe")
pytestmark = [pytest.mark.proof, pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")]


class Browser:
    """A Chromium that is told what to do over a pipe (Chrome DevTools Protocol), with one page."""

    def __init__(self, profile: Path) -> None:
        theirs, self.to = os.pipe()
        self.of, answers = os.pipe()
        theirs, answers = (fcntl.fcntl(one, fcntl.F_DUPFD, 10) for one in (theirs, answers))

        def fds():
            os.dup2(theirs, 3)
            os.dup2(answers, 4)

        self.process = subprocess.Popen(
            [CHROMIUM, *FLAGS, f"--user-data-dir={profile}", "about:blank"], preexec_fn=fds, pass_fds=(3, 4),
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(theirs)
        os.close(answers)
        self.number, self.rest, self.session = 0, b"", None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]

    def call(self, method, **params):
        """What the browser answers to a command."""
        self.number += 1
        told = {"id": self.number, "method": method, "params": params}
        os.write(self.to, json.dumps(told | ({"sessionId": self.session} if self.session else {})).encode() + b"\0")
        while True:
            while b"\0" not in self.rest:
                assert select.select([self.of], [], [], 30)[0], f"no answer to {method}"
                self.rest += os.read(self.of, 1 << 16)
            line, _, self.rest = self.rest.partition(b"\0")
            answer = json.loads(line)
            if answer.get("id") == self.number:
                assert "error" not in answer, answer
                return answer["result"]

    def ask(self, script):
        """The value of an expression in the page."""
        return self.call("Runtime.evaluate", expression=script, returnByValue=True)["result"].get("value")

    def until(self, script, seconds=30.0):
        """Wait until an expression is true."""
        end = time.monotonic() + seconds
        while not self.ask(script):
            assert time.monotonic() < end, f"never true: {script}; {self.ask('document.title')}"
            time.sleep(0.1)

    def open(self, address):
        """Go there, and wait until the page is there."""
        self.call("Page.navigate", url=address)
        self.until("document.readyState === 'complete' && !!document.getElementById('word')")


@pytest.fixture
def browser(tmp_path):
    made_one = Browser(tmp_path / "profile")
    yield made_one
    made_one.process.kill()
    made_one.process.wait()


class Redrawn:
    """Pages that grow by a lead wanted, drawn anew again and again until the end."""

    def __init__(self, put):
        self.view = made.made_view(made.MadeJudge(), made.series(100), stale_after_s=60.0)
        self.put, self.over, self.number = put, threading.Event(), 0
        self.draw()
        self.thread = threading.Thread(target=self.run)

    def draw(self):
        self.number += 1
        self.put(live_page(replace(self.view, wanted=20_000 + self.number, stale_after_s=3.0)))

    def run(self):
        while not self.over.wait(0.2):
            self.draw()

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()


WORD = "document.getElementById('word').textContent"
SHOWN = "document.getElementById('progress-h').textContent"


def is_redrawn(browser):
    """Newer views come in place: nothing is loaded anew, focus and what was unfolded stay."""
    browser.ask("window.mark = 1; document.getElementById('d-rate').open = true;"
                "document.getElementById('ds-rate').focus({preventScroll: true})")  # fmt: skip
    for _ in range(3):
        was = browser.ask(SHOWN)
        browser.until(f"{SHOWN} !== {json.dumps(was)}")
    assert browser.ask(WORD) == "HEALTHY"
    assert browser.ask("window.mark") == 1, "the page was loaded anew"
    assert browser.ask("document.activeElement.id") == "ds-rate"
    assert browser.ask("document.getElementById('d-rate').open")
    assert not browser.ask("document.body.classList.contains('is-stale')")
    assert browser.ask("document.querySelectorAll('iframe').length") <= 1


def test_a_file_redraws_itself(browser, tmp_path):
    path = tmp_path / "live.html"
    with Redrawn(lambda page: files.write(path, page)):
        browser.open(path.as_uri())
        is_redrawn(browser)


def test_a_served_page_redraws_itself_and_says_when_news_end(browser):
    with LoopbackServer(0, (PAGE,)) as server:
        with Redrawn(lambda page: server.publish(PAGE, page)):
            browser.open(server.url)
            is_redrawn(browser)
        browser.until(f"{WORD} === 'NO NEWS, was HEALTHY'")
        assert "may have stopped" in browser.ask("document.getElementById('said').textContent")
    assert browser.ask("document.title").startswith("NO NEWS, was HEALTHY")
    assert browser.ask("document.getElementById('stale').checkVisibility()")
    green = """[...document.querySelectorAll('.verdict, .state, .part')].filter((one) => {
        const style = getComputedStyle(one);
        return [style.backgroundColor, style.borderLeftColor].includes('rgb(26, 122, 76)');
    }).length"""
    assert browser.ask(green) == 0, "nothing is green any more"


def test_a_page_of_an_hour_ago_is_stale_at_once_and_well_again_with_news(browser, tmp_path):
    view, path = made.made_view(made.MadeJudge(), made.series(100), stale_after_s=5.0), tmp_path / "live.html"
    path.write_text(live_page(view, datetime.now(UTC) - timedelta(hours=1)))
    browser.open(path.as_uri())
    assert browser.ask(WORD) == "NO NEWS, was HEALTHY"
    files.write(path, live_page(view))
    browser.until(f"{WORD} === 'HEALTHY'")


def test_hostile_text_runs_nothing(browser, tmp_path):
    view = made.made_view(history=made.series(100))
    bad = "<img src=x onerror='window.hacked=1'></script><script>window.hacked=1</script>"
    rows = [{"workflow": bad, "vendor": bad, "silent": True}]
    view = replace(view, target=bad, snapshot=replace(view.snapshot, details={"collectors": rows}), stale_after_s=3.0)
    path = tmp_path / "live.html"
    with Redrawn(lambda page: files.write(path, page)) as redrawn:
        redrawn.view = view
        redrawn.draw()
        browser.open(path.as_uri())
        was = browser.ask(SHOWN)
        browser.until(f"{SHOWN} !== {json.dumps(was)}")
    assert browser.ask("typeof window.hacked") == "undefined"
    assert bad in browser.ask("document.querySelector('#collectors tbody th').textContent")
