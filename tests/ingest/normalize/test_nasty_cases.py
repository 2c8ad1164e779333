"""The 25 nasty cases seen in real exports, in their numbering, each with its outcome."""

import base64

import pytest

from leadbook.ingest.normalize import urls
from leadbook.ingest.normalize.clean import Cleaned, clean
from leadbook.ingest.normalize.rules import reject_reasons
from leadbook.lead.vendors import load_vendor


def bright(**changes) -> Cleaned:
    record = {
        "id": "jane-doe", "linkedin_id": "jane-doe", "linkedin_num_id": "123456", "name": "Jane Doe",
        "city": "Austin, Texas, United States", "location": "Austin", "country_code": "US", "position": "Growth Lead",
        "current_company": {"name": "Example Co", "company_id": "example"}, "current_company_name": "Example Co",
        "url": "https://www.linkedin.com/in/jane-doe", "timestamp": "2025-01-29T12:00:00.000Z",
    } | changes  # fmt: skip
    return clean(record, load_vendor("brightdata"))


def apollo(**changes) -> Cleaned:
    record = {
        "First Name": "Jane", "Last Name": "Doe", "Title": "Growth Lead", "Company Name": "Example Co",
        "Email": "jane@example.com", "Contact Owner": "exporter@example.org", "Country": "United States",
        "Person Linkedin Url": "http://www.linkedin.com/in/jane-doe",
    }  # fmt: skip
    return clean(record | {key.replace("_", " "): value for key, value in changes.items()}, load_vendor("apollo"))


def accepted(cleaned: Cleaned) -> dict:
    assert reject_reasons(cleaned.lead, cleaned) == ()
    return cleaned.lead


def urn(prefix: str, member: int) -> str:
    raw = bytes([0, 0x2A if prefix == "ACo" else 0x2C, 0, 0]) + member.to_bytes(4, "big") + b"synthetic-padding-01"
    slug = base64.urlsafe_b64encode(raw).decode().rstrip("=")
    assert slug.startswith(prefix)
    return slug


def test_01_contact_info_is_no_city():
    lead = accepted(bright(city="Contact Info", location=None))
    assert "location_city" not in lead and lead["location_country"] == "USA"


def test_02_a_trailing_slash_is_no_other_person():
    assert bright(url="https://www.linkedin.com/in/jane-doe/").lead["linkedin_url"] == bright().lead["linkedin_url"]


@pytest.mark.parametrize("host", ["uk", "au", "in", "bd", "jp", "www", "m"])
def test_03_country_hosts_are_one_host(host):
    lead = accepted(bright(url=f"https://{host}.linkedin.com/in/jane-doe"))
    assert lead["linkedin_url"] == "https://www.linkedin.com/in/jane-doe"


def test_04_an_empty_current_company_leaves_the_flat_column_and_else_rejects():
    assert accepted(bright(current_company={}))["company_name"] == "Example Co"
    without = bright(current_company={}, current_company_name=None)
    assert reject_reasons(without.lead, without) == ("missing_company_name",)


@pytest.mark.parametrize("position", ["--", ". at .", " . at . ", "-- at --", "", None, "null", "at"])
def test_05_a_placeholder_is_no_position(position):
    cleaned = bright(position=position)
    assert "job_title" not in cleaned.lead
    assert reject_reasons(cleaned.lead, cleaned) == ("missing_job_title",)


@pytest.mark.parametrize(
    ("city", "expected"),
    [
        ("Greater Phoenix Area", {"location_city": "Phoenix", "location_country": "USA"}),
        ("United States", {"location_country": "USA"}),
        ("San Francisco Bay Area", {"location_city": "San Francisco", "location_country": "USA"}),
        ("Dallas-Fort Worth Metroplex", {"location_city": "Dallas-Fort Worth", "location_country": "USA"}),
        ("Texas, United States", {"location_state": "TX", "location_country": "USA"}),
    ],
)
def test_06_areas_and_whole_countries(city, expected):
    cleaned = bright(city=city, location=None)
    lead = accepted(cleaned)
    assert {key: value for key, value in lead.items() if key.startswith("location")} == expected
    assert lead["additional_data"]["location_original"] == city


def test_07_a_city_with_a_comma_of_its_own():
    lead = accepted(bright(city="Bogota, D.C., Capital District, Colombia", location=None, country_code="CO"))
    assert lead["location_city"] == "Bogota, D.C."
    assert lead["location_state"] == "Capital District"
    assert lead["location_country"] == "Colombia"


def test_08_the_language_query_is_dropped():
    assert urls.canonical("https://www.linkedin.com/in/jane-doe?_l=en_us").url == "https://www.linkedin.com/in/jane-doe"


def test_09_double_encoding_is_undone():
    one = urls.canonical("https://www.linkedin.com/in/j%25c3%25b6rgen-1a2b")
    assert one.slug == "jörgen-1a2b"
    assert one == urls.canonical("https://www.linkedin.com/in/jörgen-1a2b")


