"""`python -m simulators.simulation`: see `command`."""

import sys

from simulators.simulation.command import main

if __name__ == "__main__":
    sys.exit(main())
