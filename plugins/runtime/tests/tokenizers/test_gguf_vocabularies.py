# ruff: noqa: RUF001  (some models spell their special tokens with look-alikes)
"""Tokenizers from small GGUF vocabularies, sound and damaged."""

from __future__ import annotations

import io
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inference_pio.errors import TokenizerError
from inference_pio.runtime.tokenizers import Tokenizer
from inference_pio.runtime.tokenizers.detokenizer import byte_alphabet
from inference_pio.runtime.tokenizers.gguf_tokenizers import tokenizer_from_gguf
from inference_pio.runtime.tokenizers.splitters import SPLITTERS
from inference_pio.runtime.tokenizers.tokenizer import LONG_CHARS

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, BYTE = 1, 2, 3, 4, 6
MERGES = ["l l", "h e", "he ll", "hell o", "Ġ w", "Ġw o", "1 2", "Ġ Ġ"]


def byte_level(**changes: Any) -> dict[str, Any]:
    """All bytes, a few merges, a control token and a user-defined one."""
    tokens = [*byte_alphabet(), *("".join(merge.split()) for merge in MERGES), "<|end|>", "<think>"]
    metadata = {
        "general.architecture": "llama",
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "gpt-2",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": [NORMAL] * (len(tokens) - 2) + [CONTROL, USER_DEFINED],
        "tokenizer.ggml.merges": MERGES,
        "tokenizer.ggml.eos_token_id": len(tokens) - 2,
    }
    return changed(metadata, changes)


