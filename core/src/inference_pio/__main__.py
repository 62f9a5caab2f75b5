"""``python -m inference_pio``: the command line."""

import sys

from inference_pio.cli import main

if __name__ == "__main__":
    sys.exit(main())
