"""How phase 01 judges: what may not be asked is `not measured`, and a server on this very machine is judged mildly."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pymongo.errors import OperationFailure, PyMongoError
from redis.exceptions import NoPermissionError, RedisError, ResponseError

from leadbook.core import connect
from leadbook.core.checks import Check, Verdict, errored, judge, not_applicable, not_measured
from leadbook.core.connect import Client
from leadbook.core.errors import LeadbookError, UnreachableError
from leadbook.core.settings import Settings

__all__ = [
    "REDIS_AWAY", "Asked", "ask", "dba_refused", "guarded", "is_mild", "mild", "on_loopback", "production_only",
    "refusal", "remedy_for",
]  # fmt: skip

FORBIDDEN_CODES = frozenset({13, 59, 115, 8000})
"""Unauthorized, CommandNotFound, CommandNotSupported, and Atlas' own refusal on small tiers."""


REDIS_AWAY = "make Redis answer first (see RDS-CON-001) and run this notebook again"
REFUSED_DBA = "the account of MONGODB_ADMIN_URI is refused: authentication failed"


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A server's answer to one command, or why there is none."""

    values: Mapping[str, Any] = field(default_factory=dict)
    problem: str = ""

    def get(self, path: str) -> Any:
        """The value at a dotted path, or None."""
        found: Any = self.values
        for key in path.split("."):
            found = found.get(key) if isinstance(found, Mapping) else None
        return found


def ask(client: Client, command: str, database: str = "admin", **options: Any) -> Asked:
    """The answer to an administrative command that changes nothing. Never raises: see `Asked.problem`."""
    try:
        return Asked(values=client[database].command(command, **options))
    except OperationFailure as error:
        return Asked(problem=refusal(error, f"run {command}"))
    except PyMongoError as error:
        return Asked(problem=f"{command}: {_line(error)}")


def refusal(error: OperationFailure, what: str) -> str:
    """Why the server did not do `what` ("run hostInfo"), without the command that it quotes."""
    if error.code in FORBIDDEN_CODES:
        return f"the account may not {what}"
    return f"could not {what}: {_line(error)}"


def dba_refused(admin: Client) -> str:
    """Why the DBA's account cannot be used at all; empty where it can. Asked once: each refusal costs seconds."""
    try:
        connect.ping_mongodb(admin)
    except UnreachableError as error:
        return REFUSED_DBA if "authentication failed" in str(error) else f"the DBA's address: {error}"
    return ""


def remedy_for(problem: str, remedy: str) -> str:
    """`remedy`, or what to do first where the DBA's account was refused."""
    return "correct user, password and authSource in MONGODB_ADMIN_URI" if problem == REFUSED_DBA else remedy


def on_loopback(hosts: Iterable[str]) -> bool:
    """True if there are hosts and all of them are this very machine."""
    hosts = list(hosts)
    return bool(hosts) and all(_is_loopback(host) for host in hosts)


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.startswith("/"):
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def is_mild(settings: Settings, hosts: Iterable[str]) -> bool:
    """True where a missing protection only warns: a rehearsal on servers that this machine alone can reach."""
    return settings.is_rehearsal and on_loopback(hosts)


def mild(check: Check, when: bool, why: str = "a rehearsal on this machine alone") -> Check:
    """The check with `fail` lowered to `warn` when `when`: in production, or over a network, it would fail."""
    if not when or check.verdict is not Verdict.FAIL:
        return check
    evidence = f"{check.evidence}; {why}: in production this fails".removeprefix("; ")
    return replace(check, verdict=Verdict.WARN, evidence=evidence)


def production_only(check_id: str, measured: Any, settings: Settings, *, evidence: str, unit: str = "") -> Check:
    """Judged in production; on rehearsal `not applicable`, with what was seen here as evidence."""
    if not settings.is_rehearsal:
        return judge(check_id, measured, settings=settings, evidence=evidence)
    return not_applicable(
        check_id, f"asked for in production; seen here: {_shown(measured, unit)} ({evidence})", settings=settings
    )


def _shown(measured: Any, unit: str) -> str:
    if measured is None:
        return "nothing"
    if isinstance(measured, bool):
        return "yes" if measured else "no"
    return f"{measured:,.4g} {unit}".strip() if isinstance(measured, float) else f"{measured} {unit}".strip()


def guarded(check_id: str, make: Callable[[], Check], settings: Settings) -> Check:
    """`make()`; where the server forbids the question `not measured`, and where anything else goes wrong `error`."""
    try:
        return make()
    except OperationFailure as error:
        if error.code in FORBIDDEN_CODES:
            return not_measured(check_id, _line(error), settings=settings, remedy=PRIVILEGE_REMEDY)
        return errored(check_id, error, settings=settings)
    except NoPermissionError as error:
        return not_measured(check_id, _line(error), settings=settings, remedy="allow the command in the user's ACL")
    except ResponseError as error:
        if "unknown command" in str(error):
            return not_measured(check_id, _line(error), settings=settings, remedy="look in the provider's console")
        return errored(check_id, error, settings=settings)
    except (PyMongoError, RedisError, LeadbookError, OSError, LookupError, TypeError, ValueError) as error:
        return errored(check_id, error, settings=settings)


PRIVILEGE_REMEDY = "name the DBA's address in MONGODB_ADMIN_URI (roles clusterMonitor and read on local)"


def from_asked(check_id: str, asked: Asked, make: Callable[[], Check], settings: Settings) -> Check:
    """`make()` where the answer is there, else `not measured` with the reason and the privilege to grant."""
    if asked.problem:
        remedy = remedy_for(asked.problem, PRIVILEGE_REMEDY)
        return not_measured(check_id, asked.problem, settings=settings, remedy=remedy)
    return guarded(check_id, make, settings)


def _line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].split(", full error")[0][:200]
