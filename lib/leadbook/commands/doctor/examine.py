"""What is set, what answers and what is missing, in the order in which it is best mended. Seconds, and nothing changed.

Everything that has to answer is asked at once and with short patience, so that servers that are away cost no minutes.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from secrets import token_hex
from typing import Any, Literal

from pymongo.errors import OperationFailure, PyMongoError
from redis import Redis
from redis.exceptions import NoPermissionError, OutOfMemoryError, ReadOnlyError, RedisError, ResponseError

from leadbook.alerts.channels import recipients_of
from leadbook.atlas.project import open_project
from leadbook.commands.doctor.database import PATIENCE_MS, of_database
from leadbook.commands.doctor.diagnosis import Diagnosis, note, ok, problem
from leadbook.commands.place import hurried
from leadbook.core import connect
from leadbook.core.errors import LeadbookError
from leadbook.core.files import project_path
from leadbook.core.provenance import CLOCK_SLACK
from leadbook.core.settings import Settings
from leadbook.core.write_errors import described
from leadbook.lead.keys import linkedin_key
from leadbook.monitor.topology import read_replication
from leadbook.n8n.client import open_n8n
from leadbook.phases import attestations
from leadbook.provision.asked import REDIS_RIGHTS
from leadbook.provision.cache import cluster_refusal, inspect_cache
from leadbook.provision.rights import APPLICATION, REPORTING, RIGHTS, Holder, Rights
from leadbook.provision.security import handshake
from leadbook.rehearsal import servers
from leadbook.schema.undo import SCRATCH_KEYS

LEAST_FREE = 1_000_000_000
"""Bytes that backups and reports of a sprint need at most."""
SKEW_S = CLOCK_SLACK.total_seconds()


Ask = Callable[[str, Settings], Iterator[Diagnosis]]
"""Asks somebody who must answer: what the findings are about, and settings of short patience."""


def examine(settings: Settings) -> list[Diagnosis]:
    """Everything, in the order to mend it. Raises nothing for a server that is away: that is a finding."""
    found = list(_environment(settings))
    if any(one.state == "problem" for one in found) or not _there(settings):
        return [*found, *_files(settings), *_alerts(settings)]
    quick = hurried(settings, PATIENCE_MS)
    endpoints = servers.resolve(settings)
    asked: dict[str, Ask] = {
        "MongoDB, application": partial(_user, endpoints.mongodb_uri, APPLICATION),
        **({"MongoDB, DBA": partial(_user, endpoints.admin_uri, RIGHTS)} if endpoints.has_own_admin else {}),
        **({"MongoDB, reporting": partial(_user, uri, REPORTING)} if (uri := endpoints.reporting_uri) else {}),
        "Redis": partial(_redis, endpoints.redis_url),
        "Atlas": partial(_atlas, endpoints.mongodb_uri),
        "n8n": _n8n,
    }
    with ThreadPoolExecutor(len(asked)) as pool:
        told = list(pool.map(lambda about: _asked(about, asked[about], quick), asked))
    found += [one for part in told for one in part]
    if told[0][0].state != "problem":
        found += of_database(settings)
    return [*found, *_files(settings), *_alerts(settings)]


def next_command(found: list[Diagnosis], settings: Settings) -> str:
    """What to do now: mend the first problem, or go on with the sprint."""
    first = next((one for one in found if one.state == "problem"), None)
    if first is None:
        return "all is well; next: leadbook status" + ("" if settings.is_rehearsal else " --profile production")
    return f"first: {first.todo}; then run leadbook doctor --profile {settings.profile} again"


# -------------------------------------------------------------------------------------------------------- environment


def _environment(settings: Settings) -> Iterator[Diagnosis]:
    needed = settings.is_production or not settings.rehearsal_servers
    names = [value for name, value in settings.model_dump().items() if name.startswith(("mongodb_", "redis_url_env"))]
    if not needed and not any(os.environ.get(name, "").strip() for name in names):
        yield note("environment", "no address is set: a rehearsal has servers of its own")
        return
    yield from _address(settings.mongodb_uri_env, "MongoDB", needed, "the application's MongoDB")
    yield from _address(settings.redis_url_env, "Redis", needed, "Redis")
    yield from _address(
        settings.mongodb_admin_uri_env, "MongoDB", settings.is_production, "the DBA's MongoDB user: without it much "
        "cannot be measured, which blocks GO",
    )  # fmt: skip
    yield from _address(settings.mongodb_reporting_uri_env, "MongoDB", False, "the reporting user")
    keys = {settings.hubspot_token_env: settings.crm, settings.hunter_api_key_env: settings.enrichment}
    for name, wanted in keys.items():
        if wanted and settings.is_production and not os.environ.get(name, "").strip():
            yield problem(name, "not set", f"set {name}, or switch off what needs it (crm, enrichment)")


def _alerts(settings: Settings) -> Iterator[Diagnosis]:
    """Who would be told of what a watch finds."""
    known = recipients_of(settings)
    if not settings.alerts:
        yield note("alerts", "a dry run: nobody is told of what the watch finds; alerts=true sends them")
    elif not known.all:
        yield problem("alerts", "switched on, and no level has an address",
                      f"export {settings.alert_level_1_env}='https://hooks.slack.com/services/…'")  # fmt: skip
    else:
        yield ok("alerts", f"{len(known.all)} addresses; leadbook alerts --test tries them")
        for told in known.notes.values():
            yield note("alerts", told)


def _address(name: str, service: Literal["MongoDB", "Redis"], needed: bool, what: str) -> Iterator[Diagnosis]:
    value = os.environ.get(name, "").strip()
    form = (
        "mongodb://USER:PASSWORD@HOST:27017/?tls=true" if service == "MongoDB" else "rediss://USER:PASSWORD@HOST:6379"
    )
    if not value:
        told = f"not set: the address of {what}"
        yield problem(name, told, f"export {name}='{form}'") if needed else note(name, f"{told} (optional)")
        return
    try:
        yield ok(name, f"set: {connect.read(value, name, service).shown}")
    except LeadbookError as error:
        yield problem(name, str(error), f"export {name}='{form}', special characters percent-encoded")


def _there(settings: Settings) -> bool:
    """Whether there is anything to ask: a rehearsal's own servers may be down, which is no problem."""
    if servers.all_named(settings):
        return True
    state = servers.status()
    return state is not None and not state.dead


