"""What a running n8n shows of the collectors, judged: in place of what somebody attests (steps 1.1.1.3 to 3.1.1.1)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import cache, partial
from typing import Any

from leadbook.core.checks import BLOCKING, Check, Doubtful, Unmeasured, judge
from leadbook.core.connect import Endpoints
from leadbook.core.definitions import definition
from leadbook.core.settings import Settings
from leadbook.lead.keys import PATTERNS
from leadbook.n8n import names, seen
from leadbook.n8n.records import N8nNode
from leadbook.n8n.seen import CollectorSeen, N8nSeen, TriedCredential
from leadbook.phases.console.asked import AlsoAttested
from leadbook.phases.judging import Finding, attempt, got

WRITES = ("insert", "update", "findOneAndUpdate", "findOneAndReplace", "delete")
"""Operations of n8n's MongoDB node that change something; `insert` is the only one that collectors need."""
READS_OF_REDIS = ("get", "info", "keys", "llen")
"""Operations of n8n's Redis node that change nothing."""
RUN_ONE = (
    "start each collector once by hand, with the Technical Lead, and look at its records in the staging collection"
)
CHOSEN = "an expression gives the collection, so which one it is cannot be seen: write its name itself into the node"
_COLLECTION = re.compile(r"""\bCOLLECTION = ["']([\w-]*)["']""")
"""In the JavaScript of the look-up that leadbook exports."""
ADDRESS = "the address in the credential, with its pool parameters, it shows nobody"
Seen = Callable[[], N8nSeen | Unmeasured | Exception]
"""What n8n shows, or why it does not."""
SCOPES = "give the API key the scopes credential:list and credential:read, or press Test in n8n's credential"


def asked_once(settings: Settings, endpoints: Endpoints) -> Seen:
    """n8n, asked when the first wants to know."""
    return cache(lambda: attempt(lambda: seen.look(settings, endpoints)))


def users_of(once: Seen) -> frozenset[str]:
    """Users of MongoDB that n8n has; none where it is not asked, or it was not seen."""
    found = once()
    return found.users if isinstance(found, N8nSeen) else frozenset()


def of_phase(phase: str, settings: Settings, once: Seen) -> dict[str, Callable[[], Finding]]:
    """Questions to n8n by id, of a phase's checks: for `by_api` or `with_api`."""
    return {check_id: partial(_told, tell, once, settings) for check_id, tell in TELLS.items()
            if definition(check_id).phase == phase}  # fmt: skip


def judged(found: N8nSeen, settings: Settings) -> tuple[Check, ...]:
    """All of them, of an n8n that was asked, in whatever profile."""
    return tuple(_judged(check_id, *tell(found, settings), settings) for check_id, tell in TELLS.items())


def _judged(check_id: str, value: Any, said: str, settings: Settings) -> Check:
    if isinstance(value, AlsoAttested):
        value, said = True, f"{value.said}: phase 01 asks a person for it"
    return judge(check_id, value, settings=settings, evidence=said)


def _told(
    tell: Callable[[N8nSeen, Settings], Finding], once: Seen, settings: Settings
) -> Finding:  # fmt: skip
    return tell(got(once()), settings)


# ------------------------------------------------------------------------------------------------------- connections


def _mongodb(found: N8nSeen, settings: Settings) -> Finding:
    """n8n reaches this MongoDB, and ten pools as documented fit into what the server takes. The address in the
    credential, and so its pool, n8n shows nobody."""
    answer, said = _reached(found, seen.MONGODB, "MongoDB")
    if answer is not True:
        return answer, said
    pools, limit = len(names.STAMPS) * settings.max_pool_size, found.limits.get(seen.MONGODB)
    if limit is None:
        return AlsoAttested(f"{said}; how many connections the server takes could not be asked; {ADDRESS}"), ""
    fits = f"ten pools of {settings.max_pool_size} (maxPoolSize, as documented) may open {pools:,} of the {limit:,}"
    told = f"{said}; {fits} connections that the server takes; {ADDRESS}"
    return (AlsoAttested(told), "") if pools <= limit else (Doubtful(True), told)


