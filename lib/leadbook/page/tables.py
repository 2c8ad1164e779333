"""Tables as HTML: a caption, columns that are explained, numbers aligned, verdicts as badges.

The markup carries its few needful styles inline, so that it reads the same in JupyterLab, in the report's pages and in
a mail; everything is escaped.
"""

from __future__ import annotations

import numbers
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

from leadbook.core.checks import BLOCKING, Check, Verdict
from leadbook.page.by_hand import details
from leadbook.page.palette import VERDICT_COLOURS
from leadbook.page.prose import absent, heading, number, shown, ticked, unboxed

if TYPE_CHECKING:
    import pandas as pd

LONG_WORD = re.compile(r"\S{20,}")
"""May break at its punctuation: one long identifier or address would push the other columns out of the page."""
ACCEPTED = ", risk accepted"
RISK = "<b>risk accepted</b>"
"""Beside the badge of a check that would block and that somebody has accepted."""
CHECK_COLUMNS: dict[str, str] = {
    "verdict": "what the check found",
    "check": "stable id and what is checked",
    "measured": "what was found here",
    "target": "what is asked for",
    "evidence": "how it is known",
    "steps": "steps of the task book that it answers",
}
"""Columns of `checks_table` and what they mean."""


@dataclass(frozen=True)
class _WithMore:
    """A text with HTML below it. No text itself: pandas would turn it into one."""

    text: str
    more: str


def badge(verdict: Verdict | str) -> str:
    """A verdict as a coloured word; the word tells it, not the colour alone."""
    colour = VERDICT_COLOURS[Verdict(verdict)]
    return (
        f'<span class="lb-badge" style="background:{colour};color:#fff;padding:.1em .55em;border-radius:.7em;'
        f'white-space:nowrap;font-size:.85em;font-weight:600">{escape(str(verdict))}</span>'
    )


def cell(value: Any) -> str:
    """One value as escaped HTML: as `prose.shown` writes it, nothing as a dash, verdicts as badges."""
    if isinstance(value, _WithMore):
        return cell(value.text) + value.more
    if isinstance(value, Verdict):
        return badge(value)
    return ticked(breakable(shown(value, "–")))


def breakable(text: str) -> str:
    """`text` as escaped HTML whose long words may break after punctuation."""
    words = (re.split(r"(?<=[._/,;&?=@])(?=\w)", word) if LONG_WORD.match(word) else [word]
             for word in re.split(r"(\s+)", text))  # fmt: skip
    return "".join("<wbr>".join(map(escape, pieces)) for pieces in words)


def _is_number(value: Any) -> bool:
    value = unboxed(value)
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def _plain_index(dataframe: pd.DataFrame) -> bool:
    index = dataframe.index
    return index.name is None and (len(index) == 0 or type(index).__name__ == "RangeIndex")


def verdict_badge(value: Any) -> str:
    """A verdict in a table as its badge, an accepted risk told below; any other word as it is."""
    verdict, accepted, _ = str(value).partition(ACCEPTED)
    try:
        return badge(Verdict(verdict)) + (f"<br>{RISK}" if accepted else "")
    except ValueError:
        return cell(value)


def render(
    dataframe: pd.DataFrame, title: str, columns: Mapping[str, str] | None = None, *, legend: bool = True
) -> str:
    """HTML of `dataframe` with `title` as its caption; `columns` maps a column's name to what it means.

    A named or textual index is shown as the first column. A column called `verdict` is shown as badges. Columns without
    an explanation are shown all the same.
    """
    columns = columns or {}
    frame = dataframe if _plain_index(dataframe) else dataframe.reset_index()
    names = [str(name) for name in frame.columns]
    rows = list(frame.itertuples(index=False, name=None))
    numeric = [any(_is_number(row[i]) for row in rows) and
               all(_is_number(row[i]) or absent(row[i]) for row in rows) for i in range(len(names))]  # fmt: skip
    head = "".join(_header(name, columns.get(name, ""), right) for name, right in zip(names, numeric, strict=True))
    body = "".join(f"<tr>{_cells(row, names, numeric)}</tr>" for row in rows)
    if not rows:
        body = f'<tr><td colspan="{max(1, len(names))}">nothing to show</td></tr>'
    return _table(title, head, body, {name: columns[name] for name in names if legend and columns.get(name)})


def _header(name: str, meaning: str, right: bool) -> str:
    hint = f' title="{escape(meaning, quote=True)}"' if meaning else ""
    return f'<th scope="col"{hint} style="text-align:{"right" if right else "left"}">{escape(heading(name))}</th>'


