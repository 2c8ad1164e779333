"""A sprint rehearsed at a fast clock, with faults."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from leadbook.cli.app import AsJson, Members, Override, Profile, app, err, print_json, say, settings_of
from leadbook.core.errors import UsageError

if TYPE_CHECKING:
    from leadbook.commands.rehearse.detected import Detection
    from leadbook.commands.rehearse.sprint import Rehearsed


@app.command()
def rehearse(
    hours: Annotated[float, typer.Option(help="length of the sprint, hours")] = 8.0,
    clock: Annotated[float, typer.Option(help="how many times as fast it goes as the real time")] = 60.0,
    every: Annotated[str, typer.Option(help="between two snapshots of the watch, such as 30s of the sprint")] = "",
    fault: Annotated[
        list[str] | None, typer.Option("--fault", metavar="NAME@30m", help="a fault and when it comes; NAME@30m+10m "
                                       "lasts ten minutes; repeatable")
    ] = None,
    faults: Annotated[str, typer.Option(help="all: each fault that can be put in here, one after the other")] = "",
    seed: Annotated[int, typer.Option(min=0, help="same seed, same records")] = 20_000,
    keep: Annotated[bool, typer.Option("--keep", help="keep series and live page, and let the servers run on")] = False,
    as_json: AsJson = False,
    profile: Profile = "rehearsal",
    members: Members = None,
    override: Override = None,
) -> None:  # fmt: skip
    """Rehearse the live sprint at a fast clock: ten collectors, a follower, the watch, and faults that it must tell.

    Empties the rehearsal's database first. Exit 0: the ledger is exact, each fault was told within two intervals by its
    rule, and nothing else raised an alarm. Exit 1: a fault was missed or an alarm was false. Exit 2: broken or misused.
    """
    from leadbook.commands.rehearse.sprint import rehearse as run
    from leadbook.commands.rehearse.wanted import Wanted
    from leadbook.rehearsal import servers
    from leadbook.rehearsal.workplace import Workplace

    settings = settings_of(profile, override, members=members)
    settings.refuse_in_production("rehearse a sprint")
    if faults not in ("", "all"):
        raise UsageError(f"--faults takes 'all', got {faults!r}; one fault is --fault NAME@30m")
    wanted = Wanted(hours=hours, clock=clock, every_s=_seconds(every), faults=tuple(fault or ()),
                    all_faults=faults == "all", seed=seed, keep=keep)  # fmt: skip
    wanted.refuse()
    with Workplace(settings, "leadbook rehearse", err):
        mongodb, redis = servers.unnamed(settings)
        if keep and (mongodb or redis):
            servers.up(settings, mongodb=mongodb, redis=redis)
        result = run(settings, wanted, _told)
    if as_json:
        print_json(_as_dict(result))
    else:
        _show(result)
    raise typer.Exit(0 if result.is_good else 1)


def _seconds(text: str) -> float:
    from leadbook.watch.moments import seconds_of

    return seconds_of(text, "--every") if text else 0.0


def _told(line: str) -> None:
    err.print(f"rehearse: {line}", highlight=False, markup=False, soft_wrap=True)


def _show(result: Rehearsed) -> None:
    from leadbook.commands import live

    judged = result.judged
    for one in judged.detections:
        say(_line(one))
    for episode in judged.alarms:
        found = episode.finding
        say(f"alarm without a fault: {found.key} {found.title}: {found.evidence} (snapshot {episode.first})")
    verdicts = ", ".join(f"{name} {count:,}" for name, count in judged.verdicts.items())
    say(f"watch: {judged.snapshots:,} snapshots, {judged.gaps} gaps; verdicts {verdicts}; "
        f"{len(judged.alarms)} alarms without a fault")  # fmt: skip
    say(f"ledger: {live.told(dict(result.sent), dict(result.ledger))}; as it was sent")
    if result.folder is not None:
        say(f"kept: {result.folder}")


def _line(one: Detection) -> str:
    if one.problem:
        return f"fault {one.fault}: {one.problem}"
    if one.intervals is None:
        return f"fault {one.fault} was NOT TOLD; told meanwhile: {', '.join(one.also) or 'nothing'}"
    waited = f" ({one.waited} before there was anything to tell: {one.why})" if one.waited else ""
    over = "not over at the end" if one.over is None else f"over {one.over} after its end"
    late = "" if one.in_time else " TOO LATE:"
    return f"fault {one.fault}:{late} told by {one.rule}, {one.title}, after {one.intervals} intervals{waited}, {over}"


def _as_dict(result: Rehearsed) -> dict[str, object]:
    judged = result.judged
    return {
        "hours": result.wanted.hours, "clock": result.wanted.clock, "interval_s": result.wanted.interval_s,
        "seconds": round(result.seconds, 1), "good": result.is_good, "sent": dict(result.sent),
        "ledger": dict(result.ledger), "snapshots": judged.snapshots, "gaps": judged.gaps,
        "verdicts": dict(judged.verdicts), "faults": judged.detections,
        "alarms": [{"key": one.finding.key, "level": one.finding.level, "evidence": one.finding.evidence,
                    "first": one.first, "over": one.over} for one in judged.alarms],
        "unfit": dict(result.unfit), "unknown": dict(judged.unknown), "kept": str(result.folder or ""),
    }  # fmt: skip
