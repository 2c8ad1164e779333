"""The watch of a live sprint, wired: reader, series, history, judge, forecast, view; then terminal, page, metrics,
alerts, hourly report and heartbeat. Read-only, whatever the profile."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from leadbook.commands import place
from leadbook.commands.ack import tell_stale
from leadbook.commands.watching import parts
from leadbook.commands.watching.hourly import Hourly
from leadbook.core import addresses, connect, write_errors
from leadbook.core.errors import InputFileError, LeadbookError, UnreachableError
from leadbook.core.redactor import Redactor
from leadbook.core.settings import Settings
from leadbook.ingest.stops import Stop, ends_in_order
from leadbook.phases.live.records import Finding, LiveView
from leadbook.rehearsal import adoption
from leadbook.watch import heartbeat, loop
from leadbook.watch.clock import SprintClock
from leadbook.watch.heartbeat import Heart, Pulse
from leadbook.watch.history import History
from leadbook.watch.moments import moment_of
from leadbook.watch.place import folder_of, series_of
from leadbook.watch.records import Event, LiveSnapshot
from leadbook.watch.series import Series

BEGIN_MS = 2_000
"""So long a server is waited for when a watch begins; one that is away is watched all the same."""


@dataclass(frozen=True, kw_only=True)
class WatchOptions:
    """What a watch is asked for. every_s: by the sprint's clock.  until: as a person wrote it, empty: until a signal.

    page: file that is redrawn.  serve, metrics: ports on the loopback.  reports: notebook 08 each hour and at the end.
    """

    every_s: float
    until: str = ""
    once: bool = False
    page: Path | None = None
    serve: int | None = None
    metrics: int | None = None
    reports: bool = True


@dataclass(frozen=True, kw_only=True)
class Turn:
    """A snapshot, told. verdict: empty where it could not be read or judged.  view: what is drawn; None where it could
    not be.

    on_disk: whether the series holds it.  waiting: snapshots that wait for room on the disk.
    """

    snapshot: LiveSnapshot
    verdict: str
    wanted: int
    on_disk: bool
    waiting: int
    view: LiveView | None = None
    findings: Sequence[Finding] = ()

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON; moments as ISO 8601."""
        told: dict[str, Any] = json.loads(self.snapshot.as_json())
        kept = ("at", "number", "readings", "unmeasured", "events")
        found = [json.loads(json.dumps(asdict(one), default=str)) for one in self.findings]
        return {name: told[name] for name in kept} | {
            "verdict": self.verdict, "on_disk": self.on_disk, "waiting": self.waiting, "findings": found,
        }  # fmt: skip

    @property
    def line(self) -> str:
        """For people, a line."""
        seen, read = self.snapshot, self.snapshot.readings
        leads = read.get("sprint.leads")
        parts = [f"{'unknown' if leads is None else format(leads, ',.0f')} of {self.wanted:,} leads"]
        if (pace := read.get("sprint.leads_per_s")) is not None:
            parts.append(f"{pace * 3600:,.0f} leads/h")
        if (waiting := read.get("sprint.waiting")) is not None:
            parts.append(f"{waiting:,.0f} wait, the oldest for {read.get('sprint.oldest_s', 0.0):,.0f} s")
        if self.findings:
            parts.append("; ".join(f"{one.title}: {one.evidence}" for one in self.findings))
        if away := sorted({name.partition(".")[0] for name in seen.unmeasured}):
            parts.append(f"not all measured of {', '.join(away)}")
        parts += [event_line(event) for event in seen.events if event.kind != "begun"]
        if not self.on_disk:
            parts.append(f"NOT ON DISK: {self.waiting} snapshots wait in memory")
        return f"{seen.at:%Y-%m-%d %H:%M:%S} {self.verdict or 'NOT JUDGED'} #{seen.number}: {'; '.join(parts)}"


Told = Callable[[Turn], None]
Notice = Callable[[str], None]


def event_line(event: Event) -> str:
    """What happened, for people."""
    if event.kind == "report":
        return f"report {event.told.get('verdict')}: {event.told.get('page') or 'see report.log'}"
    lasted = "" if event.seconds is None else f" for {event.seconds:,.0f} s"
    return f"nothing was read{lasted}" if event.kind == "gap" else f"{event.source} {event.kind}{lasted}"


