"""A run that never was, for tests of the report: nine phases, every check of the catalogue, passing unless told."""

from __future__ import annotations

from dataclasses import replace

from leadbook.core.checks import Check, Verdict
from leadbook.core.definitions import catalogue
from leadbook.core.settings import Settings
from leadbook.report.records import PHASES, Break, DocumentRecord, PhaseRecord, RunRecord, Status

TITLES = ("Provisioning checks", "Schema and indexes", "Benchmarks", "Data pipeline", "Load test",
          "Backup and recovery", "Readiness gate", "Monitoring snapshot", "Final analysis")  # fmt: skip


def check(phase: str = "03", verdict: Verdict = Verdict.PASS, **changes) -> Check:
    made = Check(
        id=f"TST-{phase}-001", title="Rate <of> inserts", phase=phase, steps=("1.1.4.2",), verdict=verdict,
        target=">= 1000.0 documents/s", measured=812.5, unit="documents/s", evidence="5 rounds & counting",
        remedy="use larger batches", taken_at="2026-01-01T00:00:00+00:00",
    )  # fmt: skip
    return replace(made, **changes)


def checks_of(phase: str) -> tuple[Check, ...]:
    made = [check(phase)]
    for entry in catalogue().values():
        if entry.phase == phase:
            target = (
                Settings.model_fields[entry.target].default
                if str(entry.target) in Settings.model_fields
                else entry.target
            )
            verdict = Verdict.NOT_APPLICABLE if entry.production_only else Verdict.PASS
            shown = "yes" if entry.compare == "true" else f"{entry.compare} {target} {entry.unit}"
            made.append(check(phase, verdict, id=entry.id, title=entry.title, steps=entry.steps, unit=entry.unit,
                              target=shown, measured=True if entry.compare == "true" else target, remedy=entry.remedy,
                              evidence="made for a test"))  # fmt: skip
    return tuple(made)


def phase(number: str, *extra: Check, **changes) -> PhaseRecord:
    title = TITLES[int(number) - 1]
    made = PhaseRecord(
        phase=number, title=title, status=Status.RAN, page=f"{number}.html", started_at="2026-01-01T00:00:00+00:00",
        seconds=12.5, checks=(*checks_of(number), *extra), opened={"title": title, "servers": "rehearsal"},
        facts={"infrastructure": {"mongodb": {"version": "6.0.5"}}} if number == "01" else {},
    )  # fmt: skip
    return replace(made, **changes)


def run(*phases: PhaseRecord, **changes) -> RunRecord:
    """All nine phases, those given in place of the usual ones."""
    given = {made.phase: made for made in phases}
    made = RunRecord(
        id="20260101T000000Z-abcdef", profile="rehearsal", started_at="2026-01-01T00:00:00+00:00",
        ended_at="2026-01-01T00:02:30+00:00", seconds=150.0, asked=PHASES, versions={"leadbook": "0.1.0"},
        phases=tuple(given.get(number) or phase(number) for number in PHASES), parameters={"members": 3},
        host={"cores": 2},
    )  # fmt: skip
    return replace(made, **changes)


def broken(number: str) -> PhaseRecord:
    why = Break(reason="the kernel was killed by SIGKILL", cell=7, cells=20, line="rates = measure()")
    return phase(number, status=Status.BROKEN, broken=why)


def not_run(number: str, **changes) -> PhaseRecord:
    unseen = tuple(replace(c, verdict=Verdict.NOT_MEASURED, measured=None) for c in checks_of(number))
    return phase(number, status=Status.NOT_RUN, checks=unseen, seconds=None, opened=None, facts={}, **changes)


def document() -> DocumentRecord:
    return DocumentRecord(
        slug="guide", title="Guide", audience=("Technical Lead", "Project Manager"), path="documents/guide.md"
    )
