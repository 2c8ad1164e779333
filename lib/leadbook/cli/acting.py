"""Acting on a running sprint: what can be done, the plan, the deed, its effect."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from leadbook.cli.app import AsJson, Override, Profile, app, fail, notice, out, print_json, say, settings_of

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
    as_json: AsJson = False,
    profile: Profile = "rehearsal",
    override: Override = None,
) -> None:
    """Change something of the running sprint: first the plan; done with --approve HASH of it, or -p approve='act on
    DATABASE'. Without a name: what can be done.

    Exit 0 done, planned or so already, 1 done or ordered but not so yet, 2 refused, misused or nobody answers.
    """
    from leadbook.commands import act as acting

    settings = settings_of(profile, override)
    if effects:
        _print_effects(acting.effects(settings), as_json)
        return
    if not words:
        _print_actions(acting.listed(settings), as_json)
        return
    progress = (lambda _: None) if as_json else _Progress()
    tell = (lambda _: None) if as_json else notice
    report = acting.act(settings, words, approve=approve, because=because, progress=progress, tell=tell)
    if as_json:
        print_json(report.as_dict())
    else:
        _print_report(report)
    if not report.so:
        fail("not all is so yet: look again in a minute", 1)


class _Progress:
    """Says how far it is, each count once."""

    def __init__(self) -> None:
        self._last = 0

    def __call__(self, count: int) -> None:
        if count > self._last:
            notice(f"{count:,} so far")
        self._last = count


def _print_actions(actions: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        print_json(actions)
        return
    table = Table("leadbook act …", "does", "takes", "needs")
    for one in actions:
        takes = "\n".join(f"{name}: {meaning}" for name, meaning in one["takes"].items())
        table.add_row(one["name"], one["does"], takes, "\n".join(one["needs"]))
    out.print(table)


def _print_report(report: ActReport) -> None:
    plan = report.plan
    say(f"{plan.action} on {plan.target}")
    if plan.is_choice:
        _print_choice(plan)
        return
    told = [("about", _facts(plan.about)), ("now", _facts(plan.now)), ("would be", _facts(plan.would))]
    if plan.is_so_already:
        told = told[:2]
    elif report.done:
        told = [told[0], ("was", told[1][1]), ("is now", _facts(report.after))]
    told += [("seen", _facts(plan.evidence)), ("why", plan.why), ("way back", plan.back), ("missing", plan.needs)]
    told += [("mind", line) for line in plan.warns]
    for name, text in told if not plan.is_so_already else told[:3]:
        if text:
            say(f"{name:9} {text}")
    if plan.is_so_already:
        say(f"already ordered, and not so yet: {plan.lacks}" if plan.lacks else "already so: nothing to do")
    elif report.done:
        say(f"{'done' if report.so else 'begun'}; `leadbook act --effects` shows what it changed")
    else:
        say(f"{'plan':9} {plan.hash}")
    for line in report.next:
        say(line)


def _print_choice(plan: ActPlan) -> None:
    if not plan.rows:
        say("nothing to choose from: no operation has been under way for so long: 10 s, or what older=SECONDS says")
        return
    for row in plan.rows:
        say(f"- {_facts(row)}")
    for line in filter(None, (plan.why, plan.needs)):
        say(line)


def _facts(facts: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {_value(value)}" for name, value in facts.items() if value != "")


def _value(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "not set", True: "yes", False: "no"}[value]
    if isinstance(value, list | tuple):
        return "; ".join(map(_value, value)) or "none"
    if isinstance(value, Mapping):
        return f"({_facts(value)})"
    return str(value)


def _print_effects(found: list[Deed], as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    for one in found:
        answers = f", for {one.because}" if one.because else ""
        say(f"{one.at:%Y-%m-%d %H:%M:%S} UTC  {one.what}, {_who(one)}{answers}")
        moved = {name: value for name, value in one.before.items() if one.after.get(name, value) != value}
        for name, value in moved.items():
            say(f"    {name}: {_value(value)} -> {_value(one.after[name])}")
        for line in _effect(one):
            say(f"    {line}")
    if not found:
        say("nothing was done yet")


def _who(deed: Deed) -> str:
    from leadbook.actions.told import UNANSWERED

    if deed.nature != "alarm":
        return f"by {deed.who or 'nobody named'}"
    return deed.who if deed.who == UNANSWERED else f"answered by {deed.who}"


def _effect(deed: Deed) -> Iterator[str]:
    """What it changed, or why nothing can be told."""
    if deed.problem:
        yield f"failed: {deed.problem}"
        return
    effect = deed.effect
    if effect.state != "measured":
        yield f"{effect.state}: {effect.why}"
        return
    for each in effect.moved:
        yield f"{each.reading}: {each.text} ({each.before:,.1f} to {each.after:,.1f} {each.unit})"
    if effect.host:
        yield f"mind: the machine itself changed meanwhile (canary {effect.host})"
    if effect.beside:
        yield f"mind: done together with {effect.beside} other actions"
    yield f"{effect.minutes[0]:g} min before against {effect.minutes[1]:g} min after"
