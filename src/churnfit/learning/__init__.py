"""Points and thresholds learned from labelled cohorts, all measures jointly.

The order of work: `codes` (ordered bins), `solver` with `shapes` (the joint shape-constrained fit), `curves` (at most five
sayable knots), `joint` (the refit on those knots), `rounding` (whole weights and points), `calibration` (out-of-fold
slope, segment offsets), `bands` (cuts that pay), and `estimator` (all of it under ``fit``).
"""
