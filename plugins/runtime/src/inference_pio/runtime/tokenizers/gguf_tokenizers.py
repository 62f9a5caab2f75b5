"""Tokenizers built from the vocabulary in a GGUF file.

Two kinds: ``gpt2``, byte-level BPE with its merges in the file, and ``llama``, SentencePiece's BPE, whose merges are
implied by the vocabulary. Other kinds (``bert``, ``t5``, ``rwkv`` …) are not language models that this runtime runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from inference_pio.errors import TokenizerError

from .detokenizer import byte_alphabet
from .gguf_vocabulary import CONTROL, USER_DEFINED, GGUFVocabulary, read_vocabulary
from .merges import merges_by_order, merges_by_score, parse_merges
from .splitters import build_pre_tokenizer, find_splitter
from .tokenizer import Tokenizer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SPACE = "\N{LOWER ONE EIGHTH BLOCK}"
"""How SentencePiece spells a space."""


def tokenizer_from_gguf(metadata: Mapping[str, Any], source: str) -> Tokenizer:
    """Build the tokenizer of a GGUF file.

    Args:
        metadata: The file's key-values.
        source: The file, for messages.

    Raises:
        TokenizerError: The vocabulary is missing or damaged, or of a kind that is not known.
    """
    kind = metadata.get("tokenizer.ggml.model")
    if kind not in ("gpt2", "llama"):
        raise TokenizerError(
            f"{source} has a vocabulary of kind {kind!r} (tokenizer.ggml.model); known: gpt2, llama. "
            "Use a checkpoint folder with a tokenizer.json instead"
        )
    vocabulary = read_vocabulary(metadata, source)
    template = metadata.get("tokenizer.chat_template")
    if kind == "gpt2":
        splitter = find_splitter(metadata.get("tokenizer.ggml.pre"), source)
        backend, adds_bos = _byte_level(vocabulary, splitter), splitter.adds_bos
    else:
        backend, adds_bos = _sentencepiece(vocabulary), True
    return _finish(backend, vocabulary, adds_bos, template if isinstance(template, str) else None)


def _byte_level(vocabulary: GGUFVocabulary, splitter: Any) -> Any:
    from tokenizers import Tokenizer as Backend
    from tokenizers import decoders, models, normalizers

    if vocabulary.merges is None:
        raise TokenizerError(f"{vocabulary.source} is damaged: a gpt2 vocabulary without tokenizer.ggml.merges")
    tokens = _respelled_in_bytes(vocabulary)
    pairs = parse_merges(vocabulary.merges, vocabulary.source)
    backend = Backend(
        _build(models.BPE, vocabulary, vocab=_numbered(tokens), merges=pairs, ignore_merges=splitter.ignores_merges)
    )
    backend.normalizer = normalizers.NFC() if splitter.normalizes else None
    backend.pre_tokenizer = build_pre_tokenizer(splitter)
    backend.decoder = decoders.ByteLevel()
    _add_tokens(backend, vocabulary, tokens)
    return backend


def _respelled_in_bytes(vocabulary: GGUFVocabulary) -> Sequence[str]:
    """Spell tokens that are written as plain text in byte characters; control and user-defined ones stay plain."""
    foreign = set("".join(vocabulary.tokens)) - byte_alphabet().keys()
    if not foreign:  # as in nearly every file: one look at all tokens instead of one at each
        return vocabulary.tokens
    characters = {byte: character for character, byte in byte_alphabet().items()}
    plain = {
        token_id
        for token_id, token in enumerate(vocabulary.tokens)
        if not foreign.isdisjoint(token) and vocabulary.types[token_id] not in (CONTROL, USER_DEFINED)
    }
    if not plain:
        return vocabulary.tokens
    return [
        "".join(characters[byte] for byte in token.encode("utf-8")) if token_id in plain else token
        for token_id, token in enumerate(vocabulary.tokens)
    ]


def _sentencepiece(vocabulary: GGUFVocabulary) -> Any:
    from tokenizers import Tokenizer as Backend
    from tokenizers import decoders, models, normalizers

    is_gemma = vocabulary.architecture.startswith("gemma")
    # Runs of spaces are stored as spaces, and a text's spaces are respelled before they are looked up.
    tokens = [SPACE * len(t) if t.isspace() and not t.strip(" ") else t for t in vocabulary.tokens]
    numbers = _numbered(tokens)
    if is_gemma or vocabulary.scores is None:
        # Gemma's scores do not follow its merge order; the order of its tokens does.
        merges = merges_by_order(tokens, numbers)
    else:
        merges = merges_by_score(tokens, numbers, vocabulary.scores)
    unknown = vocabulary.special.get("unknown")
    backend = Backend(
        _build(
            models.BPE,
            vocabulary,
            vocab=numbers,
            merges=merges,
            unk_token=None if unknown is None else tokens[unknown],
            fuse_unk=True,
            byte_fallback=True,
        )
    )
    replace = normalizers.Replace(" ", SPACE)
    steps = [decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse()]
    if vocabulary.flags.get("add_space_prefix", not is_gemma):
        # As published: every stretch of text between special tokens gets its own space, SentencePiece's dummy prefix.
        backend.normalizer = normalizers.Sequence([normalizers.Prepend(SPACE), replace])
        steps.append(decoders.Strip(" ", 1, 0))
    else:
        backend.normalizer = replace
    backend.decoder = decoders.Sequence(steps)
    _add_tokens(backend, vocabulary, tokens)
    return backend


def _numbered(tokens: Sequence[str]) -> dict[str, int]:
    return {token: token_id for token_id, token in enumerate(tokens)}


def _build(model: Any, vocabulary: GGUFVocabulary, **options: Any) -> Any:
    try:
        return model(**options)
    except Exception as error:  # the library raises bare Exception for a merge whose parts are no tokens
        raise TokenizerError(
            f"{vocabulary.source} is damaged: its vocabulary does not hold together: {error}"
        ) from error


def _add_tokens(backend: Any, vocabulary: GGUFVocabulary, tokens: Sequence[str]) -> None:
    """Let control tokens (special) and user-defined ones be found whole in a text."""
    from tokenizers import AddedToken

    named = ("bos", "eos", "unknown", "padding")  # what transformers makes special, whatever their type
    special = {*vocabulary.of_types(CONTROL), *(vocabulary.special[n] for n in named if n in vocabulary.special)}
    # A respelled run of spaces is left to the merges: its new spelling never stands in a text.
    whole = {i for i in vocabulary.of_types(USER_DEFINED) if tokens[i] == vocabulary.tokens[i]} | special
    backend.add_tokens([AddedToken(tokens[i], normalized=False, special=i in special) for i in sorted(whole)])


def _finish(backend: Any, vocabulary: GGUFVocabulary, adds_bos: bool, template: str | None) -> Tokenizer:
    special, flags = vocabulary.special, vocabulary.flags
    return Tokenizer(
        backend,
        vocab_size=len(vocabulary.tokens),
        bos_token_id=special.get("bos"),
        eos_token_id=special.get("eos"),
        pad_token_id=special.get("padding"),
        end_token_ids=[special[name] for name in ("eot", "eom") if name in special],
        add_bos=flags.get("add_bos_token", adds_bos),
        add_eos=flags.get("add_eos_token", False),
        chat_template=template,
    )
