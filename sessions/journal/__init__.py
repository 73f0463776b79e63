"""
What a session sent and how far both its numbers are, on disk: begin with `journal`.

`records` is the byte format, `files` the segments and their index, `recovery` opens after a crash, `limits` bounds
everything, `group` syncs many journals at once, `errors` says what can be wrong.
"""