def changed(metadata: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    for name, value in changes.items():
        metadata[f"tokenizer.ggml.{name}"] = value
    return {key: value for key, value in metadata.items() if value is not None}


def build(metadata: dict[str, Any]) -> Tokenizer:
    return tokenizer_from_gguf(metadata, "tiny.gguf")


def pieces(tokenizer: Tokenizer, text: str) -> list[str]:
    return [tokenizer.token(token_id) for token_id in tokenizer.encode(text)]


def test_byte_level_merges_apply_within_pieces() -> None:
    tokenizer = build(byte_level())
    assert pieces(tokenizer, "hello world 12") == ["hello", "Ġwo", "r", "l", "d", "Ġ", "12"]
    assert tokenizer.decode(tokenizer.encode("hello wörld 😀\n")) == "hello wörld 😀\n"


@pytest.mark.parametrize(
    ("pre", "expected"),
    [
        ("gpt-2", ["a", "Ġ", "Ġ", "12"]),
        ("smollm", ["a", "ĠĠ", "1", "2"]),
        ("qwen2", ["a", "Ġ", "Ġ", "1", "2"]),
        ("llama-bpe", ["a", "Ġ", "Ġ", "12"]),
    ],
)
def test_the_splitter_decides_what_may_merge(pre: str, expected: list[str]) -> None:
    assert pieces(build(byte_level(pre=pre, add_bos_token=False)), "a  12") == expected


def test_every_known_splitter_can_be_built() -> None:
    for pre in SPLITTERS:
        tokenizer = build(byte_level(pre=pre, bos_token_id=0, add_bos_token=False))
        assert tokenizer.decode(tokenizer.encode("It's 2024: naïve  x\n\n")) == "It's 2024: naïve  x\n\n"


def test_llama3_vocabularies_take_whole_words_and_begin_with_bos() -> None:
    tokens = [*byte_alphabet(), "zzz", "<bos>"]
    metadata = byte_level(
        pre="llama-bpe",
        tokens=[*tokens, "he"],
        merges=["h e"],
        token_type=[NORMAL] * 257 + [CONTROL, NORMAL],
        bos_token_id=257,
        eos_token_id=257,
    )
    assert pieces(build(metadata), "zzz") == ["<bos>", "zzz"]


@pytest.mark.parametrize("pre", ["mystery-bpe", "", 7])
def test_an_unknown_splitter_is_named_not_guessed(pre: Any) -> None:
    with pytest.raises(TokenizerError, match=f"needs the text splitter {pre!r}"):
        build(byte_level(pre=pre))


def test_a_file_without_a_splitter_is_refused() -> None:
    with pytest.raises(TokenizerError, match="does not say how its text is split"):
        build(byte_level(pre=None))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": "bert"}, "kind 'bert'"),
        ({"model": None}, "kind None"),
        ({"tokens": None}, "has no vocabulary"),
        ({"tokens": []}, "has no vocabulary"),
        ({"tokens": ["a", "b", "a"], "token_type": None}, "token 'a' appears twice"),
        ({"tokens": [1, 2]}, "tokens must hold a list of str"),
        ({"merges": None}, "without tokenizer.ggml.merges"),
        ({"merges": ["a b c"]}, "merge 0 is 'a b c', not two pieces"),
        ({"merges": ["ab"]}, "merge 0 is 'ab'"),
        ({"merges": ["zz zz"]}, "tokens and merges do not fit|does not hold together"),
        ({"token_type": [1, 2]}, "token_type must hold 266"),
        ({"eos_token_id": 266}, "eos_token_id is 266, of 266 tokens"),
        ({"eos_token_id": -1}, "eos_token_id is -1"),
        ({"bos_token_id": "x"}, "bos_token_id is 'x'"),
    ],
)
def test_a_damaged_vocabulary_is_an_error_that_names_the_file(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(TokenizerError, match=message) as error:
        build(byte_level(**changes))
    assert "tiny.gguf" in str(error.value)


def test_control_tokens_are_special_and_user_defined_ones_are_not() -> None:
    tokenizer = build(byte_level())
    ids = tokenizer.encode("a<think>b<|end|>")
    assert [tokenizer.token(i) for i in ids] == ["a", "<think>", "b", "<|end|>"]
    assert tokenizer.decode(ids) == "a<think>b"
    assert tokenizer.decode(ids, skip_special_tokens=False) == "a<think>b<|end|>"


def test_control_tokens_outside_the_byte_alphabet_are_found() -> None:
    metadata = byte_level()
    metadata["tokenizer.ggml.tokens"][-2] = "<｜end▁of▁text｜>"
    tokenizer = build(metadata)
    assert tokenizer.encode("a<｜end▁of▁text｜>")[1:] == [tokenizer.eos_token_id]


@pytest.mark.parametrize(("add_bos", "add_eos"), [(True, False), (False, True), (True, True), (False, False)])
def test_flags_add_special_tokens_unless_the_caller_says_no(add_bos: bool, add_eos: bool) -> None:
    tokenizer = build(byte_level(bos_token_id=0, add_bos_token=add_bos, add_eos_token=add_eos))
    plain = tokenizer.encode("hello", add_special_tokens=False)
    before, behind = [0] * add_bos, [tokenizer.eos_token_id] * add_eos
    assert tokenizer.encode("hello") == [*before, *plain, *behind]


@pytest.mark.parametrize("text", ["\ud800", "ok \udcff", "ok" * LONG_CHARS + "\udcff"])
def test_a_lone_surrogate_is_refused_with_its_place(text: str) -> None:
    with pytest.raises(TokenizerError, match=f"lone surrogate .* at character {len(text) - 1}"):
        build(byte_level()).encode(text)


def test_a_long_text_has_the_tokens_of_its_pieces() -> None:
    tokenizer = build(byte_level(bos_token_id=0, add_bos_token=True))
    piece = tokenizer.encode("hello ", add_special_tokens=False)
    long = tokenizer.encode("hello " * LONG_CHARS)
    assert long == [0, *piece * LONG_CHARS]


def test_only_text_can_be_tokenized() -> None:
    with pytest.raises(TokenizerError, match="not bytes"):
        build(byte_level()).encode(b"hello")  # type: ignore[arg-type]  # that is the point


def test_end_of_turn_tokens_end_an_answer_too() -> None:
    tokenizer = build(byte_level(eot_token_id=265))
    assert tokenizer.end_token_ids == {264, 265}
    assert tokenizer.eos_token_id == 264


def test_a_token_without_spelling_keeps_its_id() -> None:
    metadata = byte_level()
    metadata["tokenizer.ggml.tokens"][-1] = ""
    tokenizer = build(metadata)
    assert tokenizer.token(265) == "[EMPTY_265]"
    assert tokenizer.vocab_size == 266


# --- SentencePiece ----------------------------------------------------------------------------------------------------

TEXT = [
    "the cat sat on the mat and the dog sat on the log",
    "a café in the old town sells the best naïve cakes in town",
    "12 34 123 1234 numbers are fun 99 100 101",
]


@pytest.fixture(scope="module", params=[True, False], ids=["prefix", "no-prefix"])
def trained(request: pytest.FixtureRequest) -> Any:
    """A real SentencePiece model, trained on a few lines."""
    sentencepiece = pytest.importorskip("sentencepiece", reason="the oracle of SentencePiece vocabularies")
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXT * 20),
        model_writer=model,
        model_type="bpe",
        vocab_size=380,
        byte_fallback=True,
        character_coverage=1.0,
        add_dummy_prefix=request.param,
        remove_extra_whitespaces=False,
        normalization_rule_name="identity",
        split_digits=True,
        minloglevel=2,
        num_threads=1,
    )
    return sentencepiece.SentencePieceProcessor(model_proto=model.getvalue()), request.param


def sentencepiece_metadata(processor: Any, has_prefix: bool) -> dict[str, Any]:
    """What llama.cpp's converter writes for such a model."""
    ids = range(processor.vocab_size())
    kinds = [
        UNKNOWN if processor.is_unknown(i) else CONTROL if processor.is_control(i)
        else BYTE if processor.is_byte(i) else NORMAL for i in ids
    ]  # fmt: skip
    return {
        "general.architecture": "llama",
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.tokens": [processor.id_to_piece(i) for i in ids],
        "tokenizer.ggml.scores": [processor.get_score(i) for i in ids],
        "tokenizer.ggml.token_type": kinds,
        "tokenizer.ggml.unknown_token_id": 0,
        "tokenizer.ggml.bos_token_id": 1,
        "tokenizer.ggml.eos_token_id": 2,
        "tokenizer.ggml.add_space_prefix": has_prefix,
    }