# ------------------------------------------------------------------------------------------------------------ servers


def _asked(about: str, ask: Ask, settings: Settings) -> list[Diagnosis]:
    """What was found; who does not answer is a finding, too, in place of all others."""
    try:
        return list(ask(about, settings))
    except LeadbookError as error:
        return [problem(about, str(error), f"make {about} answer: {str(error).rpartition('; ')[2]}")]
    except (PyMongoError, RedisError) as error:
        return [problem(about, described(error), "look at the server's log")]


def _user(uri: str, wanted: Rights, about: str, settings: Settings) -> Iterator[Diagnosis]:
    """Whether this address answers, over TLS, with a user that has the rights it needs."""
    with connect.mongodb(uri, settings) as client:
        connect.ping_mongodb(client)
        yield from _server(client, about) if wanted is APPLICATION else [ok(about, "answers")]
        yield from _members(client) if wanted is RIGHTS else ()
        yield _rights(client, about, wanted, settings)


def _server(client: connect.Client, about: str) -> Iterator[Diagnosis]:
    began = datetime.now(UTC)
    hello = client.admin.command("hello")
    now = began + (datetime.now(UTC) - began) / 2
    name = hello.get("setName") or ("a sharded cluster" if hello.get("msg") == "isdbgrid" else "")
    primary = hello.get("primary") or ("mongos" if hello.get("msg") == "isdbgrid" else "")
    if not name:
        yield problem(
            about, "is a standalone server", "make it a replica set: rs.initiate() on a member with --replSet"
        )
    elif not primary:
        yield problem(about, f"replica set {name} has no primary", "look at rs.status(): a majority must be up")
    else:
        yield ok(about, f"answers: {name}, primary {primary}, {len(hello.get('hosts', ())) or 1} data-bearing members")
    hosts = {host for host, _ in client.topology_description.server_descriptions()}
    try:
        tls = handshake(client)
        if tls is None:
            yield problem(
                "TLS", f"the way to {', '.join(sorted(hosts))} is not encrypted", "put tls=true into the address"
            )
        else:
            yield ok("TLS", f"{tls.version:g}, certificate {'verified' if tls.verified else 'NOT verified'}")
    except OSError as error:
        yield note("TLS", f"could not be looked at: {type(error).__name__}")
    skew = (hello["localTime"].replace(tzinfo=UTC) - now).total_seconds()
    said = f"the server's clock is {abs(skew):.1f} s {'ahead of' if skew > 0 else 'behind'} this machine's"
    todo = "let both machines keep time by NTP: claims and ages are told by clocks"
    yield ok("clock", said) if abs(skew) <= SKEW_S else problem("clock", said, todo)


