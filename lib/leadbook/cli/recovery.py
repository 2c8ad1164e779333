"""Leads that are missing come back."""

from __future__ import annotations

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
    was approved, 2 when it ended early: run it again then.
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
    _ended(told, as_json)
    if told["done"] is None and told["plan"]["come_back"] and not as_json:
        say(f"Nothing was changed. To do it, give the same command once more with: -p approve='{told['approval']}'")
    if told["done"]["still_missing"] if told["done"] else told["plan"]["missing"]:
        raise typer.Exit(1)


def _plan(plan: dict[str, Any]) -> None:
    for line in plan["notes"]:
        say(line)
    table = Table("leads", "", "count", title="missing leads")
    for witness, known in plan["known"].items():
        called = f"backup {plan['backup']}" if witness == "backup" else "staged records"
        table.add_row(called, "stored once", f"{known:,}")
        table.add_row("", "missing", f"{plan['missing_by_witness'][witness]:,}")
    table.add_row("together", "missing", f"{plan['missing']:,}")
    _rows(table, "come back", {f"from {way}": count for way, count in plan["come_back"].items()})
    _rows(table, "stay missing", plan["stay_missing"])
    table.add_row("erased persons", "stay out", f"{plan['erased']:,}")
    out.print(table)


def _ended(told: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(told)
    elif told["plan"]["missing"] == 0:
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
