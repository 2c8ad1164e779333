"""Single fields: texts, names, titles, companies, places, e-mails, phones, dates, masks."""

import random
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leadbook.ingest.normalize import dates, names, phones, places, titles
from leadbook.lead import companies, emails, texts


@pytest.mark.parametrize(
    "text",
    ["", "--", "—", "none", "NULL", "N/A", "n/a", "#N/A", ". at .", "...", "Not available", "undefined", "(blank)"],
)
def test_placeholders(text):
    assert texts.is_placeholder(text)


@pytest.mark.parametrize("text", ["Nana", "Nullman", "at Acme", "C", "7", "王", "No Data Ltd"])
def test_what_only_looks_like_a_placeholder(text):
    assert not texts.is_placeholder(text)


def test_tidy():
    assert texts.tidy("  Fish &amp;amp; Chips\u200b \r\n Ltd&nbsp;\0") == "Fish & Chips Ltd"
    assert texts.tidy("می\u200cخواهم") == "می\u200cخواهم", "a joiner inside a Persian word stays"
    assert texts.tidy("Ja\u200cne") == "Jane"
    assert texts.tidy(None) == texts.tidy(True) == texts.tidy({"a": 1}) == ""
    assert texts.tidy(42) == "42"


@settings(max_examples=120, deadline=None)
@given(st.text(max_size=80))
def test_tidy_text_is_one_line_without_controls(text):
    tidied = texts.tidy(text)
    assert not any(ord(character) < 32 or 0xD800 <= ord(character) < 0xE000 for character in tidied)
    assert tidied == tidied.strip() and "  " not in tidied


@given(st.text(max_size=400), st.integers(2, 300))
def test_cut_never_exceeds(text, length):
    assert len(texts.cut(text, length)) <= length


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        ("mary o'neill-smith", "Mary O'Neill-Smith"),
        ("ludwig van beethoven", "Ludwig van Beethoven"),
        ("LinkedIn Member", ""),
        ("李小龙", "李小龙"),
        ("Jane", "Jane"),
        ("JANE DOE", "JANE DOE"),
        ("jane@example.com", ""),
        ("???", ""),
        ("Dr Who", "Dr Who"),
        ("Anne-Marie Müller, M.Sc.", "Anne-Marie Müller"),
        ("🎯", ""),
        ("Jane Doe ✔", "Jane Doe"),
        ("DOE, JANE", "DOE, JANE"),
    ],
)
def test_names(raw, name):
    assert names.person(raw) == name


def test_companies_as_people():
    assert names.is_company("Example Media LLC") and names.is_company("Bright Marketing Agency")
    assert not names.is_company("Vincent Incandela") and not names.is_company("Jane Doe")


@pytest.mark.parametrize(
    ("raw", "title", "company"),
    [
        ("Growth Lead at Example", "Growth Lead", "Example"),
        ("CMO @ Example | Speaker", "CMO", "Example"),
        ("Head of Growth", "Head of Growth", ""),
        ("Speaker | Growth Lead at Example", "Growth Lead", "Example"),
        (". at .", "", ""),
        ("Manager at --", "Manager", ""),
        ("Marketing @Example", "Marketing", "Example"),
        ("  PPC  ", "PPC", ""),
    ],
)
def test_titles(raw, title, company):
    read = titles.read(raw)
    assert (read.title, read.company) == (title, company)


def test_lower_case_titles():
    assert titles.capitalised("vp of ppc and performance marketing") == "VP of PPC and Performance Marketing"


@pytest.mark.parametrize(
    ("raw", "size"),
    [
        ("51-200", "51-200"),
        ("51-200 employees", "51-200"),
        ("1,001-5,000", "1001-5000"),
        ("11 to 50", "11-50"),
        ("10,001+", "10001+"),
        ("Nov-50", "11-50"),
        ("10-Jan", "1-10"),
        (120, "51-200"),
        ("120", "51-200"),
        ("1", "1"),
        ("0", ""),
        ("many", ""),
        (True, ""),
        ("9" * 60, ""),
        ("200-51", ""),
        ("250000", "10001+"),
    ],
)
def test_sizes(raw, size):
    assert companies.size(raw) == size


@pytest.mark.parametrize(
    ("raw", "site"),
    [
        ("example.com", "https://example.com"),
        ("HTTP://WWW.Example.com/", "http://www.example.com"),
        ("none", ""),
        ("localhost", ""),
        ("https://www.linkedin.com/company/x", ""),
        ("javascript:alert(1)", ""),
        ("münchen.example", "https://xn--mnchen-3ya.example"),
        ("example.com/a b", ""),
        ("https://example.com/" + "a" * 400, "https://example.com"),
        ("jane@example.com", ""),
        ("www.example.com:8080/x", "https://www.example.com/x"),
    ],
)
def test_websites(raw, site):
    assert companies.website(raw) == site


@pytest.mark.parametrize(
    ("whole", "city", "state", "country"),
    [
        ("Phoenix, Arizona, United States", "Phoenix", "AZ", "USA"),
        ("Phoenix, AZ", "Phoenix", "AZ", "USA"),
        ("Toronto, Ontario", "Toronto", "ON", "Canada"),
        ("Paris, France", "Paris", "", "France"),
        ("Berlin", "Berlin", "", ""),
        ("Tbilisi, Georgia", "Tbilisi", "GA", "USA"),
        ("Singapore", "Singapore", "", "Singapore"),
        ("California", "", "CA", "USA"),
        ("New York City Metropolitan Area", "New York City", "", ""),
        ("London, England, UK", "London", "England", "United Kingdom"),
        ("Sydney, New South Wales, Australia", "Sydney", "NSW", "Australia"),
        ("Remote", "", "", ""),
        ("--", "", "", ""),
        ("Greater London, England, United Kingdom", "London", "England", "United Kingdom"),
        ("x" * 200, "", "", ""),
        ("Istanbul, Türkiye", "Istanbul", "", "Turkey"),
        ("São Paulo, Brasil", "São Paulo", "", "Brazil"),
    ],
)
def test_whole_places(whole, city, state, country):
    assert places.read(whole)[:3] == (city, state, country)


