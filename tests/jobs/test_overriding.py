"""A person overrules the shown band: until a date, with a reason, and the score stays."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import date, timedelta

import pandas as pd
import pytest
from tests.conftest import CARD, Ended
from tests.cta.test_rules import account
from tests.cta.test_store import MONDAY, publish, run_row
from tests.history.tiny_world import accounts_of, at, events_of
from tests.history.tiny_world import write as write_tables
from tests.jobs.test_queue import TODAY, ctas, small
from tests.small_card import spec_of

from churnfit.cta.overrides import Override, in_force, said_by
from churnfit.cta.rules import ScoredAccount, decide
from churnfit.errors import UsageError
from churnfit.jobs.overriding import lift_override, overrides, rates, set_override
from churnfit.jobs.queue import claim, queue
from churnfit.jobs.reproducing import reproduce
from churnfit.jobs.scoring import score
from churnfit.jobs.starting import DEMO_DAY
from churnfit.jobs.workspace import Workspace

__all__ = ["small"]  # the fixture: a workspace with CTAs of A, B, C and D since Monday
Cli = Callable[..., Ended]
FRIDAY = TODAY + timedelta(days=4)


def night(workspace: Workspace, day: int, *accounts: ScoredAccount) -> None:
    """Publish the run of that day (from Monday), on what people have said since."""
    with closing(workspace.store()) as store:
        publish(
            store,
            run_row(day),
            lambda standing: decide(
                list(accounts), standing, spec_of(), as_of=MONDAY + timedelta(days=day), version="version-1"
            ),
        )


def row(account_id: str, band: str, until: date | None) -> Override:
    """Return a row of the table."""
    return Override(card="small", account_id=account_id, band=band, until=until, why="x", by="ann", at="")


def test_the_newest_override_counts_through_its_last_day() -> None:
    """A's second replaces its first, B's is over on Tuesday, C's is lifted."""
    tuesday = MONDAY + timedelta(days=1)
    rows = [
        row("A", "red", tuesday),
        row("A", "green", tuesday),
        row("B", "red", MONDAY),
        row("C", "red", tuesday),
        row("C", "", None),
    ]
    assert {name: found.band for name, found in in_force(rows, MONDAY).items()} == {"A": "green", "B": "red"}
    assert {name: found.band for name, found in in_force(rows, tuesday).items()} == {"A": "green"}


def test_an_override_is_known_from_the_day_it_was_said() -> None:
    """What was said on Tuesday evening was not known on Monday."""
    monday, tuesday = (
        replace(row("A", band, None), at=f"{MONDAY + timedelta(days=day)}T21:00:00Z")
        for day, band in enumerate(("red", "green"))
    )
    assert said_by([monday, tuesday], MONDAY) == [monday]
    assert said_by([monday, tuesday], MONDAY + timedelta(days=1)) == [monday, tuesday]


def test_a_person_says_red_and_the_account_is_called_first(small: Workspace) -> None:
    """E is green and worth nothing by its score; ann knows better: E leads the week in her words; lifted, it goes."""
    healthy = account("E", "green", health=90.0, churn_probability=0.0)
    others = [account("A", "red"), account("B", "red")]
    night(small, 1, healthy, *others)
    assert "E" not in [cta.account_id for cta in ctas(small, "small")]
    set_override(small, "small", "E", band="red", until=FRIDAY, why="sponsor left", by="ann")
    night(small, 2, healthy, *others)
    first = queue(small, "small", owner="ann")[0]
    assert (first.cta.account_id, first.part, first.cta.triggers) == ("E", "this week", ("override",))
    assert first.cta.reasons[0] == f"ann says red until {FRIDAY}: sponsor left"
    assert (first.cta.health, first.cta.churn_probability) == (90.0, 0.0)
    night(small, 3, healthy, *others)
    assert sum(cta.account_id == "E" for cta in ctas(small, "small")) == 1  # one CTA, however many nights
    lift_override(small, "small", "E", why="a new sponsor", by="ann")
    night(small, 4, healthy, *others)
    [of_e] = [cta for cta in ctas(small, "small") if cta.account_id == "E"]
    assert of_e.status == "auto-resolved"


