"""
Order entry: FIX requests in, commands onto the log; events off the log, FIX reports out.

`fix_inbound` turns a request's tags into a command, `fix_outbound` an event into message bodies, `reports` knows the
codes and versions; these three are pure and `FIX.md` is their page: begin there. `sequencer` and `executions` are the
two halves of the process around them, and `python -m gateway` runs it.
"""
