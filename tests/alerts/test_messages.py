"""What a message says, and what it never holds."""

import string
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leadbook.alerts.channels import recipients_of
from leadbook.alerts.dispatcher import Dispatcher
from leadbook.alerts.texts import harmless
from leadbook.core.addresses import recipient_secrets, recipients
from leadbook.core.redactor import Redactor
from leadbook.core.settings import Settings
from leadbook.phases.live.messages import alert_of, heading
from leadbook.phases.live.records import Finding

NOON = datetime(2026, 12, 1, 12, tzinfo=UTC)
HEADING = "MADE-UP DATA: database leadbook_rehearsal"
WEBHOOK = "https://hooks.slack.com/services/T012345/B678901/abcDEF123ghiJKL"


def finding(**told):
    base = {
        "rule": "LIVE-DISK-001", "title": "Disk of the database is nearly full", "level": 2, "since": NOON,
        "seen": NOON,
        "cause": "the oplog and the leads fill it", "remedy": "leadbook act profiler=off; order a larger disk",
        "evidence": "91 % used, 1.2 GB free", "value": 91.25, "limit": 85.0, "unit": "%",
    }  # fmt: skip
    return Finding(**{**base, **told})


def test_a_findings_message_says_what_how_much_why_and_what_to_do():
    one = alert_of(finding(subject="cluster-0"))
    assert (one.key, one.level, one.title) == (
        "LIVE-DISK-001/cluster-0",
        2,
        "Disk of the database is nearly full (cluster-0)",
    )
    assert list(one.lines) == [
        "Seen: 91.2 %, limit 85 %; 91 % used, 1.2 GB free", "Likely cause: the oplog and the leads fill it",
        "To do (DBA): leadbook act profiler=off; order a larger disk",
        "Where to look: the live page, `leadbook status`, notebook 08",
    ]  # fmt: skip


def test_the_first_line_says_whose_data_and_where():
    assert heading(Settings(), "127.0.0.1:27017") == "MADE-UP DATA: database leadbook_rehearsal at 127.0.0.1:27017"
    real = Settings(profile="production", database="lead_generation")
    assert heading(real, "a:1,b:2") == "REAL DATA: database lead_generation at a:1,b:2"


SECRET = st.text(string.ascii_lowercase + string.digits, min_size=1, max_size=12).map("zq{}qz".format)
WAYS = ("{}@example.com", "jane.{}+tag@mail.example.co.uk",
        "https://www.linkedin.com/in/{}/?trk=x", "linkedin.com/in/{}#top",
        "http://de.linkedin.com/in/j-{}", "mailto:{}@example.com", "LINKEDIN.COM/IN/{}")  # fmt: skip
AROUND = st.text(st.characters(exclude_characters="zq", exclude_categories=["Cs"]), max_size=20)


@settings(max_examples=150, deadline=None)
@given(AROUND, st.sampled_from(WAYS), SECRET, st.sampled_from(" ,;:<>()'\"\n\r\t"), AROUND)
def test_no_person_leaves_with_a_message(before, way, secret, gap, after):
    text = harmless(f"{before}{gap}{way.format(secret)}{gap}{after}", Redactor())
    assert secret not in text and "\n" not in text


@pytest.mark.parametrize("number", ["+14155552671", "+49 30 123456-78", "+44 (0)20 7946 0958"])
def test_no_telephone_number_leaves_with_a_message(number):
    assert number[4:] not in harmless(f"call {number}, please", Redactor())
    assert harmless("growth +12 %, 20,000 of 1,234,567.89", Redactor()) == "growth +12 %, 20,000 of 1,234,567.89"


@pytest.fixture
def addressed(monkeypatch):
    urls = [WEBHOOK, "smtps://robot:pass%21word9@smtp.example.com:465/?from=robot@example.com&to=ada@example.com,bob@example.com",
            "tgram://123456789:AAFtokenTOKEN99/-1001234567"]  # fmt: skip
    monkeypatch.setenv("LEADBOOK_ALERTS_1", ", ".join(urls))
    return urls


def test_commas_separate_addresses_and_not_recipients(addressed):
    assert recipients(", ".join(addressed)) == addressed
    assert [one.kind for one in recipients_of(Settings()).named[1]] == ["slack", "smtp", "tgram"]
    assert "hooks" not in repr(recipients_of(Settings()))


def test_addresses_are_secrets_wherever_they_turn_up(addressed):
    redactor = Redactor.from_environment()
    for secret in (
        *addressed,
        "T012345/B678901/abcDEF123ghiJKL",
        "abcDEF123ghiJKL",
        "pass!word9",
        "ada@example.com",
        "AAFtokenTOKEN99",
    ):
        assert secret not in redactor.text(f"x {secret} y"), secret
    assert redactor.text("hooks.slack.com, smtp.example.com:465 and services are no secrets") == \
        "hooks.slack.com, smtp.example.com:465 and services are no secrets"  # fmt: skip
    assert "127.0.0.1" not in recipient_secrets("http://127.0.0.1:8080/services/T0/B0/word")


def test_hostile_evidence_reaches_nobody(addressed, tmp_path):
    evil = finding(
        title=f"see {WEBHOOK}", subject="ada.lovelace@example.com", remedy="call +4930123456789\nnow",
        evidence="https://linkedin.com/in/ada-lovelace <!channel>",
    )  # fmt: skip
    dispatcher = Dispatcher(Settings(), tmp_path, heading=HEADING)
    dispatcher.take([alert_of(evil)], NOON)
    dispatcher.close()
    told = (tmp_path / "alerts.jsonl").read_text() + str(dispatcher.standing())
    for part in ("T012345", "ada.lovelace", "ada-lovelace", "30123456789"):
        assert part not in told
    assert "a***@example.com" in told


def test_slacks_own_signs_call_nobody(monkeypatch, tmp_path):
    from receivers import web

    with web() as receiver:
        monkeypatch.setenv("LEADBOOK_ALERTS_1", receiver.url)
        with Dispatcher(Settings(alerts=True), tmp_path, heading=HEADING) as dispatcher:
            dispatcher.take([alert_of(finding(evidence="<!channel> & <@U1>"))], NOON)
        assert "&lt;!channel&gt; &amp; &lt;@U1&gt;" in receiver.taken[0]
