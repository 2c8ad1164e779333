"""The live dashboard of a terminal: fits 80 columns and 24 lines, uses more where there are more.

Every state stands there as a word; colour only repeats it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from textwrap import wrap

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from leadbook.page.prose import with_profile
from leadbook.phases.live.drawn import words
from leadbook.phases.live.records import Finding, LiveView
from leadbook.phases.live.view import growth, segments

WIDE = 120
"""Columns from which a second column stands beside the first."""
STYLES = {
    "HEALTHY": "bold white on green4", "ATTENTION": "bold black on yellow", "CRITICAL": "bold white on red3",
    words.GOOD: "green", words.ATTENTION: "yellow", words.CRITICAL: "bold red", words.UNKNOWN: "magenta",
}  # fmt: skip
BARS = "▁▂▃▄▅▆▇█"
FEW_FACTS = 3


def screen(view: LiveView) -> RenderableType:
    """What a terminal shows of a view; as wide and as high as the console that prints it."""
    return _Screen(view)


class _Screen:
    def __init__(self, view: LiveView) -> None:
        self.view = view

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width, height = options.max_width, options.height or console.size.height
        if width < WIDE:
            below = [*_health(self.view), *_below(self.view)]
            yield from _fitted(_column(self.view, width, height - 1, below), height - 1)
            return
        left, right = _column(self.view, width * 3 // 5, height - 1, _below(self.view)), list(_right(self.view))
        grid = Table.grid(padding=(0, 2), expand=True)
        grid.add_column(ratio=3, no_wrap=True, overflow="ellipsis")
        grid.add_column(ratio=2, no_wrap=True, overflow="ellipsis")
        rows = min(height - 1, max(len(left), len(right)))
        for row in range(rows):
            grid.add_row(*(lines[row] if row < len(lines) else "" for lines in (left, right)))
        yield grid


def _fitted(lines: Sequence[Text], height: int) -> Iterator[Text]:
    for line in lines[:height]:
        line.no_wrap, line.overflow = True, "ellipsis"
        yield line


def _column(view: LiveView, width: int, height: int, below: Sequence[Text]) -> list[Text]:
    """Verdict, progress and what to do now in what room is left above `below`."""
    above = [*_head(view), *_progress(view, width)]
    return [*above, *_now(view, width, max(2, height - len(above) - len(below))), *below]


def _right(view: LiveView) -> Iterator[Text]:
    yield Text("Health", "bold")
    for part in words.health(view):
        yield _state(part)
        facts = [f"{label} {value}" for label, value in part.facts]
        for at in range(0, len(facts), FEW_FACTS):
            yield Text("   " + ", ".join(facts[at : at + FEW_FACTS]), "dim")
    yield Text("Collectors", "bold")
    for row in words.collectors(view):
        told = Text(f" {row.workflow:<18} {row.in_hour:>6} last hour, {row.last}")
        if row.silent:
            told.append("  SILENT", STYLES[words.ATTENTION])
        yield told


def _head(view: LiveView) -> list[Text]:
    first = Text.assemble((f" {view.verdict} ", STYLES.get(view.verdict, "reverse")), " ", (view.whose, "bold"),
                          f"  {view.at:%H:%M:%S} UTC, every {words.duration(view.snapshot.interval_s)}")  # fmt: skip
    lost = len(words.undelivered(view))
    warned = [Text(f"messages that could not be delivered: {lost}; people may not know", "bold red")] if lost else []
    return [first, Text(view.target, "dim"), *warned]


def _progress(view: LiveView, width: int) -> list[Text]:
    stored, room = words.leads(view), max(10, width - 32)
    done = round(room * words.share(view) / 100)
    bar = Text.assemble(("█" * done, "blue"), ("░" * (room - done), "dim"), f" {stored:,} of {view.wanted:,} leads")
    lines = [bar, *(Text(words.milestone(one, view.forecast)) for one in view.forecast.milestones)]
    told = f"now {words.rate(view.forecast)}; {words.backlog(view)}"
    return [*lines, Text(told), Text(_curve(view, min(60, width - 12)), "blue")]


def _curve(view: LiveView, places: int) -> str:
    """The rate so far in block characters, `·` where nothing was read."""
    pieces = growth(segments(view, "sprint.leads"), 3600)
    values: list[float | None] = []
    for piece in pieces:
        values += [*([None] if values else []), *(value for _, value in piece)]
    values = values[-places:]
    most = max((value for value in values if value is not None), default=0)
    if not most:
        return "rate so far: nothing yet"
    return "rate so far " + "".join(
        "·" if value is None else BARS[min(7, int(8 * value / most))] for value in values
    )  # fmt: skip


def _now(view: LiveView, width: int, room: int) -> list[Text]:
    """What to do in `room` lines: the gravest with all its words, of the others the title at least, while they fit."""
    title = Text.assemble(("What to do now", "bold"), "" if view.findings else ": nothing, no rule has fired")
    lines, left = [title], len(view.findings)
    for one in view.findings:
        free = room - len(lines)
        if free <= 1 and left > 1:
            return [*lines, Text(f"and {left} more: see the page", STYLES[words.ATTENTION])]
        left -= 1
        told = list(_finding(view, one, width))
        fits = max(1, free - left)
        # a remedy is told whole or not at all: half a command must not be pasted
        lines += told[:fits] if fits >= len(told) - 1 else told[:1]
    return lines


def _finding(view: LiveView, one: Finding, width: int) -> Iterator[Text]:
    style = STYLES[words.CRITICAL if one.level >= words.WORST else words.ATTENTION]
    answered = words.answered(view, one)
    yield Text.assemble((f"[{words.level(one)}] ", style), (words.headline(one), "bold"),
                        (f"  {answered}" if answered else "", STYLES[words.GOOD]),
                        (f"  {words.since(one, view.at)}", "dim"))  # fmt: skip
    told = f"do ({one.owner}): {with_profile(one.remedy, view.profile)}"
    yield from (Text(line) for line in wrap(told, width - 1, initial_indent="  ", subsequent_indent="  "))
    yield Text(f"  {words.seen(one)}", "dim")


def _state(part: words.Part) -> Text:
    return Text.assemble(f" {part.name:<9}", (f"{part.state:<15}", STYLES[part.state]), part.why)


def _health(view: LiveView) -> Iterator[Text]:
    for part in words.health(view):
        told = _state(part)
        if not part.why:
            told.append(", ".join(f"{label} {value}" for label, value in part.facts[:FEW_FACTS]), "dim")
        yield told


def _below(view: LiveView) -> list[Text]:
    lines = []
    rows = words.collectors(view)
    silent = [row.workflow for row in rows if row.silent]
    said = f"; SILENT: {', '.join(silent)}" if silent else ""
    told = f"{len(rows)} collectors{said}" if rows else f"collectors {words.UNKNOWN}"
    lines.append(Text.assemble(told, style="" if rows and not silent else STYLES[words.ATTENTION]))
    if view.forecast.headroom:
        first = view.forecast.headroom[0]
        used, hit = words.headroom(first, view)
        lines.append(Text(f"first limit: {first.name}, {used}, {hit}"))
    counts = [
        ("not judged", view.unknown),
        ("alerts open", [one for one in view.alerts if one.get("kind") == "alert"]),
        ("gaps in the series", view.gaps),
    ]
    told = ", ".join(f"{name}: {len(held)}" for name, held in counts)
    lines.append(Text(f"{told}; Ctrl-C ends the watch", "dim"))
    return lines
