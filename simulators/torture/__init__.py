"""
Hurts a running venue on purpose, and checks from outside that it keeps its promises.

    ./outcry torture --faults 100 --seed 7

Several firms trade without a pause, with every kind of order (`requests`, `trader`), while a seeded schedule of
`faults` is carried out on the real processes: they are killed, paused, cut off, starved of disk. All that any client
sent or received is a `history`; the `auditor` and the modules beside it know nothing but that, and say in one sentence
each what was promised (`DESIGN.md`, "The promises") and not kept. Afterwards `replay` runs the logs through a fresh
engine and compares. Reading order: `history`, `auditor`, `session_audit`, `request_audit`, `order_audit`,
`trade_audit`, `book_audit`; then `trader`, `stage`, `faults` and the
modules that it names, `run`.
"""
