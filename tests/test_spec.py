"""A spec is read into frozen values, or every fault in it is said at once."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from tests.history.tiny_world import spec_of as tiny_spec
from tests.jobs.small_workspace import SPEC
from tests.small_card import spec_of

from churnfit.errors import SpecError
from churnfit.spec import Bands, ScorecardSpec, nearest, read_spec

TEMPLATES = sorted(
    path.name for path in files("churnfit").joinpath("templates").iterdir() if path.name.endswith("toml")
)


def read(root: Path, *changes: tuple[str, str]) -> ScorecardSpec:
    """Return the small spec with these texts replaced."""
    text = SPEC
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    path = root / "scorecard.toml"
    path.write_text(text, encoding="utf-8")
    return read_spec(path)


@pytest.mark.parametrize("name", TEMPLATES)
def test_the_shipped_templates_are_valid(name: str) -> None:
    """What `churnfit init` writes can be read, and is named as its file."""
    spec = read_spec(Path(str(files("churnfit").joinpath("templates", name))))
    assert f"{spec.name}.toml" == name
    assert all(spec.playbook_of(measure) for measure, declared in spec.measures.items() if declared.actionable)


def test_what_is_not_said_has_its_default(tmp_path: Path) -> None:
    """Gates, queue, learning and evaluation need not be written."""
    spec = read(tmp_path)
    assert (spec.queue.capacity_per_owner, spec.gates.min_red_lift, spec.learning.folds) == (8, 3.0, 4)
    assert (spec.challenger.trials, spec.evaluation.bootstrap) == (0, 50)
    assert spec.label_of("logins") == "logins"
    assert spec.playbook_of("logins") == "call"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("landmark_days", "landmark_dais", r"cohort: unknown key 'landmark_dais'; nearest valid name: 'landmark_days'"),
        ("[measures.seats]", "[measures.Seats]", r"name 'Seats' must be lower-case"),
        ("[measures.seats]", "[measures.a__b]", r"name 'a__b' must be lower-case .* single _"),
        (
            'group = "use"',
            'group = "uses"',
            r"measures.logins.group: 'uses' is not declared; nearest valid name: 'use'",
        ),
        ('playbook = "call"', 'playbook = "cal"', r"groups.use.playbook: 'cal' is not declared; .*'call'"),
        ('column = "seats"', 'playbook = "cll"\ncolumn = "seats"', r"measures.seats.playbook: 'cll' .*'call'"),
        ("[bands]", "[baseline]\nlogns = { weight = 1, green = 2, amber = 1 }\n[bands]", r"baseline.logns: .*'logins'"),
        (
            "[bands]",
            "[baseline]\nlogins = { weight = 1, green = 2, amber = 2 }\n[bands]",
            r"green and amber must differ",
        ),
        ("[bands]", '[learning]\nheaviest_group = "uze"\n[bands]', r"learning.heaviest_group: 'uze' .*'use'"),
        ("[10]", "[20, 10]", r"landmark_days must rise"),
        ("[1, 400]", "[400, 1]", r"stage_days must be \[first, last\]"),
        ("horizon_days = 20", "horizon_days = 0", r"cohort.horizon_days: .*greater than or equal to 1"),
        ("save_rate = 0.2", "save_rate = 1.2", r"bands.red.save_rate: .*less than or equal to 1"),
        ("save_rate = 0.2", "save_rate = nan", r"bands.red.save_rate: "),
        ("save_rate = 0.2", "save_rate = 0.2, target = 0.3", r'bands: .*rule "profit" has none'),
        ("[bands]", '[bands]\nrule = "recall"', r'bands: .*rule "recall" needs one for red and one for amber'),
        ("[bands]", "[bands]\ncapacity = 0", r"bands.capacity: .*greater than 0"),
        ("trials = 0", "trials = -1", r"challenger.trials"),
        ('kinds = ["login"]', "", r"measures.logins: aggregate 'count' needs `kinds`"),
        ('aggregate = "count"', 'aggregate = "cuont"', r"measures.logins.aggregate"),
        ('aggregate = "count"', 'aggregate = "column"', r"measures.logins"),
        ('aggregate = "count"', 'aggregate = "rate"', r"measures.logins: `per_kinds` goes with aggregates 'rate'"),
        ('aggregate = "count"', 'aggregate = "count"\nof_goal = { a = ["b"] }', r"measures.logins: `of` or `of_goal`"),
        ('aggregate = "count"', 'aggregate = "steps_skipped"\nof = ["a"]', r"measures.logins: .*two different steps"),
        ('aggregate = "count"', 'aggregate = "milestone_days_late"', r"measures.logins: .*needs its plan"),
        ('aggregate = "count"', 'aggregate = "count"\nplanned_kind = "due"', r"measures.logins: `planned_kind` goes"),
        ('aggregate = "count"', 'aggregate = "count"\nsql = "1"', r"measures.logins: aggregate 'sql' needs `sql`"),
        (
            'group = "use"',
            'group = "use"\nsays = "{vale}"',
            r"measures.logins.says: .*unknown name '{vale}'; .*'value'",
        ),
        ('group = "use"', 'group = "use"\nsays = "{value"', r"measures.logins.says: .*a brace without its partner"),
        ('group = "use"', 'group = "use"\nsays = "{value!r}"', r"measures.logins.says: .*unknown name '{value!r}'"),
        ("[cohort]", '[history]\nengine = "dayz"\n[cohort]', r"history.engine: .*'events', 'days' or 'spark'"),
        (
            "[bands]",
            "[gates]\ncalibration_slope = [1.2, 0.8]\n[bands]",
            r"calibration_slope must be \[lowest, highest\]",
        ),
        (
            'column = "seats"',
            'column = "seats"\nwhere = { feature = ["a"] }',
            r"measures.seats: .*`where`.* do not apply",
        ),
        ('kinds = ["login"]', 'kinds = ["login"]\ncolumn = "seats"', r"measures.logins: `column` goes with aggregates"),
        ('"held_out_accounts"', '"held_out_accounts"\njudge_from = 2024-03-01', r"evaluation: .*have no date"),
        (
            'method = "held_out_accounts"',
            "train_before = 2024-04-01\njudge_from = 2024-03-01",
            r"train_before must not lie after judge_from",
        ),
        ("[measures.logins]", "[measures.weight]", r"measures.weight: the name is taken"),
        ('column = "seats"', 'column = "As_Of"', r"measures.seats.column: 'As_Of' is computed; rename it"),
        ("[10]", '[10]\ncontraction = { kind = "arr", share = 1.0 }', r"cohort.contraction.share"),
        ('path = "accounts.parquet"', 'path = "a"\nsql = "SELECT 1"', r"give either `path` or `sql`"),
        ('title = "Call"', "", r"playbooks.call.title: Field required"),
        ('steps = ["Call them."]', "steps = []", r"playbooks.call.steps"),
        ("landmark_days = [10]", "landmark_days = []", r"events need at least one landmark day"),
        (
            "[cohort]",
            '[perception]\nmeasure = "logins"\ncontent_from = 6\ndiscontent_to = 6\n[cohort]',
            r"discontent_to: must be below content_from",
        ),
        (
            "[cohort]",
            '[perception]\nmeasure = "nps"\ncontent_from = 9\ndiscontent_to = 6\n[cohort]',
            r"perception.measure: 'nps' is not declared",
        ),
        (
            "[cohort]",
            '[next_stage]\nstage = "onboarding"\nwhen = "logins > 3"\n[cohort]',
            r"next_stage.stage: 'onboarding' is the card's own stage",
        ),
        ("[playbooks.call]", "[gates]\nmin_auc = 0.6\n[playbooks.call]", r"unknown key 'min_auc'; .*'min_auc_lower'"),
    ],
)
def test_a_wrong_key_or_value_is_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    """Where it stands, what is wrong, and the nearest name that would be right."""
    with pytest.raises(SpecError, match=rf"CF503 .*{message}") as fault:
        read(tmp_path, (old, new))
    assert fault.value.exit_code == 2


def test_all_faults_are_said_at_once(tmp_path: Path) -> None:
    """Three wrong keys in three sections: one message."""
    with pytest.raises(SpecError, match=r"'horizon_dayz'.*'labl'.*'cots'"):
        read(tmp_path, ("horizon_days", "horizon_dayz"), ("label", "labl"), ("cost", "cots"))


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"x = 1\nname = red\n", r"CF502 .*line 2, column 8"), (b"\xff\xfe", "CF502 .*UTF-8"), (None, "CF401 .*no file")],
)
def test_an_unreadable_file_is_said(tmp_path: Path, content: bytes | None, message: str) -> None:
    """No TOML, no UTF-8, no file."""
    path = tmp_path / "scorecard.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SpecError, match=message):
        read_spec(path)


def test_a_card_without_a_playbook_is_refused() -> None:
    """A call to action must say what to do, so there is at least one playbook."""
    with pytest.raises(ValidationError, match="playbooks"):
        spec_of(playbooks={}, groups={"use": {"label": "Use"}, "care": {"label": "Care"}})


def test_a_wide_table_has_no_events_to_take_measures_from() -> None:
    """An engine that would never be used is an error, not a key without effect."""
    wide = {"sources": {"measures": {"path": "wide.csv"}}, "cohort": {"horizon_days": 20}}
    measures = {"logins": {"aggregate": "column"}}
    assert tiny_spec(measures, **wide).history.engine == "events"
    with pytest.raises(ValidationError, match=r"history\.engine: 'days' reads events"):
        tiny_spec(measures, **wide, history={"engine": "days"})
    with pytest.raises(ValidationError, match=r"next_stage: whoever has moved is seen in accounts.stage"):
        tiny_spec(measures, **wide, next_stage={"stage": "adoption", "when": "logins > 3"})


def test_a_spec_cannot_be_changed(tmp_path: Path) -> None:
    """It is a value."""
    spec: Any = read(tmp_path)
    with pytest.raises(ValidationError, match="frozen"):
        spec.name = "other"


def test_the_nearest_name_is_offered_or_all_of_them() -> None:
    """A typo gets one suggestion, nonsense the whole list."""
    assert nearest("weigth", ["weight", "red"]) == "nearest valid name: 'weight'"
    assert nearest("zzz", ["weight", "red"]) == "valid names: red, weight"


@pytest.mark.parametrize(
    ("rule", "red", "amber", "fine"),
    [
        ("precision", 0.6, 0.3, True),
        ("precision", 0.3, 0.6, False),
        ("recall", 0.3, 0.6, True),
        ("recall", 0.6, 0.3, False),
        ("quantile", 0.6, 0.3, False),
    ],
)
def test_targets_of_bands_are_nested(rule: str, red: float, amber: float, fine: bool) -> None:
    """Amber's target counts the red accounts too: they churn more often, and are fewer."""
    action = {"action": "call", "cost": 1, "save_rate": 0.1}
    asked = {"rule": rule, "red": {**action, "target": red}, "amber": {**action, "target": amber}}
    if fine:
        assert Bands.model_validate(asked).rule == rule
    else:
        with pytest.raises(ValueError, match="red's must be"):
            Bands.model_validate(asked)


