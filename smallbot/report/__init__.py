# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""One HTML file of a run, to be mailed: what was shown, what came of it, with what it was made.

Reads what verbs leave in a folder and computes nothing. Begin with `page`.
"""
