"""Backups on real servers: every BSON type comes back, damage is noticed, half a dump is none, originals are safe."""

import json
import re
import stat
import subprocess
import sys
import time
from datetime import datetime
from uuid import uuid4

import pytest
from bson import (
    Binary,
    Code,
    DBRef,
    Decimal128,
    Int64,
    MaxKey,
    MinKey,
    ObjectId,
    Regex,
    Timestamp,
)
from bson.datetime_ms import DatetimeMS
from pymongo import MongoClient
from pymongo.errors import OperationFailure

from leadbook.backup import backup as backup_module
from leadbook.backup.archive import ContentHash, documents_in, read_manifest
from leadbook.backup.backup import back_up, content_of
from leadbook.backup.compare import compare, validated
from leadbook.backup.damage import KINDS, abort, corrupt
from leadbook.backup.folder import backups, backups_folder, remove
from leadbook.backup.restore import drop_restored, restore
from leadbook.backup.verify import verify
from leadbook.core.errors import InputFileError, RefusedError
from leadbook.phases.judging import checks_of, of_found
from leadbook.phases.p06 import checks
from leadbook.rehearsal import sample
from leadbook.schema.scratch import SCRATCH_PREFIX, scratch_name
from leadbook.schema.state import apply

EVERY_TYPE = {
    "double": 1.5, "nan": float("nan"), "infinity": float("-inf"), "minus zero": -0.0, "text": "Zoë \u202e\x00 𝛑",
    "nested": {"b": 1, "a": {"z": [], "y": {}}}, "array": [1, "a", None, [2]], "binary": Binary(b"\x00\xff", 0),
    "uuid": Binary.from_uuid(uuid4()), "custom": Binary(b"x", 128), "id": ObjectId(), "bool": True,
    "far date": DatetimeMS(-(2**55)), "date": datetime(2025, 1, 29), "null": None, "regex": Regex("^a.*$", "im"),
    "code": Code("function() {}"), "scoped": Code("f()", {"x": 1}), "int": 2**31 - 1, "long": Int64(1),
    "longest": 2**63 - 1, "timestamp": Timestamp(1, 2), "decimal": Decimal128("1E-6176"), "nan10": Decimal128("NaN"),
    "min": MinKey(), "max": MaxKey(), "reference": DBRef("c", 1), "a.b": 1, "$c": 2, "": 3,
}  # fmt: skip


@pytest.fixture
def names(settings):
    return [settings.collection, settings.staging_collection, settings.rejected_collection]


@pytest.fixture
def filled(database, admin, settings):
    """Schema applied, 2,500 leads, and a few raw payloads."""
    leads = database[settings.collection]
    apply(leads, admin, settings)
    leads.insert_many(sample.documents(2_500, seed=11))
    database[settings.staging_collection].insert_many([{"payload": {"n": n}} for n in range(10)])
    return database


@pytest.fixture
def made(filled, names, tmp_path, settings):
    return back_up(filled, names, tmp_path, settings)


@pytest.fixture
def dba(admin, settings):
    return admin[settings.database]


def scratches(database):
    return [name for name in database.list_collection_names() if name.startswith(SCRATCH_PREFIX)]


def test_a_backup_says_what_it_holds_and_nothing_of_the_leads(made):
    manifest = read_manifest(made.path)
    assert manifest == made.manifest
    assert [entry.documents for entry in manifest.collections] == [2_500, 10, 0]
    assert manifest.consistency == "snapshot" and manifest.documents == 2_510
    assert "example.com" not in (made.path / "manifest.json").read_text()
    assert verify(made.path).sound and verify(made.path).documents == 2_510


def test_only_its_owner_may_read_it(made, settings, tmp_path):
    modes = {stat.S_IMODE(path.stat().st_mode) for path in made.path.iterdir()}
    assert modes == {0o600} and stat.S_IMODE(made.path.stat().st_mode) == 0o700
    folder = backups_folder(settings.model_copy(update={"backup_dir": str(tmp_path / "kept")}))
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_every_bson_type_comes_back_byte_for_byte(database, dba, settings, tmp_path):
    database["odd"].insert_many([{"_id": n, **EVERY_TYPE} for n in (1, "two", Int64(3))])
    made = back_up(database, ["odd", "not there"], tmp_path, settings)
    (copy,) = restore(made.path, dba)
    (entry,) = made.manifest.collections
    found = compare(made.path, entry, copy.name, dba)
    assert (copy.documents, copy.refused) == (3, 0)
    assert found.content_equal and found.original_unchanged and found.valid
    drop_restored(dba, [copy.name])


def test_a_restore_has_the_same_indexes_validator_and_documents(made, filled, dba):
    copies = restore(made.path, dba)
    for entry, copy in zip(made.manifest.collections, copies, strict=True):
        found = compare(made.path, entry, copy.name, dba)
        assert found.content_equal and found.indexes_equal and found.options_equal and found.valid is True
        assert found.documents_restored == entry.documents
    assert len(filled[copies[0].name].index_information()) == 12
    drop_restored(dba, [copy.name for copy in copies])
    assert scratches(filled) == []


