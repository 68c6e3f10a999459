"""``python -m fbsearch``, which torchrun needs to start several processes."""

import sys

from fbsearch.cli import main

sys.exit(main())
