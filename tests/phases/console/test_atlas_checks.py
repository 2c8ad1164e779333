"""What Atlas' API shows becomes checks: good, bad, denied, absent, away, of another cluster, not asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from types import SimpleNamespace

import pytest
import yaml

from atlas_server import AtlasServer, alert, hexes, restore, slow, snapshot, user
from leadbook.core.checks import Check, Verdict
from leadbook.core.definitions import catalogue, definition
from leadbook.core.settings import Settings
from leadbook.phases.console import access, advisor
from leadbook.phases.console.asked import by_api
from leadbook.phases.console.atlas import atlas_of
from leadbook.phases.console.seen import see_atlas
from leadbook.phases.p01 import sections as p01
from leadbook.phases.p06 import sections as p06
from leadbook.phases.p07 import gate
from leadbook.runner.objections import objection
from leadbook.schema.scratch import scratch_name

LEADS = "lead_generation.performance_marketers"
TRIED = f"lead_generation.{scratch_name('pipeline')}"
"""A collection of a trial of this run."""
HOST = "127.0.0.1:27017"
URI = f"mongodb://app:S3cretWord@{HOST}/?tls=true"
PASS, FAIL, WARN, MANUAL = Verdict.PASS, Verdict.FAIL, Verdict.WARN, Verdict.MANUAL
NOT_MEASURED, NOT_APPLICABLE = Verdict.NOT_MEASURED, Verdict.NOT_APPLICABLE
BY_ATLAS = {entry.id for entry in catalogue().values() if entry.measured_by == "atlas"}
ONLY = {entry.id for entry in catalogue().values() if entry.may_not_apply.startswith("Atlas' API is not asked")}
ALSO_A_PERSON = {"ATL-USR-001", "BKP-ATL-002"}


class Book:
    """What sections take of a phase."""

    recorded: tuple[Check, ...] = ()

    def __init__(self, settings: Settings, uri: str = URI) -> None:
        self.settings, self.endpoints = settings, SimpleNamespace(mongodb_uri=uri)


@pytest.fixture
def atlas(monkeypatch: pytest.MonkeyPatch) -> Iterator[AtlasServer]:
    with AtlasServer(hosts=[HOST, "127.0.0.1:27018", "127.0.0.1:27019"]) as server:
        by_hand = server.state.snapshots[0]["id"]
        server.state.restores = [restore(by_hand)]
        for name, value in {**server.environment(), "MONGODB_URI": URI}.items():
            monkeypatch.setenv(name, value)
        yield server
        assert not server.wrong


def production(atlas: AtlasServer, **more: object) -> Settings:
    given = {"profile": "production", "rehearsal_servers": False, "atlas_project": atlas.state.project,
             "attestations_file": "", "database": "lead_generation", **more}  # fmt: skip
    return Settings.from_mapping(given)


def judged(settings: Settings, uri: str = URI, phase: str = "") -> dict[str, Check]:
    """All checks that Atlas answers, or those of one phase, as the notebooks make them."""
    book = Book(settings, uri)
    notebooks: dict[str, Callable[[], tuple[Check, ...]]] = {
        "01": lambda: p01.console(book).checks,
        "03": lambda: by_api(advisor.switched_on(atlas_of(book)), settings),
        "04": lambda: by_api(advisor.quiet(atlas_of(book), settings), settings),
        "06": lambda: p06.attested(book).checks,
        "07": lambda: gate.monitoring(book).checks,
        "08": lambda: see_atlas(book).checks,
    }
    made = [check for number, checks in notebooks.items() if phase in ("", number) for check in checks()
            if definition(check.id).measured_by != "n8n"]  # fmt: skip
    for check in made:
        assert not objection(check, settings, {check.id}), objection(check, settings, {check.id})
        assert "S3cretWord" not in str(check)
    return {check.id: check for check in made if check.id in BY_ATLAS | ONLY}


def signed(tmp_path, *ids: str) -> str:
    one = {"who": "Ada Lovelace", "when": str(date.today()), "seen": "looked at the console and saw it so"}
    path = tmp_path / "attestations.yaml"
    path.write_text(yaml.safe_dump({"target": f"lead_generation on {HOST}", **dict.fromkeys(ids, one)}))
    return str(path)


def test_a_good_project_needs_a_person_for_what_no_api_shows(atlas):
    found = judged(production(atlas))
    assert set(found) == BY_ATLAS | ONLY
    assert {check.id for check in found.values() if check.verdict is not PASS} == ALSO_A_PERSON
    assert all(found[one].verdict is MANUAL and "Atlas' API" in found[one].evidence for one in ALSO_A_PERSON)
    assert "M30 of AWS in EU_CENTRAL_1: 2 vCPU" in found["ATL-CLU-001"].evidence
    assert all(found[one].measured is True for one in BY_ATLAS - ALSO_A_PERSON)


def test_what_a_person_also_saw_is_attested_with_what_the_api_showed(atlas, tmp_path):
    found = judged(production(atlas, attestations_file=signed(tmp_path, *ALSO_A_PERSON)))
    assert {check.verdict for check in found.values()} == {PASS}
    assert "Ada Lovelace" in found["BKP-ATL-002"].evidence and "leads-drill" in found["BKP-ATL-002"].evidence


def custom(name: str, *inherits: str, **actions: str) -> dict[str, object]:
    """A custom role as Atlas tells it. actions: the database of each, empty for the cluster."""
    roles = [dict(zip(("role", "db"), one.split("@"), strict=True)) for one in inherits]
    allowed = [{"action": action, "resources": [{"cluster": not db, "db": db, "collection": ""}]}
               for action, db in actions.items()]  # fmt: skip
    return {"roleName": name, "inheritedRoles": roles, "actions": allowed}


def wrong(check_id: str, verdict: Verdict, words: str, **state: object) -> object:
    return pytest.param(check_id, verdict, words, state, id=f"{check_id} {words}")


@pytest.mark.parametrize(
    ("check_id", "verdict", "words", "state"),
    [
        wrong("ATL-CLU-001", FAIL, "M10 of AWS", tier="M10"),
        wrong("ATL-CLU-001", FAIL, "paused", paused=True),
        wrong("ATL-CLU-002", FAIL, "auto-scaling is off; 40 GB", scales_disk=False),
        wrong("ATL-CLU-003", WARN, "terminationProtection", termination_protection=False),
        wrong("ATL-TLS-001", FAIL, "TLS1_0", args={"minimumEnabledTlsProtocol": "TLS1_0"}),
        wrong("ATL-USR-001", FAIL, "atlasAdmin", users=[user("app", "atlasAdmin@admin")]),
        wrong("ATL-USR-001", NOT_MEASURED, "no database user", users=[user("other", "read@x")]),
        wrong("ATL-USR-002", WARN, "dbAdmin@lead_generation",
              users=[user("app", "readWrite@lead_generation", "dbAdmin@lead_generation")]),
        wrong("ATL-USR-002", WARN, "readWrite@lead_generation2", users=[user("app", "readWrite@lead_generation2")]),
        wrong("ATL-USR-002", WARN, "collecting (CREATE_INDEX on crm)", users=[user("app", "collecting@admin")],
              custom_roles=[custom("collecting", INSERT="lead_generation", CREATE_INDEX="crm")]),
        wrong("ATL-USR-002", WARN, "collecting (KILL_OP on everything)", users=[user("app", "collecting@admin")],
              custom_roles=[custom("collecting", KILL_OP="")]),
        wrong("ATL-USR-002", WARN, "outer (inner (readWriteAnyDatabase@admin))", users=[user("app", "outer@admin")],
              custom_roles=[custom("outer", "inner@admin", INSERT="lead_generation"),
                            custom("inner", "readWriteAnyDatabase@admin", "outer@admin")]),
        wrong("ATL-USR-002", NOT_MEASURED, "nothing of what the custom role collecting allows",
              users=[user("app", "collecting@admin")], custom_roles=[custom("collecting")]),
        wrong("ATL-USR-002", PASS, "holds collecting@admin", users=[user("app", "collecting@admin")],
              custom_roles=[custom("collecting", "read@lead_generation", RENAME_COLLECTION_SAME_DB="lead_generation")]),
        wrong("ATL-NET-001", FAIL, "0.0.0.0/0 is open", access_list=[{"cidrBlock": "0.0.0.0/0"}]),
        wrong("ATL-NET-001", FAIL, "::/0 is open", access_list=[{"cidrBlock": "::/0"}]),
        wrong("ATL-NET-001", FAIL, "0.0.0.0/0 is open",
              access_list=[{"cidrBlock": "0.0.0.0/1"}, {"cidrBlock": "128.0.0.0/1"}]),
        wrong("ATL-NET-002", WARN, "203.0.0.0/16", access_list=[{"cidrBlock": "203.0.0.0/16"}]),
        wrong("ATL-BCK-001", FAIL, "backup is off", backup=False),
        wrong("ATL-BCK-002", FAIL, "no completed on-demand", snapshots=[snapshot(), snapshot("onDemand", "failed")]),
        wrong("ATL-BCK-002", FAIL, "none was restored", restores=[]),
        wrong("ATL-BCK-003", WARN, "is off", point_in_time=False),
        wrong("ATL-ENC-001", FAIL, "does not use them", encryption={"awsKms": {"enabled": True}}),
        wrong("ATL-AUD-001", MANUAL, "auditing is off", auditing={"enabled": False}),
        wrong("PIPE-QRY-003", FAIL, "COLLSCAN", slow_queries=[slow(LEADS, {"email": "a@b.example"})]),
        wrong("PIPE-QRY-003", FAIL, "9,000 ms", slow_queries=[slow(TRIED, {"email": "a@b.example"}, ms=9_000)]),
        wrong("BKP-ATL-001", FAIL, "no completed snapshot", snapshots=[]),
        wrong("BKP-ATL-001", FAIL, "newest of", snapshots=[snapshot(hours=60)]),
        wrong("BKP-ATL-002", FAIL, "no finished restore into another", restores=[restore(hexes(1), into="leads")]),
        wrong("BKP-ATL-002", FAIL, "no finished restore", restores=[restore(hexes(1), failed=True)]),
        wrong("BKP-ATL-003", WARN, "of", snapshots=[snapshot(hours=30)]),
        wrong("BKP-ATL-003", FAIL, "of", snapshots=[snapshot(hours=60)]),
        wrong("BKP-ATL-003", NOT_MEASURED, "no completed", snapshots=[]),
        wrong("BKP-ATL-004", WARN, "1 snapshots", snapshots=[snapshot(), snapshot(status="failed")]),
        wrong("GATE-MON-001", FAIL, "replication lag (metric OPLOG_SLAVE_LAG_MASTER_TIME)",
              alerts=[alert("OUTSIDE_METRIC_THRESHOLD", "NORMALIZED_SYSTEM_CPU_USER", 80)]),
        wrong("MON-ATL-001", WARN, "210 of 220 provisioned", iops=220),
        wrong("MON-ATL-002", WARN, f"would create: {LEADS}",
              suggested=[{"id": hexes(4), "namespace": LEADS, "index": [{"tags": 1}], "weight": 2.0,
                          "avgObjSize": 1.0, "impact": []}]),
        wrong("MON-ATL-003", WARN, f"would drop: {LEADS}",
              droppable={"unusedIndexes": [{"namespace": LEADS, "name": "tags_1",
                                            "index": [{"tags": 1}], "accessCount": 0, "sizeBytes": 4096}]}),
    ],
)  # fmt: skip
def test_what_is_wrong_at_atlas_is_seen(atlas, check_id, verdict, words, state):
    for name, value in state.items():
        setattr(atlas.state, name, value)
    check = judged(production(atlas), phase=definition(check_id).phase)[check_id]
    assert (check.verdict, words in check.evidence) == (verdict, True), check
    assert "a@b.example" not in check.evidence and check.remedy


def test_trials_of_other_runs_and_batches_of_ours_are_no_slow_queries(atlas):
    other = f"lead_generation.leadbook_scratch_pipeline_65f00000_{'1' * 24}abcdef"
    batch = slow(TRIED, {})
    batch["line"] = batch["line"].replace('"find": ', '"insert": ')
    atlas.state.slow_queries = [slow(other, {"email": "a@b.example"}), batch]
    assert judged(production(atlas), phase="04")["PIPE-QRY-003"].verdict is PASS


def test_an_alert_that_is_off_or_tells_nobody_is_missing(atlas):
    off, silent = atlas.state.alerts[:2]
    off["enabled"], silent["notifications"] = False, [{**silent["notifications"][0], "emailEnabled": False}]
    check = judged(production(atlas))["GATE-MON-001"]
    assert check.verdict is FAIL and "NORMALIZED_SYSTEM_CPU_USER" in check.evidence
    assert "DISK_PARTITION_SPACE_USED_DATA" in check.evidence


def test_a_persons_word_cannot_outvote_what_the_api_shows(atlas, tmp_path):
    atlas.state.access_list = [{"cidrBlock": "0.0.0.0/0"}]
    check = judged(production(atlas, attestations_file=signed(tmp_path, "ATL-NET-001")))["ATL-NET-001"]
    assert check.verdict is FAIL


def test_where_atlas_denies_the_role_is_named_and_an_attestation_counts(atlas, tmp_path):
    atlas.state.key_roles = {"Project Read Only"}
    found = judged(production(atlas, attestations_file=signed(tmp_path, "ATL-AUD-001")))
    assert found["ATL-NET-001"].verdict is PASS
    denied = found["ATL-BCK-002"]
    assert denied.verdict is NOT_MEASURED and "Project Backup Manager" in denied.evidence + denied.remedy
    assert "attest it" in denied.remedy
    assert found["ATL-AUD-001"].verdict is PASS and "does not show it" in found["ATL-AUD-001"].evidence
    assert found["BKP-ATL-004"].verdict is NOT_MEASURED


def test_a_tier_that_does_not_offer_it_never_passes(atlas):
    atlas.state.tier = "M0"
    found = judged(production(atlas))
    assert found["ATL-CLU-001"].verdict is FAIL and found["BCH-LOG-004"].verdict is FAIL
    unseen = {"ATL-TLS-001", "BKP-ATL-003", "MON-ATL-001", "MON-ATL-002", "PIPE-QRY-003", "ATL-ENC-001"}
    assert {found[one].verdict for one in unseen} == {NOT_MEASURED}


def blocked(found: dict[str, Check], why: str) -> None:
    assert {check.verdict for check in found.values()} == {NOT_MEASURED}
    assert all(why in check.evidence and check.remedy for check in found.values())


def test_another_cluster_is_not_judged(atlas):
    blocked(judged(production(atlas), "mongodb://app:x@127.0.0.9:27017/"), "127.0.0.9")


def test_an_api_that_is_away_or_without_keys_is_not_measured(atlas, monkeypatch):
    monkeypatch.setenv("ATLAS_API_URL", "http://127.0.0.1:9")
    blocked(judged(production(atlas)), "127.0.0.1:9")
    for name in atlas.environment():
        monkeypatch.delenv(name)
    blocked(judged(production(atlas)), "ATLAS_CLIENT_ID")


def test_without_a_project_everything_is_attested_as_before(atlas):
    found = judged(production(atlas, atlas_project=""))
    assert {found[one].verdict for one in BY_ATLAS} == {MANUAL}
    assert {found[one].verdict for one in ONLY} == {NOT_APPLICABLE} and not atlas.requests


def test_a_rehearsal_asks_nobody(atlas):
    found = judged(Settings.from_mapping({"atlas_project": atlas.state.project}))
    assert {check.verdict for check in found.values()} == {NOT_APPLICABLE} and not atlas.requests


def test_documents_and_tables_name_what_atlas_told(atlas):
    book = Book(production(atlas))
    facts = p01.console(book).found
    assert facts["instance_type"] == "M30" and facts["region"] == "EU_CENTRAL_1"
    assert not any("203.0.113" in str(value) and "comment" in str(value) for value in facts.values())
    untold = p01.console(Book(production(atlas, atlas_project=""))).found
    assert any("not known" in str(value) for value in untold.values())
    seen = see_atlas(book)
    assert seen.highest("cpu")[0] == pytest.approx(25.0) and seen.highest("memory")[0] == pytest.approx(48.75)
    assert seen.highest("disk")[0] == pytest.approx(20.93) and seen.snapshot_age[0] == pytest.approx(3, abs=0.1)
    assert len(seen.tables[0].frame) == 3 and len(gate.monitoring(book).tables[0].frame) == 5
    assert [len(table.frame) for table in p06.attested(book).tables] == [3, 1]


def test_the_user_that_n8n_has_is_judged_besides_the_applications(atlas):
    atlas.state.users = [user("app", "readWrite@lead_generation"), user("n8n", "readWriteAnyDatabase@admin")]
    settings = production(atlas)
    book = Book(settings)  # whose end closes the project
    for known, count, words in (({"n8n"}, 1, "n8n's user n8n holds readWriteAnyDatabase@admin"),
                                ({"app"}, 0, "the application's user holds readWrite@lead_generation"),
                                (set(), 0, "by which user n8n is logged in is not known")):  # fmt: skip
        ask = access.besides(atlas_of(book), URI, settings, lambda known=known: known)["ATL-USR-002"]
        value, told = ask()
        assert value == count and words in told
