"""From a prompt to pieces of text: stop texts, reasons, hooks, statistics, and what is left behind."""

import gc
import time

import numpy as np
import pytest

from inference_pio.errors import (
    ChatTemplateError,
    EmptyPromptError,
    InferencePioError,
    InvalidOptionError,
    NotLoadedError,
)
from inference_pio.generation import Constraint, SamplingOptions
from inference_pio.hookspecs import hookimpl


def is_idle(model):
    return not model.engine.scheduler.has_work and not model.engine.executor.texts


class Recorder:
    """A hook plugin that notes the generations it sees."""

    def __init__(self):
        self.before, self.after = [], []

    @hookimpl
    def pio_before_generation(self, request):
        self.before.append(request)

    @hookimpl
    def pio_after_generation(self, request, completion):
        self.after.append(completion)


@pytest.fixture
def recorder(model):
    return Recorder()


def record(model, recorder):
    model.hooks.register(recorder, "recorder")


@pytest.mark.parametrize(
    ("script", "options", "text", "reason"),
    [
        ("hello", {}, "hello", "stop"),
        ("hello", {"max_new_tokens": 2}, "he", "length"),
        ("hello", {"max_new_tokens": 5}, "hello", "length"),
        ("hello you", {"stop": " y"}, "hello", "stop"),
        ("hello you", {"stop": ["you", "lo y"]}, "hel", "stop"),
        ("hello you", {"stop": "h"}, "", "stop"),
        ("hello", {"stop": "hellish"}, "hello", "stop"),
        ("hel", {"stop": "hello", "max_new_tokens": 3}, "hel", "length"),
        ("ab", {"stop": ["abc", "b"], "max_new_tokens": 2}, "a", "stop"),  # found only when nothing more can come
        ("ba", {"stop": "a", "max_new_tokens": 2}, "b", "stop"),  # found in what the detokenizer held back
        ("a\2b", {}, "a", "stop"),
        ("", {}, "", "stop"),
    ],
)
def test_an_answer_ends_where_it_should_and_says_why(model, script, options, text, reason):
    model.start({"q": script})
    completion = model.generate("q", **options)
    assert (completion.text, completion.finish_reason) == (text, reason)
    chunks = list(model.stream("q", **options))
    assert "".join(chunk.text for chunk in chunks) == text
    assert [chunk.finish_reason for chunk in chunks] == [None] * (len(chunks) - 1) + [reason]
    assert sum((chunk.token_ids for chunk in chunks), ()) == completion.token_ids
    assert is_idle(model)


def test_ignoring_the_end_goes_on_after_it(model):
    model.start({"q": "a\1b\2c"})
    assert len(model.generate("q", ignore_eos=True, max_new_tokens=5).token_ids) == 5


def test_stop_token_ids_end_an_answer_and_have_no_text(model):
    model.start({"q": "ab."})
    completion = model.generate("q", stop_token_ids=[4])
    assert (completion.text, completion.token_ids, completion.finish_reason) == ("a", (3, 4), "stop")


def test_logprobs_come_with_their_tokens(model):
    model.start({"q": "abc"})
    chunks = list(model.stream("q", logprobs=1))
    assert [logprob.token_id for chunk in chunks for logprob in chunk.logprobs] == [3, 4, 5, 1]
    assert [logprob.token_id for logprob in model.generate("q", logprobs=1).logprobs] == [3, 4, 5, 1]


def test_statistics_stand_in_the_last_chunk_only_and_do_not_count_a_slow_reader(model):
    model.start({"q": "abcd"})
    chunks = []
    for chunk in model.stream("q", max_new_tokens=3):
        chunks.append(chunk)
        time.sleep(0.05)
    assert [chunk.stats is None for chunk in chunks] == [True, True, False]
    stats = chunks[-1].stats
    assert (stats.prompt_tokens, stats.new_tokens) == (2, 3)
    assert 0 < stats.first_token_s <= stats.total_s
    model.start({"q": "abcd"})
    stream = model.stream("q", max_new_tokens=2)
    next(stream)
    model.engine.step()
    time.sleep(0.2)
    assert next(stream).stats.total_s < 0.1


