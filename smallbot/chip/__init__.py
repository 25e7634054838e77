"""Phase-change-memory devices, unit cells and cores; knows nothing of spikes."""
