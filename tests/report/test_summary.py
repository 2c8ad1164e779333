"""A run as CI shows it: read back from its directory, never better than it was, and nothing in it takes effect."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import mistune
import pytest
from tests import made_run as made
from typer.testing import CliRunner

from leadbook.cli.main import app
from leadbook.core import files
from leadbook.core.checks import Verdict
from leadbook.core.errors import UsageError
from leadbook.core.redactor import Redactor
from leadbook.report import site
from leadbook.report.summary import ANNOTATIONS, SHOWN, summary
from leadbook.report.verdict import decide

EVIL = (
    "a|b <img src=x> [x](http://evil.example) @team ::error::x `code` *b* www.evil.example\n::stop-commands::t\r##[e]"
)
SECRET = "p@ss|w*rd"


def sealed(folder: Path, run, **manifest) -> Path:
    """A run's directory as the runner leaves it, with what a forger put into its manifest."""
    directory = folder / run.id
    directory.mkdir()
    (directory / "run.log").write_text("")
    (directory / "checks.json").write_text(json.dumps(run.as_dict()))
    told = {"run": run.id, "profile": run.profile, "verdict": decide(run).verdict, "state": "ended"}
    files.seal(directory, told | manifest)
    return directory


def failing(count: int = 1, **changes):
    changes = {"verdict": Verdict.FAIL, "id": "BCH-INS-003", "title": "Insert rate", **changes}
    return [made.check("03", **{**changes, "id": f"{changes['id'][:-3]}{number + 3:03d}"}) for number in range(count)]


def of(*phases, **changes):
    return made.run(*phases, **changes)


def bad(checks, number="03"):
    usual = made.phase(number)
    ids = {check.id for check in checks}
    return replace(usual, checks=(*(one for one in usual.checks if one.id not in ids), *checks))


def test_it_says_what_a_person_signed_for_and_what_an_api_measured(tmp_path):
    signed = made.check("06", kind="attestation", measured="attested", unit="")
    asked = made.check("01", id="ATL-AUD-001", kind="attestation", measured=True, unit="", evidence="Atlas' API: on")
    run = made.run(made.phase("06", signed), made.phase("01", asked))
    told = "attested by a person: 1; measured by the API of Atlas or n8n in a person's place: 1"
    assert told in summary(sealed(tmp_path, run)).markdown.replace("&#39;", "'")
    site.write(run, tmp_path, Redactor())
    page = (tmp_path / "index.html").read_text()
    assert told in page and 'id="told"' in page
    site.write(made.run(), tmp_path, Redactor())
    assert "attested by a person" not in (tmp_path / "index.html").read_text()


def test_a_live_sprint_tells_what_needs_a_look_and_what_to_do_about_it(tmp_path):
    unseen = {"verdict": Verdict.NOT_MEASURED, "measured": None, "remedy": "take one: `leadbook run --only 06`"}
    looks = [made.check("08", **unseen, id="MON-BACKUP-001"), made.check("08", Verdict.WARN)]
    live = of(stage="live", asked=("08",), profile="production")
    page = summary(sealed(tmp_path, replace(live, phases=(bad(looks, "08"),)))).markdown
    assert "## leadbook: ATTENTION" in page and "### What needs a look: 2" in page
    rows = [line for line in page.splitlines() if line.startswith("| not measured") or line.startswith("| warn")]
    assert "MON-BACKUP-001" in rows[0] and "leadbook run --only 06" in rows[0] and "use larger batches" in rows[1]


def test_it_says_the_verdict_whose_data_what_blocks_with_remedy_and_owner_and_where_the_report_is(tmp_path):
    directory = sealed(tmp_path, of(bad(failing())))
    told = summary(directory, link="https://github.com/o/r/actions/runs/1/artifacts/2")
    assert told.believed
    page = told.markdown
    assert "## leadbook: NO-GO" in page and "**MADE-UP DATA.**" in page
    (row,) = [line for line in page.splitlines() if "BCH-INS-003" in line and line.startswith("|")]
    assert "Insert rate" in row and "use larger batches" in row and row.endswith("| DBA |")
    assert "<https://github.com/o/r/actions/runs/1/artifacts/2>" in page
    assert "| ready | NO-GO |" in page and "| close | ACCEPTED |" in page
    (error,) = [line for line in told.annotations if line.startswith("::error")]
    assert error.startswith("::error title=BCH-INS-003::Insert rate: ") and "DBA: use larger batches" in error


