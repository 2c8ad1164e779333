"""Records in the shapes of two vendors, for tests to vary."""

from __future__ import annotations

from typing import Any

Document = dict[str, Any]


def person(slug: str, **changes: Any) -> Document:
    """A sound Bright Data record; a change to None takes the key away."""
    record = {
        "id": slug, "name": "Ana Example", "position": "Growth Lead", "url": f"https://www.linkedin.com/in/{slug}",
        "current_company": {"name": "Example Retail"}, "country_code": "DE", "city": "Berlin, Germany",
    } | changes  # fmt: skip
    return {key: value for key, value in record.items() if value is not None}


def contact(slug: str, **changes: Any) -> Document:
    """A sound Apollo record (as JSON); a change to None takes the key away."""
    record = {
        "First Name": "Ana", "Last Name": "Example", "Title": "Growth Lead", "Company Name": "Example Retail",
        "Person Linkedin Url": f"http://www.linkedin.com/in/{slug}", "Email": f"{slug}@shop.example",
        "Country": "Germany",
        "Website": "https://shop.example", "Industry": "retail", "# Employees": "120",
    } | changes  # fmt: skip
    return {key: value for key, value in record.items() if value is not None}
