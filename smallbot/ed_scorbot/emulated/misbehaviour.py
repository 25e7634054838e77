# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""What the emulated controller of an ED-Scorbot can do wrong; light, for the command's help."""

MISBEHAVIOURS = {
    'silent': 'answers nothing at all',
    'owned': 'belongs to another client',
    'never-homes': 'does not say that home was found',
    'wrong-home': 'home lies 8 degrees off at the shoulder',
    'wrong-sign': 'the counter of the base runs the wrong way',
    'nan': 'every third moved has no numbers',
    'blind': 'from the hundredth on, no moved has numbers',
    'skips': 'ignores one trajectory in ten',
    'late': 'every moved comes 1.2 s late',
}
"""By name, what then happens."""
