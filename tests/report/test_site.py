"""The report as files: everything offline, everything escaped, everything there."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import nbformat
import pytest
from bs4 import BeautifulSoup
from tests import made_run as made

from leadbook.core.checks import Verdict
from leadbook.core.definitions import catalogue
from leadbook.core.errors import InputFileError
from leadbook.core.redactor import Redactor
from leadbook.core.settings import Settings
from leadbook.page import style
from leadbook.page.cards import verdict_html
from leadbook.page.offline import contained
from leadbook.page.palette import VERDICT_COLOURS
from leadbook.report import gates, junit, site
from leadbook.report.html import stylesheet
from leadbook.report.records import PHASES, STAGES, DocumentRecord, read_run

OUTPUTS = [
    nbformat.v4.new_output("stream", name="stdout", text="printed <i>text</i> " + "x" * 30_000),
    nbformat.v4.new_output("display_data", {"text/html": "<script>alert(1)</script><b onclick='x()'>bold</b>"}),
    nbformat.v4.new_output("display_data", {"text/html": '<img src="https://evil.example/p.png" alt="pic">'}),
    nbformat.v4.new_output("display_data", {"text/html": '<style>@import "https://evil.example/a.css";</style>'}),
    nbformat.v4.new_output("display_data", {"image/png": "iVBORw0KGgo=", "text/plain": "plot"},
                           metadata={"image/png": {"alt": "Rates by batch"}}),
    nbformat.v4.new_output("display_data", {"image/png": "iVBORw0KGgo=", "text/plain": "plot"},
                           metadata={"image/png": {"alt": "Heat", "as_drawn": True}}),
    nbformat.v4.new_output("display_data", {"text/markdown": "Document **Guide** written to `documents/guide.md`."}),
    nbformat.v4.new_output("display_data", {"application/javascript": "alert(2)"}),
    nbformat.v4.new_output("display_data", {"application/scrapbook.scrap.json+json": {"name": "03/opened"}}),
    nbformat.v4.new_output("display_data", {"text/markdown": "See [docs](https://docs.example/x) and `code`"}),
]  # fmt: skip


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A run's directory with the executed notebook of phase 03 and one document."""
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "documents").mkdir()
    links = "[out](https://x.example) [more](other.md)"
    text = f"# Guide\n\n<script>alert(3)</script>\n\n{links}\n\n| a | b |\n|--|--|\n| 1 | 2 |"
    (tmp_path / "documents" / "guide.md").write_text(text)
    cells = [
        nbformat.v4.new_markdown_cell(
            "# 03 Benchmarks\n\nBefore: [02](02_x.ipynb), [04](04_y.ipynb), [web](https://a.example)"
        ),
        nbformat.v4.new_code_cell("x = 1", metadata={"tags": ["parameters"]}, execution_count=1),
        nbformat.v4.new_markdown_cell("## 3.1 Inserts & more", metadata={"leadbook": {"steps": ["1.1.4.2"]}}),
        nbformat.v4.new_code_cell("url = 'https://www.linkedin.com/in/x'", outputs=OUTPUTS, execution_count=2),
        nbformat.v4.new_code_cell("book.close()"),
    ]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "notebooks" / "03_x.ipynb")
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "notebooks" / "02_x.ipynb")
    return tmp_path


def benchmarks(*extra, **changes):
    changes = {"notebook": "notebooks/03_x.ipynb", "page": "03_x.html", "documents": (made.document(),), **changes}
    return made.phase("03", *extra, **changes)


def write(directory: Path, *phases, **changes):
    other = made.phase("02", notebook="notebooks/02_x.ipynb", page="02_x.html")
    return site.write(made.run(other, *phases, **changes), directory, Redactor(["hunter22"]))


