"""Spiking networks as pure functions: neuron steps, unrolled networks, traces and spike codes."""
