"""What a notebook holds: parameters checked, servers found, everything recorded twice, the verdict honest."""

import json
import os
import signal
import time

import pandas as pd
import pytest
from pymongo.errors import InvalidOperation, OperationFailure, ServerSelectionTimeoutError
from redis.exceptions import ConnectionError as RedisConnectionError

from leadbook.core.checks import judge, not_applicable
from leadbook.core.definitions import catalogue
from leadbook.core.errors import LeadbookError, ParameterError, UnreachableError
from leadbook.core.provenance import read_record
from leadbook.core.settings import Settings
from leadbook.phases import kernel
from leadbook.phases.judging import attempt
from leadbook.phases.phase import Blocked, Phase
from leadbook.phases.section import Document, Section, Table
from leadbook.rehearsal import servers


@pytest.fixture
def namespace(endpoints, settings, tmp_path):
    return {**settings.model_dump(), "run_dir": str(tmp_path), "In": []}


@pytest.fixture
def book(namespace):
    book = Phase.open("07", namespace)
    yield book
    book.release()


def passing():
    return judge("GATE-GO-001", True, evidence="seen")


def test_what_is_recorded_is_kept_for_later_phases(book, tmp_path, monkeypatch):
    monkeypatch.setenv("LEADBOOK_RUN_ID", "test")
    book.record([passing(), judge("GATE-INS-001", 2000.0, settings=book.settings)])
    book.fact("rate", float("nan"))
    book.fact("ledger", {"stored": 3})
    book.document("notes", "Notes", "# Notes", audience=["Technical Lead"])
    assert book.facts("07") == {}, "a phase that has not closed must not be believed"
    book.close()
    assert book.facts("07") == {"ledger": {"stored": 3}}
    assert [check.id for check in book.checks("07")] == ["GATE-GO-001", "GATE-INS-001"]
    record = read_record(tmp_path, "07")
    assert record["closed"]["verdict"] == "fail", "two of the phase's checks are not the phase"
    assert record["documents"] == [
        {"slug": "notes", "title": "Notes", "audience": ["Technical Lead"], "path": "documents/notes.md"}
    ]
    assert (tmp_path / "documents" / "notes.md").read_text().startswith("# Notes\n\n**MADE-UP DATA.** This is")


def test_a_document_of_another_phase_is_not_written_over(book, namespace, tmp_path):
    book.document("notes", "Notes", "# First", audience=["DBA"])
    book.document("notes", "Notes", "# Again", audience=["DBA"])
    later = Phase.open("08", namespace)
    with pytest.raises(LeadbookError, match="document notes is phase 07's: phase 08 must"):
        later.document("notes", "Other notes", "# Other", audience=["DBA"])
    later.release()
    assert (tmp_path / "documents" / "notes.md").read_text().startswith("# Again\n")


def test_a_later_record_of_the_same_check_replaces_the_earlier(book, tmp_path):
    book.record(judge("GATE-INS-001", 1, settings=book.settings))
    book.record(judge("GATE-INS-001", 5000, settings=book.settings))
    (check,) = read_record(tmp_path, "07")["checks"]
    assert check["verdict"] == "pass"


def test_outside_a_run_a_blocking_check_raises_at_the_end(book, monkeypatch):
    monkeypatch.delenv("LEADBOOK_RUN_ID", raising=False)
    book.record([passing(), judge("GATE-INS-001", None, settings=book.settings)])
    with pytest.raises(Blocked, match="GATE-INS-001"):
        book.close()


@pytest.mark.trust(
    way="A cell eases a target after the phase was opened", status=2,
    says=("parameter 'target_insert_rate': was changed after the phase was opened", "from its top"),
    leaves="a phase that never stated its verdict: under `leadbook run` it is BROKEN",
)  # fmt: skip
def test_a_parameter_changed_after_the_opening_ends_the_phase(book, namespace, trust):
    book.record([passing()])
    assert read_record(book.run_dir, "07")["opened"]["parameters"]["target_insert_rate"] == 1_000
    namespace["target_insert_rate"] = 1.0
    with pytest.raises(ParameterError) as refused:
        book.close()
    trust.check(refused.value.exit_status, str(refused.value))
    assert not book.records.of("07")


