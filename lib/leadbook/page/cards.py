"""The closing verdict of a phase as a card of HTML. Styles are inline: a notebook cell has no stylesheet of its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape

from leadbook.core.checks import Check, Verdict, only_calls_for_a_look
from leadbook.page.palette import VERDICT_COLOURS
from leadbook.page.prose import ticks
from leadbook.page.tables import RISK, badge


def production_banner(target: str) -> str:
    """A red banner that names the servers and the database about to be worked on."""
    return (
        f'<div class="lb-production" style="background:{VERDICT_COLOURS[Verdict.FAIL]};color:#fff;padding:.6em 1em">'
        f"<b>PRODUCTION</b>: {escape(target)}</div>"
    )


def verdict_html(
    phase: str, title: str, verdict: str, counts: Mapping[str, int], blocking: Iterable[Check],
    risks: Sequence[Check] = (), *, missing: int = 0,
) -> str:  # fmt: skip
    """The verdict of a phase (`pass` or `fail`), how many checks found what, and what blocks with its remedy.

    risks: checks that block no more, since somebody accepts that.  missing: checks of the phase that were not recorded.
    """
    blocking = list(blocking)
    passes, looks = verdict == Verdict.PASS.value, not missing and only_calls_for_a_look(phase, blocking)
    word = "passes" if passes else "calls for a look" if looks else "does not pass"
    shade = Verdict.FAIL if word == "does not pass" else Verdict.WARN if risks or not passes else Verdict.PASS
    colour = VERDICT_COLOURS[shade]
    summary = ", ".join(f"{count} {name}" for name, count in counts.items()) or "no check was recorded"
    if missing:
        recorded = sum(counts.values())
        summary += f"; {recorded} of {recorded + missing} checks recorded: run the notebook's other cells"
    if risks:
        summary += f"; {len(risks)} of them an accepted risk"
    items = "".join(_to_do(remedy, same) for remedy, same in _by_remedy(blocking).items())
    items += "".join(f"<li>{_found(c, RISK)} A{escape(c.accepted[1:])}</li>" for c in risks)
    return (
        f'<div class="lb-verdict" style="border-left:.5em solid {colour};padding:.6em 1em;margin:1em 0">'
        f'<div style="font-size:1.3em;font-weight:700">Phase {escape(phase)}, {escape(title)}: {word}</div>'
        f"<div>{escape(summary)}</div>{f'<ul>{items}</ul>' if items else ''}</div>"
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