@pytest.fixture(scope="module")
def rebuilt(trained: Any) -> Tokenizer:
    return build(sentencepiece_metadata(*trained))


sentencepiece_text = st.text(
    alphabet=st.one_of(
        st.sampled_from("aceghinorstu dmfTw1234567890 é"), st.characters(exclude_categories=("Cs", "Cc"))
    )
).filter(lambda text: "▁" not in text)

SHARED = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@SHARED
@given(text=sentencepiece_text)
def test_scored_vocabularies_give_sentencepieces_own_tokens(trained: Any, rebuilt: Tokenizer, text: str) -> None:
    processor, _ = trained
    if any(special in text for special in ("<s>", "</s>", "<unk>")):
        return
    assert rebuilt.encode(text, add_special_tokens=False) == processor.encode(text)
    assert rebuilt.decode(processor.encode(text)) == text


@SHARED
@given(ids=st.lists(st.integers(0, 379), max_size=25), skip=st.booleans())
def test_streaming_equals_decoding_in_a_small_sentencepiece_vocabulary(
    rebuilt: Tokenizer, ids: list[int], skip: bool
) -> None:
    stream = rebuilt.stream(skip_special_tokens=skip)
    assert "".join([*map(stream.push, ids), stream.finish()]) == rebuilt.decode(ids, skip_special_tokens=skip)


@SHARED
@given(ids=st.lists(st.integers(0, 265), max_size=25), skip=st.booleans())
def test_streaming_equals_decoding_in_a_small_byte_level_vocabulary(ids: list[int], skip: bool) -> None:
    stream = BYTE_LEVEL.stream(skip_special_tokens=skip)
    assert "".join([*map(stream.push, ids), stream.finish()]) == BYTE_LEVEL.decode(ids, skip_special_tokens=skip)


BYTE_LEVEL = build(byte_level())


def test_a_character_comes_out_with_its_last_byte() -> None:
    stream = BYTE_LEVEL.stream()
    ids = BYTE_LEVEL.encode("é😀!")
    assert [stream.push(i) for i in ids] == ["", "é", "", "", "", "😀", "!"]
    assert stream.finish() == ""


def test_bytes_that_are_no_character_become_replacement_characters() -> None:
    lead = BYTE_LEVEL.encode("😀")[:2]
    stream = BYTE_LEVEL.stream()
    assert [stream.push(i) for i in [*lead, *BYTE_LEVEL.encode("a")]] == ["", "", "\ufffda"]
    assert [stream.push(i) for i in lead] == ["", ""]
    assert stream.finish() == "\ufffd"


def test_a_bos_token_is_the_rule_for_sentencepiece(trained: Any) -> None:
    metadata = sentencepiece_metadata(*trained)
    assert build(metadata).encode("")[0] == 1
    assert build(changed(metadata, {"add_bos_token": False})).encode("") == []


def gemma_like(**changes: Any) -> dict[str, Any]:
    """Tokens in merge order with scores that are none, runs of spaces stored as spaces."""
    tokens = ["<pad>", "<unk>", "[mm]", "  ", "▁▁▁", "ab", "bc", "abc", "▁", "a", "b", "c", "<0x41>"]
    metadata = {
        "general.architecture": "gemma3",
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.scores": [-1000.0] * len(tokens),
        "tokenizer.ggml.token_type": [CONTROL, CONTROL, USER_DEFINED, USER_DEFINED] + [NORMAL] * 8 + [BYTE],
        "tokenizer.ggml.unknown_token_id": 1,
        "tokenizer.ggml.add_bos_token": False,
    }
    return changed(metadata, changes)


def test_gemma_merges_in_the_order_of_its_tokens() -> None:
    tokenizer = build(gemma_like())
    assert pieces(tokenizer, "abc") == ["abc"]
    assert pieces(tokenizer, "bcab") == ["bc", "ab"]
    assert pieces(tokenizer, "a   b") == ["a", "▁▁▁", "b"]
    assert pieces(tokenizer, "  ") == ["▁▁"]
    assert tokenizer.decode(tokenizer.encode("a   b")) == "a   b"


def test_gemma_has_no_space_prefix_unless_the_file_says_so() -> None:
    assert pieces(build(gemma_like()), "a") == ["a"]
    assert pieces(build(gemma_like(add_space_prefix=True)), "a") == ["▁", "a"]


def test_a_run_of_byte_tokens_is_text_only_as_a_whole() -> None:
    tokens = ["<unk>", "x", *(f"<0x{byte:02X}>" for byte in range(256))]
    metadata = gemma_like(tokens=tokens, scores=None, token_type=[CONTROL, NORMAL, *[BYTE] * 256], unknown_token_id=0)
    tokenizer = build(metadata)
    euro = tokenizer.encode("€")
    stream = tokenizer.stream()
    assert [stream.push(i) for i in [*euro, 1]] == ["", "", "", "€x"]
    assert [stream.push(i) for i in [*euro, euro[0], 1]] == ["", "", "", "", "\ufffd" * 4 + "x"]
