"""
Drop copies: read-only sessions that get the reports of others, as `FIX.md` states it under "Drop copy".

`copies` says who gets what, and `executions` sends it with all other reports; `readings` knows how far a client has
read. `desk` takes requests: reports once more (`replay_messages`, served by `replay` from `spans` of EXEC, found by
`exec_index`) and trades (`trade_messages`, `trade_capture`, `trading_days`). `trade_file` is a command: a whole day
(`trade_day`) as CSV (`trade_csv`).
"""
