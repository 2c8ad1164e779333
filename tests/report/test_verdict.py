"""The verdicts of the stages and of a run, and the sentence that says why."""

from dataclasses import replace

import pytest
from tests import made_run as made

from leadbook.core.checks import Verdict
from leadbook.core.definitions import Definition
from leadbook.report.records import STAGES, Break, Status
from leadbook.report.verdict import Remedy, decide, finding


def stage(name: str, *phases, **changes):
    """A run of one stage, its phases passing unless told."""
    given = {phase.phase: phase for phase in phases}
    own = tuple(given.get(number) or made.phase(number) for number in STAGES[name])
    return replace(made.run(stage=name, asked=STAGES[name], profile="production"), **{"phases": own, **changes})


def bad(phase: str, verdict: Verdict = Verdict.FAIL, **changes):
    return made.phase(phase, made.check(phase, verdict, **changes))


def test_a_whole_rehearsal_without_a_blocker_is_go_healthy_accepted_and_says_whose():
    found = decide(made.run())
    assert (found.verdict, found.exit_status, found.told) == ("GO", 0, "GO, HEALTHY, ACCEPTED")
    assert "All 9 phases" in found.reason and "not of production" in found.reason
    assert "--profile production --stage ready" in found.steps[-1]
    assert [step.partition(":")[0] for step in found.steps] == [
        "DBA", "DBA, Technical Lead, Project Manager", "DBA", "Technical Lead", "DBA",
    ]  # fmt: skip
    told = " ".join(found.steps)
    order = ("MONGODB_URI", "attestations", "doctor", "apply_schema on lead_generation", "n8n export", "--stage ready")
    assert sorted(order, key=told.index) == list(order), "in the README's order"


@pytest.mark.parametrize(
    ("name", "word", "step"),
    [("ready", "GO", "leadbook ingest --staged --follow --profile production"), ("live", "HEALTHY", "--stage close"),
     ("close", "ACCEPTED", "DBA: hand over Guide, for Technical Lead and Project Manager.")],
)  # fmt: skip
def test_a_stage_is_judged_by_its_own_checks_and_says_what_comes_next(name, word, step):
    last = made.phase(STAGES[name][-1], documents=(made.document(),))
    found = decide(stage(name, last))
    assert (found.verdict, found.exit_status, found.words) == (word, 0, {name: word})
    assert any(step in one for one in found.steps), found.steps
    assert "not of production" not in found.reason
    assert "not of production" in decide(stage(name, profile="ci")).reason


@pytest.mark.parametrize(
    ("verdict", "word", "status"),
    [(Verdict.FAIL, "CRITICAL", 1), (Verdict.ERROR, "CRITICAL", 1), (Verdict.WARN, "ATTENTION", 0),
     (Verdict.NOT_MEASURED, "ATTENTION", 0), (Verdict.MANUAL, "ATTENTION", 0), (Verdict.NOT_APPLICABLE, "HEALTHY", 0)],
)  # fmt: skip
def test_a_live_sprint_is_critical_by_what_failed_only(verdict, word, status):
    found = decide(stage("live", bad("08", verdict)))
    assert (found.verdict, found.exit_status) == (word, status)
    assert bool(found.remedies) is ("TST-08-001" in found.reason) is (word != "HEALTHY")


def test_the_close_is_decided_by_09_and_tells_what_08_found():
    found = decide(stage("close", bad("08")))
    assert found.verdict == "ACCEPTED" and "Phase 08 found 1 failed" in found.reason and "TST-08-001" in found.reason
    refused = decide(stage("close", bad("09"), bad("08")))
    assert (refused.verdict, refused.exit_status) == ("NOT ACCEPTED", 1) and "--stage close" in refused.steps[-1]
    assert [check.phase for check in refused.blocking] == ["09"] and "TST-08-001" in refused.reason
    assert decide(stage("close", made.broken("08"), made.not_run("09"))).exit_status == 2


def test_an_alarm_that_is_open_at_the_close_stands_in_its_first_lines():
    going = "1 alarm was still open when the watch last told: the disk is nearly full."
    alarmed = replace(made.phase("09"), facts={"open_alarms": going})
    assert going in decide(stage("close", alarmed)).reason
    assert going in decide(stage("close", replace(bad("09"), facts={"open_alarms": going}))).reason


