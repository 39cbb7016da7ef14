"""What was known about each account, and when: raw tables in, snapshots and labels out.

The order of work, one module each:

1. `sources`: open the files of a spec read-only in DuckDB, as the contracts of `churnfit.tables` (with `files`
   reading one file each and `contracts` casting one table each);
2. `checks`: every fault of the data at once, before anything is computed;
3. `cohort`: the (account, as_of) grid to look at, for training or for scoring;
4. `snapshot`: all measures on that grid, from what was known then (`measures` says what each one reads from events,
   a few `readings`, and what is made of them; `events_sql` takes the readings by a scan, `days` from day tables,
   `spark` on Spark; `expressions` checks arithmetic over other measures; `peers` ranks an account among those that
   were there before);
5. `labels`: which rows of the grid may train, and whether they churned;
6. `leaks`: measures that know what nobody knew on the day, found before anything is learned.

`sql` quotes every name and value that comes from a spec or from data. Only this package imports DuckDB, and only
inside functions; import the modules themselves, the package re-exports nothing.
"""

__all__: list[str] = []
