"""Servers: those of a rehearsal, and databases of others that are adopted for one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from leadbook.cli.app import Members, Profile, app, err, out, say, settings_of

if TYPE_CHECKING:
    from leadbook.rehearsal.servers.state import State


@app.command()
def up(profile: Profile = "rehearsal", members: Members = None) -> None:
    """Start the rehearsal servers (or find them again): a TLS replica set with users, and Redis."""
    from leadbook.rehearsal import servers

    settings = settings_of(profile, members=members)
    settings.refuse_in_production("start rehearsal servers")
    with err.status("starting rehearsal servers"):
        state = servers.up(settings)
    _print_servers(state)


def _print_servers(state: State) -> None:
    table = Table("server", "address", "pid", "state", title="rehearsal servers")
    for process in state.processes:
        life = "running" if process.alive else "dead; `leadbook up` restarts it"
        table.add_row(process.name, f"127.0.0.1:{process.port}", str(process.pid), life)
    out.print(table)
    say(f"CA certificate: {state.ca_file}\nstate: {state.folder}")


@app.command()
def down() -> None:
    """Stop the rehearsal servers and remove their data."""
    from leadbook.rehearsal import servers

    out.print("stopped" if servers.down() else "nothing to stop")


@app.command()
def adopt(
    database: Annotated[str, typer.Argument(help="a database that does not exist yet, on the servers you have named")],
    profile: Profile = "rehearsal",
) -> None:
    """Create an empty database for rehearsals on servers named by the environment; elsewhere there they are refused."""
    from leadbook.rehearsal import adoption

    mark = adoption.adopt(settings_of(profile, database=database))
    where = f"{database} on {mark['replica_set']} ({', '.join(mark['hosts'])})"
    say(
        f"{where} is a rehearsal's since {mark['adopted_at']}; "
        f"run there with: leadbook run --profile {profile} -p database={database}"
    )
