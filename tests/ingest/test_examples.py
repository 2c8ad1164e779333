"""Examples of rejects are masked."""

from ingest.vendor_records import person
from leadbook.phases.p04.examples import rejected_examples


def test_one_masked_example_for_each_reason(ingest, vendor_file, database, settings):
    ingest(vendor_file(person("ben-secret", name="Ben Secret", position=None), person("x", name=None), "{broken"))
    shown = rejected_examples(database[settings.rejected_collection])
    assert sorted(shown["reason"]) == ["broken_json", "missing_full_name", "missing_job_title"]
    text = shown.to_string()
    assert "B*** S***" in text and "/in/b***" in text and "ecret" not in text
    assert "leads.jsonl, record 3" in text


def test_nothing_rejected_is_an_empty_table(database, settings):
    assert rejected_examples(database[settings.rejected_collection]).empty
