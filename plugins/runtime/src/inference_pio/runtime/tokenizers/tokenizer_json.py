"""The tokenizer of a checkpoint folder: ``tokenizer.json`` and the files around it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from inference_pio.errors import TokenizerError

from .tokenizer import Tokenizer

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def tokenizer_from_folder(folder: Path, config: Mapping[str, Any] | None = None) -> Tokenizer:
    """Build the tokenizer of a checkpoint folder.

    ``tokenizer_config.json`` names the special tokens; where it does not, ``generation_config.json`` and then
    ``config.json`` give their ids. The chat template is ``chat_template.jinja``, else the one in
    ``tokenizer_config.json``. What is added to a text is the post-processor's business: ``add_bos_token`` and
    ``add_eos_token`` are ignored beside a ``tokenizer.json``, as transformers ignores them.

    Args:
        folder: Holds ``tokenizer.json``.
        config: Content of ``config.json``, if there is one.

    Raises:
        TokenizerError: A file is missing, cannot be read or is damaged.
    """
    backend = _backend(folder)
    settings = _json_object(folder / "tokenizer_config.json")
    fallbacks = (_json_object(folder / "generation_config.json"), config or {})
    generation_ends = fallbacks[0].get("eos_token_id")
    return Tokenizer(
        backend,
        vocab_size=1 + max(backend.get_vocab(with_added_tokens=True).values(), default=-1),
        bos_token_id=_special_id("bos", backend, settings, fallbacks),
        eos_token_id=_special_id("eos", backend, settings, fallbacks),
        pad_token_id=_special_id("pad", backend, settings, fallbacks),
        end_token_ids=[i for i in _as_list(generation_ends) if isinstance(i, int)],
        chat_template=_chat_template(folder, settings),
    )


def _backend(folder: Path) -> Any:
    from tokenizers import Tokenizer as Backend

    path = folder / "tokenizer.json"
    if not path.is_file():
        hint = "Save it beside the tensors: AutoTokenizer.from_pretrained(...).save_pretrained(folder)"
        found = next((name for name in ("tokenizer.model", "vocab.json") if (folder / name).is_file()), None)
        what = f"only {found}, which needs a conversion" if found else "no tokenizer"
        raise TokenizerError(f"{folder} holds {what}; wanted: tokenizer.json. {hint}")
    try:
        backend = Backend.from_file(str(path))
    except Exception as error:  # the library raises bare Exception for whatever is wrong in the file
        raise TokenizerError(f"cannot read {path}: {error}. Download the checkpoint again") from error
    backend.no_truncation()
    backend.no_padding()
    return backend


def _json_object(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise TokenizerError(f"cannot read {path}: {error}. Download the checkpoint again") from error
    if not isinstance(content, dict):
        raise TokenizerError(f"{path} is damaged: a JSON object was expected")
    return content


def _special_id(
    name: str, backend: Any, settings: dict[str, Any], fallbacks: tuple[Mapping[str, Any], ...]
) -> int | None:
    token = settings.get(f"{name}_token")
    spelling = token.get("content") if isinstance(token, dict) else token
    if isinstance(spelling, str):
        token_id: int | None = backend.token_to_id(spelling)
        if token_id is None:
            raise TokenizerError(f"the {name} token {spelling!r} of tokenizer_config.json is not in the vocabulary")
        return token_id
    for source in fallbacks:
        ids = source.get(f"{name}_token_id")
        if isinstance(first := next(iter(_as_list(ids)), None), int):
            return first
    return None


def _as_list(ids: Any) -> list[Any]:
    return ids if isinstance(ids, list) else [ids]


def _chat_template(folder: Path, settings: dict[str, Any]) -> str | None:
    path = folder / "chat_template.jinja"
    if path.is_file():
        try:
            return path.read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            raise TokenizerError(f"cannot read {path}: {error}. Download the checkpoint again") from error
    template = settings.get("chat_template")
    if isinstance(template, list):  # several by name; the one called default is the ordinary one
        named = {entry.get("name"): entry.get("template") for entry in template if isinstance(entry, dict)}
        template = named.get("default")
    return template if isinstance(template, str) else None
