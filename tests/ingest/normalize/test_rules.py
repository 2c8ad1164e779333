"""Reasons for refusing a lead: stable codes, the most telling first."""

import pytest

from leadbook.ingest.normalize.clean import Cleaned
from leadbook.ingest.normalize.rules import REASONS, reject_reasons
from leadbook.lead.fields import REQUIRED

LEAD = {
    "linkedin_url": "https://www.linkedin.com/in/jane",
    "full_name": "Jane",
    "job_title": "CMO",
    "company_name": "X",
}


def reasons(lead, *problems):
    return reject_reasons(lead, Cleaned(dict(lead), (), problems))


def test_a_lead_with_the_four_required_fields_is_accepted():
    assert reasons(LEAD) == ()


@pytest.mark.parametrize("field", REQUIRED)
def test_each_required_field_has_its_reason(field):
    assert reasons({key: value for key, value in LEAD.items() if key != field}) == (f"missing_{field}",)
    assert reasons(LEAD | {field: ""}) == (f"missing_{field}",)


def test_an_invalid_address_is_not_called_missing_too():
    without = {key: value for key, value in LEAD.items() if key != "linkedin_url"}
    assert reasons(without, "invalid_linkedin_url") == ("invalid_linkedin_url",)


def test_the_order_is_that_of_the_catalogue():
    assert reasons({}, "not_a_person") == (
        "not_a_person",
        "missing_full_name",
        "missing_job_title",
        "missing_company_name",
    )
    assert all(meaning for meaning in REASONS.values())
