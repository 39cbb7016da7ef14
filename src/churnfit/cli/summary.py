"""Longer texts of the command line: the demo's summary, a queue, an explanation, a promotion plan."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING

from churnfit.cli.output import shown
from churnfit.cta.records import OVERRIDE

if TYPE_CHECKING:
    from churnfit.cta.ranking import QueueRow
    from churnfit.cta.records import Cta
    from churnfit.cta.replay import Warned
    from churnfit.jobs.explaining import Changed, Explanation
    from churnfit.jobs.promotion import PromotionPlan
    from churnfit.jobs.replaying import Replay
    from churnfit.jobs.shadowing import Shadow
    from churnfit.jobs.starting import DemoResult
    from churnfit.spec import ScorecardSpec

__all__ = [
    "change_lines",
    "cta_lines",
    "demo_summary",
    "explanation_lines",
    "plan_lines",
    "queue_lines",
    "shadow_lines",
]


def queue_lines(rows: Sequence[QueueRow], spec: ScorecardSpec, *, today: date) -> list[str]:
    """Return the queue in words: a line per CTA, what to do and why below; load and actions at the end."""
    if not rows:
        return ["No open calls to action."]
    lines = []
    for row in rows:
        cta = row.cta
        marks = [cta.claimed_by and f"claimed by {shown(cta.claimed_by)}"]
        marks += ["override"] * (OVERRIDE in cta.triggers)
        marks += ["overdue"] * cta.overdue(today)
        marks += [f"recovered since {cta.recovered_on}"] * (cta.recovered_on is not None)
        marks += ["beyond capacity"] * row.overflow
        said = "".join(f"  ({mark})" for mark in marks if mark)
        lines.append(
            f"{shown(row.owner)} {row.rank}. {shown(cta.account_id)}: health {cta.health:.0f}, "
            f"churn {cta.churn_probability:.0%}, {_worth_words(cta.expected_value)}{said}"
        )
        lines.append(f"     by {cta.due_on}: {spec.to_do(cta.playbook)}")
        lines += [f"     - {shown(reason)}" for reason in cta.reasons]
    load: dict[str, int] = {}
    for row in rows:
        load[row.owner] = load.get(row.owner, 0) + 1
    red, amber = spec.bands.red, spec.bands.amber
    lines.append("Load: " + ", ".join(f"{shown(owner)} {n}" for owner, n in load.items()))
    lines.append(
        f"Red gets: {red.action} (costs {red.cost:g}, saves {red.save_rate:.0%} of churners). "
        f"Amber gets: {amber.action}, without a call to action."
    )
    return lines


def cta_lines(cta: Cta, spec: ScorecardSpec) -> list[str]:
    """Return one CTA in words."""
    return [
        f"{shown(cta.account_id)} (CTA {cta.cta_id}): {cta.status}, opened on {cta.opened_on} "
        f"because of {', '.join(cta.triggers)}, owner {shown(cta.owner) or 'unassigned'}",
        f"  health {cta.health:.0f}, churn {cta.churn_probability:.0%}, {_worth_words(cta.expected_value)}, "
        f"as of {cta.last_scored_on} by {cta.version}",
        f"  by {cta.due_on}: {spec.to_do(cta.playbook)}",
        *(f"  - {shown(reason)}" for reason in cta.reasons),
        *([f"  recovered since {cta.recovered_on}"] if cta.recovered_on else []),
        *([f"  outcome: {cta.outcome}, by {shown(cta.closed_by)} on {cta.closed_on}"] if cta.outcome else []),
    ]


def _worth_words(expected_value: float) -> str:
    if expected_value > 0:
        return f"a call is worth {expected_value:,.0f}"
    return f"a call costs {-expected_value:,.0f} more than it saves"


def explanation_lines(found: Explanation) -> list[str]:
    """Return the sentence above the table of reasons: from the average to this account's health."""
    score = found.score
    return [
        f"{shown(score['account_id'])} on {score['as_of']}: health {score['health']:.1f} ({score['band']}), "
        f"churn probability {score['churn_probability']:.1%}, coverage {score['coverage']:.0%}, "
        f"scored with {score['version']}",
        f"The average account has {found.expected_health:.1f}; the reasons below sum to "
        f"{score['health'] - found.expected_health:+.1f}.",
        *([f"Shown {found.override.band}: {shown(found.override.in_words)}."] if found.override else []),
    ]


