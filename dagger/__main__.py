"""`python -m dagger` is the command `dagger`."""

import sys

from dagger.cli import main

if __name__ == "__main__":
    sys.exit(main())
