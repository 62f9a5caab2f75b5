"""Holds a model to calls whose arguments fit: a Lark grammar for llguidance.

https://github.com/guidance-ai/llguidance/blob/main/docs/syntax.md
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from inference_pio.generation import Constraint

from .tools import Tool, parameters_of, schema_text

# As json.dumps writes, and as models have learned it. Free white space would let a small model write it without end.
_JSON_STYLE = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}


def tool_grammar(
    tools: Sequence[Tool], *, must_call: bool = False, only: str | None = None, many: bool, answer: str | None = None
) -> Constraint:
    """Return a grammar of answers that call tools, or may.

    Args:
        tools: All tools of the request.
        must_call: Whether the answer is calls, and nothing else.
        only: The tool that must be called, once.
        many: Whether several calls may follow one another.
        answer: What an answer without calls looks like, a JSON Schema as text; ``None``: any text, which may also stand
            before calls.

    Raises:
        ApiError: 400: a schema cannot be used.
    """
    rules = []
    for place, tool in enumerate(tools):
        if only in (None, tool.function.name):
            rules += _call_rules(place, tool)
    names = [rule.partition(":")[0] for rule in rules if rule.startswith("call_")]
    repeated = '("\\n</tool_call>\\n<tool_call>\\n" call)*' if many and only is None else ""
    rules += [f"call: {' | '.join(names)}", f'calls: "\\n" call {repeated} "\\n</tool_call>"']
    if must_call or only is not None:
        rules.insert(0, 'start: "<tool_call>" calls')
    elif answer is not None:
        rules.insert(0, 'start: answer | "<tool_call>" calls')
        rules.append(f"answer: %json {answer}")
    else:
        # Lazy: the text is free up to the first marker, from where on it must be a call.
        rules.insert(0, "start: TEXT | opened calls")
        rules += ['opened[lazy]: TEXT "<tool_call>"', "TEXT: /(?s:.*)/"]
    return Constraint(kind="lark", source="\n".join(rules) + "\n")


def _call_rules(place: int, tool: Tool) -> list[str]:
    # The parameters are a document of their own: references in them ("#/$defs/…") start at its root.
    parameters = {"type": "object", **parameters_of(tool), "x-guidance": _JSON_STYLE}
    schema = schema_text(parameters, f"tools[{place}].function.parameters")
    head = json.dumps(f'{{"name": "{tool.function.name}", "arguments": ')
    return [f'call_{place}: {head} args_{place} "}}"', f"args_{place}: %json {schema}"]
