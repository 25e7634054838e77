# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Images and where they come from: data sets, tasks drawn from them, people's own pictures.

Knows nothing of networks. Begin with `characters.read_characters` and `pictures.read_support`.
"""
