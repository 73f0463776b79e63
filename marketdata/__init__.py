"""
Market data: what the public may see of every book and its phase, as JSON on NATS and as FIX V/W/X/Y and e/f. Its page
is `FEED.md`.

One process (`service`) reads the execution logs, keeps all books, publishes each change on `md.<symbol>` and answers
snapshot requests. Readers anywhere (`client`) keep replicas that notice every loss; `fix_feed` is such a reader inside
the gateway. Pure: `messages`, `book`, `replica`, `snapshots`, `fix_messages`, `fix_status`, `fix_views`. Start reading
at `messages`, then `replica`.
"""
