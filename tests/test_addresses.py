"""Addresses are read in one way or not at all, and no part of one that is in doubt is ever shown."""

from __future__ import annotations

import hashlib
import re
import subprocess
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.conftest import Trust
from tests.test_cli import leadbook

from leadbook.core import addresses, connect
from leadbook.core.addresses import AddressError, parse, secret_values
from leadbook.core.errors import LeadbookError, ParameterError
from leadbook.core.redactor import Redactor
from leadbook.core.settings import Settings

PASSWORDS = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1, max_size=24)
MANY = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
FORMS = (
    "redis://:{}@cache.example:6379/0", "rediss://svc:{}@cache.example:6379/0", "redis://cache.example/0?password={}",
    "mongodb://app:{}@db.example:27017/leads", "mongodb+srv://app:{}@", "mongodb://app:{}", "redis://{}",
    "mongodb://app:x@db.example/?tls=true&tlsCertificateKeyFilePassword={}",
    "mongodb://app:x@db.example/?authMechanismProperties=AWS_SESSION_TOKEN:{}",
)  # fmt: skip
"""Addresses as people write them, some with their host forgotten."""


def said(form: str, password: str) -> str:
    """What a client says of an address that it refuses, and what is shown of it; nothing is looked up."""
    url = form.format(password)
    service = "Redis" if url.startswith("redis") else "MongoDB"
    try:
        return connect.read(url, "VARIABLE", service).shown
    except ParameterError as error:
        return str(error)


REFUSALS = {
    f"parameter 'VARIABLE': is not a usable {service} address: {problem}"
    for service in ("MongoDB", "Redis")
    for problem in (addresses.ENCODE, addresses.NO_HOST)
}


@MANY
@given(PASSWORDS, st.sampled_from(FORMS))
def test_what_is_said_of_an_address_does_not_depend_on_its_password(password: str, form: str) -> None:
    """A refusal is one of four constants; hosts are shown only where they are the address's own, whole."""
    shown = said(form, password)
    if form.endswith(("{}@", "app:{}", "redis://{}")):  # the host is forgotten: what stands there may well read as one
        assert shown in REFUSALS or re.fullmatch(r"[\w.,:\[\]%-]+", shown)
    else:
        assert shown in {*REFUSALS, "cache.example:6379", "cache.example", "db.example:27017", "db.example"}


@MANY
@given(PASSWORDS, st.sampled_from([quote_plus, lambda text: quote(text, safe="")]))
def test_an_encoded_password_is_always_read_as_it_is(password: str, encode: object) -> None:
    written = encode(password)  # type: ignore[operator]
    for form in FORMS[:4]:
        assert parse(form.format(written)).shown.startswith(("cache.example", "db.example"))


@MANY
@given(PASSWORDS, st.sampled_from(FORMS[:4]))
def test_the_redactor_knows_a_password_in_every_spelling(password: str, form: str) -> None:
    """Raw in the address, the pieces between its special characters are known too."""
    encoded = Redactor(secret_values([form.format(quote(password, safe=""))]))
    raw = Redactor(secret_values([form.format(password)]))
    if len(password) < addresses.SHORTEST:
        return
    for spelt in (password, quote(password, safe=""), quote_plus(password), repr(password)[1:-1]):
        assert encoded.text(f"<{spelt}>") == "<•••>"
    url = form.format(password)
    assert raw.text(url) == "•••"
    for piece in re.split(r"[/:#?@\s]+", password):
        if len(piece) >= addresses.SHORTEST and not _is_read(url):
            assert piece not in raw.text(f"Port could not be cast to integer value as '{piece}'").replace("Port could "
                "not be cast to integer value as", "")  # fmt: skip


def _is_read(url: str) -> bool:
    try:
        return bool(parse(url))
    except AddressError:
        return False


@MANY
@given(PASSWORDS, st.sampled_from([0, 3, 4]))
def test_no_driver_quotes_an_address(password: str, number: int) -> None:
    """Clients are built, or refused in words of our own; a driver that splits an address differently never speaks."""
    url, quick = FORMS[number].format(password), Settings(server_selection_timeout_ms=1, min_pool_size=0)
    if url.startswith("mongodb+srv"):
        return
    try:
        if url.startswith("redis"):
            text = connect.redis_address(connect.redis(url, quick))
        else:
            with connect.mongodb(url, quick) as client:
                text = connect.mongodb_address(client)
    except LeadbookError as error:
        text = str(error)
        constant = text.replace(addresses.ENCODE, "").replace(addresses.NO_HOST, "")
        assert re.fullmatch(r"parameter '\w+': is not a usable \w+ address: (the driver refuses it; )?", constant)
    else:
        assert text in ("cache.example:6379", "db.example:27017")


@pytest.mark.parametrize(
    ("url", "secrets"),
    [
        ("redis://:Zm9vSECRET/YmFy@h:6379", {"Zm9vSECRET", "YmFy", "Zm9vSECRET/YmFy"}),
        ("mongodb://app:40771/S3cret@host/", {"40771", "S3cret", "40771/S3cret"}),
        ("redis://h/0?password=hush-hush", {"hush-hush"}),
        ("redis://svc:hush@h", {"hush", "svc:hush"}),
        ("redis://only-a-token@h", {"only-a-token"}),
        ("https://only-a-key@api.example/v1", {"only-a-key"}),
        ("https://api.example/v1?api_key=0123abcd", {"0123abcd"}),
        ("mongodb://k:p@h/?authMechanism=MONGODB-AWS&authMechanismProperties=AWS_SESSION_TOKEN:tok%2Fen",
         {"tok/en", "tok%2Fen"}),
        ("mongodb://h/?tls=true&tlsCertificateKeyFilePassword=hush", {"hush"}),
    ],
)  # fmt: skip
def test_secrets_are_found_wherever_they_stand(url: str, secrets: set[str]) -> None:
    found = secret_values([url])
    assert secrets | {url} <= found