def test_documents_that_break_the_validator_are_restored_too(filled, dba, admin, names, tmp_path, settings):
    filled[settings.collection].insert_one({"linkedin_url": "only this"})
    strict = settings.model_copy(update={"validation_level": "strict", "validation_action": "error"})
    apply(filled[settings.collection], admin, strict)
    made = back_up(filled, names, tmp_path, settings)
    copies = restore(made.path, dba)
    assert copies[0].bypassed and copies[0].refused == 0 and copies[0].documents == 2_501
    assert "break the validator" in validated(dba, copies[0].name)[1]
    drop_restored(dba, [copy.name for copy in copies])


def test_without_rights_to_bypass_refused_documents_are_counted(filled, admin, names, tmp_path, settings):
    filled[settings.collection].insert_one({"linkedin_url": "only this"})
    strict = settings.model_copy(update={"validation_level": "strict", "validation_action": "error"})
    apply(filled[settings.collection], admin, strict)
    made = back_up(filled, names, tmp_path, settings)
    copies = restore(made.path, filled)
    assert not copies[0].bypassed and copies[0].refused == 1 and copies[0].documents == 2_500
    assert validated(filled, copies[0].name)[0] is None
    drop_restored(filled, [copy.name for copy in copies])


def test_a_different_copy_is_told_apart(made, filled, dba, settings):
    copies = restore(made.path, dba)
    name, entry = copies[0].name, made.manifest.collections[0]
    filled[name].update_one({}, {"$set": {"full_name": "Somebody Else"}})
    filled[name].drop_index("idx_job_title")
    dba.command({"collMod": name, "validationAction": "error"})
    found = compare(made.path, entry, name, dba)
    assert found.documents_restored == entry.documents
    assert not (found.content_equal or found.indexes_equal or found.options_equal)
    drop_restored(dba, [copy.name for copy in copies])


def test_leads_that_arrive_after_the_backup_are_seen_and_not_held_against_it(made, filled, dba, settings):
    copies = restore(made.path, dba)
    filled[settings.collection].insert_one({"linkedin_url": "later"})
    found = compare(made.path, made.manifest.collections[0], copies[0].name, dba)
    assert found.content_equal and not found.original_unchanged
    drop_restored(dba, [copy.name for copy in copies])


def test_a_dump_is_one_point_in_time_while_writers_go_on(filled, names, tmp_path, settings):
    leads, staging = filled[settings.collection], filled[settings.staging_collection]

    def write(_):
        leads.insert_one({"linkedin_url": f"late {time.perf_counter_ns()}"})
        staging.insert_one({"late": True})

    made = back_up(filled, names, tmp_path, settings, on_batch=write)
    assert [entry.documents for entry in made.manifest.collections] == [2_500, 10, 0]
    assert leads.count_documents({}) == 2_507


@pytest.mark.trust(
    way="A restore names the leads' own or any other existing collection as its target", status=2,
    says=("refuses to restore",), leaves="Everything as it was: a restore only makes new collections beside.",
)  # fmt: skip
@pytest.mark.parametrize("target", ["original", "existing", "other"])
def test_a_restore_refuses_every_name_but_a_new_scratch_name(made, filled, dba, settings, target, trust):
    existing = scratch_name("restored_taken")
    filled.create_collection(existing)
    name = {"original": settings.collection, "existing": existing, "other": "precious"}[target]
    before = str(content_of(filled, settings.collection))
    with pytest.raises(RefusedError) as refused:
        restore(made.path, dba, names={settings.collection: name})
    trust.check(refused.value.exit_status, str(refused.value))
    assert str(content_of(filled, settings.collection)) == before
    assert scratches(filled) == [existing] and "precious" not in filled.list_collection_names()


@pytest.mark.trust(
    way="a restore that fails half-way", status=None,
    says=(), leaves="none of what it had made; the leads, untouched",
)  # fmt: skip
def test_a_restore_that_fails_drops_what_it_made(made, filled, dba, settings, trust):
    taken = scratch_name("restored_twice")
    with pytest.raises(OperationFailure):
        restore(made.path, dba, names={entry.name: taken for entry in made.manifest.collections})
    assert scratches(filled) == [] and filled[settings.collection].count_documents({}) == 2_500
    trust.check(None, "")


# ------------------------------------------------------------------------------------------------------------- damage


def test_every_kind_of_damage_is_noticed_and_the_backup_stays_sound(made):
    drills = corrupt(made.path)
    assert [drill.name for drill in drills] == list(KINDS)
    assert all(drill.noticed for drill in drills), drills
    assert not any("/" in re.sub(r"leads-\w+-\w+(-damaged)?/", "", drill.said) for drill in drills)
    assert verify(made.path).sound and backups(made.path.parent) == [made.path]


