"""Rules are data: what stands in the rulebook is whole, and what is wrong in one is refused by its id."""

import copy
import json
from datetime import UTC, datetime

import pytest
import typer
import yaml

from leadbook.cli import main
from leadbook.core import connect
from leadbook.core.definitions import definition
from leadbook.core.errors import LeadbookError
from leadbook.core.journal import Journal
from leadbook.core.provenance import Target, seal
from leadbook.core.settings import PROJECT, Settings
from leadbook.phases.live.baselines import FACTS, read_baselines
from leadbook.phases.live.judge import Judge
from leadbook.phases.live.rules import COMMAND, load, rulebook
from leadbook.report.live_rules import AREAS, rules_page

COMING = {"watch", "act", "ack", "alerts", "rehearse"}
"""Commands of the same release that this part does not bring."""
GOOD = {
    "id": "LIVE-TRY-001", "title": "A trial", "reading": "mongodb.lag_s", "compare": ">", "limit": 10, "critical": 20,
    "clear": 5, "for": 2, "source": "practice", "symptom": "it lags", "cause": "a slow disk",
    "evidence": "{value} of {limit}, {mongodb.elections}", "remedy": "`leadbook act writers=1`",
}  # fmt: skip


def loaded(folder, *changes, without=()):
    entries = []
    for change in changes:
        entry = {**copy.deepcopy(GOOD), **change}
        entries.append({key: value for key, value in entry.items() if key not in without})
    (folder / "rules.yaml").write_text(yaml.safe_dump(entries), encoding="utf-8")
    return load(folder)


