"""Whether to trust a card: judged out of time, with intervals, beside its rivals, and through gates."""
