"""The command line's functions: one clear error for each thing a user can get wrong, and the ledger otherwise."""

import gzip
from functools import partial

import pytest

from ingest.vendor_records import person
from leadbook.analysis.sessions import cut_short, read_sessions
from leadbook.commands import leads as commands
from leadbook.core.errors import InputFileError, LeadbookError, ParameterError, UnreachableError, UsageError
from leadbook.core.journal import Journal
from leadbook.schema import guard


def test_the_ledger_is_json_ready_and_complete(site, vendor_file):
    ledger = commands.ingest_files([vendor_file(person("ana"), "{broken")], "Bright Data", site.settings)
    assert list(ledger) == [
        "read",
        "stored",
        "filled",
        "duplicate",
        "rejected",
        "failed",
        "seconds",
        "leads_per_second",
    ]
    assert (ledger["read"], ledger["stored"], ledger["rejected"]) == (2, 1, {"broken_json": 1})


def test_a_missing_file_is_said_before_any_file_is_read(site, leads, vendor_file, tmp_path):
    with pytest.raises(InputFileError, match="no such file"):
        commands.ingest_files([vendor_file(person("ana")), tmp_path / "missing.csv"], "brightdata", site.settings)
    assert leads.count_documents({}) == 0


def test_an_unknown_vendor_gets_a_hint(site, vendor_file):
    with pytest.raises(ParameterError, match="did you mean 'apollo'"):
        commands.ingest_files([vendor_file(person("ana"))], "apolo", site.settings)


def test_an_unreachable_server_is_one_line(settings, vendor_file, monkeypatch):
    monkeypatch.setenv("MONGODB_URI", "mongodb://localhost:9/")
    monkeypatch.setenv("REDIS_URL", "redis://localhost:9/0")
    quick = settings.model_copy(update={"server_selection_timeout_ms": 200})
    with pytest.raises(UnreachableError, match="MongoDB at localhost:9"):
        commands.ingest_files([vendor_file(person("ana"))], "brightdata", quick)