def test_the_definition_of_a_measure_is_what_decides_its_values(tmp_path: Path) -> None:
    """A label or a shape is no part of it; a window is, and so is what an expression reads."""
    ratio = '[measures.per_seat]\ngroup = "use"\naggregate = "sql"\nsql = "logins / account.seats"\n\n[bands]'
    windowed = ('kinds = ["login"]', 'kinds = ["login"]\nwindow_days = 28')
    worded = (
        'kinds = ["login"]',
        'kinds = ["login", "login"]\nlabel = "Logins"\nshape = "higher_is_better"\nactor = "internal"',
    )
    before, words, window = (
        read(tmp_path, ("[bands]", ratio), *changes).definitions for changes in ([], [worded], [windowed])
    )
    assert before["logins"] == '{"aggregate": "count", "kinds": ["login"]}'
    assert words == before
    respaced = ratio.replace("logins / account.seats", "logins  /account.seats")
    assert read(tmp_path, ("[bands]", respaced)).definitions == before
    assert '"reads": {"logins"' in before["per_seat"]
    assert 'seats": {' not in before["per_seat"]
    assert {name for name in before if window[name] != before[name]} == {"logins", "per_seat"}


def test_the_peers_are_part_of_a_percentile_s_definition(tmp_path: Path) -> None:
    """Among accounts of half a year the same account stands elsewhere; a count is what it was."""
    peers = ('kinds = ["login"]', 'kinds = ["login"]\nrelative_to = "peers"')
    fewer = ("horizon_days = 20", "horizon_days = 20\npeer_days = 180")
    assert read(tmp_path, peers).definitions["logins"] != read(tmp_path, peers, fewer).definitions["logins"]
    assert read(tmp_path).definitions == read(tmp_path, fewer).definitions
