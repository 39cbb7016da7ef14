"""Points and thresholds learned from labelled cohorts, all measures jointly.

The order of work, under `estimator`:

1. `codes`: values as ordered bins; `folds`: which rows are held out together.
2. `penalties`: at each strength of shrinkage the joint shape-constrained fit (`solver`, `shapes`), reduced to a few
   sayable knots (`curves`, `knots`) and refitted (`joint`, `bounded`, `binned`).
3. `selection`: the strength, and the trust in a hand-made card (`prior`), that predict unseen rows best; the measures
   that tell more than chance (`evidence`); the pairs that pay (`pairs`); an order of groups (`order`).
4. `calibration`: the slopes that were earned, and a bend where unseen rows speak for one.
5. `resampling`: what other draws of the accounts would have given; where few churned the card is their average
   (`bagging`), levels they cannot tell apart are one (`merging`), and every number is said with them (`certificates`).
6. `rounding`: whole weights and points.

`fitting` makes a card from a spec, `bands` cuts it where acting pays. Beside the card: `baseline` (the hand-made card)
and `challenger` (LightGBM, with `boosting` and `tree_interactions`). `refusals` says what is not learned from, and why.
"""
