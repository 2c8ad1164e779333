"""One vendor record as a lead: fields of the task book, each in its one form; repairs noted, oddities flagged.

Nothing is lost: what a field cannot hold, or no field knows, goes to `additional_data`. Absent values are left out, never
stored as null (a sparse unique index would hold them).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import orjson

from leadbook.leads import companies, dates, emails, names, phones, places, titles, urls
from leadbook.leads.extras import safe_key, storable
from leadbook.leads.texts import cut, is_placeholder, tidy
from leadbook.leads.vendors import Plan, Vendor

__all__ = ["LENGTHS", "Cleaned", "clean"]

LENGTHS = {
    "linkedin_url": 500, "full_name": 255, "job_title": 255, "company_name": 255, "location_city": 100, "location_state": 50,
    "location_country": 50, "email": 255, "phone": 50, "company_website": 255, "company_industry": 100, "company_size": 50,
    "data_source": 50,
}  # fmt: skip
"""Most characters of each text field: the task book's validator."""


class Cleaned(NamedTuple):
    """A record after cleaning.

    `lead` holds only fields with a value. `flags` tell what is odd about the lead, `notes` what was repaired
    (`field:repair`), `problems` reason codes that reject it (see `rules`).
    """

    lead: dict[str, Any]
    flags: tuple[str, ...]
    notes: tuple[str, ...]
    problems: tuple[str, ...]


class _Draft:
    """A lead in the making."""

    __slots__ = ("extra", "flags", "lead", "notes", "payload", "plan", "problems", "vendor")

    def __init__(self, payload: Mapping[str, Any], vendor: Vendor) -> None:
        self.payload, self.vendor, self.plan = payload, vendor, vendor.plan(payload)
        self.lead: dict[str, Any] = {"data_source": vendor.data_source}
        self.extra: dict[str, Any] = {}
        self.flags: list[str] = []
        self.notes: list[str] = []
        self.problems: list[str] = []

    def values(self, target: str) -> list[Any]:
        """The non-blank values of a target's columns, best first."""
        found = []
        for path in self.plan.fields.get(target, ()):
            value = self.payload[path[0]]
            if len(path) > 1:
                value = _inside(value, path)
            if value is None or value == "" or (type(value) is str and self._blank(value)):
                continue
            found.append(value)
        return found

    def value(self, target: str) -> Any:
        """The best value of a target, or an empty string."""
        paths = self.plan.fields.get(target)
        if paths is None:
            return ""
        if len(paths) == 1 and len(paths[0]) == 1:
            value = self.payload[paths[0][0]]
            return "" if value is None or (type(value) is str and self._blank(value)) else value
        found = self.values(target)
        return found[0] if found else ""

    def _blank(self, value: str) -> bool:
        if len(value) > 40:
            return False
        return (
            not value
            or is_placeholder(value)
            or (bool(self.vendor.blanks) and value.strip().casefold() in self.vendor.blanks)
        )

    def put(self, field: str, text: str) -> None:
        """Set a text field; over its length it is cut, and the whole text kept beside."""
        if len(text) > LENGTHS[field]:
            self.extra[f"{field}_original"] = text
            self.notes.append(f"{field}:cut")
            text = cut(text, LENGTHS[field])
        self.lead[field] = text


def _inside(value: Any, path: tuple[str, ...]) -> Any:
    """The value at path[1:] inside nested JSON (or JSON in a cell); None when the way is blocked."""
    if type(value) is str:
        if value[:1] not in ("{", "["):
            return None
        try:
            value = orjson.loads(value)
        except ValueError:
            return None
    for key in path[1:]:
        if type(value) is dict:
            value = value.get(key)
        elif type(value) is list and key.isdigit() and int(key) < len(value):
            value = value[int(key)]
        else:
            return None
    return value


def clean(payload: Mapping[str, Any], vendor: Vendor) -> Cleaned:
    """The lead in `payload`. Never raises, whatever the payload holds; see `rules.reject_reasons` for its acceptance."""
    draft = _Draft(payload, vendor)
    _address(draft)
    _name(draft)
    _work(draft)
    _company(draft)
    region = _place(draft)
    _email(draft)
    _phone(draft, region)
    moment = dates.utc(draft.value("collected_at"))
    if moment is not None:
        draft.lead["data_collected_date"] = moment
    _rest(draft)
    draft.lead["additional_data"] = draft.extra
    return Cleaned(
        draft.lead, tuple(dict.fromkeys(draft.flags)), tuple(dict.fromkeys(draft.notes)), tuple(draft.problems)
    )


