"""People's names without emoji, credentials and honorifics; and telling a company from a person."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from leadbook.lead import lexicon
from leadbook.lead.texts import is_placeholder, tidy

_CREDENTIALS = frozenset(lexicon.phrases("credentials"))
_TRAILING = _CREDENTIALS - frozenset(lexicon.phrases("credentials_behind_comma"))
_HONORIFICS = r"dr|prof|professor|mr|mrs|ms|miss|ing|dipl-ing|sir|er|ca|adv"
_PARENTHESES = re.compile(
    rf"\s*[(\[](?:\s*(?:{_HONORIFICS})\.?\s*|\s*(?:she|he|they|ella|el|ze)\s*/[^)\]]{{2,20}})[)\]]\s*", re.IGNORECASE
)
_LEADING = re.compile(r"(?:dr|prof|mr|mrs|ms|miss)\.?\s+(?=\S+\s+\S)", re.IGNORECASE)
_CREDENTIAL_SHAPE = re.compile(r"[A-Z][A-Z0-9.&/®™+-]{1,9}")
_COMPANY_WORDS = re.compile(
    r"\b(?:inc|llc|l\.l\.c|ltd|limited|gmbh|corp|corporation|plc|pty|s\.?r\.?l|b\.v|s\.a\.s|pvt|llp|oy|aps|kft"
    r"|sp\. z o\.o)\b\.?|\bco\.(?!\w)|\b(?:marketing|media|advertising|digital) agency\b",
    re.IGNORECASE,
)
_NAMELESS = frozenset(lexicon.phrases("nameless"))
_PARTICLES = frozenset(lexicon.phrases("name_particles"))
_INITIAL = re.compile(r"\w\.?")


def _is_picture(character: str) -> bool:
    code = ord(character)
    return (
        (unicodedata.category(character) in ("So", "Cn", "Co", "Sk") and code > 0x7F)
        or 0xFE00 <= code <= 0xFE0F
        or 0x1F000 <= code <= 0x1FAFF
        or code in (0x200D, 0x20E3)
    )


def _is_credential(word: str, *, known: frozenset[str], shape: bool) -> bool:
    plain = re.sub(r"[^a-z0-9]", "", word.lower())
    return plain in known or (shape and _CREDENTIAL_SHAPE.fullmatch(word) is not None)


def _without_credentials(name: str) -> str:
    """ "Jane Doe, LCSW, Ph.D." and "Jane Doe MBA" as "Jane Doe"; "Doe, Jane" stays."""
    head, comma, tail = name.partition(",")
    if comma:
        shape = not head.isupper()
        words = [word for word in re.split(r"[\s,]+", tail) if word]
        if head.strip() and all(_is_credential(word, known=_CREDENTIALS, shape=shape) for word in words):
            name = head.strip()
    words = name.split(" ")
    while len(words) > 2 and (words[-1].isupper() or "." in words[-1][:-1] or words[-1] == "PhD"):
        if name.isupper() or not _is_credential(words[-1], known=_TRAILING, shape=False):
            break
        words.pop()
    return " ".join(words).rstrip(" ,|-–")


def capitalised(name: str) -> str:
    """An all lower-case name with capitals: "mary o'neill-smith" becomes "Mary O'Neill-Smith"."""
    return " ".join(
        word if index and word in _PARTICLES else re.sub(r"(^|[-'’.])(\w)", lambda m: m[1] + m[2].upper(), word)
        for index, word in enumerate(name.split(" "))
    )


def person(raw: object) -> str:
    """The name in `raw` in clean form, or an empty string when it names nobody."""
    name = tidy(raw)
    if is_placeholder(name) or name.lower() in _NAMELESS:
        return ""
    if not name.isascii() or not name.replace(" ", "").isalpha() or name.islower():
        return _repaired(name)
    last = name.rpartition(" ")[2]
    titled = (last.isupper() and len(last) > 1) or name[:3].lower() in ("dr ", "mr ", "ms ", "mrs", "pro", "mis")
    return _repaired(name) if titled else name


@lru_cache(maxsize=8192)
def _repaired(name: str) -> str:
    if not name.isascii():
        name = "".join(" " if _is_picture(character) else character for character in name)
    if "(" in name or "[" in name:
        name = _PARENTHESES.sub(" ", name)
    name = " ".join(name.split()).strip(" ,|-–•·*~")
    name = _without_credentials(_LEADING.sub("", name))
    if name.casefold() in _NAMELESS or not any(map(str.isalpha, name)) or "@" in name:
        return ""
    return capitalised(name) if name.islower() else name


def abbreviated(name: str) -> bool:
    """True when the last part is an initial only ("Maria C."), so that the name alone identifies nobody."""
    last = name.rpartition(" ")[2]
    return (
        len(last) <= 2 and " " in name and _INITIAL.fullmatch(last) is not None and last[0].isupper() and last.isascii()
    )


@lru_cache(maxsize=16384)
def is_company(name: str) -> bool:
    """True when `name` carries a company's legal form or trade ("Example Media GmbH"), which no person does."""
    return _COMPANY_WORDS.search(name) is not None
