"""The `smallbot` command: one file for each verb, no logic of its own.

Nobody imports it. Begin with `main`.
"""
