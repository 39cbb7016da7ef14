"""Generated tables: customers whose churn follows a rule we wrote down, so that blind spots can be told apart.

Each function takes the number of rows and a generator of random numbers, and returns the measures and 0/1 churned.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

__all__ = [
    "GENERATORS",
    "correlated",
    "interacting",
    "large",
    "planted_additive",
    "shared_noise",
    "strong",
    "two_sided",
]

Floats = NDArray[np.float64]
Labelled = tuple[pd.DataFrame, NDArray[np.int64]]


def planted_additive(n_rows: int, rng: np.random.Generator) -> Labelled:
    """Return 15 measures of which 11 add up to the logit of churn: monotone, saturating, two-sided, categories, gaps.

    One value in twenty is missing. A missing satisfaction score raises the risk, a missing onboarding call lowers it;
    the other gaps say nothing. Newsletter, browser, invoice day and office size are noise.
    """
    activity = rng.normal(size=n_rows)
    rows = pd.DataFrame(
        {
            "logins_28d": rng.poisson(np.exp(2.3 + 0.7 * activity)),
            "days_since_login": np.round(rng.exponential(np.exp(1.5 - 0.5 * activity)), 0),
            "seats": np.ceil(np.exp(rng.normal(2.5, 1.0, n_rows))),
            "seat_share": np.round(_sigmoid(0.8 + 0.6 * activity + rng.normal(0, 0.8, n_rows)), 3),
            "tickets_28d": rng.poisson(1.5, n_rows),
            "tenure_months": np.round(rng.gamma(1.6, 14.0, n_rows)),
            "satisfaction": rng.integers(0, 11, n_rows),
            "discount_percent": np.round(rng.beta(2, 4, n_rows) * 60),
            "onboarding_calls": rng.integers(0, 6, n_rows),
            "plan": rng.choice(["starter", "team", "business", "enterprise"], n_rows, p=[0.4, 0.3, 0.2, 0.1]),
            "contract": rng.choice(["monthly", "yearly", "three years"], n_rows, p=[0.5, 0.4, 0.1]),
            "newsletter_opens": rng.poisson(3, n_rows),
            "invoice_day": rng.integers(1, 29, n_rows),
            "browser": rng.choice(["chrome", "firefox", "safari", "edge"], n_rows),
            "office_size": np.round(rng.lognormal(4, 0.6, n_rows)),
        }
    )
    effects = {
        "logins_28d": -1.6 * np.minimum(rows["logins_28d"], 15) / 15,
        "days_since_login": 1.4 * (1 - np.exp(-rows["days_since_login"] / 7)),
        "seats": -0.25 * np.log(rows["seats"]),
        "seat_share": -2.0 * rows["seat_share"],
        "tickets_28d": 0.35 * np.abs(rows["tickets_28d"] - 1.5),  # silence is as bad as trouble
        "tenure_months": -1.2 * np.minimum(rows["tenure_months"], 24) / 24,
        "satisfaction": -0.9 * (rows["satisfaction"] >= 7) - 0.4 * (rows["satisfaction"] >= 9),
        "discount_percent": 0.002 * (rows["discount_percent"] - 20) ** 2,
        "onboarding_calls": -0.3 * np.minimum(rows["onboarding_calls"], 3),
        "plan": rows["plan"].map({"starter": 0.6, "team": 0.2, "business": -0.1, "enterprise": -0.5}),
        "contract": rows["contract"].map({"monthly": 0.9, "yearly": 0.0, "three years": -0.6}),
    }
    said_by_a_gap = {"satisfaction": 0.8, "onboarding_calls": -0.9}
    logit = np.zeros(n_rows)
    for name in rows.columns:
        gone = rng.random(n_rows) < 0.05
        if name in effects:
            effect = effects[name].to_numpy(dtype=float)
            logit += np.where(gone, effect.mean() + said_by_a_gap.get(name, 0.0), effect)
        rows[name] = rows[name].mask(gone)
    return rows, _drawn(1.2 * logit, 0.2, rng)


def interacting(n_rows: int, rng: np.random.Generator) -> Labelled:
    """Return 19 measures of phone customers who leave for pairs of reasons: about 17 % churn, nearly a rule.

    High charges by day and evening without voice mail; an international plan with long calls or hardly any; many
    service calls of somebody whose day charge is low. Each rule lifts churn to 88 %; else three in a hundred leave.
    """
    day, evening, night = (rng.normal(m, s, n_rows).clip(0) for m, s in ((180, 54), (200, 51), (200, 50)))
    voice_mail = rng.random(n_rows) < 0.27
    abroad = rng.normal(10.2, 2.8, n_rows).clip(0)
    rows = pd.DataFrame(
        {
            "region": rng.choice([f"R{i:02d}" for i in range(20)], n_rows),
            "tenure_weeks": rng.normal(100, 40, n_rows).clip(1).round(),
            "area": rng.choice(["408", "415", "510"], n_rows, p=[0.25, 0.5, 0.25]),
            "international_plan": np.where(rng.random(n_rows) < 0.1, "yes", "no"),
            "voice_mail_plan": np.where(voice_mail, "yes", "no"),
            "voice_mails": np.where(voice_mail, rng.normal(29, 7, n_rows).clip(4).round(), 0),
            "day_minutes": day.round(1),
            "day_calls": rng.poisson(100, n_rows),
            "day_charge": (0.17 * day).round(2),
            "evening_minutes": evening.round(1),
            "evening_calls": rng.poisson(100, n_rows),
            "evening_charge": (0.085 * evening).round(2),
            "night_minutes": night.round(1),
            "night_calls": rng.poisson(100, n_rows),
            "night_charge": (0.045 * night).round(2),
            "international_minutes": abroad.round(1),
            "international_calls": rng.poisson(3.5, n_rows) + 1,
            "international_charge": (0.27 * abroad).round(2),
            "service_calls": rng.poisson(1.56, n_rows),
        }
    )
    plan = rows["international_plan"] == "yes"
    reasons = (
        ((rows["day_charge"] + rows["evening_charge"] > 63) & ~voice_mail)
        | (plan & ((rows["international_minutes"] > 9.5) | (rows["international_calls"] <= 2)))
        | ((rows["service_calls"] >= 4) & (rows["day_charge"] < 38))
    )
    return rows, (rng.random(n_rows) < np.where(reasons, 0.88, 0.03)).astype(np.int64)


def two_sided(n_rows: int, rng: np.random.Generator) -> Labelled:
    """Return 10 measures of bank customers: products with bad extremes, a hump of age, a spike of empty accounts."""
    region = rng.choice(["north", "south", "east"], n_rows, p=[0.5, 0.25, 0.25])
    age = np.round(18 + rng.gamma(4.2, 5.0, n_rows)).clip(18, 90)
    empty = rng.random(n_rows) < np.where(region == "east", 0.05, 0.48)
    many = np.where(empty, 0.62, 0.32)  # who has no balance has another product instead
    draw = rng.random(n_rows)
    products = np.select([draw < 0.93 * many, draw < 0.97 * many, draw < many * 0.985], [2, 3, 4], default=1)
    rows = pd.DataFrame(
        {
            "credit_score": rng.normal(650, 97, n_rows).clip(350, 850).round(),
            "region": region,
            "age": age,
            "tenure_years": rng.integers(0, 11, n_rows),
            "balance": np.where(empty, 0.0, rng.normal(120_000, 30_000, n_rows).clip(3_000)).round(2),
            "products": products,
            "has_card": np.where(rng.random(n_rows) < 0.7, "yes", "no"),
            "active": np.where(rng.random(n_rows) < _sigmoid(0.1 + 0.02 * (age - 39)), "yes", "no"),
            "salary": rng.uniform(0, 200_000, n_rows).round(2),
            "advisor_meetings": rng.poisson(0.5 + 1.2 * ~empty, n_rows),
        }
    )
    logit = (
        3.2 * np.exp(-(((age - 54) / 11) ** 2))
        + np.array([0.0, 0.6, -1.5, 2.6, 3.6])[products]
        + np.where(region == "east", 0.8, 0.0)
        - np.where(rows["active"] == "yes", 1.0, 0.0)
        + 0.15 * np.abs(rows["advisor_meetings"] - 2)
        + np.where(empty, 0.35, 0.8 * np.abs(rows["balance"] - 120_000) / 60_000)
    )
    return rows, _drawn(logit.to_numpy(), 0.2, rng)


def strong(n_rows: int, rng: np.random.Generator) -> Labelled:
    """Return 13 measures of gym members, nearly separable (AUC about 0.98), every effect curved."""
    habit = rng.normal(size=n_rows)
    months = rng.choice([1, 6, 12], n_rows, p=[0.55, 0.2, 0.25])
    rows = pd.DataFrame(
        {
            "age": rng.normal(29, 4, n_rows).clip(18, 45).round(),
            "contract_months": months,
            "months_to_end": np.minimum(months, rng.integers(1, 13, n_rows)),
            "lifetime_months": rng.exponential(3.5, n_rows).round(),
            "visits_per_week": (1.9 + 0.8 * habit + rng.normal(0, 0.35, n_rows)).clip(0).round(2),
            "visits_last_month": (1.8 + 0.9 * habit + rng.normal(0, 0.6, n_rows)).clip(0).round(2),
            "extra_spend": rng.gamma(2.2, 65, n_rows).round(2),
            "near": np.where(rng.random(n_rows) < 0.85, "yes", "no"),
            "partner": np.where(rng.random(n_rows) < 0.49, "yes", "no"),
            "brought_by_friend": np.where(rng.random(n_rows) < 0.31, "yes", "no"),
            "group_visits": np.where(rng.random(n_rows) < 0.41, "yes", "no"),
            "gender": rng.choice(["f", "m"], n_rows),
            "phone_known": np.where(rng.random(n_rows) < 0.9, "yes", "no"),
        }
    )
    logit = (
        -4.5 * np.log1p(rows["lifetime_months"])
        + 6.0 * np.exp(-rows["visits_last_month"] / 0.9)
        - 1.5 * np.sqrt(rows["visits_per_week"])
        - 0.35 * (rows["age"] - 24).clip(0, 10)
        - 1.1 * np.log(rows["contract_months"])
        - 1.6 * np.minimum(rows["extra_spend"], 250) / 250
        - np.where(rows["group_visits"] == "yes", 0.9, 0.0)
    )
    return rows, _drawn(1.45 * logit.to_numpy(), 0.265, rng)


def correlated(n_rows: int, rng: np.random.Generator) -> Labelled:
    """Return 12 measures of usage with correlations of 0.6 to 0.9 and heavy tails, 10 % churn; five matter."""
    usage = rng.normal(size=n_rows)
    counted, measured = ["logins_28d", "users_active", "integrations"], ["minutes_28d", "storage_gb", "seat_days"]
    invoiced = ["reports_28d", "exports_28d", "api_calls", "comments_28d", "revenue", "credits_used"]
    names = [*counted, *measured, *invoiced]
    loadings = np.linspace(0.78, 0.95, len(names))
    shared = loadings * usage[:, np.newaxis]
    normal = shared + np.sqrt(1 - loadings**2) * rng.normal(size=(n_rows, len(names)))
    rows = pd.DataFrame(np.exp(1.4 * normal + 2.5).round(2), columns=names)
    rows[counted] = rows[counted].round()
    effects = {"logins_28d": -0.9, "reports_28d": -0.7, "users_active": -0.8, "integrations": -0.5}
    at = {name: normal[:, names.index(name)] for name in names}
    logit = sum(size * np.tanh(at[name]) for name, size in effects.items()) + 0.5 * at["api_calls"]
    return rows, _drawn(1.4 * np.asarray(logit), 0.1, rng)


def shared_noise(n_rows: int, rng: np.random.Generator) -> Labelled:
    """Return 30 measures of which five matter, weakly (AUC about 0.70)."""
    measures: dict[str, Floats | NDArray[np.str_]] = {
        "logins_28d": rng.poisson(8, n_rows).astype(float),
        "tickets_28d": rng.poisson(1.2, n_rows).astype(float),
        "tenure_months": rng.gamma(1.6, 14.0, n_rows).round(),
        "seat_share": rng.beta(4, 2, n_rows).round(3),
        "contract": rng.choice(["monthly", "yearly"], n_rows),
    }
    for number in range(12):
        measures[f"clicks_page_{number:02d}"] = rng.poisson(2 + number, n_rows).astype(float)
    for number in range(8):
        measures[f"survey_answer_{number}"] = rng.normal(5, 2, n_rows).round(1)
    for number in range(5):
        measures[f"tag_{number}"] = rng.choice(["a", "b", "c", "d"], n_rows)
    rows = pd.DataFrame(measures)
    logit = (
        -0.11 * rows["logins_28d"]
        + 0.25 * np.minimum(rows["tickets_28d"], 4)
        - 0.8 * np.minimum(rows["tenure_months"], 24) / 24
        - 1.0 * rows["seat_share"]
        + np.where(rows["contract"] == "monthly", 0.6, 0.0)
    )
    return rows, _drawn(1.25 * logit.to_numpy(), 0.22, rng)


def large(n_rows: int, rng: np.random.Generator) -> Labelled:
    """Return sixteen numbers and four categories, twelve of which decide; 6 % churn. For speed, not for accuracy."""
    rows, logit = {}, np.full(n_rows, -3.2)
    for number in range(16):
        values = rng.gamma(2, 5, n_rows) if number % 2 else rng.normal(50, 15, n_rows)
        rows[f"usage_{number}"] = np.round(values, 1)
        if number < 10:
            logit += 0.5 * np.tanh((values - values.mean()) / values.std()) * (1 if number % 3 else -1)
    for number in range(4):
        kind = rng.integers(0, 6, n_rows)
        rows[f"kind_{number}"] = np.array([f"K{k}" for k in range(6)])[kind]
        logit += 0.2 * (kind - 2.5) if number < 2 else 0.0
    return pd.DataFrame(rows), (rng.random(n_rows) < _sigmoid(logit)).astype(np.int64)


GENERATORS: dict[str, tuple[int, Callable[[int, np.random.Generator], Labelled]]] = {
    "planted_additive": (10_000, planted_additive),
    "interacting": (5_000, interacting),
    "two_sided": (10_000, two_sided),
    "strong": (4_000, strong),
    "correlated": (3_000, correlated),
    "shared_noise": (2_000, shared_noise),
}
"""The rows and the maker of each generated table."""


def _sigmoid(logit: Floats) -> Floats:
    probability: Floats = 1.0 / (1.0 + np.exp(-logit))
    return probability


def _drawn(logit: Floats, rate: float, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return who churns, the logit shifted so that `rate` of them are expected to."""
    low, high = -60.0, 60.0
    for _ in range(60):  # bisection: far below the precision of a draw
        shift = (low + high) / 2
        low, high = (low, shift) if _sigmoid(logit + shift).mean() > rate else (shift, high)
    return (rng.random(len(logit)) < _sigmoid(logit + low)).astype(np.int64)
