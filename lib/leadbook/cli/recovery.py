"""Leads that are missing come back."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from leadbook.cli.app import AsJson, Override, Profile, app, out, print_json, say, settings_of


@app.command()
def recover(
    source: Annotated[str, typer.Option("--from", help="staging, backup, or both: the backup first, staging the rest")],
    backup: Annotated[
        Path | None, typer.Option(help="folder of one backup; else the newest sound one of these leads")
    ] = None,
    vendor: Annotated[str, typer.Option(help="of staged records that name none")] = "",
    as_json: AsJson = False,
    profile: Profile = "rehearsal",
    override: Override = None,
) -> None:
    """Say which leads are missing and from where they can come back; do it once `-p approve='recover on DATABASE'` is
    given.

    Nothing that is stored is overwritten, and nobody comes back who asked for erasure. What enrichment or a CRM run
    added to a lead is in backups only. Exit 0 when none is missing, 1 when leads are missing still, also where nothing
    was approved, and where a backup of a dropped collection holds leads that are not here: the last line names it, as
    nothing is taken from such a one until you name it. Exit 2 when it ended early: run it again then.
    """
    from leadbook.commands import recover as commands
    from leadbook.commands.leads import IncompleteError

    settings = settings_of(profile, override)
    try:
        told = commands.recover(settings, source, backup=backup, vendor=vendor,
                                show=lambda told: None if as_json else _plan(told["plan"]))  # fmt: skip
    except IncompleteError as error:
        if error.ledger:
            _ended(error.ledger, as_json)
        raise
    doubted = _doubted(told)
    told["next"] = _command(doubted["backup"], vendor, profile, override or []) if doubted else ""
    _ended(told, as_json)
    if doubted and not as_json:
        _say_doubt(doubted, told["next"])
    elif told["done"] is None and told["plan"]["come_back"] and not as_json:
        say(f"Nothing was changed. To do it, give the same command once more with: -p approve='{told['approval']}'")
    if doubted or (told["done"]["still_missing"] if told["done"] else told["plan"]["missing"]):
        raise typer.Exit(1)


def _doubted(told: dict[str, Any]) -> dict[str, Any] | None:
    """The newest backup of a dropped collection that holds missing leads: as long as nothing was done any, as it gives
    them back as they were; then those that nothing else has brought back."""
    key = "missing_elsewhere" if told["done"] else "missing"
    return next((one for one in told["plan"]["dropped"] if one[key]), None)


def _command(backup: str, vendor: str, profile: str, override: list[str]) -> str:
    """That shows what a backup brings back. Without an approval: that was given for another plan."""
    words = ["leadbook", "recover", "--profile", profile, "--from", "both", "--backup", backup]
    words += ["--vendor", vendor] if vendor else []
    words += [word for one in override if not one.startswith("approve=") for word in ("-p", one)]
    return shlex.join(words)


def _say_doubt(doubted: dict[str, Any], command: str) -> None:
    name = Path(doubted["backup"]).name
    say(f"{name} is of another collection of that name, on servers of these names. Nothing is taken from it until you "
        "name it. Was that collection dropped on purpose (a trial's)? Then name the backup that counts.")  # fmt: skip
    say(f"Not known whether leads are lost: {doubted['missing']:,} of the {doubted['leads']:,} in {name} are not here, "
        f"{doubted['missing_elsewhere']:,} of them are nowhere else. See what it brings back: {command}")  # fmt: skip


def _plan(plan: dict[str, Any]) -> None:
    for line in plan["notes"]:
        say(line)
    table = Table("leads", "", "count", title="missing leads")
    for witness, known in plan["known"].items():
        called = f"backup {plan['backup']}" if witness == "backup" else "staged records"
        table.add_row(called, "stored once", f"{known:,}")
        table.add_row("", "missing", f"{plan['missing_by_witness'][witness]:,}")
    for one in plan["dropped"]:
        table.add_row(f"backup {Path(one['backup']).name}, of a dropped collection", "stored once", f"{one['leads']:,}")
        table.add_row("", "missing, not in this plan", f"{one['missing_elsewhere']:,}")
    table.add_row("together", "missing", f"{plan['missing']:,}")
    _rows(table, "come back", {f"from {way}": count for way, count in plan["come_back"].items()})
    _rows(table, "stay missing", plan["stay_missing"])
    table.add_row("erased persons", "stay out", f"{plan['erased']:,}")
    out.print(table)


def _ended(told: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(told)
    elif told["plan"]["missing"] == 0:
        if not _doubted(told):
            say("No lead is missing.")
    elif told["done"]:
        done, table = told["done"], Table("leads", "", "count", title="recovery")
        _rows(table, "restored", {f"from {way}": count for way, count in done["restored"].items()})
        table.add_row("already there", "", f"{done['already_there']:,}")
        _rows(table, "still missing", done["still_missing"])
        if done["requests"]:
            table.add_row("erasure requests", "back on the list", f"{done['requests']:,}")
        out.print(table)


def _rows(table: Table, name: str, counts: dict[str, int]) -> None:
    for part, count in counts.items() or [("", 0)]:
        table.add_row(name, part, f"{count:,}")
