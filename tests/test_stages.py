"""What a run of the sprint's stages leaves in the journal."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from tests import made_run as made

from leadbook.commands import stages
from leadbook.core import journal
from leadbook.core.checks import Verdict
from leadbook.report.records import PHASES, STAGES, Break, RunRecord, Status
from leadbook.report.verdict import decide
from leadbook.runner.chain import RunResult


def result(record: RunRecord, tmp_path) -> RunResult:
    return RunResult(decision=decide(record), directory=tmp_path, index=None, record=record)


def stage(name: str, *extra) -> RunRecord:
    own = tuple(made.phase(number, *extra) for number in STAGES[name])
    return replace(made.run(), stage=name, asked=STAGES[name], phases=own)


@pytest.fixture(autouse=True)
def _spool(tmp_path, monkeypatch):
    monkeypatch.setattr(journal, "PROJECT", tmp_path)


def test_the_journal_holds_the_verdict_of_each_stage_that_a_run_was_asked_for(database, settings, endpoints, tmp_path):
    signed = made.check("08", Verdict.FAIL, accepted="accepted by Ann on 2026-01-01 until 2026-02-01: small")
    for record in (made.run(), stage("live", signed), replace(made.run(), asked=("03",)),
                   replace(stage("ready"), interrupted="SIGTERM")):  # fmt: skip
        assert stages.journal(settings, result(record, tmp_path)) == ""
    found = journal.Journal(database, endpoints.mongodb_uri).entries("stage")
    told = [(entry["stage"], entry["verdict"], entry["exit_status"], entry["risks"]) for entry in found]
    assert told == [
        ("ready", "GO", 0, []), ("live", "HEALTHY", 0, []), ("close", "ACCEPTED", 0, []),
        ("live", "HEALTHY", 0, ["TST-08-001"]), ("ready", "BROKEN", 2, []),
    ]  # fmt: skip
    assert all(entry["run"] == made.run().id and entry["reason"] for entry in found)


def test_a_phase_that_closed_and_is_not_believed_counts_in_no_later_stage(database, settings, endpoints, tmp_path):
    database[settings.collection].insert_one({})
    run = made.run().id
    book = journal.Journal(database, endpoints.mongodb_uri)
    for number, of in (("03", run), ("06", "another run")):
        book.write(
            "phase", phase=number, profile="rehearsal", run=of, verdict="pass", counts={}, record='{"closed": 1}'
        )
    wrong = tuple(replace(made.phase(number), status=Status.BROKEN, broken=Break(reason="forged"))
                  for number in ("03", "06"))  # fmt: skip
    for asked in (("03", "06"), PHASES):
        record = replace(made.run(), asked=asked, phases=wrong)
        assert stages.journal(settings, result(record, tmp_path)) == ""
    told = json.loads(book.record_of("03", "rehearsal"))
    assert told["closed"] is None and told["broken"] == "forged" and told["broken_at"]
    assert book.record_of("06", "rehearsal") == '{"closed": 1}', "this run has left nothing of it that could count"


def test_a_run_that_could_not_reach_mongodb_leaves_its_verdict_in_the_spool(settings, monkeypatch, tmp_path):
    monkeypatch.setenv("MONGODB_URI", "mongodb://127.0.0.1:9/")
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:9/0")
    away = settings.model_copy(update={"server_selection_timeout_ms": 200, "profile": "production"})
    assert stages.journal(away, result(stage("ready"), tmp_path)) == ""
    (spool,) = (tmp_path / ".leadbook" / "spool").iterdir()
    assert '"stage": "ready"' in spool.read_text()


def test_a_verdict_that_the_journal_cannot_take_is_said_and_no_more(settings, monkeypatch, tmp_path):
    monkeypatch.setenv("MONGODB_URI", "mongodb://a b/")
    assert "journal does not hold this verdict" in stages.journal(settings, result(stage("ready"), tmp_path))
