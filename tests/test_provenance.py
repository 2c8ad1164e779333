"""A record is evidence for one target, profile and day: everything else is refused, and said."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from leadbook.core.provenance import Records, Target, code_digest, seal, settings_digest
from leadbook.phases.p07 import gate
from leadbook.phases.phase import Phase

TARGET = Target(
    profile="production", servers="environment", replica_set="atlas-a", hosts=("a:27017", "b:27017"),
    database="lead_generation", collection="performance_marketers", collection_uuid="0123456789ab", redis="c:6379/0",
)  # fmt: skip


def record(**changes):
    target = TARGET.as_dict() | changes.pop("target", {})
    at = changes.pop("at", datetime.now(UTC).isoformat(timespec="seconds"))
    return {
        "phase": "03", "opened": {"profile": "production"}, "facts": {"insert_rate": 5000.0}, "checks": [],
        "closed": {"verdict": "pass", "at": at, "target": target},
    } | changes  # fmt: skip


def read(tmp_path, content):
    path = tmp_path / "records" / "03.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(content | {"seal": seal(content)}))
    records = Records(tmp_path, TARGET, timedelta(hours=48))
    return records, records.of("03")


def hours_ago(hours):
    return (datetime.now(UTC) - timedelta(hours=hours)).isoformat(timespec="seconds")


def test_a_record_of_the_same_target_counts_and_is_named_with_its_digest(tmp_path):
    records, found = read(tmp_path, record(at=hours_ago(3)))
    assert found["facts"] == {"insert_rate": 5000.0}
    assert len(records.used["03"]["sha256"]) == 64
    assert records.told() == "Records of earlier phases used: 03 (3 h old)."


@pytest.mark.trust(
    way="a record of an earlier phase is edited by hand before papermill runs 07 alone", status=None,
    says=("it was changed after it was closed",), leaves="a gate that counts the edited record as missing",
)  # fmt: skip
def test_a_record_edited_after_it_was_closed_does_not_count(tmp_path, trust):
    content = record()
    read(tmp_path, content)
    path = tmp_path / "records" / "03.json"
    path.write_text(path.read_text().replace("5000.0", "999999.0"))
    records = Records(tmp_path, TARGET, timedelta(hours=48))
    assert records.of("03") == {}
    trust.check(None, records.told())


def test_a_record_made_before_the_collection_counts(tmp_path):
    assert read(tmp_path, record(target={"collection_uuid": ""}))[1]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"opened": {"profile": "rehearsal"}}, "of profile rehearsal"),
        ({"target": {"replica_set": "atlas-b"}}, "its replica set is atlas-b, here it is atlas-a"),
        ({"target": {"hosts": ["x:1"]}}, "its hosts is x:1"),
        ({"target": {"database": "other"}}, "its database is other"),
        ({"target": {"collection_uuid": "ffffffffffff"}}, "dropped and made again"),
        ({"at": hours_ago(24 * 365)}, " hours old, more than 48"),
        ({"at": hours_ago(-1)}, "in the future"),
        ({"at": "yesterday"}, "cannot be read"),
        ({"closed": None, "broken": "the kernel died"}, "did not run to its end: the kernel died"),
        ({"closed": {"verdict": "pass", "at": hours_ago(1)}}, "does not say of which servers"),
    ],
)
def test_any_other_record_is_refused_and_said(tmp_path, changes, why):
    records, found = read(tmp_path, record(**changes))
    assert found == {}
    assert why in records.refused["03"] and why in records.told()
    assert records.used == {}


def sealed(**changes):
    content = record(**changes)
    return content | {"seal": seal(content)}


def of_both(tmp_path, here, there):
    """What counts of a record in the run's folder and one in the journal."""
    path = tmp_path / "records" / "03.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(here))
    records = Records(tmp_path, TARGET, timedelta(hours=48), elsewhere=lambda _: json.dumps(there))
    return records.of("03").get("facts"), records.refused.get("03", "")


OLD, NEW = {"insert_rate": 1.0}, {"insert_rate": 2.0}
BROKEN = {"closed": None, "broken": "the kernel died"}


