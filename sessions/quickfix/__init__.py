"""
The reference engine: QuickFIX behind `sessions.port`. Begin with `engine`, the only module that imports quickfix.

`settings` and `dictionaries` prepare what QuickFIX reads, `store` reads what it wrote, `session`, `intake` and `outbox`
stand between its threads and the event loop; `blocked_socket`, `descriptors` and `python_thread` each close one trap.
"""
