"""Points and thresholds learned from labelled cohorts, all measures jointly.

The order of work: `codes` (ordered bins), `solver` with `shapes` (the joint shape-constrained fit), `curves` (at most
five sayable knots), `joint` (the refit on those knots), `selection` (the penalty that predicts best out of fold),
`rounding` (whole weights and points), `calibration` (slope and intercept), `estimator` (all of it under ``fit``),
`bands` (cuts that pay) and `fitting` (a card from a spec). Beside the card: `baseline` (the hand-made card) and
`challenger` (LightGBM).
"""
