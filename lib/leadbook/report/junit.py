"""junit.xml: a suite a phase, a case a check, for CI systems that show test results."""

from __future__ import annotations

import re
from xml.etree import ElementTree as Xml

from leadbook.core.checks import BLOCKING, Check, Verdict
from leadbook.report.records import PhaseRecord, RunRecord, Status
from leadbook.report.verdict import finding

_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 cannot hold, not even escaped (terminal colours, for one)."""


def render(run: RunRecord) -> str:
    """The run as JUnit XML. What blocks is a failure or an error, what does not apply or is accepted is skipped; phases
    that were not asked for are left out."""
    root = Xml.Element("testsuites", name=f"leadbook {run.profile}", time=f"{run.seconds:.2f}")
    totals = {"tests": 0, "failures": 0, "errors": 0, "skipped": 0}
    why = run.broken or (f"interrupted by {run.interrupted}" if run.interrupted else "")
    for suite in (_whole(run, why), *(_suite(phase, run) for phase in run.phases if phase.asked)):
        root.append(suite)
        for name in totals:
            totals[name] += int(suite.get(name, "0"))
    for name, count in totals.items():
        root.set(name, str(count))
    Xml.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + Xml.tostring(root, encoding="unicode") + "\n"


def _whole(run: RunRecord, why: str) -> Xml.Element:
    """The run itself as a suite of one case, so that a run that cannot be believed is never all green."""
    suite = Xml.Element("testsuite", name="run", timestamp=run.started_at, time=f"{run.seconds:.2f}", tests="1",
                        failures="0", errors="1" if why else "0", skipped="0")  # fmt: skip
    case = Xml.SubElement(suite, "testcase", classname="run", name="can be believed", time="0")
    if why:
        _add(case, "error", why, "broken")
    return suite


def _suite(phase: PhaseRecord, run: RunRecord) -> Xml.Element:
    title = _text(f"{phase.phase} {phase.title}")
    suite = Xml.Element("testsuite", name=title, timestamp=phase.started_at or run.started_at,
                        time=f"{phase.seconds or 0:.2f}")  # fmt: skip
    ran = Xml.SubElement(suite, "testcase", classname=title, name="ran to its end", time=f"{phase.seconds or 0:.2f}")
    if phase.status is Status.BROKEN:
        _add(ran, "error", str(phase.broken), "broken")
    elif phase.status is Status.NOT_RUN:
        _add(ran, "error", "the phase was not run", "not run")
    for check in phase.checks:
        _case(suite, title, check)
    for tag, name in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
        suite.set(name, str(len(suite.findall(f"testcase/{tag}"))))
    suite.set("tests", str(len(suite.findall("testcase"))))
    return suite


def _case(suite: Xml.Element, title: str, check: Check) -> None:
    case = Xml.SubElement(suite, "testcase", classname=title, name=_text(f"{check.id} {check.title}"), time="0")
    if check.verdict in BLOCKING and check.accepted:
        Xml.SubElement(case, "skipped", message=_text(f"{check.verdict.value}, {check.accepted}"))
    elif check.verdict is Verdict.ERROR:
        _add(case, "error", check.evidence, check.verdict.value)
    elif check.verdict in BLOCKING:
        body = "\n".join(filter(None, (check.evidence, f"do: {check.remedy}" if check.remedy else "")))
        _add(case, "failure", finding(check), check.verdict.value, body)
    elif check.verdict is Verdict.NOT_APPLICABLE:
        Xml.SubElement(case, "skipped", message=_text(check.evidence))
    elif check.verdict is Verdict.WARN:
        Xml.SubElement(case, "system-out").text = _text(f"warning: {finding(check)}. {check.evidence}")


def _add(case: Xml.Element, tag: str, message: str, kind: str, body: str = "") -> None:
    element = Xml.SubElement(case, tag, message=_text(message), type=kind)
    element.text = _text(body) or None


def _text(text: str) -> str:
    return _FORBIDDEN.sub("\ufffd", text)