def test_no_page_loads_or_leads_anywhere_outside_its_folder(directory):
    write(directory, benchmarks())
    pages = list(directory.rglob("*.html"))
    assert {page.name for page in pages} == {"index.html", "02_x.html", "03_x.html", "guide.html"}
    for page in pages:
        soup = BeautifulSoup(page.read_text(), "html.parser")
        assert not soup.find_all(["script", "iframe", "object", "embed", "base"])
        assert not [tag for tag in soup.find_all(True) for name in tag.attrs if name.startswith("on")]
        for tag in soup.find_all(True):
            for name in ("src", "href", "srcset", "poster", "data", "action"):
                value = str(tag.get(name, ""))
                if value and not value.startswith(("#", "data:")):
                    assert "//" not in value, (page.name, value)
                    assert (page.parent / value.partition("#")[0]).exists() or value == "manifest.json", (
                        page.name,
                        value,
                    )
        for css in soup.find_all("style"):
            assert not re.search(r"@import|url\(", css.get_text())
        policy = soup.find("meta", attrs={"http-equiv": "Content-Security-Policy"})
        assert policy is not None and "default-src 'none'" in policy["content"]


def test_a_command_of_a_remedy_is_shown_whole_as_code(directory):
    write(directory, benchmarks(made.check(verdict=Verdict.FAIL, remedy="run `leadbook run -p approve='a on b'`")))
    soup = BeautifulSoup((directory / "index.html").read_text(), "html.parser")
    for place in (".next", ".finding"):
        assert "leadbook run -p approve='a on b'" in [code.get_text() for code in soup.select(f"{place} code")]
    assert soup.select(".next h3")[0].get_text() == "DBA"


def test_a_page_folds_code_shows_outputs_and_names_its_plots(directory):
    write(directory, benchmarks(made.check(verdict=Verdict.FAIL)))
    page = (directory / "03_x.html").read_text()
    soup = BeautifulSoup(page, "html.parser")
    assert soup.h1.get_text() == "Benchmarks: does not pass"
    assert re.search(r"1 of \d+ checks blocks", soup.select_one(".verdict .why").get_text())
    assert page.index("use larger batches") < page.index("3.1 Inserts")  # what blocks stands above the notebook
    assert [summary.get_text() for summary in soup.select("details.code > summary")] == [
        "parameters and their defaults [1]", "code [2]", "code, not run",
    ]  # fmt: skip
    assert soup.find("img", alt="Rates by batch") is not None
    assert "printed &lt;i&gt;text" in page and "characters left out here" in page and len(page) < 200_000
    assert "alert(" not in page and "scrapbook" not in page
    assert soup.select(".toc a")[0].get_text() == "3.1 Inserts & more" and soup.find(id="s1") is not None
    assert soup.find("a", href="02_x.html") is not None and "docs (https://docs.example/x)" in soup.get_text()
    assert soup.find(id="s1").find_next_sibling().get_text() == "Task book steps: 1.1.4.2"


@pytest.mark.parametrize(
    ("number", "verdict", "headline", "tone"),
    [("07", Verdict.PASS, "GO", "GO"), ("07", Verdict.FAIL, "NO-GO", "NO-GO"),
     ("08", Verdict.PASS, "HEALTHY", "HEALTHY"), ("08", Verdict.WARN, "ATTENTION", "ATTENTION"),
     ("09", Verdict.PASS, "ACCEPTED", "ACCEPTED"),
     ("09", Verdict.FAIL, "NOT ACCEPTED", "NOT-ACCEPTED")],
)  # fmt: skip
def test_the_page_of_a_gate_says_the_verdict_of_its_stage(directory, number, verdict, headline, tone):
    (directory / "notebooks" / "03_x.ipynb").rename(directory / "notebooks" / "gate.ipynb")
    gate = made.phase(number, made.check(number, verdict), notebook="notebooks/gate.ipynb", page="gate.html")
    write(directory, gate)
    card = BeautifulSoup((directory / "gate.html").read_text(), "html.parser").select_one(".verdict")
    assert card.h1.get_text() == f"{gate.title}: {headline}" and tone in card["class"]
    write(directory, gate, made.broken("03"))
    card = BeautifulSoup((directory / "gate.html").read_text(), "html.parser").select_one(".verdict")
    assert headline not in card.h1.get_text(), "a run that broke has no verdict of any stage"


def test_a_phase_has_one_word_and_one_colour_on_the_index_on_its_page_and_at_its_end(directory):
    phase = benchmarks(made.check(verdict=Verdict.WARN))
    write(directory, phase)
    index = BeautifulSoup((directory / "index.html").read_text(), "html.parser")
    assert index.select("#phases tbody tr")[2].select_one(".badge").get_text() == "warn"
    card = BeautifulSoup((directory / "03_x.html").read_text(), "html.parser").select_one(".verdict")
    assert card.h1.get_text() == "Benchmarks: passes with 1 warning" and "ATTENTION" in card["class"]
    end = verdict_html("03", "Benchmarks", phase.checks)
    assert "Benchmarks: passes with 1 warning" in end and VERDICT_COLOURS[Verdict.WARN] in end


