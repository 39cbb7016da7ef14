"""The frozen card and how it is made: ``PYTHONPATH=src python -m tests.golden.make`` writes the files anew."""

from __future__ import annotations

import json
import platform
from pathlib import Path

import numpy as np
import pandas as pd

from churnfit.learning.estimator import ScorecardClassifier
from churnfit.scorecard.card import Scorecard
from churnfit.scorecard.render import to_text

FOLDER = Path(__file__).parent
CARD, TEXT, SCORES, PROVENANCE = (FOLDER / name for name in ("card.json", "card.txt", "scores.json", "PROVENANCE.md"))
MADE_ON = "2026-11-22"
N_ROWS = 600


def training_table() -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Return measures, labels and accounts, by integer arithmetic alone: no random numbers, no rounding.

    Two rows per account. Risk falls with logins, is lowest at 2 to 4 tickets, and depends on the plan.
    """
    at = np.arange(N_ROWS)
    mixed = (at * 7919 + at // 7 * 104_729) % 10_007  # primes: every row its own place in 0 … 10,006
    logins = (mixed % 13).astype(float)
    tickets = (mixed // 13 % 8).astype(float)
    plan = np.array(["basic", "plus", "pro"], dtype=object)[mixed // 104 % 3]
    gone = at % 11 == 0
    risk = 20 - 4 * logins + 15 * np.abs(tickets - 3) + np.where(plan == "basic", 30, 0)  # in percent, about
    churned = (mixed * 31 % 100 < np.clip(risk, 2, 95)).astype(int)
    table = pd.DataFrame(
        {
            "logins": np.where(gone, np.nan, logins),
            "logins__state": pd.Series(np.where(gone, "stale", None), dtype=object),
            "tickets": tickets,
            "plan": plan,
            "digits": (mixed * 17 % 29).astype(float),
        }
    )
    return table, churned, (at // 2).astype(str)


def judged_rows() -> pd.DataFrame:
    """Return twelve rows that visit edges, gaps and values never seen."""
    return pd.DataFrame(
        {
            "logins": [0.0, 3.0, 6.5, 12.0, 99.0, np.nan, np.nan, -1.0, 5.0, 5.0, 8.0, 2.0],
            "logins__state": [None, None, None, None, None, "stale", "unheard of", None, None, None, None, None],
            "tickets": [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 7.0, 99.0, 0.5, np.nan, 3.0, 6.0],
            "plan": ["basic", "plus", "pro", "pro", "plus", "basic", "basic", "pro", "unheard of", None, "pro", "plus"],
            "digits": 1.0,
        }
    )


def learned() -> Scorecard:
    """Return the card learned from the training table."""
    table, churned, accounts = training_table()
    return ScorecardClassifier().fit(table, churned, groups=accounts).card_


def scores(card: Scorecard) -> dict[str, list[object]]:
    """Return health, churn probability and band of the judged rows."""
    rows = judged_rows()
    health = card.health(rows)
    return {
        "health": health.tolist(),
        "churn_probability": [round(float(p), 10) for p in card.probability_of(health)],
        "band": card.bands.band(health).tolist(),
    }


def main() -> None:
    """Write the card, its text, the scores and their provenance."""
    import scipy
    import sklearn

    card = learned()
    CARD.write_text(card.to_json(), encoding="utf-8")
    TEXT.write_text(to_text(card), encoding="utf-8")
    SCORES.write_text(json.dumps(scores(card), indent=1) + "\n", encoding="utf-8")
    versions = {"python": platform.python_version(), "numpy": np.__version__, "pandas": pd.__version__}
    versions |= {"scipy": scipy.__version__, "scikit-learn": sklearn.__version__}
    PROVENANCE.write_text(
        "# Where the frozen card comes from\n\n"
        f"Made on {MADE_ON} from `make.py`'s own table of {N_ROWS} rows, by\n\n"
        "    PYTHONPATH=src python -m tests.golden.make\n\n"
        f"with {', '.join(f'{name} {version}' for name, version in versions.items())}.\n\n"
        f"The card's sha256: `{card.sha256}`.\n\n"
        "`card.json` is the card, `card.txt` its rendering, `scores.json` what it says of twelve rows. The test\n"
        "learns the card again and compares weights and points exactly, other numbers to a millionth: linear algebra\n"
        "differs in the last bits between machines. Write the files anew only for a change of the learner that is\n"
        "meant, set `MADE_ON`, and say in the changelog what the card gained.\n",
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
