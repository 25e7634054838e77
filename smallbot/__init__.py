"""One-shot movement learning with spiking networks on phase-change memory."""

__version__ = '0.1.0'
