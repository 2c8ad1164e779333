"""The age of a backup is told of one that is there and was held against the live leads, and of no other."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from leadbook.backup.archive import MANIFEST, Manifest
from leadbook.backup.backup import back_up
from leadbook.backup.folder import backups, backups_folder, remove
from leadbook.backup.newest import backup_named, checked_backup, newest_of, newest_sound, of_dropped, sound
from leadbook.backup.origin import Origin
from leadbook.core.checks import Verdict, judge, not_measured
from leadbook.core.definitions import definition
from leadbook.core.errors import InputFileError
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


def here(settings, database):
    return Origin.read(database[settings.collection])


def looked_at(settings, database, name):
    """As 08 looks at the backup that 06 names."""
    path = backup_named(name, backups_folder(settings), settings, here(settings, database))
    return None if path is None else sound(path)


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
    assert "--only 06" in check.remedy


def test_its_age_is_that_of_the_dump_not_of_the_last_drill(production):
    check = of_backup(taken(hours_ago=60), proofs(), production)
    assert check.verdict is Verdict.FAIL and check.measured > 59


def test_the_backup_that_lies_in_the_folder_is_looked_at(production, kept, database):
    assert looked_at(production, database, kept.path.name).taken_at == kept.manifest.taken_at


def test_it_is_the_one_that_phase_06_named(production, kept, database):
    later = back_up(database, [production.collection], kept.path.parent, production)
    assert looked_at(production, database, kept.path.name).taken_at == kept.manifest.taken_at
    remove(kept.path)
    assert later.path.exists() and looked_at(production, database, kept.path.name) is None
    assert looked_at(production, database, "") is None


OTHERS = (
    {"hosts": ("a:1", "b:2")}, {"hosts": ()}, {"replica_set": "rs9"}, {"replica_set": ""},
    {"collection_uuid": "0123456789ab"}, {"collection_uuid": ""},
)  # fmt: skip


@pytest.mark.parametrize("changed", OTHERS)
def test_a_backup_of_other_leads_counts_only_where_a_person_names_it(production, kept, database, changed):
    (kept.path / MANIFEST).write_text(replace(kept.manifest, **changed).as_json())
    check = of_backup(attempt(lambda: looked_at(production, database, kept.path.name)), proofs(), production)
    assert check.verdict is Verdict.ERROR and "it " in check.evidence
    found, notes = newest_sound(kept.path.parent, production, here(production, database))
    assert found is None and len(notes) == 1 and kept.path.name in notes[0]
    assert newest_of(kept.path.parent, production, here(production, database)) == (None, notes)
    assert checked_backup(kept.path, production) == kept.path
    dropped = of_dropped(kept.path.parent, production, here(production, database))
    assert dropped == ((kept.path,) if "collection_uuid" in changed else ()), "only its collection speaks against it"


def test_of_each_dropped_collection_the_newest_sound_backup_is_compared(production, kept, database):
    def of(uuid, day, *, broken=False):
        path = back_up(database, [production.collection], kept.path.parent, production).path
        (path / MANIFEST).write_text(replace(kept.manifest, collection_uuid=uuid).as_json())
        if broken:
            next(path.glob("*.bson.zst")).write_bytes(b"x")
        return path.rename(kept.path.parent / f"leads-209901{day:02}T000000Z-abcdef")

    of("a", 1)
    sound_one, other = of("a", 2), of("b", 3)
    of("a", 4, broken=True)
    assert of_dropped(kept.path.parent, production, here(production, database)) == (other, sound_one)


@pytest.mark.parametrize("changed", [{"database": "another"}, {"collection": "another"}])
def test_a_backup_of_another_database_or_collection_is_never_of_this_one(production, kept, database, changed):
    other = production.model_copy(update=changed)
    assert newest_of(kept.path.parent, other, here(production, database))[0] is None
    with pytest.raises(InputFileError):
        checked_backup(kept.path, other)


def test_a_backup_without_a_lead_saves_none(production, database):
    database.create_collection(production.collection)
    empty = back_up(database, [production.collection], backups_folder(production), production)
    found, (note,) = newest_of(empty.path.parent, production, here(production, database))
    assert found is None and "holds no document" in note


def test_one_that_cannot_be_read_hides_no_other(production, kept, database):
    taken = back_up(database, [production.collection], kept.path.parent, production)
    later = taken.path.rename(kept.path.parent / "leads-20990101T000000Z-abcdef")
    (later / MANIFEST).write_text(taken.manifest.as_json().replace(production.database, "x"))
    found, (note,) = newest_of(kept.path.parent, production, here(production, database))
    assert found == kept.path and later.name in note and "digest" in note


def test_one_member_in_common_is_enough(production, kept, database):
    some = replace(kept.manifest, hosts=("gone:1", *kept.manifest.hosts))
    (kept.path / MANIFEST).write_text(some.as_json())
    assert looked_at(production, database, kept.path.name) is not None


def test_a_backup_that_was_deleted_is_none_whatever_phase_06_says(production, kept, database):
    remove(kept.path)
    check = of_backup(attempt(lambda: looked_at(production, database, kept.path.name)), proofs(), production)
    assert not backups(backups_folder(production))
    assert check.verdict is Verdict.NOT_MEASURED and "no backup of" in check.evidence


def test_a_backup_that_was_damaged_since_has_no_age(production, kept, database):
    manifest = json.loads((kept.path / MANIFEST).read_text())
    (kept.path / next(iter(manifest["files"]))).write_bytes(b"")
    check = of_backup(attempt(lambda: looked_at(production, database, kept.path.name)), proofs(), production)
    assert check.verdict is Verdict.ERROR and kept.path.name in check.evidence