@pytest.mark.parametrize(
    "url",
    ["redis://h:6379/0", "mongodb://h:1,g:2/leads?tls=true", "tcp://h:8786", "brightdata", "data/a.jsonl:apollo",
     "mongodb://CN%3Dapp@h/?authMechanism=MONGODB-X509",
     "mongodb://h/?authMechanismProperties=SERVICE_NAME:mongodb"],
)  # fmt: skip
def test_an_address_without_secrets_has_none(url: str) -> None:
    assert secret_values([url]) == set()


def test_the_redactor_learns_addresses_under_any_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one whose scheme is missing, and one under a name that no profile knows."""
    monkeypatch.setenv("MONGODB_URI", "app:no-scheme-pw@h")
    monkeypatch.setenv("SOME_OTHER_STORE", "redis://:other/pw-1@h")
    monkeypatch.setenv("HTTPS_PROXY_OF_OURS", "http://user:proxy-pw@proxy:3128")
    monkeypatch.setenv("REPOSITORY", "ssh://git@github.example/a/b")
    redactor = Redactor.from_environment()
    assert redactor.text("no-scheme-pw pw-1 other proxy-pw git github.example") == "••• ••• ••• ••• git github.example"


def test_only_what_can_be_read_is_shown() -> None:
    assert addresses.shown("mongodb://u:p@h:1,g:2/db") == "h:1,g:2"
    assert addresses.shown("mongodb://app:40771/S3cret@host/") == addresses.UNREADABLE
    assert Redactor().address("redis://:a/b@h") == addresses.UNREADABLE
    assert Redactor().address("rediss://u:p@h:1/2?password=x") == "rediss://h:1/2"
    assert "S3cret" not in repr(parse("mongodb://app:S3cret@h/?tlsCertificateKeyFilePassword=S3cret"))


def test_spellings_of_one_address_share_the_name_that_is_written_under() -> None:
    def names(uri: str, database: str = "leads") -> list[str]:
        return addresses.places(uri, database)

    spelt = (
        "mongodb://h1:27017,h2:27017/",
        "mongodb://u:p@h2,H1/?tls=true",
        "mongodb://h1",
        "mongodb://h1:27017/leads",
    )
    assert len({names(uri)[0] for uri in spelt}) == 1
    assert set(names("mongodb://h2")) & set(names("mongodb://h1,h2"))
    former = hashlib.sha256(b"h1,h2:27017/leads").hexdigest()[:16]
    assert former in names("mongodb://h1,h2:27017") and names("mongodb://h1", "x")[0] != names("mongodb://h1")[0]
    assert names("mongodb+srv://h1")[0] != names("mongodb://h1")[0]  # a record of names is no host
    others = ("mongodb://h3", "mongodb://h1:27018", "mongodb://[::1]", "mongodb+srv://c.example.net")
    assert not any(set(names(uri)) & set(names("mongodb://h1,h2")) for uri in others)
    assert names("mongodb://[::1]")[0] == names("mongodb://[::1]:27017")[0]


def test_a_stranger_gets_no_credentials() -> None:
    """A password in an option would make a guarded Redis look open to everybody."""
    assert parse("redis://u:p@h:1/0?password=x&username=y&db=2").without_credentials("username") == "redis://h:1/0?db=2"
    assert parse("unix://u:p@/run/redis.sock?db=2").without_credentials() == "unix:///run/redis.sock?db=2"


@pytest.mark.parametrize(
    ("variable", "url", "secrets"),
    [
        ("REDIS_URL", "redis://:Zm9vSECRET/YmFy@127.0.0.1:6379/0", ("Zm9vSECRET", "YmFy")),
        ("REDIS_URL", "redis://:4711#SECRET@127.0.0.1:6379/0", ("4711", "SECRET")),
        ("MONGODB_URI", "mongodb://app:40771/S3cret@host/", ("40771", "S3cret")),
        ("MONGODB_ADMIN_URI", "mongodb://dba:per%zcent@127.0.0.1/", ("per%zcent", "zcent")),
    ],
)
@pytest.mark.trust(
    way="A password with a raw /, # or % in an address", status=2,
    says=("is not a usable", "percent-encoded"), leaves="nothing was started; no part of the address is shown",
)  # fmt: skip
def test_a_run_ends_in_one_line_that_holds_no_part_of_the_address(
    variable: str, url: str, secrets: tuple[str, ...], tmp_path: Path, trust: Trust
) -> None:
    done = run_with(variable, url, tmp_path)
    written = done.stdout + done.stderr
    assert not any(secret in written for secret in secrets)
    assert variable in done.stderr and len(done.stderr.strip().splitlines()) == 1
    trust.check(done.returncode, done.stderr)


def test_an_address_without_its_scheme_is_not_quoted_either(tmp_path: Path) -> None:
    done = run_with("MONGODB_URI", "app:S3cret@127.0.0.1", tmp_path)
    assert "S3cret" not in done.stdout + done.stderr and "must start with mongodb://" in done.stderr
    assert done.returncode == 2


def run_with(variable: str, url: str, out: Path) -> subprocess.CompletedProcess[str]:
    env = {"MONGODB_URI": "mongodb://127.0.0.1:9/", "REDIS_URL": "redis://127.0.0.1:9/0", variable: url}
    return leadbook("run", "--profile", "production", "--only", "01", "--out", str(out), env=env)
