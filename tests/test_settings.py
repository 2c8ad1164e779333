"""Parameters become strictly typed settings; secrets are found and scrubbed."""

import math
import os
import subprocess
import sys

import pytest
import yaml

from leadbook.core.addresses import secret_values
from leadbook.core.allowed import ACTIONS, OWN_COLLECTIONS
from leadbook.core.errors import InputFileError, ParameterError, RefusedError
from leadbook.core.redactor import Redactor
from leadbook.core.settings import PROJECT, Settings, load_profile, origins, parse_override
from leadbook.enrich.limits import SPENDING
from leadbook.ingest.control import COLLECTION as CONTROL
from leadbook.lead.suppression import SUPPRESSED
from leadbook.rehearsal import adoption
from leadbook.schema import undo
from leadbook.schema.scratch import SCRATCH_PREFIX

PROFILES = ("rehearsal", "ci", "production")


def test_what_waits_for_an_approval_keeps_those_that_were_given():
    settings = Settings.from_mapping({"profile": "production", "database": "d", "approve": "load_test on d"})
    told = settings.how_to_approve("apply_schema", "write probes")
    assert told.startswith("to let leadbook write probes, run ")
    assert "-p approve='load_test on d, apply_schema on d'" in told


def test_the_rehearsal_is_the_defaults():
    assert Settings.from_mapping(load_profile("rehearsal")) == Settings()


@pytest.mark.parametrize("profile", PROFILES)
def test_a_profile_names_itself_and_what_differs_from_the_defaults_with_its_meaning(profile):
    lines = (PROJECT / "params" / f"{profile}.yaml").read_text().splitlines()
    defaults, values = Settings().model_dump(), load_profile(profile)
    assert values["profile"] == profile
    same = {key for key, value in values.items() if value == defaults[key]}
    assert same <= {"profile", "approve"}
    for line in filter(lambda line: not line.startswith("#"), lines):
        key, _, rest = line.partition(":")
        assert rest.endswith(f"  # {Settings.model_fields[key].description}")


def test_a_notebooks_profile_decides_everything_that_the_notebook_does_not_set():
    """Changing `profile` in JupyterLab changes every value that differs, not that one alone."""
    lab = {"profile": "production", "batch_size": None, "writers": 8, "book": object()}
    settings = Settings.for_notebook(lab)
    assert settings == Settings.from_mapping({**load_profile("production"), "writers": 8})
    assert (settings.database, settings.rehearsal_servers) == ("lead_generation", False)


def test_a_file_of_ones_own_stands_above_the_profile_that_it_names(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("profile: production\nbatch_size: 250\n")
    found = load_profile(str(path))
    assert (found["batch_size"], found["database"]) == (250, "lead_generation")
    told = origins(str(path), {"writers": 8})
    assert {key: told[key] for key in ("batch_size", "database", "writers", "crm")} == {
        "batch_size": (250, "mine.yaml"), "database": ("lead_generation", "production.yaml"), "writers": (8, "given"),
        "crm": (False, "default"),
    }  # fmt: skip


def test_production_starts_nothing_and_changes_nothing_unasked():
    settings = Settings.from_mapping(load_profile("production"))
    assert not settings.rehearsal_servers
    assert not any(settings.approves(action) for action in ACTIONS)
    approved = settings.model_copy(update={"approve": f"load_test on {settings.database}"})
    assert approved.approves("load_test") and not approved.approves("apply_schema")
    with pytest.raises(ParameterError, match="but the database is"):
        settings.model_copy(update={"approve": "load_test on other"}).approves("load_test")
    with pytest.raises(RefusedError, match="approve='apply_schema on "):
        settings.refuse_unapproved("apply_schema")
    with pytest.raises(RefusedError, match="rehearsal"):
        settings.refuse_in_production("start rehearsal servers")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"batch_sise": 1}, "did you mean 'batch_size'"),
        ({"members": "3"}, "'members'"),
        ({"members": True}, "'members'"),
        ({"members": 0}, "'members'"),
        ({"write_concern": "most"}, "majority"),
        ({"validation_level": "hard"}, "'validation_level'"),
        ({"enrichment": 1}, "'enrichment'"),
        ({"approve": "load_test"}, "ACTION on DATABASE"),
        ({"approve": "load_tset on leads"}, "ACTION on DATABASE"),
        ({"profile": "production", "approve": "load_test on wrong", "database": "leads"}, "but the database is leads"),
        *(({"database": name}, "parameter 'database': belongs to MongoDB") for name in ("admin", "config", "local")),
        *(({"database": name}, "without any of /") for name in ("", "a b", "a/b", "a.b", 'a"b', "a\0b", "x" * 64)),
        ({"database": "mongodb://u:hunter2@h/db"}, "holds a password"),
        ({"collection": "raw_leads"}, "staging_collection"),
        ({"rejected_collection": "performance_marketers"}, "its own name"),
        *(({"collection": name}, "not begin with system.") for name in ("", "a b", "a$b", "system.profile", "a\0b")),
        ({"staging_collection": "leadbook_undo"}, "leadbook uses itself"),
        ({"collection": "erasure_requests"}, "leadbook uses itself"),
        *(
            ({key: bad}, f"parameter '{key}'")
            for bad in (math.nan, math.inf, -1.0, 1e300)
            for key in ("target_find_ms", "target_email_percent", "record_max_age_hours", "enrichment_per_second")
        ),
        ({"target_unique": -1}, "a number from 0 to"),
        *(
            ({key: bad}, "whole numbers above 0")
            for key in ("load_records", "load_writers", "open_loop_percent")
            for bad in ("", "nan", "-1", "10, x", "1e3", "half")
        ),
    ],
)
def test_a_bad_parameter_is_one_line_that_names_it(values, message):
    with pytest.raises(ParameterError) as caught:
        Settings.from_mapping(values)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value) and "hunter2" not in str(caught.value)


