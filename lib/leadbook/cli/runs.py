"""Runs of the notebooks, and the parameters in force."""

from __future__ import annotations

import json
import os
import re
from contextlib import nullcontext
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from leadbook.cli.app import Members, Override, Profile, app, err, notice, say, values_of
from leadbook.core.errors import UsageError
from leadbook.core.settings import Settings, origins, parse_override

if TYPE_CHECKING:
    from leadbook.runner import chain


class Form(StrEnum):
    """How a run's summary is written."""

    MARKDOWN = "markdown"
    GITHUB = "github"


@app.command()
def run(
    profile: Profile = "rehearsal",
    stage: Annotated[str, typer.Option(help="ready, live or close: run one stage of the sprint")] = "",
    only: Annotated[str | None, typer.Option(help="run one phase, such as 03")] = None,
    start: Annotated[str | None, typer.Option("--from", help="run from this phase on, such as 05")] = None,
    out_dir: Annotated[Path | None, typer.Option("--out", help="where the run's directory is made")] = None,
    members: Members = None,
    keep_as: Annotated[Path | None, typer.Option("--keep-as", help="copy the finished run to this folder")] = None,
    override: Override = None,
) -> None:
    """Run the notebooks in order and write the report. Exit 0 GO, HEALTHY, ATTENTION or ACCEPTED; 1 NO-GO, CRITICAL or
    NOT ACCEPTED; 2 broken or misused.

    Alone it rehearses a whole sprint: made ready, lived through with simulated collectors, closed (reports/latest).
    A stage is reports/latest-ready, -live or -close; a part of the chain (--only, --from) is reports/latest-partial
    and never says GO.
    """
    from leadbook.commands import stages
    from leadbook.phases import attestations
    from leadbook.phases.blocked import unknown
    from leadbook.rehearsal.workplace import Workplace
    from leadbook.runner import keep, plan

    values = values_of(profile, override, members=members)
    settings = Settings.from_mapping(values)
    steps = plan.make(values, stage=stage, only=only, start=start)  # what is asked wrongly is said before servers start
    asked = [step.phase for step in steps if step.asked]
    if settings.lead_files:  # else pandas and its like would be loaded for nothing
        from leadbook.phases.p04.inputs import named_files

        named_files(settings)
    if keep_as is not None:
        keep.refuse_target(keep_as)
    from leadbook.runner import chain  # papermill and the pages take a second to load: a mistyped word waits for none

    part = f" --stage {stage}" if stage else f" --only {only}" if only else ""
    with Workplace(settings, f"leadbook run{part}", err, phases_tell=True, shared=stage == "live") as rehearsal:
        attestations.in_force(settings)  # a broken file is told before anything runs
        if told := unknown(settings, asked):
            notice(told)
        whole = not stage and only is None and start is None
        result = chain.run(values, stage=stage, only=only, start=start, out=out_dir, secrets=rehearsal.secrets,
                           live=_sprint(settings) if whole else nullcontext, console=err)  # fmt: skip
        if problem := stages.journal(settings, result):
            notice(problem)
    _tell(result)
    if keep_as is not None and result.exit_status == 0:
        keep.keep(result.directory, keep_as)
        say(f"kept as: {keep_as}")
    raise typer.Exit(result.exit_status)


def _sprint(settings: Settings) -> chain.Live:
    """Begin the rehearsal of a whole sprint from nothing; the sprint that its phase 08 watches."""
    from leadbook.commands import live

    err.print(live.start_from_nothing(settings), highlight=False, markup=False, soft_wrap=True)
    return partial(live.sprint, settings, err)


def _tell(result: chain.RunResult) -> None:
    from leadbook.report.index import target_text

    say(f"{result.decision.told}: {result.reason}")
    say(f"target: {target_text(result.record)}")
    if result.index is not None:
        say(f"report: {result.index}")


@app.command()
def summary(
    run_dir: Annotated[
        Path, typer.Argument(metavar="RUN", help="a run's directory, or the folder of runs: its newest")
    ],
    form: Annotated[
        Form, typer.Option("--format", help="markdown, or github: annotations, the page in GITHUB_STEP_SUMMARY")
    ] = Form.MARKDOWN,
    link: Annotated[str, typer.Option(help="address of the report that CI keeps, https")] = "",
) -> None:
    """Say in Markdown what became of a run: verdict, whose data, what blocks with remedy and owner, accepted risks.

    Exit 0 where it is told, whatever the verdict: the step that runs the notebooks has the run's exit status. 2 where
    the run has not ended, was killed, or was changed since: that is never shown as a pass.
    """
    from leadbook.report import summary as telling

    if link and not re.fullmatch(r"https://[^\s<>\"'|`]+", link):
        raise UsageError("--link: not an https address")
    told = telling.summary(run_dir, link=link)
    page = os.environ.get("GITHUB_STEP_SUMMARY") if form is Form.GITHUB else None
    if page:
        with Path(page).open("a", encoding="utf-8") as file:
            file.write(f"{told.markdown}\n")
    for line in (*(told.annotations if form is Form.GITHUB else ()), *([] if page else [told.markdown])):
        print(line)  # noqa: T201  as it is: rich would make pictures of some words
    raise typer.Exit(0 if told.believed else 2)


@app.command(name="settings")
def show_settings(profile: Profile = "rehearsal", override: Override = None) -> None:
    """Print every parameter in force, where its value came from and what it means: lines that a profile can hold."""
    for key, (value, origin) in origins(profile, dict(map(parse_override, override or []))).items():
        held = f" ({'set' if os.environ.get(str(value)) else 'not set'})" if key.endswith("_env") else ""
        line = f"{key}: {json.dumps(value)}  # {origin}: {Settings.model_fields[key].description}{held}"
        say(line)
