"""A person's word counts for one target, for a month, and only when it tells what was seen."""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from leadbook.core.checks import Check, Verdict, blockers, judge, not_measured
from leadbook.core.definitions import catalogue
from leadbook.core.errors import InputFileError, UsageError
from leadbook.core.settings import PROJECT, Settings, load_profile
from leadbook.phases.attestations import RISK, Attestations, AttestedDatabase, accept, attest, load

CHECK = "ATL-BCK-001"
MAX_AGE_DAYS = Settings().attestation_days
PRODUCTION = Settings(profile="production", database="lead_generation")
HERE = AttestedDatabase.of(PRODUCTION, "mongodb+srv://app:pw@cluster0.abcde.mongodb.net/?w=majority")
SEEN = "Backup Policy shows daily snapshots kept for 8 days, the newest of this morning"


def day(ago: float) -> str:
    return (datetime.now(UTC) - timedelta(days=ago)).date().isoformat()


def written(path: Path, **changed: str | None) -> Attestations:
    """A file with one good entry, parts of it changed, or left out where None."""
    entry = {"who": "Ada Lovelace", "when": day(3), "seen": SEEN, **changed}
    target = entry.pop("target", "lead_generation on cluster0.abcde.mongodb.net")
    text = yaml.safe_dump({"target": target, CHECK: {key: value for key, value in entry.items() if value is not None}})
    path.write_text(text, encoding="utf-8")
    return load(path)


def found(attestations: Attestations, settings: Settings = PRODUCTION, target: AttestedDatabase = HERE) -> Check:
    return attest(CHECK, attestations, target, settings)


def test_a_good_attestation_passes_and_says_who_when_and_what(tmp_path: Path) -> None:
    check = found(written(tmp_path / "a.yaml"))
    assert check.verdict is Verdict.PASS
    assert "Ada Lovelace" in check.evidence and SEEN in check.evidence and day(3) in check.evidence


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"who": None}, "lacks who"),
        ({"who": ""}, "lacks who"),
        ({"who": "TODO"}, "nobody's name"),
        ({"who": "…"}, "nobody's name"),
        ({"when": None}, "lacks when"),
        ({"when": "yesterday"}, "is no date"),
        ({"when": "2026-13-45"}, "is no date"),
        ({"when": "14.03.2026"}, "is no date"),
        ({"when": day(-3)}, "lies in the future"),
        ({"when": day(MAX_AGE_DAYS + 1)}, f"more than {MAX_AGE_DAYS}"),
        ({"seen": None}, "lacks seen"),
        ({"seen": "TODO"}, "no sentence"),
        ({"seen": "…"}, "no sentence"),
        ({"seen": "x"}, "no sentence"),
        ({"seen": "tbd tbd tbd tbd tbd"}, "no sentence"),
        ({"seen": "It looks good to me, all done, everything is fine."}, "no sentence"),
        ({"seen": "checked"}, "no sentence"),
        ({"seen": "Atlas, your cluster, Backup, Backup Policy"}, "repeats the form"),
        ({"seen": "Automated backups are on and kept for 7 days or more"}, "repeats the form"),
        ({"target": ""}, "names no target"),
        ({"target": "lead_generation"}, "it is for target lead_generation"),
        ({"target": "lead_generation on cluster1.abcde.mongodb.net"}, "this is lead_generation on cluster0"),
        ({"target": "lead_staging on cluster0.abcde.mongodb.net"}, "it is for target lead_staging"),
    ],
)
@pytest.mark.trust(
    way="An attestation that is empty, old, of the future, of another cluster, or only copied", status=None,
    says=("does not count",), leaves="the check stays not attested, and blocks",
)  # fmt: skip
def test_what_does_not_count_blocks_and_says_why(changed: dict[str, str], why: str, tmp_path: Path, trust) -> None:  # type: ignore[no-untyped-def]
    check = found(written(tmp_path / "a.yaml", **changed))
    assert check.verdict is Verdict.MANUAL and why in check.evidence
    assert "lead_generation on cluster0.abcde.mongodb.net" in check.remedy and CHECK in check.remedy
    trust.check(None, check.evidence)


def test_dates_at_both_ends_count(tmp_path: Path) -> None:
    """Also with a time of day, and today's date of a time zone that is ahead."""
    for when in (day(0), day(MAX_AGE_DAYS), f"{day(1)}T09:30:00+02:00", f"{day(1)} 09:30"):
        assert found(written(tmp_path / "a.yaml", when=when)).verdict is Verdict.PASS, when


def test_a_target_is_named_by_any_of_its_hosts(tmp_path: Path) -> None:
    uri = "mongodb://app:pw@db1.example:27017,db2.example:27018/?replicaSet=rs"
    there = AttestedDatabase.of(PRODUCTION, uri)
    assert str(there) == "lead_generation on db1.example:27017"
    for host in ("db1.example:27017", "DB2.example", "db2.example:27018"):
        file = written(tmp_path / "a.yaml", target=f"lead_generation on {host}")
        assert found(file, target=there).verdict is Verdict.PASS
    assert found(written(tmp_path / "a.yaml", target="lead_generation on db1"), target=there).verdict is Verdict.MANUAL


