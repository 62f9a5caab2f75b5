r"""How byte-level vocabularies cut a text before merging: the known values of ``tokenizer.ggml.pre``.

Source of each rule: the models' published ``tokenizer.json``, checked against llama.cpp's ``llama-vocab.cpp``, which
holds the same patterns rewritten for its own matcher. An unknown value is an error: a wrong splitter gives plausible
text and wrong numbers.

``smollm``: the published tokenizer cuts every digit off first. transformers' GGUF loader (5.23) leaves that step out,
which changes the tokens of a text where white space stands before a digit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from inference_pio.errors import TokenizerError

_GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
_CONTRACTIONS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_SPACES = r"\s*[\r\n]+|\s+(?!\S)|\s+"
_LLAMA3 = rf"{_CONTRACTIONS}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}{{1,3}}| ?[^\s\p{{L}}\p{{N}}]+[\r\n]*|{_SPACES}"
_QWEN2 = rf"{_CONTRACTIONS}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}| ?[^\s\p{{L}}\p{{N}}]+[\r\n]*|{_SPACES}"
_QWEN35 = (
    rf"{_CONTRACTIONS}|[^\r\n\p{{L}}\p{{N}}]?[\p{{L}}\p{{M}}]+|\p{{N}}"
    rf"| ?[^\s\p{{L}}\p{{M}}\p{{N}}]+[\r\n]*|{_SPACES}"
)
_UPPER, _LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
_TEKKEN = (
    rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}*{_LOWER}+|[^\r\n\p{{L}}\p{{N}}]?{_UPPER}+{_LOWER}*"
    rf"|\p{{N}}| ?[^\s\p{{L}}\p{{N}}]+[\r\n/]*|{_SPACES}"
)
_GPT4O = (
    rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}*{_LOWER}+{_CONTRACTIONS}?|[^\r\n\p{{L}}\p{{N}}]?{_UPPER}+{_LOWER}*{_CONTRACTIONS}?"
    rf"|\p{{N}}{{1,3}}| ?[^\s\p{{L}}\p{{N}}]+[\r\n/]*|{_SPACES}"
)


@dataclass(frozen=True)
class Splitter:
    """One value of ``tokenizer.ggml.pre``.

    Attributes:
        patterns: Regular expressions; each in turn cuts every piece into its matches and what lies between them.
        cuts_digits: Before that, every numeric character becomes a piece of its own.
        normalizes: The text is brought to NFC first.
        ignores_merges: A piece that is a token is that token, whatever the merges make of it.
        adds_bos: Whether a text begins with the beginning-of-text token when the file does not say.
    """

    patterns: tuple[str, ...] = (_GPT2,)
    cuts_digits: bool = False
    normalizes: bool = False
    ignores_merges: bool = False
    adds_bos: bool = False


_LLAMA3_SPLITTER = Splitter((_LLAMA3,), ignores_merges=True, adds_bos=True)
_GPT4O_SPLITTER = Splitter((_GPT4O,))

SPLITTERS: dict[str, Splitter] = {
    # No published tokenizer: what llama.cpp falls back to, and what old files were used with.
    "default": Splitter((r"[\p{P}\$\+<=>\^~\|]+", _GPT2, r"\p{N}+", "[0-9][0-9][0-9]")),
    "gpt-2": Splitter(),
    "gpt-4o": _GPT4O_SPLITTER,
    "llama-bpe": _LLAMA3_SPLITTER,
    "llama-v3": _LLAMA3_SPLITTER,
    "llama3": _LLAMA3_SPLITTER,
    "llama4": _GPT4O_SPLITTER,
    "qwen2": Splitter((_QWEN2,), normalizes=True),
    "qwen35": Splitter((_QWEN35,), normalizes=True),
    "smollm": Splitter(cuts_digits=True),
    "starcoder": Splitter(cuts_digits=True),
    "tekken": Splitter((_TEKKEN,), ignores_merges=True, adds_bos=True),
}


def find_splitter(name: object, source: str) -> Splitter:
    """Return the splitter of a ``tokenizer.ggml.pre`` value.

    Raises:
        TokenizerError: The file does not say, or the value is unknown.
    """
    if name is None:
        raise TokenizerError(
            f"{source} does not say how its text is split (no tokenizer.ggml.pre). Convert it with a current llama.cpp"
        )
    splitter = SPLITTERS.get(name) if isinstance(name, str) else None
    if splitter is None:
        raise TokenizerError(
            f"{source} needs the text splitter {name!r} (tokenizer.ggml.pre), which this version does not know. "
            f"Known: {', '.join(sorted(SPLITTERS))}. A wrong one would give wrong tokens in silence"
        )
    return splitter


def build_pre_tokenizer(splitter: Splitter) -> Any:
    """Return the splitter as a ``tokenizers`` pre-tokenizer that also spells bytes as characters."""
    from tokenizers import Regex, pre_tokenizers

    steps: list[Any] = [pre_tokenizers.Digits(individual_digits=True)] if splitter.cuts_digits else []
    if splitter.patterns == (_GPT2,):  # the library's own implementation of this pattern is faster
        steps.append(pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True))
    else:
        steps += [pre_tokenizers.Split(Regex(pattern), behavior="isolated") for pattern in splitter.patterns]
        steps.append(pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False))
    return pre_tokenizers.Sequence(steps)
