"""Vendors as data, and their files read whatever their format, encoding and compression."""

import csv
import gzip
import io
import json
import tracemalloc
from pathlib import Path

import pytest
import yaml
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from leadbook.core.errors import InputFileError, ParameterError
from leadbook.ingest.normalize.clean import clean
from leadbook.ingest.readers import records
from leadbook.ingest.readers.records import read_records
from leadbook.lead import vendors
from leadbook.lead.vendors import load_vendor, vendor_names

BRIGHT, APOLLO = load_vendor("brightdata"), load_vendor("apollo")
PROFILE = {
    "url": "https://www.linkedin.com/in/jane",
    "name": "Jane Dö",
    "position": "CMO",
    "current_company_name": "X Co",
}


@pytest.fixture
def written(tmp_path):
    """Writes bytes or text into a file and gives its path."""

    def write(content, name="file.bin") -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def rows(path, vendor=BRIGHT):
    return list(read_records(path, vendor))


def lines(count):
    return "".join(json.dumps(PROFILE | {"id": f"jane-{n}"}, ensure_ascii=False) + "\n" for n in range(count))


def table(*data, delimiter=",", columns=("First Name", "Last Name", "Person Linkedin Url", "Title", "Company")):
    file = io.StringIO()
    csv.writer(file, delimiter=delimiter).writerows([columns, *data])
    return file.getvalue()


JANE = ("Jane", "Dö", "http://linkedin.com/in/jane", "CMO", "X Co")


# --------------------------------------------------------------------------------------------------- descriptions


def test_the_six_vendors():
    assert vendor_names() == ["apify", "apollo", "brightdata", "peopledatalabs", "phantombuster", "salesnavigator"]
    for name in vendor_names():
        vendor = load_vendor(name)
        assert vendor.name == name and len(vendor.data_source) <= 50 and "linkedin_url" in vendor.fields


@pytest.mark.parametrize(
    ("alias", "name"),
    [("bright-data", "brightdata"), ("Bright Data", "brightdata"), ("pdl", "peopledatalabs"),
     ("sales_navigator", "salesnavigator"), ("Sales Navigator", "salesnavigator"), ("APOLLO", "apollo")],
)  # fmt: skip
def test_aliases(alias, name):
    assert load_vendor(alias).name == name


def test_an_unknown_vendor_is_one_clear_line():
    with pytest.raises(ParameterError, match="did you mean 'brightdata'"):
        load_vendor("brihgtdata")
    with pytest.raises(ParameterError, match="there are apify, apollo"):
        load_vendor("zzz")


def test_a_new_vendor_needs_a_file_only(tmp_path, monkeypatch):
    description = {"title": "New", "data_source": "New", "fields": {"linkedin_url": ["Link"], "full_name": ["Who"]}}
    (tmp_path / "newvendor.yaml").write_text(yaml.safe_dump(description))
    monkeypatch.setattr(vendors, "VENDORS", tmp_path)
    lead = clean({"link": "linkedin.com/in/x1y", "WHO": "Jane Doe", "Shoe": 38}, load_vendor("new vendor")).lead
    assert (lead["linkedin_url"], lead["data_source"]) == ("https://www.linkedin.com/in/x1y", "New")
    assert lead["additional_data"] == {"Shoe": 38}


@pytest.mark.parametrize(
    ("change", "problem"),
    [({"fields": {"e_mail": ["x"]}}, "unknown field 'e_mail'"), ({"colour": 1}, "colour"), ({"title": None}, "title")],
)
def test_a_wrong_description_names_the_file_and_the_key(tmp_path, monkeypatch, change, problem):
    path = tmp_path / "odd.yaml"
    path.write_text(yaml.safe_dump({"title": "Odd", "data_source": "Odd", "fields": {}} | change))
    monkeypatch.setattr(vendors, "VENDORS", tmp_path)
    with pytest.raises(InputFileError, match=problem) as caught:
        load_vendor("odd")
    assert "odd.yaml" in str(caught.value)


# --------------------------------------------------------------------------------------------------------- formats


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252", "latin-1"]
)
@pytest.mark.parametrize("packing", ["plain", "gzip", "zstd"])
@pytest.mark.parametrize("shape", ["lines", "array", "pretty", "csv"])
def test_every_shape_in_every_encoding_and_compression(written, encoding, packing, shape):
    people = [PROFILE | {"id": f"jane-{n}"} for n in range(3)]
    if shape == "csv":
        text = table(*([JANE] * 3))
    elif shape == "lines":
        text = lines(3)
    else:
        text = json.dumps(people, ensure_ascii=False, indent=2 if shape == "pretty" else None)
    raw = text.encode(encoding)
    packed = {"plain": bytes, "gzip": gzip.compress, "zstd": zstandard.ZstdCompressor().compress}[packing](raw)
    found = rows(written(packed), APOLLO if shape == "csv" else BRIGHT)
    assert [record.problem for record in found] == [None] * 3
    assert found[1].payload["Last Name" if shape == "csv" else "name"].endswith("Dö")


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_csv_delimiters(written, delimiter):
    (record,) = rows(written(table(JANE, delimiter=delimiter)), APOLLO)
    assert clean(record.payload, APOLLO).lead["full_name"] == "Jane Dö"


