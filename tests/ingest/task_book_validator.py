"""The task book's validator as a plain function, for tests without a server. Its lengths are written out once more."""

from datetime import datetime
from typing import Any

LENGTHS = {
    "linkedin_url": 500,
    "full_name": 255,
    "job_title": 255,
    "company_name": 255,
    "location_city": 100,
    "location_state": 50,
    "location_country": 50,
    "email": 255,
    "phone": 50,
    "company_website": 255,
    "company_industry": 100,
    "company_size": 50,
    "data_source": 50,
}
DATES = {"data_collected_date", "crm_sync_date", "created_at", "updated_at"}
BOOLEANS = {"is_qualified", "email_verified", "crm_synced"}
REQUIRED = {"linkedin_url", "full_name", "job_title", "company_name"}


def violations(document: dict[str, Any]) -> list[str]:
    """What a `$jsonSchema` check of the task book would refuse, and beyond it: nulls, blanks and naive dates."""
    found = [f"{field} is missing" for field in REQUIRED - document.keys()]
    for field, value in document.items():
        if field in LENGTHS:
            if type(value) is not str or not 0 < len(value) <= LENGTHS[field]:
                found.append(f"{field}: {value!r}")
        elif field in DATES:
            if not isinstance(value, datetime) or value.tzinfo is None or value.microsecond % 1000:
                found.append(f"{field}: {value!r}")
        elif field in BOOLEANS:
            if type(value) is not bool:
                found.append(f"{field}: {value!r}")
        elif field == "additional_data":
            if type(value) is not dict:
                found.append(f"{field}: {value!r}")
        elif field == "data_quality_score":
            if type(value) is not int or not 0 <= value <= 100:
                found.append(f"{field}: {value!r}")
        else:
            found.append(f"{field} is no field")
    return found