# What is left behind


def test_a_stream_that_is_never_read_computes_nothing_and_leaves_nothing(model, recorder):
    executor = model.start({"q": "abc"})
    record(model, recorder)
    stream = model.stream("q")
    del stream
    gc.collect()
    assert not executor.texts
    assert not model.engine._requests
    assert not recorder.before


def test_leaving_a_stream_early_frees_its_slot_and_tells_the_hooks(model, recorder):
    model.start({"q": "abcdef"})
    record(model, recorder)
    stream = model.stream("q")
    next(stream)
    next(stream)
    stream.close()
    assert is_idle(model)
    assert [(c.finish_reason, len(c.token_ids)) for c in recorder.after] == [("cancelled", 2)]


def test_streams_read_side_by_side_do_not_mix(model):
    model.start({"q": "abcdefg", "r": "uvwxyz"})
    pairs = list(zip(model.stream("q", max_new_tokens=6), model.stream("r", max_new_tokens=6), strict=True))
    assert ["".join(chunk.text for chunk in column) for column in zip(*pairs, strict=True)] == ["abcdef", "uvwxyz"]


def test_a_generation_that_somebody_else_cancels_ends_with_that_reason(model, recorder):
    model.start({"q": "xyabcdef"})
    record(model, recorder)
    stream = model.stream("q")
    chunks = [next(stream) for _ in range(3)]
    (request,) = model.engine._requests.values()
    model.engine.cancel(request)
    chunks += stream
    assert "".join(chunk.text for chunk in chunks) == "xya"  # what was held back is not lost
    assert chunks[-1].finish_reason == "cancelled"
    assert chunks[-1].stats.new_tokens == 3
    assert recorder.after[0].finish_reason == "cancelled"


def test_unloading_the_model_ends_a_stream_with_an_error(model):
    executor = model.start({"q": "abcdef"})
    stream = model.stream("q")
    next(stream)
    model.cleanup()
    model.cleanup()
    with pytest.raises(NotLoadedError, match="unloaded"):
        next(stream)
    assert executor.closed
    with pytest.raises(NotLoadedError, match="letters is not loaded"):
        model.generate("q")


def test_an_executor_that_fails_is_an_error_and_not_a_short_answer(model, recorder):
    executor = model.start({"q": "abcdef"})
    record(model, recorder)
    stream = model.stream("q")
    next(stream)

    def fail():
        raise RuntimeError("no memory")

    executor.on_step = fail
    with pytest.raises(InferencePioError, match="script failed: RuntimeError: no memory"):
        next(stream)
    with pytest.raises(InferencePioError, match="no memory"):
        model.generate("q")
    assert [completion.finish_reason for completion in recorder.after] == ["cancelled"] * 2
    executor.on_step = lambda: None
    assert model.generate("q").text == "abcdef"


# Hooks


def test_hooks_see_each_generation_before_and_after_it(model, recorder):
    model.start({"q": "abc"})
    record(model, recorder)
    list(model.stream("q", max_new_tokens=2))
    assert [(request.plugin_name, request.prompt) for request in recorder.before] == [("letters", "q")]
    assert recorder.before[0].options.max_new_tokens == 2
    assert [(completion.text, completion.finish_reason) for completion in recorder.after] == [("ab", "length")]


def test_hooks_have_been_told_when_the_last_chunk_arrives(model, recorder):
    model.start({"q": "abc"})
    record(model, recorder)
    stream = model.stream("q")
    while next(stream).finish_reason is None:
        assert not recorder.after
    assert len(recorder.after) == 1  # though the stream was not read to its very end


