"""How long a letter waits that did not arrive."""

from __future__ import annotations

from datetime import timedelta

import pytest

from churnfit.cta.outbox import Letter
from churnfit.cta.webhook import pause


@pytest.mark.parametrize("attempts", [1, 5, 43, 10_000])
def test_a_pause_doubles_up_to_six_hours_however_often_a_letter_failed(attempts: int) -> None:
    """Half to all of it: after many failures three to six hours, never a number too large to wait."""
    letter = Letter(sequence=1, sink="crm", key="k", cta_id="A-1", body="{}", attempts=attempts, answer="")
    waited, before = pause(letter), timedelta(0)
    assert before < waited <= timedelta(hours=6)
    assert (waited >= timedelta(hours=3)) == (attempts > 40)
