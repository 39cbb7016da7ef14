"""What to do: calls to action (CTAs), when they open and close, and each owner's queue."""
