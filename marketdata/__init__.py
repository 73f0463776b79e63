"""
Market data: what the public may see of every book and its phase, as JSON on NATS and over WebSocket, and as FIX. Its
pages are `FEED.md` and `WEBSOCKET.md`.

One process (`service`) reads the execution logs, keeps all books and the day's `statistics`, publishes each change on
`md.<symbol>`, keeps the newest ones (`history`) and answers snapshot requests. Readers anywhere (`client`) keep
replicas that notice every loss. Two of them pass it on: `fix` inside the gateway, and `websocket`, a process of its
own. Pure: `messages`, `book`, `replica`, `snapshots`, `statistics`, `history`, `candles`. Start reading at `messages`,
then `replica`.
"""
