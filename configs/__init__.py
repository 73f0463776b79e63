"""
Complete, commented configurations and their typed loader.

`one-machine.toml` with `instruments.toml` is what `./outcry demo` and `./outcry up` use; copy both to make your own.
"""
