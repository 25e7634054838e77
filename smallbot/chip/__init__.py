# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""The simulated in-memory-computing chip: cores of unit cells with their converters and accounts.

It knows nothing of spikes; `synapses` is its user, beside figures of the chip itself. Begin with
`core.Core`.
"""