def test_a_file_that_breaks_off_keeps_what_was_read_and_says_so(site, leads, tmp_path):
    lines = b"".join(b'{"id":"p%d"}\n' % number for number in range(40_000))
    whole = gzip.compress(lines, mtime=0)
    path = tmp_path / "broken-off.jsonl.gz"
    path.write_bytes(whole[: len(whole) * 2 // 3])
    with pytest.raises(commands.IncompleteError, match=r"until then read \d+"):
        commands.ingest_files([path], "brightdata", site.settings)


PARTIAL = {"partialFilterExpression": {"email": {"$gt": ""}}}


@pytest.mark.trust(
    way="the unique index on linkedin_url is dropped, or replaced by one that covers some leads only, before an ingest",
    status=2, says=("has no unique index on linkedin_url", "run phase 02 of this profile"),
    leaves="nothing is written; the schema is applied, then the same command again",
)  # fmt: skip
@pytest.mark.parametrize("instead", [None, {}, PARTIAL], ids=["none", "not unique", "partial"])
def test_without_the_unique_index_nothing_is_ingested(site, leads, vendor_file, trust, instead):
    leads.drop_index("idx_linkedin_url_unique")
    if instead is not None:
        leads.create_index("linkedin_url", unique=bool(instead), **instead)
    settings = site.settings.model_copy(update={"apply_schema": False})
    with pytest.raises(LeadbookError) as caught:
        commands.ingest_files([vendor_file(person("ana"))], "brightdata", settings)
    trust.check(caught.value.exit_status, str(caught.value))
    assert leads.count_documents({}) == 0
    with pytest.raises(LeadbookError, match="no unique index"):
        guard.refuse_without_unique_index(leads)


W0 = {"parameter": {"write_concern": "0"}, "w=0 in the address": "w=0", "W=0 in the address": "W=0"}


@pytest.mark.trust(
    way="writes are sent with w: 0, by the parameter or by the address, in an ingest, a drain, a replay or a CRM run",
    status=2, says=("parameter 'write_concern'", "w: 0", "take w=0 out of the address"),
    leaves="nothing is written: the refusal comes before the first write",
)  # fmt: skip
@pytest.mark.parametrize("asked", W0.values(), ids=W0)
@pytest.mark.parametrize("what", ["files", "staged", "replay", "crm"])
def test_what_counts_outcomes_refuses_unacknowledged_writes(
    endpoints, database, settings, vendor_file, monkeypatch, trust, what, asked
):
    settings = settings.model_copy(update={"crm": True, **(asked if isinstance(asked, dict) else {})})
    if isinstance(asked, str):
        settings = settings.model_copy(update={"profile": "production"})
        address = endpoints.mongodb_uri.replace("w=majority", "")
        monkeypatch.setenv("MONGODB_URI", f"{address}{'&' if '?' in address else '?'}{asked}")
        monkeypatch.setenv("REDIS_URL", endpoints.redis_url)
    run = {
        "files": lambda: commands.ingest_files([vendor_file(person("ana"))], "brightdata", settings),
        "staged": lambda: commands.ingest_staged(settings),
        "replay": lambda: commands.replay_rejected(settings),
        "crm": lambda: commands.crm_sync(settings),
    }[what]
    with pytest.raises(ParameterError) as caught:
        run()
    trust.check(caught.value.exit_status, str(caught.value))
    assert database.list_collection_names() == []


@pytest.mark.parametrize("vendor", ["apollo", "appolo"])
@pytest.mark.trust(
    way="`leadbook ingest` with the name of another vendor, or of none", status=2,
    says=("did you mean",), leaves="nothing is read or written",
)  # fmt: skip
def test_a_file_of_another_vendor_is_refused_before_it_is_read(site, leads, vendor_file, trust, vendor):
    with pytest.raises(UsageError) as caught:
        commands.ingest_files([vendor_file(person("ana"))], vendor, site.settings)
    trust.check(caught.value.exit_status, str(caught.value))
    assert "\n" not in str(caught.value) and leads.count_documents({}) == 0


@pytest.mark.trust(
    way="a file is still being written, or replaced, while `leadbook ingest FILE` reads it", status=2,
    says=("was changed or moved while it was read", "run it again"),
    leaves="what was read is stored; the file counts as not read to its end until the same command ends with 0",
)  # fmt: skip
@pytest.mark.parametrize("how", ["grows", "replaced", "moved"])
def test_a_file_that_changes_while_it_is_read_is_not_read_to_its_end(
    site, leads, endpoints, vendor_file, monkeypatch, trust, how
):
    path, run = vendor_file(person("ana")), commands.pipeline.run
    more = vendor_file(person("ana"), person("bea"), name="more.jsonl")
    acts = {
        "grows": lambda: path.write_bytes(more.read_bytes()), "replaced": lambda: more.rename(path),
        "moved": lambda: path.rename(path.with_name("gone.jsonl")),
    }  # fmt: skip

    def meanwhile(*given, act, **named):
        result = run(*given, **named)
        act()
        return result

    journal = Journal(leads.database, endpoints.mongodb_uri)
    monkeypatch.setattr(commands.pipeline, "run", partial(meanwhile, act=path.touch))
    commands.ingest_files([path], "brightdata", site.settings)
    assert not cut_short(read_sessions(journal)), "only touched"
    monkeypatch.setattr(commands.pipeline, "run", partial(meanwhile, act=acts[how]))
    with pytest.raises(commands.IncompleteError) as caught:
        commands.ingest_files([path], "brightdata", site.settings)
    trust.check(caught.value.exit_status, str(caught.value))
    assert leads.count_documents({}) == 1 and len(cut_short(read_sessions(journal))) == 1


def test_rejects_of_two_files_of_one_name_hide_nothing(site, database, vendor_file):
    kept = database[site.settings.rejected_collection]
    first = [person("ana"), "{broken"]
    for records in (first, first, [*first, person("bea")]):
        commands.ingest_files([vendor_file(*records)], "brightdata", site.settings)
    assert kept.count_documents({}) == 2, "the same file again adds none"
