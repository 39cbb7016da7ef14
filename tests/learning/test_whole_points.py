"""Whole points nearest to the curves, on rows whose errors can be added up by hand."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.learning.test_rounding import graded, levels

from churnfit.learning.joint import Curves, Design
from churnfit.learning.rounding import card_lines
from churnfit.learning.whole_points import nearest_whole


def stepped_curves(*parts):
    """Curves of (plan, coefficients, level of each row): every row stands at a level of every plan."""
    steps = [(np.arange(len(plan.start))[:, np.newaxis] >= np.arange(1, len(plan.start))) * 1.0 for plan, _, _ in parts]
    codes = np.array([level for _, _, level in parts], dtype=np.int32)
    design = Design(
        plans=tuple(plan for plan, _, _ in parts),
        steps=tuple(steps),
        codes=codes,
        mean_increments=tuple(table[row].mean(axis=0) for table, row in zip(steps, codes, strict=True)),
    )
    coefficients = np.array([value for _, own, _ in parts for value in own], dtype=float)
    return Curves(design=design, intercept=0.0, coefficients=coefficients)


def squared_error(curves, exact, whole):
    """The weighted spread over the rows of what rounding adds to an account, by the definition."""
    off = sum((w - e)[codes] for w, e, codes in zip(whole, exact, curves.design.codes, strict=True))
    p = 1 / (1 + np.exp(-curves.logit))
    return float(np.cov(off, aweights=p * (1 - p), ddof=0)) if len(off) > 1 else 0.0


def test_errors_that_meet_in_the_same_accounts_are_rounded_against_each_other():
    """Both middle levels are 10.4 of 50, held by the same accounts: 10 and 10 leave 0.8, 10 and 11 only 0.2."""
    plans = [graded(name, (0.0, 1.0, 2.0), (1, 1)) for name in ("a", "b")]
    risk = [39.6, 10.4]  # points 50, 10.4, 0
    curves = stepped_curves(*((plan, np.array(risk) / 100, [0, 1, 2, 1]) for plan in plans))
    lines, _ = card_lines(curves)
    assert sorted(line.curve.points for line in lines) == [(50.0, 10.0, 0.0), (50.0, 11.0, 0.0)]


def test_two_weights_move_against_each_other():
    """60.6 and 39.4, begun at 60 and 40: where all of "a" lack "b" both errors meet, and 61 and 39 err less."""
    curves = stepped_curves(
        (levels("a", ("x",), ("y",)), [0.606], [0, 1, 0, 1]), (levels("b", ("x",), ("y",)), [0.394], [1, 0, 1, 0])
    )
    exact = [np.array([60.6, 0.0]), np.array([39.4, 0.0])]
    rounded = [np.array([60.0, 0.0]), np.array([40.0, 0.0])]
    whole = nearest_whole(curves, [0, 1], exact, rounded, np.ones(4))
    assert [points.tolist() for points in whole] == [[61.0, 0.0], [39.0, 0.0]]


def test_a_state_moves_like_a_level():
    """Errors of a missing state meet those of the other measure in the accounts that lack it."""
    first = graded("a", (0.0, 1.0), (1,), ("never",))
    second = graded("b", (0.0, 1.0, 2.0), (1, 1))
    steps = (np.array([[0.0, 0.0], [1.0, 0.0], [0.5, 1.0]]), np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]]))
    design = Design(
        plans=(first, second),
        steps=steps,
        codes=np.array([[0, 1, 2, 2], [0, 2, 1, 1]], dtype=np.int32),
        mean_increments=(np.array([0.5]), np.array([0.75, 0.25])),
    )
    curves = Curves(design=design, intercept=0.0, coefficients=np.array([0.5, 0.146, 0.396, 0.104]))
    assert [line.missing or line.curve.points for line in card_lines(curves)[0]] in (
        [(("never", 10.0),), (50.0, 11.0, 0.0)],
        [(("never", 11.0),), (50.0, 10.0, 0.0)],
    )


def test_a_faint_side_is_flat_before_whole_points_are_sought():
    """A side of at most one exact point never becomes two by where its ends are rounded to."""
    rng = np.random.default_rng(0)
    for _ in range(100):
        parts = [(graded("turning", (0.0, 1.0, 2.0), (-1, 1)), [-rng.uniform(1, 4), 0.0], rng.integers(0, 3, 40))]
        for number in range(4):
            beside = graded(f"m{number}", (0.0, 1.0, 2.0, 3.0), (1, 1, 1))
            parts.append((beside, rng.exponential(1.0, 3), rng.integers(0, 4, 40)))
        slope = sum(np.abs(steps).sum() for _, steps, _ in parts) / 100
        parts[0][1][1] = rng.uniform(0.9, 1.0) * slope
        (line,) = (line for line in card_lines(stepped_curves(*parts))[0] if line.name == "turning")
        assert line.shape == "rising"


def test_the_side_that_is_worth_more_stays_and_so_does_the_worst_value():
    """A rise of more than a point and a fall of less, beside a state: whatever whole points say, the fall is flat."""
    rng = np.random.default_rng(1)
    for _ in range(100):
        turning = graded("turning", (0.0, 1.0, 2.0), (-1, 1), ("never",))
        rise, fall = rng.uniform(1.2, 1.9), rng.uniform(0.6, 0.99)
        beside = [(graded(f"m{k}", (0.0, 1.0, 2.0), (1, 1)), rng.exponential(15, 2)) for k in range(3)]
        total = 20 + sum(steps.sum() for _, steps in beside)
        codes = np.vstack([rng.integers(0, 4, 60), *(rng.integers(0, 3, 60) for _ in beside)]).astype(np.int32)
        of_values = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]])
        mean = of_values[codes[0][codes[0] < 3]].mean(axis=0)
        first = np.vstack([np.hstack([of_values, np.zeros((3, 1))]), [*mean, 1.0]])
        design = Design(
            plans=(turning, *(plan for plan, _ in beside)),
            steps=(first, *(of_values for _ in beside)),
            codes=codes,
            mean_increments=(mean, *(of_values[row].mean(axis=0) for row in codes[1:])),
        )
        own = np.array([-rise, fall])
        state = -20 - mean @ own  # the state earns the most, 20
        coefficients = np.concatenate([own, [state], *(steps for _, steps in beside)]) * 5 / total
        lines, _ = card_lines(Curves(design=design, intercept=0.0, coefficients=coefficients))
        (line,) = (line for line in lines if line.name == "turning")
        at = line.curve.at(np.array([0.0, 1.0, 2.0]))
        assert at[0] == 0 < at[1] <= at[2] or line.shape == "peak"


def exact_points(curves):
    """The points of each line before rounding; they span 100 together."""
    heights = [curves.heights(index)[0] for index in range(len(curves.plans))]
    slope = sum(np.ptp(own) for own in heights) / 100
    return [(own.max() - own) / slope for own in heights]


@st.composite
def cards(draw):
    """Curves of two to five measures of two to four levels over forty rows, and their exact and rounded points."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    parts = []
    for number in range(draw(st.integers(2, 5))):
        size = draw(st.integers(2, 4))
        plan = graded(f"m{number}", tuple(map(float, range(size))), (1,) * (size - 1))
        parts.append((plan, rng.exponential(1.0, size - 1), rng.integers(0, size, 40)))
    return stepped_curves(*parts), rng.exponential(1.0, 40)


