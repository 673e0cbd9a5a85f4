"""`python -m tests.harness`: see simulate.py, which other processes import by its name."""

import sys

from tests.harness.simulate import main

if __name__ == "__main__":
    sys.exit(main())
