"""The task book's way as n8n workflows: a Redis GET for each lead, an insert among the leads, a Redis SET for each."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

FIELDS = (
    "linkedin_url", "full_name", "job_title", "company_name", "email", "company_website", "company_industry",
    "company_size", "data_source", "data_quality_score", "data_collected_date", "created_at", "updated_at",
)  # fmt: skip
AS_LEADS = """
const now = new Date().toISOString();
return $input.all().flatMap(page => page.json.people ?? []).map(person => ({ json: {
  linkedin_url: person['Person Linkedin Url'], full_name: person['Name'], job_title: person['Title'],
  company_name: person['Company Name'], email: person['Email'], company_website: person['Website'],
  company_industry: person['Industry'], company_size: person['# Employees'], data_source: 'Apollo',
  data_quality_score: 100, data_collected_date: now, created_at: now, updated_at: now,
} }));
"""
UNKNOWN = """
// Redis get drops what came in, so that each answer is put beside its lead by its place.
const leads = $('Loop').all();
return $input.all().map((one, place) => ({ known: one.json.known, lead: leads[place].json }))
  .filter(one => !one.known).map(one => ({ json: one.lead }));
"""


def workflow(number: int, vendor_url: str, *, batch: int, page: int, pages: int, ids: dict[str, str],
             collection: str) -> dict[str, Any]:  # fmt: skip
    """One of ten. ids: of the credentials, by type."""
    named = {kind: {kind: {"id": known, "name": kind}} for kind, known in ids.items()}
    url = f"={vendor_url}&page={{{{ $json.page }}}}&per_page={page}"
    pages_of = f"return Array.from({{ length: {pages} }}, (_, place) => ({{ json: {{ page: place + 1 }} }}));"
    hook = {"httpMethod": "POST", "path": f"task-book-{number}", "responseMode": "onReceived", "options": {}}
    key = "={{ 'lead:linkedin:' + $json.linkedin_url }}"
    dates = {"dateFields": "data_collected_date,created_at,updated_at"}
    nodes = [
        _node("Webhook", "webhook", 2.1, hook, webhookId=f"task-book-{number}"),
        _node("Pages", "code", 2, {"jsCode": pages_of}),
        _node("Vendor", "httpRequest", 4.2, {"url": url, "options": {}}),
        _node("Leads", "code", 2, {"jsCode": AS_LEADS}),
        _node("Loop", "splitInBatches", 3, {"batchSize": batch, "options": {}}),
        _node("GET", "redis", 1, {"operation": "get", "propertyName": "known", "key": key, "options": {}},
              credentials=named["redis"]),
        _node("Unknown", "code", 2, {"jsCode": UNKNOWN}),
        _node("Insert", "mongoDb", 1.2,
              {"operation": "insert", "collection": collection, "fields": ",".join(FIELDS), "options": dates},
              credentials=named["mongoDb"]),
        _node("SET", "redis", 1,
              {"operation": "set", "key": key, "value": "stored", "keyType": "string", "expire": True, "ttl": 604_800},
              credentials=named["redis"]),
    ]  # fmt: skip
    chain = ("Webhook", "Pages", "Vendor", "Leads", "Loop")
    connections = {one: _to(other) for one, other in pairwise(chain)}
    connections["Loop"] = {"main": [[], [{"node": "GET", "type": "main", "index": 0}]]}
    circle = ("GET", "Unknown", "Insert", "SET", "Loop")
    connections |= {one: _to(other) for one, other in pairwise(circle)}
    return {
        "id": f"taskbook{number:08d}", "name": f"task book {number:02d}", "nodes": nodes, "connections": connections,
        "settings": {"executionOrder": "v1"}, "active": False,
    }  # fmt: skip


def _node(name: str, kind: str, version: float, parameters: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"id": f"node-{name.lower()}", "name": name, "type": f"n8n-nodes-base.{kind}", "typeVersion": version,
            "position": [0, 0], "parameters": parameters, **more}  # fmt: skip


def _to(name: str) -> dict[str, Any]:
    return {"main": [[{"node": name, "type": "main", "index": 0}]]}
