"""Parameters become strictly typed settings; secrets are found and scrubbed."""

import pytest
import yaml

from leadbook.errors import InputFileError, ParameterError, RefusedError
from leadbook.redactor import Redactor
from leadbook.settings import ACTIONS, PROJECT, Settings, load_profile, origins, parse_override, secret_values

PROFILES = ("rehearsal", "ci", "production")


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
    ],
)
def test_a_bad_parameter_is_one_line_that_names_it(values, message):
    with pytest.raises(ParameterError) as caught:
        Settings.from_mapping(values)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


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
