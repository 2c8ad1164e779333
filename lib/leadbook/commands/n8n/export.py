"""`leadbook n8n export`: workflows and credentials for n8n, of the profile and of the environment's addresses."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from pymongo.errors import PyMongoError

from leadbook.commands.place import addresses, hurried
from leadbook.core import connect
from leadbook.core.addresses import AddressError, parse, recipients
from leadbook.core.errors import LeadbookError, UsageError, did_you_mean
from leadbook.core.provenance import collection_uuid
from leadbook.core.settings import Settings
from leadbook.n8n import credentials, export, names, rights, workflows
from leadbook.n8n.credentials import Credential, id_of

PATIENCE_MS = 5_000
"""How long MongoDB is waited for, to see what the user may do."""
WEBHOOK_HEADER = "X-Leadbook-Token"


def export_to(
    settings: Settings, folder: Path, *, vendor_urls: Sequence[str] = (), notice: Callable[[str], None] = print
) -> export.Exported:
    """Write the ten collectors, the look-up, the error workflow and their credentials into `folder`.

    vendor_urls: `apollo=https://…`, what that vendor's collectors ask, or `apollo-1=https://…`, what that one asks.
    notice: told what a user should know.
    Raises LeadbookError: a folder that holds something or that git would take, an address that is missing or wrong.
    """
    export.refuse_folder(folder)
    urls = dict(map(_vendor_url, vendor_urls))
    endpoints = addresses(settings)
    made, told = _credentials(settings, endpoints)
    uuid, seen = _seen(settings, endpoints)
    alert = _alert_url(settings)
    for line in [*told, *seen, *_left_open(settings, urls, alert)]:
        notice(line)
    placed = _places(urls, alert)
    filled = [export.placed(one, placed.get(one["name"], {})) for one in workflows.all_workflows(settings, uuid)]
    return export.write(folder, export.bound(filled, made, settings.database), made)


def _places(urls: Mapping[str, str], alert: str) -> dict[str, dict[str, str]]:
    """By workflow, the texts that stand for an address and what comes in their place."""
    found = {names.ERRORS: {names.ALERTS_ADDRESS: alert}} if alert else {}
    for one in names.INSTANCES:
        if url := urls.get(one.stamp) or urls.get(one.vendor):
            found[one.workflow] = {f"{names.VENDOR_ADDRESS}{one.vendor}": url}
    return found


def _vendor_url(text: str) -> tuple[str, str]:
    vendor, _, url = text.partition("=")
    known = (*names.VENDORS, *names.STAMPS)
    if vendor not in known:
        hint = did_you_mean(vendor, known) or f"there are {', '.join(known)}"
        raise UsageError(f"--vendor-url takes VENDOR=URL or COLLECTOR=URL, and {vendor!r} is neither; {hint}")
    try:
        address = parse(url)
    except AddressError:
        address = None
    if address is None or address.scheme not in ("http", "https") or not address.shown:
        raise UsageError(f"--vendor-url {vendor}=…: is not an http or https address; write {vendor}=https://HOST/PATH")
    if address.user:
        raise UsageError(f"--vendor-url {vendor}=…: holds a password; the key belongs into n8n's credential")
    return vendor, url


def _credentials(settings: Settings, endpoints: connect.Endpoints) -> tuple[list[Credential], list[str]]:
    """All that the workflows name, and what could not be carried over."""
    mongodb, lost = credentials.mongodb(endpoints.mongodb_uri, settings)
    redis, lost_too = credentials.redis(endpoints.redis_url, settings)
    made = {(names.MONGODB_CREDENTIAL, "mongoDb"): mongodb, (names.REDIS_CREDENTIAL, "redis"): redis}
    webhook = credentials.header(WEBHOOK_HEADER, secrets.token_urlsafe(24))
    made[names.WEBHOOK_CREDENTIAL, "httpHeaderAuth"] = webhook
    for vendor, api in names.VENDORS.items():
        key = credentials.header(api["header"], credentials.PLACEHOLDER)
        made[names.vendor_credential(vendor), "httpHeaderAuth"] = key
    each = [
        Credential(id=id_of(name, settings.database), name=name, type=kind, data=data)
        for (name, kind), data in made.items()
    ]
    return each, [*lost, *lost_too]


def _seen(settings: Settings, endpoints: connect.Endpoints) -> tuple[str, list[str]]:
    """UUID of the leads' collection, and what is to be said of it and of the user whom n8n gets. Only asks."""
    short = hurried(settings, PATIENCE_MS)
    variable, database = settings.mongodb_uri_env, settings.database
    try:
        with connect.mongodb(endpoints.mongodb_uri, short) as client:
            connect.ping_mongodb(client)
            more = rights.more_than_read_write(client, database)
    except (PyMongoError, LeadbookError):
        what = "the rights of its user were not looked at, and the look-up asks MongoDB only, not Redis"
        return "", [f"MongoDB of {variable} could not be asked: {what}; export again when it answers"]
    uuid = _uuid(short, endpoints)
    told = []
    if more:
        told.append(
            f"the user of {variable} has more than readWrite on {database}, and so has everybody who may edit "
            f"workflows: {more}; give n8n a user of its own"
        )
    if uuid is None:
        told.append(
            f"no user may list the collections of {database}, so the look-up asks MongoDB only, not Redis; set "
            f"{settings.mongodb_admin_uri_env} or {settings.mongodb_reporting_uri_env} and export again"
        )
    elif not uuid:
        told.append(
            f"{database}.{settings.collection} does not exist yet, so the look-up asks MongoDB only, not Redis; make "
            f"it, then export again: leadbook run --only 02 --profile {settings.profile} -p "
            f"approve='apply_schema on {database}'"
        )
    return uuid or "", told


