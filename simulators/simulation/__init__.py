"""
A shard in one thread and in no time: what the venue runs, on logs in memory, with every misfortune drawn from a seed.

    python -m simulators.simulation --seeds 10000

Real is everything that keeps the promises: the matchers (`matcher.process.service` and all below it), the gateways'
`sequencer` and `log_watch`, the bus with its publishers and readers. In their place in memory are the world around
them: the event loops, whose clock jumps to whatever is due next (`virtual_time`); NATS and its streams, with the rules
of JetStream that the venue depends on and no others (`stored_log`, `consumer`, `server`), and connections on which
messages are lost, late, repeated or out of turn (`weather`, `memory_bus`). Processes are killed in the middle of
whatever they do, stand still and go on later, are cut off, and are started again (`process`).

Afterwards the weather clears, and all must come to rest: each request answered once, one history in EXEC, the same
state everywhere (`audit`). A seed that failed fails again. Reading order: `run`, `process`, `gateway`, `matcher`,
`faults`, `audit`; then `server` and `virtual_time`.
"""
