"""
FIX sessions: who may connect, and the engines that keep the session protocol.

`port` is what an engine offers; `quickfix_engine` is the reference engine behind it, and alone imports `quickfix`.
`accounts` says who may log on, `dictionaries` prepares the FIX data dictionaries, `fix_text` reads raw messages.
"""
