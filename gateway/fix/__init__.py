"""
Order entry in FIX's words, as `FIX.md` states it. All of it is pure.

`inbound` turns a request's tags into a command, each field checked by `fields`; `instructions`, `lists`, `quotes` and
`mass_requests` read what only few requests say. `outbound` turns an event into message bodies, with `refusals`,
`group_reports`, `special_orders` and `news` beside it; `dialects` knows the codes of each version, and `words` what
requests say and reports repeat.
"""