def test_names_that_leadbook_uses_itself_are_reserved():
    assert set(OWN_COLLECTIONS) == {SUPPRESSED, SPENDING, CONTROL}
    assert all(name.startswith("leadbook_") for name in (SCRATCH_PREFIX, undo.COLLECTION, adoption.MARKER))


def test_an_override_is_held_against_the_whole_and_not_against_defaults(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("profile: production\ndatabase: a\napprove: load_test on b\n")
    values = load_profile(str(path)) | dict([parse_override("database=b")])
    assert Settings.from_mapping(values).approves("load_test")
    assert parse_override("collection=raw_leads") == ("collection", "raw_leads")


@pytest.mark.parametrize(
    "words",
    [("adopt", "a b"), ("adopt", "admin"), ("run", "-p", "database=a/b"), ("ingest", "--staged", "-p", "database="),
     ("run", "--profile", "production", "-p", "approve=load_test on wrong"), ("run", "-p", "target_find_ms=nan"),
     ("replay", "-p", "collection=raw_leads")],
    ids=" ".join,
)  # fmt: skip
@pytest.mark.trust(
    way="a database or collection that cannot be one, a target that is no number, an approval for another database",
    status=2, says=("parameter '",), leaves="one line; no server is started or asked",
)  # fmt: skip
def test_what_cannot_be_is_refused_before_any_connection(words, tmp_path, trust):
    env = {**os.environ, "MONGODB_URI": "mongodb://127.0.0.1:1/", "REDIS_URL": "redis://127.0.0.1:1"}
    done = subprocess.run([sys.executable, "-m", "leadbook.cli", *words], capture_output=True, text=True, cwd=PROJECT,
                          env={**env, "LEADBOOK_STATE": str(tmp_path / "state")}, timeout=60, check=False)  # fmt: skip
    trust.check(done.returncode, done.stderr)
    assert len(done.stderr.splitlines()) == 1 and not (tmp_path / "state").exists()


def test_a_whole_number_serves_where_a_float_is_asked():
    assert Settings.from_mapping({"target_cost_usd": 1}).target_cost_usd == 1.0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("members=1", ("members", 1)),
        ("apply_schema=false", ("apply_schema", False)),
        ("database=0012", ("database", "0012")),
        ("monitor_seconds=3", ("monitor_seconds", 3.0)),
        ("lead_files=a=b.csv:apollo", ("lead_files", "a=b.csv:apollo")),
    ],
)
def test_an_override_takes_the_type_of_its_field(text, expected):
    assert parse_override(text) == expected


@pytest.mark.parametrize("text", ["members", "members=x", "membrs=1", "apply_schema=maybe", "members=-1"])
def test_a_bad_override_is_refused(text):
    with pytest.raises(ParameterError):
        parse_override(text)


def test_a_profile_must_be_flat_yaml_with_known_keys(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("members: [1\n")
    with pytest.raises(InputFileError, match=r"mine\.yaml:2"):
        load_profile(str(path))
    path.write_text("members: {a: 1}\n")
    with pytest.raises(InputFileError, match="nested"):
        load_profile(str(path))
    path.write_text("- members\n")
    with pytest.raises(InputFileError, match="key: value"):
        load_profile(str(path))
    path.write_text("membrs: 1\n")
    with pytest.raises(ParameterError, match="did you mean 'members'"):
        load_profile(str(path))


def test_an_unknown_profile_names_the_known_ones():
    with pytest.raises(ParameterError, match="did you mean 'rehearsal'"):
        load_profile("rehersal")


def test_profiles_are_plain_values_that_papermill_can_read():
    for path in (PROJECT / "params").glob("*.yaml"):
        values = yaml.safe_load(path.read_text())
        if "attestations" not in path.name:
            assert all(isinstance(value, str | int | float | bool) for value in values.values()), path


def test_secrets_are_found_plain_and_encoded():
    found = secret_values(["mongodb://user:p%40ss%2Fword@host:1/db", "redis://:hunter2@h:6379/0", "redis://h"])
    assert {"p%40ss%2Fword", "p@ss/word", "hunter2"} <= found


def test_the_redactor_scrubs_nested_values_and_does_not_show_what_it_knows():
    redactor = Redactor(["s3cret", "s3cret-longer"])
    assert redactor.tree({"a s3cret": ["x s3cret-longer y", 1]}) == {"a •••": ["x ••• y", 1]}
    assert "s3cret" not in repr(redactor)


def test_the_environments_passwords_are_known(monkeypatch):
    monkeypatch.setenv("MONGODB_URI", "mongodb://u:planted-pw@h/")
    monkeypatch.setenv("HUNTER_API_KEY", "key-123456")
    assert Redactor.from_environment().text("planted-pw key-123456") == "••• •••"