def _redis(found: N8nSeen, settings: Settings) -> Finding:
    """n8n reaches this Redis."""
    del settings
    return _reached(found, seen.REDIS, "Redis")


def _reached(found: N8nSeen, kind: str, server: str) -> Finding:
    """Whether n8n reaches one of our servers: by its own test of the credential, and by what the server saw."""
    tried = [one for one in found.tried if one.credential.kind == kind]
    if not tried:
        users = "collector" if kind == seen.MONGODB else "look-up"
        return False, f"no node of a {users} in n8n uses a credential of type {kind}"
    if gone := [one for one in tried if one.listed is False]:
        return False, f"{_names(gone)} is used by nodes, and n8n has no such credential"
    if bad := [one for one in tried if one.works is False]:
        return False, f"n8n tried {_names(bad)} just now and was not let in, or the database in it does not exist"
    sees = max((len(one.server.ids) for one in tried), default=0)
    blind = next((one.server.problem for one in tried if one.server.problem), "")
    here = f"{server} saw {sees} connection{'' if sees == 1 else 's'} of n8n's"
    if all(one.works for one in tried):
        said = f"n8n tried {_names(tried)} just now: it connects"
        if sees:
            return True, f"{said}; {here} meanwhile"
        return _by_traces(found, kind, f"{said}; {blind or f'{server} saw no connection of it meanwhile'}")
    return _by_traces(found, kind, f"this n8n, or this key, does not try credentials; {blind or here}")


def _by_traces(found: N8nSeen, kind: str, said: str) -> Finding:
    """n8n reaches a server of this name; that it is *this* one, only what it left there shows."""
    if kind == seen.REDIS:
        if (ended := _redis_nodes(found)) and all(ended.values()):
            return True, f"{said}; in the look-up's last execution its Redis node got an answer"
        why = f"{said}; the look-up's last execution does not show it either"
        return Unmeasured(why, f"call the look-up once, and {SCOPES}"), ""
    active = [one for one in found.collectors if one.workflow and one.workflow.active]
    left = [one for one in active if one.staged.records and one.history.recovered]
    if active and len(left) == len(active):
        return True, f"{said}; all {len(active)} active collectors ended well and left records here"
    return Unmeasured(f"{said}; {len(left)} of {len(active)} active collectors left records here", SCOPES), ""


def _names(tried: Iterable[TriedCredential]) -> str:
    return ", ".join(f"'{one.credential.name}'" for one in tried)


# ------------------------------------------------------------------------------------------------------------- nodes


def _insert_nodes(found: N8nSeen, settings: Settings) -> Finding:
    """Each collector's MongoDB node inserts into the staging collection, and what ended well arrived there."""
    if gone := _absent(found):
        return False, gone
    faults = [fault for one in found.collectors for fault in _faults_of(one, settings)]
    if faults:
        return False, _first(faults)
    silent = [one.name for one in found.collectors if not one.staged.records]
    if silent:
        why = f"all ten insert into {settings.staging_collection}; nothing arrived there yet of {', '.join(silent)}"
        return Unmeasured(f"{why}, so the database is not known", RUN_ONE), ""
    records = sum(one.staged.records for one in found.collectors)
    said = f"{records:,} records of all ten stand in {settings.database}.{settings.staging_collection}"
    if chosen := [one.name for one in found.collectors if any(map(_is_chosen, _inserting(one)))]:
        return Doubtful(True), f"{said}; of {', '.join(chosen[:3])} ({len(chosen)} in all) {CHOSEN}"
    return True, f"the MongoDB nodes of all ten insert into it, and {said}"


def _inserting(one: CollectorSeen) -> list[N8nNode]:
    nodes = one.workflow.of_kind(seen.MONGODB) if one.workflow else ()
    return [node for node in nodes if node.text("operation") == "insert"]


def _is_chosen(node: N8nNode) -> bool:
    """Whether an expression gives the node's collection: what comes of it no workflow tells."""
    return node.text("collection").startswith("=")


