"""The card beside its LightGBM challenger on intakes of real students, learned from earlier ones.

Run in the repository: python benchmarks/oulad_intakes.py. Needs ../shared/data/oulad; says so and ends without it.
"""

import argparse
import tempfile
from pathlib import Path

import pandas as pd

from churnfit.evaluation.metrics import auc, calibration, log_loss
from churnfit.jobs.history import training_set
from churnfit.jobs.workspace import find_workspace
from churnfit.learning.challenger import fit_challenger
from churnfit.learning.fitting import learn_card, measure_columns
from churnfit.spec import Challenger

REPOSITORY = Path(__file__).resolve().parents[1]
PAIRS = ((("2013B", "2013J"), "2014B"), (("2013B", "2013J"), "2014J"), (("2013B", "2013J", "2014B"), "2014J"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=15, help="Optuna trials of the challenger")
    trials = parser.parse_args().trials
    if not (REPOSITORY.parent / "shared" / "data" / "oulad").is_dir():
        print("skipped: ../shared/data/oulad is not there")
        return
    workspace = find_workspace(REPOSITORY)
    spec = workspace.spec("oulad")
    rows = training_set(workspace, "oulad", as_of=pd.Timestamp("2016-01-01", tz="UTC")).rows
    intake = rows["account_id"].str[-5:]
    columns = [*measure_columns(rows, spec), "segment"]
    print(f"{'learned from':22} {'judged on':10} {'':9} {'AUC':>7} {'log-loss':>9} {'slope':>7}")
    for earlier, later in PAIRS:
        learning, judging = rows[intake.isin(earlier)], rows[intake == later]
        churned = judging["churned"].to_numpy(float)
        with tempfile.TemporaryDirectory() as folder:
            challenger = fit_challenger(
                learning[columns],
                learning["churned"],
                learning["account_id"],
                spec=Challenger(trials=trials),
                random_state=spec.learning.random_state,
                journal=Path(folder, "study.journal"),
            )
        for title, probability in (
            ("card", learn_card(learning, spec).churn_probability(judging)),
            ("LightGBM", challenger.predict(judging[columns])),
        ):
            numbers = (auc(churned, probability), log_loss(churned, probability), calibration(churned, probability)[1])
            print(f"{'+'.join(earlier):22} {later:10} {title:9} {numbers[0]:7.4f} {numbers[1]:9.4f} {numbers[2]:7.3f}")


if __name__ == "__main__":
    main()
