"""
Everything that travels between processes: subjects, record formats, and the JetStream connection.

Pure: `subjects`, `records` (their page is `WIRE.md`). Talking to NATS: `connection` (with `client` inside),
`publisher` (ordered, durable), `reader` (ordered, from a sequence). No other package imports `nats`.
"""
