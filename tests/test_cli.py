"""The command line: one clear line for each wrong word, and the right exit status."""

import json
import os
import re
import shlex
import subprocess
import sys

import pytest

from leadbook.core.settings import PROJECT
from readme import COMMANDS, MAKE, SHOWN, SPRINT


def leadbook(*words, env=None, timeout=120):
    """Run the command as a user would, in a process of its own."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("MONGODB_", "REDIS_"))}
    return subprocess.run(
        [sys.executable, "-m", "leadbook.cli", *words],
        capture_output=True, text=True, timeout=timeout, env=environment | (env or {}), cwd=PROJECT, check=False,
    )  # fmt: skip


def test_help_lists_the_commands():
    done = leadbook("--help")
    assert done.returncode == 0
    for command in ("run", "up", "status", "down", "ingest", "docs", "doctor", "cleanup", "erase", "version"):
        assert re.search(rf"\b{command}\b", done.stdout)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["runn"], "No such command 'runn'"),
        (["up", "--membrs", "1"], "--members"),
        (["run", "--profile", "rehersal"], "did you mean 'rehearsal'"),
        (["run", "-p", "batch_sise=1"], "did you mean 'batch_size'"),
        (["run", "-p", "batch_size=many"], "must be a whole number"),
        (["run", "-p", "batch_size"], "is not key=value"),
        (["run", "--members", "0"], "'members'"),
        (["run", "-p", "lead_files=nowhere.csv"], "is not path:vendor"),
        (["run", "-p", "lead_files=nowhere.csv:apollo"], "no such file"),
        (["run", "--profile", "production"], "--stage ready"),
        (["run", "--profile", "production", "--stage", "ready"], "MONGODB_URI"),
        (["run", "--stage", "redy"], "did you mean 'ready'"),
        (["run", "--stage", "ready", "--only", "01"], "exclude each other"),
        (["up", "--profile", "production"], "production refuses"),
        (["ingest"], "no file given"),
        (["ingest", "leads.json"], "--vendor is missing"),
        (["ingest", "leads.json", "--vendor", "apolo"], "did you mean 'apollo'"),
        (["ingest", "nowhere.json", "--vendor", "apollo"], "no such file"),
        (["ingest", "a.json", "--vendor", "apollo", "--follow"], "--follow is for --staged"),
        (["recover"], "--from"),
        (["recover", "--from", "stagin"], "must be staging, backup or both"),
        (["compare", "nowhere", "nowhere"], "nowhere"),
        (["erase", "somebody"], "neither the address of a LinkedIn profile nor one e-mail address"),
        (["cleanup", "-p", "approve=clean up"], "ACTION on DATABASE"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
@pytest.mark.trust(
    way="A command, an option, a parameter or a profile is mistyped", status=2, says=("leadbook: ",),
    leaves="nothing: no server, no directory; the line says what was meant, where that can be guessed",
)  # fmt: skip
def test_misuse_is_one_line_and_exit_2(words, expected, tmp_path, trust):
    done = leadbook(*words, env={"LEADBOOK_STATE": str(tmp_path / "state")})
    trust.check(done.returncode, done.stderr)
    assert expected in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "state").exists()


def broken_package(folder, name, error):
    """A folder for PYTHONPATH in which a package of ours is not what it should be."""
    (folder / f"{name}.py").write_text(f"raise {error}\n")
    return {"PYTHONPATH": str(folder), "LEADBOOK_STATE": str(folder / "state")}


@pytest.mark.trust(
    way="A package is missing from the virtual environment", status=2, says=("is missing or broken", "make setup"),
    leaves="nothing: no server, no directory",
)  # fmt: skip
@pytest.mark.parametrize("name", ["typer", "pydantic", "papermill"])
def test_a_missing_package_is_one_line_and_exit_2(tmp_path, trust, name):
    env = broken_package(tmp_path, name, f"ModuleNotFoundError('no module', name='{name}.x')")
    done = leadbook("run", "--only", "01", env=env)
    assert f"the package '{name}'" in done.stderr and len(done.stderr.strip().splitlines()) == 1
    trust.check(done.returncode, done.stderr)


@pytest.mark.trust(
    way="leadbook itself has a fault and a command ends in an exception", status=2,
    says=("a fault of leadbook itself, RuntimeError: boom •••", "LEADBOOK_DEBUG=1"), leaves="nothing",
)  # fmt: skip
def test_an_unexpected_exception_is_one_line_and_exit_2(tmp_path, trust):
    env = broken_package(tmp_path, "psutil", "RuntimeError('boom planted-pw')")
    env["MONGODB_URI"] = "mongodb://u:planted-pw@127.0.0.1:9/"
    done = leadbook("status", env=env)
    assert len(done.stderr.strip().splitlines()) == 1 and "planted-pw" not in done.stderr
    trust.check(done.returncode, done.stderr)
    told = leadbook("status", env={**env, "LEADBOOK_DEBUG": "1"})
    assert told.returncode == 2 and "Traceback" in told.stderr and "planted-pw" not in told.stderr


@pytest.mark.trust(
    way="What a command should write cannot be written there", status=2, says=("File exists",), leaves="nothing",
)  # fmt: skip
def test_a_place_that_cannot_be_written_is_one_line_and_exit_2(tmp_path, trust):
    (tmp_path / "file").write_text("")
    done = leadbook("sample", str(tmp_path / "file"), "--records", "100")
    assert len(done.stderr.strip().splitlines()) == 1
    trust.check(done.returncode, done.stderr)


def test_a_run_directory_that_cannot_be_made_is_exit_2(tmp_path, endpoints):
    (tmp_path / "file").write_text("")
    done = leadbook("run", "--only", "01", "-p", "members=1", "--out", str(tmp_path / "file"))
    assert done.returncode == 2 and "choose another with --out" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.trust(
    way="Nobody answers at the address of MongoDB", status=2, says=("127.0.0.1:9",),
    leaves="nothing; the line names host and port, never the password",
)  # fmt: skip
def test_an_unreachable_server_is_one_line_without_the_password(tmp_path, trust):
    sample = tmp_path / "leads.jsonl"
    sample.write_text("{}\n")
    done = leadbook(
        "ingest", str(sample), "--vendor", "brightdata", "-p", "server_selection_timeout_ms=500",
        env={"MONGODB_URI": "mongodb://u:planted-pw@127.0.0.1:9/", "REDIS_URL": "redis://127.0.0.1:9/0"},
    )  # fmt: skip
    trust.check(done.returncode, done.stderr)
    assert "planted-pw" not in done.stdout + done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.trust(
    way="a line of an export that is no JSON", status=1,
    says=("broken.jsonl:11: record cannot be read as JSON",),
    leaves="all other records, brought in; the broken one counted as rejected",
)  # fmt: skip
def test_a_broken_line_is_named_counted_and_stops_nothing(tmp_path, endpoints, trust):
    made = tmp_path / "made"
    assert leadbook("sample", str(made), "--records", "200").returncode == 0
    good = (made / "brightdata.jsonl").read_text().splitlines()[:20]
    broken = tmp_path / "broken.jsonl"
    broken.write_text("\n".join([*good[:10], '{"id": "x", ', *good[10:]]) + "\n")
    done = leadbook("ingest", str(broken), "--vendor", "brightdata", "--json", "-p", "database=leadbook_test")
    ledger = json.loads(done.stdout)
    trust.check(done.returncode, done.stderr)
    assert f"{broken}:11: record cannot be read as JSON" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert ledger["read"] == 21
    counted = ledger["stored"] + ledger["filled"] + ledger["failed"]
    assert ledger["read"] == counted + sum(ledger["duplicate"].values()) + sum(ledger["rejected"].values())
    assert ledger["rejected"]["broken_json"] >= 1


def test_status_tells_that_servers_are_down_and_down_has_nothing_to_stop(tmp_path):
    env = {"LEADBOOK_STATE": str(tmp_path / "state")}
    status = leadbook("status", env=env)
    assert (status.returncode, "are down" in status.stdout) == (1, True)
    assert leadbook("down", env=env).returncode == 0


# ---------------------------------------------------------------------------------------------------------- README


@pytest.mark.parametrize("command", [command for command in COMMANDS if command.startswith("make")])
def test_a_make_target_of_the_readme_exists(command):
    assert command in MAKE
    subprocess.run(["make", "-n", command.split()[1]], cwd=PROJECT, check=True, capture_output=True)


@pytest.mark.slow
def test_the_commands_of_the_readme_run(tmp_path):
    """Each command in order on one-member servers of its own. Those of the real sprint: sprint/test_sprint.py."""
    for command in COMMANDS:
        words = shlex.split(command)
        if words[0] in SHOWN or command in MAKE or command in SPRINT:
            continue
        assert words[0] in (".venv/bin/leadbook", ".venv/bin/papermill"), command
        run = _papermill if words[0].endswith("papermill") else _leadbook
        run(words[1:], {"LEADBOOK_STATE": str(tmp_path / "state")}, tmp_path)
    assert leadbook("down", env={"LEADBOOK_STATE": str(tmp_path / "state")}).returncode == 0


def _papermill(words, env, tmp_path):
    words = [words[0], str(tmp_path / words[1]), *words[2:]]
    subprocess.run([sys.executable, "-m", "papermill", *words], cwd=PROJECT, env={**os.environ, **env}, check=True,
                   capture_output=True, timeout=180)  # fmt: skip


def _leadbook(words, env, tmp_path):
    if words[0] == "up":
        words = [*words, "--members", "1"]
    if words[0] in ("run", "ingest"):
        words = [*words, "-p", "members=1"]
    if words[0] == "run":
        words += ["--out", str(tmp_path / "reports")]
    words = [str(tmp_path / word) if word.startswith(("data/", "reports/")) else word for word in words]
    done = leadbook(*words, env=env, timeout=240)
    assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
