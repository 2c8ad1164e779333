"""The watch tells the age of a backup of these leads on these servers that is sound, and of no other."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from leadbook.backup.archive import MANIFEST
from leadbook.backup.backup import back_up
from leadbook.backup.folder import backups_folder
from leadbook.watch.sources.access import Access
from leadbook.watch.sources.base import Moment
from leadbook.watch.sources.members import BackupAge

NOW = datetime.now(UTC)
MOMENT = Moment(number=1, at=NOW, real=0.0, server=NOW)


@pytest.fixture
def production(settings, tmp_path):
    return settings.model_copy(update={"profile": "production", "backup_dir": str(tmp_path / "backups")})


@pytest.fixture
def kept(production, database):
    database[production.collection].insert_one({"_id": 1})
    return back_up(database, [production.collection], backups_folder(production), production)


@pytest.fixture
def part(production, endpoints):
    with Access(production, endpoints) as access:
        yield BackupAge(access)


def test_no_folder_is_no_backup_and_makes_none(part, production):
    assert "no backup of" in part.read(MOMENT).unmeasured["backup"]
    assert not Path(production.backup_dir).exists()


def test_a_sound_backup_has_an_age_and_one_of_other_servers_has_none(part, kept):
    assert 0 <= part.read(MOMENT).readings["backup.age_h"] < 0.1
    manifest = replace(kept.manifest, hosts=("elsewhere:27017",))
    (kept.path / MANIFEST).write_text(manifest.as_json())
    assert "on these servers" in part.read(MOMENT).unmeasured["backup"]


def test_the_leads_collection_made_again_has_no_backup_yet(part, kept, production, database):
    assert part.read(MOMENT).readings
    database[production.collection].drop()
    database[production.collection].insert_one({"_id": 2})
    assert "dropped and made again" in part.read(MOMENT).unmeasured["backup"]


def test_a_newer_one_that_cannot_be_read_is_told_beside_the_age(part, kept, production, database):
    taken = back_up(database, [production.collection], kept.path.parent, production)
    later = taken.path.rename(kept.path.parent / "leads-20990101T000000Z-abcdef")
    (later / MANIFEST).write_text(taken.manifest.as_json().replace(production.database, "x"))
    found = part.read(MOMENT)
    assert found.readings["backup.age_h"] < 0.1 and later.name in found.unmeasured["backup.newer"]


def test_a_damaged_backup_has_no_age(part, kept):
    (kept.path / next(iter(kept.manifest.files))).write_bytes(b"")
    found = part.read(MOMENT)
    assert not found.readings and kept.path.name in found.unmeasured["backup"]
