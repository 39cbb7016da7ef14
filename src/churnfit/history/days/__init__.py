"""Day tables: one scan of the events, then every reading of every date without them.

Windows and knowledge end on days, so what happened within a day need not be kept apart: per account, selection and day
it is enough to keep how many events there were, their sum, the last, and which users, features and days were seen. A
reading adds rows up; events that came late are rows that count later. The order of work, one module each:

1. `plan`: what must be kept for a set of readings, and which events match which selections;
2. `log`: the events in batches, and what is new since a build;
3. `texts` and `names`: accounts, users and features as keys, and as small numbers, which `ahead` helps to find;
4. `building` with its loops in `kernels`, `blocks` of events that wait, `drawers` of rows: events in, rows out;
5. `tables`: rows in Parquet files, and the manifest that says which of them count;
6. `joining`: several builds, one per increment, read as one;
7. `taking` with its loops in `gathering`: rows in, the readings of a grid out;
8. `engine`: brings the tables up to date and takes readings, for `churnfit.history.snapshot`.
"""

__all__: list[str] = []