def test_a_hook_may_contribute_a_logits_processor(model):
    class Never:
        @hookimpl
        def pio_logits_processors(self, request):
            def process(token_ids, logits):
                logits[1] = -np.inf
                logits[9] += 1
                return logits

            return [process]

    model.start({"q": "ab"})
    record(model, Never())
    assert model.generate("q", max_new_tokens=4).token_ids == (3, 4, 9, 9)


# Batches


def test_a_batch_gives_each_prompt_what_it_gets_alone(model):
    model.start({"q": "abc", "r": "uvwxyz", "s": ""}, slots=2)
    prompts = ["q", "r", "s", "qr"]
    assert [c.text for c in model.generate_batch(prompts)] == [model.generate(p).text for p in prompts]
    assert is_idle(model)


def test_a_batch_with_a_wrong_prompt_starts_nothing(model):
    executor = model.start({"q": "abc"})
    with pytest.raises(EmptyPromptError):
        model.generate_batch(["q", []])
    assert not executor.texts
    assert not model.engine._requests


def test_a_stop_text_ends_its_own_computation_while_the_rest_of_the_batch_goes_on(model):
    executor = model.start({"q": "abcdefghijklmnop", "r": "xyxyxyxyxyxyxyxy"})
    rows = []
    executor.on_step = lambda: rows.append(len(executor.texts))
    long, short = model.generate_batch(["q", "r"], stop="y")
    assert (long.text, short.text) == ("abcdefghijklmnop", "x")
    assert rows.count(2) <= 5, "computed on past its stop text"


def test_a_batch_that_fails_leaves_nothing_running(model, recorder):
    executor = model.start({"q": "abcdef"}, slots=1)
    record(model, recorder)

    def fail_once():
        executor.on_step = lambda: None
        raise RuntimeError("gone")

    executor.on_step = fail_once
    with pytest.raises(InferencePioError, match="gone"):
        model.generate_batch(["q", "q", "q"])
    assert is_idle(model)
    assert not model.engine._requests
    assert len(recorder.before) == len(recorder.after) == 3


def test_who_heard_of_a_beginning_hears_of_the_end_when_nothing_could_start(model, recorder):
    model.start({"q": "abc"})
    record(model, recorder)
    stream = model.stream("q")
    model.cleanup()
    with pytest.raises(NotLoadedError):
        next(stream)
    assert len(recorder.before) == len(recorder.after) == 1


# Prompts and options


@pytest.mark.parametrize(
    ("prompt", "options", "error", "message"),
    [
        ("", {}, EmptyPromptError, "prompt is empty"),
        ([], {}, EmptyPromptError, "prompt is empty"),
        ([1.5], {}, InvalidOptionError, "sequence of token ids"),
        (["3"], {}, InvalidOptionError, "sequence of token ids"),
        ([3, 900], {}, InvalidOptionError, "token 900 lies outside"),
        ("q", {"temprature": 1}, InvalidOptionError, "did you mean 'temperature'"),
        ("q", {"top_p": 0}, InvalidOptionError, "top_p = 0"),
        ("q", {"stop": ""}, InvalidOptionError, "stop"),
        ("q", {"system": "be kind"}, InvalidOptionError, "only a chat template"),
    ],
)
def test_what_cannot_be_run_is_refused_at_the_call_and_not_at_the_first_token(model, prompt, options, error, message):
    model.start({"q": "abc"})
    with pytest.raises(error, match=message):
        model.stream(prompt, **options)
    assert not model.engine._requests


def test_token_ids_of_numpy_are_as_good_as_ints(model):
    model.start({"q": "abc"})
    assert model.generate(np.array(model.tokenize("q"))).text == "abc"
    assert model.infer(np.array([3, 4])).shape == (2, model.engine.executor.vocab_size)


def test_a_model_without_a_chat_template_says_what_to_do_instead(model):
    model.start({})
    with pytest.raises(ChatTemplateError, match="base model, which continues text"):
        model.chat([{"role": "user", "content": "q"}])


