"""Tests of Gemma 3; run them with ``inference-pio test gemma3``."""
