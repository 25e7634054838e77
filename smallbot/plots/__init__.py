"""Figures and reports: they read results and compute nothing.

For the command and `benchmarks/`. Begin with `report`.
"""