@pytest.mark.parametrize("ids", [[1.7, 2.9], np.array([[1, 2]]), ["a"], [[1], [2, 3]]], ids=str)
def test_infer_refuses_what_is_no_plain_sequence_of_whole_numbers(model, ids):
    model.start({})
    with pytest.raises(InvalidOptionError, match="plain sequence of whole numbers"):
        model.infer(ids)


def test_infer_works_while_streams_are_open(model):
    model.start({"q": "abcdef"})
    stream = model.stream("q")
    next(stream)
    assert model.infer([3, 4]).argmax(-1).tolist() == [1, 1]
    assert "".join(chunk.text for chunk in stream) == "abcdef"


# Guessing ahead.

REFRAIN = "la di da la di da la di da la di da"


def test_stats_tell_what_was_guessed_and_accepted(model):
    executor = model.start({"sing": REFRAIN})
    steps = []
    executor.on_step = lambda: steps.append(1)
    plain = model.generate("sing", max_new_tokens=30)
    assert (plain.stats.guessed_tokens, plain.stats.accepted_tokens) == (None, 0)
    assert plain.stats.tokens_per_step == 1
    steps.clear()
    stats = model.generate("sing", max_new_tokens=30, speculate=True).stats
    assert stats.accepted_tokens == 30 - len(steps)
    assert 0 < stats.accepted_tokens <= stats.guessed_tokens
    assert stats.acceptance == stats.accepted_tokens / stats.guessed_tokens
    assert stats.tokens_per_step == 30 / len(steps)


@pytest.mark.parametrize(
    "chosen",
    [
        {"stop": text, "max_new_tokens": length}
        for text in ("di da la di", "a la", "xyz", ["i da l", "la di da la di da la d"])
        for length in (20, 27, 40)
    ],
)
def test_a_stop_text_inside_of_a_guess_ends_the_answer_where_it_would_without(model, chosen):
    model.start({"sing": REFRAIN})
    plain = model.generate("sing", **chosen)
    guessed = model.generate("sing", **chosen, speculate=True)
    assert (guessed.text, guessed.token_ids, guessed.finish_reason) == (
        plain.text,
        plain.token_ids,
        plain.finish_reason,
    )
    assert guessed.stats.accepted_tokens < len(guessed.token_ids)
    assert is_idle(model)


def test_each_token_still_comes_in_a_chunk_of_its_own(model):
    model.start({"sing": REFRAIN})
    plain = [(chunk.text, chunk.token_ids) for chunk in model.stream("sing")]
    assert [(chunk.text, chunk.token_ids) for chunk in model.stream("sing", speculate=True)] == plain
    assert is_idle(model)


def test_a_default_of_the_model_can_turn_guesses_on(model):
    model.start({"sing": REFRAIN})
    model.sampling_defaults = SamplingOptions(speculate=True, max_new_tokens=20)
    assert model.generate("sing").stats.guessed_tokens


# What is said of the prompt


def test_the_prompts_logprobs_come_with_the_first_piece_and_with_the_whole_answer(model):
    model.start({"qz": "ab"})
    chunks = list(model.stream("qz", prompt_logprobs=1))
    first = chunks[0].prompt_logprobs
    assert [entry and entry.token_id for entry in first] == [None, *model.tokenize("qz")[1:]]
    assert all(chunk.prompt_logprobs == () for chunk in chunks[1:])
    assert model.generate("qz", prompt_logprobs=1).prompt_logprobs == first


def test_no_token_at_all_gives_the_prompts_logprobs_and_the_hooks_hear_of_it(model, recorder):
    model.start({"qz": "ab"})
    record(model, recorder)
    (chunk,) = model.stream("qz", prompt_logprobs=0, max_new_tokens=0)
    assert (chunk.text, chunk.token_ids, chunk.finish_reason) == ("", (), "length")
    assert len(chunk.prompt_logprobs) == 3
    assert [completion.prompt_logprobs for completion in recorder.after] == [chunk.prompt_logprobs]
    with pytest.raises(InvalidOptionError, match="max_new_tokens = 0: must be a whole number of at least 1"):
        model.generate("qz", max_new_tokens=0)