def test_10_hexadecimal_case_does_not_count():
    small, large = (urls.canonical(f"https://www.linkedin.com/in/mu{code}oz") for code in ("%c3%b1", "%C3%B1"))
    assert small == large and large.url == "https://www.linkedin.com/in/mu%C3%B1oz"


def test_11_bidirectional_controls_vanish_from_slug_and_name():
    lead = accepted(bright(url="https://www.linkedin.com/in/\u202ajane-doe\u202c", name="\u202bJane\u200f Doe\u202c"))
    assert lead["linkedin_url"] == "https://www.linkedin.com/in/jane-doe"
    assert lead["full_name"] == "Jane Doe"
    assert urls.canonical("https://www.linkedin.com/in/%E2%80%8Ejane-doe").slug == "jane-doe"


def test_12_dotless_i_and_cjk_slugs_stay_themselves():
    assert urls.canonical("https://tr.linkedin.com/in/ışıl-yıldız").slug == "ışıl-yıldız"
    assert urls.canonical("https://tr.linkedin.com/in/isil-yildiz").slug == "isil-yildiz"
    chinese = urls.canonical("https://cn.linkedin.com/in/王小明-1a")
    assert chinese.slug == "王小明-1a" and chinese.url.isascii()
    assert urls.canonical(chinese.url) == chinese


@pytest.mark.parametrize("slug", ["jane-", "jane--doe", "abc", "-jane"])
def test_13_odd_but_real_slugs_are_kept(slug):
    assert urls.canonical(f"https://www.linkedin.com/in/{slug}/").slug == slug


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        ("Jane Doe 🚀", "Jane Doe"),
        ("🌟Jane Doe🌟 👩‍💻", "Jane Doe"),
        ("Jane Doe, LCSW", "Jane Doe"),
        ("Jane Doe, Ph.D., MBA", "Jane Doe"),
        ("Jane Doe MBA", "Jane Doe"),
        ("(Dr) Jane Doe", "Jane Doe"),
        ("Dr. Jane Doe", "Jane Doe"),
        ("Jane Doe (She/Her)", "Jane Doe"),
        ("Jack Ma", "Jack Ma"),
        ("Robert (Bob) Roe", "Robert (Bob) Roe"),
        ("Doe, Jane", "Doe, Jane"),
        ("Sammy Davis, Jr.", "Sammy Davis, Jr."),
    ],
)
def test_14_emoji_credentials_and_honorifics_leave_the_name(raw, name):
    lead = accepted(bright(name=raw))
    assert lead["full_name"] == name
    assert lead["additional_data"].get("full_name_original") == (raw if raw != name else None)


def test_15_an_email_inside_the_title_moves_to_the_email():
    cleaned = bright(position="Growth Lead - jane.doe@example.com")
    lead = accepted(cleaned)
    assert lead["job_title"] == "Growth Lead"
    assert lead["email"] == "jane.doe@example.com" and "email_from_title" in cleaned.flags
    assert accepted(apollo(Title="Growth Lead (other@example.com)"))["email"] == "jane@example.com"


def test_16_an_entity_broken_by_a_zero_width_space():
    company = accepted(bright(current_company={"name": "McDonald&\u200b#39;s"}))["company_name"]
    assert company == "McDonald's"
    assert accepted(bright(current_company={"name": "AT&amp;T"}))["company_name"] == "AT&T"
    assert accepted(bright(current_company={"name": "B&notch"}))["company_name"] == "B&notch"


@pytest.mark.parametrize("company", ["none", "--", "None", "N/A", "-"])
def test_17_no_company_at_all(company):
    cleaned = bright(current_company={"name": company}, current_company_name=company)
    assert reject_reasons(cleaned.lead, cleaned) == ("missing_company_name",)


@pytest.mark.parametrize("company", ["Self employed", "self-employed", "SELF EMPLOYED", "Freelance", "Freelancer"])
def test_17_self_employment_has_one_spelling_and_a_flag(company):
    cleaned = apollo(Company_Name=company)
    assert accepted(cleaned)["company_name"] == "Self-employed"
    assert "self_employed" in cleaned.flags


def test_18_an_apostrophe_before_the_phone():
    assert accepted(apollo(Mobile_Phone="'+1 415-555-2671"))["phone"] == "+14155552671"


@pytest.mark.parametrize("number", ["+1 020 7946 0958", "+1 44 20 7946 0958", "+102079460958"])
def test_19_a_false_american_prefix_on_a_british_number(number):
    cleaned = apollo(Country="United Kingdom", Mobile_Phone=number)
    assert accepted(cleaned)["phone"] == "+442079460958"
    assert "phone_false_prefix" in cleaned.flags


def test_19_bare_digits_and_toll_free():
    assert accepted(apollo(Mobile_Phone="4155552671"))["phone"] == "+14155552671"
    assert accepted(apollo(Country="Germany", Mobile_Phone="442079460958"))["phone"] == "+442079460958"
    free = apollo(Mobile_Phone="(800) 555-2368")
    assert accepted(free)["phone"] == "+18005552368" and "toll_free" in free.flags


