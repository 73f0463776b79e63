"""
The matcher: one process per shard, the only one that knows how a book behaves. `RULES.md` has the rules of trading.

Pure, in the order in which they build on each other:

- the venue's vocabulary: `orders`, `instructions`, `phases`, `instruments`, `commands`, `operator_commands`, `events`,
  `increments`, `rejects`
- what there is: `book`, `stops`, `tick_table`, `auction` (its price), `trade_memory`, `market` (all of one symbol);
  `order_index`, `admission`, `limit_book`, `list_book`, `quote_book`, `floor` (all that handlers share)
- how one order fares: `transitions`, `answer`, `leaving`, `trigger_prices`, `peg_prices`, `matching`, `reach`,
  `incoming`
- what requests do: `contradictions`, `bounds`, `refusals`, `order_entry`, `order_changes`, `mass_requests`,
  `order_lists`, `quotes`; and the venue's own commands: `phase_changes`, `uncrossing`, `expiry`, `definitions`,
  `limits`, `trade_revisions`
- what they set off: `triggers`, `pegs`, `quote_pulls`, `rounds`; what the public sees: `publication`
- `engine`, which puts them together, `invariants`, `snapshot`

A newcomer reads `commands`, `events`, `engine`, `order_entry`, `incoming`, `matching`. Around it the process:
`service`, `own_records`, `announcements`, `clock`, `schedule`, `status`, `snapshot_files`, `metrics`, `__main__`.
Run one by itself with `./outcry matcher --shard 0`.
"""
