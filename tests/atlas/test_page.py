"""docs/atlas-api.md is made of data, and the data is held against catalogue, readings, records and endpoints."""

import pytest

from leadbook.atlas.calls import CALLS
from leadbook.atlas.project import AtlasProject
from leadbook.core.definitions import catalogue
from leadbook.core.settings import PROJECT
from leadbook.report.atlas_api import answers, atlas_page


def test_the_page_is_up_to_date():
    assert (PROJECT / "docs" / "atlas-api.md").read_text(encoding="utf-8") == atlas_page()


@pytest.mark.parametrize("check", answers())
def test_a_check_is_answered_by_fields_that_the_client_reads(check):
    for reading, fields in answers()[check].items():
        assert callable(getattr(AtlasProject, reading)) and fields
        read = [f".{field}" for call in CALLS.values() if call.reading == reading for field in call.fields]
        for field in fields:
            assert any(known.endswith(f".{field}") for known in read), f"{reading} does not read {field}"


def test_every_check_that_atlas_measures_stands_in_the_table():
    measured = {one.id for one in catalogue().values() if getattr(one, "measured_by", "") == "atlas"}
    assert measured <= set(answers())


def test_every_reading_answers_a_check_or_is_named_with_its_endpoint():
    text = atlas_page()
    for call in CALLS.values():
        assert f"`{call.method} {call.path}`" in text and call.version in text
