"""
The process around one shard's engine: `service` reads ORD and writes EXEC; `own_records`, `announcements` and `clock`
are the leader's own commands; `snapshot_files`, and `retention`, which trims the logs behind them; `metrics`; `status`
is what a running matcher says of itself.
"""
