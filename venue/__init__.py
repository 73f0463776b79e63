"""
The venue as a whole: how it is installed, started, supervised and stopped on one machine.

`bootstrap` prepares the virtual environment, `__main__` is the table of commands. `up` runs a whole venue: `supervisor`
keeps processes alive, `nats_server` prepares the embedded JetStream server. `process` is the life of each process,
`logs` what they all write. Start reading in `up`. Run it with `./outcry up`.
"""
