# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""The page in the browser: one more client of the nodes, or of the library.

The server is light and never computes; behind it are two processes, the arm's side and the
laboratory. What browser and server say to each other: docs/reference/page.md.
"""
