"""Shipped weights, each with its card: data only, read by `one_shot.model`."""
