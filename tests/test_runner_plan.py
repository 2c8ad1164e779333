"""Which notebooks a run takes, with which parameters, and what it refuses before anything starts."""

from pathlib import Path

import pytest
from tests.runner_notebooks import CLOSE, PARAMETERS, make

from leadbook.core.errors import InputFileError, ParameterError, UsageError
from leadbook.core.settings import PROJECT
from leadbook.runner import plan


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for phase in ("02", "01", "10"):
        make(tmp_path, phase, CLOSE)
    (tmp_path / "draft.ipynb").write_text("{}")
    return tmp_path


def asked(steps: list[plan.Step]) -> list[str]:
    return [step.phase for step in steps if step.asked]


def test_notebooks_run_in_the_order_of_their_numbers_and_others_are_left_alone(folder):
    assert [step.phase for step in plan.discover(folder)] == ["01", "02", "10"]


def test_two_notebooks_of_one_number_are_refused(folder):
    make(folder, "02", CLOSE, name="other")
    with pytest.raises(UsageError, match=r"02_other\.ipynb and 02_phase\.ipynb"):
        plan.discover(folder)


def test_a_folder_without_notebooks_is_refused(tmp_path):
    with pytest.raises(UsageError, match="holds no notebook"):
        plan.discover(tmp_path)


@pytest.mark.trust(
    way="a notebook file that is no notebook", status=2,
    says=("03_x.ipynb",), leaves="nothing; no notebook is started",
)  # fmt: skip
def test_a_broken_notebook_file_is_one_clear_line(folder, trust):
    (folder / "03_x.ipynb").write_text("{")
    with pytest.raises(InputFileError) as caught:
        plan.discover(folder)
    trust.check(caught.value.exit_status, str(caught.value))


def test_each_notebook_is_given_the_runs_values_and_what_its_own_cell_presets_is_overruled(folder):
    make(folder, "03", CLOSE, parameters=PARAMETERS + "\nmembers = 5  # how many = members\nwriters = None  # w")
    steps = plan.make({"batch_size": 9, "profile": "ci"}, notebooks=folder)
    given = {step.phase: step.parameters({"batch_size": 9, "profile": "ci"}, folder) for step in steps}
    same = {"profile": "ci", "batch_size": 9, "run_dir": str(folder), "database": "leadbook_rehearsal"}
    assert given["01"] == same
    assert given["03"] == {**same, "members": 3}


def test_a_run_inside_the_project_is_told_relative_to_it(folder):
    (step, *_) = plan.discover(folder)
    assert step.parameters({}, PROJECT / "reports" / "x")["run_dir"] == "reports/x"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"memebers": 1}, "did you mean 'members'"),
        ({"database": 5}, "got 5"),
        ({"database": "mongodb://u:hunter2@h/db"}, "environment variable"),
    ],
)
def test_wrong_parameters_are_refused_before_anything_starts(folder, values, message):
    with pytest.raises(ParameterError, match=message):
        plan.make(values, notebooks=folder)


def test_defaults_that_nobody_declares_and_the_runners_own_keys_are_welcome(folder):
    assert plan.make({"members": 3, "cell_timeout_s": 5}, notebooks=folder)


@pytest.mark.parametrize("text", ["2", "02", "02_phase"])
def test_one_phase_is_named_by_number_or_by_file(folder, text):
    assert asked(plan.make({}, only=text, notebooks=folder)) == ["02"]


def test_from_takes_the_later_ones_too(folder):
    make(folder, "05", CLOSE)
    assert asked(plan.make({}, start="02", notebooks=folder)) == ["02", "05", "10"]


@pytest.mark.parametrize("text", ["07", "x", "", "1e"])
def test_a_phase_that_does_not_exist_is_refused(folder, text):
    with pytest.raises(UsageError, match="there is no phase"):
        plan.make({}, only=text, notebooks=folder)


def test_only_and_from_exclude_each_other(folder):
    with pytest.raises(UsageError, match="exclude"):
        plan.make({}, only="01", start="02", notebooks=folder)


def test_a_stage_has_its_own_phases_only(folder):
    for phase in ("07", "08", "09"):
        make(folder, phase, CLOSE)
    found = {
        stage: [s.phase for s in plan.make({}, stage=stage, notebooks=folder)] for stage in ("ready", "live", "close")
    }
    assert found == {"ready": ["01", "02", "07"], "live": ["08"], "close": ["08", "09"]}
    with pytest.raises(UsageError, match="no stage 'redy'; did you mean 'ready'"):
        plan.make({}, stage="redy", notebooks=folder)
    with pytest.raises(UsageError, match="--stage and --from exclude"):
        plan.make({}, stage="ready", start="02", notebooks=folder)


def test_production_is_run_stage_by_stage(folder):
    for given in ({}, {"start": "01"}):
        with pytest.raises(UsageError, match="say --stage ready"):
            plan.make({"profile": "production"}, notebooks=folder, **given)
    for given in ({"only": "01"}, {"start": "02"}, {"stage": "ready"}):
        assert plan.make({"profile": "production"}, notebooks=folder, **given)
