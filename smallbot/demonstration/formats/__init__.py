# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""What people bring, read as recordings of an arm: tables of text, bags, LeRobot data sets.

A `recording.Recording` is what was understood; whether it is a movement is judged in
`demonstration.reading`. Options that say what a file leaves open are in `options`.
"""