def _cells(row: Iterable[Any], names: list[str], numeric: list[bool]) -> str:
    made = []
    for value, name, right in zip(row, names, numeric, strict=True):
        inside = verdict_badge(value) if name.lower() == "verdict" else cell(value)
        style = "text-align:right;font-variant-numeric:tabular-nums" if right else "text-align:left"
        made.append(f'<td data-label="{escape(heading(name), quote=True)}" style="{style}">{inside}</td>')
    return "".join(made)


def _table(title: str, head: str, body: str, meanings: Mapping[str, str]) -> str:
    legend = " · ".join(f"<b>{escape(heading(name))}</b> {escape(meaning)}" for name, meaning in meanings.items())
    legend = f'<p class="lb-legend" style="font-size:.85em;opacity:.8;margin:.3em 0 1em">{legend}</p>' if legend else ""
    return (
        '<div class="lb-table" style="overflow-x:auto"><table>'
        f'<caption style="caption-side:top;text-align:left;font-weight:600;padding:.3em 0">{escape(title)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{legend}</div>"
    )


_ODD_UNITS = {"us": "µs"}
"""Units as people write them."""


def measured_text(check: Check) -> str:
    """The measured value with its unit, as plain text; a dash when there is none."""
    told = shown(check.measured, "–")
    if not _is_number(check.measured) or absent(check.measured):
        return told
    if check.unit == "h" and 0 < check.measured < 1:
        return number(60 * check.measured, "min") if check.measured > 1 / 60 else number(3_600 * check.measured, "s")
    return f"TLS {told}" if check.unit == "TLS" else f"{told} {_ODD_UNITS.get(check.unit, check.unit)}".strip()


def target_text(target: Check | str) -> str:
    """The target for people: `>= 1000.0 documents/s` becomes `≥ 1,000 documents/s`, `>= 1.2 TLS` `TLS 1.2 or newer`;
    of what cannot be more than all, `100 %`."""
    text = (target if isinstance(target, str) else target.target).replace(">=", "≥").replace("<=", "≤")
    text = re.sub(r"(?<![\w.,])\d+(\.\d+)?(?![\w,]|\.\d)", lambda found: number(float(found[0])), text)
    text = re.sub(r"^≥ ([\d.]+) TLS$", r"TLS \1 or newer", text)
    return re.sub(r"(?<=\d) us\b", " µs", "100 %" if text == "≥ 100 %" else text)


def checks_frame(checks: Iterable[Check], names: Mapping[str, Any] | None = None) -> pd.DataFrame:
    """A row a check, with the columns of `CHECK_COLUMNS`; the blocking ones first, then those that are accepted.

    names: settings by key; where given, a check says how to ask the same by hand, folded.
    """
    import pandas as pd  # here: who shows no table does not wait half a second for it

    ordered = sorted(
        checks, key=lambda one: (one.verdict not in BLOCKING, bool(one.accepted), one.verdict is not Verdict.WARN)
    )
    return pd.DataFrame([_check_row(check, names) for check in ordered], columns=list(CHECK_COLUMNS))


def _check_row(check: Check, names: Mapping[str, Any] | None) -> dict[str, Any]:
    evidence, verdict = check.evidence, check.verdict.value
    if check.accepted:
        verdict += ACCEPTED
        evidence = f"{evidence.rstrip('. ')}. A{check.accepted[1:]}".removeprefix(". ")
    elif check.verdict in BLOCKING | {Verdict.WARN} and check.remedy:
        evidence = f"{evidence.rstrip('. ')}. Do: {check.remedy}" if evidence else f"Do: {check.remedy}"
    folded = str(details(check.id, names)) if names else ""
    title = f"{check.id}: {check.title}"
    return {
        "verdict": verdict,
        "check": _WithMore(title, folded) if folded else title,
        "measured": measured_text(check), "target": target_text(check), "evidence": evidence,
        "steps": ", ".join(check.steps),
    }  # fmt: skip


def checks_table(checks: Iterable[Check], *, legend: bool = True, names: Mapping[str, Any] | None = None) -> str:
    """HTML of checks with their verdicts, values, targets, evidence and, where they block, the remedy.

    legend: whether the columns are explained below; a page explains them once.  names: see `checks_frame`.
    """
    return render(checks_frame(checks, names), "Checks", CHECK_COLUMNS, legend=legend)
