"""The Typer application, what its commands share, and how a run of it ends."""

from __future__ import annotations

import re
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from churnfit import __version__
from churnfit.cli import log
from churnfit.cli.output import print_error, print_lines
from churnfit.errors import ChurnfitError, UsageError

if TYPE_CHECKING:
    import pandas as pd

    from churnfit.jobs.workspace import Workspace

__all__ = [
    "AsJson",
    "AsOf",
    "By",
    "CardOption",
    "Reference",
    "app",
    "calendar_date",
    "day",
    "is_handed_on",
    "opened",
    "run_app",
]

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    help="Health scorecards learned from churn history, with exact reasons and a call-to-action queue.",
)

_BUG = 70
_INTERRUPTED = 130

CardOption = Annotated[str | None, typer.Option("--card", help="Which card; needed when the workspace has several.")]
AsOf = Annotated[str | None, typer.Option("--as-of", help="UTC date, YYYY-MM-DD; today when absent.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]
By = Annotated[str | None, typer.Option("--by", help="Who does it; the operating system's user when absent.")]
Reference = Annotated[
    str, typer.Argument(help="champion, latest, candidate-N, version-N, or a scorecard's .json file.")
]


def _version(wanted: bool) -> None:
    if wanted:
        print_lines(f"churnfit {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
    form: Annotated[
        str, typer.Option("--log", envvar="CHURNFIT_LOG", help="text, or json: one object a line on stderr.")
    ] = "text",
) -> None:
    """Options of every command; ``--debug`` is read by `main`."""
    log.choose(form)


def run_app(*arguments: str) -> int:
    """Run one command; return the exit code that DESIGN §15 gives its kind of end."""
    as_json, debug = "--json" in arguments, "--debug" in arguments
    try:
        app(args=list(arguments), prog_name="churnfit")
    except SystemExit as end:
        if end.code == _INTERRUPTED:  # typer turned Ctrl-C into this
            log.record("Interrupted", level="error", exit_code=_INTERRUPTED)
            if not log.in_json():
                print("Interrupted; nothing was left half-written.", file=sys.stderr)  # noqa: T201
        return int(end.code or 0)
    except ChurnfitError as fault:
        log.record("Failed", level="error", code=fault.code, exit_code=fault.exit_code)
        if as_json or not log.in_json():
            print_error(fault, as_json=as_json)
        if debug:
            raise
        return fault.exit_code
    except Exception as fault:
        if debug:
            raise
        log.record("Failed", level="error", bug=type(fault).__name__, exit_code=_BUG)
        if not log.in_json():
            print(f"A bug in churnfit: {fault!r}. Run `churnfit --debug …` for the traceback.", file=sys.stderr)  # noqa: T201
        return _BUG
    return 0


def opened(card: str | None) -> tuple[Workspace, str]:
    """Return the workspace of this folder and the card a command means."""
    from churnfit.jobs.workspace import find_workspace

    workspace = find_workspace(Path())
    return workspace, workspace.card_name(card)


def is_handed_on(context: typer.Context, **options: object) -> bool:
    """Return whether a verb below this command was asked for; the options given before it are then that verb's own.

    Raises
    ------
    UsageError
        CF703 when the verb has no such option.
    """
    verb = context.invoked_subcommand
    if verb is None:
        return False
    known = {parameter.name for parameter in context.command.commands[verb].params}  # type: ignore[attr-defined]
    for name, value in options.items():
        if value and name not in known:
            raise UsageError(
                "CF703",
                where=f"{context.info_name} {verb}",
                expected="options that it has",
                came=next(parameter.opts[0] for parameter in context.command.params if parameter.name == name),
                fix="Leave it out.",
            )
    context.default_map = {verb: options}
    return True


def day(as_of: str | None) -> pd.Timestamp:
    """Return midnight UTC of the given date, of today when there is none; a date yet to come is an error."""
    import pandas as pd

    today = pd.Timestamp(datetime.now(tz=UTC).date(), tz="UTC")
    if as_of is None:
        return today
    given = calendar_date(as_of, where="--as-of")
    if given > today:
        raise UsageError(
            "CF703",
            where="--as-of",
            expected="a date that has come",
            came=as_of,
            fix=f"Today is {today:%Y-%m-%d}, UTC.",
        )
    return given


def calendar_date(text: str, *, where: str) -> pd.Timestamp:
    """Return midnight UTC of a date YYYY-MM-DD, which an option or argument gave."""
    import pandas as pd

    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        raise UsageError("CF703", where=where, expected="a date YYYY-MM-DD", came=text, fix="Give a UTC date.")
    try:
        return pd.Timestamp(text, tz="UTC")
    except ValueError:
        raise UsageError(
            "CF703", where=where, expected="a date of the calendar", came=text, fix="Correct it."
        ) from None
