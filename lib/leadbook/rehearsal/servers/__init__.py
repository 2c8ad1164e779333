"""Rehearsal servers: a real MongoDB replica set and a real Redis, started, found again, stopped.

    up(settings)        start what is missing, restart what died, find what runs
    status()            what is known, or None
    release(owner_pid)  one owner needs them no longer; the last one ends them
    down()              end everything and delete the data
    resolve(settings)   addresses: environment variables first, rehearsal servers where the profile allows them

They live in `.leadbook/servers` of the checkout (or LEADBOOK_STATE). Passwords are random and stand only in files that
their owner alone may read, never on a command line.
"""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from leadbook.core.connect import Endpoints, read
from leadbook.core.errors import ParameterError, ServerError
from leadbook.core.settings import Settings
from leadbook.rehearsal.servers import binaries, cache, leash, replica_set
from leadbook.rehearsal.servers.state import Owner, State, default_folder, spawn

OWNER_VARIABLE = "LEADBOOK_OWNER_PID"
"""A run sets it for its kernels: servers that a kernel has to start then end with the run, not with the kernel."""

ATTEMPTS = 3


def up(
    settings: Settings,
    *,
    owner_pid: int | None = None,
    mongodb: bool = True,
    redis: bool = True,
    folder: Path | None = None,
) -> State:
    """Servers that are ready: those running already, restarted ones, or new ones.

    Without `owner_pid` they stay until `down`. With it a watchdog ends them within seconds after that process, and any
    other owner, is gone. Raises BinaryNotFoundError, ServerError (also for another number of members than running).
    """
    settings.refuse_in_production("start rehearsal servers")
    folder = folder or default_folder()
    with _locked(folder):
        state = State.load(folder)
        if state is None or not state.ready or not state.owned:  # also what a killed run has left
            state = _clean(folder)
        if mongodb and state.members and len(state.members) != settings.members:
            raise ServerError(
                f"rehearsal servers with {len(state.members)} member(s) are running, not {settings.members}; "
                "stop them with `leadbook down`, or ask for that number with -p members=…"
            )
        state = _own(state, owner_pid)
        return _ensure(state, settings, mongodb=mongodb, redis=redis)


def status(folder: Path | None = None) -> State | None:
    """The servers that `up` made ready here, or None. `State.dead` tells which have died since. Changes nothing."""
    state = State.load(folder or default_folder())
    return state if state is not None and state.ready else None


def told(folder: Path | None = None) -> str:
    """The servers of our own in one line."""
    state = status(folder)
    if state is None:
        return "rehearsal servers are down; `leadbook up` starts them"
    dead = [process.name for process in state.dead]
    if dead:
        return f"rehearsal servers: {', '.join(dead)} is down; `leadbook up` restarts it"
    named = ", ".join(f"{process.name} 127.0.0.1:{process.port}" for process in state.processes)
    return f"rehearsal servers are up: {named}"


def down(folder: Path | None = None) -> bool:
    """End servers and watchdog, delete their data. True if there was anything. Waits until the processes are gone."""
    folder = folder or default_folder()
    if not folder.is_dir():
        return False
    with _locked(folder):
        known = leash.read_state(folder) is not None or (folder / "set").exists()
        ended = leash.end(folder)
        leash.remove(folder)
    return known or bool(ended)


def release(owner_pid: int, folder: Path | None = None) -> bool:
    """This owner needs the servers no longer; True if they were ended because nobody else does."""
    folder = folder or default_folder()
    if not folder.is_dir():
        return False
    with _locked(folder):
        state = State.load(folder)
        if state is None:
            return False
        owners = tuple(o for o in state.owners if o.pid != owner_pid and leash.alive(o.pid, o.created))
        state = replace(state, owners=owners).save()
        if state.kept or owners:
            return False
        _clean(folder)
    return True


def resolve(settings: Settings, *, folder: Path | None = None) -> Endpoints:
    """Addresses to use: environment variables named by the settings; where unset, rehearsal servers if allowed.

    Raises ParameterError naming the variable to set where nothing may be started, and ServerError.
    """
    refuse_addresses(settings)
    own_mongodb, own_redis, own_admin, own_reporting = _addresses(settings)
    state, known = None, status(folder)
    if not (own_mongodb and own_redis):
        state = _found_or_started(settings, folder, mongodb=not own_mongodb, redis=not own_redis)
    mongodb_source: Literal["environment", "rehearsal"] = "environment" if own_mongodb else "rehearsal"
    return Endpoints(
        mongodb_uri=own_mongodb or (state.mongodb_uri if state else ""),
        admin_uri=own_admin or own_mongodb or (state.admin_uri if state else ""),
        reporting_uri=own_reporting or (state.reporting_uri if state and not own_mongodb else None) or None,
        redis_url=own_redis or (state.redis_url if state else ""),
        source=mongodb_source,
        redis_source="environment" if own_redis else "rehearsal",
        restarts=tuple(state.restarts[len(known.restarts) if known else 0 :]) if state else (),
    )


