# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""What all figures have in common: their style, the view of a path, sheets, files.

Nothing here knows what is drawn. Begin with `style`.
"""
