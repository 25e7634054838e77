"""Simulated arms: ideal, in MuJoCo, or as the real ED-Scorbot was measured.

For the simulator's node and for studies. Begin with `simulated.SimulatedArm`.
"""
