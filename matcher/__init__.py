"""
The matcher: one process per shard, the only one that knows how a book behaves.

Pure, read in this order: `orders`, `commands`, `events`, `rejects` (the venue's vocabulary), `book`,
`engine`, `snapshot`. Around them the process: `service`, `metrics`, `__main__`.
Run one by itself with `./outcry matcher --shard 0`.
"""
