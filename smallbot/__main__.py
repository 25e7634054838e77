"""`python -m smallbot` is the `smallbot` command."""

import sys

from smallbot.cli.main import main

sys.exit(main())
