"""The DBA's care of a sprint: is all well, what is left over, whose data must go."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from leadbook.cli.app import AsJson, Override, Profile, app, fail, out, print_json, say, settings_of
from leadbook.core.errors import UsageError

if TYPE_CHECKING:
    from leadbook.commands.cleanup import Leftovers


@app.command()
def erase(
    person: Annotated[str, typer.Argument(help="a LinkedIn address or an e-mail address; - reads it from stdin")],
    as_json: AsJson = False,
    profile: Profile = "rehearsal",
    override: Override = None,
) -> None:
    """Remove one person's data and keep that person out: first the plan, in numbers; done with -p approve='erase on
    DATABASE'.

    Give `-` and type the address, or pipe it in, so that it stands neither in the shell's history nor in the list of
    processes. Exit 0 done or planned, 1 something is left.
    """
    from leadbook.commands.erase import erase as take_away

    settings = settings_of(profile, override)
    if person == "-":
        if sys.stdin.isatty():
            say("LinkedIn address or e-mail address of the person:")
        person = sys.stdin.readline().strip()
    if not person:
        raise UsageError("no person given; name a LinkedIn address or an e-mail address, or pipe it in")
    done = take_away(settings, person)
    if as_json:
        print_json(done)
        raise typer.Exit(0 if done.clean else 1)
    table = Table("what is stored of this person", "before" if done.left else "now", *(["left"] if done.left else []))
    for name, meaning in _TRACES.items():
        counts = [getattr(one, name) for one in (done.plan, done.left) if one is not None]
        table.add_row(meaning, *("unknown, Redis is away" if count is None else f"{count:,}" for count in counts))
    out.print(table)
    for line in done.elsewhere:
        say(f"- {line}")
    if done.next:
        say(done.next)
    elif done.clean:
        copies = f"; {done.copies} scratch collections and copies there may hold the person" if done.copies else ""
        say(f"done: nothing of this person is left on the servers{copies}; the list of requests keeps the person out")
        if count := len(done.backups):
            say(f"{count} backups on this machine hold, or may hold, the person until they are deleted: see above")
    else:
        fail("not all could be removed: workers hold records still, or Redis is away; run it again", 1)


_TRACES = {
    "leads": "leads, to be deleted",
    "staged": "staged records, to be stripped and counted as rejected",
    "rejected": "rejected records, to be stripped",
    "mentions": "records of others that name this person, to be left without the name",
    "keys": "keys in Redis, to be deleted",
}


@app.command()
def cleanup(as_json: AsJson = False, profile: Profile = "rehearsal", override: Override = None) -> None:
    """Remove what trials and killed sessions left: scratch and restored collections, Redis keys, a profiler that is on.

    First the plan; done with -p approve='cleanup on DATABASE'. Exit 0 done, planned or nothing to do, 1 something is
    left.
    """
    from leadbook.commands.cleanup import cleanup as tidy

    done = tidy(settings_of(profile, override))
    if as_json:
        print_json(done)
    else:
        _print_leftovers(done.plan if done.left is None else done.left, done.done)
        say(done.next or ("nothing to clean up" if done.left is None else "done"))
    raise typer.Exit(1 if done.left is not None and done.left.found else 0)


def _print_leftovers(found: Leftovers, done: tuple[str, ...]) -> None:
    for line in done:
        say(f"- {line}")
    for kind, things in (
        ("not put back", found.sessions), ("scratch collection", found.scratch), ("restored copy", found.copies),
        ("backup", found.backups), ("stays", found.spared),
    ):  # fmt: skip
        for thing in things:
            say(f"{kind}: {thing}")
    if found.keys is None:
        say("Redis is away: keys that trials left there expire by themselves")
    elif found.keys:
        say(f"Redis keys: {found.keys}")


@app.command()
def doctor(as_json: AsJson = False, profile: Profile = "rehearsal", override: Override = None) -> None:
    """Tell what is set, what answers and what is missing, in the order to mend it. Reads only.

    Exit 0 all is well, 1 something is to be mended, 2 misuse.
    """
    from leadbook.commands.doctor import examine as doctors

    settings = settings_of(profile, override)
    found = doctors.examine(settings)
    if as_json:
        print_json(found)
    else:
        for one in found:
            say(f"{one.state:8} {one.about}: {one.text}" + (f"\n{'':9}-> {one.todo}" if one.todo else ""))
        say(doctors.next_command(found, settings))
    raise typer.Exit(1 if any(one.state == "problem" for one in found) else 0)


@app.command()
def roles(
    form: Annotated[str, typer.Option("--as", help="mongosh: commands to paste; atlas: curl commands")] = "mongosh",
    only: Annotated[str, typer.Option("--only", metavar="NAME", help="one role: application, pipeline, …")] = "",
    as_json: AsJson = False,
    profile: Profile = "rehearsal",
    override: Override = None,
) -> None:
    """Print custom roles of least privilege and their users: application, pipeline, reporting, dba, monitor. Connects
    to nothing.

    mongosh asks for each password; curl takes keys and passwords from the environment. docs/roles.md tells which phase
    needs which privilege.
    """
    from leadbook.provision import role_texts
    from leadbook.provision.roles import named

    settings = settings_of(profile, override)
    names = {"database": settings.database, "collection": settings.collection,
             "staging_collection": settings.staging_collection}  # fmt: skip
    if form not in ("mongosh", "atlas"):
        raise UsageError(f"--as must be mongosh or atlas, not {form!r}")
    project, cluster = settings.atlas_project or "${ATLAS_PROJECT}", settings.atlas_cluster
    if not as_json:
        say(role_texts.heading(form, named(only), settings.database, settings.profile, settings.atlas_project) + "\n")
    for role in named(only):
        if as_json:
            made = {"createRole": role.name, "privileges": role.granted(names), "roles": []}
            print_json(role_texts.atlas_role(role, names) if form == "atlas" else made)
        elif form == "atlas":
            say(role_texts.curl(role, names, project=project, cluster=cluster) + "\n")
        else:
            say(role_texts.mongosh(role, names) + "\n")


@app.command()
def version(
    profile: Annotated[
        str, typer.Option("--profile", "-P", help="also tell the releases of this profile's servers")
    ] = "",
) -> None:
    """Tell which leadbook this is: release, digest of its code, Python, drivers; with --profile the servers', too."""
    from leadbook.commands import about

    told = about.versions() | (about.of_servers(settings_of(profile)) if profile else {})
    for name, value in told.items():
        say(f"{name}: {value}")


@app.command()
def status(as_json: AsJson = False, profile: Profile = "rehearsal", override: Override = None) -> None:
    """Tell in ten lines where the sprint stands: verdicts, leads, staging, followers, backup, and what to do next.

    Exit 0; 1 where a rehearsal's own servers are down and no others are named; 2 where nobody answers.
    """
    from leadbook.commands import sprint
    from leadbook.rehearsal import servers

    settings = settings_of(profile, override)
    own = "" if servers.all_named(settings) else servers.told()
    if own and settings.is_rehearsal and "down" in own:
        say(own)
        raise typer.Exit(1)
    standing = sprint.status(settings)
    if as_json:
        print_json(standing)
        return
    for line in (*sprint.lines(standing), *([own] if own else [])):
        say(line)
