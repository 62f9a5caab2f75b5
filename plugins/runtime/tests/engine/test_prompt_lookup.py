"""What is guessed from a text, and how far guesses are trusted."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference_pio.runtime.prompt_lookup import NGRAM, PromptLookup

VOCAB = 50
MANY = 30


def lookup_in(text, *, end=1000, hit_rate=None):
    lookup = PromptLookup(text, vocab_size=VOCAB, end=end)
    if hit_rate is not None:
        lookup.hit_rate = hit_rate
    return lookup


def continuations(text):
    """What followed the last n-gram at each of its earlier places, and would go on as a loop at the end."""
    last = text[-NGRAM:]
    for place in range(NGRAM, len(text)):
        if text[place - NGRAM : place] == last:
            follows = text[place:]
            yield (follows * (MANY // len(follows) + 1))[:MANY]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.integers(0, 2), max_size=60), st.data())
def test_a_guess_is_what_followed_the_last_tokens_somewhere_in_the_text(tokens, data):
    text: list[int] = tokens[: data.draw(st.integers(0, 5))]
    lookup = lookup_in(text)
    for token in tokens[len(text) :]:
        text.append(token)
        if data.draw(st.booleans()):  # asked now and then: it reads on by itself
            continue
        lookup.guess(0)
        lookup.hit_rate = 1.0
        most = data.draw(st.integers(-1, MANY))
        guess, known = lookup.guess(most), list(continuations(text))
        assert len(guess) == (max(most, 0) if known else 0)
        assert not known or guess in [follows[: len(guess)] for follows in known]


def test_reading_at_once_and_token_by_token_give_the_same_guesses():
    text = [1, 2, 3, 4, 5, 1, 2, 3, 4, 9, 1, 2, 3]
    at_once, step_by_step = lookup_in(list(text), hit_rate=1.0), lookup_in(growing := text[:1], hit_rate=1.0)
    for token in text[1:]:
        step_by_step.guess(5)
        growing.append(token)
    step_by_step.hit_rate = 1.0
    assert at_once.guess(5) == step_by_step.guess(5) == [4, 9, 1, 2, 3]


def test_the_last_place_wins_and_a_source_is_followed_as_long_as_it_is_right():
    text = [1, 2, 3, 7, 7, 1, 2, 3, 8, 8, 5, 1, 2, 3]
    lookup = lookup_in(text, hit_rate=1.0)
    assert lookup.guess(2) == [8, 8]
    text.append(8)
    assert lookup.guess(2) == [8, 5]
    text.append(7)  # not what followed there
    assert lookup.guess(2) == []


def test_a_loop_is_guessed_to_go_on():
    assert lookup_in([9, 1, 2, 3, 4, 1, 2, 3], hit_rate=1.0).guess(10) == [4, 1, 2, 3, 4, 1, 2, 3, 4, 1]
    assert lookup_in([5, 5, 5, 5], hit_rate=1.0).guess(4) == [5, 5, 5, 5]


@pytest.mark.parametrize(("end", "count"), [(9, 0), (10, 1), (12, 3), (50, 5)])
def test_no_guess_goes_to_the_last_token_that_the_text_can_have(end, count):
    assert len(lookup_in([1, 2, 3, 4, 5, 1, 2, 3], end=end, hit_rate=1.0).guess(5)) == count


@pytest.mark.parametrize("text", [[1], [1, 2], [1, 2, 3], [1, 2, 3, 4, 5, 6], [1, 2, 1, 2]])
def test_a_text_that_repeats_nothing_gives_no_guess(text):
    assert lookup_in(text, hit_rate=1.0).guess(5) == []


def test_n_grams_of_the_largest_ids_are_not_confused():
    big = 2**31 - 1
    text = [big - 1, big - 1, big - 1, 5, 0, big - 1, big - 1, big - 1]
    lookup = PromptLookup(text, vocab_size=big, end=100)
    lookup.hit_rate = 1.0
    assert lookup.guess(2) == [5, 0]
    text[-1] = big - 2
    assert lookup_in(text).guess(2) == []


# How far guesses are trusted.


def written(count):
    """Tokens that never repeat three in a row."""
    return [token for n in range(count) for token in (n % VOCAB, n // VOCAB)]


def test_guesses_grow_with_what_comes_true_and_shrink_to_nothing_when_they_fail():
    source = written(40)
    text = [*source, *source[:NGRAM]]
    lookup, lengths = lookup_in(text), []
    for token in source[NGRAM : NGRAM + 40]:
        lengths.append(len(lookup.guess(15)))
        text.append(token)
    assert lengths[0] == 1
    assert lengths == sorted(lengths)
    assert lengths[-1] == 15
    lengths = []
    for _ in range(10):  # the beginning of a quotation, ten times, that goes on differently each time
        text += [*source[:NGRAM], 49, 48 - len(lengths)]
        lengths.append(len(lookup.guess(15)))
        text += source[:NGRAM]
        lookup.guess(0)
        text += [len(lengths), 47]
    text += source[:NGRAM]
    assert lookup.guess(15) == []


def test_what_is_foreseen_without_being_guessed_brings_guesses_back():
    source = written(40)
    text = [*source, *source[:NGRAM]]
    lookup = lookup_in(text, hit_rate=0.1)
    waited = 0
    while not lookup.guess(15):
        text.append(source[NGRAM + waited])
        waited += 1
    assert 1 < waited < 10


def test_how_often_the_prompt_repeats_itself_says_nothing_of_the_answer():
    lookup = lookup_in([1, 2, 3, 4] * 50)
    assert len(lookup.guess(15)) == 1


def test_memory_is_bounded_by_the_text():
    text: list[int] = []
    lookup = lookup_in(text)
    for n in range(2000):
        text.append(n * n % VOCAB)
        lookup.guess(3)
    assert len(lookup._after) <= len(text)