def _members(client: connect.Client) -> Iterator[Diagnosis]:
    """Whether all members of the replica set are at work; nothing where there is none, or the user may not ask."""
    try:
        seen = read_replication(client)
    except OperationFailure:
        return  # the missing right is told by `_rights`; some tiers of Atlas do not offer it
    if not seen.members:
        return
    said = f"{seen.healthy} of {seen.members} members healthy"
    if seen.healthy == seen.members:
        yield ok("members", said)
        return
    todo = "look at its log and at rs.status(); on a member in RECOVERING: db.adminCommand({replSetMaintenance: false})"
    yield problem("members", f"{said}: {', '.join(f'{name} {state}' for name, state in seen.ailing.items())}", todo)


def _rights(client: connect.Client, about: str, wanted: Rights, settings: Settings) -> Diagnosis:
    user = Holder.of(client, settings.database, wanted=wanted)
    if not user.name:
        return note(about, "no user is logged in: its rights cannot be seen")
    if user.lacks:
        return problem(about, f"user {user.name} lacks {user.told(user.lacks)}", user.grant(user.lacks))
    return ok(about, f"user {user.name} has what it needs ({user.told(wanted)})")


REFUSALS: dict[type[RedisError], tuple[str, str]] = {
    NoPermissionError: ("its user may not ask or write", f"ACL SETUSER {{}} {REDIS_RIGHTS}"),
    ReadOnlyError: ("takes no writes: it is a replica", "name the primary's address in the variable"),
    OutOfMemoryError: ("is full and refuses keys", "CONFIG SET maxmemory-policy allkeys-lru, or give it memory"),
}
"""What Redis may refuse, and how that is mended; {} stands for its user."""


def _refused(client: Redis, about: str, kind: type[RedisError], text: str = "") -> Diagnosis:
    said, todo = REFUSALS[kind]
    return problem(about, text or said, todo.replace("{}", client.get_connection_kwargs().get("username") or "default"))


def _watched(client: Redis, about: str) -> Iterator[Diagnosis]:
    """What a watch asks. A service that knows no such command is no matter of rights."""
    asked: dict[str, Callable[[], Any]] = {
        "SLOWLOG GET": partial(client.slowlog_get, 1), "CLIENT LIST": client.client_list,
    }  # fmt: skip
    refused = []
    for command, ask in asked.items():
        try:
            ask()
        except NoPermissionError:
            refused.append(command)
        except ResponseError:
            continue
    if refused:
        told = f"a watch may not ask {' and '.join(refused)}: slow commands or clients are not judged"
        yield _refused(client, about, NoPermissionError, told)


def _pinged(client: Redis) -> None:
    """Raises NoPermissionError where the user may not even connect, UnreachableError where nobody answers."""
    try:
        client.ping()
    except NoPermissionError:
        raise
    except (RedisError, OSError):
        connect.ping_redis(client)


