"""The champion applied: scores and reasons of every account on one date."""
