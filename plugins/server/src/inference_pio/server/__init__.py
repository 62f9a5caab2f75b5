"""Models for many users at once: an OpenAI-compatible server, a page to chat in the browser, and batches of requests.

``served_model`` is what the server knows of a model. ``endpoint`` is what each call of the protocol implements, without
HTTP, so that ``inference-pio batch`` answers the same requests in the same way. ``api_errors`` says what went wrong in
the protocol's words.
"""
