"""
The outside world: everything that meets the venue only where a member firm would, on its FIX port.

`fix_client` is a FIX initiator: the venue's own session core, `sessions.native.session`, in the other role. `load`
drives orders through it and measures (`bench` is its command line, `./outcry bench`), `bots` trade through it as their
`strategies` want and keep books of their own, and `demo` puts a whole venue, bots and a live screen together
(`./outcry demo`). `histogram` holds latencies, `screen` draws. `recorded` reads real order flow, which `replay` sends
and `reference` checks with a slow, obvious book.
Nothing in the venue imports this package. Start reading at `fix_client.py`.
"""
