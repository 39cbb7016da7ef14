"""What an additive card misses: the gap to a tuned LightGBM, and the pairs of measures that it joins beyond chance.

Run in the repository: python benchmarks/missed_pairs.py [--tables telco,…] [--smoke]. Of tables of
`learners/tables.py` the first split each: AUC and log-loss of the card, of the card with three named pairs, and of
LightGBM (20 trials) on the same rows that none has seen; then the named interactions, strongest first, as
`churnfit fit` reports them. Real tables need ../shared/data; absent ones are said and skipped.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import log_loss, roc_auc_score

sys.path.insert(0, str(Path(__file__).parent / "learners"))

from tables import TABLES, Table, smoke_table, table

from churnfit.evaluation.interactions import Interactions, missed_interactions
from churnfit.learning.challenger import fit_challenger
from churnfit.learning.estimator import ScorecardClassifier
from churnfit.spec import Challenger, ScorecardSpec

USUAL = "telco,pysurvival,oulad,interacting"
PAIRS = 3
SPEC = ScorecardSpec.model_validate(
    {
        "name": "benchmark",
        "sources": {"measures": {"path": "measures.csv"}},
        "cohort": {"horizon_days": 90},
        "groups": {"all": {"label": "All"}},
        "measures": {"any": {"group": "all", "aggregate": "column"}},
        "bands": {
            "red": {"action": "call", "cost": 100, "save_rate": 0.5},
            "amber": {"action": "mail", "cost": 10, "save_rate": 0.1},
            "margin": 1.0,
            "default_value": 1000,
        },
        "playbooks": {"call": {"title": "Call", "steps": ["Call."]}},
    }
)
"""For its resamples and random state; measures that it does not name go by their own names."""


def look(made: Table, *, trials: int) -> None:
    """Print the gap and the missed interactions on the first split of a table."""
    learning, judging = (made.rows.iloc[rows] for rows in (made.splits[0].learn, made.splits[0].judge))
    churned, lost = made.churned[made.splits[0].learn], made.churned[made.splits[0].judge]
    began = None if made.began is None else made.began[made.splits[0].learn]
    plain, paired = (ScorecardClassifier(pairs=pairs).fit(learning, churned, began=began) for pairs in (0, PAIRS))
    with tempfile.TemporaryDirectory() as folder:
        challenger = fit_challenger(
            learning,
            churned,
            np.arange(len(learning)),
            spec=Challenger(trials=trials),
            random_state=0,
            journal=Path(folder, "study.journal"),
        )
    print(f"{'':24}{'AUC':>8}{'log-loss':>10}")
    _print("card", lost, plain.predict_proba(judging)[:, 1])
    _print(f"card, at most {PAIRS} pairs", lost, paired.predict_proba(judging)[:, 1])
    _print("LightGBM", lost, challenger.predict(judging))
    print("pairs on the card: " + (", ".join(pair.name for pair in paired.card_.pairs) or "none pays"))
    both = [
        rows.assign(account_id=[str(n) for n in rows.index], churned=label)
        for rows, label in ((learning, churned), (judging, lost))
    ]
    _print_missed(missed_interactions(challenger, *both, spec=SPEC))


def _print(name: str, lost: NDArray[np.int64], probability: NDArray[np.float64]) -> None:
    print(f"{name:24}{roc_auc_score(lost, probability):8.4f}{log_loss(lost, probability):10.4f}")


def _print_missed(found: Interactions) -> None:
    print(
        f"LightGBM joins {len(found.named)} of {found.pairs} pairs more strongly than in any of {found.histories} "
        f"histories without interactions ({found.chance_logit:.3f} churn logits); {found.rows:,} rows:"
    )
    for pair in found.named:
        strength = pair.mean_abs_logit
        said = f"{strength.estimate:.3f} ({strength.low:.3f} to {strength.high:.3f}), {pair.share:.0%} of all"
        print(f"  {pair.first} × {pair.second}: {said}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", default=USUAL, help=f"of {', '.join(TABLES)}")
    parser.add_argument("--smoke", action="store_true", help="one tiny table, one trial: that it runs")
    given = parser.parse_args()
    unknown = set(given.tables.split(",")) - set(TABLES)
    if unknown:
        parser.error(f"no tables {sorted(unknown)}; there are {', '.join(TABLES)}")
    for name in ["tiny"] if given.smoke else given.tables.split(","):
        made = smoke_table() if given.smoke else table(name)
        print(f"\n### {name}")
        if made is None:
            print("skipped: its data is not in ../shared/data")
            continue
        look(made, trials=1 if given.smoke else 20)


if __name__ == "__main__":
    main()
