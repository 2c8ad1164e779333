"""The closing verdict of a phase as a card of HTML. Styles are inline: a notebook cell has no stylesheet of its own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from leadbook.core.checks import Check, Verdict, accepted, blockers, only_calls_for_a_look, tally
from leadbook.page.palette import VERDICT_COLOURS
from leadbook.page.prose import ticks
from leadbook.page.tables import RISK, badge


def production_banner(target: str) -> str:
    """A red banner that names the servers and the database about to be worked on."""
    return (
        f'<div class="lb-production" style="background:{VERDICT_COLOURS[Verdict.FAIL]};color:#fff;padding:.6em 1em">'
        f"<b>PRODUCTION</b>: {escape(target)}</div>"
    )


def standing(phase: str, checks: Sequence[Check], *, missing: int = 0) -> tuple[Verdict, str]:
    """How a phase stands: its colour and word on the index, and the words of its page and its notebook.

    missing: checks of the phase that were not recorded.
    """
    blocking, risks = blockers(checks), len(accepted(checks))
    if missing or not checks or (blocking and not only_calls_for_a_look(phase, blocking)):
        return Verdict.FAIL, "does not pass"
    if blocking:
        return Verdict.WARN, "calls for a look"
    warnings = sum(check.verdict is Verdict.WARN for check in checks)
    found = ((warnings, "warning"), (risks, "accepted risk"))
    notes = [f"{count} {what}{'s' * (count > 1)}" for count, what in found if count]
    return (Verdict.WARN, f"passes with {' and '.join(notes)}") if notes else (Verdict.PASS, "passes")


def verdict_html(phase: str, title: str, checks: Sequence[Check], *, missing: int = 0) -> str:
    """The verdict of a phase, how many checks found what, and what blocks with its remedy.

    missing: checks of the phase that were not recorded.
    """
    state, words = standing(phase, checks, missing=missing)
    summary = ", ".join(f"{count} {name}" for name, count in tally(checks).items()) or "no check was recorded"
    if missing:
        summary += f"; {len(checks)} of {len(checks) + missing} checks recorded: run the notebook's other cells"
    risks = accepted(checks)
    if risks:
        summary += f"; {len(risks)} of them an accepted risk"
    items = "".join(_to_do(remedy, same) for remedy, same in _by_remedy(blockers(checks)).items())
    items += "".join(f"<li>{_found(c, RISK)} A{escape(c.accepted[1:])}</li>" for c in risks)
    return (
        f'<div class="lb-verdict" style="border-left:.5em solid {VERDICT_COLOURS[state]};padding:.6em 1em;'
        f'margin:1em 0"><div style="font-size:1.3em;font-weight:700">Phase {escape(phase)}, {escape(title)}: '
        f"{words}</div><div>{escape(summary)}</div>{f'<ul>{items}</ul>' if items else ''}</div>"
    )


def _by_remedy(blocking: Iterable[Check]) -> dict[str, list[Check]]:
    """What blocks, by what is to be done, in the order of the first of each."""
    grouped: dict[str, list[Check]] = {}
    for check in blocking:
        grouped.setdefault(check.remedy or "see the evidence", []).append(check)
    return grouped


def _to_do(remedy: str, same: Sequence[Check]) -> str:
    """What is to be done, once, with the checks that wait for it."""
    do = f"<b>Do:</b> {ticks(remedy)}"
    if len(same) == 1:
        return f"<li>{_found(same[0])} {do}</li>"
    return f"<li>{do}<ul>{''.join(f'<li>{_found(check)}</li>' for check in same)}</ul></li>"


def _found(check: Check, risk: str = "") -> str:
    title = f"<b>{escape(check.title)}</b> (<code>{escape(check.id)}</code>)"
    return f"{badge(check.verdict)} {risk} {title}: {ticks(check.evidence)}."