def check(settings: Settings, *, alert: bool = False) -> Pulse:
    """How the watch of this profile is. Asks no server. alert: people are told where it stands still, once.

    Raises ServerError and ParameterError where no server is known."""
    endpoints = place.addresses(settings)
    pulse = heartbeat.check(folder_of(settings, endpoints))
    named = f"`leadbook watch --profile {settings.profile}`"
    pulse = replace(pulse, line=pulse.line.replace("`leadbook watch`", named))
    if not alert or pulse.status != heartbeat.STALE:
        return pulse
    return replace(pulse, line=f"{pulse.line}; people: {tell_stale(settings, endpoints, pulse.line)}")


def watch(settings: Settings, asked: WatchOptions, *, told: Told, notice: Notice) -> int:
    """Watch the sprint of these settings until the moment asked for, or a signal; how many snapshots were taken.

    told: gets each snapshot.  notice: gets what a person should know beside. Raises RefusedError (another watch is at
    work, or this profile may not work there), ParameterError, ServerError, UsageError and InputFileError before it
    begins; after that nothing but a second signal ends it early.
    """
    endpoints = place.addresses(settings)
    _allowed(settings, endpoints, notice)
    if asked.page is not None:
        _writable(asked.page)
    if asked.until:
        moment_of(asked.until, "--until", datetime.now(UTC))  # what is asked wrongly is said first
    with ExitStack() as stack:
        stop = stack.enter_context(ends_in_order(notice))
        series = series_of(settings, endpoints)
        try:
            stack.enter_context(series)
        except OSError as error:
            raise InputFileError(series.folder, f"the series cannot be kept there ({error.strerror})") from None
        clock = _clock(settings, series, notice)
        until = moment_of(asked.until, "--until", clock.now()) if asked.until else None
        reader = stack.enter_context(parts.reader(settings, endpoints, clock))
        watching = stack.enter_context(_Watching(settings, endpoints, asked, clock, reader, series, told, notice))
        watching.replay()
        taken = loop.watch(
            watching, series, asked.every_s, until, clock, watching.take, stop,
            most=1 if asked.once else None,
        )  # fmt: skip
        watching.end(stop)
        return taken


def _allowed(settings: Settings, endpoints: connect.Endpoints, notice: Notice) -> None:
    """Raises RefusedError where this profile may not even look: production at a rehearsal's servers, or vice versa."""
    hurried = place.hurried(settings, BEGIN_MS)
    with connect.mongodb(endpoints.mongodb_uri, hurried) as client:
        try:
            connect.ping_mongodb(client)
            adoption.require(client, hurried, endpoints)
        except UnreachableError as error:
            notice(f"{error}; it is watched all the same")


def _writable(page: Path) -> None:
    try:
        if page.is_dir():
            raise InputFileError(page, "is a folder; name a file, such as live.html")
        if page.exists() and not page.is_file():  # a page is put in the place of what was there, be it /dev/null
            raise InputFileError(page, "is no file; name a file, such as live.html")
        page.parent.mkdir(parents=True, exist_ok=True)
        probe = page.with_name(f".{page.name}.probe")
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise InputFileError(page, f"the live page cannot be written there ({error.strerror})") from None


def _clock(settings: Settings, series: Series, notice: Notice) -> SprintClock:
    """The sprint's clock. A series that ends later than it shows (a fast clock before, or one that was put back since)
    is set aside: nothing could be added to it."""
    clock = parts.clock(settings, series.last.at if series.last else None)
    if series.last is not None and series.last.at > clock.now():
        notice(f"the series ends at {series.last.at:%Y-%m-%d %H:%M} UTC, in the future: set aside, a new one begins")
        series.set_aside()
    return clock


LEARN_EVERY = 20
"""Snapshots after which baselines that are missing are asked for again."""


