"""``inference-pio batch``: a file of requests in OpenAI's batch format, answered line by line into another file.

A result's ``id`` names the digest of the input and the number of the line that it answers. So a file of results says by
itself whose results it holds and which lines are left, and nothing else has to be kept for a run to be resumed.
"""