@pytest.mark.parametrize("header", ["company_name", "COMPANY NAME", "Company", " companyName ", "'Company'"])
def test_header_variants(written, header):
    columns = ("First Name", "Last Name", "linkedin_url", "Job Title", header)
    (record,) = rows(written(table(JANE, columns=columns)), APOLLO)
    assert clean(record.payload, APOLLO).lead["company_name"] == "X Co"


def test_excels_separator_line(written):
    (record,) = rows(written("sep=;\n" + table(JANE, delimiter=";")), APOLLO)
    assert record.number == 3 and record.problem is None


def test_mac_line_ends(written):
    assert len(rows(written(table(JANE, JANE).replace("\r\n", "\r")), APOLLO)) == 2


def test_quoted_newlines_and_long_fields(written):
    first = (*JANE[:3], "CMO\nand more", "y" * 300_000)
    found = rows(written(table(first, JANE)), APOLLO)
    assert [record.number for record in found] == [2, 4]
    assert found[0].payload["Title"] == "CMO\nand more" and len(found[0].payload["Company"]) == 300_000


def test_duplicated_headers_and_ragged_rows_lose_nothing(written):
    text = "First Name,Phone,Phone,Linkedin Url\nJane,1,2,linkedin.com/in/jane,extra,more\nJoe,3\n"
    wide, short = rows(written(text), APOLLO)
    assert wide.payload["Phone (2)"] == "2" and wide.payload["extra_columns"] == ["extra", "more"]
    assert short.payload == {"First Name": "Joe", "Phone": "3"}


def test_nul_bytes_in_csv(written):
    (record,) = rows(written("First Name,Linkedin Url\nJa\0ne,linkedin.com/in/jane\n"), APOLLO)
    assert "\0" not in clean(record.payload, APOLLO).lead["full_name"]


def test_a_quote_never_closed_loses_one_row(written):
    text = table(JANE, JANE, JANE, JANE)
    body = text.splitlines()
    body[2] = 'Jane,Doe,"http://linkedin.com/in/broken,CMO,X Co'
    found = rows(written("\n".join(body) + "\n"), APOLLO)
    assert [(record.number, record.problem) for record in found] == [(2, None), (3, "broken_csv"), (4, None), (5, None)]


def test_a_quote_never_closed_in_a_large_file_loses_one_row(written):
    good = ",".join(JANE)
    text = table() + good + '\nJane,Doe,"never closed,CMO,X Co\n' + (good + "\n") * 40_000
    problems = [record.problem for record in read_records(written(text), APOLLO)]
    assert len(problems) == 40_002 and problems.count("broken_csv") == 1


def test_brightdata_csv_with_json_in_its_cells(written):
    company = json.dumps({"name": "X Co", "company_id": "x", "title": "CMO"})
    text = table(("https://www.linkedin.com/in/jane", "Jane Doe", "--", company, "null", "NA"),
                 columns=("url", "name", "position", "current_company", "about", "region"))  # fmt: skip
    (record,) = rows(written(text))
    cleaned = clean(record.payload, BRIGHT)
    assert (cleaned.lead["company_name"], cleaned.lead["job_title"]) == ("X Co", "CMO")
    assert not {"about", "region"} & set(cleaned.lead["additional_data"])


def test_a_wrapped_answer(written):
    answer = {"status": 200, "data": [PROFILE, PROFILE], "total": 2}
    assert len(rows(written(json.dumps(answer)), load_vendor("pdl"))) == 2


def test_one_object_alone_and_objects_in_a_row(written):
    assert len(rows(written(json.dumps(PROFILE)))) == 1
    assert len(rows(written(json.dumps(PROFILE, indent=2) * 3))) == 3


def test_an_empty_array_and_a_header_alone_hold_no_record(written):
    assert rows(written("[]")) == [] and rows(written(table()), APOLLO) == []


# ------------------------------------------------------------------------------------------------- broken records


def test_a_broken_line_is_counted_and_the_rest_goes_on(written):
    good = lines(1)
    found = rows(written(good + "{broken\n" + "\n" + "[1, 2]\n" + "42\n" + good + good[:40]))
    expected = [
        (1, None),
        (2, "broken_json"),
        (4, "not_an_object"),
        (5, "not_an_object"),
        (6, None),
        (7, "broken_json"),
    ]
    assert [(record.number, record.problem) for record in found] == expected
    assert found[1].payload == {"raw": "{broken"}


def test_a_broken_item_of_an_array_is_counted_and_the_rest_goes_on(written):
    items = [json.dumps(PROFILE | {"experience": [{"a": 1}, {"b": 2}]}) for _ in range(5)]
    items[2] = items[2].replace('"name":', '"name"')
    found = rows(written("[" + ",\n".join(items) + "]"))
    assert [record.problem for record in found] == [None, None, "broken_json", None, None]