def change_lines(found: Changed) -> list[str]:
    """Return what moved an account in words: a sentence, a line for each cause, worst first, and their sums."""
    before, after = found.before, found.after
    health = after["health"] - before["health"]
    moved = "is what it was" if health == 0 else f"{'fell' if health < 0 else 'rose'} by {abs(health):.2f} points"
    head = (
        f"Since {before['as_of']} health {moved} ({before['health']:.2f} → {after['health']:.2f}) "
        f"and churn probability went from {before['churn_probability']:.1%} to {after['churn_probability']:.1%}"
    )
    by_version = found.changes["cause"] == "version"
    causes = [
        (
            f"{row['label']}: {row['value_before']} → {row['value_after']}",
            " (missing or stale data)" if row["cause"] == "data" else "",
            row["health_points"],
            row["probability_points"],
        )
        for row in found.changes[~by_version].to_dict("records")
    ]
    if before["version"] != after["version"]:
        of_version = found.changes.loc[by_version, ["health_points", "probability_points"]].sum()
        causes.append((f"card {before['version']} → {after['version']}", "", *of_version))
    causes.sort(key=lambda cause: (cause[2], -cause[3]))
    if not causes:
        return [f"Since {before['as_of']} neither health nor churn probability moved."]
    lines = [f"  {shown(what)}{why}: {_parts_words(points, share)}" for what, why, points, share in causes]
    sums = _parts_words(*(found.changes[name].sum() for name in ("health_points", "probability_points")))
    return [f"{head}:", *lines, f"  all together: {sums}"]


def _parts_words(points: float, share: float) -> str:
    return f"{points:+.2f} health points, {100 * share:+.1f} % churn probability"


def plan_lines(plan: PromotionPlan, spec: ScorecardSpec) -> list[str]:
    """Return a promotion plan in words: the difference, the gates, the replay, and how to do it."""
    replaced = plan.champion.reference if plan.champion else "nothing"
    lines = [f"{spec.name}: {plan.candidate.reference} would replace {replaced}", *plan.changes, "", plan.gates]
    if plan.replay is not None:
        lines += ["", *_replay_lines(plan.replay, spec)]
    if not plan.open:
        return [*lines, "Nothing was changed, and a gate says no: this candidate cannot be promoted."]
    apply = (
        f"churnfit promote {plan.candidate.reference} --card {spec.name} --apply --plan {plan.plan_id} --reason '...'"
    )
    return [*lines, "", f"Nothing was changed. To do just this: {apply}"]


def shadow_lines(found: Shadow, spec: ScorecardSpec) -> list[str]:
    """Return a candidate beside the champion in words: night by night, and on what has matured since."""
    from churnfit.evaluation.prose import with_interval

    judged = found.judged
    lines = [
        f"{spec.name}: {found.candidate.reference} in the shadow of {found.champion.reference}",
        *_replay_lines(found.replay, spec),
        "",
    ]
    if judged.differences is None:
        return [*lines, f"{judged.rows:,} snapshots have matured; not judged: {judged.reason}."]
    auc, loss = judged.differences["auc"], judged.differences["log_loss"]
    return [
        *lines,
        f"{judged.rows:,} snapshots have matured, {judged.churned_accounts:,} accounts churned. Candidate minus "
        f"champion: AUC {with_interval(auc)}, log-loss {with_interval(loss, 4)} (lower is better).",
    ]


