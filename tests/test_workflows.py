"""The users' workflows: nothing that a pull request or a clock starts has production's addresses within reach."""

import re

import pytest
import yaml

from leadbook.core.settings import PROJECT

WORKFLOWS = sorted((PROJECT / ".github" / "workflows").glob("*.y*ml"))
HARMLESS = {"pull_request", "schedule", "workflow_dispatch"}
BY_HAND = ("github.event_name == 'workflow_dispatch'", "inputs.profile == 'production'")

each = pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)


def read(path):
    text = re.sub(r"(?m)^on:", '"on":', path.read_text(encoding="utf-8"))  # YAML 1.1 takes a bare `on` for true
    return yaml.safe_load(text)


def secret(part):
    return re.search(r"\bsecrets\b", str(part)) is not None


def test_there_is_one():
    assert WORKFLOWS


@each
def test_only_harmless_events_start_it_and_it_may_only_read(path):
    workflow = read(path)
    assert set(workflow["on"]) <= HARMLESS  # pull_request_target would hand secrets to a stranger's code
    assert workflow["permissions"] == {"contents": "read"}
    assert all("permissions" not in job for job in workflow["jobs"].values())


@each
def test_secrets_are_within_reach_of_a_protected_job_started_by_hand_only(path):
    workflow = read(path)
    assert not secret({key: part for key, part in workflow.items() if key != "jobs"})
    for name, job in workflow["jobs"].items():
        condition = [part.strip() for part in str(job.get("if", "")).split("&&")]
        if job.get("environment") == "production":
            assert sorted(condition) == sorted(BY_HAND), name
        else:
            assert "environment" not in job and not secret(job), name


@each
def test_a_secret_is_given_to_the_step_that_runs_the_chain_and_to_no_other(path):
    for job in read(path)["jobs"].values():
        assert not secret({key: part for key, part in job.items() if key != "steps"})
        for step in job["steps"]:
            assert not secret(step) or step["run"].startswith(".venv/bin/leadbook run --profile production")


@each
def test_production_is_run_by_the_protected_job_only(path):
    for job in read(path)["jobs"].values():
        runs = " ".join(step.get("run", "") for step in job["steps"])
        profiles = set(re.findall(r"--profile (\S+)", runs))
        assert profiles == {"production" if job.get("environment") == "production" else "ci"}
        assert "${{" not in runs  # an input pasted into a shell's line is run as a part of it


@each
def test_what_started_it_decides_for_one_job_or_the_other(path):
    """No event but a person's choice skips the rehearsal, and none starts both."""
    jobs = read(path)["jobs"].values()
    (rehearsal,) = [job["if"] for job in jobs if "environment" not in job]
    assert rehearsal == "github.event_name != 'workflow_dispatch' || inputs.profile == 'ci'"
