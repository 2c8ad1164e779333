"""Company names, websites, industries and sizes in one form each."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from leadbook.lead import lexicon
from leadbook.lead.fields import LENGTHS
from leadbook.lead.texts import is_placeholder, remembered, tidy, visible

SELF_EMPLOYED = "Self-employed"

_SELF = re.compile(
    r"(?:i'?m\s+)?self[\s-]*employed(?:\s*[-/,|]?\s*freelanc\w*)?|freelanc(?:e|er|ing)"
    r"|independent(?: contractor| consultant)?|(?:auto|aut[oó])[nô]om[oae]s?|selbst[äa]ndig|indépendante?",
    re.IGNORECASE,
)
_NOBODY = frozenset(lexicon.phrases("no_company"))
_HOST = re.compile(r"(?=.{4,200}$)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9])?\.)+(?:[a-z]{2,24}|xn--[a-z0-9-]{2,59})")
_SITE = re.compile(r"(?:(https?):/*)?([^/?#\s@]+?)\.?(?::\d+)?([/?#]\S*)?", re.IGNORECASE)
_NOT_A_SITE = ("linkedin.com", "facebook.com", "twitter.com", "instagram.com", "lnkd.in", "bit.ly")
_RANGE = re.compile(r"(\d{1,7})(?:-|to)(\d{1,7})(?:employees)?")
_OPEN = re.compile(r"(?:over|>)?(\d{1,8})(?:\+|plus|ormore)?(?:employees?)?")
# Also of spreadsheets, which turn 1-10 into "10-Jan" and 11-50 into "Nov-50".
_SIZES = {
    "jan-10": "1-10", "10-jan": "1-10", "01-oct": "1-10", "1-oct": "1-10", "nov-50": "11-50", "nov-20": "11-20",
    "20-nov": "11-20", "selfemployed": "1", "self-employed": "1", "myselfonly": "1",
}  # fmt: skip
_BUCKETS = (
    (1, "1"), (10, "2-10"), (50, "11-50"), (200, "51-200"), (500, "201-500"), (1_000, "501-1000"), (5_000, "1001-5000"),
    (10_000, "5001-10000"),
)  # fmt: skip


@remembered
def company(raw: Any) -> str:
    """The company's name; SELF_EMPLOYED for its many spellings; empty when there is none."""
    text = tidy(raw).strip("\"'`“”").strip(" ,;|")
    if is_placeholder(text) or text.casefold() in _NOBODY:
        return ""
    return SELF_EMPLOYED if _SELF.fullmatch(text) else text


@lru_cache(maxsize=16384)
def _site(text: str) -> str:
    match = _SITE.fullmatch(text)
    if match is None:
        return ""
    scheme, host, rest = match.groups()
    host = host.lower()
    if not host.isascii():
        try:
            host = host.encode("idna").decode("ascii")
        except UnicodeError:
            return ""
    if not _HOST.fullmatch(host) or host.endswith(_NOT_A_SITE):
        return ""
    site = f"{(scheme or 'https').lower()}://{host}"
    full = site + (rest or "").rstrip("/")
    return full if len(full) <= LENGTHS["company_website"] and full.isascii() else site


def website(raw: Any) -> str:
    """A website with scheme and lower-case host, or empty: `Example.com/` becomes `https://example.com`.

    A social network's page is no company website. Of one that is longer than the field only the host is kept.
    """
    text = visible(raw).strip() if isinstance(raw, str) else ""
    return _site(text) if 4 <= len(text) <= 2048 else ""


def industry(raw: Any) -> str:
    """The industry's name as the vendor gives it; the first when a list is given."""
    text = tidy((raw or [""])[0] if isinstance(raw, list) else raw)
    return "" if is_placeholder(text) else text


def size(raw: Any) -> str:
    """Head count as a range such as LinkedIn's (`51-200`, `10001+`), or empty. Single numbers fall into their range."""
    text = raw if type(raw) is str else tidy(raw)
    return _size(text) if len(text) < 60 else ""


@lru_cache(maxsize=8192)
def _size(raw: str) -> str:
    text = re.sub(r"[\s,.'’]", "", tidy(raw).lower()).replace("–", "-").replace("—", "-").replace("_", "-")
    text = text.removeprefix("c-").removeprefix("b-")
    text = re.sub(r"^(?:size|headcount):?", "", text)
    if text in _SIZES:
        return _SIZES[text]
    if spread := _RANGE.fullmatch(text):
        low, high = map(int, spread.groups())
        return f"{low}-{high}" if low <= high else ""
    single = _OPEN.fullmatch(text)
    number = int(single.group(1)) if single else 0
    if not number:
        return ""
    if "+" in text or "plus" in text or "ormore" in text:
        return f"{number}+"
    return next((name for most, name in _BUCKETS if number <= most), "10001+")
