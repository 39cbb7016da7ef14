"""Who is left uncalled on purpose, so that what calls do can be measured: a stable hash of card and account."""

from __future__ import annotations

import hashlib

__all__ = ["held_out"]

_BUCKETS = 2**64


def held_out(card: str, account_id: str, share: float) -> bool:
    """Say whether an account belongs to the `share` (0 to 1) of accounts that are held out for this card.

    The same account always is or is not; with a larger share those of the smaller one stay in.

    Examples
    --------
    >>> sum(held_out("small", f"A{n}", 0.1) for n in range(10_000))
    961
    """
    digest = hashlib.sha256(f"holdout\x1f{card}\x1f{account_id}".encode()).digest()
    return int.from_bytes(digest[:8]) < share * _BUCKETS