def _address(draft: _Draft) -> None:
    """linkedin_url, and the member id where the address or a column tells it. A vanity address is preferred to a URN."""
    found: list[urls.CanonicalUrl] = []
    reason = raw_bad = ""
    for raw in draft.values("linkedin_url"):
        parsed = urls.parse(raw) if type(raw) is str else urls.InvalidUrl("bad_slug")
        if isinstance(parsed, urls.CanonicalUrl):
            found.append(parsed)
            if raw != parsed.url:
                draft.notes.append("linkedin_url:canonical")
        else:
            reason, raw_bad = reason or parsed.reason, raw_bad or raw
    if not found:
        for slug in draft.values("linkedin_slug"):
            made = urls.canonical(f"{urls.PREFIX}{slug}") if type(slug) is str else None
            if made is not None:
                found.append(made)
                draft.notes.append("linkedin_url:from_slug")
                break
    member = tidy(draft.value("member_id"))
    member = member if member.isascii() and member.isdigit() and 0 < int(member[:30]) < 2**63 else ""
    if found:
        best = next((url for url in found if not url.is_urn), found[0])
        draft.lead["linkedin_url"] = best.url
        others = {url.url for url in found} - {best.url}
        if others:
            draft.extra["linkedin_url_others"] = sorted(others)[:5]
            if any(not url.is_urn for url in found if url.url in others):
                draft.flags.append("two_linkedin_urls")
        coded = next((url.member_id for url in found if url.member_id), None)
        if coded and member and coded != member:
            draft.flags.append("member_id_mismatch")
        member = coded or member
        if best.is_urn:
            draft.flags.append("urn_url")
    elif reason and reason != "blank":
        draft.problems.append("not_a_person" if reason == "company_page" else "invalid_linkedin_url")
        draft.notes.append(f"linkedin_url:{reason}")
        if reason == "company_page":
            draft.flags.append("company_as_person")
        draft.extra["invalid_linkedin_url"] = storable(raw_bad)
    if member:
        draft.extra["linkedin_member_id"] = member


def _name(draft: _Draft) -> None:
    """full_name, from its own column or from first and last name."""
    raw = draft.value("full_name")
    name = names.person(raw)
    if not name:
        raw = f"{tidy(draft.value('first_name'))} {tidy(draft.value('last_name'))}".strip()
        name = names.person(raw)
    if not name:
        return
    if name != raw:
        draft.notes.append("full_name:repaired")
        draft.extra["full_name_original"] = storable(raw)
    if names.abbreviated(name):
        draft.flags.append("abbreviated_surname")
    if names.is_company(name):
        draft.problems.append("not_a_person")
        draft.flags.append("company_as_person")
    draft.put("full_name", name)


def _work(draft: _Draft) -> None:
    """job_title and company_name; a headline such as "Growth Lead at Example" gives what the columns lack."""
    company = ""
    for raw in draft.values("company_name"):
        company = companies.company(raw)
        if company:
            break
    title = spare = mail = ""
    for raw in draft.values("job_title"):
        read = titles.read(raw)
        mail = mail or read.email
        if read.title and read.title.casefold() != company.casefold():
            title, spare = read.title, read.company
            if read.email or read.company:
                draft.notes.append("job_title:split")
            break
    if not (title and company):
        for raw in draft.values("headline"):
            read = titles.read(raw)
            title, spare, mail = title or read.title, spare or read.company, mail or read.email
    if not company and spare:
        company = companies.company(spare)
        draft.notes.append("company_name:from_headline")
    if mail:
        draft.extra["email_in_title"] = mail
    lower = draft.vendor.lower_case
    if title:
        draft.put("job_title", titles.capitalised(title) if lower and title.islower() else title)
    if company:
        draft.put("company_name", titles.capitalised(company) if lower and company.islower() else company)
        if company == companies.SELF_EMPLOYED:
            draft.flags.append("self_employed")
        elif company.casefold() == draft.lead.get("full_name", "").casefold():
            draft.flags.append("company_named_as_person")


def _company(draft: _Draft) -> None:
    """company_website, company_industry, company_size."""
    raw = draft.value("company_website")
    if raw:
        site = companies.website(raw)
        if site:
            draft.lead["company_website"] = site
        else:
            draft.extra["invalid_website"] = storable(raw)
            draft.notes.append("company_website:invalid")
    raw = draft.value("company_industry")
    if raw:
        industry = companies.industry(raw)
        if industry:
            draft.put("company_industry", titles.capitalised(industry) if draft.vendor.lower_case else industry)
    raw = draft.value("company_size")
    if raw:
        size = companies.size(raw) if isinstance(raw, str | int) else ""
        if size:
            draft.lead["company_size"] = size
        if size != raw:
            draft.extra["company_size_original"] = storable(raw)
            draft.notes.append("company_size:range" if size else "company_size:invalid")