def test_no_token_at_all_may_fill_the_context(model):
    model.start({})
    full = [3] * model.engine.context
    assert len(model.generate(full, prompt_logprobs=0, max_new_tokens=0).prompt_logprobs) == len(full)
    with pytest.raises(InferencePioError):
        model.generate(full)


def test_tools_are_refused_by_a_template_that_has_no_place_for_them(model):
    from inference_pio.runtime.chat_templates import ChatTemplate

    model.start({})
    tool = {"type": "function", "function": {"name": "look"}}
    messages = [{"role": "user", "content": "q"}]
    model._template = ChatTemplate("{{ messages[0].content }}")
    assert not model.takes_tools
    with pytest.raises(ChatTemplateError, match="no place for tools"):
        model.apply_chat_template(messages, tools=[tool])
    assert model.apply_chat_template(messages, tools=[]) == "q"
    model._template = ChatTemplate("{% for tool in tools %}{{ tool.function.name }}{% endfor %}")
    assert model.takes_tools
    assert model.apply_chat_template(messages, tools=[tool]) == "look"
    model._template = ChatTemplate("{% set tools = 1 %}{{ tools }}")
    assert not model.takes_tools


# Answers of a given form


def regex(source):
    return Constraint(kind="regex", source=source)


@pytest.mark.parametrize("speculate", [False, True])
def test_a_constraint_bends_the_answer_and_ends_it_with_stop_and_its_last_text(model, speculate):
    model.start({"q": "abab"})
    completion = model.generate("q", constraint=regex("ab(ab)?[x-z]z"), speculate=speculate)
    assert (completion.text, completion.finish_reason) == ("ababxz", "stop")
    assert completion.token_ids[-1] > 2
    assert "".join(chunk.text for chunk in model.stream("q", constraint=regex("ab(ab)?[x-z]z"))) == "ababxz"
    assert is_idle(model)


def test_a_constraint_composes_with_stop_texts_logprobs_and_bias(model):
    model.start({"q": "abcd"})
    assert model.generate("q", constraint=regex("[a-d]+"), stop="cd").text == "ab"
    assert len(model.generate("q", constraint=regex("abc"), logprobs=2).logprobs) == 3
    assert model.generate("q", constraint=regex("[ab]{3}"), logit_bias={4: -100.0}).text == "aaa"
    assert model.generate("q", constraint=regex("[a-d]{4,9}"), max_new_tokens=2).finish_reason == "length"


def test_requests_with_and_without_constraints_run_side_by_side(model):
    model.start({"q": "abcd", "r": "xyz"})
    answers = model.generate_batch(["q", "r"], constraint=regex("[a-z]{2}"))
    assert [answer.text for answer in answers] == ["ab", "xy"]
    free, held = model.stream("q"), model.stream("q", constraint=regex("[a-b]{3}"))
    texts = ["", ""]
    for a, b in zip(free, held, strict=False):
        texts = [texts[0] + a.text, texts[1] + b.text]
    assert texts[1] == "aba"


def test_a_constraint_that_bias_leaves_nothing_of_ends_its_request_only(model):
    model.start({"q": "abcd"})
    other = model.stream("q")
    first = next(other)
    with pytest.raises(InferencePioError, match="no token is left to choose from"):
        model.generate("q", constraint=regex("a"), logit_bias={3: float("-inf")})
    assert "".join(chunk.text for chunk in (first, *other)) == "abcd"
    with pytest.raises(InvalidOptionError, match="unclosed group"):
        model.generate("q", constraint=regex("("))
    assert is_idle(model)
