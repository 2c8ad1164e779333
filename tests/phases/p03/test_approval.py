"""In production benchmarks write only where they are approved; unapproved they read, and go on to the end."""

import pytest

from leadbook.bench import indexes, lookups, pools, profiler
from leadbook.core.definitions import catalogue
from leadbook.core.errors import LeadbookError, ParameterError, RefusedError
from leadbook.page import style
from leadbook.phases.p03.sections import AREAS, UNMEASURED, Benchmarks
from leadbook.rehearsal import sample
from leadbook.schema.indexes import INDEXES
from leadbook.schema.state import create_like

NAMED = {index.name: index for index in INDEXES}

READS = {"BCH-DUP-001", "BCH-DUP-002", "BCH-DUP-003", "BCH-DUP-005", "BCH-FND-001", "BCH-FND-002", "BCH-CNT-001",
         "BCH-POOL-001"}  # fmt: skip
WRITES = {"BCH-INS-001", "BCH-WC-001", "BCH-RDS-001", "BCH-IDX-001", "BCH-LOG-001", "BCH-REF-001"}


@pytest.fixture
def unapproved(place, monkeypatch):
    """A place in production without any approval; few calls."""
    monkeypatch.setattr(lookups, "SINGLES_IN_ALL", (60, 1))
    monkeypatch.setattr(pools, "MONGODB_THREADS", (10,))
    place.settings = place.settings.model_copy(update={"profile": "production"})
    return place


def all_shown(place):
    """Every section of notebook 03, in its order, and all that it shows."""
    bench = Benchmarks.of(place)
    measured = [bench.inserts, bench.write_concerns, bench.duplicate_checks, bench.finds, bench.connections,
                bench.index_prices, bench.slow_query, bench.references]  # fmt: skip
    sections = [bench.subject(), *(measure() for measure in measured), bench.document([])]
    assert "Not measured" in sections[-1].documents[0].markdown and sections[0].facts["environment"]
    assert all(style.png(plot.figure) for section in sections for plot in section.plots)
    assert all(section.sentences == (UNMEASURED,) for section in sections[1:-1] if section.found is None)
    return sections[0].sentences[0], {check.id: check for section in sections for check in section.checks}


def written(admin, database, after):
    """Operations on the leads' database in the oplog since then."""
    query = {"ts": {"$gt": after}, "ns": {"$regex": f"^{database}\\."}}
    return list(admin["local"]["oplog.rs"].find(query))


def last(admin):
    return admin["local"]["oplog.rs"].find_one(sort=[("$natural", -1)])["ts"]


@pytest.mark.trust(
    way="03 is run on production without approve='benchmarks on DATABASE'",
    status=None,
    says=("nothing is written", "approve='benchmarks on leadbook_test'"),
    leaves="Nothing: leads are read, everything else is not measured, and the notebook runs to its end.",
)
def test_unapproved_benchmarks_read_and_write_nothing(unapproved, admin, clean_redis, trust):
    leads = create_like(unapproved.database, unapproved.settings.collection, unapproved.settings)
    leads.insert_many(sample.documents(300, seed=1))
    before, indexed = last(admin), list(leads.list_indexes())
    profile = profiler.current(admin[unapproved.settings.database])
    says, checks = all_shown(unapproved)
    assert written(admin, unapproved.settings.database, before) == []
    assert (list(leads.list_indexes()), clean_redis.dbsize()) == (indexed, 0)
    assert profiler.current(admin[unapproved.settings.database]) == profile
    assert all(checks[one].measured is not None or "host busy" in checks[one].evidence for one in READS)
    assert {checks[one].verdict.value for one in WRITES} == {"not measured"}
    assert all("approve='benchmarks on leadbook_test'" in checks[one].remedy for one in WRITES)
    trust.check(None, says)


def test_with_no_lead_stored_and_no_approval_nothing_is_measured_and_nothing_breaks(unapproved, admin):
    before = last(admin)
    says, checks = all_shown(unapproved)
    assert written(admin, unapproved.settings.database, before) == []
    assert {check.verdict.value for check in checks.values()} == {"not measured"}
    assert "No lead is stored" in says


def test_an_approval_of_another_database_is_refused(unapproved):
    unapproved.settings = unapproved.settings.model_copy(update={"approve": "benchmarks on other"})
    with pytest.raises(ParameterError, match="approves benchmarks on other"):
        Benchmarks.of(unapproved)


@pytest.mark.parametrize("write", ["scratch", "lone", "keep"])
def test_no_door_of_a_place_is_open_without_approval(unapproved, scratches, write):
    doors = {
        "scratch": lambda: unapproved.scratch("x").__enter__(),
        "lone": lambda: unapproved.lone({"x": INDEXES[:1]}).__enter__(),
        "keep": lambda: unapproved.keep("x", 1),
    }
    with pytest.raises(RefusedError, match="not approved"):
        doors[write]()
    assert scratches() == []


def test_an_index_that_others_use_is_never_hidden(place):
    leads = create_like(place.database, place.settings.collection, place.settings)
    short, long = NAMED["idx_company_name"], NAMED["idx_company_name_location_state"]
    with pytest.raises(RefusedError, match="not a scratch collection"):
        indexes.hide_and_measure(place, leads, short, long)
    assert not [one for one in leads.list_indexes() if one.get("hidden")]


def test_approved_benchmarks_are_made(unapproved, admin):
    unapproved.settings = unapproved.settings.model_copy(
        update={"approve": f"benchmarks on {unapproved.settings.database}", "bench_leads": 1_000}
    )
    bench = Benchmarks.of(unapproved)
    assert bench.filled.count_documents({}) == 1_000
    assert {check.verdict.value for check in bench.slow_query().checks} == {"pass"}


def test_every_check_of_the_benchmarks_is_answered_by_one_measurement():
    measured = [one.id for one in catalogue().values() if one.phase == "03" and one.kind == "measured"]
    areas = [prefix for prefixes in AREAS.values() for prefix in prefixes]
    assert [one for one in measured if sum(one.startswith(area) for area in areas) != 1] == []


def test_out_of_order_the_document_says_which_cell_comes_first_and_after_the_end_nothing_is_measured(place):
    bench = Benchmarks.of(place)
    with pytest.raises(LeadbookError, match="inserts: run that section's cell first"):
        bench.document([])
    bench.close()
    with pytest.raises(LeadbookError, match="run the notebook from its first code cell"):
        bench.inserts()
