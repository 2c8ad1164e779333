"""Acting on a running sprint: what can be done, the plan, the deed, its effect."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from leadbook.cli.app import Override, Profile, app, fail, notice, out, say, settings_of

if TYPE_CHECKING:
    from leadbook.actions.records import ActPlan
    from leadbook.actions.told import Deed
    from leadbook.commands.act import ActReport


@app.command()
def act(
    words: Annotated[list[str] | None, typer.Argument(metavar="[NAME] [KEY=VALUE]...", help="the action")] = None,
    approve: Annotated[str, typer.Option(metavar="HASH", help="do it: the hash that the plan shows")] = "",
    because: Annotated[str, typer.Option("--for", metavar="ALARM", help="the alarm that it answers")] = "",
    effects: Annotated[bool, typer.Option("--effects", help="what was done, and what it changed")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON object")] = False,
    profile: Profile = "rehearsal",
    override: Override = None,
) -> None:
    """Change something of the running sprint: first the plan; done with --approve HASH of it, or -p approve='act on
    DATABASE'. Without a name: what can be done.

    Exit 0 done, planned or so already, 1 done but not so yet, 2 refused, misused or nobody answers.
    """
    from leadbook.commands import act as acting

    settings = settings_of(profile, override)
    if effects:
        _print_effects(acting.effects(settings), as_json)
        return
    if not words:
        _print_actions(acting.listed(), as_json)
        return
    progress = (lambda _: None) if as_json else (lambda count: notice(f"{count:,} so far"))
    report = acting.act(settings, words, approve=approve, because=because, progress=progress)
    if as_json:
        print(json.dumps(report.as_dict(), default=str))  # noqa: T201
    else:
        _print_report(report)
    if report.done and not report.so:
        fail("not all is so yet: look again in a minute", 1)


def _print_actions(actions: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        print(json.dumps(actions))  # noqa: T201
        return
    table = Table("leadbook act …", "does", "takes", "the DBA's user needs")
    for one in actions:
        takes = "\n".join(f"{name}: {meaning}" for name, meaning in one["takes"].items())
        table.add_row(one["name"], one["does"], takes, ", ".join(one["needs"]))
    out.print(table)


def _print_report(report: ActReport) -> None:
    plan = report.plan
    say(f"{plan.action} on {plan.target}")
    if plan.rows:
        _print_rows(plan)
    elif plan.is_choice:
        say("nothing to choose from: no operation has been under way for so long")
    for name, facts in (("about", plan.about), ("now", plan.now), ("would be", plan.would), ("seen", plan.evidence)):
        if facts and not (report.done and name == "would be"):
            say(f"{name:9} {_facts(facts)}")
    if report.done:
        say(f"{'is now':9} {_facts(report.after)}")
    for name, text in (("why", plan.why), ("way back", plan.back), ("missing", plan.needs)):
        if text:
            say(f"{name:9} {text}")
    for line in plan.warns:
        say(f"{'mind':9} {line}")
    if plan.is_so_already:
        say("already so: nothing to do")
    elif report.done:
        say("done; `leadbook act --effects` shows what it changed")
    elif not plan.is_choice:
        say(f"{'plan':9} {plan.hash}")
    for line in report.next:
        say(line)


def _print_rows(plan: ActPlan) -> None:
    table = Table(*plan.rows[0])
    for row in plan.rows:
        table.add_row(*(_value(value) for value in row.values()))
    out.print(table)


def _facts(facts: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {_value(value)}" for name, value in facts.items())


def _value(value: Any) -> str:
    if value is None:
        return "not set"
    if isinstance(value, list | tuple):
        return "; ".join(map(_value, value)) or "none"
    if isinstance(value, Mapping):
        return f"({_facts(value)})" if value else "()"
    return str(value)


def _print_effects(found: list[Deed], as_json: bool) -> None:
    from leadbook.commands.act import shown

    if as_json:
        print(json.dumps([shown(one) for one in found], default=str))  # noqa: T201
        return
    table = Table("when, UTC", "what", "who", "before", "after", "effect")
    for one in found:
        changed = [f"{each.reading} {each.text}" for each in one.effect.moved]
        changed += [f"mind: the machine changed too, canary {one.effect.host}"] if one.effect.host else []
        changed += [f"done together with {one.effect.beside} others"] if changed and one.effect.beside else []
        effect = "\n".join(changed) or f"{one.effect.state}: {one.effect.why}"
        table.add_row(f"{one.at:%Y-%m-%d %H:%M:%S}", one.what, one.who, _facts(one.before),
                      one.problem or _facts(one.after), effect)  # fmt: skip
    out.print(table) if found else say("nothing was done yet")
