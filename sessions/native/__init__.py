"""
Our own FIX engine: a pure core in the manner of h11, and a listener on asyncio around it.

Pure, read in this order: `session` (the theory), `states`, `framing`, `messages`, `shapes`, `receiver`, `inbound`,
`outbound`, `line`, `logon`, `checks`, `lobby`, `events`. Around them: `seat` (a session with its journal),
`connection`, `listener`, `tally`, and `engine`, which wires them behind `sessions.port`.
"""