def test_a_person_says_green_and_nobody_is_called(small: Workspace) -> None:
    """A's open CTA resolves, B's stays with whoever claimed it; when it is over, what the card sees counts."""
    claim(small, "small", "B", by="ann")
    for name in "AB":
        set_override(small, "small", name, band="green", until=FRIDAY, why="they renewed", by="ann")
    red = [account("A", "red"), account("B", "red")]
    night(small, 1, *red)
    assert {cta.account_id: cta.status for cta in ctas(small, "small") if cta.account_id in "AB"} == {
        "A": "auto-resolved",
        "B": "claimed",
    }
    night(small, (FRIDAY - MONDAY).days + 1, *red)
    of_a = [cta for cta in ctas(small, "small") if cta.account_id == "A" and cta.active]
    assert [cta.triggers for cta in of_a] == [("band_red",)]


def test_a_red_account_whose_override_is_over_is_ranked_by_its_worth_again(small: Workspace) -> None:
    """Both triggers while it holds, the band alone after."""
    set_override(small, "small", "A", band="red", until=FRIDAY, why="sponsor left", by="ann")
    red = [account(name, "red") for name in "ABCD"]
    night(small, 1, *red)
    [of_a] = [cta for cta in ctas(small, "small") if cta.account_id == "A"]
    assert of_a.triggers == ("band_red", "override")
    night(small, (FRIDAY - MONDAY).days + 1, *red)
    [of_a] = [cta for cta in ctas(small, "small") if cta.account_id == "A"]
    assert of_a.triggers == ("band_red",)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"band": "purple"}, "CF703 --band.*came purple"),
        ({"until": TODAY - timedelta(days=1)}, "CF703 --until"),
        ({"why": " "}, "CF703 --why"),
        ({"account_id": "Z"}, "CF702 card 'small'.*the newest run scored; came 'Z'"),
    ],
)
def test_a_wrong_override_is_refused_and_nothing_is_written(
    small: Workspace, changes: dict[str, object], message: str
) -> None:
    """A band that is none, a date that is past, no reason, an account that nobody scored."""
    given = {"account_id": "A", "band": "red", "until": FRIDAY, "why": "sponsor left"} | changes
    with pytest.raises(UsageError, match=message):
        set_override(small, "small", **given)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"CF702 .*an account with an override in force"):
        lift_override(small, "small", "A", why="nothing there")
    assert overrides(small, "small", every=True) == []


def test_overrides_by_the_command_line(small: Workspace, churnfit: Cli) -> None:
    """Set, listed, lifted, and all of it kept."""
    said = churnfit(
        "override", "set", "A", "--band", "red", "--until", str(FRIDAY), "--why", "sponsor left", "--by", "ann",
        cwd=small.root,
    )  # fmt: skip
    assert (said.code, said.out) == (0, f"A: ann says red until {FRIDAY}: sponsor left\n")
    assert "sponsor left" in churnfit("override", "list", cwd=small.root).out
    lifted = churnfit("override", "lift", "A", "--why", "found another", "--by", "bob", cwd=small.root)
    assert (lifted.code, lifted.out) == (0, "A: lifted by bob: found another\n")
    assert json.loads(churnfit("override", "list", "--json", cwd=small.root).out)["overrides"] == []
    every = json.loads(churnfit("override", "list", "--all", "--json", cwd=small.root).out)["overrides"]
    assert [(each["band"], each["by"]) for each in every] == [("red", "ann"), ("", "bob")]


def test_a_rule_calls_where_no_person_says_otherwise(small: Workspace) -> None:
    """The rule says E and F are red; ann says F is green: E alone has a CTA, in the rule's words."""
    rule = replace(row("", "red", None), by="", why="large and hardly used")
    night(small, 1, account("E", "green"), account("F", "green"))
    set_override(small, "small", "F", band="green", until=FRIDAY, why="they renewed", by="ann")
    night(small, 2, *(account(name, "green", override=replace(rule, account_id=name)) for name in "EF"))
    [of_e] = [cta for cta in ctas(small, "small") if cta.account_id in "EF"]
    assert (of_e.account_id, of_e.triggers) == ("E", ("override",))
    assert of_e.reasons[0] == "a rule says red: large and hardly used"