@settings(deadline=None)  # the first example compiles
@given(cards())
def test_whole_points_stay_beside_the_exact_ones_in_their_order(given_cards):
    """Whatever the curves: weights sum to 100, what is worth more never earns less, and stays about where it was."""
    curves, weight = given_cards
    exact = exact_points(curves)
    lines, _ = card_lines(curves, weight)
    if len(lines) < len(exact):
        return  # a measure too light for a point left, and the others share 100 again
    assert sum(line.weight for line in lines) == 100
    for line in lines:
        own = exact[int(line.name[1:])]
        said = line.curve.at(np.arange(len(own), dtype=float))
        assert (np.diff(said) <= 0).all()
        assert np.abs(said - own).max() <= 1.5  # a weight of one beside it may push the levels below it one further


@settings(deadline=None)  # the first example compiles
@given(cards())
def test_the_search_never_ends_further_from_the_curves_than_rounding(given_cards):
    """Its error, counted row by row, is at most that of where it began."""
    curves, _ = given_cards
    exact = exact_points(curves)
    rounded = [np.round(own) for own in exact]
    if any(own.max() < 1 for own in rounded):
        return
    whole = nearest_whole(curves, range(len(exact)), exact, rounded, np.ones(40))
    assert squared_error(curves, exact, whole) <= squared_error(curves, exact, rounded) + 1e-4
    assert all((points == np.round(points)).all() for points in whole)
