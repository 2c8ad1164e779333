"""A drill that is killed leaves nothing for good, nothing that is not its own is touched, production says so first."""

import contextlib
import json
import os
import signal
import stat
import subprocess
import sys

import pytest
from pymongo import MongoClient

from leadbook.backup.backup import back_up, collections_of, content_of
from leadbook.backup.folder import backups, backups_folder
from leadbook.backup.restore import drop_restored, restore
from leadbook.backup.verify import verify
from leadbook.core.checks import Verdict
from leadbook.core.errors import ParameterError, RefusedError
from leadbook.phases.judging import checks_of, of_found
from leadbook.phases.p06 import checks, sections
from leadbook.schema import undo
from leadbook.schema.scratch import SCRATCH_PREFIX, scratch_name

RESTORE = {"BKP-RST-001", "BKP-RST-002", "BKP-RST-003", "BKP-CMP-001", "BKP-CMP-002", "BKP-CMP-003", "BKP-CMP-004",
           "BKP-CMP-005", "BKP-ERA-001"}  # fmt: skip


@pytest.fixture
def production(kept):
    return kept.model_copy(update={"profile": "production"})


def verdicts(section):
    return {check.id: check.verdict for check in section.checks}


def sweep(book):
    """What notebook 06 removes before it takes a backup, judged."""
    (check,) = checks_of(of_found((checks.SWEPT,), sections._sweep(book), checks.sweep))
    return check


def scratches(database):
    return [name for name in database.list_collection_names() if name.startswith(SCRATCH_PREFIX)]


# ------------------------------------------------------------------------------------------------------ killed drills

KILLED_RESTORE = """
import os, signal, sys
from pathlib import Path
from pymongo import MongoClient
from leadbook.backup import restore as module
insert, calls = module._insert, []
def killed(collection, batch, bypass):
    insert(collection, batch, bypass)
    calls.append(1)
    if len(calls) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
module._insert, module.BATCH = killed, 300
client = MongoClient(os.environ["TEST_URI"])
module.restore(Path(sys.argv[1]), client[sys.argv[2]])
"""

KILLED_DAMAGE = """
import os, signal, sys
from pathlib import Path
from leadbook.backup import damage
def killed(folder, name):
    os.kill(os.getpid(), signal.SIGKILL)
damage.KINDS = {"one bit flipped in the data": killed}
damage.corrupt(Path(sys.argv[1]))
"""


