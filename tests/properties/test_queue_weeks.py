"""Whatever a team does and whatever health does: no capacity is breached, no CTA opens twice or says nothing."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

WEEKS = runpy.run_path(str(Path(__file__).parents[2] / "benchmarks" / "queue_weeks.py"))


@pytest.mark.parametrize("seed", [100, 200, 300])
def test_generated_weeks_have_no_breach(seed: int) -> None:
    """A hundred weeks of four teams each; the benchmark runs ten thousand."""
    counts, breaches = WEEKS["generated"](100, seed=seed)
    assert breaches == []
    assert min(counts[name] for name in ("opened", "brought back", "resolved by runs", "claim", "snooze", "close")) > 0


def test_a_breach_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """With keys that forget the date, and a queue that forgets what was done, both are named."""
    monkeypatch.setattr("churnfit.cta.rules.cta_key", lambda card, account_id, _: f"{card} {account_id}")
    generated = WEEKS["generated"]
    real = generated.__globals__["rank"]
    monkeypatch.setitem(generated.__globals__, "rank", lambda ctas, queue, **_: real(ctas, queue))
    _, breaches = generated(100, seed=100)
    assert any("opened twice" in breach for breach in breaches)
    assert any("is offered" in breach for breach in breaches)
