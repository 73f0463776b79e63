"""
Order entry: FIX requests in, commands onto the log; events off the log, FIX reports out.

`fix_inbound` turns a request's tags into a command, each field checked by `fix_fields`; `fix_outbound` turns an event
into message bodies, and `reports` knows the codes and versions. These four are pure and `FIX.md` is their page: begin
there. `sequencer` and `executions` are the two halves of the process around them, and `python -m gateway` runs it.
"""
