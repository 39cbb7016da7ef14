"""init, demo, doctor, explain-code."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from churnfit.cli.app import AsJson, app
from churnfit.cli.output import print_document, print_lines, print_table, progress
from churnfit.errors import CODES, UsageError

__all__ = ["demo", "doctor", "explain_code", "init"]


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="Where; made if it is not there.")] = Path(),
    template: Annotated[
        list[str] | None,
        typer.Option(help="onboarding (default), dear, commitment, activation or renewal; may be repeated."),
    ] = None,
) -> None:
    """Write a churnfit.toml and a commented spec to start from."""
    from churnfit.jobs.starting import TEMPLATES
    from churnfit.jobs.starting import init as make

    wanted = tuple(dict.fromkeys(template or TEMPLATES[:1]))
    unknown = [name for name in wanted if name not in TEMPLATES]
    if unknown:
        raise UsageError(
            "CF703", where="--template", expected=" or ".join(TEMPLATES), came=unknown[0], fix="Give one of them."
        )
    print_lines(*(str(path) for path in make(folder, templates=wanted)))


@app.command()
def demo(
    folder: Annotated[Path, typer.Argument(help="Where the demo's workspace goes.")] = Path("churnfit-demo"),
    accounts: Annotated[int, typer.Option(min=1200, max=20_000, help="How many accounts to simulate.")] = 1200,
) -> None:
    """Simulate a history and go the whole way: fit, judge, promote, score, queue."""
    from churnfit.cli.summary import demo_summary
    from churnfit.jobs.starting import demo as run

    with progress(14) as say:
        result = run(folder, say=say, accounts=accounts)
    print_lines(*demo_summary(result))


@app.command()
def doctor(as_json: AsJson = False) -> None:
    """Look at Python, packages, the workspace and its stores; exit 1 when something is not well."""
    from churnfit.jobs.doctor import examine

    found = examine(Path())
    if as_json:
        print_document(looked_at=[asdict(item) for item in found])
    else:
        print_table(("what", "", "found"), [(h.what, "well" if h.well else "NOT WELL", h.found) for h in found])
    raise typer.Exit(0 if all(item.well for item in found) else 1)


@app.command("explain-code")
def explain_code(code: Annotated[str, typer.Argument(help="As in an error, for example CF104.")]) -> None:
    """Explain the code of an error or of a gate."""
    from churnfit.evaluation.gates import GATES

    code = code.upper()
    gates = {gate.code: f"Gate: {gate.title}. {gate.question}" for gate in GATES}
    if code in gates:
        print_lines(f"{code}: {gates[code]}")
        return
    if code not in CODES:
        raise UsageError(
            "CF703",
            where="explain-code",
            expected="a code of an error or gate",
            came=code,
            fix=f"Known codes: {', '.join(sorted({**gates, **CODES}))}.",
        )
    print_lines(f"{code}: {CODES[code]}")
