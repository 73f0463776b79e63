"""
The matcher: one process per shard, the only one that knows how a book behaves. `RULES.md` has the rules of trading.

- Here, the venue's vocabulary, which everybody may import: `orders`, `instructions`, `phases`, `instruments`,
  `commands`, `operator_commands`, `events`, `increments`, `rejects`; `contradictions` (what no order may say) and
  `schedule` (when phases begin). Pure.
- `books/`: all that a shard remembers. Pure.
- `engine/`: what each command does to it. Pure.
- `process/`: what surrounds the engine: logs, clock, snapshots, metrics. `__main__` starts it.

A newcomer reads `commands`, `events`, `engine/engine`, `engine/order_entry`, `engine/incoming`, `engine/matching`.
Run one by itself with `./outcry matcher --shard 0`.
"""
