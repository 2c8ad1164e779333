"""The custom roles as what makes them: commands for mongosh, bodies of the Atlas Admin API, and curl commands that send
them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from textwrap import fill
from typing import Any

from leadbook.provision.roles import Privilege, Role

ATLAS = "${ATLAS_API_URL:-https://cloud.mongodb.com}"
VERSION = "application/vnd.atlas.2023-01-01+json"
ATLAS_ACTIONS: Mapping[str, str] = {
    "find": "FIND", "insert": "INSERT", "update": "UPDATE", "remove": "REMOVE",
    "createCollection": "CREATE_COLLECTION", "createIndex": "CREATE_INDEX", "dropCollection": "DROP_COLLECTION",
    "collStats": "COLL_STATS", "dbStats": "DB_STATS", "listCollections": "LIST_COLLECTIONS",
    "listIndexes": "LIST_INDEXES", "collMod": "COLL_MOD", "validate": "VALIDATE", "enableProfiler": "ENABLE_PROFILER",
    "bypassDocumentValidation": "BYPASS_DOCUMENT_VALIDATION", "serverStatus": "SERVER_STATUS", "hostInfo": "HOST_INFO",
    "replSetGetStatus": "REPL_SET_GET_STATUS", "replSetGetConfig": "REPL_SET_GET_CONFIG", "getLog": "GET_LOG",
    "getCmdLineOpts": "GET_CMD_LINE_OPTS", "inprog": "IN_PROG", "killop": "KILL_OP",
}  # fmt: skip
"""Actions that the roles use and that Atlas takes in a custom role, by its names: what the Admin API's published
description (2.0, DatabasePrivilegeAction) lists. `indexStats` is not among them."""
_OWN = ("local", "admin")
"""Databases of MongoDB's own: no custom role of Atlas is on them here, a built-in one stands in."""


def is_offered(one: Privilege) -> bool:
    """Whether a custom role of Atlas can hold it; else the built-in role `one.built_in` stands in."""
    return one.action in ATLAS_ACTIONS and one.db not in _OWN and not one.collection.startswith("system.")


def heading(form: str, roles: Sequence[Role], database: str, profile: str, project: str) -> str:
    """The first lines: of which database the roles are, as whom they are pasted, what must be exported before."""
    of = f"roles on the database {database}, which profile {profile} names"
    if form == "mongosh":
        return f"// {of}; paste into mongosh as a user administrator (userAdminAnyDatabase; not on Atlas: --as atlas)"
    needed = ["ATLAS_PUBLIC_KEY", "ATLAS_PRIVATE_KEY", *([] if project else ["ATLAS_PROJECT"])]
    needed += [password_variable(role) for role in roles]
    checked = " ".join(f"${{{name}:?}}" for name in needed)
    which = "an API key with Project Owner; a service account's id and secret do not do"
    return f"# {of}\n# export first ({which}):\n: {checked}"


def mongosh(role: Role, names: Mapping[str, str]) -> str:
    """Commands that make the role and its user, who is asked for a password. They run as a user administrator."""
    rows = ",\n".join(
        f"    {{resource: {_shell(row['resource'])}, actions: [\n{_filled(row['actions'])}\n    ]}}"
        for row in role.granted(names)
    )
    where = "what collectors use" if not role.variable else f"the address in {role.variable}"
    return (
        f"// {role.what}; {where}\n"
        f'db.getSiblingDB("admin").createRole({{\n  role: "{role.name}",\n'
        f"  privileges: [\n{rows}\n  ],\n  roles: []\n}})\n"
        f'db.getSiblingDB("admin").createUser({{\n  user: "{role.name}", pwd: passwordPrompt(),\n'
        f'  roles: [{{role: "{role.name}", db: "admin"}}]\n}})'
    )


def _filled(actions: Iterable[str]) -> str:
    """Names in quotes, as many on a line as a terminal of 80 columns holds."""
    return fill(", ".join(json.dumps(one) for one in actions), 76, initial_indent=" " * 6, subsequent_indent=" " * 6)


def _shell(resource: Mapping[str, Any]) -> str:
    return "{" + ", ".join(f"{key}: {json.dumps(value)}" for key, value in resource.items()) + "}"


def atlas_role(role: Role, names: Mapping[str, str]) -> dict[str, Any]:
    """Body of POST customDBRoles/roles. Where Atlas offers no such action the built-in role is inherited, and what that
    one holds is left out."""
    inherited = {one.built_in: _home(one, names) for one in role.privileges if not is_offered(one)}
    actions: dict[str, list[dict[str, Any]]] = {}
    for one in role.privileges:
        if one.built_in not in inherited:
            resource = one.resource(names)
            whole = {"cluster": "cluster" in resource, "db": resource.get("db", ""),
                     "collection": resource.get("collection", "")}  # fmt: skip
            actions.setdefault(ATLAS_ACTIONS[one.action], []).append(whole)
    return {
        "roleName": role.name,
        "actions": [{"action": action, "resources": resources} for action, resources in actions.items()],
        "inheritedRoles": [{"db": db, "role": built_in} for built_in, db in inherited.items()],
    }


def _home(one: Privilege, names: Mapping[str, str]) -> str:
    """The database that a built-in role is granted on to hold a privilege."""
    return "admin" if one.built_in in ("clusterMonitor", "hostManager") else one.db.format_map(names)


def atlas_user(role: Role, project: str, cluster: str) -> dict[str, Any]:
    """Body of POST databaseUsers; the password is a variable of the shell that sends it."""
    scopes = [{"name": cluster, "type": "CLUSTER"}] if cluster else []
    return {
        "databaseName": "admin", "groupId": project, "username": role.name,
        "password": f"${{{password_variable(role)}}}",
        "roles": [{"databaseName": "admin", "roleName": role.name}], "scopes": scopes,
    }  # fmt: skip


def password_variable(role: Role) -> str:
    """Name of the environment variable that holds the password of a role's user."""
    return f"{role.name.upper()}_PASSWORD"


def curl(role: Role, names: Mapping[str, str], *, project: str, cluster: str) -> str:
    """Commands that send both bodies. Keys and password come from the environment, through standard input and a pipe:
    no list of processes shows them."""
    where = f"{ATLAS}/api/atlas/v2/groups/{project}"
    coarser = sorted({f"{one.action} ({one.built_in} stands in)" for one in role.privileges if not is_offered(one)})
    lines = [f"# {role.what}"]
    if coarser:
        lines.append(f"# no custom role of Atlas takes: {', '.join(coarser)}")
    for path, body in (
        ("customDBRoles/roles", atlas_role(role, names)), ("databaseUsers", atlas_user(role, project, cluster)),
    ):  # fmt: skip
        lines.append(
            f"curl --silent --show-error --fail-with-body --digest --config <({_KEYS}) \\\n"
            f"  --header 'Accept: {VERSION}' --header 'Content-Type: {VERSION}' \\\n"
            f'  --data @- "{where}/{path}" <<BODY\n{json.dumps(body, indent=1)}\nBODY'
        )
    return "\n".join(lines)


_KEYS = r"""printf 'user = "%s:%s"\n' "$ATLAS_PUBLIC_KEY" "$ATLAS_PRIVATE_KEY" """.strip()