@pytest.mark.parametrize(("here", "there", "counts", "why"), [
    (sealed(at=hours_ago(40), facts=OLD), sealed(at=hours_ago(1), facts=NEW), NEW, ""),
    (sealed(at=hours_ago(50), facts=OLD), sealed(at=hours_ago(1), facts=NEW), NEW, ""),
    (sealed(at=hours_ago(1), facts=NEW), sealed(at=hours_ago(40), facts=OLD), NEW, ""),
    (sealed(at=hours_ago(2)), record(broken_at=hours_ago(1), **BROKEN), None, "the kernel died"),
    (record(broken_at=hours_ago(1), **BROKEN), sealed(at=hours_ago(2)), None, "the kernel died"),
    (record(broken_at=hours_ago(2), **BROKEN), sealed(at=hours_ago(1), facts=NEW), NEW, ""),
    (sealed(at=hours_ago(1), target={"database": "other"}), sealed(at=hours_ago(2), facts=OLD), OLD, ""),
    (sealed(at=hours_ago(1), opened={"profile": "rehearsal"}), sealed(at=hours_ago(2), facts=OLD), OLD, ""),
    (sealed(at=hours_ago(1), target={"database": "other"}), {}, None, "its database is other"),
])  # fmt: skip
def test_of_the_folders_record_and_the_journals_the_newer_counts(tmp_path, here, there, counts, why):
    found, refused = of_both(tmp_path, here, there)
    assert found == counts and (why in refused if why else not refused)


def test_a_record_that_is_edited_later_is_read_once(tmp_path):
    records, _ = read(tmp_path, record())
    (tmp_path / "records" / "03.json").write_text(json.dumps(record(facts={"insert_rate": 999_999.0})))
    assert records.of("03")["facts"] == {"insert_rate": 5000.0}


def test_what_was_measured_with_other_settings_or_code_counts_and_is_said(tmp_path):
    kept = record()
    kept["opened"] |= {"code": code_digest(), "parameters": {"batch_size": 100, "run_dir": "a", "writers": 2}}
    read(tmp_path, kept)
    here = {"batch_size": 500, "run_dir": "b", "writers": 2, "database": "x"}
    records = Records(tmp_path, TARGET, timedelta(hours=48), here)
    assert records.of("03")
    assert records.otherwise == {"03": "batch_size 100, here 500"} and "batch_size 100, here 500" in records.told()
    read(tmp_path, {**kept, "opened": {**kept["opened"], "code": "0"}})
    records = Records(tmp_path, TARGET, timedelta(hours=48), {"batch_size": 100})
    assert records.of("03") and records.otherwise == {"03": "other code"}


def test_digests_tell_settings_and_code_but_not_where_a_run_is_kept():
    assert settings_digest({"batch_size": 1, "run_dir": "a"}) == settings_digest({"batch_size": 1, "run_dir": "b"})
    assert settings_digest({"batch_size": 1}) != settings_digest({"batch_size": 2})
    assert len(code_digest()) == 12


@pytest.fixture
def namespaces(endpoints, admin, settings, tmp_path, monkeypatch):
    """Parameters of a rehearsal and of production, both kept in one folder; production's servers are named."""
    monkeypatch.setenv("LEADBOOK_RUN_ID", "test")
    admin.drop_database("lead_generation")
    rehearsal = {**settings.model_dump(), "run_dir": str(tmp_path), "In": []}
    return rehearsal, {**rehearsal, "profile": "production", "database": "lead_generation"}


@pytest.mark.trust(
    way="01 to 06 run as a rehearsal, then 07 with the production profile in the same folder",
    status=None, says=("it is of profile rehearsal, here it is production",),
    leaves="the gate is not measured: no GO",
)  # fmt: skip
def test_a_rehearsals_records_are_nothing_to_productions_gate(namespaces, endpoints, monkeypatch, trust):
    rehearsal, production = namespaces
    for phase in gate.PHASES:
        book = Phase.open(phase, rehearsal)
        book.fact("insert_rate", 9_000.0)
        book.close()
    monkeypatch.setenv("MONGODB_URI", endpoints.mongodb_uri)
    monkeypatch.setenv("REDIS_URL", endpoints.redis_url)
    book = Phase.open("07", production)
    checks = {check.id: check for check in gate.gate_checks(gate.collect(book), book.settings)}
    trust.check(None, book.records.told())
    assert checks.pop("GATE-RATE-001").verdict.value == "not applicable"  # nothing is collected yet
    assert {check.verdict.value for check in checks.values()} == {"not measured"}
    book.release()


def test_the_records_own_account_says_whose_it_is(namespaces, tmp_path):
    book = Phase.open("01", namespaces[0])
    book.close()
    opened = json.loads((tmp_path / "records" / "01.json").read_text())["opened"]
    assert opened["target"]["database"] == book.settings.database
    assert opened["target"]["hosts"] and opened["settings_digest"] and opened["code"] and opened["version"]
    assert opened["parameters"]["batch_size"] == book.settings.batch_size
