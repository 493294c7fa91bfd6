"""``python -m benchmarks``: the whole job against pgloader."""

import sys

from benchmarks.main_job import main

sys.exit(main())