def refuse_addresses(settings: Settings) -> None:
    """Raise ParameterError, naming the variable, for an address that cannot be read, is missing where nothing may be
    started, or is half an environment. Starts and asks nothing."""
    own_mongodb, own_redis, own_admin, own_reporting = _addresses(settings)
    for kind, value in (("", own_mongodb), ("admin_", own_admin), ("reporting_", own_reporting)):
        if value:
            read(value, getattr(settings, f"mongodb_{kind}uri_env"), "MongoDB")
    if own_redis:
        read(own_redis, settings.redis_url_env, "Redis")
    if not own_mongodb and (own_admin or own_reporting):
        name = settings.mongodb_admin_uri_env if own_admin else settings.mongodb_reporting_uri_env
        raise ParameterError(
            settings.mongodb_uri_env, f"is unset while {name} is set", f"set {settings.mongodb_uri_env} too, or neither"
        )
    allowed = settings.rehearsal_servers and not settings.is_production
    for value, name, what in ((own_mongodb, "mongodb_uri_env", "MongoDB"), (own_redis, "redis_url_env", "Redis")):
        if not value and not allowed:
            variable = getattr(settings, name)
            why = "profile production starts none" if settings.is_production else "rehearsal_servers is false"
            raise ParameterError(
                name, f"environment variable {variable} is not set", f"set it to the address of {what}: {why}"
            )


def all_named(settings: Settings) -> bool:
    """Whether the environment names both MongoDB and Redis, so that no server of our own is needed."""
    return not any(unnamed(settings))


def unnamed(settings: Settings) -> tuple[bool, bool]:
    """Whether the environment does not name MongoDB, and Redis."""
    mongodb, redis, *_ = _addresses(settings)
    return not mongodb, not redis


def _addresses(settings: Settings) -> tuple[str, str, str, str]:
    """MongoDB's, Redis's, the DBA's and the reporting address as the environment holds them; empty where unset."""
    names = (settings.mongodb_uri_env, settings.redis_url_env, settings.mongodb_admin_uri_env,
             settings.mongodb_reporting_uri_env)  # fmt: skip
    mongodb, redis, admin, reporting = map(_variable, names)
    return mongodb, redis, admin, reporting


def _variable(name: str) -> str:
    return os.environ.get(name, "").strip()


def _found_or_started(settings: Settings, folder: Path | None, *, mongodb: bool, redis: bool) -> State:
    """Running servers as they are, whatever their number of members; else as `up` makes them."""
    state = status(folder)
    if state is not None and state.owned and not state.dead:
        has_mongodb = not mongodb or (state.members and settings.database in state.databases)
        if has_mongodb and (state.redis or not redis):
            return state
    if state is not None and state.owned and state.members:
        settings = settings.model_copy(update={"members": len(state.members)})
    owner = _variable(OWNER_VARIABLE)
    return up(settings, owner_pid=int(owner) if owner else None, mongodb=mongodb, redis=redis, folder=folder)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    try:
        with leash.locked(folder):
            yield
    except TimeoutError as error:
        raise ServerError(f"{error}; another command is starting or stopping the servers") from None
    except OSError as error:  # no permission, no space, a file in the way
        raise ServerError(f"cannot use {folder}: {error.strerror}; name another folder by LEADBOOK_STATE") from None


def _clean(folder: Path, keep: State | None = None) -> State:
    """End whatever a broken start or a killed run has left, and begin anew; owners and watchdog of `keep` stay."""
    leash.end(folder, spare=keep.leash if keep else None)
    leash.remove(folder)
    if keep is None:
        return State(folder=folder)
    return State(folder=folder, owners=keep.owners, kept=keep.kept, leash=keep.leash).save()


