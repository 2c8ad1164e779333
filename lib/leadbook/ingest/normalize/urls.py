"""LinkedIn profile URLs in one canonical form, so that one person's URL is one key.

Safe changes only: host and scheme, query, fragment, trailing parts, percent-encoding, `/pub/` addresses, and the case
of vanity slugs. A URN slug (`ACoAA…`) is case-sensitive and carries the member id in bytes 4-7.
"""

from __future__ import annotations

import base64
import re
import unicodedata
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import quote, unquote_to_bytes

from leadbook.lead.fields import LENGTHS
from leadbook.lead.texts import PLACEHOLDERS, visible

MAX_LENGTH = LENGTHS["linkedin_url"]
"""Characters of `linkedin_url` in the task book's validator."""

PREFIX = "https://www.linkedin.com/in/"


class CanonicalUrl(NamedTuple):
    """A profile's canonical address. `slug` is decoded; `member_id` is a decimal string, known for URN slugs only."""

    url: str
    slug: str
    member_id: str | None
    is_urn: bool


class InvalidUrl(NamedTuple):
    """Why a text is no profile's address: `reason` is one of the codes in REASONS."""

    reason: str


REASONS = {
    "blank": "no address at all",
    "not_linkedin": "the host is not linkedin.com",
    "company_page": "the page of a company, school or group",
    "not_a_profile": "a LinkedIn page that is no profile: a feed, a post, a directory",
    "bad_slug": "the profile's name is empty, a placeholder or holds impossible characters",
    "too_long": f"longer than {MAX_LENGTH} characters",
}

# The common case: nothing to repair but host, case, query and trailing slash.
_PLAIN = re.compile(
    r"(?:https?://)?(?:[a-z]{1,6}\.)?linkedin\.com/in/([A-Za-z0-9-]{3,100})/?(?:[?#][\x21-\x7e]*)?", re.IGNORECASE
)
_HOST = re.compile(
    r"(?:[a-z][a-z0-9+.-]*:)?/*(?:([^/?#]*)@)?((?:[a-z0-9-]+\.)*linkedin\.com)\.?(?::\d+)?(?=[/?#]|$)", re.I
)
_INSIDE = re.compile(r"https?://[^\s\"'<>()\[\]]*linkedin\.com/[^\s\"'<>()\[\]]+", re.IGNORECASE)
_URN = re.compile(r"AC[a-z]AA[A-Za-z0-9_-]{20,60}")
_PUB_CODES = re.compile(r"[0-9a-f]{1,3}", re.IGNORECASE)
_PERCENT = re.compile(r"%[0-9A-Fa-f]{2}")
_FORBIDDEN = re.compile(r"[\s\x00-\x20\x7f-\x9f/\\?#%@<>\"{}|^`,;:\[\]\ud800-\udfff\ufffd]")
_COMPANY_PATHS = frozenset({"company", "school", "groups", "showcase", "company-beta", "edu"})
_BAD_SLUGS = PLACEHOLDERS | {"unavailable", "me", "in", "profile", "dir"}


def member_id_of(slug: str) -> str | None:
    """The member id inside a URN slug (base64url, bytes 4-7, big-endian) as decimal text; None for a vanity slug."""
    member = int.from_bytes(base64.urlsafe_b64decode(slug[:12])[4:8], "big") if _URN.fullmatch(slug) else 0
    return str(member) if member else None


def canonical(text: str) -> CanonicalUrl | None:
    """The canonical address of the profile that `text` names, or None. Idempotent. See `parse` for the reason."""
    found = parse(text)
    return found if isinstance(found, CanonicalUrl) else None


def parse(text: str) -> CanonicalUrl | InvalidUrl:
    """The canonical address, or the reason why there is none. Never raises."""
    if len(text) > 4 * MAX_LENGTH:
        return InvalidUrl("too_long")
    plain = _PLAIN.fullmatch(text)
    if plain is not None:
        return _from_slug(plain.group(1))
    return _parse(text)


@lru_cache(maxsize=8192)
def _parse(text: str) -> CanonicalUrl | InvalidUrl:
    text = visible(text).strip().strip("'\"").strip()
    if not text:
        return InvalidUrl("blank")
    if "/" not in text and "%2f" in text.lower():  # the whole address was encoded
        text = _decoded(text)
    host = _HOST.match(text)
    if host is None and (inside := _INSIDE.search(text)):
        before = text[: inside.start()]  # else it is an address inside another address's query
        if before.rstrip().endswith(('"', "'", "(", "[", "<", ":", ",", ";", "|")) or before[-1:].isspace():
            text = inside.group()
            host = _HOST.match(text)
    if host is None or host.group(1):
        return InvalidUrl("not_linkedin")
    path = re.split(r"[?#\s]", text[host.end() :], maxsplit=1)[0]
    return _from_path([part for part in path.split("/") if part])


def _from_path(parts: list[str]) -> CanonicalUrl | InvalidUrl:
    """From the segments of a path: /in/x, /pub/x/1/2/3, /sales/lead/ACw…, /talent/profile/ACo…, /mwlite/in/x."""
    if parts and parts[0].lower() in ("mwlite", "m"):
        parts = parts[1:]
    kind = parts[0].lower() if parts else ""
    if kind in _COMPANY_PATHS:
        return InvalidUrl("company_page")
    if kind == "in":
        return _from_slug(parts[1] if len(parts) > 1 else "")
    if kind == "pub" and len(parts) > 1 and parts[1].lower() != "dir":
        codes = parts[2:5]
        if len(codes) == 3 and all(_PUB_CODES.fullmatch(code) for code in codes):
            first, second, third = codes
            return _from_slug(f"{parts[1]}-{third.zfill(3)}{second.zfill(3)}{first}")
        return _from_slug(parts[1]) if not codes else InvalidUrl("not_a_profile")
    if kind in ("sales", "talent", "recruiter") and len(parts) > 2:
        slug = parts[2].split(",")[0]
        return _from_slug(slug) if _URN.fullmatch(slug) else InvalidUrl("not_a_profile")
    return InvalidUrl("not_a_profile")


def _decoded(text: str) -> str:
    """Percent-decoded, again while codes remain (at most three times); stray Latin-1 bytes are read as such."""
    for _ in range(3):
        if not _PERCENT.search(text):
            break
        raw = unquote_to_bytes(text.encode("utf-8", "replace"))
        try:
            text = raw.decode("utf-8")
        except UnicodeDecodeError:
            text = raw.decode("cp1252", "replace")
    return text


def _from_slug(slug: str) -> CanonicalUrl | InvalidUrl:
    if not slug.isascii() or "%" in slug:
        slug = unicodedata.normalize("NFC", visible(_decoded(slug)).strip())
    if _URN.fullmatch(slug):
        return CanonicalUrl(PREFIX + slug, slug, member_id_of(slug), True)
    slug = slug.lower()
    if not slug.isascii():
        slug = unicodedata.normalize("NFC", slug)
    elif slug.isalnum() and slug not in _BAD_SLUGS:
        return CanonicalUrl(PREFIX + slug, slug, None, False)
    if _FORBIDDEN.search(slug) or slug in _BAD_SLUGS or not any(map(str.isalnum, slug)):
        return InvalidUrl("bad_slug")
    url = PREFIX + (quote(slug, safe="-._~!$&'()*+=") if not slug.isascii() else slug)
    return CanonicalUrl(url, slug, None, False) if len(url) <= MAX_LENGTH else InvalidUrl("too_long")
