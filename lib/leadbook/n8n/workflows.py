"""The workflows that n8n imports, made for a profile of the templates beside: its collections, an instance a collector.

A text `@name` in a template stands for a value, or for a file of JavaScript. Workflows hold no secret and no id of a
credential: they name credentials, workflows and addresses (see `names`), which an export or a person fills in.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from leadbook.core.settings import Settings
from leadbook.n8n import names

BATCH = 100
"""Records of a batch: n8n's item pairing grows with the square of it, so 100 to 200."""
MAX_RECORDS = 5_000
"""Records of one execution: n8n keeps all of them in memory until it ends."""

_TEMPLATES = Path(__file__).parent / "templates"
_WAITING = ("n8n-nodes-base.webhook", "n8n-nodes-base.wait")
_IN_SCRIPT = re.compile(r"'@(\w+)'")

Workflow = dict[str, Any]


def collector(settings: Settings, number: int, vendor: str) -> Workflow:
    """Collector `number` (1 to 10), which asks a vendor of `vendors.yaml` page by page and stages batch by batch.

    A number's own vendor (see `names.INSTANCES`) gives the stamp `apollo-1`, another one `apollo-08`. Raises KeyError
    for a vendor that is not known.
    """
    own = next((one.stamp for one in names.INSTANCES if (one.number, one.vendor) == (number, vendor)), None)
    return _filled("collector", {
        "name": names.collector_name(number), "path": path_of(number), "vendor": vendor,
        "stamp": own or f"{vendor}-{number:02}", "url": names.VENDOR_ADDRESS + vendor, "batch_size": BATCH,
        "max_records": MAX_RECORDS, "staging": settings.staging_collection, "errors": names.ERRORS,
        "mongodb_credential": names.MONGODB_CREDENTIAL, "vendor_credential": names.vendor_credential(vendor),
        "webhook_credential": names.WEBHOOK_CREDENTIAL, **names.VENDORS[vendor],
    })  # fmt: skip


def path_of(number: int) -> str:
    """Where a collector's webhook listens, behind n8n's `/webhook/`."""
    return f"leadbook/collector-{number:02}"


def look_up(settings: Settings, collection: str = "") -> Workflow:
    """The sub-workflow that others ask whether leads are stored. collection: the leads' UUID; empty: without Redis."""
    return _filled("look-up", {
        "name": names.LOOK_UP, "leads": settings.collection, "collection": collection,
        "mongodb_credential": names.MONGODB_CREDENTIAL, "redis_credential": names.REDIS_CREDENTIAL,
    })  # fmt: skip


def errors(settings: Settings) -> Workflow:
    """The workflow that tells the alert channel of failed executions; never what they worked on."""
    return _filled("errors", {"name": names.ERRORS, "alerts": names.ALERTS_ADDRESS, "database": settings.database})


def all_workflows(settings: Settings, collection: str = "") -> list[Workflow]:
    """The ten collectors, the look-up and the error workflow, which come first: the collectors name them."""
    each = [collector(settings, one.number, one.vendor) for one in names.INSTANCES]
    return [errors(settings), look_up(settings, collection), *each]


def committed(settings: Settings) -> dict[str, str]:
    """Files of the folder `n8n/`, by name: one collector, the look-up and the error workflow."""
    first = names.INSTANCES[0]
    made = {"collector": collector(settings, first.number, first.vendor), "look-up": look_up(settings),
            "errors": errors(settings)}  # fmt: skip
    return {f"{name}.json": json.dumps(made[name], indent=2, ensure_ascii=False) + "\n" for name in made}


def shown(workflow: Workflow, name: str) -> str:
    """A node of a workflow as JSON, ready to paste into n8n's editor, without the script that `script_of` gives."""
    node = {key: value for key, value in _node(workflow, name).items() if key not in ("id", "position", "webhookId")}
    return json.dumps({"nodes": [node], "connections": {}}, indent=2)


def script_of(workflow: Workflow, name: str) -> str:
    """The JavaScript of a Code node."""
    return str(_node(workflow, name)["parameters"]["jsCode"])


def _node(workflow: Workflow, name: str) -> dict[str, Any]:
    return next(dict(node) for node in workflow["nodes"] if node["name"] == name)


def _filled(template: str, values: Mapping[str, Any]) -> Workflow:
    """The template with its values, and an id for each node: the same whenever it is made."""
    workflow: Workflow = each_text(json.loads(_text(f"{template}.json")), lambda text: _value_of(text, values))
    for node in workflow["nodes"]:
        node["id"] = str(uuid5(NAMESPACE_URL, f"leadbook/{workflow['name']}/{node['name']}"))
        if node["type"] in _WAITING:  # without it n8n puts the workflow's id and the node's name before the path
            node["webhookId"] = node["id"]
    return workflow


def each_text(value: Any, change: Callable[[str], Any]) -> Any:
    """A copy of JSON's `value` in which each text, but no key, is what `change` makes of it."""
    if isinstance(value, Mapping):
        return {key: each_text(inner, change) for key, inner in value.items()}
    if isinstance(value, list):
        return [each_text(inner, change) for inner in value]
    return change(value) if isinstance(value, str) else value


def _value_of(text: str, values: Mapping[str, Any]) -> Any:
    if not text.startswith("@"):
        return text
    if not text.endswith(".js"):
        return values[text[1:]]
    return _IN_SCRIPT.sub(lambda found: json.dumps(values[found[1]]), _text(text[1:]))


@cache
def _text(name: str) -> str:
    return (_TEMPLATES / name).read_text(encoding="utf-8")
