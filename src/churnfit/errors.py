"""What can go wrong, said in four parts: where, what was expected, what came, what to do.

::

    ChurnfitError              70  a bug, unless a subclass says otherwise
    ├── DataError               1  the data breaks a contract; a finding, nothing was written
    ├── GateError               1  a gate said no
    ├── UsageError              2  the command or its arguments
    │   └── SpecError           2  churnfit.toml or a scorecard.toml
    ├── BusyError               3  try again: locked, or the plan is stale
    └── IntegrityError          4  a hash does not match what was written

The number is the process's exit code. `CODES` explains each code; ``churnfit explain-code CF104`` prints it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice

__all__ = [
    "CODES",
    "BusyError",
    "ChurnfitError",
    "DataError",
    "GateError",
    "IntegrityError",
    "SpecError",
    "UsageError",
    "count_and_examples",
]

_EXAMPLES_SHOWN = 5  # enough to find the rows, few enough to read
_TEXT_SHOWN = 40  # a value longer than this is cut: messages are bounded whatever the data's size


class ChurnfitError(Exception):
    """A fault with a code and four parts.

    Parameters
    ----------
    code : str
        A key of `CODES`.
    where : str
        The table, column, date or file.
    expected, came : str
        What the contract says, and what was found: a count and at most five examples.
    fix : str
        What the reader should do next.
    also : sequence of ChurnfitError
        Further faults that were found with it, each as grave.
    """

    exit_code = 70

    def __init__(
        self, code: str, *, where: str, expected: str, came: str, fix: str, also: Sequence[ChurnfitError] = ()
    ) -> None:
        self.code, self.where, self.expected, self.came, self.fix = code, where, expected, came, fix
        self.also = tuple(also)
        more = f" And {len(also)} more; `churnfit check` lists all." if also else ""
        super().__init__(f"{code} {where}: expected {expected}; came {came}. {fix}{more} Nothing was written.")

    def as_dict(self) -> dict[str, str]:
        """Return the four parts and the code, for ``--json``."""
        parts = ("code", "where", "expected", "came", "fix")
        return {part: str(getattr(self, part)) for part in parts}


class DataError(ChurnfitError, ValueError):
    """The data breaks a contract; a ValueError too, as scikit-learn's users expect of wrong input."""

    exit_code = 1


class GateError(ChurnfitError):
    """A gate refused a scorecard version."""

    exit_code = 1


class UsageError(ChurnfitError):
    """The command or its arguments are wrong."""

    exit_code = 2


class SpecError(UsageError):
    """`churnfit.toml` or a `scorecard.toml` is wrong."""


class BusyError(ChurnfitError):
    """Something else holds the resource, or a plan is stale: try again."""

    exit_code = 3


class IntegrityError(ChurnfitError):
    """A hash does not match what was written."""

    exit_code = 4


def count_and_examples(values: Iterable[object], total: int | None = None) -> str:
    """Return a bounded list of offending values.

    Parameters
    ----------
    values : iterable
        The values; at most five are shown, each cut to forty characters.
    total : int, optional
        How many there are in all; counted from `values` when absent.

    Examples
    --------
    >>> count_and_examples(["A17", "A22", "A31"])
    '3 (A17, A22, A31)'
    >>> count_and_examples(range(1000))
    '1,000 (0, 1, 2, 3, 4, …)'
    """
    if total is None:
        values = list(values)
        total = len(values)
    shown = [str(value)[:_TEXT_SHOWN] for value in islice(values, _EXAMPLES_SHOWN)]
    more = ", …" if total > len(shown) else ""
    return f"{total:,} ({', '.join(shown)}{more})"


