"""Documents that the readiness gate leaves for people, from the templates beside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from leadbook.core.checks import Check
from leadbook.page.tables import measured_text, target_text
from leadbook.phases.section import Document
from leadbook.phases.templates import render

__all__ = ["infrastructure_document", "metrics_document"]

AUDIENCE = ("Technical Lead", "Project Manager")


def metrics_document(checks: Sequence[Check]) -> Document:
    """The final performance metrics (task book 3.3.1.5): target, actual, validation of each gate."""
    slug = "final-performance-metrics"
    text = render(__package__, slug, checks=checks, target=target_text, measured=measured_text)
    return Document(slug, "Final performance metrics", text, AUDIENCE)


def infrastructure_document(facts: Any) -> Document:
    """The infrastructure configuration (task book 3.3.1.7), from phase 01's facts; no credentials."""
    slug = "infrastructure-configuration"
    topics = [
        (
            str(topic).replace("_", " ").capitalize(),
            values.items() if isinstance(values, Mapping) else [(topic, values)],
        )
        for topic, values in (facts.items() if isinstance(facts, Mapping) else ())
    ]
    return Document(slug, "Infrastructure configuration", render(__package__, slug, topics=topics), AUDIENCE)
