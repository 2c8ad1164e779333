"""LinkedIn addresses: one form for one profile, the same again when asked again, and a reason when there is none."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leadbook.ingest.normalize import urls

JANE = "https://www.linkedin.com/in/jane-doe"


@pytest.mark.parametrize(
    "text",
    [
        JANE,
        "http://linkedin.com/in/jane-doe",
        "linkedin.com/in/jane-doe",
        "www.linkedin.com/in/jane-doe/",
        "HTTPS://WWW.LINKEDIN.COM/IN/JANE-DOE",
        "https://www.linkedin.com/in/jane-doe/en",
        "//linkedin.com/in/jane-doe",
        "https://www.linkedin.com/in/jane-doe/details/experience/",
        "https://www.linkedin.com/in/jane-doe#x?y",
        "https://www.linkedin.com/in/jane-doe/overlay/contact-info/",
        "https://www.linkedin.com/mwlite/in/jane-doe",
        "https://www.linkedin.com:443/in/jane-doe",
        "https%3A%2F%2Fwww.linkedin.com%2Fin%2Fjane-doe",
        " 'linkedin.com/in/jane-doe' ",
        '=HYPERLINK("https://www.linkedin.com/in/jane-doe","Jane")',
        "Jane: https://www.linkedin.com/in/jane-doe",
        "https://www.linkedin.com//in//jane-doe//",
        "https://www.linkedin.com/in/jane%2Ddoe",
        "https://www.linkedin.com/pub/jane-doe",
        "https://www.linkedin.com/in/jane-doe\u200b",
        "https://www.linkedin.com./in/jane-doe",
    ],
)
def test_many_spellings_one_address(text):
    assert urls.canonical(text) == urls.CanonicalUrl(JANE, "jane-doe", None, False)


def test_pub_addresses():
    assert (
        urls.canonical("https://www.linkedin.com/pub/name/a7/576/b50").url
        == "https://www.linkedin.com/in/name-b50576a7"
    )
    one, two = (urls.canonical(f"linkedin.com/pub/name/{codes}").slug for codes in ("1/23/456", "31/2/456"))
    assert one != two, "short middle parts are padded: else two people share an address"


def test_a_decomposed_letter_is_the_composed_one():
    assert urls.canonical("linkedin.com/in/jo\u0308rgen") == urls.canonical("linkedin.com/in/j%C3%B6rgen")


def test_latin_1_percent_codes():
    assert urls.canonical("linkedin.com/in/mu%F1oz").slug == "muñoz"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "blank"),
        ("   ", "blank"),
        ("jane doe", "not_linkedin"),
        ("https://example.com/in/jane", "not_linkedin"),
        ("https://linkedin.com.example.com/in/jane", "not_linkedin"),
        ("https://notlinkedin.com/in/jane", "not_linkedin"),
        ("https://linkedin.com@example.com/in/jane", "not_linkedin"),
        ("https://x:y@linkedin.com/in/jane", "not_linkedin"),
        ("https://example.com/?u=https://www.linkedin.com/in/jane", "not_linkedin"),
        ("https://lnkd.in/abc", "not_linkedin"),
        ("https://www.linkedin.com/company/example", "company_page"),
        ("linkedin.com/school/example", "company_page"),
        ("https://www.linkedin.com/feed/update/urn:li:activity:1", "not_a_profile"),
        ("linkedin.com/posts/jane-doe_x", "not_a_profile"),
        ("https://www.linkedin.com/pub/dir/jane/doe", "not_a_profile"),
        ("https://www.linkedin.com", "not_a_profile"),
        ("https://www.linkedin.com/in/", "bad_slug"),
        ("linkedin.com/in/null", "bad_slug"),
        ("linkedin.com/in/--", "bad_slug"),
        ("linkedin.com/in/a%2Fb", "bad_slug"),
        ("linkedin.com/in/a%00b", "bad_slug"),
        ("linkedin.com/in/unavailable", "bad_slug"),
        ("https://www.linkedin.com/in/" + "ж" * 90, "too_long"),
        ("https://www.linkedin.com/in/" + "a" * 3000, "too_long"),
    ],
)
def test_what_is_no_profile_has_a_reason(text, reason):
    assert urls.parse(text) == urls.InvalidUrl(reason)
    assert urls.canonical(text) is None and reason in urls.REASONS


slugs = st.one_of(
    st.text(max_size=40),
    st.from_regex(r"[A-Za-z0-9%-]{1,40}", fullmatch=True),
    st.from_regex(r"AC[ow]AA[A-Za-z0-9_-]{34}", fullmatch=True),
)


@settings(max_examples=200, deadline=None)
@given(
    slug=slugs,
    prefix=st.sampled_from(
        [
            "https://www.linkedin.com/in/",
            "linkedin.com/in/",
            "",
            "https://uk.linkedin.com/pub/",
            "https://www.linkedin.com/sales/lead/",
        ]
    ),
    tail=st.sampled_from(["", "/", "?x=1", "/en/", "/a7/576/b50"]),
)
def test_canonical_is_idempotent_and_fits_the_validator(slug, prefix, tail):
    found = urls.canonical(prefix + slug + tail)
    if found is not None:
        assert urls.canonical(found.url) == found
        assert urls.canonical(f"http://de.linkedin.com/in/{found.url.rpartition('/')[2]}/?_l=de") == found
        assert len(found.url) <= 500 and found.url.isascii() and found.url.startswith("https://www.linkedin.com/in/")