def test_a_phase_that_recorded_some_of_its_checks_says_so_and_does_not_pass(book, monkeypatch, capsys):
    monkeypatch.delenv("LEADBOOK_RUN_ID", raising=False)
    expected = [entry.id for entry in catalogue().values() if entry.phase == "07"]
    book.record(passing())
    with pytest.raises(Blocked, match=f"{len(expected) - 1} of {len(expected)} were not recorded"):
        book.close()

    def document():
        book.document("a", "A", "a", audience=[])

    def section():
        book.show(Section(says="what nobody may see any more"))

    for late in (lambda: book.record(passing()), lambda: book.fact("rate", 1), document, section, lambda: book.leads):
        with pytest.raises(LeadbookError, match="is closed; run the notebook from its first code cell"):
            late()


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (
            NameError("name 'book' is not defined", name="book"),
            "the notebook's first code cell makes it; run that cell",
        ),
        (NameError("name 'boook' is not defined", name="boook"), "no cell of this notebook makes it"),
        (InvalidOperation("Cannot use MongoClient after close"), "phase 04 is closed; run the notebook from its first"),
        (ServerSelectionTimeoutError("a:1: refused\nb:2: refused"), "MongoDB stopped answering: a:1: refused; see"),
        (OperationFailure("not authorized on x", 13), "MongoDB refused: not authorized on x"),
        (RedisConnectionError("refused"), "Redis stopped answering"),
    ],
)
def test_what_goes_wrong_in_a_cell_is_one_line_with_what_to_do(error, line):
    told = kernel.told(error, "04")
    assert line in told and "\n" not in told


def test_an_error_names_the_cell_that_makes_what_is_missing(tmp_path, monkeypatch):
    cells = [
        {"cell_type": "markdown", "source": ["## 4.2 The sample\n", "Words."]},
        {"cell_type": "code", "source": ["from a import b as c\n", "study, rest = c()"]},
    ]
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "04_made.ipynb").write_text(json.dumps({"cells": cells}), encoding="utf-8")
    monkeypatch.setattr(kernel, "PROJECT", tmp_path)
    for name in ("study", "c"):
        told = kernel.told(NameError(f"name '{name}' is not defined", name=name), "04")
        assert told.endswith(
            "the cell below “4.2 The sample” makes it; run that cell and those below it, then this one"
        )


def test_the_first_cell_run_again_opens_the_phase_anew(book, namespace):
    book.record(passing())
    again = Phase.open("07", namespace | {"book": book})
    again.record(passing())
    with pytest.raises(InvalidOperation):
        book.mongodb.admin.command("ping")
    again.release()


def test_a_closed_phase_says_the_same_when_it_is_closed_again(book, tmp_path, monkeypatch):
    monkeypatch.delenv("LEADBOOK_RUN_ID", raising=False)
    book.record(passing())
    told = set()
    for _ in range(2):
        with pytest.raises(Blocked) as blocked:
            book.close()
        told.add(str(blocked.value))
    assert len(told) == 1 and read_record(tmp_path, "07")["closed"]["verdict"] == "fail"


@pytest.mark.trust(
    way="MongoDB dies in the middle of a notebook", status=None,
    says=("MongoDB stopped answering", "then run the notebook from its first code cell"),
    leaves="a cell that ends with its first unanswered question, and a phase that still closes",
)  # fmt: skip
def test_servers_that_die_cost_one_wait_and_one_line(own_servers, settings, namespace, monkeypatch, trust):
    state = own_servers()
    endpoints = servers.resolve(settings, folder=state.folder)
    monkeypatch.setattr(servers, "resolve", lambda settings: endpoints)
    monkeypatch.delenv("LEADBOOK_RUN_ID", raising=False)
    book = Phase.open("07", {**namespace, "server_selection_timeout_ms": 1_000})
    for member in state.members:
        os.kill(member.pid, signal.SIGKILL)
    began = time.monotonic()
    with pytest.raises(ServerSelectionTimeoutError) as lost:
        for _ in range(9):
            attempt(lambda: book.database.command("ping"))
    with pytest.raises(Blocked):
        book.close()
    assert time.monotonic() - began < 3, "one wait of 1 s, not one a question"
    trust.check(None, kernel.told(lost.value, "07"))


