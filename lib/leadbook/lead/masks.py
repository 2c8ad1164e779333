"""Personal data as shown in tables and logs: enough to recognise one's own record, too little to learn another's."""

from __future__ import annotations

import re

_IN = r"[^\s@<>\"'(),;:=/]"
_EMAIL = re.compile(rf"(?<!{_IN}){_IN}+(?:(?<=\w)'\w{_IN}*){{0,3}}@{_IN}+")
_URL = re.compile(r"(?i)\b(?:https?://)?(?:[\w-]+\.)*linkedin\.com/[^\s\"'<>),;]*")
_PROFILE = re.compile(r"(?i).*?linkedin\.com/+[\w-]+/+(?=[^/])")
_PHONE = re.compile(r"\+\d[\d ().-]{6,}\d")


def mask_people(text: str) -> str:
    """Any text with its LinkedIn addresses, e-mail addresses and telephone numbers masked."""
    text = _URL.sub(lambda found: mask_url(found[0].partition("?")[0].partition("#")[0].rstrip("/")), text)
    text = _EMAIL.sub(lambda found: mask_email(found[0]), text)
    return _PHONE.sub(lambda found: mask_phone(re.sub(r"[^+\d]", "", found[0])), text)


def mask_email(email: str | None) -> str:
    """`jane.doe@example.com` as `j***@example.com`; nothing as an empty string."""
    if not email:
        return ""
    local, at, domain = email.rpartition("@")
    return f"{local[:1]}***@{domain}" if at and local else "***"


def mask_name(name: str | None) -> str:
    """`Jane van Doe` as `J*** v*** D***`."""
    return " ".join(f"{word[:1]}***" for word in (name or "").split())


def mask_url(url: str | None) -> str:
    """`https://www.linkedin.com/in/jane-doe` as `https://www.linkedin.com/in/j***`, and so with a path behind it."""
    if not url:
        return ""
    if found := _PROFILE.match(url):
        return f"{found[0]}{url[found.end()]}***"
    head, slash, slug = url.rpartition("/")
    return f"{head}/{slug[:1]}***" if slash and slug else "***"


def mask_phone(phone: str | None) -> str:
    """`+14155552671` as `+1***71`."""
    return f"{phone[:2]}***{phone[-2:]}" if phone and len(phone) > 6 else "***" if phone else ""
