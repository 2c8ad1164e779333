"""Alerts: what is open, a test message, an answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from leadbook.cli.app import AsJson, Override, Profile, app, print_json, say, settings_of

if TYPE_CHECKING:
    from leadbook.alerts.records import Delivery
    from leadbook.core.settings import Settings


@app.command()
def alerts(
    test: Annotated[bool, typer.Option("--test", help="send a test message to each address")] = False,
    as_json: AsJson = False,
    profile: Profile = "rehearsal",
    override: Override = None,
) -> None:
    """Tell which alerts are open, who was told, what could not be delivered; --test tries every address.

    Nothing is sent without `-p alerts=true`: a dry run tells what would be. Exit 1 where something cannot be delivered,
    or not to everybody.
    """
    from leadbook.commands import ack as commands

    settings = settings_of(profile, override)
    if test:
        _tested(settings, commands.try_all(settings), commands.trial_message(settings)[1], as_json)
        return
    found = commands.alerting(settings)
    if as_json:
        print_json(found)
        raise typer.Exit(1 if found.troubled else 0)
    for level, names in found.channels.items():
        say(f"{level}: {', '.join(names) or 'nobody'}")
    for one in found.entries:
        say(_line(one))
    if not any(one["kind"] == "alert" for one in found.entries):
        say("no alert is open")
    for one in found.past[-5:]:
        say(f"over: {one['title']} [{one['key']}], {one['since'][:16]} to {one['over'][:16]}")
    raise typer.Exit(1 if found.troubled else 0)


def _line(one: dict[str, Any]) -> str:
    if one["kind"] != "alert":
        return str(one["title"])
    return f"open since {one['at'][:16]}: {one['title']} [{one['key']}], {one['state']}"


def _tested(settings: Settings, found: dict[str, Delivery | None], text: str, as_json: bool) -> None:
    words = {name: _word(delivery) for name, delivery in found.items()}
    if as_json:
        print_json({"sent": settings.alerts, "channels": words, "text": text})
    else:
        if not settings.alerts:
            say("dry run, nothing is sent; to send it: -p alerts=true. This would be sent:")
            say(text)
        for name, word in words.items():
            say(f"{name}: {word}")
    raise typer.Exit(1 if any(one is not None and not one.is_whole for one in found.values()) else 0)


def _word(delivery: Delivery | None) -> str:
    if delivery is None:
        return "would be sent"
    if delivery.is_whole:
        return "delivered"
    return f"{'PARTLY' if delivery.delivered else 'NOT'} delivered: {delivery.reason}"


@app.command()
def ack(
    key: Annotated[str, typer.Argument(help="the alert's key, as its message and `leadbook alerts` tell it")],
    by: Annotated[str, typer.Option("--by", help="who answers; empty: the user of this machine")] = "",
    lasts: Annotated[str, typer.Option("--for", help="how long it holds, 30m or 2h; else until it is over")] = "",
    profile: Profile = "rehearsal",
    override: Override = None,
) -> None:
    """Answer an alert: nobody else is told, unless it gets graver or the time is over. On the machine of the watch."""
    from leadbook.commands import ack as commands
    from leadbook.watch.moments import seconds_of

    say(commands.ack(settings_of(profile, override), key, by=by, seconds=seconds_of(lasts, "--for") if lasts else None))
