"""The servers of one run, taken before anything is started and given back when it ends."""

from __future__ import annotations

import os
from typing import Self

from rich.console import Console

from leadbook.core import connect
from leadbook.core.addresses import secret_values
from leadbook.core.errors import UnreachableError
from leadbook.core.settings import Settings
from leadbook.rehearsal import adoption, servers
from leadbook.rehearsal.locks import TargetLock


class Workplace:
    """The servers of a run, which nobody else works on meanwhile: `with Workplace(settings, "leadbook run", console)`.

    Rehearsal servers end with it unless `leadbook up` started them to stay. Servers of others are refused here, before
    anything runs, where the profile may not work on them. secrets: what their addresses hold and nobody may see.
    phases_tell: a MongoDB that is away is no error here, since each phase guards itself and tells it.  shared: others
    that share may be at work there, such as a follower of the sprint that is looked at.

    Raises ParameterError (an address), RefusedError (somebody else works there, or this profile may not) and
    ServerError.
    """

    def __init__(self, settings: Settings, what: str, console: Console, *, phases_tell: bool = False,
                 shared: bool = False) -> None:  # fmt: skip
        self.settings, self.what, self.console = settings, what, console
        self.phases_tell, self.shared = phases_tell, shared
        self.secrets: set[str] = set()
        self._started = False

    def __enter__(self) -> Self:
        servers.refuse_addresses(self.settings)
        self._lock = TargetLock(self.settings, self.what, shared=self.shared)
        try:
            self._enter()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _enter(self) -> None:
        restarts = self._start()
        endpoints = servers.resolve(self.settings)
        urls = (endpoints.mongodb_uri, endpoints.admin_uri, endpoints.reporting_uri, endpoints.redis_url)
        self.secrets = secret_values(url for url in urls if url)
        for line in restarts:
            self.console.print(f"rehearsal servers: {line}", highlight=False, soft_wrap=True)
        if "environment" in (endpoints.source, endpoints.redis_source):
            with connect.mongodb(endpoints.mongodb_uri, self.settings) as client:
                try:
                    connect.ping_mongodb(client)
                except UnreachableError:
                    if not self.phases_tell:
                        raise
                    return  # the phases tell it, with a report, and ask again before they write
                adoption.require(client, self.settings, endpoints)

    def _start(self) -> tuple[str, ...]:
        """Start, or find again, what the environment does not name; what had died and was started again."""
        os.environ[servers.OWNER_VARIABLE] = str(os.getpid())
        mongodb, redis = servers.unnamed(self.settings)
        if not (mongodb or redis) or self.settings.is_production or not self.settings.rehearsal_servers:
            return ()
        before = servers.status()
        known = len(before.restarts) if before else 0
        self._started = True
        with self.console.status("starting rehearsal servers"):
            state = servers.up(self.settings, owner_pid=os.getpid(), mongodb=mongodb, redis=redis)
        return state.restarts[known:]

    def stop(self) -> None:
        """Rehearsal servers are needed no longer; does nothing the second time."""
        if self._started:
            self._started = False
            servers.release(os.getpid())

    def __exit__(self, *exc: object) -> None:
        self.stop()
        self._lock.release()