def test_a_rehearsal_has_the_word_of_the_first_bad_stage_and_names_all_three():
    found = decide(made.run(bad("08"), bad("09")))
    assert (found.verdict, found.exit_status, found.told) == ("CRITICAL", 1, "GO, CRITICAL, NOT ACCEPTED")
    assert "Live: " in found.reason and "Close: " in found.reason and "Ready: " not in found.reason
    assert decide(made.run(bad("08", Verdict.WARN))).told == "GO, ATTENTION, ACCEPTED"
    assert decide(made.run(bad("03"), bad("09"))).verdict == "NO-GO"


@pytest.mark.parametrize(("name", "word"), [("ready", "GO"), ("live", "HEALTHY"), ("close", "ACCEPTED")])
def test_what_somebody_accepts_does_not_block_and_is_told(name, word):
    signed = bad(STAGES[name][-1], accepted="accepted by Ann on 2026-01-01 until 2026-02-01: two cores are enough")
    found = decide(stage(name, signed))
    assert (found.verdict, found.told) == (word, f"{word} with 1 accepted risk")
    assert [check.id for check in found.accepted] == [signed.checks[-1].id] and not found.blocking


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


def part_of_production(*asked: str, verdict: Verdict = Verdict.PASS):
    ran = [bad(number, verdict) for number in asked]
    others = [made.not_run(f"0{n}", asked=False) for n in range(1, 10) if f"0{n}" not in asked]
    approved = {"approve": "restore_drill on leadbook_test", "database": "leadbook_test"}
    return decide(made.run(*ran, *others, asked=asked, profile="production", parameters=approved))


@pytest.mark.parametrize(
    ("asked", "step", "no"),
    [("06", "leadbook status --profile production", "no GO"), ("02", "leadbook status --profile production", "no GO"),
     ("08", "leadbook run --stage live --profile production", "no verdict on the live sprint"),
     ("09", "leadbook run --stage close --profile production", "no acceptance")],
)  # fmt: skip
def test_after_a_part_in_production_nothing_leads_to_the_stage_that_puts_load_on_the_servers(asked, step, no):
    found = part_of_production(asked)
    assert found.verdict == "PARTIAL" and f"this is {no}." in found.reason
    assert step in found.steps[0] and "ready" not in found.steps[0] and "approve" not in found.steps[0]
    assert not part_of_production(asked, verdict=Verdict.FAIL).steps, "its remedies come first"
    assert "status" in part_of_production("06", "07", "08", "09").steps[0]


def test_a_live_sprint_without_a_backup_is_told_to_make_it_first():
    unseen = [replace(one, verdict=Verdict.NOT_MEASURED, measured=None, remedy=f"mend {one.id}")
              if one.id in ("MON-BACKUP-001", "MON-DISK-002", "MON-HOST-001") else one
              for one in made.checks_of("08")]  # fmt: skip
    found = decide(stage("live", made.phase("08", checks=tuple(reversed(unseen)))))
    assert found.verdict == "ATTENTION" and "MON-BACKUP-001" in found.reason
    assert found.remedies["DBA"][0].checks == ("MON-BACKUP-001",) and len(found.remedies["DBA"]) == 3


def test_an_approval_is_for_its_own_run_and_other_settings_go_on():
    said = {"approve": "load_test on leads_1", "database": "leads_1", "batch_size": 77}
    for name, *later in (("ready", "--follow", "--stage live"), ("live", "--stage close")):
        steps = decide(stage(name, parameters=said)).steps
        for command in later:
            step = next(step for step in steps if command in step)
            assert "approve" not in step and "-p batch_size=77" in step
    again = decide(stage("ready", bad("03"), parameters=said)).steps[-1]
    assert "approve=load_test on leads_1" in again, "the same stage needs it again"


def test_an_interrupted_phase_is_told_as_that_and_what_it_left_is_named():
    why = Break(reason="interrupted by SIGINT; what it had not removed yet stays", cell=7, cells=20)
    cut = made.phase("03", status=Status.BROKEN, broken=why)
    found = decide(stage("ready", cut, interrupted="SIGINT"))
    assert found.verdict == "BROKEN" and "interrupted by SIGINT in phase 03" in found.reason
    assert "leadbook cleanup --profile production" in found.steps[0]
    assert found.steps[1] == "Run it again: `leadbook run --stage ready --profile production`."
    own = decide(stage("ready", made.broken("03"), interrupted="SIGINT"))
    assert "Mend the cause" in " ".join(own.steps), "it broke before the signal came"


def test_a_finding_reads_as_a_clause():
    assert finding(made.check()) == "Rate <of> inserts: 812.5 documents/s, target ≥ 1,000 documents/s"
    assert finding(made.check(verdict=Verdict.MANUAL, measured=None)).endswith("nobody has attested it")
