"""The `leadbook` command. Each command parses its words, calls one function of the library and prints one result.

Exit status: 0 done (for `run`: GO), 1 NO-GO, 2 broken or misused. Errors are one line on standard error; whatever goes
wrong in leadbook itself, or is missing on the machine, is 2, never 1.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

from leadbook.core.errors import DEBUG, LeadbookError, UsageError, missing_package

try:
    import typer
    from rich.console import Console
    from rich.table import Table

    from leadbook.core.redactor import Redactor
    from leadbook.core.settings import PROJECT, Settings, load_profile, origins, parse_override
except ImportError as absent:  # nothing is there yet to say it with
    sys.stderr.write(f"leadbook: {missing_package(absent)}\n")
    sys.exit(2)

if TYPE_CHECKING:
    from leadbook.rehearsal.servers.state import State

app = typer.Typer(
    help="A runbook you can run: provisioning, schema, benchmarks, pipeline, load test, backup, readiness, monitoring.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
out, err = Console(), Console(stderr=True)

Profile = Annotated[str, typer.Option("--profile", "-P", help="rehearsal, ci, production, or a YAML file")]
Members = Annotated[int | None, typer.Option(help="members of the rehearsal replica set; 1 for a small machine")]
AsJson = Annotated[bool, typer.Option("--json", help="print the ledger as one JSON object")]
Override = Annotated[
    list[str] | None, typer.Option("-p", metavar="KEY=VALUE", help="override one parameter; repeatable")
]


def _values(profile: str, overrides: list[str] | None, **flags: Any) -> dict[str, Any]:
    """Profile, then `-p` overrides, then flags given. Raises ParameterError."""
    given = {key: value for key, value in flags.items() if value is not None}
    return {**load_profile(profile), **dict(map(parse_override, overrides or [])), **given}


def _settings(profile: str, overrides: list[str] | None = None, **flags: Any) -> Settings:
    """The same as settings, checked. Raises ParameterError."""
    return Settings.from_mapping(_values(profile, overrides, **flags))


def _say(line: str) -> None:
    """One result on standard output, as it is."""
    out.print(line, highlight=False, markup=False, soft_wrap=True)


@app.command()
def run(
    profile: Profile = "rehearsal",
    only: Annotated[str | None, typer.Option(help="run one phase, such as 03")] = None,
    start: Annotated[str | None, typer.Option("--from", help="run from this phase on, such as 05")] = None,
    out_dir: Annotated[Path | None, typer.Option("--out", help="where the run's directory is made")] = None,
    members: Members = None,
    keep_as: Annotated[Path | None, typer.Option("--keep-as", help="copy the finished run to this folder")] = None,
    override: Override = None,
) -> None:
    """Run the notebooks in order and write the report. Exit 0 GO, 1 NO-GO, 2 broken or misused.

    A whole run is reports/latest from its first moment on; a part of the chain (--only, --from) is
    reports/latest-partial and never says GO.
    """
    from leadbook.rehearsal.workplace import Workplace
    from leadbook.report.index import target_text
    from leadbook.runner import chain, keep

    values = _values(profile, override, members=members)
    settings = Settings.from_mapping(values)
    if settings.lead_files:  # else pandas and its like would be loaded for nothing
        from leadbook.phases.p04.inputs import named_files

        named_files(settings)
    if keep_as is not None:
        keep.refuse_target(keep_as)
    with Workplace(settings, "leadbook run", err, phases_tell=True) as rehearsal:
        result = chain.run(values, only=only, start=start, out=out_dir, secrets=rehearsal.secrets,
                           on_exit=rehearsal.stop, console=err)  # fmt: skip
    _say(f"{result.verdict}: {result.reason}")
    _say(f"target: {target_text(result.record)}")
    if result.index is not None:
        _say(f"report: {result.index}")
    if keep_as is not None and result.exit_status == 0:
        keep.keep(result.directory, keep_as)
        _say(f"kept as: {keep_as}")
    raise typer.Exit(result.exit_status)


@app.command(name="settings")
def show_settings(profile: Profile = "rehearsal", override: Override = None) -> None:
    """Print every parameter in force, where its value came from and what it means: lines that a profile can hold."""
    for key, (value, origin) in origins(profile, dict(map(parse_override, override or []))).items():
        held = f" ({'set' if os.environ.get(str(value)) else 'not set'})" if key.endswith("_env") else ""
        line = f"{key}: {json.dumps(value)}  # {origin}: {Settings.model_fields[key].description}{held}"
        _say(line)


@app.command()
def up(profile: Profile = "rehearsal", members: Members = None) -> None:
    """Start the rehearsal servers (or find them again): a TLS replica set with users, and Redis."""
    from leadbook.rehearsal import servers

    settings = _settings(profile, members=members)
    settings.refuse_in_production("start rehearsal servers")
    with err.status("starting rehearsal servers"):
        state = servers.up(settings)
    _print_servers(state)


@app.command()
def status() -> None:
    """Show the rehearsal servers. Exit 0 when they are up, 1 when not."""
    from leadbook.rehearsal import servers

    state = servers.status()
    if state is None:
        out.print("rehearsal servers are down; `leadbook up` starts them")
        raise typer.Exit(1)
    _print_servers(state)


def _print_servers(state: State) -> None:
    table = Table("server", "address", "pid", "state", title="rehearsal servers")
    for process in state.processes:
        life = "running" if process.alive else "dead; `leadbook up` restarts it"
        table.add_row(process.name, f"127.0.0.1:{process.port}", str(process.pid), life)
    out.print(table)
    _say(f"CA certificate: {state.ca_file}\nstate: {state.folder}")


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

    mark = adoption.adopt(_settings(profile, database=database))
    where = f"{database} on {mark['replica_set']} ({', '.join(mark['hosts'])})"
    _say(
        f"{where} is a rehearsal's since {mark['adopted_at']}; "
        f"run there with: leadbook run --profile {profile} -p database={database}"
    )


@app.command()
def ingest(
    files: Annotated[list[Path] | None, typer.Argument(help="vendor files")] = None,
    vendor: Annotated[str | None, typer.Option(help="name of a file in params/vendors")] = None,
    staged: Annotated[bool, typer.Option("--staged", help="drain the staging collection instead of files")] = False,
    follow: Annotated[bool, typer.Option("--follow", help="with --staged: stay, and take what arrives")] = False,
    as_json: AsJson = False,
    profile: Profile = "rehearsal",
    override: Override = None,
) -> None:
    """Bring vendor files, or what collectors staged, into the leads' collection and print the ledger.

    Exit 1 when records could not be read at all (broken JSON or CSV): they are named, and kept in the rejected leads.
    Exit 2 when it stopped early or records are left. SIGTERM, SIGINT and SIGHUP end it in order, with the ledger; of
    `--staged --follow` that is the end, exit 0.
    """
    from leadbook import commands

    settings = _settings(profile, override)
    progress = not as_json and sys.stderr.isatty()
    if follow and not staged:
        raise UsageError("--follow is for --staged; files have an end")
    if staged:
        if files:
            raise UsageError("give files or --staged, not both")
        with _ledger_of_incomplete(as_json):
            ledger = commands.ingest_staged(settings, vendor=vendor or "", follow=follow, progress=progress,
                                            notice=_notice)  # fmt: skip
        _print_ledger(ledger, as_json)
        return
    if not files:
        raise UsageError("no file given; name one or more vendor files, or --staged")
    if vendor is None:
        raise UsageError("--vendor is missing; name a file of params/vendors, such as brightdata or apollo")
    unreadable: list[str] = []
    with _ledger_of_incomplete(as_json):
        ledger = commands.ingest_files(files, vendor, settings, progress=progress, unreadable=unreadable,
                                       notice=_notice)  # fmt: skip
    _print_ledger(ledger, as_json)
    if unreadable:
        _fail("; ".join(unreadable), 1)


@app.command()
def replay(
    as_json: AsJson = False,
    profile: Profile = "rehearsal",
    override: Override = None,
) -> None:
    """Run the rejected records again, after a rule or a mapping was mended, and print the ledger."""
    from leadbook import commands

    with _ledger_of_incomplete(as_json):
        ledger = commands.replay_rejected(_settings(profile, override), notice=_notice)
    _print_ledger(ledger, as_json)


@contextmanager
def _ledger_of_incomplete(as_json: bool) -> Iterator[None]:
    """A run that stopped early prints what it did until then, too."""
    from leadbook.commands import IncompleteError

    try:
        yield
    except IncompleteError as error:
        if error.ledger:
            _print_ledger(error.ledger, as_json)
        raise


def _notice(line: str) -> None:
    """Say on standard error what a user should know while a command goes on."""
    err.print(f"leadbook: {line}", style="yellow", markup=False, highlight=False, soft_wrap=True)


def _print_ledger(ledger: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print(json.dumps(ledger))  # noqa: T201
        return
    table = Table("outcome", "records", title="ledger")
    for key, value in ledger.items():
        for part, count in value.items() if isinstance(value, dict) else [("", value)]:
            table.add_row(f"{key} {part}".strip(), f"{count:,}" if isinstance(count, int) else f"{count:,.2f}")
    out.print(table)


@app.command()
def sample(
    directory: Annotated[Path, typer.Argument(help="where the files are written")] = Path("data/sample"),
    records: Annotated[int, typer.Option(min=1, help="records in all files together")] = 26_000,
    seed: Annotated[int, typer.Option(help="same seed, same files")] = 20_000,
) -> None:
    """Write made-up vendor files (Bright Data JSON lines, Apollo CSV) with faults in stated proportions."""
    from leadbook.rehearsal import sample as maker

    facts = maker.write_sample(directory, records=records, seed=seed)
    out.print(facts)


@app.command("crm-sync")
def crm_sync(
    limit: Annotated[int | None, typer.Option(min=1, help="leads at most")] = None,
    profile: Profile = "rehearsal",
    override: Override = None,
) -> None:
    """Send qualified leads that the CRM lacks to HubSpot; resumable. On a rehearsal a loopback sandbox takes them."""
    from leadbook import commands

    print(json.dumps(commands.crm_sync(_settings(profile, override), limit=limit)))  # noqa: T201


@app.command()
def bench(
    scale: Annotated[bool, typer.Option("--scale", help="a record's cost among many, against among 20,000")] = False,
    records: Annotated[int | None, typer.Option(min=1_000, help="records: 26,000, or 1,000,000 to scale")] = None,
    rounds: Annotated[int, typer.Option(min=1, help="rounds of each measurement")] = 5,
    profile: Profile = "rehearsal",
    override: Override = None,
) -> None:
    """Measure the pipeline from files on disk beside raw inserts of the same leads. Rehearsal servers only."""
    from leadbook.bench import pipeline as benchmark
    from leadbook.bench import scale as scaling
    from leadbook.rehearsal.workplace import Workplace

    settings = _settings(profile, override)
    with Workplace(settings, "leadbook bench", err):
        if scale:
            rows = scaling.table(scaling.run(settings, records=records or 1_000_000, rounds=rounds))
        else:
            rows = benchmark.table(benchmark.run(settings, records=records or 26_000, rounds=rounds))
    table = Table("what", "figure", title="pipeline beside raw inserts")
    for row in rows:
        table.add_row(*row)
    out.print(table)


@app.command()
def tune(
    run_dir: Annotated[Path, typer.Argument(metavar="RUN", help="directory of a finished run")],
    to: Annotated[Path, typer.Option(help="the tuned copy; never the profile itself")],
    profile: Profile = "rehearsal",
) -> None:
    """Write a tuned copy of a profile: the settings that a run showed to help, a comment on each changed line."""
    from leadbook.core.settings import profile_path
    from leadbook.load import advice

    named = str(load_profile(profile).get("profile", "rehearsal"))
    changed = advice.tune(profile_path(profile), advice.of_run(run_dir, named), to)
    _say(f"{to}: {len(changed)} settings changed")


@app.command()
def compare(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="directories of runs; the last one is judged")],
) -> None:
    """Compare the benchmarks of runs. Exit 1 when the last is worse beyond noise; 2 where they are not comparable.

    Not comparable are unlike environments, and a host that was faster or slower by more than a fifth.

    Two runs are judged by noise seen elsewhere; with three or more earlier runs their own noise is measured.
    """
    from leadbook.bench import compare as comparing

    found = comparing.compare_runs(*runs)
    table = Table(title=f"benchmarks of {len(runs)} runs", caption=found.method)
    for name in comparing.COLUMNS:
        table.add_column(name, overflow="fold", min_width=22 if name == "name" else None)
    for row in found.rows:
        table.add_row(*(getattr(row, name) for name in comparing.COLUMNS))
    out.print(table)
    raise typer.Exit(1 if found.regressions else 0)


@app.command()
def docs(
    check: Annotated[bool, typer.Option("--check", help="change nothing; exit 1 when a file is out of date")] = False,
) -> None:
    """Regenerate docs/traceability.md, docs/trust.md, README's table of notebooks and the links between notebooks."""
    from leadbook.report import traceability

    stale = traceability.generate(PROJECT, write=not check)
    for path in stale:
        out.print(f"{'out of date' if check else 'written'}: {path}")
    if check and stale:
        raise typer.Exit(1)


