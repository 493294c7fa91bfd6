"""``python -m producer`` is `producer`."""

import sys

from producer.cli import main

if __name__ == "__main__":
    sys.exit(main())