def test_a_good_rule_is_taken(tmp_path):
    (rule,) = loaded(tmp_path, {}).values()
    bounds = rule.bounds(Settings())
    assert (bounds.limit, bounds.critical, bounds.clear, rule.told_unit) == (10, 20, 5, "s")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"reading": "mongodb.lags"}, "no reading 'mongodb.lags'; did you mean 'mongodb.lag_s'"),
        ({"per": "mongodb.lags"}, "no reading 'mongodb.lags'"),
        ({"event": "elected"}, "exactly one of reading, event, away, unread, rows"),
        ({"reading": "", "event": "exploded"}, "no event 'exploded'"),
        ({"reading": "", "away": "n8n"}, "away is told of mongodb and redis"),
        ({"reading": "", "rows": "leads", "field": "x"}, "are no table of the details"),
        ({"pooled": 40}, "pooled needs growth per second"),
        ({"critical": 5}, "its critical limit 5 comes before its limit 10"),
        ({"clear": 12}, "it would be over at 12, which is still trouble"),
        ({"compare": "<"}, "comes before its limit 10"),
        ({"compare": "!="}, "compare"),
        ({"limit": "target_lag"}, "no parameter 'target_lag'"),
        ({"limit": None, "critical": None, "clear": None}, "has no limit"),
        ({"limit_of": "MON-REPL-001"}, "exactly one of limit_of and compare"),
        ({"limit_of": "MON-REPL-001", "compare": None}, "a limit besides that of the check"),
        ({"limit_of": "MON-REPL-999", "compare": None, "limit": None}, "check 'MON-REPL-999' is not in the catalogue"),
        ({"needs": [{"reading": "sprint.leadz", "compare": ">", "limit": 1}]}, "no reading 'sprint.leadz'"),
        ({"needs": [{"reading": "sprint.leads", "compare": ">"}]}, "not exactly one of limit and than"),
        ({"needs": [{"reading": "sprint.leads", "compare": ">", "than": "sprint.x"}]}, "no reading 'sprint.x'"),
        ({"needs": [{"reading": "sprint.leads", "compare": ">", "limit": "most"}]}, "no parameter 'most'"),
        ({"baseline": [{"fact": "03.rate"}]}, "no fact '03.rate'"),
        ({"baseline": [{"fact": "03.insert_rate", "series": "usual"}]}, "not exactly one of fact and series"),
        ({"baseline": [{"series": "yesterday"}]}, "baseline.0.series"),
        ({"evidence": "{mongodb.lags}"}, "evidence knows no {mongodb.lags}"),
        ({"evidence": "{row.vendor}"}, "evidence knows no {row.vendor}"),
        ({"remedy": "`leadbook act writer=1`"}, "leadbook act knows no 'writer'; did you mean 'writers'"),
        ({"owner": "Nobody"}, "no owner 'Nobody'"),
        ({"notebook": "10"}, "no notebook '10'"),
        ({"source": ""}, "where its limit comes from"),
        ({"level": 2, "then": [{"level": 1, "after": 5}]}, "its escalation does not rise"),
        ({"then": [{"level": 2, "after": 9}, {"level": 3, "after": 5}]}, "its escalation does not rise"),
        ({"level": 5}, "level"),
        ({"for": 0}, "for"),
        ({"limits": 3}, "limits: extra inputs are not permitted"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_refused_by_its_id(tmp_path, change, said):
    with pytest.raises(LeadbookError, match=r"^rules\.yaml: rule LIVE-TRY-001: ") as told:
        loaded(tmp_path, change)
    assert said in str(told.value) and "\n" not in str(told.value)


@pytest.mark.parametrize("name", ["title", "symptom", "cause", "evidence", "remedy"])
def test_a_missing_field_is_named(tmp_path, name):
    with pytest.raises(LeadbookError, match=f"rule LIVE-TRY-001: {name}: field required"):
        loaded(tmp_path, {}, without=(name,))


def test_one_id_and_one_excusing_rule(tmp_path):
    with pytest.raises(LeadbookError, match="rule LIVE-TRY-001 is there twice"):
        loaded(tmp_path, {}, {})
    with pytest.raises(LeadbookError, match="more than one rule excuses"):
        loaded(tmp_path, {"excuses": True}, {"id": "LIVE-TRY-002", "excuses": True})
    with pytest.raises(LeadbookError, match="key: value"):
        (tmp_path / "rules.yaml").write_text("- disk is full\n", encoding="utf-8")
        load(tmp_path)


def test_limits_follow_the_settings_and_are_checked_with_them(tmp_path):
    rule = rulebook()["LIVE-STG-001"]
    assert rule.bounds(Settings.from_mapping({"backlog_max_age_s": 42.0})).limit == 42
    (rule,) = loaded(tmp_path, {"limit": "backlog_max_age_s", "critical": 900, "clear": None}).values()
    with pytest.raises(LeadbookError, match="rule LIVE-TRY-001: its critical limit 900 comes before its limit 1000"):
        Judge(Settings.from_mapping({"backlog_max_age_s": 1000.0}), rules={rule.id: rule})


def test_a_checks_threshold_stands_in_the_catalogue_only():
    for rule in rulebook().values():
        if rule.limit_of:
            assert rule.limit is None and rule.critical is None
            bounds, check = rule.bounds(Settings()), definition(rule.limit_of)
            assert bounds.critical == check.critical
            if check.compare in ("<", ">="):
                assert bounds.limit is not None and bounds.beyond(bounds.limit, bounds.limit) is (check.compare == "<")


def test_every_command_of_a_remedy_exists():
    known = set(typer.main.get_command(main.app).commands) | COMING  # type: ignore[attr-defined]
    for rule in rulebook().values():
        assert {name for name, _ in COMMAND.findall(rule.remedy)} <= known, rule.id
        assert rule.remedy.count("`") % 2 == 0, rule.id


def test_the_page_holds_every_rule_and_is_up_to_date():
    page = rules_page()
    topics = [topic for area in AREAS.values() for topic in area]
    assert {rule.split("-")[1] for rule in rulebook()} == set(topics)
    for rule in rulebook().values():
        assert page.count(f"| `{rule.id}` {rule.title} |") == 1
    assert (PROJECT / "docs" / "live-rules.md").read_text(encoding="utf-8") == page


# ----------------------------------------------------------------------------------------------------- baselines


def recorded(target, profile, facts, phase="03"):
    at = datetime.now(UTC).isoformat(timespec="seconds")
    opened = {"profile": profile, "parameters": {}, "run": "r"}
    record = {"phase": phase, "opened": opened, "checks": [], "documents": [], "facts": facts,
              "closed": {"at": at, "target": target.as_dict(), "verdict": "pass"}}  # fmt: skip
    return json.dumps({**record, "seal": seal(record)})


def test_baselines_come_from_the_journal_and_only_of_this_target(database, mongo, settings, endpoints, tmp_path):
    settings = settings.model_copy(update={"run_dir": str(tmp_path)})
    nothing = read_baselines(mongo, settings, endpoints)
    assert nothing.facts == {} and nothing.missing == dict.fromkeys(("03", "05"), "there is no record of it")
    database.create_collection(settings.collection)
    target, journal = Target.read(mongo, settings, endpoints), Journal(database, endpoints.mongodb_uri)
    facts = {"duplicate_check_mongodb_p99_ms": 2.5, "insert_rate": None, "lookups": [], "checkout_p99_ms": 0}
    for phase, record in {"03": recorded(target, settings.profile, facts),
                          "05": recorded(target, "production", {"load_insert_rate": 900}, "05")}.items():  # fmt: skip
        journal.write("phase", phase=phase, profile=settings.profile, run="r", verdict="pass", counts={}, record=record)
    found = read_baselines(mongo, settings, endpoints)
    assert found.facts == {"03.duplicate_check_mongodb_p99_ms": 2.5}
    assert (
        found.told("03.insert_rate").startswith("phase 03, closed 20") and "profile production" in found.missing["05"]
    )
    assert set(found.facts) <= set(FACTS)


def test_a_mongodb_that_is_away_leaves_no_baselines(settings, endpoints):
    fast = settings.model_copy(update={"server_selection_timeout_ms": 100})
    with connect.mongodb("mongodb://127.0.0.1:9/?directConnection=true", fast) as client:
        found = read_baselines(client, fast, endpoints)
    assert found.facts == {} and "Timeout" in found.missing["03"] and "\n" not in found.missing["03"]