def test_a_truncated_array_keeps_what_it_has(written):
    text = json.dumps([PROFILE] * 4)
    assert [record.problem for record in rows(written(text[:-20]))] == [None, None, None, "broken_json"]
    assert [record.problem for record in rows(written(text[:-1]))] == [None] * 4 + ["broken_json"]


def test_vendor_error_rows(written):
    dead = {"error": "Crawl failed", "error_code": "dead_page", "input": {"url": "x"}}
    found = rows(written(json.dumps([dead, PROFILE | {"error": None, "error_code": ""}, {}])))
    assert [record.problem for record in found] == ["vendor_error", None, "blank_record"]


def test_values_that_json_does_not_allow(written):
    text = '{"name": "J\\ud800", "n": NaN, "i": 123456789012345678901234567890, "url": "linkedin.com/in/jane"}\n'
    (record,) = rows(written(text))
    lead = clean(record.payload, BRIGHT).lead
    assert lead["additional_data"]["i"] == "123456789012345678901234567890"
    assert lead["full_name"].encode()


def test_a_record_too_large_is_skipped_without_being_held(written, monkeypatch):
    monkeypatch.setattr(records, "MAX_RECORD_BYTES", 300_000)
    text = lines(1) + json.dumps({"about": "x" * 3_000_000}) + "\n" + lines(1)
    found = rows(written(text))
    assert [(record.number, record.problem) for record in found] == [(1, None), (2, "too_large"), (3, None)]


@pytest.mark.parametrize("depth", [50, 2_000, 200_000])
def test_deep_nesting_is_no_crash(written, depth):
    deep = '{"url": "linkedin.com/in/jane", "x": ' + "[" * depth + "]" * depth + "}\n"
    found = rows(written(deep + lines(1)))
    assert len(found) == 2 and found[1].problem is None
    clean(found[0].payload, BRIGHT)


# ---------------------------------------------------------------------------------------------------- no data at all


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "is empty"),
        (b" \n\n", "is empty"),
        (b"\xef\xbb\xbf", "is empty"),
        (b"PK\x03\x04aaaa", "Excel workbook"),
        (b"%PDF-1.7", "PDF"),
        (b"PAR1xxxx", "Parquet"),
        (bytes(range(32)) * 40, "binary"),
        (b"<!DOCTYPE html><html>", "web page"),
        (b"Dear customer,\nthank you", "no column of Bright Data"),
        (gzip.compress(lines(500).encode())[:-60], "broken compression"),
        (gzip.compress(lines(5).encode())[:20] + b"\xff" * 200, "broken compression"),
        (zstandard.ZstdCompressor().compress(lines(9000).encode())[:-30], "broken compression"),
        (b'{"status":"running","message":"Snapshot is not ready yet"}', "not ready yet; fetch them again later"),
        (b"Snapshot is not ready yet", "not ready yet; fetch them again later"),
        (b'{"status": "building"}', "not ready yet"),
    ],
)  # fmt: skip
def test_what_is_no_data_is_one_clear_line(written, content, problem):
    path = written(content)
    with pytest.raises(InputFileError, match=problem) as caught:
        rows(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_missing_files_and_directories(tmp_path):
    with pytest.raises(InputFileError, match="no such file"):
        rows(tmp_path / "absent.jsonl")
    with pytest.raises(InputFileError, match="is a directory"):
        rows(tmp_path)


def test_another_vendors_table_is_recognised(written):
    text = table(("x", "y"), columns=("profileLink", "degree"))
    with pytest.raises(InputFileError, match="it looks like"):
        rows(written(text), APOLLO)


# ------------------------------------------------------------------------------------------------- hostile input


STARTS = [
    b"",
    b"[",
    b"{",
    b'{"url": "',
    b"name,url\n",
    b'"name","url"\n"',
    gzip.compress(b"")[:4],
    b"\x28\xb5\x2f\xfd",
    b"\xff\xfe",
]
texts = st.text(max_size=300).map(lambda text: text.encode("utf-8", "surrogatepass"))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(raw=st.one_of(st.binary(max_size=300), texts), start=st.sampled_from(STARTS))
def test_no_bytes_crash_the_reader(written, raw, start):
    path = written(start + raw)
    for vendor in (BRIGHT, APOLLO):
        try:
            for record in read_records(path, vendor):
                assert isinstance(record.payload, dict) and record.number >= 1
                clean(record.payload, vendor)
        except InputFileError as error:
            assert "\n" not in str(error)


@pytest.mark.parametrize("shape", ["lines", "array", "csv"])
def test_memory_stays_constant(written, shape):
    """Ten times the records, the same peak."""
    peaks = []
    for count in (3_000, 30_000):
        if shape == "csv":
            path, vendor = written(table() + (",".join(JANE) + "\n") * count), APOLLO
        else:
            body = lines(count)
            path, vendor = written(body if shape == "lines" else "[" + body.replace("\n", ",\n")[:-2] + "]"), BRIGHT
        tracemalloc.start()
        assert sum(1 for _ in read_records(path, vendor)) == count
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < max(peaks[0] * 1.5, 4_000_000)
