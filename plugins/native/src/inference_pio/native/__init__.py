"""The native CPU path: compiled kernels, and an engine that runs a whole step in one call."""
