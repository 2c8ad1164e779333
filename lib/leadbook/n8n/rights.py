"""What the user that n8n gets may do beyond storing leads: whoever can open a workflow has that user's rights."""

from __future__ import annotations

from typing import Any

from pymongo import MongoClient

READ_WRITE = frozenset({
    "changeStream", "cleanupStructuredEncryptionData", "collStats", "compactStructuredEncryptionData",
    "convertToCapped", "createCollection", "createIndex", "createSearchIndexes", "dbHash", "dbStats",
    "dropCollection", "dropIndex", "dropSearchIndex", "emptycapped", "find", "insert", "killCursors",
    "listCollections", "listIndexes", "listSearchIndexes", "planCacheRead", "remove", "renameCollectionSameDB",
    "update", "updateSearchIndex",
})  # fmt: skip
"""What MongoDB 7's role readWrite allows on its database (manual, Built-In Roles)."""
SHOWN = 5


def more_than_read_write(client: MongoClient[dict[str, Any]], database: str) -> str:
    """The rights beyond `readWrite` on `database` of the user of `client`, in a few words; empty where there are none.

    Raises PyMongoError.
    """
    told = client.admin.command("connectionStatus", showPrivileges=True)["authInfo"]
    if not told["authenticatedUsers"]:
        return "MongoDB asks for no user, so anybody may do anything"
    elsewhere: set[str] = set()
    here: set[str] = set()
    for privilege in told.get("authenticatedUserPrivileges", ()):
        resource, actions = privilege["resource"], set(privilege["actions"])
        if resource.get("cluster") or resource.get("anyResource"):
            elsewhere.add("the cluster")
        elif "db" not in resource:
            continue  # collections of the system, which a role on a database brings along
        elif resource["db"] in ("", database):
            here |= actions - READ_WRITE
            elsewhere |= {"every database"} if resource["db"] == "" else set()
        else:
            elsewhere.add(f"the database {resource['db']}")
    parts = (
        [f"{', '.join(sorted(here)[:SHOWN])}{' and more' if len(here) > SHOWN else ''} on {database}"] if here else []
    )
    return "; ".join([*parts, *(f"rights on {place}" for place in sorted(elsewhere))])