def test_a_broken_phase_has_a_banner_and_shows_the_cell(directory):
    broken = made.broken("03").broken
    write(
        directory,
        benchmarks(status=made.broken("03").status, broken=type(broken)(reason="it died", cell=4, cells=5, line="url")),
    )
    soup = BeautifulSoup((directory / "03_x.html").read_text(), "html.parser")
    assert "BROKEN" in soup.h1.get_text() and "it died" in soup.select_one(".verdict").get_text()
    stopped = soup.find(id="stopped")
    assert "linkedin" in stopped.find_next("details").get_text() and stopped.find_next("details").has_attr("open")
    assert len(soup.select(".unrun")) == 1


def test_a_document_is_text_not_markup(directory):
    write(directory, benchmarks())
    soup = BeautifulSoup((directory / "documents" / "guide.html").read_text(), "html.parser")
    assert "<script>alert(3)</script>" in soup.article.get_text() and soup.article.table is not None
    assert not soup.article.find_all("a") and "out (https://x.example)" in soup.article.get_text()


def test_a_long_address_in_a_documents_table_may_break_and_stays_whole(directory):
    address = "mongodb://<username>:<password>@db.example.net:27017/leads?replicaSet=leadbook&tls=true&authSource=admin"
    (directory / "documents" / "guide.md").write_text(f"| setting | value |\n| --- | --- |\n| address | {address} |\n")
    write(directory, benchmarks())
    value = BeautifulSoup((directory / "documents" / "guide.html").read_text(), "html.parser").find_all("td")[1]
    assert value.get_text() == address
    assert len(value.find_all("wbr")) > 5


def test_a_document_looks_as_the_phases_do_also_on_a_phone(directory):
    text = "# T\n\n**MADE-UP DATA.** So.\n\n| verdict | a |\n|--|--|\n| fail | 1 |\n| fail, risk accepted | 2 |\n"
    (directory / "documents" / "guide.md").write_text(text)
    write(directory, benchmarks())
    soup = BeautifulSoup((directory / "documents" / "guide.html").read_text(), "html.parser")
    assert soup.get_text().count("MADE-UP DATA") == 1 and soup.select_one("p.data.MADE-UP-DATA b") is not None
    cells = soup.select(".lb-table tbody td")
    assert [one["data-label"] for one in cells] == ["verdict", "a"] * 2, "cards say what each value is"
    assert [one.get_text() for one in soup.select("td .lb-badge")] == ["fail", "fail"]
    assert "risk accepted" in cells[2].get_text()


def test_a_plot_scrolls_and_where_lightness_is_a_number_it_is_not_inverted(directory):
    write(directory, benchmarks())
    plots = BeautifulSoup((directory / "03_x.html").read_text(), "html.parser").select(".plot > img")
    assert [(one["alt"], one.get("class")) for one in plots] == [("Rates by batch", None), ("Heat", ["as-drawn"])]
    css = str(stylesheet())
    assert ".output img:not(.as-drawn) { filter: invert" in css and css.count("invert(") == 1
    drawn, axes = style.figure("T", "x", "y")
    assert not style.tells_by_lightness(drawn)
    axes.imshow([[1, 2]])
    assert style.tells_by_lightness(drawn)


def test_a_page_leads_from_the_document_it_wrote_to_its_page(directory):
    write(directory, benchmarks())
    soup = BeautifulSoup((directory / "03_x.html").read_text(), "html.parser")
    assert soup.find("a", href="documents/guide.html") is not None


