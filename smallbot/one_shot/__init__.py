"""Demonstration to learning signals to one update to playback; meta-training and evaluation."""
