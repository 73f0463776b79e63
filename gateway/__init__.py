"""
Order entry: FIX requests in, commands onto the log; events off the log, FIX reports out.

`FIX.md` is its page, and `fix/`, which is pure, turns messages into commands and events into messages: begin there.
`sequencer` and `executions` are the two halves of the process around it, `drop_copy/` serves read-only sessions, and
`python -m gateway` runs all of it.
"""