def test_the_first_screen_shows_three_warnings_first_what_production_would_not_bear(directory):
    late = made.check("09", Verdict.WARN, id="FIN-PUSH-008", title="A backup after the last lead", measured=False)
    others = [made.check(verdict=Verdict.WARN, id=f"TST-03-{n}", title=f"Warning {n}") for n in range(1, 5)]
    write(directory, benchmarks(*others), made.phase("09", late))
    shown = BeautifulSoup((directory / "index.html").read_text(), "html.parser").select_one(".first")
    told = [one.get_text() for one in shown.select("li")]
    assert "5 warnings block nothing" in shown.get_text() and len(told) == 3
    assert told[0].endswith("A backup after the last lead: no") and "Warning 1: 812.5" in told[1]
    write(directory, benchmarks(*others, made.check(verdict=Verdict.FAIL)))
    assert BeautifulSoup((directory / "index.html").read_text(), "html.parser").select_one(".first") is None


def test_the_task_book_tells_steps_that_this_run_could_not_show_apart(directory):
    write(directory, benchmarks())
    told = BeautifulSoup((directory / "index.html").read_text(), "html.parser").select_one("#trace")
    counts = [int(one.get_text().split()[0]) for one in told.select("p b")]
    answered, shown, elsewhere, passed = counts
    assert answered == shown + elsewhere == 158 and elsewhere > 0 and passed == shown
    assert "only production can show" in told.get_text()
    heads = [one.get_text() for one in told.select("table")[0].select("th")]
    assert heads == ["Task", "Steps", "Answered", "Shown", "Nothing blocks"]
    backup = next(row for row in told.select("table")[1].select("tbody tr") if row.td.get_text() == "1.1.1.4")
    assert backup.find("td", attrs={"data-label": "shown"}).get_text() in {"does not apply here", "yes"}


def test_gates_say_what_they_ask_in_words_and_what_a_simulation_says_nothing_of():
    found = {gate.title: gate for gate in gates.gates(made.run())}
    assert found["Cluster: TLS"].target == "TLS 1.2 or newer" and found["Backups kept"].target == "7 days or more"
    assert "says nothing of a vendor" in found["Collection rate"].note and not found["Batch insert rate"].note
    real = {gate.title: gate for gate in gates.gates(made.run(profile="production"))}
    assert not real["Collection rate"].note


def test_the_index_tells_the_verdict_the_reason_and_the_way_on(directory):
    write(directory, benchmarks(made.check(verdict=Verdict.FAIL)), warnings=("something <odd>",))
    soup = BeautifulSoup((directory / "index.html").read_text(), "html.parser")
    assert soup.h1.get_text() == "NO-GO" and soup.title.get_text().startswith("NO-GO")
    assert "Rate <of> inserts" in soup.select_one(".why").get_text()
    assert soup.select_one("#blocking article").get_text().count("use larger batches") == 1
    assert "something <odd>" in soup.get_text() and soup.find("a", href="documents/guide.html") is not None
    assert len(soup.select("#phases tbody tr")) == 9
    for name in ("checks.json", "junit.xml", "manifest.json", "03_x.html", "notebooks/03_x.ipynb"):
        assert soup.find("a", href=name) is not None, name


def test_the_servers_are_told_in_numbers_for_people(tmp_path):
    facts = {"mongodb": {"round_trip_p50_ms": 0.2775174980342854, "pool": {"idle (ms)": 600000}}, "tls": True}
    record = made.run(replace(made.phase("01"), facts={"infrastructure": facts}))
    site.write(record, tmp_path, Redactor())
    soup = BeautifulSoup((tmp_path / "index.html").read_text(), "html.parser")
    told = {name.text: name.find_next_sibling("dd").text for name in soup.select("dl.wide dt")}
    assert told["MongoDB: round trip median, ms"] == "0.2775"
    assert (told["MongoDB: pool: idle (ms)"], told["TLS"], told["servers"]) == ("600,000", "yes", "rehearsal")


def test_a_page_that_cannot_be_made_does_not_take_the_report_down(directory):
    (directory / "notebooks" / "03_x.ipynb").write_text("{")
    (directory / "documents" / "guide.md").unlink()
    found = write(directory, benchmarks())
    assert any("page of phase 03 could not be made" in note for note in found.warnings)
    assert "could not be made" in (directory / "index.html").read_text()


def test_checks_json_gives_the_run_back(directory):
    record = write(directory, benchmarks(made.check(evidence="hunter22")))
    found = read_run(directory)
    assert found.phases[2].checks[-1].evidence == "•••"
    assert found.phases[0] == record.phases[0] and found.id == record.id
    values = json.loads((directory / "checks.json").read_text())
    assert values["verdict"] == "GO" and values["exit_status"] == 0 and {"run", "phases", "checks"} <= set(values)
    with pytest.raises(InputFileError, match="not the results of a run"):
        read_run(directory / "documents")