def _place(draft: _Draft) -> str | None:
    """The three location fields. Returns the lead's country as ISO 3166 alpha-2, for its phone."""
    value = draft.value
    whole, code = value("place"), value("country_code")
    place = places.read(whole, value("location_city"), value("location_state"), value("location_country"), code)
    lead, lower = draft.lead, draft.vendor.lower_case
    for field, text in zip(("location_city", "location_state", "location_country"), place[:3], strict=True):
        if text:
            lead[field] = names.capitalised(text) if lower and text.islower() else text
    if place.is_area:
        draft.notes.append("location_city:area")
    if whole and type(whole) is str and whole != place.city:
        draft.extra["location_original"] = storable(whole)
    return place.region


def _email(draft: _Draft) -> None:
    """email in its key form; invalid ones, further ones and the original spelling are kept beside."""
    found: dict[str, emails.Email] = {}
    bad: list[str] = []
    for raw in draft.values("email"):
        if type(raw) is str:
            good, wrong = emails.parse(raw)
            bad += wrong
            for email in good:
                found.setdefault(email.key, email)
    if not found and "email_in_title" in draft.extra:
        found = {email.key: email for email in emails.parse(draft.extra["email_in_title"])[0]}
        draft.flags.append("email_from_title")
    if bad:
        draft.extra["invalid_email"] = storable(bad[0] if len(bad) == 1 else bad[:5])
        draft.flags.append("invalid_email")
    if not found:
        return
    first, *others = found.values()
    draft.lead["email"] = first.key
    if first.original != first.key:
        draft.extra["email_original"] = first.original
        draft.notes.append("email:key_form")
    if first.has_plus_tag:
        draft.flags.append("email_plus_tag")
    if others:
        draft.extra["other_emails"] = [email.key for email in others[:5]]
        draft.flags.append("several_emails")
    status = tidy(draft.value("email_status"))
    if status:
        draft.extra["email_status"] = storable(status)
        if status.casefold() in draft.vendor.verified_statuses:
            draft.lead["email_verified"] = True
        elif status.casefold() in draft.vendor.guessed_statuses:
            draft.flags.append("email_guessed")


def _phone(draft: _Draft, region: str | None) -> None:
    """phone in E.164: a personal number before a switchboard; further ones and unreadable ones are kept beside."""
    found: dict[str, str] = {}
    flags: list[str] = []
    for target in ("phone", "company_phone"):
        for raw in draft.values(target):
            phone = phones.parse(raw if type(raw) is str else tidy(raw), region)
            if phone is None:
                draft.extra.setdefault("invalid_phone", storable(raw))
                draft.flags.append("invalid_phone")
                continue
            if not found:
                flags = [*phone.flags, *(["company_phone"] if target == "company_phone" else [])]
                if phone.e164 != raw:
                    draft.notes.append("phone:e164")
            found.setdefault(phone.e164, target)
    if found:
        first, *others = found
        draft.lead["phone"] = first
        draft.flags += flags
        if others:
            draft.extra["other_phones"] = others[:5]


def _rest(draft: _Draft) -> None:
    """Unknown columns, and what is left of nested ones, into additional_data."""
    payload, plan, extra = draft.payload, draft.plan, draft.extra
    left: dict[str, Any] = {}
    for key in plan.unknown:
        value = payload[key]
        if value is None or value == "" or value == [] or value == {}:
            continue
        if type(value) is str:
            if len(value) <= 40 and is_placeholder(value):
                continue
            if draft.vendor.json_cells and value[0] in "[{":
                value = _decoded(value)
        left[key] = value
    _remainders(payload, plan, left)
    for key, value in storable(left).items() if left else ():
        extra[key if key not in extra else f"vendor_{key}"] = value


def _remainders(payload: Mapping[str, Any], plan: Plan, left: dict[str, Any]) -> None:
    for head, used in plan.heads.items():
        value = payload[head]
        if type(value) is dict:
            rest = {key: item for key, item in value.items() if key not in used and item not in (None, "", [], {})}
            if rest:
                left[safe_key(head)] = rest


def _decoded(cell: str) -> Any:
    try:
        return orjson.loads(cell)
    except ValueError:
        return cell
