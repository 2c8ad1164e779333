"""The watch of a live sprint."""

from __future__ import annotations

import json
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Group
from rich.live import Live
from rich.text import Text

from leadbook.cli.app import Override, Profile, app, err, notice, say, settings_of
from leadbook.core.errors import UsageError

if TYPE_CHECKING:
    from leadbook.commands.watching.watch import Turn

MOST_NOTICES = 3


@app.command()
def watch(
    every: Annotated[str, typer.Option(help="interval, such as 30s, 5m; empty: watch_every_s")] = "",
    until: Annotated[str, typer.Option(help="end then: 18:00, 2026-12-01T18:00Z, or after 8h")] = "",
    once: Annotated[bool, typer.Option("--once", help="one snapshot, then end")] = False,
    check: Annotated[bool, typer.Option("--check", help="only tell whether the watch lives, for cron")] = False,
    alert: Annotated[bool, typer.Option("--alert", help="with --check: tell people where it stands still")] = False,
    page: Annotated[Path | None, typer.Option(help="keep a live page in this file")] = None,
    serve: Annotated[int | None, typer.Option(min=1, max=65535, help="serve the page on this loopback port")] = None,
    metrics: Annotated[int | None, typer.Option(min=1, max=65535, help="serve Prometheus metrics on this port")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="an object a snapshot, on standard error")] = False,
    reports: Annotated[bool, typer.Option("--reports/--no-reports", help="run notebook 08 each hour")] = True,
    profile: Profile = "rehearsal",
    override: Override = None,
) -> None:
    """Watch the live sprint until a moment or a signal: terminal, live page, hourly report, alerts. Reads only.

    Exit 0 ended in order, 2 could not begin. `--check`: 0 fresh and not CRITICAL, 1 CRITICAL, 2 stale or absent.
    """
    from leadbook.commands.watching import watch as commands
    from leadbook.watch.moments import seconds_of

    settings = settings_of(profile, override)
    if check:
        _refuse_beside_check(every=every, until=until, once=once, page=page, serve=serve, metrics=metrics, json=as_json)
        pulse = commands.check(settings, alert=alert)
        say(pulse.line)
        raise typer.Exit(pulse.status)
    if alert and not check:
        raise UsageError("--alert goes with --check; a running watch alerts by itself with -p alerts=true")
    if serve is not None and serve == metrics:
        raise UsageError("--serve and --metrics need ports of their own")
    every_s = seconds_of(every, "--every") if every else settings.watch_every_s
    asked = commands.WatchOptions(every_s=every_s, until=until, once=once, page=page, serve=serve, metrics=metrics,
                           reports=reports)  # fmt: skip
    with _Shown(as_json=as_json, live=err.is_terminal and not once and not as_json) as shown:
        commands.watch(settings, asked, told=shown.turn, notice=shown.notice)


def _refuse_beside_check(**given: object) -> None:
    """Raise UsageError where `--check` was given an option that it would not heed."""
    if unheeded := [f"--{name}" for name, value in given.items() if value]:
        raise UsageError(f"--check only tells whether the watch lives: leave {', '.join(unheeded)} out")


class _Shown:
    """What a watch says meanwhile, on standard error: a dashboard on a terminal, else a line a snapshot."""

    def __init__(self, *, as_json: bool, live: bool) -> None:
        self.as_json, self.wants_live = as_json, live
        self._live: Live | None = None
        self._drawn: Any = Text("the first snapshot is being read …")
        self._notices: list[str] = []
        self._last = ""
        self._stack = ExitStack()

    def __enter__(self) -> _Shown:
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()
        if self._live is not None and self._last:
            print(self._last, file=sys.stderr, flush=True)  # noqa: T201

    def notice(self, line: str) -> None:
        """What a person should know."""
        if self._live is not None:
            self._notices = [*self._notices, line][-MOST_NOTICES:]
            self._draw()
        elif self.as_json:
            print(json.dumps({"notice": line}), file=sys.stderr, flush=True)  # noqa: T201
        else:
            notice(line)

    def turn(self, turn: Turn) -> None:
        """A snapshot."""
        from leadbook.commands.watching.parts import screen

        self._last = json.dumps(turn.as_dict()) if self.as_json else turn.line
        drawn = screen(turn.view) if self.wants_live and turn.view is not None else None
        if drawn is None:
            print(self._last, file=sys.stderr, flush=True)  # noqa: T201
            return
        if self._live is None:
            self._live = self._stack.enter_context(Live(console=err, screen=True, auto_refresh=False))
        self._drawn = drawn
        self._draw()

    def _draw(self) -> None:
        if self._live is not None:
            said = [Text(line, style="yellow") for line in self._notices]
            self._live.update(Group(*said, self._drawn), refresh=True)