def _redis(url: str, about: str, settings: Settings) -> Iterator[Diagnosis]:
    with connect.redis(url, settings) as client:
        try:
            _pinged(client)
            told: dict[str, Any] = client.info()
            yield ok(about, f"answers: {told.get('redis_version')}")
            if refused := cluster_refusal(client):
                todo = "name an endpoint without cluster mode: with it the cache answers no look-up"
                yield problem(about, f"is in cluster mode: {refused}", todo)
                return
            for key in (linkedin_key(""), SCRATCH_KEYS):
                client.set(f"{key}leadbook-doctor-{token_hex(8)}", "1", xx=True)  # over a key that is there: none
        except tuple(REFUSALS) as error:
            yield _refused(client, about, type(error))
            return
        yield from _watched(client, about)
        if settings.is_production and inspect_cache(client).lacks_snapshot:
            never = "is to write snapshots and wrote none since it started, which blocks ready (RDS-PER-002)"
            told_of = f"{never}; whoever may BGSAVE asks for one"
            yield problem(about, told_of, f'redis-cli -u "${settings.redis_url_env}" BGSAVE')
    policy = told.get("maxmemory_policy")
    todo = "CONFIG SET maxmemory-policy allkeys-lru, and the same in redis.conf"
    yield (
        ok(about, f"takes writes, eviction {policy}")
        if policy == "allkeys-lru" or settings.is_rehearsal
        else problem(about, f"its eviction policy is {policy}: a full cache refuses keys", todo)
    )


# ------------------------------------------------------------------------------------------------- Atlas' API, n8n's


def _atlas(uri: str, about: str, settings: Settings) -> Iterator[Diagnosis]:
    """Whether Atlas' API is asked, answers, and means the cluster that MONGODB_URI names."""
    if not settings.atlas_project:
        yield note(about, "atlas_project is not set: what only Atlas knows, a person must attest")
        return
    with open_project(settings, uri) as project:
        told = project.cluster()
        yield ok(about, f"answers: cluster {told.name}, {told.tier} in {told.provider} {told.region}, {told.state}")


def _n8n(about: str, settings: Settings) -> Iterator[Diagnosis]:
    """Whether n8n's API is asked, and answers."""
    if not settings.n8n_url:
        yield note(about, "n8n_url is not set: what n8n shows, a person must attest")
        return
    with open_n8n(settings) as n8n:
        count = len(n8n.workflows())
        yield (
            note(about, n8n.warning)
            if n8n.warning
            else ok(about, f"answers: {count} workflows; leadbook n8n check tells more")
        )


# -------------------------------------------------------------------------------------------------------------- files


def _files(settings: Settings) -> Iterator[Diagnosis]:
    if not _there(settings) and settings.is_rehearsal:
        yield note("servers", f"{servers.told()}, and so does `leadbook run`")
    if settings.attestations_file:
        yield _attestations(settings)
    elif settings.is_production:
        todo = "copy params/attestations.example.yaml, write what you saw, and name it by attestations_file"
        yield problem("attestations", "no file is named: what only a person can see blocks GO", todo)
    for what, path in (("backups", settings.backup_dir or ".leadbook/backups"), ("reports", "reports")):
        yield _room(what, project_path(path))


def _attestations(settings: Settings) -> Diagnosis:
    named = settings.attestations_file
    try:
        found = attestations.load(project_path(named), named)
    except LeadbookError as error:
        return problem("attestations", str(error), f"mend {named}")
    if found.missing:
        return problem("attestations", found.missing, f"write {named}, as params/attestations.example.yaml shows")
    return ok("attestations", f"{named}: {len(found.entries)} entries; phases 01 and 06 say which of them count")


def _room(what: str, folder: Path) -> Diagnosis:
    """Whether a folder, or where it would be made, can be written and has room."""
    there = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(there).free
    if not os.access(there, os.W_OK):
        return problem(what, f"{there} cannot be written", f"give this user write access to {there}")
    if free < LEAST_FREE:
        return problem(
            what, f"{there} has {free / 1e9:.1f} GB left", f"make room: a sprint wants {LEAST_FREE / 1e9:g} GB"
        )
    return ok(what, f"{folder}: {free / 1e9:.0f} GB free")
