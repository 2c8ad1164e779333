"""What a watch says of a right that is missing is true of now, not of the hour in which it began."""

from types import SimpleNamespace

from pymongo.errors import OperationFailure

from leadbook.core import connect
from leadbook.core.settings import Settings
from leadbook.provision.asked import UNAUTHORIZED
from leadbook.watch.sources import access
from leadbook.watch.sources.access import RIGHTS_S, Access


class User:
    """A user who lacks what is named."""

    name, own = "dba", True

    def __init__(self, lacks):
        self.lacks = lacks

    def missing(self, needs):
        return tuple(need for need in needs if need in self.lacks)

    told = grant = staticmethod(", ".join)


def test_rights_that_are_granted_meanwhile_are_asked_for_no_more(monkeypatch):
    uri, now, lacks = "mongodb://127.0.0.1:1/", [0.0], ["clusterMonitor", "dbAdmin"]
    nowhere = connect.Endpoints(mongodb_uri=uri, admin_uri=uri, reporting_uri=None, redis_url="redis://127.0.0.1:1/",
                                source="environment", redis_source="environment")  # fmt: skip
    monkeypatch.setattr(access, "time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(access.Holder, "of", lambda *_, **__: User(tuple(lacks)))
    refused = OperationFailure("not authorized", UNAUTHORIZED)
    with Access(Settings(), nowhere) as found:
        assert "clusterMonitor" in found.why(refused, ("clusterMonitor", "dbAdmin"))
        lacks.remove("clusterMonitor")
        now[0] += RIGHTS_S + 1
        assert found.why(refused, ("clusterMonitor", "dbAdmin")) == "the user dba lacks dbAdmin: dbAdmin"
