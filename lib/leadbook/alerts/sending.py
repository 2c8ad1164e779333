"""One attempt to deliver one message, and an honest word of what became of it.

Slack's form (a webhook, also of Mattermost and Rocket.Chat) and SMTP are spoken here, because their answers say why
something did not arrive and when to try again; every other address goes to apprise, which only says yes or no.
"""

from __future__ import annotations

import logging
import re
import smtplib
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import httpx

from leadbook.alerts.records import Channel, Delivery
from leadbook.enrich.response import retry_after_s

TIMEOUT_S = 8.0
"""Longest silence of a receiver; `dispatcher.DEADLINE_S` bounds the whole attempt."""
LONGEST_WAIT_S = 3600.0
"""A receiver may ask for so much patience at most."""
_TALKATIVE = ("httpx", "apprise", "urllib3.connectionpool", "requests_oauthlib")
_here = threading.local()


class _Silent(logging.Filter):
    """What a client logs while it delivers holds addresses, and an address is a secret. The HTTP status is kept."""

    def filter(self, record: logging.LogRecord) -> bool:
        if not getattr(_here, "delivers", False):
            return True
        if code := re.search(r"error=(\d{3})\b", record.getMessage()):
            _here.code = code[1]
        return False


_SILENT = _Silent()


@contextmanager
def _silence() -> Iterator[None]:
    for name in _TALKATIVE:
        logging.getLogger(name).addFilter(_SILENT)  # added once, however often
    before, _here.delivers = getattr(_here, "delivers", False), True
    try:
        yield
    finally:
        _here.delivers = before


def deliver(channel: Channel, subject: str, text: str) -> Delivery:
    """Try once to deliver a message. Never raises: whatever goes wrong is the reason."""
    way = {"slack": _webhook, "webhook": _webhook, "smtp": _mail}.get(channel.kind, _apprise)
    with _silence():
        try:
            return way(channel.url, subject, text)
        except (httpx.TimeoutException, TimeoutError):
            return Delivery(delivered=False, reason=f"no answer within {TIMEOUT_S:.0f} s")
        except smtplib.SMTPServerDisconnected:
            return Delivery(delivered=False, reason="the mail server does not answer, or hung up")
        except smtplib.SMTPResponseException as error:
            return Delivery(delivered=False, reason=f"the mail server answers {error.smtp_code}")
        except Exception as error:  # noqa: BLE001  its text may hold the address
            return Delivery(delivered=False, reason=f"cannot be reached ({type(error).__name__})")


def _is_local(host: str | None) -> bool:
    return host in ("127.0.0.1", "::1", "localhost")


def _webhook(url: str, subject: str, text: str) -> Delivery:
    """Slack's form: a JSON object with `text`, in which & < > are escaped, so that no name calls anybody."""
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    local = _is_local(urlsplit(url).hostname)
    with (
        httpx.Client(timeout=TIMEOUT_S, trust_env=not local, follow_redirects=False) as client,
        client.stream("POST", url, json={"text": escaped}) as answer,
    ):
        if answer.is_success:
            return Delivery(delivered=True)
        said = next(answer.iter_bytes(200), b"").decode("ascii", "replace").strip()
        word = f" {said}" if re.fullmatch(r"[a-z]+(_[a-z]+){0,5}", said) else ""  # Slack's, such as no_service
        asked = retry_after_s(answer.headers.get("Retry-After")) if answer.status_code in (429, 503) else None
        wait = None if asked is None else min(asked, LONGEST_WAIT_S)
        return Delivery(delivered=False, reason=f"answers {answer.status_code}{word}", retry_after_s=wait)


def _mail(url: str, subject: str, text: str) -> Delivery:
    """`smtp://USER:PASSWORD@HOST:587/?from=A&to=B,C` (STARTTLS where it is offered), or smtps:// (TLS from the start).

    A password goes over TLS only, except on this machine.
    """
    read = urlsplit(url)
    asked = {key: values[-1] for key, values in parse_qs(read.query).items()}
    to = [one.strip() for one in asked.get("to", "").split(",") if one.strip()]
    if not to or not read.hostname:
        return Delivery(delivered=False, reason="the address names no host, or nobody with ?to=")
    message = _letter(asked.get("from") or to[0], to, subject, text)
    context = ssl.create_default_context()
    secure = read.scheme.lower() == "smtps"
    port = read.port or (465 if secure else 587)
    opened: smtplib.SMTP = (
        smtplib.SMTP_SSL(read.hostname, port, timeout=TIMEOUT_S, context=context) if secure
        else smtplib.SMTP(read.hostname, port, timeout=TIMEOUT_S)
    )  # fmt: skip
    with opened as server:
        server.ehlo()
        if not secure and server.has_extn("starttls"):
            server.starttls(context=context)
            server.ehlo()
            secure = True
        if read.username:
            if not secure and not _is_local(read.hostname):
                return Delivery(delivered=False, reason="the mail server offers no TLS, and a password needs it")
            server.login(unquote(read.username), unquote(read.password or ""))
        return _handed_over(server, message, to)


def _handed_over(server: smtplib.SMTP, message: EmailMessage, to: list[str]) -> Delivery:
    try:
        refused = server.send_message(message)
    except smtplib.SMTPRecipientsRefused as error:
        codes = sorted({int(code) for code, _ in error.recipients.values()})
        return Delivery(delivered=False, reason=f"the mail server refuses every recipient ({codes[0]})")
    return Delivery(delivered=True, reason=f"refused for {len(refused)} of {len(to)} recipients" if refused else "")


def _letter(sender: str, to: list[str], subject: str, text: str) -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = sender, ", ".join(to), " ".join(subject.split())
    message["Date"], message["Message-ID"] = formatdate(), make_msgid(domain="leadbook.invalid")
    message["Auto-Submitted"] = "auto-generated"  # so that no absent person's mailbox answers it
    message.set_content(text)
    return message


def by_apprise(url: str) -> Any:
    """apprise's object for an address, with time-outs that hold; None where it knows no such address."""
    import apprise

    with _silence():
        found = apprise.Apprise.instantiate(url, suppress_exceptions=True)
    if found is not None:
        if "overflow=" not in url:  # what is too long for a receiver is cut, not refused: the gravest stands first
            found.overflow_mode = apprise.OverflowMode.TRUNCATE
        found.socket_connect_timeout, found.socket_read_timeout = TIMEOUT_S / 2, TIMEOUT_S / 2
    return found


def _apprise(url: str, subject: str, text: str) -> Delivery:
    import apprise

    service = by_apprise(url)
    if service is None:
        return Delivery(delivered=False, reason="no such kind of address is known (see apprise's list of services)")
    _here.code = ""
    done = bool(service.notify(body=text, title=subject, notify_type=apprise.NotifyType.WARNING))
    told = f", answers {_here.code}" if _here.code else ""
    return Delivery(delivered=done, reason="" if done else f"was not taken{told} (by apprise)")