def _own(state: State, owner_pid: int | None) -> State:
    """Note who needs the servers, and set the watchdog before anything is started."""
    if owner_pid is None:
        return replace(state, kept=True).save()
    created = leash.created_at(owner_pid)
    if not created:
        raise ServerError(f"process {owner_pid}, for which the servers were wanted, has ended")
    owners = {(owner.pid, owner.created): owner for owner in state.owners if leash.alive(owner.pid, owner.created)}
    owners[owner_pid, created] = Owner(pid=owner_pid, created=created)
    state = replace(state, owners=tuple(owners.values())).save()
    if state.leash is None or not leash.created_at(state.leash):
        state = replace(state, leash=None).save()
        argv = (sys.executable, "-I", str(Path(leash.__file__)), str(state.folder))
        pid, _ = spawn(argv, state.folder / "leash.log")
        state = replace(state, leash=pid).save()
    return state


def _ensure(state: State, settings: Settings, *, mongodb: bool, redis: bool) -> State:
    state = _restart_dead(state)
    mongod = binaries.mongod() if mongodb and not state.members else None
    redis_server = binaries.redis_server() if redis and state.redis is None else None
    for attempt in range(1, ATTEMPTS + 1):
        try:
            state = _start_missing(state, settings, mongod, redis_server)
            break
        except replica_set.PortTakenError:
            state = _clean(state.folder, keep=state)
            if attempt == ATTEMPTS:
                raise
        except BaseException:
            _clean(state.folder)
            raise
    if mongodb and settings.database not in state.databases:
        replica_set.grant(state, settings.database)
        state = replace(state, databases=(*state.databases, settings.database)).save()
    return state


def _restart_dead(state: State) -> State:
    """Start what has died, from its own configuration and data; where that fails, begin anew with an empty set."""
    dead = state.dead
    if not dead:
        return state
    names, at = ", ".join(process.name for process in dead), datetime.now(UTC).isoformat(timespec="seconds")
    again = f"{names} had died and was started again with its data ({at})"
    try:
        for process in dead:
            pid, created = spawn(process.argv, state.data / f"{process.name}.out")
            state = state.with_processes(replace(process, pid=pid, created=created)).save()
        for process in state.processes:
            replica_set.wait_listening(process, state.data)
        if any(process.name != "redis" for process in dead):
            replica_set.wait_healthy(state)
    except ServerError:
        anew = f"{names} had died and could not be started again: all servers began anew, empty ({at})"
        return replace(_clean(state.folder, keep=state), restarts=(*state.restarts, anew)).save()
    return replace(state, restarts=(*state.restarts, again)).save()


def _start_missing(state: State, settings: Settings, mongod: Path | None, redis_server: Path | None) -> State:
    """Start the services whose binary is given and that this set has not got; everything at once, then wait."""
    mongod = None if state.members else mongod
    redis_server = None if state.redis else redis_server
    if not (mongod or redis_server):
        return state
    state.data.mkdir(mode=0o700, exist_ok=True)
    state = replace(state, ready=False).save()
    ports = replica_set.free_ports((settings.members if mongod else 0) + (1 if redis_server else 0))
    if redis_server:
        port, password = ports.pop(), secrets.token_urlsafe(24)
        cache.configure(state.data, port, password)
        state = replace(state, redis_url=cache.address(port, password))
        state = state.with_processes(cache.start(redis_server, state.data, port)).save()
    if mongod:
        state = _start_replica_set(state, settings, mongod, ports)
    if state.redis is not None:
        replica_set.wait_listening(state.redis, state.data)
    return replace(state, ready=True, started_at=datetime.now(UTC).isoformat(timespec="seconds")).save()


def _start_replica_set(state: State, settings: Settings, mongod: Path, ports: list[int]) -> State:
    passwords = {f"leadbook_{name}": secrets.token_urlsafe(24) for name in ("admin", "app", "reporting")}
    databases = tuple(dict.fromkeys((settings.database, *replica_set.ALWAYS_ALLOWED)))
    state = replace(
        state,
        databases=databases,
        mongodb_uri=replica_set.address(state, "leadbook_app", passwords, ports, settings.database),
        admin_uri=replica_set.address(state, "leadbook_admin", passwords, ports, settings.database),
        reporting_uri=replica_set.address(state, "leadbook_reporting", passwords, ports, settings.database),
    )
    replica_set.configure(state.data, ports)
    for number, port in enumerate(ports):
        state = state.with_processes(replica_set.start_member(mongod, state.data, number, port)).save()
    with ThreadPoolExecutor(len(ports)) as pool:
        list(pool.map(lambda member: replica_set.wait_listening(member, state.data), state.members))
    replica_set.initiate(state, passwords)
    return state