def test_20_a_mobile_of_another_country_is_kept_and_flagged():
    cleaned = apollo(Country="Australia", Mobile_Phone="+65 8123 4567")
    assert accepted(cleaned)["phone"] == "+6581234567"
    assert "phone_country_mismatch" in cleaned.flags


def test_20_a_switchboard_stays_on_each_lead_and_merges_nobody():
    leads = [
        apollo(Person_Linkedin_Url=f"linkedin.com/in/jane-{n}", Corporate_Phone="+1 212-555-0100") for n in range(12)
    ]
    assert {accepted(one)["phone"] for one in leads} == {"+12125550100"}
    assert len({one.lead["linkedin_url"] for one in leads}) == 12
    assert all("company_phone" in one.flags for one in leads)


def test_21_two_people_with_one_extrapolated_email_stay_two_and_are_flagged():
    pair = [
        apollo(Person_Linkedin_Url=f"linkedin.com/in/{slug}", Email_Status="Extrapolated") for slug in ("jane", "joe")
    ]
    assert pair[0].lead["email"] == pair[1].lead["email"]
    assert accepted(pair[0])["linkedin_url"] != accepted(pair[1])["linkedin_url"]
    assert all("email_guessed" in one.flags and "email_verified" not in one.lead for one in pair)


def test_22_one_person_with_two_addresses_is_flagged():
    cleaned = bright(
        url="https://www.linkedin.com/in/jane-doe", input_url="https://www.linkedin.com/in/jane-doe-1a2b3c"
    )
    lead = accepted(cleaned)
    assert "two_linkedin_urls" in cleaned.flags
    assert lead["linkedin_url"].endswith("/jane-doe")
    assert lead["additional_data"]["linkedin_url_others"] == ["https://www.linkedin.com/in/jane-doe-1a2b3c"]


def test_22_the_member_id_joins_a_persons_addresses():
    vanity, coded = bright(linkedin_num_id="123456"), bright(url=f"https://www.linkedin.com/in/{urn('ACo', 123456)}")
    assert vanity.lead["linkedin_url"] != coded.lead["linkedin_url"]
    members = {one.lead["additional_data"]["linkedin_member_id"] for one in (vanity, coded)}
    assert members == {"123456"}


def test_23_a_company_without_a_person_is_rejected():
    cleaned = apollo(First_Name="", Last_Name="", Title="", Person_Linkedin_Url="")
    reasons = reject_reasons(cleaned.lead, cleaned)
    assert reasons == ("missing_linkedin_url", "missing_full_name", "missing_job_title")


def test_23_a_company_posing_as_a_person_is_rejected():
    named = apollo(First_Name="Example Media", Last_Name="GmbH")
    assert reject_reasons(named.lead, named) == ("not_a_person",)
    page = apollo(Person_Linkedin_Url="https://www.linkedin.com/company/example")
    assert reject_reasons(page.lead, page) == ("not_a_person",)
    assert "company_as_person" in named.flags and "company_as_person" in page.flags


def test_24_the_contact_owner_is_never_a_leads_email():
    without = apollo(Email="")
    lead = accepted(without)
    assert "email" not in lead
    assert "exporter@example.org" not in repr(lead)


def test_25_urn_addresses_keep_their_case_and_tell_the_member():
    one, two = urn("ACo", 987654321), urn("ACw", 987654321)
    for slug in (one, two):
        parsed = urls.canonical(f"https://uk.linkedin.com/in/{slug}/?x=1")
        assert parsed.slug == slug and parsed.is_urn and parsed.member_id == "987654321"
    sales = urls.canonical(f"https://www.linkedin.com/sales/lead/{two},NAME_SEARCH,abcd")
    assert sales.slug == two


def phantom(**changes) -> Cleaned:
    record = {
        "profileLink": f"https://www.linkedin.com/in/{urn('ACo', 777)}/", "firstName": "Maria", "lastName": "C.",
        "fullName": "Maria C.", "degree": "2nd", "memberId": "777", "occupation": "Growth Lead at Example Co",
        "timestamp": "2025-01-29T12:00:00.000Z",
    } | changes  # fmt: skip
    return clean(record, load_vendor("phantombuster"))


def test_25_a_headline_gives_title_and_company():
    cleaned = phantom()
    lead = accepted(cleaned)
    assert (lead["job_title"], lead["company_name"]) == ("Growth Lead", "Example Co")
    assert lead["full_name"] == "Maria C." and {"abbreviated_surname", "urn_url"} <= set(cleaned.flags)


def test_25_a_headline_without_a_company_is_rejected():
    cleaned = phantom(occupation="Helping brands grow")
    assert reject_reasons(cleaned.lead, cleaned) == ("missing_company_name",)


def test_25_one_member_in_two_files_has_one_url():
    assert len({phantom(profileLink=f"https://{host}.linkedin.com/in/{urn('ACo', 777)}").lead["linkedin_url"]
                for host in ("www", "uk", "de")}) == 1  # fmt: skip