def _replay_lines(replay: Replay, spec: ScorecardSpec) -> list[str]:
    if replay.candidate is None:
        return ["Replay: none.", *(f"  {reason}" for reason in replay.left_out)]
    before, after = replay.champion, replay.candidate
    lines = [
        "Replay, as if the queue had been empty on the first date:" if before else "Replay of the candidate alone:"
    ]
    for day, accounts in replay.accounts.items():
        opened = f"{len(after.asked.opened[day])} CTAs opened"
        if before is None:
            lines.append(f"  {day}: {accounts:,} accounts; {opened}")
            continue
        moves: dict[str, int] = {}
        for change in replay.changes:
            if change.as_of == day:
                step = f"{change.before} → {change.after}"
                moves[step] = moves.get(step, 0) + 1
        said = ", ".join(f"{count} {step}" for step, count in sorted(moves.items())) or "no account changes band"
        lines.append(
            f"  {day}: {accounts:,} accounts; {said}; {opened}, {len(before.asked.opened[day])} by the champion"
        )
    lines += [f"  {reason}" for reason in replay.left_out]
    limit = spec.queue.capacity_per_owner
    for owner in sorted({*after.asked.load, *(before.asked.load if before else ())}):
        was = f"{before.asked.load.get(owner, 0)} → " if before else ""
        load = after.asked.load.get(owner, 0)
        beyond = f", {load - limit} beyond capacity" if load > limit else ""
        lines.append(f"  load of {shown(owner)} at the end: {was}{load} of {limit}{beyond}")
    lines += [
        f"  {_warned_words(side.warned)} by the {name}"
        for name, side in (("champion", before), ("candidate", after))
        if side
    ]
    was = f"{before.coverage:.0%} → " if before else ""
    return [*lines, f"  coverage: {was}{after.coverage:.0%}", "  --json names every account that changes band."]


def _warned_words(warned: Warned) -> str:
    if warned.median_days is None:
        return f"none of {warned.churned:,} accounts that churned since was called before"
    return (
        f"{warned.called:,} of {warned.churned:,} accounts that churned since were called before, a median "
        f"{warned.median_days:g} days"
    )


def demo_summary(result: DemoResult) -> list[str]:
    """Return what the demo made, in a screenful."""
    from churnfit.scorecard.render import to_text

    spec = result.workspace.spec("onboarding")
    models, card = result.fit.report.models, result.fit.card
    judged = [f"{'on accounts that started later':32}{'AUC':>24}{'log-loss':>24}{'calibration slope':>24}"]
    for model, title in (
        ("card", "churnfit card"),
        ("hand_made", "hand-made card"),
        ("challenger", "LightGBM challenger"),
    ):
        cells = [
            f"{m.estimate:.3f} ({m.low:.3f} to {m.high:.3f})"
            for m in (models[model][name] for name in ("auc", "log_loss", "calibration_slope"))
        ]
        judged.append(f"{title:32}" + "".join(f"{cell:>24}" for cell in cells))
    bands = ", ".join(f"{count} {band}" for band, count in result.scoring.bands.items())
    owner = result.queue[0].owner if result.queue else ""
    mine = [row for row in result.queue if row.owner == owner][:3]
    run = result.scoring.run
    root = result.workspace.root
    return [
        "",
        to_text(card),
        *judged,
        "",
        f"Champion: {result.version.reference}. On {run.as_of}: {run.accounts} accounts in onboarding, {bands}; "
        f"red below health {card.bands.red_below:g}, green from {card.bands.green_from:g}.",
        "",
        f"The top of {owner}'s queue:" if owner else "Nobody is red today.",
        *queue_lines(mine, spec, today=run.as_of)[:-2],
        "",
        f"Everything lies in {root}: data/ (the simulated history), models/onboarding/ (spec, champion.md),",
        ".churnfit/ (scores, MLflow, calls to action). Try there:",
        f"  cd {root}",
        "  churnfit queue",
        *([f"  churnfit explain {mine[0].cta.account_id}"] if mine else []),
        "  churnfit show",
    ]