CODES: dict[str, str] = {
    # cohort and labels
    "CF102": "The cohort has one class only. A scorecard needs accounts that churned and accounts that stayed; "
    "widen the cohort, lengthen the horizon, or wait for the date the label ledger names.",
    "CF103": "Too few accounts or churners to learn from. Below the floor a scorecard would repeat noise; the "
    "message says how many are still needed. With few churners the measures must also tell more than the same labels "
    "dealt to other accounts do. Wait, or widen the cohort.",
    "CF104": "Two rows share a key. One account must have one row, else it would be counted twice.",
    "CF105": "A label is not 0 or 1. Map it in the source: churned = 1, stayed = 0.",
    "CF107": "A date contradicts another: churn before the start, or a fact recorded after the date it is used on.",
    "CF109": "A measure separates churners too well alone, or is made of what the team did. It is usually a "
    "consequence of churn. Remove it, or set `leak_checked = true` on the measure once you know why it is safe.",
    "CF110": "A source or a cohort has no rows left. The message says which filter removed them.",
    "CF112": "A sample weight is negative, infinite or missing.",
    "CF115": "A measure reads events that the team writes because it acted. It would teach the card that being called "
    "causes churn. Leave the kind out, or set `leak_checked = true` once you know that customers do it by themselves.",
    "CF116": "A measure reads events that belong to the leaving itself, such as an offboarding call. When a call "
    "could still help, they do not exist yet. Leave the kind out, or name it in cohort.churn_kinds.",
    "CF117": "Something was written after churn under an earlier date: an overwritten column, or back-dated events. "
    "Take it as it was known on each as_of, leave it out, or set `leak_checked = true` once you know why it is safe.",
    "CF118": "A measure seems to know days after as_of: it collapses for accounts that leave within days, or in the "
    "newest rows of the table. Compute it from days before as_of only.",
    "CF119": "Accounts that churned early are missing from a table. What is left looks safer than it was. Restore "
    "them, or leave out the accounts that started before the date the message names.",
    # measure values
    "CF201": "A column that must be filled has gaps.",
    "CF202": "A number is infinite or NaN where a finite number is required.",
    "CF203": "A value is too large to be added up to the millionth (9e12 and more).",
    "CF207": "A quantity that cannot be negative is negative.",
    "CF212": "A column has the wrong type: text where numbers are expected, or the reverse.",
    "CF217": "A column is missing. The message names the nearest column there is.",
    "CF218": "Two columns of a table have one name, and only one of them would be read.",
    "CF219": "The spec takes a measure otherwise than it was taken when the card was learned: points learned of one "
    "number would be read off another. Put the definition back, or fit and promote a card that was learned with it.",
    # time
    "CF308": "Timestamps carry no time zone. churnfit does not guess: store UTC, or set `timezone` on the source.",
    "CF313": "Dates lie in the future: they would be knowledge nobody had.",
    "CF314": "The newest fact in the sources, or of one kind of event, is too old to score on: a stopped feed looks "
    "like customers going quiet. `churnfit feeds` shows every kind.",
    "CF315": "Accounts that the last run scored are gone from the source. An export that lost rows would close their "
    "calls to action; churned accounts stay in the table, with their date.",
    # files
    "CF401": "A file is missing or empty.",
    "CF402": "A file cannot be read as what its name says.",
    "CF403": "Day tables are not as they were written: somebody changed or removed a file. Nothing is lost but time: "
    "remove the folder, and the next run builds them anew from the events.",
    # spec and workspace
    "CF501": "No workspace: no churnfit.toml here or in any folder above. `churnfit init` makes one.",
    "CF502": "The TOML cannot be parsed.",
    "CF503": "A key or value in the spec is wrong. Unknown keys are errors, because a typo would be silently ignored.",
    "CF504": "A name in the spec refers to something that is not declared.",
    "CF505": "SQL in the spec is not what may stand there: one SELECT in a source, one plain expression in a measure.",
    "CF506": "A file is already there; churnfit never overwrites what somebody wrote.",
    "CF507": "A secret must be given as env:NAME or file:PATH, and that name must exist.",
    "CF508": "A database in churnfit.toml cannot be used: no SQLAlchemy URL, or one for two purposes.",
    "CF509": "A source of events cannot be read by the Spark engine, which reads Parquet.",
    "CF510": "The engine in the spec needs something that is not installed.",
    # registry and artifacts
    "CF601": "The stored scorecard does not match the hash it was registered with: somebody changed it.",
    "CF602": "There is no such version, or no champion yet.",
    "CF603": "The MLflow store cannot be read: it is damaged, lacks a version, or the server does not answer.",
    "CF604": "The scorecard was written by a newer churnfit.",
    "CF606": "A gate refused the version; promotion needs every gate passed or not applicable.",
    "CF607": "There is no earlier champion to roll back to.",
    "CF608": "The champion moved after the candidate was judged: its gates compared it with another champion.",
    "CF609": "Somebody else moved the champion between the plan and its application. Make a new plan and decide anew.",
    "CF610": "The ledger of moves was tampered with, or its newest rows are gone: it does not say who is champion.",
    "CF611": "MLflow's alias is not where the ledger's last move put it: somebody moved it by hand.",
    "CF612": "A second person is needed: who promotes must be another than who asked (second_person in churnfit.toml).",
    "CF613": "The canary of a rollback: the restored card does not score as it did. Nothing was moved.",
    "CF614": "Published scores cannot be reproduced from the recorded card and the kept snapshot: one was changed.",
    # runs and the queue
    "CF701": "Another run holds the lock. Try again when it has ended.",
    "CF702": "No such account in the run, no run on that date, no such call to action, or no such dead letter.",
    "CF703": "The command needs an argument that was not given, or was given wrongly.",
    "CF704": "Scores already published differ from what this run would publish for the same key.",
    "CF705": "The database of runs and CTAs cannot be read: the file is damaged, or is no database.",
    "CF706": "The database of runs and CTAs was written by a newer churnfit, whose tables this one does not know.",
    "CF707": "This cannot be done with the call to action: somebody else has claimed it, it is closed, or it is held "
    "out. The message says what is allowed now.",
    "CF708": "An outcome in a table cannot be read: an unknown outcome, or a date that is none or cannot be.",
    "CF709": "A file or database cannot be written: the disk is full, the folder may not be written to, or something "
    "else lies there. What was half-written is gone.",
}
