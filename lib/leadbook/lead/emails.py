"""E-mail addresses by RFC 5322 (syntax only; nothing is looked up), with the form that serves as key."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from email_validator import EmailNotValidError, validate_email

from leadbook.lead.texts import visible

MAX_LENGTH = 254
"""Characters of an address (RFC 5321); the task book's validator allows 255."""


class Email(NamedTuple):
    """A valid address. `key` is what duplicates are found by; `original` is as the vendor wrote it."""

    key: str
    original: str
    has_plus_tag: bool


# A local part that needs no further look; anything else goes to email-validator whole.
_PLAIN_LOCAL = re.compile(r"[A-Za-z0-9_+-]+(?:\.[A-Za-z0-9_+-]+)*", re.ASCII)
_WRAPPED = re.compile(r".*<([^<>\s]+@[^<>\s]+)>\s*", re.DOTALL)
_SEPARATORS = re.compile(r"[\s,;|/]+")
_INSIDE = re.compile(r"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,24}")
_DOTLESS = frozenset({"gmail.com", "googlemail.com"})


@lru_cache(maxsize=65536)
def _domain(domain: str) -> str | None:
    """The domain lower-cased, in its ASCII form, or None when it cannot receive mail by its syntax."""
    try:
        checked = validate_email(f"a@{domain}", check_deliverability=False)
    except (EmailNotValidError, UnicodeError, ValueError):
        return None
    return (checked.ascii_domain or checked.domain).lower()


def key_form(address: str) -> str:
    """Lower case; dots in the local part do not count for Gmail's two domains. Plus-tags stay: they are not merged."""
    local, _, domain = address.lower().rpartition("@")
    if domain in _DOTLESS:
        name, plus, tag = local.partition("+")
        local = (name.replace(".", "") or name) + plus + tag
    return f"{local}@{domain}"


def _one(text: str) -> Email | None:
    local, _, domain = text.rpartition("@")
    if not local or len(text) > MAX_LENGTH:
        return None
    ascii_domain = _domain(domain)
    if ascii_domain is None:
        return None
    if len(local) > 64 or not _PLAIN_LOCAL.fullmatch(local):
        try:
            local = validate_email(text, check_deliverability=False, strict=True).local_part
        except (EmailNotValidError, UnicodeError, ValueError):
            return None
    key = key_form(f"{local}@{ascii_domain}")
    return Email(key, text, "+" in local) if len(key) <= MAX_LENGTH else None


def parse(text: str) -> tuple[list[Email], list[str]]:
    """The valid addresses in one cell, in order and without repeats, and the pieces that are none.

    Understands `mailto:`, `Name <address>`, quotes, a leading apostrophe and several addresses in a cell.
    """
    text = visible(text).strip()
    if not text or len(text) > 1024:
        return [], [text[:200]] if text else []
    wrapped = _WRAPPED.fullmatch(text)
    if wrapped is not None:
        text = wrapped.group(1)
    found: dict[str, Email] = {}
    bad: list[str] = []
    for piece in _SEPARATORS.split(text) if not text.isalnum() else [text]:
        piece = piece.strip("'\"<>()[].:").removeprefix("mailto:").removeprefix("MAILTO:").partition("?")[0]
        if not piece:
            continue
        email = _one(piece)
        if email is None:
            bad.append(piece)
        else:
            found.setdefault(email.key, email)
    return list(found.values()), bad


def search(text: str) -> tuple[str, str]:
    """An address found inside other text (a job title), and the text without it; ("", text) when there is none."""
    if "@" not in text:
        return "", text
    match = _INSIDE.search(text)
    if match is None or _one(match.group()) is None:
        return "", text
    rest = text[: match.start()].rstrip(" (<[-|,:;") + " " + text[match.end() :].lstrip(" )>]-|,:;")
    return match.group(), rest.strip()
