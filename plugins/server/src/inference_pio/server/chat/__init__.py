"""``/v1/chat/completions``: conversations, tools, answers of a given form, whole or piece by piece.

``request`` is what a client sends, made of ``messages``, ``tools`` and ``response_format``; ``plan`` checks it and says
in the engine's words what was asked for; ``steps`` reads what the model writes, ``tool_call_reader`` the calls in it;
``response`` is what the client gets, ``writer`` writes it, and ``endpoint`` puts it all together.
"""

from .endpoint import ChatCompletions

__all__ = ["ChatCompletions"]