def _faults_of(one: CollectorSeen, settings: Settings) -> Iterable[str]:
    """What is wrong with a collector's MongoDB nodes."""
    nodes = one.workflow.of_kind(seen.MONGODB) if one.workflow else ()
    writing = [node for node in nodes if node.text("operation", "find") in WRITES]
    if not _inserting(one):
        yield f"{one.name} has no MongoDB node that inserts"
    for node in writing:
        into, does = node.text("collection"), node.text("operation")
        if does != "insert":
            yield f"{one.name} has a MongoDB node that does {does}: collectors only insert"
        elif not _is_chosen(node) and into != settings.staging_collection:
            yield f"{one.name} inserts into {into[:60] or 'no collection'}, not into {settings.staging_collection}"
    if one.history.success and not one.staged.records:
        stamp = f"that bears its stamp {one.stamp}" if one.stamp else "of it: no stamp can be read from its nodes"
        yield f"{one.name} ended well, and no record stands in {settings.database} {stamp}"


def _look_up(found: N8nSeen, settings: Settings) -> Finding:
    """The look-up reads keys as the pipeline writes them, writes none, and asks MongoDB where Redis does not know."""
    workflow = found.look_up.workflow
    if workflow is None:
        return False, f"n8n has no workflow '{names.LOOK_UP}'; leadbook n8n export writes it"
    if not workflow.active and not found.release.startswith(("0.", "1.")):
        return False, f"'{names.LOOK_UP}' is not published: since release 2 n8n calls no other"
    redis, mongodb = workflow.of_kind(seen.REDIS), workflow.of_kind(seen.MONGODB)
    if writes := [node for node in redis if node.text("operation", "info") not in READS_OF_REDIS]:
        return False, f"its Redis node does {writes[0].text('operation')}: leadbook alone writes keys"
    reads = [node for node in redis if node.text("operation") == "get"]
    texts = [text for node in workflow.nodes if not node.disabled for text in node.texts()]
    prefix = next((one.rstrip("*") for one in PATTERNS if any(one.rstrip("*") in text for text in texts)), "")
    if not reads or not prefix:
        return False, f"it has no Redis node that gets a key {PATTERNS[0]}"
    finding = [node for node in mongodb if node.text("operation", "find") in ("find", "aggregate")]
    named = any(node.text("collection") == settings.collection for node in finding)
    if not named and not any(map(_is_chosen, finding)):
        return False, f"it has no MongoDB node that finds in {settings.collection} where Redis does not know"
    if stale := _stale(texts, found.leads):
        return False, stale
    said = f"its Redis node gets {prefix}…, its MongoDB node finds in {settings.collection}"
    if named:
        return _as_it_ran(found, said)
    value, told = _as_it_ran(found, f"its Redis node gets {prefix}…; of its MongoDB node {CHOSEN}")
    return (Doubtful(True) if value is True else value), told


def _as_it_ran(found: N8nSeen, said: str) -> Finding:
    """The look-up by its newest execution; where n8n keeps none that ended well, by its failures and the credential."""
    ended, history, workflow = _redis_nodes(found), found.look_up.history, found.look_up.workflow
    if ended:
        well = all(ended.values())
        return well, f"{said}; in its last execution {'Redis answered' if well else 'the Redis node got an error'}"
    if workflow is not None and not workflow.keeps:
        if history.failures:
            return False, f"{said}; {history.failures:,} executions of it failed in the last 24 hours"
        if any(one.works for one in found.tried if one.credential.kind == seen.REDIS):
            return True, f"{said}; n8n tried its Redis credential just now: it connects, and no execution of it failed"
    why = "it never ran" if history.last is None else "n8n keeps no data of its last execution"
    return Unmeasured(f"{said}; {why}", f"call the look-up once, or {SCOPES}"), ""


