# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Where networks meet devices: a weight matrix that can be multiplied with and rewritten.

For every room above `snn`: a network knows nothing of conductances and a chip nothing of neurons,
both know `Synapses`. Begin with `interface`.
"""
