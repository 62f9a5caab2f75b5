"""The decoder block and the names that checkpoints give its tensors.

SmolLM2 is Llama without a change: pre-norm blocks with two residual additions, no biases, the output head tied to the
embedding in the small sizes. ``block`` has the wiring (torch), ``checkpoints`` the names and settings (no torch).
"""
