"""``/v1/responses``: the chat of the newer protocol. Nothing is kept between requests.

``request`` is what a client sends, made of ``items``; ``conversion`` says it in the words of ``/v1/chat/completions``,
which does the rest up to what the model writes; ``writer`` makes ``events`` and the ``response`` of that.
"""

from .endpoint import Responses

__all__ = ["Responses"]
