"""
Market data for FIX sessions, a reader of the feed like any other, inside the gateway.

`feed` is the application behind the engine port: it answers V with books, and gives all else that may be asked to
`enquiries`. Pure: `requests` reads V; `messages`, `orders` and `statistics` write entries; `views` decides what a
subscriber sees. One module for each other conversation: `security_list` (x, y), `definitions` (c, d), `status` (e, f),
`trading_sessions` (g, h).
"""
