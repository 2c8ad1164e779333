"""Advice needs a difference that was shown; a tuned copy says why, and the profile itself is never touched."""

from dataclasses import asdict

import pytest
import yaml

from leadbook.commands.tune import from_facts, tune
from leadbook.core.errors import UsageError
from leadbook.core.settings import Settings
from leadbook.load.tuning import SettingTrial
from leadbook.measure.intervals import difference
from leadbook.phases.p05 import checks, figures
from leadbook.phases.p05.advice import Advice, advise
from made_facts import batch_size_decision

SLOW, FAST, NOISY = [1_000, 1_010, 990, 1_005], [2_000, 2_010, 1_990, 2_005], [900, 1_400, 700, 1_100]


def test_a_batch_size_is_advised_as_phase_03_decided():
    (better,) = advise(Settings(), batch_size_decision(1_000, "+99 %"), [], [])
    assert (better.proposed, better.changes) == (1_000, True)
    (same,) = advise(Settings(), batch_size_decision(500, "no difference shown"), [], [])
    assert (same.proposed, same.effect) == (None, "no difference shown")
    assert not advise(Settings(batch_size=250), batch_size_decision(1_000, "+99 %"), [], []), "decided for another size"


def trial(before, after, better):
    return SettingTrial(name="writers", parameter="writers", before=2, after=8, unit="documents/s", better=better,
                 effect=difference(before, after))  # fmt: skip


@pytest.mark.parametrize(
    ("before", "after", "better", "proposed"),
    [(SLOW, FAST, "higher", 8), (FAST, SLOW, "higher", None), (SLOW, NOISY, "higher", None), (FAST, SLOW, "lower", 8)],
)
def test_a_change_for_the_worse_or_in_the_noise_is_not_advised(before, after, better, proposed):
    (found,) = advise(Settings(), {}, [trial(before, after, better)], [])
    assert found.proposed == proposed


def test_what_the_pipeline_does_already_is_its_value_and_stays():
    asked = SettingTrial(name="look-ups", parameter="look-up", before="GET", after="MGET 100", unit="keys/s",
                         better="higher", effect=difference(SLOW, FAST), in_use=True)  # fmt: skip
    (found,) = advise(Settings(), {}, [asked], [])
    assert (found.current, found.proposed) == ("MGET 100", None) and "already" in found.evidence


def test_a_change_that_leaves_next_to_nothing_is_told_by_both_numbers_and_drawn_as_times_better():
    waits, gone = [19.2, 19.4, 19.3, 19.3], [0.019, 0.019, 0.018, 0.02]
    faster = SettingTrial(name="pool", parameter="min_pool_size", before=5, after=20, better="lower",
                          unit="ms, slowest check-out", effect=difference(waits, gone))  # fmt: skip
    (found,) = advise(Settings(), {}, [faster], [])
    assert found.effect == "19.3 → 0.019 ms, slowest check-out" and "0.019 (0.01" in found.evidence
    assert checks.TRIALS["LOAD-TUN-003"][1](faster).evidence.endswith("faster, 19.3 → 0.019 (ms, slowest check-out)")
    (axes,) = figures.effects([faster]).axes
    assert axes.collections[0].get_offsets()[0][0] == pytest.approx(1_016, rel=0.05)


def test_majority_is_never_advised_away():
    rates = {"rates_by_concern": {"majority": SLOW, "w: 1, j: false": FAST}}
    assert advise(Settings(), rates, [], [])[0].proposed is None
    assert advise(Settings(write_concern="1"), rates, [], [])[0].proposed == "majority"


@pytest.fixture
def profile(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("profile: rehearsal  # or ci\nwriters: 2  # at once\nbatch_size: 500\n")
    return path


def test_a_tuned_copy_has_a_comment_on_each_changed_line_and_the_profile_is_untouched(profile, tmp_path):
    before, out = profile.read_text(), tmp_path / "tuned.yaml"
    wanted = [
        Advice(parameter="writers", current=2, proposed=8, effect="+100 %", evidence="1,000 and 2,000 documents/s"),
        Advice(parameter="batch_size", current=500, proposed=None, effect="no difference shown", evidence="-"),
        Advice(parameter="cache", current=1, proposed=2, effect="+5 %", evidence="-", in_profile=False),
    ]
    assert [one.parameter for one in tune(profile, wanted, out)] == ["writers"]
    lines = zip(before.splitlines(), out.read_text().splitlines(), strict=True)
    (changed,) = [new for old, new in lines if old != new]
    assert changed.startswith("writers: 8  # tuned: was 2; +100 %")
    assert Settings.from_mapping(yaml.safe_load(out.read_text())).writers == 8
    assert profile.read_text() == before
    pool = Advice(parameter="min_pool_size", current=5, proposed=20, effect="-99 %", evidence="-")
    assert tune(profile, [pool], tmp_path / "longer.yaml") == [pool]
    assert "min_pool_size: 20  # tuned: was 5; -99 %; -" in (tmp_path / "longer.yaml").read_text().splitlines()


def test_the_profile_itself_and_existing_files_are_refused(profile, tmp_path):
    with pytest.raises(UsageError, match="itself"):
        tune(profile, [], profile)
    existing = tmp_path / "there.yaml"
    existing.write_text("x: 1")
    with pytest.raises(UsageError, match="exists"):
        tune(profile, [], existing)


def test_advice_survives_its_way_through_the_records():
    one = Advice(parameter="writers", current=2, proposed=8, effect="+100 %", evidence="-")
    assert from_facts({"advice": [asdict(one)]}) == [one]
    with pytest.raises(UsageError, match="phase 05"):
        from_facts({})
