"""
All that a shard remembers, and nothing about why it changes. In the order in which they build on each other:

- of one symbol: `book`, `stops`, `tick_table`, `auction` (the price that an uncrossing would have), `trade_memory`,
  and `market`, which holds them
- of the shard: `order_index`, `admission` (which requests were seen), `limit_book`, `list_book`, `quote_book`, and
  `floor`, which holds them and the markets
- about all of it: `invariants` (what must be true between two commands), `publication` (what the public sees of it),
  `snapshot` (all of it as bytes, and its hash)
"""
