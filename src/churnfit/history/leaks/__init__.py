"""The leak sentinel: measures that know what nobody knew on the day, or that the team wrote itself.

A leak makes a card look brilliant on the past and useless on the present. One idea, one module:

1. `too_good`: a measure that separates churners alone (CF109);
2. `circular`: kinds of events that follow the team's own interventions (CF115);
3. `closing`: kinds that belong to the leaving itself, such as an offboarding call (CF116);
4. `edits`: columns overwritten at churn, and facts entered after it under an earlier date (CF117);
5. `timing`: values that reach beyond as_of into the label's window, or that know churn at any distance (CF118, CF117),
   and `edge`: columns that collapse in the newest rows, whose days to come were not known yet (CF118);
6. `survivors`: accounts that churned early and are gone from the tables (CF119).

`sentinel` asks them all. `reads` says which kinds and columns which measures read, `chance` what luck would give.
Every finding names the measures, the evidence in numbers next to what would be expected, and what to do;
``leak_checked = true`` on a measure silences all that is said of it.
"""

__all__: list[str] = []
