"""Tokenizers of checkpoint folders, as transformers saves them."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer as Backend
from tokenizers import decoders, models, pre_tokenizers, processors

from inference_pio.errors import TokenizerError
from inference_pio.runtime.tokenizers.detokenizer import assembler_factory, byte_alphabet
from inference_pio.runtime.tokenizers.tokenizer_json import tokenizer_from_folder

TEXTS = ["", " ", "Hello  world", "é😀\n\n", "a<s>b</s>", "<|x|> y", "12  34"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A byte-level tokenizer whose post-processor adds <s>."""
    tokens = [*byte_alphabet(), "He", "ll", "<s>", "</s>", "<|x|>"]
    backend = Backend(models.BPE({t: i for i, t in enumerate(tokens)}, [("H", "e"), ("l", "l")]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    backend.add_special_tokens(["<s>", "</s>"])
    backend.add_tokens(["<|x|>"])
    backend.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A $B", special_tokens=[("<s>", 258)]
    )
    backend.save(str(tmp_path / "tokenizer.json"))
    return tmp_path


def write(folder: Path, name: str, content: Any) -> None:
    (folder / name).write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")


def transformers_tokenizer(folder: Path) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # transformers' own deprecations are not what is tested here
        from transformers import PreTrainedTokenizerFast

        return PreTrainedTokenizerFast.from_pretrained(folder, local_files_only=True)


@pytest.mark.parametrize(
    "settings",
    [
        {"bos_token": "<s>", "eos_token": "</s>"},
        {"bos_token": "<s>", "eos_token": "</s>", "add_bos_token": False},
        {"bos_token": "<s>", "eos_token": "</s>", "add_bos_token": True, "add_eos_token": True},
        {
            "bos_token": {
                "__type": "AddedToken",
                "content": "<s>",
                "lstrip": False,
                "rstrip": False,
                "normalized": False,
                "single_word": False,
            },
            "eos_token": "</s>",
            "add_eos_token": True,
        },
    ],
)
@pytest.mark.parametrize("has_post_processor", [True, False])
def test_tokens_equal_transformers(folder: Path, settings: dict[str, Any], has_post_processor: bool) -> None:
    if not has_post_processor:
        saved = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
        write(folder, "tokenizer.json", saved | {"post_processor": None})
    write(folder, "tokenizer_config.json", settings | {"tokenizer_class": "PreTrainedTokenizerFast"})
    oracle, tokenizer = transformers_tokenizer(folder), tokenizer_from_folder(folder)
    for text in TEXTS:
        for add in (True, False):
            expected = oracle(text, add_special_tokens=add, truncation=False, padding=False)["input_ids"]
            assert tokenizer.encode(text, add_special_tokens=add) == expected
            assert tokenizer.decode(expected) == oracle.decode(expected, skip_special_tokens=True)
    assert (tokenizer.bos_token_id, tokenizer.eos_token_id) == (oracle.bos_token_id, oracle.eos_token_id)
    assert tokenizer.vocab_size == len(oracle)


def test_truncation_and_padding_of_the_file_do_not_apply(folder: Path) -> None:
    backend = Backend.from_file(str(folder / "tokenizer.json"))
    backend.enable_truncation(4)
    backend.enable_padding(length=16)
    backend.save(str(folder / "tokenizer.json"))
    assert len(tokenizer_from_folder(folder).encode("abcdefghij")) == 11


def test_special_ids_fall_back_on_the_generation_and_model_configs(folder: Path) -> None:
    write(folder, "generation_config.json", {"eos_token_id": [259, 3]})
    tokenizer = tokenizer_from_folder(folder, {"eos_token_id": 1, "bos_token_id": 258, "pad_token_id": None})
    assert (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id) == (258, 259, None)
    assert tokenizer.end_token_ids == {259, 3}


def test_the_chat_template_file_wins_over_the_setting(folder: Path) -> None:
    assert tokenizer_from_folder(folder).chat_template is None
    named = [{"name": "tool_use", "template": "t"}, {"name": "default", "template": "d"}]
    write(folder, "tokenizer_config.json", {"chat_template": named})
    assert tokenizer_from_folder(folder).chat_template == "d"
    write(folder, "tokenizer_config.json", {"chat_template": "setting"})
    assert tokenizer_from_folder(folder).chat_template == "setting"
    write(folder, "chat_template.jinja", "file")
    assert tokenizer_from_folder(folder).chat_template == "file"


def test_a_missing_tokenizer_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(TokenizerError, match=r"holds no tokenizer; wanted: tokenizer\.json\. Save it"):
        tokenizer_from_folder(tmp_path)
    write(tmp_path, "tokenizer.model", "x")
    with pytest.raises(TokenizerError, match=r"only tokenizer\.model, which needs a conversion"):
        tokenizer_from_folder(tmp_path)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("tokenizer.json", "{"),
        ("tokenizer.json", "[]"),
        ("tokenizer_config.json", "{,"),
        ("generation_config.json", "[1]"),
    ],
)
def test_a_damaged_file_is_named(folder: Path, name: str, content: str) -> None:
    write(folder, name, content)
    with pytest.raises(TokenizerError, match=name):
        tokenizer_from_folder(folder)


def test_a_special_token_outside_the_vocabulary_is_an_error(folder: Path) -> None:
    write(folder, "tokenizer_config.json", {"eos_token": "<nowhere>"})
    with pytest.raises(TokenizerError, match="the eos token '<nowhere>'"):
        tokenizer_from_folder(folder)


def streamed(decoder: Any, tokens: list[str]) -> str:
    assembler = assembler_factory(json.loads(decoder.__getstate__()))()
    return "".join([*map(assembler.push, tokens), assembler.finish()])


LLAMA = decoders.Sequence(
    [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
)
METASPACE = [decoders.Metaspace(prepend_scheme=scheme) for scheme in ("always", "never", "first")]


@pytest.mark.parametrize("decoder", [LLAMA, decoders.ByteLevel(), *METASPACE])
@pytest.mark.parametrize(
    "tokens",
    [
        [], ["▁"], ["▁▁", "a"], ["▁a", "▁b"], ["", "▁", "a"], ["<0xE2>", "<0x82>", "<0xAC>", "x"], ["<0x20>", "a"],
        ["<0xE2>", "a"], ["Ġa", "Ã", "©"], ["日本", "▁"], ["<0x4g>", "<0x+1>"],
    ],
)  # fmt: skip
def test_known_decoders_stream_what_the_library_decodes(decoder: Any, tokens: list[str]) -> None:
    assert streamed(decoder, tokens) == decoder.decode(tokens)


@pytest.mark.parametrize(
    "decoder", [decoders.WordPiece(), decoders.Sequence([decoders.Fuse(), decoders.Replace("a", "b")]), decoders.CTC()]
)
def test_a_decoder_that_cannot_be_streamed_is_refused(decoder: Any) -> None:
    with pytest.raises(TokenizerError, match="cannot be streamed"):
        streamed(decoder, [])


def test_a_tokenizer_without_decoder_cannot_stream() -> None:
    with pytest.raises(TokenizerError, match="no decoder"):
        assembler_factory(None)


def test_importing_loads_neither_the_library_nor_torch() -> None:
    script = (
        "import sys, inference_pio.runtime.tokenizers, inference_pio.runtime.sampling\n"
        "print(sorted({'tokenizers', 'transformers', 'torch', 'jinja2'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_public_names_are_listed() -> None:
    from inference_pio.runtime import tokenizers

    assert tokenizers.__all__ == ["Detokenizer", "StopMatcher", "Tokenizer", "load_tokenizer"]