def test_junit_counts_what_blocks_as_failures():
    extra = (
        made.check(verdict=Verdict.FAIL, evidence="\x1b[31mred"), made.check(verdict=Verdict.ERROR),
        made.check(verdict=Verdict.NOT_MEASURED), made.check(verdict=Verdict.MANUAL),
        made.check(verdict=Verdict.NOT_APPLICABLE), made.check(verdict=Verdict.WARN),
    )  # fmt: skip
    text = junit.render(
        made.run(made.phase("03", *extra, checks=extra), made.broken("04"), made.not_run("05", asked=False))
    )
    root = ElementTree.fromstring(text)
    suites = {suite.get("name"): suite for suite in root}
    third = suites["03 Benchmarks"]
    assert (third.get("tests"), third.get("failures"), third.get("errors"), third.get("skipped")) == (
        "7",
        "3",
        "1",
        "1",
    )
    assert suites["04 Data pipeline"].find("testcase/error").get("type") == "broken"
    assert len(suites) == 9 and not any(name.startswith("05") for name in suites)
    assert int(root.get("failures")) == 3


@pytest.mark.parametrize("changes", [{"broken": "records/01.json was changed."}, {"interrupted": "SIGTERM"}])
def test_a_run_that_cannot_be_believed_is_not_green_in_junit(changes):
    root = ElementTree.fromstring(junit.render(made.run(**changes)))
    assert root.find("testsuite[@name='run']/testcase/error") is not None and root.get("errors") == "1"
    assert root.get("errors") != ElementTree.fromstring(junit.render(made.run())).get("errors")


TARGET = {"replica_set": "atlas-x1", "hosts": ["a.example:27017", "b.example:27017"], "database": "leads_2026",
          "collection": "performance_marketers", "collection_uuid": "6f1c", "redis": "c.example:6379"}  # fmt: skip


def test_the_verdict_names_its_target_and_records_of_other_times(directory):
    told = {
        "title": "Benchmarks",
        "target": TARGET,
        "run": "20251231T000000Z-000000",
        "started_at": "2025-12-31T00:00:00+00:00",
    }
    write(directory, benchmarks(opened=told))
    card = BeautifulSoup((directory / "index.html").read_text(), "html.parser").select_one(".verdict").get_text(" ")
    for part in (
        "replica set atlas-x1 at a.example:27017, b.example:27017",
        "database leads_2026",
        "Redis c.example:6379",
    ):
        assert part in card
    assert "Records of other times were used" in card and "phase 03 of run 20251231T000000Z-000000" in card
    write(directory, benchmarks())
    card = BeautifulSoup((directory / "index.html").read_text(), "html.parser").select_one(".verdict").get_text(" ")
    assert "not recorded" in card and "other times" not in card


def test_a_run_that_has_begun_says_so_and_claims_nothing(tmp_path):
    site.begin(made.run(ended_at=""), tmp_path, Redactor())
    soup = BeautifulSoup((tmp_path / "index.html").read_text(), "html.parser")
    assert soup.h1.get_text() == "RUNNING" and "2026-01-01 00:00 UTC" in soup.select_one(".why").get_text()
    assert "ended without a verdict" in soup.get_text() and not soup.find("a", href=re.compile("html|json"))


def test_each_gate_shows_the_check_nearest_to_its_target():
    key = "target_insert_rate"
    ids = [entry.id for entry in catalogue().values() if entry.target == key][:2]
    near, far = made.check(id=ids[0], measured=1200.0), made.check(id=ids[1], measured=9000.0)
    silent = [made.phase(number, checks=()) for number in PHASES if number != "03"]
    found = gates.gates(made.run(*silent, made.phase("03", checks=(far, near))))[0]
    assert (found.check, found.others, found.measured) == (near, (far,), "1,200 documents/s")
    assert found.verdict == "pass"
    failed = replace(far, verdict=Verdict.FAIL)
    assert gates.gates(made.run(*silent, made.phase("03", checks=(near, failed))))[0].check == failed