def rewrite(folder, **changed):
    """A manifest that agrees with damaged files: the content must then give the damage away."""
    path = folder / "manifest.json"
    body = json.loads(path.read_text())
    body.pop("digest"), body.pop("format")
    entries = tuple(backup_module.CollectionEntry(**entry) for entry in body.pop("collections"))
    for name in body["files"]:
        body["files"][name] = backup_module.described(folder / name)
    path.write_text(backup_module.Manifest(collections=entries, **{**body, **changed}).as_json())


@pytest.mark.trust(
    way="a backup that lacks a document, with file hashes forged to agree", status=None,
    says=("2,499 documents, the manifest says 2,500", "content hash differs"), leaves="a backup that counts as unsound",
)  # fmt: skip
def test_a_missing_document_is_noticed_even_when_the_file_hash_agrees(made, settings, trust):
    import zstandard

    data = made.path / f"{settings.collection}.bson.zst"
    documents = list(documents_in(data))
    data.write_bytes(zstandard.ZstdCompressor().compress(b"".join(one.raw for one in documents[:-1])))
    rewrite(made.path)
    assert not verify(made.path).sound
    trust.check(None, "\n".join(verify(made.path).problems))


def test_a_file_the_manifest_does_not_name_is_a_problem(made):
    (made.path / "extra").write_text("x")
    assert verify(made.path).problems == ("extra: not named by the manifest",)


@pytest.mark.trust(
    way="A backup that was damaged or cut off is restored", status=2, says=("unsound, so nothing is restored",),
    leaves="Nothing is restored; the leads and the damaged backup stay as they are.",
)  # fmt: skip
@pytest.mark.parametrize("kind", ["data cut off by 64 bytes", "one bit flipped in the data", "manifest lost"])
def test_an_unsound_backup_is_not_restored(made, filled, dba, settings, kind, trust):
    KINDS[kind](made.path, settings.collection)
    with pytest.raises(InputFileError) as refused:
        restore(made.path, dba)
    trust.check(refused.value.exit_status, str(refused.value))
    assert scratches(filled) == []


def test_an_interrupted_dump_leaves_nothing(filled, names, tmp_path, settings):
    drill = abort(filled, names, tmp_path, settings)
    assert drill.noticed and "left behind: nothing" in drill.said
    assert list(tmp_path.iterdir()) == []


def test_a_dump_of_few_documents_is_cut_and_one_of_none_is_not_called_a_pass(database, settings, tmp_path):
    database.create_collection("empty")
    assert not abort(database, ["empty"], tmp_path, settings).noticed
    database["small"].insert_many([{}, {}])
    drill = abort(database, ["empty", "small"], tmp_path, settings)
    assert drill.noticed and "interrupted after 1 " in drill.said and list(tmp_path.iterdir()) == []


KILLED = """
import os, signal, sys
from pathlib import Path
from pymongo import MongoClient
from leadbook.backup.backup import back_up
from leadbook.core.settings import Settings
client = MongoClient(os.environ["TEST_URI"])
kill = lambda written: os.kill(os.getpid(), signal.SIGKILL)
back_up(client[sys.argv[1]], [sys.argv[2]], Path(sys.argv[3]), Settings(), on_batch=kill)
"""


@pytest.mark.trust(
    way="a backup killed (SIGKILL) while it is written", status=-9,
    says=(), leaves="a folder that ends in .partial and is never taken for a backup",
)  # fmt: skip
def test_a_killed_dump_leaves_only_a_partial_folder(filled, endpoints, tmp_path, settings, monkeypatch, trust):
    monkeypatch.setenv("TEST_URI", endpoints.mongodb_uri)
    command = [sys.executable, "-c", KILLED, filled.name, settings.collection, str(tmp_path)]
    trust.check(subprocess.run(command, check=False).returncode, "")
    (left,) = tmp_path.iterdir()
    assert left.name.endswith(".partial") and backups(tmp_path) == []
    assert not verify(left).sound
    remove(left)
    assert list(tmp_path.iterdir()) == []


def test_only_backups_are_removed(tmp_path):
    (tmp_path / "precious").mkdir()
    with pytest.raises(InputFileError, match="not a backup"):
        remove(tmp_path / "precious")
    assert (tmp_path / "precious").exists()


def test_the_content_hash_ignores_order_and_nothing_else():
    def of(*documents):
        content = ContentHash()
        for document in documents:
            content.add(document)
        return str(content)

    assert of(b"a", b"b") == of(b"b", b"a")
    assert len({of(b"a", b"b"), of(b"a"), of(b"a", b"a"), of(b"ab"), of()}) == 5


def test_a_standalone_server_is_dumped_without_a_snapshot_and_says_so(standalone, tmp_path, settings):
    with MongoClient(standalone) as client:
        client["standalone"]["leads"].insert_one({"a": 1})
        made = back_up(client["standalone"], ["leads"], tmp_path, settings)
    assert made.manifest.consistency == "none" and verify(made.path).sound
    found = checks_of(of_found(checks.of("BKP-DMP"), (made, verify(made.path)), checks.dump))
    assert {check.id: check.verdict for check in found}["BKP-DMP-003"] == "warn"