def test_columns_win_over_the_whole_place():
    assert places.read("Greater Boston", "Boston", "Massachusetts", "US")[:3] == ("Boston", "MA", "USA")
    assert places.read("Tbilisi, Georgia", "", "", "Georgia").country == "Georgia"


@pytest.mark.parametrize(
    ("raw", "keys"),
    [
        ("Jane.Doe@Example.com", ["jane.doe@example.com"]),
        ("J.A.N.E@gmail.com", ["jane@gmail.com"]),
        ("j.a+x.y@googlemail.com", ["ja+x.y@googlemail.com"]),
        ("j.d@example.com", ["j.d@example.com"]),
        ("mailto:jane@example.com?subject=x", ["jane@example.com"]),
        ("Jane Doe <jane@example.com>", ["jane@example.com"]),
        ("a@example.com; b@example.com", ["a@example.com", "b@example.com"]),
        ("a@example.com,A@EXAMPLE.com", ["a@example.com"]),
        ("'jane@example.com", ["jane@example.com"]),
        ("jane@münchen.example", ["jane@xn--mnchen-3ya.example"]),
        ("o'neil@example.com", ["o'neil@example.com"]),
        ("jane@localhost", []),
        ("jane@@example.com", []),
        ("jane..doe@example.com", []),
        ("jane@example", []),
        ("jane", []),
        ("@", []),
        (".jane@example.com", ["jane@example.com"]),
        ("a" * 65 + "@example.com", []),
        ("jane\u200b@example.com", ["jane@example.com"]),
    ],
)
def test_emails(raw, keys):
    assert [email.key for email in emails.parse(raw)[0]] == keys


@settings(max_examples=120, deadline=None)
@given(st.one_of(st.text(max_size=60), st.emails()))
def test_emails_never_crash_and_keys_stay_keys(text):
    for email in emails.parse(text)[0]:
        assert emails.key_form(email.key) == email.key and len(email.key) <= 255
        assert [again.key for again in emails.parse(email.key)[0]] == [email.key]


@pytest.mark.parametrize(
    ("raw", "region", "e164"),
    [
        ("+1-555-123-4567", None, "+15551234567"),
        ("020 7946 0958", "GB", "+442079460958"),
        ("+44 (0)20 7946 0958", "US", "+442079460958"),
        ("(415) 555-2671 ext. 12", "US", "+14155552671"),
        ("415.555.2671; 415.555.2672", "US", "+14155552671"),
        ("12", "US", None),
        ("call me", None, None),
        ("0049 30 901820", "DE", "+4930901820"),
        ("=+1 415 555 2671", "US", "+14155552671"),
        ("4155552671", None, "+14155552671"),
    ],
)
def test_phones(raw, region, e164):
    phone = phones.parse(raw, region)
    assert (phone.e164 if phone else None) == e164


def test_the_fast_way_gives_what_the_library_gives():
    generator, compared = random.Random(3), 0
    for _ in range(4_000):
        region = generator.choice([None, "US", "GB", "DE", "AU", "CA", "IN", "BR", "JP"])
        code = generator.choice(
            ["1", "1415", "1800", "1416", "44", "4420", "447", "49151", "61", "612", "33", "91", "7", "39", "55", "81"]
        )
        number = f"+{code}{generator.randrange(10 ** generator.choice((6, 7, 8, 9, 10)))}"
        fast = phones._fast(number, region)
        if fast is not None:
            assert fast == phones._parse(number, region), number
            compared += 1
    assert compared > 300


@settings(max_examples=120, deadline=None)
@given(st.text(alphabet="0123456789+-() .xext'\u200b", max_size=30), st.sampled_from([None, "US", "GB", "DE", "AU"]))
def test_phones_are_e164_or_nothing_and_stable(text, region):
    phone = phones.parse(text, region)
    if phone is not None:
        assert phone.e164[0] == "+" and phone.e164[1:].isdigit() and len(phone.e164) <= 16
        assert phones.parse(phone.e164, region).e164 == phone.e164


NOON = datetime(2025, 1, 29, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("raw", "moment"),
    [
        ("2025-01-29T12:00:00.000Z", NOON),
        ("2025-01-29T13:00:00+01:00", NOON),
        ("2025-01-29 12:00:00", NOON),
        (1738152000, NOON),
        (1738152000000, NOON),
        ("1738152000", NOON),
        ("01/29/2025 12:00 PM", NOON),
        ("2025-01-29", NOON.replace(hour=0)),
        (NOON.replace(tzinfo=None), NOON),
        ("yesterday", None),
        ("", None),
        (None, None),
        (True, None),
        (float("nan"), None),
        (10**40, None),
        ("13/45/2025", None),
        ("0001-01-01T00:00:00+23:59", None),
        ("1970-01-01", None),
    ],
)
def test_dates(raw, moment):
    assert dates.utc(raw) == moment
