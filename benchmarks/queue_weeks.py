"""Generated weeks of a team: whether a capacity is breached, a CTA opened twice, or one lacks reason, owner, playbook.

Run: python benchmarks/queue_weeks.py [--weeks 10000 | --smoke]. Each world has a spec of its own (capacity, cooldown,
drops, holdout), thirty accounts whose health wanders, and people who claim, snooze, close and reopen at random; runs
come once to three times a week, some of them twice. Prints what was generated and every breach; exits 1 where there is
one.
"""

import argparse
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date, timedelta

from churnfit.cta.moves import claimed, closed, reopened, snoozed
from churnfit.cta.ranking import QueueRow, owner_of, rank
from churnfit.cta.records import OUTCOMES, Cta
from churnfit.cta.replay import standing_after
from churnfit.cta.rules import ScoredAccount, Standing, decide
from churnfit.errors import UsageError
from churnfit.spec import ScorecardSpec

WEEKS_PER_WORLD = 25
MONDAY = date(2026, 1, 5)


def drawn_spec(rng: random.Random) -> ScorecardSpec:
    return ScorecardSpec.model_validate(
        {
            "name": "generated",
            "sources": {"accounts": {"path": "accounts.parquet"}, "events": [{"path": "events.parquet"}]},
            "cohort": {"landmark_days": [30], "horizon_days": 90},
            "groups": {"use": {"label": "Use", "playbook": "visit"}},
            "measures": {"logins": {"group": "use", "aggregate": "count", "kinds": ["login"]}},
            "bands": {
                "red": {"action": "call", "cost": 100, "save_rate": 0.5},
                "amber": {"action": "mail", "cost": 1, "save_rate": 0.1},
            },
            "playbooks": {"visit": {"title": "Visit", "steps": ["Visit."], "due_days": 10}},
            "queue": {
                "capacity_per_owner": rng.randint(1, 6),
                "cooldown_days": rng.choice((0, 1, 7, 14)),
                "drop_points": rng.choice((None, 15.0)),
                "holdout": rng.choice((0.0, 0.2)),
            },
        }
    )


