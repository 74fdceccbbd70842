"""`python -m bids_app`, the same as `demyelin`."""

import sys

from bids_app.cli import main

if __name__ == "__main__":
    sys.exit(main())
