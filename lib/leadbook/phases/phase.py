"""What a notebook holds: settings, connections, and the recording of checks, tables, figures, facts and documents.

Everything recorded goes to two places: scraps in the notebook (scrapbook; the audit record) and a sidecar
`<run_dir>/records/<phase>.json`, which later phases of the same run read. The runner compares the two.
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterable, Mapping, MutableMapping
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd
import scrapbook
from IPython.core.getipython import get_ipython
from IPython.display import HTML, Markdown, display
from matplotlib.figure import Figure
from pymongo import MongoClient
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import PyMongoError
from redis import Redis

from leadbook import __version__
from leadbook.core import addresses, connect, files
from leadbook.core.addresses import secret_values
from leadbook.core.checks import Check, Verdict, blockers, plain, tally, unrecorded
from leadbook.core.errors import LeadbookError, ParameterError, UnreachableError
from leadbook.core.journal import Journal
from leadbook.core.provenance import Records, Target, code_digest, read_record, seal, settings_digest
from leadbook.core.redactor import Redactor
from leadbook.core.settings import Settings
from leadbook.page import cards, style, tables
from leadbook.page.prose import whose_data, with_profile
from leadbook.phases import attestations, blocked, kernel
from leadbook.phases.section import Section
from leadbook.rehearsal import adoption, servers
from leadbook.rehearsal.locks import TargetLock
from leadbook.schema import undo

TITLES = {
    "01": "Provisioning checks",
    "02": "Schema and indexes",
    "03": "Benchmarks",
    "04": "Data pipeline",
    "05": "Load test",
    "06": "Backup and recovery",
    "07": "Readiness gate",
    "08": "Monitoring snapshot",
    "09": "Final analysis",
}
PACKAGES = ("leadbook", "pymongo", "redis", "papermill", "scrapbook", "pandas", "matplotlib")


class Blocked(LeadbookError):  # noqa: N818
    """Checks forbid GO; raised by `close` outside `leadbook run`, so that bare papermill exits non-zero."""

    exit_status = 1


class Phase:
    """One phase at work. Made by `Phase.open`; ended by `close`, which states the verdict."""

    target: Target
    records: Records
    journal: Journal

    def __init__(self, number: str, settings: Settings, endpoints: connect.Endpoints, redactor: Redactor) -> None:
        self.number, self.settings, self.redactor = number, settings, redactor
        self.endpoints = endpoints
        self.run_dir = files.run_dir(settings)
        self._record: dict[str, Any] = {
            "phase": number, "opened": None, "checks": {}, "facts": {}, "documents": {}, "closed": None,
        }  # fmt: skip
        client = partial(connect.mongodb, settings=settings, application=connect.NOTEBOOK)
        self.mongodb: MongoClient[dict[str, Any]] = client(endpoints.mongodb_uri)
        self.admin: MongoClient[dict[str, Any]] = client(endpoints.admin_uri) if endpoints.admin_uri else self.mongodb
        self.reporting: MongoClient[dict[str, Any]] | None = (
            client(endpoints.reporting_uri) if endpoints.reporting_uri else None
        )
        self._dba = cache(partial(blocked.holder, self.admin, settings.database, own=endpoints.has_own_admin))
        self.redis: Redis | None = None
        self.redis_problem = ""
        self.swept: list[str] = []
        """What killed sessions had left when the phase opened: a line for each, put back or not."""
        self._lock: TargetLock | None = None
        self._explained = False
        self._namespace: Mapping[str, Any] = {}

    # ------------------------------------------------------------------------------------------------ opening

    @classmethod
    def open(cls, number: str, namespace: MutableMapping[str, Any]) -> Phase:
        """Begin a phase: check the parameters, connect, scrub outputs.

        Raises ParameterError (a parameter), RefusedError (the profile may not work here, or somebody else does),
        UnreachableError (MongoDB does not answer; Redis may be away: then `redis` is None and `redis_problem` says
        why).
        """
        if isinstance(earlier := namespace.get("book"), Phase):  # the cell is run again
            earlier.release()
        kernel.refuse_unknown(namespace)
        settings = Settings.for_notebook(namespace)
        redactor = Redactor.from_environment(settings)
        kernel.scrub_output(redactor)
        kernel.tell_errors_in_one_line(number)
        attestations.in_force(settings)  # a broken file is told before anything is measured
        endpoints = servers.resolve(settings)
        urls = (endpoints.mongodb_uri, endpoints.admin_uri, endpoints.reporting_uri, endpoints.redis_url)
        redactor.add(secret_values(url for url in urls if url))
        phase = cls(number, settings, endpoints, redactor)
        connect.ping_mongodb(phase.mongodb)
        adoption.require(phase.mongodb, settings, endpoints)
        if "LEADBOOK_RUN_ID" not in os.environ:
            phase._lock = TargetLock(settings, f"notebook {number}", shared=True)
        phase.target = Target.read(phase.mongodb, settings, endpoints)
        age = timedelta(hours=settings.record_max_age_hours)
        mine = redactor.tree(settings.model_dump())
        phase.journal = Journal(phase.database, endpoints.mongodb_uri)
        phase.records = Records(
            phase.run_dir, phase.target, age, mine, lambda number: phase.journal.record_of(number, settings.profile)
        )
        client = connect.redis(endpoints.redis_url, settings)
        try:
            connect.ping_redis(client)
            phase.redis = client
        except UnreachableError as error:
            phase.redis_problem = str(error)
        phase._put("opened", phase._opened())
        phase._namespace = namespace
        phase._introduce()
        phase._put_back()
        return phase

    def _opened(self) -> dict[str, Any]:
        """What the record says of itself: of whom, where, with which settings and code."""
        values = self.settings.model_dump()
        return {
            "phase": self.number, "title": TITLES[self.number], "profile": self.settings.profile,
            "servers": self.endpoints.source, "target": self.target.as_dict(),
            "run": os.environ.get("LEADBOOK_RUN_ID", ""),
            "parameters": values, "settings_digest": settings_digest(values),
            "version": __version__, "code": code_digest(),
            "started_at": datetime.now(UTC).isoformat(timespec="seconds"), "python": platform.python_version(),
            "versions": {name: version(name) for name in PACKAGES},
        }  # fmt: skip

    def _put_back(self) -> None:
        """Put back what killed sessions changed or left here, and say so, before anything is measured."""
        try:
            own = self.endpoints.source == "rehearsal" and not self.settings.is_production
            self.swept = undo.sweep(self.database, self.admin, self.redis, own=own)
        except PyMongoError as error:
            self.swept = [f"Whether a killed leadbook left something here could not be seen ({type(error).__name__})."]
        for line in self.swept:
            self.say(line)

    def _introduce(self) -> None:
        if self.settings.is_production:
            display(HTML(cards.production_banner(self.target.name)))
        where = "rehearsal servers" if self.endpoints.source == "rehearsal" else "servers named by the environment"
        redis = f"; **Redis is away** ({self.redis_problem})" if self.redis is None else ""
        self.say(
            f"Phase {self.number}, profile **{self.settings.profile}**, {where}: MongoDB at "
            f"`{addresses.shown(self.endpoints.mongodb_uri)}`, database `{self.database.name}`{redis}."
        )
        for line in self.endpoints.restarts:
            self.say(f"**Rehearsal servers:** {line}.")

    @property
    def database(self) -> Database[dict[str, Any]]:
        """The application's view of the leads' database. Raises LeadbookError once the phase is closed."""
        self._refuse_closed()
        return self.mongodb[self.settings.database]

    @property
    def leads(self) -> Collection[dict[str, Any]]:
        """The leads."""
        return self.database[self.settings.collection]

    @property
    def staging(self) -> Collection[dict[str, Any]]:
        """Raw payloads as collectors wrote them."""
        return self.database[self.settings.staging_collection]

    # ---------------------------------------------------------------------------------------------- recording

    def record(self, checks: Check | Iterable[Check]) -> None:
        """Record one check or several and show them as a table. A later record of the same id replaces the earlier."""
        checks = [checks] if isinstance(checks, Check) else list(checks)
        self._refuse_closed()
        checks = blocked.completed(checks, self.settings, self._dba)
        for check in checks:
            if check.phase != self.number:
                raise LeadbookError(f"check {check.id} belongs to phase {check.phase}, not to {self.number}")
            data = self.redactor.tree(check.as_dict())
            self._record["checks"][check.id] = data
            self._glue(f"{self.number}/check/{check.id}", data)
        self._save()
        if checks:
            shown = [Check.from_dict(self._record["checks"][check.id]) for check in checks]
            display(HTML(tables.checks_table(shown, legend=not self._explained, names=self.settings.model_dump())))
            self._explained = True

    def _refuse_closed(self) -> None:
        if self._record["closed"]:
            raise LeadbookError(f"phase {self.number} is closed; run the notebook from its first code cell")

    def attest(self, *check_ids: str) -> None:
        """Record checks that only a person can make, from the attestations file (see `attestations`)."""
        file, target = attestations.in_force(self.settings)
        self.record(attestations.attest(check, file, target, self.settings) for check in check_ids)

    def fact(self, name: str, value: Any) -> None:
        """Leave a number or JSON-ready value for later phases and the report; None and NaN leave nothing."""
        self._refuse_closed()
        value = self.redactor.tree(plain(value))
        if value is None:
            return
        self._record["facts"][name] = value
        self._glue(f"{self.number}/fact/{name}", value)
        self._save()

    def document(self, slug: str, title: str, markdown: str, *, audience: Iterable[str]) -> Path:
        """Write a document for people into `<run_dir>/documents/<slug>.md`; the report lists it by audience.

        Raises LeadbookError for a slug that another phase of the run has written: its text would be lost.
        """
        self._refuse_closed()
        if other := next(filter(lambda phase: self._wrote(phase, slug), TITLES), None):
            raise LeadbookError(f"document {slug} is phase {other}'s: phase {self.number} must name its own otherwise")
        path = self.run_dir / "documents" / f"{slug}.md"
        files.write(path, self.redactor.text(self._headed(with_profile(markdown, self.settings.profile))))
        entry = {"title": title, "audience": list(audience), "path": f"documents/{slug}.md"}
        self._record["documents"][slug] = entry
        self._glue(f"{self.number}/document/{slug}", entry)
        self._save()
        readers = ", ".join(entry["audience"])
        self.say(f"Document **{title}** written to `{entry['path']}` for {readers}.")
        return path

    def _headed(self, markdown: str) -> str:
        """The text with a line under its title that says whose data it tells of."""
        word, sentence = whose_data(self.settings.profile, self.settings.lead_files)
        title, _, rest = markdown.partition("\n") if markdown.startswith("# ") else ("", "", markdown)
        return f"{title}\n\n**{word}.** {sentence}\n\n{rest.lstrip()}".lstrip()

    def _wrote(self, phase: str, slug: str) -> bool:
        """Whether another phase has written `slug` here. What other code once left in this folder does not count."""
        record = {} if phase == self.number else read_record(self.run_dir, phase)
        of_this_code = (record.get("opened") or {}).get("code") == code_digest()
        return of_this_code and any(document["slug"] == slug for document in record.get("documents", ()))

    @property
    def recorded(self) -> list[Check]:
        """This phase's checks so far, as they stand on the record."""
        return [Check.from_dict(check) for check in self._record["checks"].values()]

    def facts(self, phase: str) -> dict[str, Any]:
        """Facts that an earlier phase left; empty where its record does not count here (see `Records`)."""
        return dict(self.records.of(phase).get("facts", {}))

    def checks(self, phase: str) -> list[Check]:
        """Checks of an earlier phase; empty where its record does not count here."""
        return [Check.from_dict(check) for check in self.records.of(phase).get("checks", [])]

    # ------------------------------------------------------------------------------------------------ showing

    def say(self, markdown: str) -> None:
        """Show a sentence that the library rendered from results."""
        display(Markdown(self.redactor.text(markdown)))

    def show(self, *sections: Section) -> None:
        """Put sections on the page and on the record: sentences, tables, plots, documents, checks, facts.

        Raises LeadbookError once the phase is closed.
        """
        self._refuse_closed()
        for section in sections:
            for sentence in section.sentences:
                self.say(sentence)
            for table in section.tables:
                self.table(table.frame, table.title, columns=table.columns)
            for plot in section.plots:
                self.figure(plot.figure, plot.caption)
            for document in section.documents:
                self.document(document.slug, document.title, document.markdown, audience=document.audience)
            if section.checks:
                self.record(section.checks)
            if section.attested:
                self.attest(*section.attested)
            for name, value in section.facts.items():
                self.fact(name, value)

    def table(self, frame: pd.DataFrame, title: str, *, columns: Mapping[str, str] | None = None) -> None:
        """Show a table with a title and its columns explained (`columns`: name -> meaning, unit)."""
        bundle = {"text/html": tables.render(frame, title, dict(columns or {})), "text/plain": frame.to_string()}
        display(self.redactor.tree(bundle), raw=True)

    def figure(self, figure: Figure, caption: str) -> None:
        """Show a plot; the caption is its alternative text too."""
        metadata = {"image/png": {"alt": caption, "as_drawn": style.tells_by_lightness(figure)}}
        display({"image/png": style.png(figure), "text/plain": caption}, metadata=metadata, raw=True)
        self.say(f"*{caption}*")

    def close(self) -> None:
        """State the verdict. Outside `leadbook run` a blocking check raises Blocked, so that no exit code lies.

        Raises ParameterError where a parameter is no longer what the phase was opened with.
        """
        self._refuse_changed_parameters()
        checks = [Check.from_dict(check) for check in self._record["checks"].values()]
        found, counts, missing = blockers(checks), tally(checks), unrecorded(self.number, checks)
        verdict = Verdict.FAIL.value if found or missing or not checks else Verdict.PASS.value
        if told := self.records.told():
            self.say(told)
        display(HTML(cards.verdict_html(self.number, TITLES[self.number], checks, missing=len(missing))))
        self._put("closed", {
            "verdict": verdict, "counts": counts, "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "target": self._target_now().as_dict(), "records": self.records.used,
        })  # fmt: skip
        self._journal(verdict, counts)
        self.release()
        if verdict != Verdict.PASS.value and "LEADBOOK_RUN_ID" not in os.environ:
            ids = [check.id for check in found] + missing
            absent = f", {len(missing)} of {len(checks) + len(missing)} were not recorded" if missing else ""
            raise Blocked(f"phase {self.number} does not pass: {len(found)} checks block{absent}: {', '.join(ids[:8])}")

    def _journal(self, verdict: str, counts: Mapping[str, int]) -> None:
        """Leave the record where later stages and other machines find it."""
        run = os.environ.get("LEADBOOK_RUN_ID", "")
        record = (self.run_dir / "records" / f"{self.number}.json").read_text(encoding="utf-8")
        try:
            self.journal.write("phase", phase=self.number, profile=self.settings.profile, run=run, verdict=verdict,
                               counts=dict(counts), record=record)  # fmt: skip
        except OSError as error:
            self.say(f"**The journal could not be written** ({error.strerror}): other stages will not know this phase.")

    def _refuse_changed_parameters(self) -> None:
        now = Settings.for_notebook(self._namespace)
        for key, value in self.settings.model_dump().items():
            if getattr(now, key) != value:
                raise ParameterError(key, "was changed after the phase was opened", "run the notebook from its top")

    def _target_now(self) -> Target:
        """The target at the end: phase 02 makes the collection. Servers that are gone by now leave it as it was."""
        if not self.mongodb.topology_description.has_readable_server():
            return self.target
        try:
            return Target.read(self.mongodb, self.settings, self.endpoints)
        except PyMongoError:
            return self.target

    def release(self) -> None:
        """Close the clients and let others work on the target. A client whose servers are gone is left alone: it
        would wait for one to end its sessions."""
        for client in {id(c): c for c in (self.mongodb, self.admin, self.reporting) if c is not None}.values():
            if client.topology_description.has_readable_server():
                client.close()
        if self.redis is not None:
            self.redis.close()
        if self._lock is not None:
            self._lock.release()

    # ------------------------------------------------------------------------------------------------ keeping

    def _put(self, part: str, data: dict[str, Any]) -> None:
        self._record[part] = self.redactor.tree(data)
        self._glue(f"{self.number}/{part}", self._record[part])
        self._save()

    def _glue(self, name: str, data: Any) -> None:
        if get_ipython() is not None:
            scrapbook.glue(name, data, encoder="text" if isinstance(data, str) else "json")

    def _save(self) -> None:
        path = self.run_dir / "records" / f"{self.number}.json"
        documents = [{"slug": slug, **entry} for slug, entry in self._record["documents"].items()]
        record = {**self._record, "checks": list(self._record["checks"].values()), "documents": documents}
        if record["closed"]:
            record["seal"] = seal(record)
        files.write(path, json.dumps(record, indent=1, allow_nan=False))