def test_a_rule_of_the_spec_reaches_the_queue_and_explain(workspace: Workspace, churnfit: Cli) -> None:
    """Every enterprise account is called in the next night, whatever its health, and explain says the rule."""
    toml = workspace.root / "models" / CARD / "scorecard.toml"
    rule = '\n[[overrides]]\nwhen = "account.segment = \'enterprise\'"\nband = "red"\nwhy = "too large to lose"\n'
    toml.write_text(toml.read_text(encoding="utf-8") + rule, encoding="utf-8")
    score(workspace, CARD, as_of=DEMO_DAY + pd.Timedelta(days=1), say=lambda _: None)
    with closing(workspace.store()) as store:
        run = store.latest_run(CARD)
    assert run is not None
    scores = pd.read_parquet(workspace.folder / run.folder / "scores.parquet")
    large = set(scores.loc[scores["segment"] == "enterprise", "account_id"])
    called = {cta.account_id for cta in ctas(workspace, CARD) if "override" in cta.triggers}
    assert called == large
    assert len(large) > 5
    said = churnfit("explain", min(large), "--card", CARD, cwd=workspace.root).out
    assert "Shown red: a rule says red: too large to lose." in said
    assert churnfit("check", "--card", CARD, "--as-of", "2026-06-30", cwd=workspace.root).code == 0
    toml.write_text(toml.read_text(encoding="utf-8").replace("account.segment", "account.size"), encoding="utf-8")
    assert "CF504" in churnfit("check", "--card", CARD, "--as-of", "2026-06-30", cwd=workspace.root).out


def test_explain_says_who_overruled_the_band_and_the_published_score_stays(workspace: Workspace, churnfit: Cli) -> None:
    """The line names the person; the stored scores come out byte for byte as before."""
    first = queue(workspace, CARD)[0].cta.account_id
    set_override(workspace, CARD, first, band="green", until=FRIDAY, why="they renewed", by="ann")
    said = churnfit("explain", first, "--card", CARD, cwd=workspace.root).out
    assert f"Shown green: ann says green until {FRIDAY}: they renewed." in said
    assert [one.byte_for_byte for one in reproduce(workspace, CARD, every=True)] == [True]


def test_how_right_overrides_were_is_told_once_their_horizon_is_over(
    small: Workspace, churnfit: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On days 60 and 61 twenty accounts are green at 10 %; of the twelve that people say are red each second left."""
    names = [f"A{n:02}" for n in range(20)]
    left = names[:12:2]
    people = ({"account_id": name, "churned_at": at(70) if name in left else pd.NaT} for name in names)
    write_tables(small.root, accounts=accounts_of(*people), events=events_of(("A00", 95, "login")))
    fresh = replace(small, database=f"sqlite:///{small.folder / 'fresh.db'}")
    monkeypatch.setenv("CHURNFIT_DATABASE", fresh.database)
    with closing(fresh.store()) as store:
        for day in (60, 61):
            folder = small.folder / f"scores-{day}"
            folder.mkdir()
            pd.DataFrame({"account_id": names, "as_of": at(day), "band": "green", "churn_probability": 0.1}).to_parquet(
                folder / "scores.parquet"
            )
            run = replace(run_row(day - 60), as_of=at(day).date(), folder=folder.name)
            publish(store, run, lambda standing: decide([], standing, spec_of(), as_of=at(60).date(), version="v"))
        with store.changing("small") as of_card:
            for name, band in [*((name, "red") for name in names[:12]), ("A12", "green")]:
                of_card.overrule(replace(row(name, band, at(90).date()), at=f"{at(59):%Y-%m-%d}T08:00:00Z"))
            of_card.overrule(
                replace(row("A13", "red", at(90).date()), at=f"{at(62):%Y-%m-%d}T08:00:00Z")
            )  # no run since
    [found] = rates(fresh, "small", as_of=at(95)).to_dict("records")
    assert (found["said_by"], found["direction"], found["accounts"]) == ("people", "worse", 12)
    assert (found["right"], found["expected"], found["verdict"]) == (0.5, pytest.approx(0.1), "knew more")
    assert "knew more" in churnfit("override", "rates", cwd=small.root).out
    early = churnfit("override", "rates", "--json", "--as-of", f"{at(75):%Y-%m-%d}", cwd=small.root)
    assert json.loads(early.out)["rates"] == []


def test_a_rule_is_judged_by_the_nights_that_were_kept(workspace: Workspace) -> None:
    """A rule of today says what it would have said on the first of March; its accounts' horizon is over since."""
    toml = workspace.root / "models" / CARD / "scorecard.toml"
    rule = '\n[[overrides]]\nwhen = "account.segment = \'enterprise\'"\nband = "red"\nwhy = "too large to lose"\n'
    toml.write_text(toml.read_text(encoding="utf-8") + rule, encoding="utf-8")
    score(workspace, CARD, as_of=pd.Timestamp("2026-03-01", tz="UTC"), say=lambda _: None)
    [found] = rates(workspace, CARD, as_of=DEMO_DAY).to_dict("records")
    assert (found["said_by"], found["direction"]) == ("a rule: too large to lose", "worse")
    assert found["accounts"] > 0
    assert found["right"] == found["churned"]