def test_an_entry_may_have_a_target_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    entry = {"who": "Ada Lovelace", "when": day(1), "seen": SEEN, "target": str(HERE)}
    path.write_text(yaml.safe_dump({"target": "lead_generation on elsewhere", CHECK: entry}))
    assert found(load(path)).verdict is Verdict.PASS


def test_no_file_is_nobodys_word_and_the_remedy_says_what_to_copy(tmp_path: Path) -> None:
    for file in (load(None), load(tmp_path / "mine.yaml", "params/mine.yaml")):
        check = found(file)
        assert check.verdict is Verdict.MANUAL and "nobody has attested this" in check.evidence
        assert "copy params/attestations.example.yaml to params/" in check.remedy
    assert "params/mine.yaml does not exist" in check.evidence
    assert "attestations_file: " in found(load(None)).remedy


def test_a_rehearsal_has_no_console(tmp_path: Path) -> None:
    assert found(load(None), Settings()).verdict is Verdict.NOT_APPLICABLE


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ATL-BCK-01: {who: Ada}\n", r":1: ATL-BCK-01 is no check that is attested; did you mean 'ATL-BCK-001'"),
        ("# a\nMDB-CON-001: {who: Ada}\n", r":2: MDB-CON-001 is no check that is attested"),
        ("target: a on b\nATL-BCK-001:\n  seen: tier M30: three nodes\n", r":3: not YAML"),
        ("ATL-BCK-001: {who: Ada\n", r":\d: not YAML"),
        ("- ATL-BCK-001\n", r":1: must map"),
        ("just words\n", r":1: must map"),
        ("ATL-BCK-001: {who: Ada}\nATL-BCK-001: {who: Bob}\n", r":2: ATL-BCK-001 stands here twice"),
    ],
)
@pytest.mark.trust(
    way="A broken file of attestations", status=2, says=("a.yaml:",),
    leaves="one line names the file, the line and the fault",
)  # fmt: skip
def test_a_broken_file_is_one_line_with_its_line(text: str, message: str, tmp_path: Path, trust) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "a.yaml"
    path.write_text(text)
    with pytest.raises(InputFileError, match=message) as caught:
        load(path, "a.yaml")
    assert "\n" not in str(caught.value)
    trust.check(caught.value.exit_status, str(caught.value))


def test_what_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(b"\xff\xfe\x00")
    for path in (tmp_path, tmp_path / "a.yaml"):
        with pytest.raises(InputFileError, match=r"attestations cannot be read|not YAML"):
            load(path)


def test_an_entry_that_is_no_mapping_does_not_count(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(f"target: {HERE}\n{CHECK}: yes\n")
    assert "lacks who, when, seen" in found(load(tmp_path / "a.yaml")).evidence


# -------------------------------------------------------------------------------------------------- accepted risks

FEW_CORES = judge("MDB-HST-001", 2, settings=PRODUCTION, evidence="hostInfo")
WHY = "two cores are enough for the trial, the rates of 03 are far beyond their targets"


def with_risk(path: Path, check_id: str = "MDB-HST-001", **changed: str | None) -> Attestations:
    """A file with one good acceptance, parts of it changed, or left out where None."""
    entry = {"who": "Ada Lovelace", "when": day(3), "until": day(-10), "why": WHY, "target": str(HERE), **changed}
    risks = {check_id: {key: value for key, value in entry.items() if value is not None}}
    path.write_text(yaml.safe_dump({"accepted": risks}), encoding="utf-8")
    return load(path)


def accepted(file: Attestations, check: Check = FEW_CORES) -> Check:
    return accept(check, file, HERE, PRODUCTION)


def test_an_accepted_risk_stands_on_its_check_and_blocks_no_more(tmp_path: Path) -> None:
    check = accepted(with_risk(tmp_path / "a.yaml"))
    assert (check.verdict, blockers([check])) == (Verdict.FAIL, [])
    assert check.accepted == f"accepted by Ada Lovelace on {day(3)} until {day(-10)}: {WHY}"
    unseen = not_measured("MDB-HST-001", "hostInfo is not allowed", settings=PRODUCTION)
    assert blockers([accepted(with_risk(tmp_path / "a.yaml", until=day(0)), unseen)]) == []


def test_a_risk_is_accepted_only_where_its_check_blocks(tmp_path: Path) -> None:
    passes = judge("MDB-HST-001", 8, settings=PRODUCTION)
    assert accepted(with_risk(tmp_path / "a.yaml"), passes) == passes
    assert accepted(with_risk(tmp_path / "a.yaml", "MDB-HST-002")) == FEW_CORES


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"who": None}, "lacks who"),
        ({"who": "someone"}, "nobody's name"),
        ({"why": None}, "lacks why"),
        ({"why": "it is fine"}, "no sentence that tells why"),
        ({"why": "CPU cores of the database host"}, "why repeats the form"),
        ({"when": "in March"}, "when is no date"),
        ({"when": day(-3)}, "lies in the future"),
        ({"when": day(MAX_AGE_DAYS + 1)}, f"more than {MAX_AGE_DAYS}"),
        ({"until": None}, "lacks until"),
        ({"until": "the end"}, "until is no date"),
        ({"until": day(1)}, f"it ended on {day(1)}"),
        ({"until": day(-400)}, "days ahead, more than 366: nobody can say so far ahead"),
        ({"target": None}, "names no target"),
        ({"target": "lead_generation on cluster1.abcde.mongodb.net"}, "this is lead_generation on cluster0"),
    ],
)
@pytest.mark.trust(
    way="A risk accepted without name, reason or end, too long ago, or for another cluster", status=None,
    says=("an acceptance that does not count",), leaves="the check blocks, and says why",
)  # fmt: skip
def test_an_acceptance_that_does_not_count_blocks_and_says_why(
    changed: dict[str, str], why: str, tmp_path: Path, trust
) -> None:  # type: ignore[no-untyped-def]
    check = accepted(with_risk(tmp_path / "a.yaml", **changed))
    assert blockers([check]) == [check] and why in check.evidence and check.evidence.startswith("hostInfo; ")
    trust.check(None, check.evidence)


