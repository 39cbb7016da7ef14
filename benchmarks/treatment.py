"""What calling accounts does to the next card, and what a holdout and the label ledger do about it.

Run in the repository: python benchmarks/treatment.py [--worlds 10] [--accounts 20000] [--smoke].
One treat-retrain cycle in each world of `planted`: a card learned from untreated accounts picks the riskiest 30 % of
new ones; nine in ten of them are called, which saves half of those who would churn; the tenth is held out. The next
card is learned from these accounts in three ways; in the third the held-out ones stand for the called in level and
calibration, not in points. Printed: its *strength*, how steeply its logit rises with the true logit over 20,000 fresh
accounts nobody called, relative to a card learned from the same accounts had nobody been called (1: the truth), and
its calibration in the large there (0: as many churn as it says), as medians over the worlds with their range of nine
worlds in ten.

Then the ledger: cohorts begin evenly over time, so that 40 % of the rows are immature; how far the base rate of the
matured rows lies from that of all rows once everything is known, in per cent of it, over all worlds together; and
what counting accounts that are still there as retained would have said.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from planted import INTERCEPT, accounts, risks
from scipy.special import expit, logit

from churnfit.evaluation.metrics import calibration_in_the_large
from churnfit.history.cohort import landmark_grid
from churnfit.history.labels import labels, ledger
from churnfit.history.sources import open_sources
from churnfit.learning.estimator import ScorecardClassifier
from churnfit.spec import ScorecardSpec

RISKIEST, HELD_OUT, SAVED = 0.3, 0.1, 0.5
HORIZON_DAYS = 90
AS_OF = pd.Timestamp("2024-01-01", tz="UTC")
WAYS = ("ignored", "left out", "left out, held-out stand in")
STRENGTH_WITHIN = (0.95, 1.05)
LARGEST_BIAS = 0.03


def spec_of(measures: list[str]) -> ScorecardSpec:
    """Return a spec over a wide table with churn dates, and interventions."""
    return ScorecardSpec.model_validate(
        {
            "name": "treated",
            "sources": {"measures": {"path": "measures.parquet"}, "interventions": {"path": "interventions.parquet"}},
            "cohort": {"horizon_days": HORIZON_DAYS},
            "groups": {"all": {"label": "All", "playbook": "call"}},
            "measures": {name: {"group": "all", "aggregate": "column"} for name in measures},
            "bands": {band: {"action": "call", "cost": 10, "save_rate": SAVED} for band in ("red", "amber")},
            "playbooks": {"call": {"title": "Call", "steps": ["Call."]}},
        }
    )


def labelled(
    table: pd.DataFrame, as_of: pd.Series, churned_at: pd.Series, interventions: pd.DataFrame, observed_to: pd.Timestamp
) -> pd.DataFrame:
    """Return the labels that churnfit gives these rows, in their order."""
    wide = table.assign(account_id=table.index.astype(str), as_of=as_of, churned_at=churned_at)
    spec = spec_of(list(table))
    with tempfile.TemporaryDirectory() as folder:
        wide.to_parquet(Path(folder) / "measures.parquet")
        interventions.to_parquet(Path(folder) / "interventions.parquet")
        with open_sources(spec, Path(folder)) as con:
            found = labels(con, spec, landmark_grid(con, spec), observed_to=observed_to)
    return found.set_index("account_id").loc[wide["account_id"]].reset_index()


def strength(card: ScorecardClassifier, fresh: pd.DataFrame, truth: np.ndarray) -> float:
    """Return how steeply the card's logit rises with the true one."""
    return float(np.polyfit(truth, logit(card.predict_proba(fresh)[:, 1]), 1)[0])


