"""
FIX sessions: who may connect, and the engines that keep the session protocol.

`port` is what an engine offers and what it asks of the applications behind it. Two engines stand behind the port:
`native`, our own, with its `journal` and its `dictionary`, and `quickfix`, the reference. `accounts` and `logon` say
who may log on, `fix_text` reads raw messages, `delivery` hands them over, `fatal` ends a process that cannot go on.
"""
