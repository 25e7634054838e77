"""Spiking networks as pure functions: neuron steps, unrolled networks, traces and spike codes.

It knows nothing of devices and robots. Begin with `neuron`.
"""
