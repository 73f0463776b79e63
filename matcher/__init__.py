"""
The matcher: one process per shard, the only one that knows how a book behaves.

Pure, read in this order: `orders`, `commands`, `events`, `rejects`, `instruments` (the venue's vocabulary), `book`,
`admission`, `order_index`, `transitions`, `answer`, `refusals` (what the engine is made of), `engine`, `snapshot`.
Around them the process: `service`, `snapshot_files`, `metrics`, `__main__`.
Run one by itself with `./outcry matcher --shard 0`.
"""