def test_every_gate_of_the_task_book_has_checks_and_every_target_parameter_a_gate():
    sources = list(gates.sources().values())
    asked = {key for key in Settings.model_fields if key.startswith("target_")} - {"target_backup_days"}
    assert asked == {source.target for source in sources if source.target}
    for source in sources:
        assert source.entries and set(source.checks) <= set(catalogue()), source
    assert gates.gates(made.run())[-1].title == "Redis: eviction"


@pytest.mark.parametrize(
    ("stage", "shown", "elsewhere"),
    [("ready", "Single insert", "Mean quality score"), ("close", "Mean quality score", "Single insert"),
     ("live", "Collection rate", "Leads collected")],
)  # fmt: skip
def test_a_stage_shows_its_own_phases_and_gates(tmp_path, stage, shown, elsewhere):
    own = tuple(made.phase(number) for number in STAGES[stage])
    record = replace(made.run(), stage=stage, asked=STAGES[stage], phases=own, profile="production")
    site.write(record, tmp_path, Redactor())
    soup = BeautifulSoup((tmp_path / "index.html").read_text(), "html.parser")
    assert shown in soup.select_one("#targets").get_text() and elsewhere not in soup.select_one("#targets").get_text()
    assert len(soup.select("#phases tbody tr")) == len(STAGES[stage])
    assert "not measured" not in soup.get_text() and not soup.select(".stages")
    assert read_run(tmp_path).whole and json.loads((tmp_path / "checks.json").read_text())["stages"].keys() == {stage}


def test_the_first_page_of_a_rehearsal_shows_three_verdicts_and_that_the_data_are_made_up(directory):
    signed = made.check(verdict=Verdict.FAIL, accepted="accepted by Ann on 2026-01-01 until 2026-02-01: <b>small</b>")
    write(directory, benchmarks(signed), made.phase("09", made.check("09", Verdict.FAIL)))
    soup = BeautifulSoup((directory / "index.html").read_text(), "html.parser")
    told = [one.get_text() for one in soup.select(".stage .short")]
    assert told == ["GO with 1 accepted risk", "HEALTHY", "NOT ACCEPTED"] and soup.h1.get_text() == "NOT ACCEPTED"
    risk = soup.select_one(".verdict .next li").get_text()
    assert "TST-03-001" in risk and "Accepted by Ann on 2026-01-01 until 2026-02-01: <b>small</b>" in risk
    assert [one.get_text() for one in soup.select("#blocking article h3 code")] == ["TST-09-001"]
    for page in ("index.html", "03_x.html"):
        shown = BeautifulSoup((directory / page).read_text(), "html.parser").select_one(".data b")
        assert shown.get_text() == "MADE-UP DATA"
    site.write(replace(made.run(), profile="production"), directory, Redactor())
    assert "REAL DATA" in (directory / "index.html").read_text()


@pytest.mark.parametrize(
    "html",
    ["<a href='javascript:x()'>w</a>", "<a href=' HTTPS://e.example'>w</a>", "<p style='background:url(//e)'>w</p>",
     "<svg><a xlink:href='https://e.example'>w</a></svg>", "<img srcset='//e.example 2x' alt='w'>", "<form>w</form>",
     "<link rel='stylesheet' href='x.css'>w", "<meta http-equiv='refresh' content='0;url=//e'>w"],
)  # fmt: skip
def test_nothing_active_or_foreign_survives(html):
    made_safe = str(contained(html))
    assert not re.search(r"href|style=|srcset|<form|<link|<meta|javascript", made_safe)


def test_documents_outside_the_folder_are_not_followed(directory):
    odd = DocumentRecord(slug="x", title="X", audience=("A",), path="documents/missing.md")
    found = write(directory, benchmarks(documents=(odd,)))
    assert any("document x could not be read" in note for note in found.warnings)


def test_nothing_covers_the_shadow_that_says_that_a_table_goes_on():
    rules = re.findall(r"([^{}]+)\{([^{}]*)\}", stylesheet())
    of_tables = [said.strip() for said, body in rules if "background" in body
                 and re.search(r'> \.lb-table\s*(,|$)|overflow-x"\](?!:not\(\.lb-table\))', said)]  # fmt: skip
    assert len(of_tables) == 1 and ".scroll, .lb-table, " in of_tables[0]
