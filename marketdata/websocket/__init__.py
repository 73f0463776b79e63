"""
Market data over WebSocket: the process `./outcry websocket`, one reader of the public feed for thousands of readers.

`WEBSOCKET.md` is the page of the protocol. `requests` (what readers send), `views` and `payloads` (what they are sent)
are pure; `hub` knows who watches what, `desk` answers requests, `connection` is one reader's socket, `server` the port.
The reader's side, for programs anywhere, is `client`, with `watches`, which is pure too.
"""
