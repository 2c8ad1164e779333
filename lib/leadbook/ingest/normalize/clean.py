"""One vendor record as a lead: fields of the task book, each in its one form; oddities flagged.

Nothing is lost: what a field cannot hold, or no field knows, goes to `additional_data`. Absent values are left out,
never stored as null (a sparse unique index would hold them).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from leadbook.ingest.normalize import dates, names, phones, places, titles, urls
from leadbook.lead import companies, emails
from leadbook.lead.builder import LeadBuilder
from leadbook.lead.texts import tidy
from leadbook.lead.vendors import Vendor

FLAGS = {
    "abbreviated_surname": "the surname is an initial",
    "company_as_person": "a company's page or name stands in a person's place",
    "company_named_as_person": "company and person bear the same name",
    "company_phone": "the number is a switchboard's",
    "email_from_title": "the e-mail stood in the job title",
    "email_guessed": "the vendor extrapolated the e-mail: it may be another person's",
    "email_plus_tag": "the e-mail has a plus-tag; it is not merged with the one without",
    "invalid_email": "an e-mail was no address; it is kept in additional_data",
    "invalid_phone": "a phone number was none; it is kept in additional_data",
    "member_id_mismatch": "the address and a column name different members",
    "phone_country_mismatch": "the number is of another country than the lead",
    "phone_false_prefix": "the number had +1 before it and is not American",
    "phone_not_assigned": "the number has the right length, but no network assigns it",
    "phone_prefix_added": "the number came without its country code",
    "self_employed": "the company is the person",
    "several_emails": "further addresses are kept in additional_data",
    "toll_free": "the number is a toll-free or premium line",
    "two_linkedin_urls": "one record names two profiles",
    "urn_lower_cased": "a URN address was lower-cased by somebody and leads nowhere",
    "urn_url": "the address is a URN, not the public profile",
}
"""What can be odd about a lead that is accepted all the same, with its meaning."""


class Cleaned(NamedTuple):
    """A record after cleaning.

    `lead` holds only fields with a value. `flags` tell what is odd about the lead (FLAGS), `problems` are reason codes
    that reject it (see `rules`).
    """

    lead: dict[str, Any]
    flags: tuple[str, ...]
    problems: tuple[str, ...]


def clean(payload: Mapping[str, Any], vendor: Vendor, collected_at: Any = None) -> Cleaned:
    """The lead in `payload`. Never raises, whatever the payload holds; see `rules.reject_reasons` for its acceptance.

    `payload`: one vendor record, keys as text, values as JSON or BSON gives them.  `collected_at`: when its collector
    says that it was collected, which counts where the payload does not tell.
    """
    builder = LeadBuilder(payload, vendor)
    _address(builder)
    _name(builder)
    _work(builder)
    _company(builder)
    region = _place(builder)
    _email(builder)
    _phone(builder, region)
    moment = dates.utc(builder.value("collected_at")) or dates.utc(collected_at)
    if moment is not None:
        builder.lead["data_collected_date"] = moment
    builder.keep_rest()
    builder.lead["additional_data"] = builder.extra
    return Cleaned(builder.lead, tuple(dict.fromkeys(builder.flags)), tuple(builder.problems))


def _address(builder: LeadBuilder) -> None:
    """linkedin_url, and the member id where address or column tells it. A vanity address is preferred to a URN."""
    found: list[urls.CanonicalUrl] = []
    reason, bad = "", None
    for raw in builder.values("linkedin_url"):
        parsed = urls.parse(raw) if type(raw) is str else urls.InvalidUrl("bad_slug")
        if isinstance(parsed, urls.CanonicalUrl):
            found.append(parsed)
        elif not reason and parsed.reason != "blank":
            reason, bad = parsed.reason, raw
    if not found:
        slugs = [f"{urls.PREFIX}{slug}" for slug in builder.values("linkedin_slug") if type(slug) is str]
        found = [made for made in map(urls.canonical, slugs) if made is not None][:1]
    member = _member(builder)
    if found:
        member = _choose(builder, found, member)
    elif reason:
        company = reason == "company_page"
        builder.problems.append("not_a_person" if company else "invalid_linkedin_url")
        builder.flags += ["company_as_person"] * company
        builder.keep("invalid_linkedin_url", bad)
    if member:
        builder.extra["linkedin_member_id"] = member


def _member(builder: LeadBuilder) -> str:
    """The member id that a column tells, as decimal text without leading zeros; or nothing."""
    raw = builder.value("member_id")
    text = tidy(raw) if raw else ""
    return text.lstrip("0") if text.isascii() and text.isdigit() and len(text) < 19 else ""


def _choose(builder: LeadBuilder, found: list[urls.CanonicalUrl], member: str) -> str:
    """Set linkedin_url from the addresses found; the member id that they or `member` tell."""
    best = found[0]
    if len(found) > 1 or best.is_urn:
        best = next((url for url in found if not url.is_urn), best)
        others = [url for url in found if url.url != best.url]
        if others:
            builder.extra["linkedin_url_others"] = sorted({url.url for url in others})[:5]
        if any(not url.is_urn for url in others):
            builder.flags.append("two_linkedin_urls")
        if best.is_urn:
            builder.flags.append("urn_url")
        coded = next((url.member_id for url in found if url.member_id), None)
        if coded and member and coded != member:
            builder.flags.append("member_id_mismatch")
        member = coded or member
    if best.slug.startswith(("acoaa", "acwaa")) and len(best.slug) > 30:
        builder.flags.append("urn_lower_cased")
    builder.lead["linkedin_url"] = best.url
    return member


def _name(builder: LeadBuilder) -> None:
    """full_name, from its own column or from first and last name."""
    raw = builder.value("full_name") or ""
    name = names.person(raw)
    if not name:
        raw = f"{tidy(builder.value('first_name'))} {tidy(builder.value('last_name'))}".strip()
        name = names.person(raw)
    if not name:
        return
    if name != raw:
        builder.keep("full_name_original", raw)
    if names.abbreviated(name):
        builder.flags.append("abbreviated_surname")
    if names.is_company(name):
        if "not_a_person" not in builder.problems:
            builder.problems.append("not_a_person")
        builder.flags.append("company_as_person")
    builder.put("full_name", name)


def _work(builder: LeadBuilder) -> None:
    """job_title and company_name; a headline such as "Growth Lead at Example" gives what the columns lack."""
    company = next(filter(None, map(companies.company, builder.values("company_name"))), "")
    title = spare = mail = ""
    for raw in builder.values("job_title"):
        read = titles.read(raw)
        mail = mail or read.email
        if read.title and read.title.casefold() != company.casefold():
            title, spare = read.title, read.company
            if title != raw:
                builder.keep("job_title_original", raw)
            break
    if not (title and (company or spare)):
        for read in map(titles.read, builder.values("headline")):
            title, spare, mail = title or read.title, spare or read.company, mail or read.email
    if not company and spare:
        company = companies.company(spare)
    if mail:
        builder.extra["email_in_title"] = mail
    if title:
        builder.put("job_title", builder.cased(title, titles.capitalised))
    if company:
        builder.put("company_name", builder.cased(company, titles.capitalised))
        if company == companies.SELF_EMPLOYED:
            builder.flags.append("self_employed")
        elif company.casefold() == builder.lead.get("full_name", "").casefold():
            builder.flags.append("company_named_as_person")


def _company(builder: LeadBuilder) -> None:
    """company_website, company_industry, company_size."""
    raw = builder.value("company_website")
    if raw and (site := companies.website(raw)):
        builder.lead["company_website"] = site
    elif raw and not builder.is_blank(raw):
        builder.keep("invalid_website", raw)
    raw = builder.value("company_industry")
    if raw and (industry := companies.industry(raw)):
        builder.put("company_industry", titles.capitalised(industry) if builder.vendor.lower_case else industry)
    raw = builder.value("company_size")
    if raw and not builder.is_blank(raw):
        size = companies.size(raw) if isinstance(raw, str | int) else ""
        if size:
            builder.lead["company_size"] = size
        if size != raw:
            builder.keep("company_size_original", raw)


_LOCATION = ("location_city", "location_state", "location_country")


def _place(builder: LeadBuilder) -> str | None:
    """The three location fields. Returns the lead's country as ISO 3166 alpha-2, for its phone."""
    value, whole = builder.value, builder.value("place")
    place = places.read(
        whole, value("location_city"), value("location_state"), value("location_country"), value("country_code")
    )
    lower = builder.vendor.lower_case
    for field, text in zip(_LOCATION, place[:3], strict=True):
        if text:
            builder.lead[field] = builder.cased(text, names.capitalised) if lower else text
    if whole and whole != place.city:
        builder.keep("location_original", whole)
    return place.region


