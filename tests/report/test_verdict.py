"""The gate: what is GO, what is not, and the sentence that says why."""

import pytest
from tests import made_run as made

from leadbook.core.checks import Verdict
from leadbook.core.definitions import Definition
from leadbook.report.verdict import Remedy, decide, finding


def test_nine_phases_without_a_blocker_are_go_and_say_whose_go():
    found = decide(made.run())
    assert (found.verdict, found.exit_status) == ("GO", 0)
    assert "All 9 phases" in found.reason and "not of production" in found.reason and "production" in found.steps[0]
    assert "not of production" not in decide(made.run(profile="production")).reason


def test_a_warning_and_what_does_not_apply_do_not_forbid_go():
    phase = made.phase("03", made.check(verdict=Verdict.WARN), made.check(verdict=Verdict.NOT_APPLICABLE))
    assert decide(made.run(phase)).verdict == "GO"


@pytest.mark.parametrize("verdict", [Verdict.FAIL, Verdict.ERROR, Verdict.NOT_MEASURED, Verdict.MANUAL])
def test_each_blocking_verdict_forbids_go_and_names_itself(verdict):
    measured = 812.5 if verdict is Verdict.FAIL else None
    found = decide(made.run(made.phase("03", made.check(verdict=verdict, measured=measured))))
    assert (found.verdict, found.exit_status) == ("NO-GO", 1)
    assert "1 of" in found.reason and "blocks" in found.reason and "TST-03-001" in found.reason
    assert [remedy.text for remedy in found.remedies["DBA"]] == ["Use larger batches"]


def test_what_to_do_stands_by_who_has_to_do_it_and_what_only_follows_stands_under_its_cause(monkeypatch):
    common = {"title": "T", "phase": "03", "steps": ("1.1.4.2",)}
    entries = (
        Definition(id="A-A-001", **common, owner="Technical Lead"),
        Definition(id="A-A-002", **common, follows=("A-A-001",)),
        Definition(id="A-A-003", **common, follows=("A-A-002",), owner="Project Manager"),
        Definition(id="A-A-004", **common, follows=("A-A-009",)),
    )  # fmt: skip
    monkeypatch.setattr("leadbook.report.verdict.catalogue", lambda: {entry.id: entry for entry in entries})
    failed = [made.check(id=entry.id, verdict=Verdict.FAIL, remedy=f"mend `{entry.id}`") for entry in entries]
    found = decide(made.run(made.phase("03", *failed))).remedies
    assert list(found) == ["Technical Lead", "DBA"]
    assert found["Technical Lead"][0] == Remedy(
        text="Mend `A-A-001`", checks=("A-A-001",), following=("A-A-002", "A-A-003")
    )
    assert [remedy.checks for remedy in found["DBA"]] == [("A-A-004",)], "its cause does not block"


def test_a_broken_phase_outweighs_everything():
    found = decide(made.run(made.broken("03"), *(made.not_run(f"0{n}") for n in range(4, 10))))
    assert (found.verdict, found.exit_status) == ("BROKEN", 2)
    assert "cell 7 of 20" in found.reason and "Not run: 04, 05, 06, 07, 08, 09" in found.reason


def test_an_interrupted_run_is_broken_even_between_two_phases():
    found = decide(made.run(made.not_run("09"), interrupted="SIGTERM"))
    assert found.exit_status == 2 and "interrupted by SIGTERM" in found.reason and "Not run: 09" in found.reason


def test_a_phase_that_was_asked_for_and_did_not_run_is_never_go():
    assert decide(made.run(made.not_run("05"))).exit_status == 2


def test_a_part_of_the_chain_is_partial_however_well_it_went():
    others = [made.not_run(f"0{n}", asked=False) for n in (1, 2, 4, 5, 6, 7, 8, 9)]
    found = decide(made.run(*others, asked=("03",)))
    assert (found.verdict, found.exit_status) == ("PARTIAL", 0) and "1 of 9 phases ran; this is no GO" in found.reason
    failed = decide(made.run(*others, made.phase("03", made.check(verdict=Verdict.FAIL)), asked=("03",)))
    assert (failed.verdict, failed.exit_status) == ("PARTIAL", 1)


def test_a_finding_reads_as_a_clause():
    assert finding(made.check()) == "Rate <of> inserts: 812.5 documents/s, target ≥ 1,000 documents/s"
    assert finding(made.check(verdict=Verdict.MANUAL, measured=None)).endswith("nobody has attested it")