class _Watching:
    """What happens with each snapshot. Whatever fails is told once, and the watch goes on."""

    def __init__(
        self, settings: Settings, endpoints: connect.Endpoints, asked: WatchOptions, clock: SprintClock,
        reader: loop.Reader, series: Series, told: Told, notice: Notice,
    ) -> None:  # fmt: skip
        self.settings, self.asked, self.clock, self.series = settings, asked, clock, series
        self.reader, self.told, self.notice = reader, told, notice
        self.endpoints = endpoints
        self.target = f"{addresses.shown(endpoints.mongodb_uri)}, database {settings.database}"
        self.history = History()
        self.judge = parts.judge(settings, endpoints)
        self.alerts = parts.Alerts(settings, endpoints, series.folder)
        self.hourly = Hourly(series.folder, settings) if asked.reports and not asked.once else None
        self.heart = None if asked.once else Heart(series.folder, clock.real_seconds(asked.every_s))
        self._problems: dict[str, str] = {}
        self._stack = ExitStack()

    def __enter__(self) -> _Watching:
        self._stack.enter_context(self.alerts)
        self._outputs = parts.outputs(self._stack, self.asked.page, self.asked.serve, self.asked.metrics)
        return self

    def __exit__(self, *exception: object) -> None:
        if self.hourly is not None:
            self.hourly.abandon()
        self._stack.close()

    def replay(self) -> None:
        """Take what is on the disk already as if this process had watched it."""
        for snapshot in self.series.read():
            self._judged(snapshot)
        if self.series.torn:
            self.notice(f"{self.series.torn} lines of the series could not be read and are left out")
        if self.hourly is not None and self.history.last is not None:
            self.hourly.reported = self.history.last.at

    def read(self, number: int, interval_s: float) -> LiveSnapshot:
        """The snapshot of this moment, which also tells of a report that was made meanwhile."""
        found = self.reader.read(number, interval_s)
        made = self.hourly.ended(found.at) if self.hourly is not None else None
        return found if made is None else replace(found, events=(*found.events, made))

    def take(self, snapshot: LiveSnapshot, on_disk: bool) -> None:
        """Judge, tell and send one snapshot; then, where it is on the disk, the heart beats."""
        if self.judge.lacks and snapshot.number % LEARN_EVERY == 0:  # closed since, or in reach again
            self._guarded("the baselines", lambda: self.judge.learn(parts.baselines(self.settings, self.endpoints)))
        judged = self._judged(snapshot) and "snapshot" not in snapshot.unmeasured
        if on_disk and judged and self.heart is not None:
            beat = partial(self.heart.beat, unknown=len(self.judge.unknown), rules=self.judge.rules)
            self._guarded("the heartbeat", partial(beat, snapshot.number, self.judge.verdict))
        if not on_disk:
            self._tell_once("the series", f"cannot be written ({self.series.problem}); make room on its disk")
        else:
            self._problems.pop("the series", None)
        self._guarded("the alerts", lambda: self.alerts.take(self.judge, snapshot.at))
        view = self._guarded("the view", self._view)
        for name, output in self._outputs if view is not None else ():
            self._guarded(name, partial(output, view))
        if self.hourly is not None:
            self._guarded("the hourly report", partial(self.hourly.turn, snapshot))
        self.told(Turn(
            snapshot=snapshot, verdict=self.judge.verdict if judged else "", wanted=self.settings.target_collected,
            on_disk=on_disk, waiting=self.series.waiting, view=view, findings=tuple(self.judge.findings),
        ))  # fmt: skip

    def _judged(self, snapshot: LiveSnapshot) -> bool:
        self.history.add(snapshot)
        return self._guarded("the judge", lambda: bool(self.judge.take(snapshot, self.history)) or True) is True

    def _view(self) -> Any:
        acted = self._guarded("the journal", self.alerts.acted) or ()
        return parts.view(
            self.settings, self.history, self.judge, self.clock.now(), target=self.target, actions=acted,
            alerts=self.alerts.standing(),
        )  # fmt: skip

    def _guarded(self, what: str, do: Callable[[], Any]) -> Any:
        """What `do` gives; None where it fails, which is told once until it works again."""
        try:
            given = do()
        except Exception as error:  # noqa: BLE001  no output may stop the watch
            said = str(error) if isinstance(error, LeadbookError) else write_errors.described(error)
            self._tell_once(what, f"failed: {said}")
            return None
        self._problems.pop(what, None)
        return given

    def _tell_once(self, what: str, said: str) -> None:
        if self._problems.get(what) != said:
            self._problems[what] = said
            self.notice(Redactor.from_environment(self.settings).text(f"{what} {said}; the watch goes on"))

    def end(self, stop: Stop) -> None:
        """The heart stands still, and says so; then comes the last report. A signal ends the wait for it, and no
        further one is begun."""
        if self.heart is not None:
            self._guarded("the heartbeat", partial(self.heart.end, stop.reason or "as asked"))
        if self.hourly is not None:
            hourly, reason = self.hourly, stop.reason
            for begin in (lambda: hourly.running, lambda: hourly.last(self.history.last)):
                if self._guarded("the hourly report", begin):
                    self.notice(
                        "the watch's report is being made (phase 08, minutes): until it has ended no other run may "
                        "work on these servers; Ctrl-C or another signal ends it at once"
                    )
                while (made := hourly.ended(self.clock.now())) is None and hourly.running:
                    if stop.reason != reason:
                        return  # what is being made is ended when the watch is left
                    time.sleep(loop.LOOK_S)
                if made is not None:
                    self.notice(event_line(made))