def test_a_closed_phase_is_no_missing_right():
    def ask():
        raise InvalidOperation("Cannot use MongoClient after close")

    with pytest.raises(InvalidOperation):
        attempt(ask)


def test_a_section_is_shown_and_recorded_in_one_call(book, tmp_path, capsys):
    frame = pd.DataFrame({"a": [41]})
    section = Section(
        says="A sentence.", tables=(Table(frame, "Title", {"a": "what it means"}),), checks=(passing(),),
        documents=(Document("notes", "Notes", "# Notes", ("DBA",)),), facts={"rate": 2.5},
    )  # fmt: skip
    book.show(section)
    record = read_record(tmp_path, "07")
    assert record["facts"] == {"rate": 2.5} and [check["id"] for check in record["checks"]] == ["GATE-GO-001"]
    assert (tmp_path / "documents" / "notes.md").is_file() and "41" in capsys.readouterr().out
    assert section.frame is frame


def test_a_phase_without_checks_does_not_pass(book, tmp_path, monkeypatch):
    monkeypatch.setenv("LEADBOOK_RUN_ID", "test")
    book.close()
    assert read_record(tmp_path, "07")["closed"]["verdict"] == "fail"


def test_a_check_of_another_phase_is_refused(book):
    foreign = not_applicable("GATE-GO-001", "no")
    object.__setattr__(foreign, "phase", "03")
    with pytest.raises(LeadbookError, match="belongs to phase 03"):
        book.record(foreign)


def test_secrets_do_not_reach_records(book, tmp_path, endpoints):
    password = endpoints.mongodb_uri.partition("://")[2].partition("@")[0].partition(":")[2]
    book.record(judge("GATE-GO-001", True, evidence=f"password {password}"))
    book.fact("uri", endpoints.mongodb_uri)
    book.document("leak", "Leak", endpoints.mongodb_uri, audience=["nobody"])
    assert password not in "".join(path.read_text() for path in tmp_path.rglob("*") if path.is_file())


def test_tables_are_shown_with_explained_columns(book, capsys):
    book.table(pd.DataFrame({"a": [1]}), "Title", columns={"a": "what it means"})
    assert "1" in capsys.readouterr().out


@pytest.mark.trust(
    way="a misspelt parameter given to papermill itself", status=2,
    says=("did you mean 'members'",), leaves="a notebook that stops at its first cell",
)  # fmt: skip
def test_misspelt_papermill_parameters_are_refused(namespace, trust):
    namespace["In"] = ["", "# Parameters\nmembrs = 1\n"]
    with pytest.raises(ParameterError) as caught:
        Phase.open("07", namespace)
    trust.check(caught.value.exit_status, str(caught.value))


@pytest.mark.trust(
    way="MongoDB away when a notebook begins", status=2,
    says=("127.0.0.1:9",), leaves="a notebook that stops at its first cell",
)  # fmt: skip
def test_mongodb_away_is_one_line(namespace, monkeypatch, trust):
    monkeypatch.setenv("MONGODB_URI", "mongodb://127.0.0.1:9/")
    with pytest.raises(UnreachableError) as caught:
        Phase.open("07", {**namespace, "server_selection_timeout_ms": 300})
    assert "\n" not in str(caught.value)
    trust.check(caught.value.exit_status, str(caught.value))


@pytest.mark.trust(
    way="Redis away when a notebook begins", status=None,
    says=("127.0.0.1:9",), leaves="a notebook that goes on without Redis",
)  # fmt: skip
def test_redis_away_is_told_and_does_not_stop(namespace, endpoints, monkeypatch, trust):
    monkeypatch.setenv("MONGODB_URI", endpoints.mongodb_uri)
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:9/0")
    book = Phase.open("07", {**namespace, "profile": "production", "database": "lead_generation"})
    assert book.redis is None
    trust.check(None, book.redis_problem)


def test_records_are_plain_json(book, tmp_path):
    book.record(passing())
    assert json.loads((tmp_path / "records" / "07.json").read_text())["phase"] == "07"
    assert Settings.model_fields
