"""Every step of the task book leads to a check, a section or an attestation."""

import json

from leadbook.core.checks import catalogue
from leadbook.core.settings import PROJECT
from leadbook.report import traceability

NOTEBOOKS = PROJECT / "notebooks"


def test_the_task_book_has_158_steps():
    assert len(traceability.steps()) == 158


def test_each_step_is_answered_by_a_check_or_an_attestation():
    open_steps = [step.number for step in traceability.trace(NOTEBOOKS) if not step.covered]
    assert open_steps == []


def test_each_step_is_carried_by_a_section():
    assert [step.number for step in traceability.trace(NOTEBOOKS) if not step.headings] == []


def test_sections_carry_only_steps_of_the_task_book():
    for heading in traceability.headings(NOTEBOOKS):
        assert set(heading.steps) <= set(traceability.steps()), heading


def test_each_step_of_a_check_is_carried_by_its_own_notebook_somewhere():
    carried = {(heading.notebook[:2], step) for heading in traceability.headings(NOTEBOOKS) for step in heading.steps}
    lost = [(d.id, step) for d in catalogue().values() for step in d.steps if (d.phase, step) not in carried]
    assert lost == []


def test_generated_files_are_up_to_date():
    assert traceability.generate(PROJECT, write=False) == []


def test_what_is_not_covered_is_listed_as_such(monkeypatch):
    monkeypatch.setattr(traceability, "catalogue", dict)
    assert "**0 of 158 steps are answered.** Not covered yet: 1.1.1.1" in traceability._traceability_page(NOTEBOOKS)


def test_steps_stand_in_the_metadata_of_a_headings_cell_or_on_its_line(tmp_path):
    cells = [
        {"cell_type": "markdown", "metadata": {"leadbook": {"steps": ["1.1.1.1"]}}, "source": ["## One\n", "Words."]},
        {"cell_type": "markdown", "metadata": {}, "source": ["## Two\n", "*Task book steps: 1.1.1.2, 1.1.1.3*"]},
        {"cell_type": "markdown", "metadata": {}, "source": ["## None"]},
    ]
    (tmp_path / "01_made.ipynb").write_text(json.dumps({"cells": cells}), encoding="utf-8")
    found = [(heading.title, heading.steps) for heading in traceability.headings(tmp_path)]
    assert found == [("One", ("1.1.1.1",)), ("Two", ("1.1.1.2", "1.1.1.3"))]
