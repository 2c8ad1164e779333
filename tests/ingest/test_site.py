"""Where a pipeline works: the answers on which outcomes rest are the primary's, whatever the address says."""

from dataclasses import replace

import pytest
from pymongo import ReadPreference

from ingest.vendor_records import contact, person
from leadbook.ingest.site import Site


@pytest.mark.trust(
    way="the application's address says readPreference=secondary, a stricter readConcernLevel or retryWrites=false",
    status=None, says=("stored 20, filled 20, duplicate 20, failed 0",),
    leaves="outcomes as ever: what decides them is read from the primary",
)  # fmt: skip
def test_an_address_that_reads_elsewhere_changes_no_outcome(site, leads, ingest, vendor_file, endpoints, trust):
    options = "readPreference=secondary&readConcernLevel=majority&retryWrites=false&w=1"
    address = endpoints.mongodb_uri + ("&" if "?" in endpoints.mongodb_uri else "?") + options
    there = Site(endpoints=replace(endpoints, mongodb_uri=address), settings=site.settings, use_cache=False)
    collection = there.tools().store.collection
    assert collection.read_preference is ReadPreference.PRIMARY and collection.read_concern.level == "local"
    slugs = [f"p{number}" for number in range(20)]
    people = vendor_file(*map(person, slugs))
    both = ingest(people, site=there).ledger
    contacts = [contact(slug, Email=f"{slug}@shop.example") for slug in slugs]
    both += ingest(vendor_file(*contacts, name="apollo.jsonl"), vendor="apollo", site=there).ledger
    both += ingest(people, site=there).ledger
    assert there.tools().store.transactions
    said = f"stored {both.stored}, filled {both.filled}, duplicate {both.duplicates}, failed {both.failed}"
    trust.check(None, said)
    assert leads.count_documents({}) == 20