def test_a_good_run_has_no_error_and_a_warning_for_what_warns_and_what_was_accepted(tmp_path):
    risk = replace(made.check("01", Verdict.FAIL, id="MDB-HST-001"), accepted="accepted by A. B. on 2026-01-01")
    warns = made.check("01", Verdict.WARN, id="MDB-SEC-005")
    told = summary(sealed(tmp_path, of(bad([risk, warns], "01"))))
    assert "## leadbook: GO" in told.markdown and "### Accepted risks: 1" in told.markdown
    assert "accepted by A. B." in told.markdown
    assert sorted(line.partition("::")[2].split("::")[0] for line in told.annotations) == [
        "warning title=MDB-HST-001", "warning title=MDB-SEC-005",
    ]  # fmt: skip


def test_real_data_is_called_so(tmp_path):
    told = summary(sealed(tmp_path, of(profile="production", stage="ready", asked=tuple(f"0{n}" for n in range(1, 8)))))
    assert "**REAL DATA.**" in told.markdown and "## leadbook: GO" in told.markdown


@pytest.mark.parametrize("change", ["broken", "interrupted", "phase"])
def test_a_broken_run_is_told_as_broken_with_what_failed_before(tmp_path, change):
    options = {"broken": {"broken": "the disk is full"}, "interrupted": {"interrupted": "SIGTERM"}}.get(change, {})
    phases = [bad(failing()), *([made.broken("05")] if change == "phase" else [])]
    told = summary(sealed(tmp_path, of(*phases, **options)))
    assert told.believed and "## leadbook: BROKEN" in told.markdown and "GO" not in told.markdown
    assert told.annotations[0].startswith("::error title=leadbook BROKEN::")
    assert "BCH-INS-003" in told.markdown


# ------------------------------------------------------------------------------------------- never better than it was


def edited(directory: Path) -> None:
    path = directory / "checks.json"
    path.write_text(path.read_text().replace('"fail"', '"pass"'))


def resealed(directory: Path) -> None:
    edited(directory)
    files.seal(directory, {"run": directory.name, "verdict": "NO-GO", "state": "ended"})


def unlisted(directory: Path) -> None:
    path = directory / files.MANIFEST
    manifest = json.loads(path.read_text())
    del manifest["files"]["checks.json"]
    path.write_text(json.dumps(manifest))
    edited(directory)


def unfinished(directory: Path) -> None:
    edited(directory)
    files.seal(directory, {"run": directory.name, "verdict": "GO", "state": "running"})


@pytest.mark.parametrize(
    ("forge", "says"),
    [(edited, "was changed since the run ended"), (resealed, "its manifest says NO-GO"), (unlisted, "left no checks"),
     (unfinished, "has not ended, or was killed"), (lambda path: (path / files.MANIFEST).unlink(), "no run")],
)  # fmt: skip
def test_what_was_forged_or_has_not_ended_is_no_pass(tmp_path, forge, says):
    run = of(bad(failing()))
    directory = sealed(tmp_path, run)
    forge(directory)
    told = summary(directory)
    assert not told.believed and says in told.markdown and "**This is no pass.**" in told.markdown
    assert not re.search(r"leadbook: (GO|NO-GO|ACCEPTED)", told.markdown)
    assert len(told.annotations) == 1 and told.annotations[0].startswith("::error title=leadbook%3A no verdict::")


def test_of_a_folder_of_runs_the_newest_is_told_and_an_empty_one_says_that_no_run_began(tmp_path):
    sealed(tmp_path, of(id="20260101T000000Z-aaaaaa"))
    newer = sealed(tmp_path, of(bad(failing()), id="20260102T000000Z-000000"))
    (tmp_path / "latest").symlink_to("20260101T000000Z-aaaaaa")
    assert "NO-GO" in summary(tmp_path).markdown
    (newer / "checks.json").unlink()
    assert not summary(tmp_path).believed, "an older one that is whole does not stand in for it"
    assert "never began" in summary(tmp_path / "none").markdown


