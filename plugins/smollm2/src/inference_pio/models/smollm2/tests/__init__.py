"""Tests of SmolLM2; run them with ``inference-pio test smollm2``."""
