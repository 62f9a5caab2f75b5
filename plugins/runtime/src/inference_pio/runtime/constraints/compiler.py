"""``GrammarCompiler``: from what a request asks for to what rules its tokens out."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
from collections import OrderedDict
from collections.abc import Iterable
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from inference_pio.errors import InvalidOptionError

from . import trial
from .schema_check import check_schema, refuse

if TYPE_CHECKING:
    from llguidance import LLMatcher

    from inference_pio.generation import Constraint

    from ..sampling import TokenConstraint
    from ..tokenizers import Tokenizer
    from .vocabulary import GrammarVocabulary

MAX_SOURCE_CHARS = 131_072
"""Longest schema, expression or grammar."""
KEPT = 64
"""Compiled grammars that are kept, and refusals: the same schema comes again and again."""
WHITE_SPACE = r"( |\n[ \t]{0,32})"
"""Between the parts of a JSON text: any amount, as JSON has it, lets a small model write spaces for ever."""

_HARMLESS_CHARS = 8_192
_COSTLY = re.compile(r'"(allOf|oneOf|format|multipleOf|pattern|patternProperties)"')
_TRIAL_S = 60.0
"""Seconds on the clock for a trial; what bounds it is its processor time."""


class GrammarCompiler:
    """Compiles constraints for one vocabulary; safe to use from several threads.

    Args:
        tokenizer: The model's.
        end_token_ids: Tokens that end an answer.
    """

    def __init__(self, tokenizer: Tokenizer, end_token_ids: Iterable[int]) -> None:
        self._source = (tokenizer, tuple(end_token_ids))
        self._lock = threading.Lock()
        self._vocabulary: GrammarVocabulary | None = None
        self._kept: OrderedDict[Constraint, Future[LLMatcher]] = OrderedDict()

    def compile(self, constraint: Constraint, *, may_end: bool = True) -> TokenConstraint:
        """Return a constraint for one request; a new one takes milliseconds, one that is too costly seconds.

        Args:
            constraint: What an answer must look like; already known ones are only copied.
            may_end: Whether end tokens are allowed where the answer is complete but could go on.

        Raises:
            InvalidOptionError: It is broken, too costly, nothing fulfils it, or a part of it cannot be enforced.
        """
        from .grammar_constraint import GrammarConstraint

        with self._lock:
            vocabulary = self._vocabulary = self._vocabulary or self._build_vocabulary()
            kept = self._kept.get(constraint)
            is_new = kept is None
            if kept is None:
                kept = self._kept[constraint] = Future()
            self._kept.move_to_end(constraint)
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        if is_new:
            self._fulfil(kept, constraint, vocabulary)
        try:
            matcher = kept.result()
        except InvalidOptionError as error:
            raise InvalidOptionError(str(error)) from None  # each request its own
        with self._lock:
            copied = matcher.deep_copy()
        return GrammarConstraint(copied, vocabulary, may_end=may_end)

    def _build_vocabulary(self) -> GrammarVocabulary:
        from .vocabulary import GrammarVocabulary

        return GrammarVocabulary(*self._source)

    def _fulfil(self, kept: Future[LLMatcher], constraint: Constraint, vocabulary: GrammarVocabulary) -> None:
        try:
            kept.set_result(_compile(constraint, vocabulary))
        except InvalidOptionError as error:
            kept.set_exception(error)
        except BaseException as error:
            kept.set_exception(error)
            with self._lock:  # no verdict on the constraint
                self._kept.pop(constraint, None)
            raise


def _compile(constraint: Constraint, vocabulary: GrammarVocabulary) -> LLMatcher:
    from llguidance import LLMatcher

    grammar, is_harmless = _grammar(constraint)
    if not is_harmless:
        _try(grammar)
    matcher = LLMatcher(vocabulary.tokenizer, grammar, log_level=0, limits=trial.limits())
    is_empty = not matcher.is_error() and not any(matcher.compute_bitmask())
    if matcher.is_error():
        _refuse_grammar(matcher.get_error())
    if is_empty:
        refuse("nothing fulfils it")
    return matcher


def _grammar(constraint: Constraint) -> tuple[str, bool]:
    """Return the grammar in llguidance's form, and whether it is known to compile in no time."""
    from llguidance import LLMatcher

    source = constraint.source
    if len(source) > MAX_SOURCE_CHARS:
        refuse(f"it has {len(source)} characters; {MAX_SOURCE_CHARS} are allowed")
    try:
        source.encode("utf-8")
    except UnicodeEncodeError as error:
        refuse(f"it is not valid Unicode: a lone surrogate at character {error.start}")
    try:
        if constraint.kind == "regex":
            return LLMatcher.grammar_from_regex(source), False
        if constraint.kind == "lark":
            return LLMatcher.grammar_from_lark(source), False
        schema = check_schema(source)
        if isinstance(schema, bool):  # llguidance wants an object
            schema, source = {}, "{}" if schema else refuse("nothing fulfils the schema false")
        overrides: Any = {"whitespace_pattern": WHITE_SPACE, "lenient": False, "coerce_one_of": False}
        grammar = LLMatcher.grammar_from_json_schema(source, overrides=overrides)
    except ValueError as error:
        if isinstance(error, InvalidOptionError):
            raise
        _refuse_grammar(str(error))
    # Keys may be spelled with escapes, so the look is at the schema as Python writes it.
    written = json.dumps(schema)
    return grammar, len(written) <= _HARMLESS_CHARS and not _COSTLY.search(written)


def _try(grammar: str) -> None:
    """Compile a grammar in a process that ends when it takes too much."""
    command = [sys.executable, "-I", str(Path(trial.__file__))]
    try:
        tried = subprocess.run(
            command, input=grammar.encode("utf-8"), capture_output=True, timeout=_TRIAL_S, check=False
        )
    except subprocess.TimeoutExpired:
        tried = None
    if tried is None or tried.returncode != 0:
        refuse(f"it takes more than {trial.CPU_S} seconds or too much memory to compile. Make it simpler")
    if tried.stdout:
        _refuse_grammar(tried.stdout.decode("utf-8", "replace"))


def _refuse_grammar(reason: str) -> NoReturn:
    """Refuse in llguidance's words, without what only its callers could change."""
    told = " ".join(reason.replace("<non-verbose/>", "").partition(" Enable 'coerce_one_of'")[0].split())
    if told.startswith("NoExtension"):
        told = "nothing fulfils it"
    if told.startswith("oneOf constraints"):
        told = "oneOf can be enforced only where its branches visibly exclude each other; use anyOf"
    refuse(told if len(told) <= 500 else told[:500] + "…")
