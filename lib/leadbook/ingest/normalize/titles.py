"""Job titles: freed from e-mails and from the company's name; headlines ("X at Y") split into title and company."""

from __future__ import annotations

import re
from typing import NamedTuple

from leadbook.lead import emails, lexicon
from leadbook.lead.texts import is_placeholder, remembered, tidy


class Title(NamedTuple):
    """A job title, possibly empty; `company` and `email` are what the same text said besides."""

    title: str
    company: str
    email: str


_AT = re.compile(r"\s+(?:at|@)\s+|\s*@\s*(?=[A-Z])|\s+(?:bei|chez|presso)\s+(?=[A-Z])")
_NEXT = re.compile(r"\s*[|•·]\s*|\s+[–—-]\s+|\s*;\s*")
_ACRONYMS = frozenset(lexicon.phrases("acronyms"))
_SMALL = frozenset(lexicon.phrases("small_words"))


def capitalised(text: str) -> str:
    """Title case for text a vendor lower-cased: "vp of ppc marketing" becomes "VP of PPC Marketing"."""
    return " ".join(_word(word, is_first=not index) for index, word in enumerate(text.split(" ")))


def _word(word: str, *, is_first: bool) -> str:
    if word in _ACRONYMS:
        return word.upper()
    if word in _SMALL and not is_first:
        return word
    return re.sub(r"(^|[-/&(])(\w)", lambda m: m[1] + m[2].upper(), word)


def split_headline(headline: str) -> tuple[str, str]:
    """ "Growth Lead at Example | Speaker" as ("Growth Lead", "Example"); the company is empty when none is named."""
    first = _NEXT.split(headline, maxsplit=1)[0].strip()
    parts = _AT.split(headline, maxsplit=1)
    if len(parts) == 2 and parts[0].strip():
        title = _NEXT.split(parts[0])[-1].strip(" ,|-–—•·")
        company = _NEXT.split(parts[1], maxsplit=1)[0].strip(" ,.|-–—•·")
        if not is_placeholder(title):
            return title, "" if is_placeholder(company) else company
    return ("" if is_placeholder(first) else first), ""


@remembered
def read(raw: object) -> Title:
    """The job title in `raw`. Takes an e-mail and "at Company" out of it; a placeholder gives an empty title."""
    email, text = emails.search(tidy(raw))
    if is_placeholder(text):
        return Title("", "", email)
    if _AT.search(text) is not None:
        title, company = split_headline(text)
        if title:
            return Title(title, company, email)
    text = text.strip(" ,|-–—•·")
    return Title("" if is_placeholder(text) else text, "", email)
