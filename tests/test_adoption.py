"""A forgotten --profile touches nobody's data: a rehearsal works on its own servers, or in what was adopted for it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from leadbook.core import connect
from leadbook.core.errors import RefusedError
from leadbook.core.settings import PROJECT
from leadbook.phases.phase import Phase
from leadbook.rehearsal import adoption

PRODUCTION = "lead_generation"


@pytest.fixture
def foreign(endpoints, admin, redis_client):
    """Servers named by the environment, with somebody's lead and somebody's keys; their addresses as variables."""
    for name in (PRODUCTION, "leadbook_rehearsal", "adopted_here"):
        admin.drop_database(name)
    redis_client.flushdb()
    admin[PRODUCTION]["performance_marketers"].insert_one({"_id": 1, "linkedin_url": "https://linkedin.com/in/x"})
    redis_client.mset({f"lead:linkedin:theirs-{number}": "1" for number in range(500)})
    yield {"MONGODB_URI": endpoints.admin_uri, "REDIS_URL": endpoints.redis_url}
    for name in (PRODUCTION, "leadbook_rehearsal", "adopted_here"):
        admin.drop_database(name)
    redis_client.flushdb()


def leadbook(*words, env, folder):
    environment = os.environ | env | {"LEADBOOK_STATE": str(folder / "state")}
    done = subprocess.run(
        [sys.executable, "-m", "leadbook.cli", *words], capture_output=True, text=True, timeout=200, cwd=PROJECT,
        env=environment, check=False,
    )  # fmt: skip
    return done.returncode, (done.stdout + done.stderr).strip()


def untouched(admin, redis_client):
    names = set(admin.list_database_names())
    return (
        "leadbook_rehearsal" not in names
        and admin[PRODUCTION]["performance_marketers"].count_documents({}) == 1
        and redis_client.dbsize() == 500
    )


COMMANDS = [
    ("run",), ("run", "--only", "04"), ("run", "--only", "05"), ("run", "--profile", "ci"), ("bench",),
    ("ingest", "leads.jsonl", "--vendor", "brightdata"), ("ingest", "--staged"), ("replay",),
]  # fmt: skip


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
@pytest.mark.trust(
    way="production's addresses are exported and --profile is forgotten (run, bench, ingest, replay)",
    status=2, says=("leadbook adopt", "--profile production", "unset MONGODB_URI"),
    leaves="nothing is written: no database, no document, no key",
)  # fmt: skip
def test_a_forgotten_profile_is_refused_before_the_first_write(words, foreign, admin, redis_client, tmp_path, trust):
    (tmp_path / "leads.jsonl").write_text("{}\n")
    words = [str(tmp_path / word) if word == "leads.jsonl" else word for word in words]
    status, said = leadbook(*words, env=foreign, folder=tmp_path)
    trust.check(status, said)
    assert len(said.splitlines()) == 1
    assert untouched(admin, redis_client)


@pytest.mark.trust(
    way="a notebook is run by papermill or in JupyterLab with the rehearsal's profile on production's addresses",
    status=None, says=("does not work in database leadbook_rehearsal",), leaves="nothing is written",
)  # fmt: skip
def test_a_notebook_is_refused_too(foreign, settings, admin, redis_client, tmp_path, monkeypatch, trust):
    for name, value in foreign.items():
        monkeypatch.setenv(name, value)
    namespace = {**settings.model_dump(), "database": "leadbook_rehearsal", "run_dir": str(tmp_path), "In": []}
    with pytest.raises(RefusedError) as caught:
        Phase.open("02", namespace)
    trust.check(None, str(caught.value))
    assert untouched(admin, redis_client)


def test_a_foreign_redis_beside_servers_of_its_own_is_refused(settings, endpoints, mongo):
    mixed = connect.Endpoints(**{**vars(endpoints), "redis_source": "environment"})
    with pytest.raises(RefusedError, match="unset REDIS_URL"):
        adoption.require(mongo, settings, mixed)


def test_adopting_marks_an_empty_database_with_target_and_date(foreign, admin, tmp_path):
    status, said = leadbook("adopt", "adopted_here", env=foreign, folder=tmp_path)
    assert status == 0 and "-p database=adopted_here" in said
    mark = admin["adopted_here"][adoption.MARKER].find_one()
    assert mark["database"] == "adopted_here" and mark["replica_set"] == "leadbook" and mark["adopted_at"]
    assert leadbook("adopt", "adopted_here", env=foreign, folder=tmp_path)[0] == 0
    status, said = leadbook("ingest", "--staged", "-p", "database=adopted_here", env=foreign, folder=tmp_path)
    assert status == 0, said


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("adopt", PRODUCTION), "it holds 1 collections"),
        (("adopt", "admin"), "belongs to MongoDB"),
        (("adopt", "adopted_here", "--profile", "production"), "production needs no adopted database"),
    ],
)
def test_what_may_not_be_adopted(words, says, foreign, admin, redis_client, tmp_path):
    status, said = leadbook(*words, env=foreign, folder=tmp_path)
    assert status == 2 and says in said and len(said.splitlines()) == 1
    assert untouched(admin, redis_client)


def test_without_addresses_there_is_nothing_to_adopt(tmp_path):
    status, said = leadbook("adopt", "adopted_here", env={}, folder=tmp_path)
    assert status == 2 and "MONGODB_URI is not set" in said


@pytest.mark.trust(
    way="a database adopted for one cluster is met on another (copied, or the address changed)",
    status=None, says=("was adopted with replica set other",), leaves="nothing is written",
)  # fmt: skip
def test_a_mark_of_another_target_does_not_count(foreign, settings, endpoints, admin, trust):
    admin["adopted_here"][adoption.MARKER].insert_one({"_id": "adopted", "database": "adopted_here",
                                                       "replica_set": "other", "redis": ""})  # fmt: skip
    here = connect.Endpoints(**{**vars(endpoints), "source": "environment", "redis_source": "environment"})
    with pytest.raises(RefusedError) as caught:
        adoption.require(admin, settings.model_copy(update={"database": "adopted_here"}), here)
    trust.check(None, str(caught.value))


@pytest.mark.trust(
    way="the production profile is pointed at a database adopted for rehearsals",
    status=2, says=("holds made-up leads",), leaves="nothing is written",
)  # fmt: skip
def test_production_does_not_work_among_made_up_leads(foreign, tmp_path, trust):
    assert leadbook("adopt", "adopted_here", env=foreign, folder=tmp_path)[0] == 0
    words = ("ingest", "--staged", "--profile", "production", "-p", "database=adopted_here")
    trust.check(*leadbook(*words, env=foreign, folder=tmp_path))


@pytest.mark.parametrize("whose", ["MONGODB_URI", "REDIS_URL", "both"])
@pytest.mark.trust(
    way="the production profile meets a rehearsal's servers (both, or one of the two), of this checkout or another",
    status=2, says=("production does not work on a rehearsal's servers", "--profile rehearsal"),
    leaves="nothing is written",
)  # fmt: skip
def test_production_does_not_work_on_a_rehearsals_servers(whose, foreign, own_servers, settings, tmp_path, trust):
    made = own_servers(mongodb=whose != "REDIS_URL", redis=whose != "MONGODB_URI")
    theirs = {"MONGODB_URI": made.mongodb_uri, "REDIS_URL": made.redis_url}
    env = foreign | {name: value for name, value in theirs.items() if value}
    for words in (("ingest", "--staged"), ("run", "--stage", "ready", "--out", str(tmp_path))):
        database = ("-p", f"database={settings.database}")
        status, said = leadbook(*words, "--profile", "production", *database, env=env, folder=tmp_path)
        trust.check(status, said)
        assert len(said.splitlines()) == 1
        assert ("MONGODB_URI" in said, "REDIS_URL" in said) == (bool(made.mongodb_uri), bool(made.redis_url))
