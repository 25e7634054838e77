# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""`python -m smallbot` is the `smallbot` command."""

import sys

from smallbot.cli.main import main

sys.exit(main())
