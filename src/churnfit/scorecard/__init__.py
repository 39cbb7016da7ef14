"""The learned value and its arithmetic: curves of points, the card, its words, its exact reasons."""
