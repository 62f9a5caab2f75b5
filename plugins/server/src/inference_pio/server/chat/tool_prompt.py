"""Tools for models whose chat template has no place for them: told in the system message, in the form of Hermes.

https://github.com/NousResearch/Hermes-Function-Calling
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

_CALL = "<tool_call>\n{}\n</tool_call>"
_RESULT = "<tool_response>\n{}\n</tool_response>"
_INTRODUCTION = """\
You can call functions. Each is described by a line of JSON:
<tools>
{}
</tools>
To call one, answer with its name and its arguments as JSON, in this form:
<tool_call>
{{"name": "the function's name", "arguments": {{"parameter": "value"}}}}
</tool_call>
The user then tells you what it returned, between <tool_response> and </tool_response>."""


def as_plain_conversation(
    messages: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Return a conversation that has no roles and fields but those which every chat template knows.

    Args:
        messages: As ``template_messages`` returns them.
        tools: What the model may call, as ``template_tool`` returns them; may be empty.
    """
    plain: list[dict[str, Any]] = []
    was_result = False
    for message in messages:
        is_result = message["role"] == "tool"
        told = _as_result(message) if is_result else _as_text(message)
        if is_result and was_result:  # templates may want user and assistant to take turns
            plain[-1]["content"] += "\n" + told["content"]
        else:
            plain.append(told)
        was_result = is_result
    return _introduced(plain, tools) if tools else plain


def _introduced(messages: list[dict[str, Any]], tools: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    introduction = _INTRODUCTION.format("\n".join(_json(tool) for tool in tools))
    if messages[0]["role"] != "system":
        return [{"role": "system", "content": introduction}, *messages]
    return [{**messages[0], "content": f"{messages[0]['content']}\n\n{introduction}"}, *messages[1:]]


def _as_result(message: Mapping[str, Any]) -> dict[str, Any]:
    return {"role": "user", "content": _RESULT.format(message["content"])}


def _as_text(message: Mapping[str, Any]) -> dict[str, Any]:
    told = {name: value for name, value in message.items() if name != "tool_calls"}
    calls = [_CALL.format(_call_text(call["function"])) for call in message.get("tool_calls", ())]
    told["content"] = "\n".join([told["content"], *calls] if told["content"] else calls or [""])
    return told


def _call_text(function: Mapping[str, Any]) -> str:
    arguments = function["arguments"]
    written = arguments if isinstance(arguments, str) else _json(arguments)
    return f'{{"name": {_json(function["name"])}, "arguments": {written}}}'


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
