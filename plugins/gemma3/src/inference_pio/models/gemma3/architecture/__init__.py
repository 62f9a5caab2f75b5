"""The decoder block and the names that checkpoints give its tensors.

Gemma 3 norms both ends of each half (sandwich norms, four a block where Llama has two), and its checkpoints store norm
weights as their distance from one. ``block`` has the wiring (torch), ``checkpoints`` the names and settings (no torch).
"""
