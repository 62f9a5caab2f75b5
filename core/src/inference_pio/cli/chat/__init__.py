"""What ``inference-pio chat`` is made of: the conversation, the reader of lines, the slash commands, and the loop."""