def _uuid(settings: Settings, endpoints: connect.Endpoints) -> str | None:
    """UUID of the leads' collection, "" where there is none yet; None where nobody may see it.

    n8n's own user may not list collections (`leadbook roles --only application`): the DBA's and the reports' are asked
    after it.
    """
    for uri in dict.fromkeys((endpoints.mongodb_uri, endpoints.admin_uri, endpoints.reporting_uri or "")):
        if not uri:
            continue
        with suppress(PyMongoError, LeadbookError), connect.mongodb(uri, settings) as client:
            return collection_uuid(client[settings.database][settings.collection])
    return None


def _alert_url(settings: Settings) -> str:
    """The first web address of the first level's people; empty where there is none."""
    given = recipients(os.environ.get(settings.alert_level_1_env, ""))
    return next((url for url in given if url.startswith(("https://", "http://"))), "")


def _left_open(settings: Settings, urls: Mapping[str, str], alert: str) -> list[str]:
    """What a person still has to fill in."""
    missing = [one.stamp for one in names.INSTANCES if not (one.stamp in urls or one.vendor in urls)]
    told = [
        f"each vendor's key is {credentials.PLACEHOLDER!r}: put yours into the credentials leadbook vendor … in n8n"
    ]
    if missing:
        told.append(
            f"no vendor's address for {', '.join(missing)}: set it in their node Parameters, or export with "
            f"--vendor-url {missing[0]}=https://…"
        )
    if not alert:
        told.append(
            f"{settings.alert_level_1_env} holds no web address: set it in the last node of {names.ERRORS!r}, or "
            "failures are told to nobody"
        )
    return told


def what_next(made: export.Exported, settings: Settings) -> list[str]:
    """What to type, and what to delete afterwards."""
    secret = made.folder / export.CREDENTIALS_FILE
    held = "passwords and the alert channel's address" if _alert_url(settings) else "passwords"
    return [
        f"{made.folder}: {len(made.workflows)} workflows, {len(made.credentials)} credentials",
        f"n8n import:credentials --input={secret}",
        f"n8n import:workflow --separate --input={made.folder / export.WORKFLOWS_FOLDER}",
        f"for id in {' '.join(made.ids)}; do n8n publish:workflow --id=$id; done",
        "restart n8n; start each collector once (Execute workflow); leadbook n8n check says what is left",
        f"{made.folder} holds {held}; delete it after the import",
    ]
