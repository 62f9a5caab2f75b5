"""All calls of the protocol that take a body and a model, for the server and for ``inference-pio batch``."""

from __future__ import annotations

from typing import Any

from .chat import ChatCompletions
from .completions import Completions
from .embeddings import Embeddings
from .endpoint import Endpoint
from .responses import Responses
from .tokenizing import Detokenize, Tokenize

ENDPOINTS: tuple[Endpoint[Any], ...] = (
    ChatCompletions(),
    Completions(),
    Responses(),
    Embeddings(),
    Tokenize(),
    Detokenize(),
)