def _stale(texts: Iterable[str], leads: str) -> str:
    """Why the look-up takes no key for one of ours: keys name the collection by its UUID, and so must the look-up."""
    named = next((match[1] for text in texts if (match := _COLLECTION.search(text))), None)
    if named is None or (named == leads and named):
        return ""
    what = f"holds another UUID ({named[:8]}…) than that of today's collection" if named else (
        "holds no UUID of the leads' collection")  # fmt: skip
    return f"it {what}, so it believes no key of Redis: leadbook n8n export writes it anew once the collection is there"


def _redis_nodes(found: N8nSeen) -> dict[str, bool]:
    """How the look-up's Redis nodes that ran in its last execution ended."""
    workflow = found.look_up.workflow
    mine = {node.name for node in workflow.of_kind(seen.REDIS)} if workflow else set()
    return {name: well for name, well in found.look_up.ended_well.items() if name in mine}


# --------------------------------------------------------------------------------------------------------- the ten


def _ten(found: N8nSeen, settings: Settings) -> Finding:
    """Each of the ten is switched on, ended well after its newest failure, and is told apart in what is staged."""
    del settings
    if gone := _absent(found):
        return False, gone
    faults = [fault for one in found.collectors if (fault := _state_of(one))]
    stamps: dict[str, list[str]] = {}
    for one in found.collectors:
        stamps.setdefault(one.stamp, []).append(one.name)
    faults += [f"{' and '.join(mine[:3])} write the same stamp {stamp}"
               for stamp, mine in stamps.items() if stamp and len(mine) > 1]  # fmt: skip
    faults += [f"'{name[:40]}' is active and writes the stamp {stamp} of one of the ten: archive it"
               for name, stamp in found.copies]  # fmt: skip
    faults += [f"{staged.records:,} records bear {f'the stamp {stamp[:40]}' if stamp else 'no stamp'}, of none of "
               "the ten" for stamp, staged in found.unknown.items()]  # fmt: skip
    if faults:
        return False, _first(faults)
    failures = sum(one.history.failures for one in found.collectors)
    staged = [one.staged.records for one in found.collectors]
    return True, (f"ten workflows are active, each ended well after its newest failure ({failures:,} failures in 24 "
                  f"hours); {sum(staged):,} records told apart by ten stamps, at least "
                  f"{min(staged):,} and at most {max(staged):,} each")  # fmt: skip


def _absent(found: N8nSeen) -> str:
    """Which collectors n8n does not have; empty where all are there."""
    gone = _first([f"'{one.name}'" for one in found.collectors if one.workflow is None])
    return f"n8n has no workflow {gone}; leadbook n8n export writes them" if gone else ""


def _state_of(one: CollectorSeen) -> str:
    """What is wrong with a collector; empty where nothing is."""
    assert one.workflow is not None  # noqa: S101  (_absent has been asked)
    history = one.history
    if one.twins:
        return f"{one.name} stands {one.twins + 1} times in n8n: archive all but one"
    if not one.workflow.active:
        return f"{one.name} is not active"
    if history.last is None:
        return f"{one.name} has never run"
    if not history.recovered:
        word = "failed last" if history.failure else f"has not ended well yet ({history.last.status})"
        return f"{one.name} {word}"
    if not one.stamp:
        return f"{one.name}: its stamp cannot be read from its nodes"
    return "" if one.staged.records else f"{one.name} ended well, and no record bears its stamp {one.stamp}"


def _first(faults: list[str]) -> str:
    """The first three, and how many more."""
    return "; ".join(faults[:3]) + (f"; and {len(faults) - 3} more" if len(faults) > 3 else "")


TELLS: Mapping[str, Callable[[N8nSeen, Settings], Finding]] = {
    "N8N-CON-001": _mongodb, "N8N-CON-002": _redis, "PIPE-N8N-001": _insert_nodes, "PIPE-N8N-002": _look_up,
    "LOAD-SRC-005": _ten,
}  # fmt: skip
"""By id: what an n8n tells for it."""


def outcome(check: Check) -> dict[str, Any]:
    """A check as a command tells it."""
    return {"id": check.id, "title": check.title, "verdict": check.verdict.value, "evidence": check.evidence,
            "remedy": check.remedy, "blocks": check.verdict in BLOCKING}  # fmt: skip