def run_killed(script, *arguments):
    done = subprocess.run([sys.executable, "-c", script, *map(str, arguments)], check=False, capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()[-2_000:]


@pytest.mark.trust(
    way="The recovery drill is killed while it restores its copy", status=None,
    says=("killed processes", "restored_performance_marketers"),
    leaves="Nothing after the next start of a notebook, which removes the copy by its name and says so.",
)  # fmt: skip
def test_a_killed_restore_is_removed_at_the_next_start(filled, opened, endpoints, production, monkeypatch, trust):
    monkeypatch.setenv("TEST_URI", endpoints.admin_uri)
    folder = backups_folder(production)
    made = back_up(filled, collections_of(production), folder, production)
    before = str(content_of(filled, production.collection))
    run_killed(KILLED_RESTORE, made.path, filled.name)
    left = [name for name in scratches(filled) if "restored" in name]
    assert left and filled[left[-1]].estimated_document_count() > 0, "the kill left personal data beside the leads"
    precious = f"{SCRATCH_PREFIX}restored_precious"
    filled[precious].insert_one({"whose": "not the drill's"})
    check = sweep(opened(filled, production))
    assert check.verdict is Verdict.FAIL and f"of no drill at work: {precious}" in check.evidence
    trust.check(None, check.evidence)
    assert "\n" not in check.evidence
    assert scratches(filled) == [precious], "only what a killed drill made is removed"
    assert str(content_of(filled, production.collection)) == before and verify(made.path).sound
    filled.drop_collection(precious)
    check = sweep(opened(filled, production))
    assert check.verdict is Verdict.PASS and "nothing" in check.evidence


def test_what_was_swept_when_the_phase_opened_is_told_and_what_could_not_be_fails(
    filled, admin, opened, endpoints, kept, monkeypatch
):
    """`Phase.open` sweeps before notebook 06 looks: the check tells of that, and a copy that stayed is no pass."""
    monkeypatch.setenv("TEST_URI", endpoints.admin_uri)
    made = back_up(filled, collections_of(kept), backups_folder(kept), kept)
    run_killed(KILLED_RESTORE, made.path, filled.name)
    stuck = next(name for name in scratches(filled) if "restored" in name)
    with may_not_drop(filled, admin, endpoints) as limited:
        swept = undo.sweep(limited, admin, None)
        assert len(swept) == 1 and "stay" in swept[0] and stuck in scratches(filled)
        check = sweep(opened(filled, kept, dba=limited.client, swept=swept))
    assert check.verdict is Verdict.FAIL and stuck in check.evidence, "what may not be dropped is no pass"
    assert swept[0].rstrip(".") in check.evidence
    swept = undo.sweep(filled, admin, None)
    check = sweep(opened(filled, kept, swept=swept))
    assert check.verdict is Verdict.PASS and stuck in check.evidence


@contextlib.contextmanager
def may_not_drop(database, admin, endpoints):
    """The database as somebody sees it who may do all but drop a collection."""
    actions = ["find", "insert", "update", "remove", "listCollections", "createIndex", "listIndexes"]
    privileges = [{"resource": {"db": database.name, "collection": ""}, "actions": actions}]
    admin[database.name].command("createRole", "keeper", privileges=privileges, roles=[])
    admin[database.name].command("createUser", "keeper", pwd="kept", roles=["keeper"])
    who = {"username": "keeper", "password": "kept", "authSource": database.name, "authMechanism": "SCRAM-SHA-256"}
    try:
        with MongoClient(endpoints.admin_uri, tz_aware=True, **who) as client:
            yield client[database.name]
    finally:
        admin[database.name].command("dropUser", "keeper")
        admin[database.name].command("dropRole", "keeper")


def test_a_restore_at_work_is_not_swept(filled, admin, opened, kept):
    made = back_up(filled, collections_of(kept), backups_folder(kept), kept)
    copies = restore(made.path, admin[filled.name])
    assert sweep(opened(filled, kept)).verdict is Verdict.PASS
    assert {copy.name for copy in copies} <= set(filled.list_collection_names())
    drop_restored(admin[filled.name], [copy.name for copy in copies])


@pytest.mark.parametrize("name", ["performance_marketers", f"{SCRATCH_PREFIX}restored_precious"])
def test_what_no_drill_made_is_never_dropped_as_a_copy(filled, admin, name):
    filled[name].insert_one({"linkedin_url": "precious"})
    with pytest.raises(RefusedError, match="is no copy"):
        drop_restored(admin[filled.name], [name])
    assert filled[name].count_documents({"linkedin_url": "precious"}) == 1


def test_a_killed_damage_drill_leaves_no_backup_behind_and_the_kept_one_whole(filled, opened, production):
    folder = backups_folder(production)
    made = back_up(filled, collections_of(production), folder, production)
    run_killed(KILLED_DAMAGE, made.path)
    assert len(list(folder.iterdir())) == 2 and backups(folder) == [made.path], "a damaged copy is no backup"
    assert verify(made.path).sound
    check = sweep(opened(filled, production))
    assert "partial" in check.evidence and list(folder.iterdir()) == [made.path] and verify(made.path).sound


def test_folders_that_are_not_leadbooks_are_never_swept(filled, opened, kept):
    folder = backups_folder(kept)
    for name in ("holiday.partial", "leads-20250101T000000Z-abcdef.partial"):
        (folder / name).mkdir()
        (folder / name / "photo.jpg").write_bytes(b"x")
        os.utime(folder / name, (0, 0))
    sweep(opened(filled, kept))
    assert {path.name for path in folder.iterdir()} == {"holiday.partial", "leads-20250101T000000Z-abcdef.partial"}


def test_a_whole_backup_of_a_killed_rehearsal_goes_and_productions_stays(filled, opened, kept, production):
    folder = backups_folder(kept)
    mine = back_up(filled, collections_of(kept), folder, kept)
    theirs = back_up(filled, collections_of(kept), folder, production)
    sweep(opened(filled, kept))
    assert set(backups(folder)) == {mine.path, theirs.path}, "their makers live"
    dead(mine.path), dead(theirs.path)
    sweep(opened(filled, production))
    assert set(backups(folder)) == {mine.path, theirs.path}, "what another profile made"
    sweep(opened(filled, kept))
    assert backups(folder) == [theirs.path]


def dead(backup):
    """The manifest of a backup whose maker is gone."""
    from leadbook.backup.archive import _digest

    path = backup / "manifest.json"
    body = json.loads(path.read_text())
    body.pop("digest")
    body["made_by"]["pid"] = 2**22 + 1
    path.write_text(json.dumps({**body, "digest": _digest(body)}))


def test_a_restore_that_finds_its_target_taken_drops_nothing(filled, admin, kept, monkeypatch):
    """Between the look and the making, somebody else takes the name."""
    made = back_up(filled, collections_of(kept), backups_folder(kept), kept)
    taken = scratch_name("restored_taken")
    filled[taken].insert_one({"whose": "somebody else's"})
    monkeypatch.setattr("leadbook.backup.restore._refuse", lambda *_: None)
    with pytest.raises(Exception, match="already exists"):
        restore(made.path, admin[filled.name], names={kept.collection: taken})
    assert filled[taken].count_documents({}) == 1


# ---------------------------------------------------------------------------------------------------------- approvals


@pytest.mark.trust(
    way="Notebook 06 runs in production without approval", status=None,
    says=("not approved", "-p approve='restore_drill on leadbook_test'"),
    leaves="A proven backup in its private folder; no copy beside the leads, so the restore is not measured.",
)  # fmt: skip
def test_production_restores_no_copy_that_is_not_approved(filled, opened, production, trust):
    book = opened(filled, production)
    taken = sections.backup(book)
    assert verdicts(taken)["BKP-DMP-002"] is Verdict.PASS
    section = sections.restore(book, taken)
    assert verdicts(section) == dict.fromkeys(RESTORE, Verdict.NOT_MEASURED)
    trust.check(None, f"{section.checks[0].evidence} {section.checks[0].remedy}")
    assert not sections.times(section).plots and scratches(filled) == [] and taken.found[0].path.exists()


def test_an_approval_lets_production_restore_beside(filled, opened, production):
    book = opened(filled, production.model_copy(update={"approve": f"restore_drill on {production.database}"}))
    taken = sections.backup(book)
    assert set(verdicts(sections.restore(book, taken)).values()) == {Verdict.PASS} and scratches(filled) == []
    other = opened(filled, production.model_copy(update={"approve": "restore_drill on elsewhere"}))
    with pytest.raises(ParameterError, match="elsewhere"):
        sections.restore(other, taken)


# ------------------------------------------------------------------------------------------------- folders of others


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_a_folder_that_leadbook_did_not_make_keeps_its_rights(filled, opened, settings, tmp_path):
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o755)
    named = settings.model_copy(update={"backup_dir": str(shared)})
    section = sections.backup(opened(filled, named))
    (made, _) = section.found
    assert mode(shared) == 0o755 and mode(made.path) == 0o700
    assert {mode(path) for path in made.path.iterdir()} == {0o600}
    assert verdicts(section)["BKP-DMP-004"] is Verdict.PASS


@pytest.mark.trust(
    way="backup_dir names a folder that anybody may write into", status=None, says=("anybody", "chmod o-w"),
    leaves="Nothing: no backup is written there.",
)  # fmt: skip
def test_a_folder_in_which_anybody_may_swap_backups_is_refused(filled, opened, settings, tmp_path, trust):
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    named = settings.model_copy(update={"backup_dir": str(shared)})
    with pytest.raises(RefusedError) as refused:
        backups_folder(named)
    trust.check(None, str(refused.value))
    section = sections.backup(opened(filled, named))
    assert section.found is None and Verdict.PASS not in verdicts(section).values()
    assert list(shared.iterdir()) == [] and mode(shared) == 0o777
