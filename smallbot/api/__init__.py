# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""The Python API: what `import smallbot` offers, over the rooms that do the work.

Nothing is worked out here; everything is put together as the command does it. Begin with
`movements`.
"""
