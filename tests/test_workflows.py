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
            assert not any(secret(part) for key, part in step.items() if key != "env")


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


@each
def test_each_job_keeps_the_report_and_says_what_came_of_it_even_after_a_bad_end(path):
    for job in read(path)["jobs"].values():
        steps = job["steps"]
        (chain,) = [n for n, step in enumerate(steps) if ".venv/bin/leadbook run" in step.get("run", "")]
        (keep,) = [n for n, step in enumerate(steps) if step.get("uses", "").startswith("actions/upload-artifact@")]
        (told,) = [n for n, step in enumerate(steps) if "leadbook summary" in step.get("run", "")]
        assert chain < keep < told
        assert steps[keep]["if"] == "always()" and steps[keep]["with"]["path"] == "reports/"
        assert steps[told]["if"] == "always() && steps.setup.outcome == 'success'"
        assert steps[told]["run"] == '.venv/bin/leadbook summary reports --format github --link "$REPORT"'
        assert "continue-on-error" not in job and all("continue-on-error" not in step for step in steps)
        assert "if" not in steps[chain] and not re.search(r"[|;&]|make ", steps[chain]["run"]), "its own exit status"


@each
def test_production_runs_one_stage_and_takes_a_persons_words_by_the_environment_only(path):
    job = read(path)["jobs"]["production"]
    (step,) = [step for step in job["steps"] if ".venv/bin/leadbook run" in step.get("run", "")]
    assert '--stage "$STAGE" -p approve="$APPROVE"' in step["run"]
    assert {"STAGE", "APPROVE", "MONGODB_URI", "REDIS_URL"} <= set(step["env"])


# --------------------------------------------------------------------------------------------------- GitLab's example

GITLAB = PROJECT / "docs" / "gitlab-ci.yml"
ADDRESSES = ("MONGODB_URI", "MONGODB_ADMIN_URI", "MONGODB_REPORTING_URI", "REDIS_URL", "ATLAS_CLIENT_ID",
             "ATLAS_CLIENT_SECRET", "N8N_API_KEY")  # fmt: skip


def test_gitlabs_example_rehearses_without_addresses_and_runs_production_by_hand_on_a_protected_branch():
    jobs = yaml.safe_load(GITLAB.read_text(encoding="utf-8"))
    (rehearsal,), (production,) = jobs["rehearse"]["script"], jobs["production"]["script"]
    assert rehearsal == f"env {' '.join(f'-u {name}' for name in ADDRESSES)} .venv/bin/leadbook run --profile ci"
    assert "environment" not in jobs["rehearse"]
    assert production == '.venv/bin/leadbook run --profile production --stage "$STAGE" -p approve="$APPROVE"'
    (rule,) = jobs["production"]["rules"]
    assert rule["when"] == "manual" and jobs["production"]["environment"]["name"] == "production"
    for part in ('$CI_PIPELINE_SOURCE == "web"', "$CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH", '_PROTECTED == "true"'):
        assert part in rule["if"] and " || " not in rule["if"]
    assert '"web"' not in str(jobs["rehearse"]["rules"])


def test_gitlabs_example_always_keeps_the_report_and_the_summary_and_no_line_hides_a_status():
    jobs = yaml.safe_load(GITLAB.read_text(encoding="utf-8"))
    shared = jobs[".leadbook"]
    assert shared["artifacts"]["when"] == "always" and shared["artifacts"]["paths"] == ["reports/", "summary.md"]
    assert ".venv/bin/leadbook summary reports" in shared["after_script"][0]
    for job in ("rehearse", "production"):
        assert jobs[job]["extends"] == ".leadbook" and "allow_failure" not in jobs[job]
        assert not re.search(r"[|;&]|make ", jobs[job]["script"][0])
