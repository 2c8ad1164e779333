"""Four vendors on loopback, a feed for each collector, paged as each vendor's API is. Everybody in them is made up."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from leadbook.n8n import names
from leadbook.rehearsal import people

PAGING = {
    "brightdata": ("part", "batch_size", ""), "apollo": ("page", "per_page", "people"),
    "apify": ("offset", "limit", ""), "peopledatalabs": ("scroll_token", "size", "data"),
}  # fmt: skip
"""Where a vendor is told the page and its size, and where its records stand."""


class Vendor:
    """What it gives, by collector's stamp, and what it was asked: (stamp, first record, records given).

    before: called with a stamp and the place of the first record of a page, before the page is given.
    """

    def __init__(self, feeds: dict[str, list[dict[str, Any]]]) -> None:
        self.feeds, self.asked = feeds, list[tuple[str, int, int]]()
        self.url, self.keys = "", set[str]()
        self.before: Callable[[str, int], None] = lambda stamp, first: None

    def urls(self) -> list[str]:
        """What `--vendor-url` is told."""
        return [f"{stamp}={self.url}/{stamp}" for stamp in self.feeds]

    def page(self, stamp: str, query: dict[str, str]) -> Any:
        vendor = stamp.rpartition("-")[0]
        place, size_field, field = PAGING[vendor]
        size = int(query[size_field])
        at = int(query.get(place, 0) or 0)
        first = at if place in ("offset", "scroll_token") else (at - 1) * size
        self.before(stamp, first)
        given = self.feeds[stamp][first : first + size]
        self.asked.append((stamp, first, len(given)))
        if vendor == "peopledatalabs":
            more = first + size < len(self.feeds[stamp])
            return {"status": 200, "data": given} | ({"scroll_token": str(first + size)} if more else {})
        return {field: given} if field else given


@contextmanager
def serving(feeds: dict[str, list[dict[str, Any]]]) -> Iterator[Vendor]:
    """The vendors, while the block lasts."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.answer()

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.answer(json.loads(body) if body.startswith(b"{") else {})

        def answer(self, body: dict[str, Any] | None = None) -> None:
            parts = urlsplit(self.path)
            query = dict(parse_qsl(parts.query)) | {key: str(value) for key, value in (body or {}).items()}
            vendor.keys |= {value for name in ("Authorization", "X-Api-Key") if (value := self.headers.get(name))}
            text = json.dumps(vendor.page(parts.path.strip("/"), query)).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        vendor = Vendor(feeds)
        vendor.url = f"http://127.0.0.1:{server.server_address[1]}"
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield vendor
        server.shutdown()


def record(vendor: str, number: int) -> dict[str, Any]:
    """A made person as a vendor tells of them, each with an e-mail where the vendor knows any."""
    who = people.person(number, 7)
    url, name, company = f"https://www.linkedin.com/in/{who.slug}-{number}", f"{who.first} {who.last}", who.company
    mail = f"{number}.{who.email}" if who.email else f"{number}@{company.domain}"
    if vendor == "brightdata":
        return {"url": url, "name": name, "position": who.title, "current_company_name": company.name,
                "current_company": {"name": company.name, "title": who.title}, "country_code": "US"}  # fmt: skip
    if vendor == "apollo":
        return {"Person Linkedin Url": url, "Name": name, "Title": who.title, "Company Name": company.name,
                "Email": mail, "Website": company.domain, "Industry": company.industry,
                "# Employees": company.size}  # fmt: skip
    if vendor == "apify":
        return {"linkedinUrl": url, "fullName": name, "jobTitle": who.title, "companyName": company.name, "email": mail}
    return {"linkedin_url": url.removeprefix("https://www."), "full_name": name, "job_title": who.title,
            "job_company_name": company.name, "work_email": mail}  # fmt: skip


def feeds(each: int, *, repeats: int = 0) -> dict[str, list[dict[str, Any]]]:
    """`each` records for each of the ten collectors. repeats: so many of each are somebody again: half of them of the
    same batch, half of another collector of the same vendor."""
    made: dict[str, list[dict[str, Any]]] = {}
    for one in names.INSTANCES:
        base = one.number * 1_000_000
        made[one.stamp] = [record(one.vendor, base + place) for place in range(each - repeats)]
    first = {stamp: list(mine) for stamp, mine in made.items()}
    for stamp, mine in made.items():
        vendor, _, number = stamp.rpartition("-")
        others = first[f"{vendor}-{int(number) % 2 + 1}"]
        for place in range(repeats):
            again = first[stamp][place] if place % 2 else others[20 + place]
            mine.insert(place * 3 + 1, dict(again))
    return made
