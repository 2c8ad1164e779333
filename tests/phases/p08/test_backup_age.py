"""The age of a backup is told of one that is there and was held against the live leads, and of no other."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from leadbook.backup.archive import MANIFEST, Manifest
from leadbook.backup.backup import back_up
from leadbook.backup.folder import backups, backups_folder, remove
from leadbook.backup.newest import checked_backup, newest_backup, newest_sound
from leadbook.backup.origin import Origin
from leadbook.core.checks import Verdict, judge, not_measured
from leadbook.core.definitions import definition
from leadbook.phases.judging import attempt, checks_of
from leadbook.phases.p08.servers import backup_age

PROVEN = definition("MON-BACKUP-001").follows


def proofs(**changed):
    """Phase 06's checks of a proven backup that was kept; `changed`: other verdicts, by id with underscores."""
    made = {"BKP-DMP-001": judge("BKP-DMP-001", 5), "BKP-DMP-002": judge("BKP-DMP-002", 0),
            "BKP-DMP-005": judge("BKP-DMP-005", 0), "BKP-CLN-001": judge("BKP-CLN-001", 0),
            "BKP-COR-001": judge("BKP-COR-001", True)}  # fmt: skip
    made |= {name.replace("_", "-"): check for name, check in changed.items()}
    return [check for check in made.values() if check is not None]


def of_backup(backup, proven, settings):
    (check,) = checks_of(backup_age(backup, proven, settings), settings)
    return check


def taken(hours_ago=0.0):
    at = (datetime.now(UTC) - timedelta(hours=hours_ago)).isoformat(timespec="seconds")
    return Manifest(taken_at=at, seconds=1, profile="production", server_version="6", database="d",
                    consistency="snapshot", collections=(), files={})  # fmt: skip


@pytest.fixture
def production(settings, tmp_path):
    return settings.model_copy(update={"profile": "production", "backup_dir": str(tmp_path)})


@pytest.fixture
def kept(production, database):
    """A backup of one lead in production's folder."""
    database[production.collection].insert_one({"_id": 1})
    return back_up(database, [production.collection], backups_folder(production), production)


def test_a_proven_backup_has_an_age(production):
    check = of_backup(taken(), proofs(), production)
    assert check.verdict is Verdict.PASS and check.measured < 0.1


def test_a_rehearsals_backup_was_removed_by_phase_06(settings):
    check = of_backup(None, proofs(), settings)
    assert check.verdict is Verdict.NOT_APPLICABLE and "removes" in check.evidence


@pytest.mark.parametrize("name", PROVEN)
@pytest.mark.parametrize("made", [None, "fail", "not measured"])
def test_a_backup_that_was_not_proven_has_none(production, name, made):
    other = {None: None, "fail": judge(name, 0 if name == "BKP-DMP-001" else 1), "not measured": not_measured(name, "")}
    check = of_backup(taken(), proofs(**{name.replace("-", "_"): other[made]}), production)
    assert check.verdict is Verdict.NOT_MEASURED


def test_its_age_is_that_of_the_dump_not_of_the_last_drill(production):
    check = of_backup(taken(hours_ago=60), proofs(), production)
    assert check.verdict is Verdict.FAIL and check.measured > 59


def test_the_backup_that_lies_in_the_folder_is_looked_at(production, kept, admin):
    assert newest_backup(production, admin).taken_at == kept.manifest.taken_at
    assert newest_backup(production.model_copy(update={"database": "another"}), admin) is None
    assert newest_backup(production.model_copy(update={"collection": "another"}), admin) is None


@pytest.mark.parametrize(("changed", "counts"), [
    ({"hosts": ("a:1", "b:2")}, False),  # another `rs0`
    ({"replica_set": "rs9"}, False),
    ({"hosts": ()}, True),  # older backups name no members
])  # fmt: skip
def test_a_backup_of_other_servers_is_not_of_these(production, kept, admin, changed, counts):
    (kept.path / MANIFEST).write_text(replace(kept.manifest, **changed).as_json())
    assert (newest_backup(production, admin) is not None) is counts
    found, notes = newest_sound(kept.path.parent, production, Origin.read(admin))
    assert (found is not None) is counts and len(notes) == int(not counts)
    assert checked_backup(kept.path, production) == kept.path


def test_one_member_in_common_is_enough(production, kept, admin):
    some = replace(kept.manifest, hosts=("gone:1", *kept.manifest.hosts))
    (kept.path / MANIFEST).write_text(some.as_json())
    assert newest_backup(production, admin) is not None


def test_a_backup_that_was_deleted_is_none_whatever_phase_06_says(production, kept, admin):
    remove(kept.path)
    check = of_backup(attempt(lambda: newest_backup(production, admin)), proofs(), production)
    assert not backups(backups_folder(production))
    assert check.verdict is Verdict.NOT_MEASURED and "no backup of" in check.evidence


def test_a_backup_that_was_damaged_since_has_no_age(production, kept, admin):
    manifest = json.loads((kept.path / MANIFEST).read_text())
    (kept.path / next(iter(manifest["files"]))).write_bytes(b"")
    check = of_backup(attempt(lambda: newest_backup(production, admin)), proofs(), production)
    assert check.verdict is Verdict.ERROR and kept.path.name in check.evidence