@pytest.mark.trust(
    way="Somebody accepts lost or doubled leads, or a gate that only repeats other checks", status=None,
    says=("nobody can accept this one",), leaves="the check blocks",
)  # fmt: skip
def test_lost_and_doubled_leads_cannot_be_accepted(tmp_path: Path, trust) -> None:  # type: ignore[no-untyped-def]
    said = ""
    for check_id in ("FIN-LOSS-002", "FIN-COUNT-003", "PIPE-LED-001", "GATE-GO-001", "MDB-IDX-001"):
        check = not_measured(check_id, "nobody looked", settings=PRODUCTION)
        said = accepted(with_risk(tmp_path / "a.yaml", check_id), check).evidence
        assert "nobody can accept this one" in said, check_id
    trust.check(None, said)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("accepted:\n  MDB-HST-01: {who: Ada}\n", r":2: MDB-HST-01 is no check whose risk .*did you mean 'MDB-HST-0"),
        ("accepted:\n  MDB-HST-001: {}\n  MDB-HST-001: {}\n", r":3: MDB-HST-001 stands here twice"),
        ("accepted: [MDB-HST-001]\n", r":1: accepted must map check ids to who, when, why, until"),
        ("accepted: all\n", r":1: accepted must map"),
    ],
)
def test_a_broken_list_of_risks_is_one_line_with_its_line(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(InputFileError, match=message):
        load(tmp_path / "a.yaml", "a.yaml")
    (tmp_path / "a.yaml").write_text("accepted:\n#  MDB-HST-001:\n")
    assert load(tmp_path / "a.yaml").accepted == {}


def test_the_form_is_complete_and_claims_nothing() -> None:
    """Everything is commented out; with the marks taken away it names every attestation, and still nothing counts."""
    path = PROJECT / "params" / "attestations.example.yaml"
    assert load(path).entries == {}
    text = "\n".join(re.findall(r"(?m)^#(\S.*|  \S+:.*|    \w+: .*)$", path.read_text()))
    form = yaml.safe_load(text)
    target, risks = form.pop("target"), form.pop("accepted")
    assert [tuple(entry) for entry in risks.values()] == [RISK]
    assert set(form) == {entry.id for entry in catalogue().values() if entry.kind == "attestation"}
    assert all(set(entry) == {"who", "when", "seen"} for entry in form.values())
    filled = Attestations(entries=form, target=target)
    assert {attest(check, filled, HERE, PRODUCTION).verdict for check in form} == {Verdict.MANUAL}


@pytest.mark.parametrize("kind", ["device", "folder", "pipe", "huge"])
@pytest.mark.trust(
    way="attestations_file or a profile names a device, a folder, a pipe or a file of a gigabyte", status=2,
    says=("file",), leaves="one line at once; nothing is read",
)  # fmt: skip
def test_what_is_no_file_written_by_hand_is_refused_at_once(tmp_path: Path, kind: str, trust) -> None:
    path = tmp_path / "a.yaml"
    if kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        with path.open("wb") as file:
            file.truncate(2**30)
    with pytest.raises(InputFileError) as caught:
        load(path)
    trust.check(caught.value.exit_status, str(caught.value))
    with pytest.raises(UsageError, match="file"):
        load_profile(str(path))
