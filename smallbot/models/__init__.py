"""Shipped weights, each with its card, and `weights_file`, which writes and reads both."""