@dataclass
class World:
    """One team: its accounts' health over time, what stands, and what went wrong."""

    rng: random.Random
    spec: ScorecardSpec
    health: dict[str, float]
    standing: Standing = field(default_factory=lambda: Standing(states={}, active={}, last_closed={}))
    week_before: dict[str, float] = field(default_factory=dict)
    every: dict[str, Cta] = field(default_factory=dict)
    monday: date = MONDAY
    counts: Counter[str] = field(default_factory=Counter)
    breaches: list[str] = field(default_factory=list)

    def accounts(self) -> list[ScoredAccount]:
        """Return tonight's scores; some accounts are missing from the extract."""
        found = []
        for number, (name, health) in enumerate(self.health.items()):
            band = "red" if health < 40 else "amber" if health < 70 else "green"
            if self.rng.random() < 0.97:
                found.append(
                    ScoredAccount(
                        account_id=name,
                        owner=("ann", "bob", "")[number % 3],
                        value=(0.0, 500.0, 20_000.0)[number % 7 % 3],
                        health=health,
                        churn_probability=1 - health / 100,
                        band=band,
                        lead_measure="logins" if band == "red" else "",
                        reasons=("Logins: 2",) if band == "red" else (),
                        health_before=self.week_before.get(name),
                    )
                )
        return found

    def run(self, today: date) -> None:
        """Score, some nights twice."""
        accounts = self.accounts()
        for _ in range(self.rng.choice((1, 1, 2))):
            decision = decide(accounts, self.standing, self.spec, as_of=today, version="version-1")
            for cta in decision.opened:
                if cta.cta_id in self.every:
                    self.breaches.append(f"{today}: {cta.cta_id} opened twice")
                if not (cta.reasons and owner_of(cta) and cta.playbook in self.spec.playbooks):
                    self.breaches.append(f"{today}: {cta.cta_id} without reason, owner or playbook")
            self.counts["opened"] += len(decision.opened)
            self.counts["brought back"] += len(decision.reopened)
            self.counts["resolved by runs"] += len(decision.resolved)
            self.standing = standing_after(self.standing, decision)
            changed = (*decision.opened, *decision.reopened, *decision.updated, *decision.resolved)
            self.every |= {cta.cta_id: cta for cta in changed}

    def people(self, today: date) -> None:
        """Let owners act on what they are offered, and take some closings back."""
        for row in self.queue()[0]:
            if row.part in ("this week", "in work") and self.rng.random() < 0.5:
                self.act(row.cta, today)
        for cta in list(self.standing.last_closed.values()):
            if cta.account_id not in self.standing.active and self.rng.random() < 0.02:
                self.put(cta, reopened)

    def queue(self) -> tuple[list[QueueRow], Counter[str]]:
        """Return every owner's queue, and how many CTAs each has done this week, as the store would count them."""
        closed_now = (cta for cta in self.every.values() if cta.closed_on is not None and cta.closed_on >= self.monday)
        done = Counter(owner_of(cta) for cta in closed_now if cta.status == "resolved")
        return rank(list(self.standing.active.values()), self.spec.queue, done=done), done

    def act(self, cta: Cta, today: date) -> None:
        """Do one thing with a CTA."""
        move = self.rng.choice(("claim", "snooze", "close", "close", "reopen"))
        outcome, later = self.rng.choice(OUTCOMES), today + timedelta(days=self.rng.randint(1, 20))
        moves = {
            "claim": lambda cta: claimed(cta, by="ann"),
            "snooze": lambda cta: snoozed(cta, until=later, today=today),
            "close": lambda cta: closed(cta, by="ann", on=today, outcome=outcome, note="because"),
            "reopen": reopened,
        }
        self.put(cta, moves[move])
        self.counts[move] += 1

    def put(self, cta: Cta, move: Callable[[Cta], Cta]) -> None:
        """Make a move, if it is allowed."""
        try:
            after = move(cta)
        except UsageError:
            return
        active = {name: each for name, each in self.standing.active.items() if name != cta.account_id}
        last = {name: each for name, each in self.standing.last_closed.items() if each.cta_id != cta.cta_id}
        if after.active:
            active[cta.account_id] = after
        else:
            last[cta.account_id] = after
        self.every[after.cta_id] = after
        self.standing = replace(self.standing, active=active, last_closed=last)

    def check(self, today: date) -> None:
        """Note what must not be."""
        rows, done = self.queue()
        for owner in {row.owner for row in rows}:
            parts = Counter(row.part for row in rows if row.owner == owner)
            taken = parts["in work"] + done[owner]
            if parts["this week"] and taken + parts["this week"] > self.spec.queue.capacity_per_owner:
                self.breaches.append(f"{today}: {owner} is offered {parts['this week']} beside {taken}")
        if any(row.cta.status in ("snoozed", "held out") for row in rows):
            self.breaches.append(f"{today}: one that sleeps or is held out is in a queue")

    def week(self, number: int) -> None:
        """Live one week."""
        monday = MONDAY + timedelta(weeks=number)
        self.monday = monday
        for day in sorted(self.rng.sample(range(7), self.rng.randint(1, 3))):
            today = monday + timedelta(days=day)
            for name in self.health:
                self.health[name] = min(max(self.health[name] + self.rng.gauss(0, 9), 0), 100)
            self.run(today)
            self.check(today)
            self.people(today)
            self.check(today)
        self.week_before = dict(self.health)


def generated(weeks: int, *, seed: int) -> tuple[Counter[str], list[str]]:
    """Return what happened in so many weeks, and every breach."""
    counts: Counter[str] = Counter()
    breaches: list[str] = []
    for number in range(-(-weeks // WEEKS_PER_WORLD)):
        rng = random.Random(seed + number)  # noqa: S311 (weeks, not secrets)
        world = World(rng=rng, spec=drawn_spec(rng), health={f"A{n:02}": rng.uniform(20, 100) for n in range(30)})
        for week in range(min(WEEKS_PER_WORLD, weeks - number * WEEKS_PER_WORLD)):
            world.week(week)
        counts += world.counts
        breaches += world.breaches
    return counts, breaches


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weeks", type=int, default=10_000)
    parser.add_argument("--smoke", action="store_true", help="200 weeks")
    given = parser.parse_args()
    weeks = 200 if given.smoke else given.weeks
    counts, breaches = generated(weeks, seed=7)
    print(f"{weeks:,} weeks: " + ", ".join(f"{count:,} {name}" for name, count in counts.items()))
    print(f"breaches: {len(breaches)}", *breaches[:20], sep="\n")
    return int(bool(breaches))


if __name__ == "__main__":
    raise SystemExit(main())
