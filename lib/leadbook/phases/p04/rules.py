"""Sections 4.1 and 4.2: the flow and its mappings; records and writes whose right outcome is known beforehand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from bson import ObjectId
from pymongo.collection import Collection
from pymongo.errors import BulkWriteError

from leadbook.core.checks import judge
from leadbook.core.settings import Settings
from leadbook.ingest.normalize.clean import clean
from leadbook.ingest.normalize.rules import reject_reasons
from leadbook.ingest.store.store import EMAIL_TAKEN, KNOWN, REFUSED, STORED, LeadStore
from leadbook.lead.fields import REQUIRED
from leadbook.lead.vendors import load_vendor, problem_of, vendor_names
from leadbook.phases.p04 import documents, figures
from leadbook.phases.p04.contents import RAW
from leadbook.phases.p04.work import PipelineWork, tried
from leadbook.phases.section import Document, Plot, Section, Table
from leadbook.rehearsal import sample
from leadbook.schema.scratch import scratch

Lead = dict[str, Any]


# ----------------------------------------------------------------------------------------------------------- flow


def flow(work: PipelineWork) -> Section:
    """The flow drawn and its design written down; vendors that cannot fill the required fields."""
    lacking = vendors_lacking()
    design = documents.design(work.settings)
    return Section(
        plots=(Plot(figures.flow(), "The pipeline's seven steps, and what happens when one fails"),),
        documents=(Document("pipeline-design", "Data pipeline design", design, ("Technical Lead",)),),
        checks=(judge("PIPE-MAP-001", len(lacking), evidence=", ".join(lacking) or "vendor files in params/vendors"),),
    )


def vendors_lacking() -> dict[str, list[str]]:
    """Vendors whose columns cannot fill a required field, with those fields."""
    lacking = {
        name: [need for need in REQUIRED if load_vendor(name).fields.keys().isdisjoint(RAW[need])]
        for name in vendor_names()
    }
    return {name: needs for name, needs in lacking.items() if needs}


# ---------------------------------------------------------------------------------------------------------- probes


Probe = tuple[str, str, str]
"""What was tried, which outcome was expected, and which came out, in words."""


def validation(_: PipelineWork) -> Section:
    """Each validation rule on a record made for it. Touches no server."""
    probes = probed_rules()
    return Section(
        tables=(_table(probes, "Validation rules on records made for them"),),
        checks=(judge("PIPE-VAL-001", len(wrong(probes)), evidence=_said(probes)),),
    )


@tried
def errors(work: PipelineWork) -> Section:
    """One unordered batch with every kind of write error, in a scratch collection."""
    probes, says = probed_writes(work.database, work.settings)
    return Section(
        says=says,
        tables=(_table(probes, "One unordered batch, every kind of write error"),),
        checks=(judge("PIPE-ERR-001", len(wrong(probes)), evidence=_said(probes)),),
    )


def wrong(probes: Sequence[Probe]) -> list[str]:
    """Probes that came out otherwise than expected."""
    return [title for title, expected, got in probes if expected != got]


def _said(probes: Sequence[Probe]) -> str:
    failed = wrong(probes)
    return f"{len(probes)} probes" + (f"; wrong: {', '.join(failed)}" if failed else "")


def _table(probes: Sequence[Probe], title: str) -> Table:
    rows = [(*probe, "yes" if probe[1] == probe[2] else "NO") for probe in probes]
    return Table(pd.DataFrame(rows, columns=["probe", "expected", "came out", "right"]), title)


SOUND: Lead = {
    "Person Linkedin Url": "http://de.linkedin.com/in/Probe-Person/?locale=de", "Name": "Probe Person",
    "Title": "Growth Lead", "Company": "Example GmbH", "Email": "Probe.Person@Example.com",
    "Mobile Phone": "'+49 30 901820", "Country": "Germany",
}  # fmt: skip

RULES: tuple[tuple[str, Lead, str], ...] = (
    ("a sound record", {}, "accepted"),
    ("no name", {"Name": ""}, "missing_full_name"),
    ("a placeholder as name", {"Name": "--"}, "missing_full_name"),
    ("no job title", {"Title": None}, "missing_job_title"),
    ("no company", {"Company": "none"}, "missing_company_name"),
    ("no LinkedIn URL", {"Person Linkedin Url": ""}, "missing_linkedin_url"),
    ("another site's URL", {"Person Linkedin Url": "https://example.com/in/probe"}, "invalid_linkedin_url"),
    ("a company's page", {"Person Linkedin Url": "https://www.linkedin.com/company/example"}, "not_a_person"),
    ("an e-mail that breaks RFC 5322", {"Email": "probe@@example..com"}, "accepted without email"),
    ("a phone that is no number", {"Mobile Phone": "call me"}, "accepted without phone"),
    ("an empty record", dict.fromkeys(SOUND, ""), "blank_record"),
)


def probed_rules() -> list[Probe]:
    """Each validation rule on a record made for it (Apollo's columns). Touches no server."""
    vendor = load_vendor("apollo")
    return [(title, expected, _decided({**SOUND, **change}, vendor)) for title, change, expected in RULES]


def _decided(payload: Mapping[str, Any], vendor: Any) -> str:
    problem = problem_of(payload, vendor)
    if problem:
        return problem
    cleaned = clean(payload, vendor)
    reasons = reject_reasons(cleaned.lead, cleaned)
    if reasons:
        return reasons[0]
    missing = [name for name in ("email", "phone") if name not in cleaned.lead]
    return f"accepted without {' and '.join(missing)}" if missing else "accepted"


# ---------------------------------------------------------------------------------------------------- write errors


def probed_writes(database: Any, settings: Settings) -> tuple[list[Probe], str]:
    """One unordered batch with every kind of write error, in a scratch collection; and a sentence on what an ordered
    one, as n8n sends it, leaves of the same batch."""
    good = sample.documents(6, seed=11)
    known, other, *rest = good
    batch = [
        ("sound", STORED, rest[0]),
        ("a URL that is stored", KNOWN, {**rest[1], "linkedin_url": known["linkedin_url"], "email": "1@example.com"}),
        ("sound, after the duplicate", STORED, rest[1]),
        ("another person's e-mail", EMAIL_TAKEN, {**rest[2], "email": other["email"]}),
        ("a phone longer than the validator allows", REFUSED, {**rest[2], "email": "2@example.com", "phone": "0" * 60}),
        ("a number beyond 64 bits", REFUSED, {**rest[2], "email": "3@example.com", "additional_data": {"n": 2**70}}),
        ("sound, at the end", STORED, rest[3]),
    ]  # fmt: skip
    documents = [{**document, "_id": ObjectId()} for _, _, document in batch]
    with scratch(database, "errors", settings, documents=[known, other], level="strict", action="error") as leads:
        outcomes = LeadStore(leads).insert(documents)
        left = leads.count_documents({}) - 2
    with scratch(database, "errors", settings, documents=[known, other], level="strict", action="error") as leads:
        ordered = _ordered(leads, [document for document in documents if document is not documents[5]])
    probes = [(title, expected, outcome.kind) for (title, expected, _), outcome in zip(batch, outcomes, strict=True)]
    return probes, (
        f"Unordered, {left} of the {len(batch)} documents are stored: all the sound ones. The same batch sent ordered, "
        f"as n8n's MongoDB node does, stores {ordered} and drops the rest without a word."
    )


def _ordered(leads: Collection[Lead], documents: list[Lead]) -> int:
    try:
        leads.insert_many(documents, ordered=True)
    except BulkWriteError as error:
        return int(error.details["nInserted"])
    return len(documents)
