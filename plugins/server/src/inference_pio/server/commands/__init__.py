"""Commands that this distribution adds to ``inference-pio``; their modules import nothing heavy."""