def main() -> None:
    """Entry point: every error becomes one line and the right exit status."""
    try:
        status = app(standalone_mode=False)
    except LeadbookError as error:
        _fail(Redactor.from_environment().text(str(error)), error.exit_status)
    except (KeyboardInterrupt, typer.Abort):
        _fail("interrupted", 2)
    except ImportError as error:
        _fail(missing_package(error), 2)
    except Exception as error:  # noqa: BLE001  an exit status of 1 would say NO-GO
        _fail(_one_line(error), 2)
    sys.exit(status if isinstance(status, int) else 0)


def _one_line(error: Exception) -> str:
    """A wrong word on the command line, a machine that refuses, or a fault of leadbook, and what to do."""
    if hasattr(error, "format_message"):  # what typer raises
        problem = error.format_message().rstrip(".")
        if not problem:  # no command at all: the help has been shown
            sys.exit(2)
        return f"{problem}; `leadbook --help` lists commands and options"
    from leadbook.core import write_errors

    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror}; make room or give access there, then try again"
    if os.environ.get(DEBUG):
        sys.stderr.write(Redactor.from_environment().text("".join(traceback.format_exception(error))))
    where = Redactor.from_environment().text(write_errors.described(error))
    return f"a fault of leadbook itself, {where}; {DEBUG}=1 shows where, please report it"


def _fail(line: str, exit_status: int) -> NoReturn:
    err.print(f"leadbook: {line}", style="red", markup=False, highlight=False, soft_wrap=True)
    sys.exit(exit_status)


if __name__ == "__main__":
    main()
