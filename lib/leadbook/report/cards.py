"""Pieces of HTML that a notebook shows: the table of checks just recorded, and the closing verdict.

Styles are inline, because a notebook cell has no stylesheet of its own; colours carry a word beside them, never alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape

from leadbook.checks import BLOCKING, Check, Verdict

__all__ = ["badge", "checks_html", "measured_text", "verdict_html"]

_COLOURS = {
    Verdict.PASS: "#1a7f37",
    Verdict.WARN: "#9a6700",
    Verdict.FAIL: "#cf222e",
    Verdict.ERROR: "#a40e26",
    Verdict.NOT_MEASURED: "#8250df",
    Verdict.MANUAL: "#8250df",
    Verdict.NOT_APPLICABLE: "#59636e",
}
_CELL = "text-align:left;vertical-align:top;padding:.35em .7em .35em 0;border-bottom:1px solid #8884"


def badge(verdict: Verdict | str) -> str:
    """The verdict as a coloured word."""
    verdict = Verdict(verdict)
    return (
        f'<span class="lb-badge" style="background:{_COLOURS[verdict]};color:#fff;border-radius:.7em;padding:.1em .6em;'
        f'font-size:.85em;font-weight:600;white-space:nowrap">{escape(verdict.value)}</span>'
    )


def measured_text(check: Check) -> str:
    """Measured value with unit, numbers shortened to what matters; a dash when there is none."""
    value = check.measured
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        digits = 0 if abs(value) >= 1000 else 1 if abs(value) >= 100 else 2 if abs(value) >= 1 else 3
        value = f"{value:,.{digits}f}"
    elif isinstance(value, int):
        value = f"{value:,}"
    return f"{value} {check.unit}".strip() if check.kind == "measured" else str(value)


def checks_html(checks: Iterable[Check]) -> str:
    """A table of checks: verdict, what, measured beside target, evidence, and the remedy of those that need one."""
    rows = []
    for check in checks:
        remedy = f'<div style="margin-top:.2em"><b>Do:</b> {escape(check.remedy)}</div>' if _needs_remedy(check) else ""
        cells = (
            badge(check.verdict),
            f"<b>{escape(check.title)}</b><br><small><code>{check.id}</code> · {', '.join(check.steps)}</small>",
            escape(measured_text(check)),
            escape(check.target),
            escape(check.evidence) + remedy,
        )
        rows.append("<tr>" + "".join(f'<td style="{_CELL}">{cell}</td>' for cell in cells) + "</tr>")
    heads = ("Verdict", "Check", "Measured", "Target", "Evidence")
    head = "".join(f'<th scope="col" style="{_CELL}">{title}</th>' for title in heads)
    body = "".join(rows)
    return (
        '<div style="overflow-x:auto"><table class="lb-checks" style="border-collapse:collapse;width:100%">'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _needs_remedy(check: Check) -> bool:
    return bool(check.remedy) and (check.verdict in BLOCKING or check.verdict is Verdict.WARN)


def verdict_html(phase: str, title: str, verdict: str, counts: Mapping[str, int], blocking: Iterable[Check]) -> str:
    """The closing verdict of a phase, with what blocks it."""
    colour = _COLOURS[Verdict.PASS if verdict == Verdict.PASS.value else Verdict.FAIL]
    word = "passed" if verdict == Verdict.PASS.value else "does not pass"
    summary = ", ".join(f"{count} {name}" for name, count in counts.items()) or "no check was recorded"
    items = "".join(
        f"<li>{badge(c.verdict)} <b>{escape(c.title)}</b> (<code>{c.id}</code>): {escape(c.evidence)} "
        f"<b>Do:</b> {escape(c.remedy or 'see the evidence')}</li>"
        for c in blocking
    )
    return (
        f'<div class="lb-verdict" style="border-left:.5em solid {colour};padding:.6em 1em;margin:1em 0">'
        f'<div style="font-size:1.3em;font-weight:700">Phase {phase}, {escape(title)}, {word}</div>'
        f"<div>{escape(summary)}</div>{f'<ul>{items}</ul>' if items else ''}</div>"
    )