def _email(builder: LeadBuilder) -> None:
    """email in its key form; invalid ones, further ones and the original spelling are kept beside."""
    found: dict[str, emails.Email] = {}
    bad: list[str] = []
    for raw in builder.values("email"):
        good, wrong = emails.parse(raw if type(raw) is str else tidy(raw))
        bad += wrong
        for email in good:
            found.setdefault(email.key, email)
    if not found and "email_in_title" in builder.extra:
        found = {email.key: email for email in emails.parse(builder.extra["email_in_title"])[0]}
        builder.flags.append("email_from_title")
    if bad:
        builder.keep("invalid_email", bad[0] if len(bad) == 1 else bad[:5])
        builder.flags.append("invalid_email")
    if status := builder.value("email_status"):
        _email_status(builder, tidy(status), bool(found))
    if not found:
        return
    first, *others = found.values()
    builder.lead["email"] = first.key
    if first.original != first.key:
        builder.keep("email_original", first.original)
    if first.has_plus_tag:
        builder.flags.append("email_plus_tag")
    if others:
        builder.extra["other_emails"] = [email.key for email in others[:5]]
        builder.flags.append("several_emails")


def _email_status(builder: LeadBuilder, status: str, has_email: bool) -> None:
    """What the vendor says about the e-mail: verified, or a guess."""
    builder.keep("email_status", status)
    if has_email and status.casefold() in builder.vendor.verified_statuses:
        builder.lead["email_verified"] = True
    elif has_email and status.casefold() in builder.vendor.guessed_statuses:
        builder.flags.append("email_guessed")


def _phone(builder: LeadBuilder, region: str | None) -> None:
    """phone in E.164: a personal number before a switchboard; further ones and unreadable ones are kept beside."""
    found: dict[str, None] = {}
    for target in ("phone", "company_phone"):
        for raw in builder.values(target):
            phone = phones.parse(raw if type(raw) is str else tidy(raw), region)
            if phone is None:
                builder.keep("invalid_phone", raw)
                builder.flags.append("invalid_phone")
                continue
            if not found:
                flags = phone.flags if target == "phone" else (*phone.flags, "company_phone")
            found[phone.e164] = None
    if found:
        first, *others = found
        builder.lead["phone"] = first
        builder.flags += flags
        if others:
            builder.extra["other_phones"] = others[:5]