def cycle(size: int, seed: int) -> dict[str, tuple[float, float]]:
    """Return strength and calibration in the large of the next card, by way of learning it."""
    rng = np.random.default_rng(seed)
    first, table, fresh = (accounts(n, rng) for n in (size, size, 20_000))
    true = {
        name: INTERCEPT + risks(rows).sum(axis=1).to_numpy()
        for name, rows in zip("abc", (first, table, fresh), strict=True)
    }
    before = (rng.random(size) < expit(true["a"])).astype(int)
    champion = ScorecardClassifier(certify=0).fit(first, before)
    risk = champion.predict_proba(table)[:, 1]
    meant = risk >= np.quantile(risk, 1 - RISKIEST)
    held_out = meant & (rng.random(size) < HELD_OUT)
    would_churn = rng.random(size) < expit(true["b"])
    churned = would_churn & ~(meant & ~held_out & (rng.random(size) < SAVED))
    calls = pd.DataFrame(
        {"account_id": table.index[meant].astype(str), "at": AS_OF + pd.Timedelta(days=1), "playbook": "call",
         "held_out": held_out[meant].astype(float)}
    )  # fmt: skip
    left = pd.Series(np.where(churned, AS_OF + pd.Timedelta(days=40), pd.NaT)).astype("datetime64[us, UTC]")
    found = labelled(table, pd.Series(AS_OF, index=table.index), left, calls, AS_OF + pd.Timedelta(days=200))
    matured = (found["status"] == "matured").to_numpy()
    answers = found["churned"].to_numpy("float64")
    untouched = ScorecardClassifier(certify=0).fit(table, would_churn.astype(int))
    whole = strength(untouched, fresh, true["c"])
    cards = {
        "ignored": ScorecardClassifier(certify=0).fit(table, answers),
        "left out": ScorecardClassifier(certify=0).fit(table[matured], answers[matured]),
        "left out, held-out stand in": ScorecardClassifier(certify=0).fit(
            table[matured], answers[matured], stands_for=found["weight"][matured]
        ),
    }
    after = (rng.random(len(fresh)) < expit(true["c"])).astype(int)
    return {
        way: (
            strength(card, fresh, true["c"]) / whole,
            calibration_in_the_large(after, card.predict_proba(fresh)[:, 1]),
        )
        for way, card in cards.items()
    }


def immature(size: int, seed: int) -> tuple[np.ndarray, float]:
    """Return churned and rows (of the matured, of all in the end), churned so far, and the share that is immature."""
    rng = np.random.default_rng(10_000 + seed)
    table = accounts(size, rng)
    as_of = pd.Series(AS_OF + pd.to_timedelta(rng.integers(0, 225, size), unit="D"))
    churn = rng.random(size) < expit(INTERCEPT + risks(table).sum(axis=1).to_numpy())
    days = rng.integers(1, HORIZON_DAYS + 1, size)
    left = (as_of + pd.to_timedelta(days, unit="D")).where(pd.Series(churn))
    now = AS_OF + pd.Timedelta(days=225)
    known = left.where(left <= now)
    none = pd.DataFrame({"account_id": ["nobody"], "at": [AS_OF], "playbook": ["call"]})
    found = labelled(table, as_of, known, none, now)
    table = ledger(found.assign(cohort="all")).iloc[0]
    counted = [table["churned"], table["matured"], churn.sum(), size, known.notna().sum()]
    return np.array(counted, dtype=float), float(table["immature"] / size)


def middle(values: list[float]) -> str:
    """Return the median and the range of nine in ten."""
    low, mid, high = np.quantile(values, (0.05, 0.5, 0.95))
    return f"{mid:6.3f} [{low:6.3f}, {high:6.3f}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--worlds", type=int, default=10)
    parser.add_argument("--accounts", type=int, default=20_000)
    parser.add_argument("--smoke", action="store_true", help="two small worlds: that it runs, not what it says")
    given = parser.parse_args()
    worlds, size = (2, 600) if given.smoke else (given.worlds, given.accounts)
    cycles = [cycle(size, seed) for seed in range(worlds)]
    print(f"{worlds} worlds of {size:,} accounts, {RISKIEST:.0%} meant for a call, {HELD_OUT:.0%} of these held out")
    print(f"{'treated rows':30}{'strength':>24}{'calibration in the large':>28}")
    for way in WAYS:
        print(f"{way:30}{middle([each[way][0] for each in cycles]):>24}{middle([each[way][1] for each in cycles]):>28}")
    seen = [immature(size, seed) for seed in range(worlds)]
    churned, rows, churned_in_the_end, all_rows, known = np.sum([counts for counts, _ in seen], axis=0)
    truth = churned_in_the_end / all_rows
    bias, naive = churned / rows / truth - 1, known / all_rows / truth - 1
    share = np.mean([share for _, share in seen])
    print(f"{share:.0%} of rows immature: base rate off by {bias:+.1%}; taking who is there for retained {naive:+.1%}")
    found = float(np.median([each["left out, held-out stand in"][0] for each in cycles]))
    held = STRENGTH_WITHIN[0] <= found <= STRENGTH_WITHIN[1] and abs(bias) <= LARGEST_BIAS
    print(f"strength with a holdout within {STRENGTH_WITHIN}, ledger bias at most {LARGEST_BIAS:.0%}: {held}")
    raise SystemExit(0 if held or given.smoke else 1)


if __name__ == "__main__":
    main()