# --------------------------------------------------------------------------------------- nothing in it takes effect


def test_markdown_and_workflow_commands_in_a_finding_are_shown_and_not_obeyed(tmp_path):
    evil = failing(title=EVIL, remedy=EVIL, evidence=EVIL, measured=EVIL)
    told = summary(sealed(tmp_path, of(bad(evil), broken=EVIL)))
    html = str(mistune.create_markdown(escape=False, plugins=["table", "url", "strikethrough"])(told.markdown))
    assert "<img" not in html and "<a " not in html and "<em>" not in html and html.count("<table>") == 1
    assert not [line for line in told.markdown.splitlines() if "::" in line or "##[" in line or "@team" in line]
    for line in told.annotations:
        assert re.fullmatch(r"::(error|warning) title=[^:,\n\r]+::[^\n\r]*", line)
    assert "%0A" in told.annotations[0] and "%0D" in told.annotations[0]


def test_a_command_in_a_remedy_can_be_copied_from_a_terminal(tmp_path):
    command = "leadbook run --only 06 -p approve='restore_drill on lead_generation' --profile production"
    told = summary(sealed(tmp_path, of(bad(failing(remedy=f"run `{command}`, see _x_ of lead_generation")))))
    assert f"run `{command}`, see &#95;x&#95; of lead_generation" in told.markdown
    html = str(mistune.create_markdown(escape=False, plugins=["table"])(told.markdown))
    assert "<em>" not in html and "on lead_generation&#x27;" in html.replace("'", "&#x27;")
    (tmp_path / "b").mkdir()
    hidden = summary(sealed(tmp_path / "b", of(bad(failing(remedy="`a|b` and `::error::x`")))))
    assert "<code>a&#124;b</code>" in hidden.markdown and "::error" not in hidden.markdown


def test_people_and_secrets_are_masked_before_anything_is_escaped(tmp_path):
    leak = f"jane.doe@example.com https://www.linkedin.com/in/jane-doe {SECRET}"
    directory = sealed(tmp_path, of(bad(failing(measured=leak, remedy=leak))))
    told = summary(directory, redactor=Redactor([SECRET]))
    everything = "\n".join((told.markdown, *told.annotations))
    for part in ("jane", "doe", SECRET, "w*rd", "p&#64;ss", "w&#42;rd"):
        assert part not in everything
    assert "•••" in everything


def test_no_more_is_annotated_than_github_shows_and_the_rest_is_counted(tmp_path):
    told = summary(sealed(tmp_path, of(bad(failing(30)))))
    errors = [line for line in told.annotations if line.startswith("::error")]
    assert len(errors) == ANNOTATIONS and errors[-1].endswith("::21 more, in the summary and in the report")
    assert f"And {30 - SHOWN} more, in the report." in told.markdown


# ------------------------------------------------------------------------------------------------------- the command


def test_the_command_annotates_appends_the_page_and_leaves_the_verdict_to_the_run(tmp_path, monkeypatch):
    page = tmp_path / "page.md"
    page.write_text("before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(page))
    directory = sealed(tmp_path, of(bad(failing())))
    site.write(of(bad(failing())), directory, Redactor())  # as the runner itself writes it
    files.seal(directory, {"run": directory.name, "verdict": "NO-GO", "state": "ended"})
    done = CliRunner().invoke(app, ["summary", str(directory), "--format", "github"])
    assert done.exit_code == 0 and done.output.startswith("::error title=BCH-INS-003::"), done.output
    assert page.read_text().startswith("before\n## leadbook: NO-GO")
    edited(directory)
    done = CliRunner().invoke(app, ["summary", str(directory)])
    assert done.exit_code == 2 and "This is no pass" in done.output
    done = CliRunner().invoke(app, ["summary", str(directory), "--link", "javascript:x"])
    assert isinstance(done.exception, UsageError)
