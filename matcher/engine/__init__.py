"""
What commands do to the books: a module for each subject of `RULES.md`. In the order in which they build on each other:

- how one order fares: `transitions`, `answer`, `leaving`, `trigger_prices`, `peg_prices`, `matching`, `reach`,
  `incoming`
- what requests do: `bounds`, `refusals`, `order_entry`, `order_changes`, `mass_requests`, `order_lists`, `quotes`;
  and the venue's own commands: `phase_changes`, `uncrossing`, `expiry`, `definitions`, `limits`, `trade_revisions`
- what they set off: `triggers`, `pegs`, `quote_pulls`, `rounds`
- `engine`, which puts them together
"""
