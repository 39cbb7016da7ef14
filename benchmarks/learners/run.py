"""churnfit beside readable peers and LightGBM: same tables, same folds, one report.

Run in the repository: python benchmarks/learners/run.py. Real tables need ../shared/data; absent ones are said and
skipped. Peers get environments of their own under the cache, where predictions are kept too: after a change of
churnfit only churnfit is fitted again. Exit code 1 when a check fails; what was not measured is no failure, and said.
"""

import argparse
import sys
from pathlib import Path

from comparison import OURS, Comparison, checks
from judging import judged
from learners import LEARNERS, Learner, Outcome, outcome, with_settings
from report import summary_section, table_section
from tables import TABLES, USUAL_TABLES, Table, smoke_table, table

CACHE = Path.home() / ".cache" / "churnfit-benchmarks"
_SMOKE_LEARNERS = [OURS, "logistic"]
_USUAL_SETTINGS = ["pairs=3"]  # the variant that is compared unless others are named


def main() -> int:
    options = _options()
    learners = {name: LEARNERS[name] for name in options.learners}
    if OURS in learners:
        learners.update({one.name: one for one in map(with_settings, options.settings)})
    comparison = Comparison(learners)
    sections = []
    for name in options.tables:
        made = smoke_table() if options.smoke else table(name)
        if made is None:
            sections.append(_said(f"### {name}\n\nskipped: its data is not in ../shared/data\n"))
            continue
        comparison.results[name] = {one.name: _result(one, made, options.cache) for one in learners.values()}
        sections.append(_said(table_section(comparison, name, _described(made))))
    ours = [name for name in learners if name.startswith(OURS)] if comparison.results else []
    found = {name: checks(comparison, name) for name in ours}
    if found:
        sections.append(_said(summary_section(comparison, found)))
    if options.out:
        options.out.write_text("\n".join(sections), encoding="utf-8")
    failed = any(check.passed is False for answers in found.values() for check in answers)
    return int(failed and not options.smoke)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tables", type=_names(TABLES), default=USUAL_TABLES, help=f"of {', '.join(TABLES)}")
    parser.add_argument("--learners", type=_names(LEARNERS), default=list(LEARNERS), help=f"of {', '.join(LEARNERS)}")
    parser.add_argument(
        "--settings",
        action="append",
        help="churnfit once more, with arguments of ScorecardClassifier, as 'max_knots=7 folds=5'; may be repeated",
    )
    parser.add_argument("--cache", type=Path, default=CACHE, help="folder of environments and predictions")
    parser.add_argument("--out", type=Path, help="write the report here too")
    parser.add_argument("--smoke", action="store_true", help="churnfit and logistic on one tiny table")
    options = parser.parse_args()
    options.settings = options.settings or _USUAL_SETTINGS
    if options.smoke:
        options.tables, options.learners, options.settings = ["planted_additive"], _SMOKE_LEARNERS, []
    return options


def _names(known: dict[str, object]) -> object:
    """Return a parser of comma-separated names that refuses unknown ones."""

    def names(text: str) -> list[str]:
        given = text.split(",")
        unknown = [name for name in given if name not in known]
        if unknown:
            raise argparse.ArgumentTypeError(f"{unknown} not known; there are {', '.join(known)}")
        return given

    return names


def _result(learner: Learner, made: Table, cache: Path) -> object:
    found = outcome(learner, made, cache)
    return judged(found, made) if isinstance(found, Outcome) else found


def _described(made: Table) -> str:
    rows, measures = made.rows.shape
    fits = f"{len(made.splits)} fits on {len(made.splits[0].learn):,} rows"
    return f"{rows:,} rows, {measures} measures, {made.churned.mean():.1%} churned; {fits}."


def _said(text: str) -> str:
    print(text, flush=True)
    return text


if __name__ == "__main__":
    sys.exit(main())
