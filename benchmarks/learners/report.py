"""The comparison as Markdown: one table per benchmark table, then ranks and checks."""

from comparison import OURS, Check, Comparison
from judging import Difference, Judged
from learners import Failure

__all__ = ["summary_section", "table_section"]

_COLUMNS = (
    "learner",
    "AUC",
    "log-loss",
    "Brier",
    "ECE",
    "measures/points",
    "fit CPU s",
    "rows/s",
    f"log-loss, {OURS} minus it [90 %]",
    f"AUC, {OURS} minus it [90 %]",
)
_PASSED = {True: "pass", False: "FAIL", None: "-"}


def table_section(comparison: Comparison, name: str, described: str) -> str:
    """Return the numbers of every learner on one table, best log-loss first, failures last with their reason."""
    results = comparison.results[name]
    done = {learner: found for learner, found in results.items() if isinstance(found, Judged)}
    lines = [f"### {name}", "", described, "", *_header(_COLUMNS)]
    for learner in sorted(done, key=lambda one: done[one].numbers.log_loss):
        gaps = [_interval(comparison.difference(name, learner, metric)) for metric in ("log_loss", "auc")]
        lines.append(_row([learner, *_numbers(done[learner]), *(gaps if learner != OURS else ["", ""])]))
    failed = {learner: found.reason for learner, found in results.items() if isinstance(found, Failure)}
    lines += [_row([learner, "failed: " + reason.replace("|", "/")]) for learner, reason in failed.items()]
    return "\n".join([*lines, ""])


def summary_section(comparison: Comparison, found: dict[str, list[Check]]) -> str:
    """Return mean ranks, with each variant of churnfit in churnfit's place too, and what was `found` of each."""
    lines = [f"## Summary over {len(comparison.results)} tables", ""]
    for name, answers in found.items():
        for readable in (True, False):
            lines += [*_ranking(comparison, name, readable=readable), ""]
        lines += [f"Checks of {name}:", "", *map(_check, answers), ""]
    return "\n".join(lines)


def _ranking(comparison: Comparison, ours: str, *, readable: bool) -> list[str]:
    names = comparison.field_of(ours, readable=readable)
    by_auc, by_loss = (comparison.mean_ranks(metric, names) for metric in ("auc", "log_loss"))
    title = f"Mean ranks among {'the readable' if readable else 'all'}, with {ours}:"
    rows = [_row([name, f"{by_auc[name]:.2f}", f"{by_loss[name]:.2f}"]) for name in sorted(names, key=by_loss.get)]
    return [title, "", *_header(("learner", "AUC", "log-loss")), *rows]


def _check(check: Check) -> str:
    return f"- {_PASSED[check.passed]}: {check.demand} ({check.evidence})"


def _numbers(judged: Judged) -> list[str]:
    found = judged.numbers
    metrics = [f"{value:.4f}" for value in (found.auc, found.log_loss, found.brier, found.ece)]
    costs = [f"{found.measures:.0f}/{found.points:.0f}", f"{found.cpu_seconds:.2f}", f"{found.rows_per_second:,.0f}"]
    return [*metrics, *costs]


def _interval(gap: Difference | None) -> str:
    return f"{gap.mean:+.4f} [{gap.low:+.4f}, {gap.high:+.4f}]" if gap else ""


def _header(columns: tuple[str, ...]) -> list[str]:
    return [_row(list(columns)), "|" + "---|" * len(columns)]


def _row(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"
