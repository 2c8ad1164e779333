"""Before there are leads phase 06 works on made ones in scratch collections, and nothing of them stays."""

import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from leadbook.backup.archive import TRIAL
from leadbook.backup.backup import back_up
from leadbook.backup.folder import backups, backups_folder, sweep
from leadbook.core.checks import Verdict
from leadbook.phases.p06 import sections
from leadbook.phases.p06.subject import chosen
from leadbook.schema import undo


@pytest.fixture
def book(database, admin, endpoints, clean_redis):
    """What `chosen` asks of the open phase."""

    def made(settings):
        return SimpleNamespace(settings=settings, database=database, admin=admin, redis=clean_redis, swept=[],
                               endpoints=endpoints)  # fmt: skip

    return made


def run(subject):
    taken = sections.backup(subject)
    damaged, restored = sections.damage(subject, taken), sections.restore(subject, taken)
    cached = sections.cache(subject)
    last = sections.procedures(subject, taken, damaged, restored, cached)
    return taken, damaged, restored, cached, last


def named(database):
    """Collections beside leadbook's record of who works here."""
    return set(database.list_collection_names()) - {undo.COLLECTION}


@pytest.mark.parametrize("profile", ["rehearsal", "production"])
def test_an_empty_database_is_tried_with_made_leads_of_which_nothing_stays(
    book, database, kept, clean_redis, of_our_backups, profile
):
    approve = f"restore_drill on {kept.database}"
    settings = kept.model_copy(update={"profile": profile, "approve": approve})
    subject = chosen(book(settings))
    assert subject.leads_made > 2_000 and len(named(database)) >= 3
    found = run(subject)
    made = [check for section in found for check in section.checks]
    assert {check.verdict for check in made} == {Verdict.PASS}, [c for c in made if c.verdict is not Verdict.PASS]
    assert {check.id for check in made} == of_our_backups
    held = found[0].found[0].manifest.documents_of(subject.settings.collection)
    assert held == subject.leads_made and not found[0].facts
    assert "There are no leads yet" in found[0].says and "There are no leads yet" in found[-1].documents[0].markdown
    shown = [check.evidence for check in made] + [section.frame.to_string() for section in found]
    assert "leadbook_scratch" not in " ".join(shown) and "made leads" in shown[1]
    assert named(database) == set() and clean_redis.dbsize() == 0
    assert backups(backups_folder(settings)) == [], "a backup of made leads is nobody's to keep"


@pytest.mark.trust(
    way="Notebook 06 runs in production before there are leads, without approval", status=None,
    says=("there are no leads yet", "-p approve='restore_drill on leadbook_test'"),
    leaves="Nothing: no made lead is written, and each check of the drills is not measured.",
)  # fmt: skip
def test_production_makes_no_leads_that_are_not_approved(book, database, kept, trust):
    settings = kept.model_copy(update={"profile": "production"})
    found = run(chosen(book(settings)))
    dump = next(check for check in found[0].checks if check.id == "BKP-DMP-001")
    assert dump.verdict is Verdict.NOT_MEASURED
    trust.check(None, f"{dump.evidence} {dump.remedy}")
    assert named(database) == set() and backups(backups_folder(settings)) == []


def test_where_there_are_leads_they_are_the_subject(book, filled, kept):
    subject = chosen(book(kept))
    assert not subject.made and subject.leads.count_documents({}) == 1_500
    subject = chosen(book(kept.model_copy(update={"profile": "production"})))
    assert not subject.made and subject.absent is None


KILLED = """
import os, signal, sys
from types import SimpleNamespace
from leadbook.core import connect
from leadbook.core.settings import Settings
from leadbook.phases.p06 import sections
from leadbook.phases.p06.subject import chosen
from leadbook.rehearsal import servers
settings = Settings.from_mapping({"members": 1, "database": sys.argv[1], "backup_dir": sys.argv[2]})
endpoints = servers.resolve(settings)
client = connect.mongodb(endpoints.mongodb_uri, settings)
book = SimpleNamespace(settings=settings, database=client[settings.database], admin=client, redis=None, swept=[],
                       endpoints=endpoints)
subject = chosen(book)
sections.backup(subject)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.trust(
    way="Notebook 06 is killed while its made leads are there", status=-9,
    says=("killed", "scratch collections"),
    leaves="Nothing after the next start of a notebook, which drops them and says so, and the next 06 their backup.",
)  # fmt: skip
def test_a_killed_trial_is_removed_by_the_next_phase(database, admin, endpoints, kept, trust):
    done = subprocess.run([sys.executable, "-c", KILLED, database.name, kept.backup_dir], env=dict(os.environ),
                          capture_output=True, check=False)  # fmt: skip
    assert named(database), done.stderr.decode()[-2_000:]
    folder = backups_folder(kept)
    assert len(backups(folder)) == 1
    trust.check(done.returncode, " ".join(undo.sweep(database, admin, None)))
    assert named(database) == set()
    told = sweep(folder, kept.model_copy(update={"profile": "production"}))
    assert len(told) == 1 and "made leads" in told[0] and backups(folder) == []


def test_a_trials_backup_at_work_is_not_swept(database, kept):
    database["made"].insert_one({})
    made = back_up(database, ["made"], backups_folder(kept), kept, trial=True)
    assert made.manifest.profile == TRIAL and sweep(backups_folder(kept), kept) == []
