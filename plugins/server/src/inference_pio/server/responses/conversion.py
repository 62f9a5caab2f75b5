"""Says a request to ``/v1/responses`` in the words of ``/v1/chat/completions``, and errors in its own."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ..api_errors import ApiError, invalid
from ..chat.messages import (
    AssistantMessage,
    CalledFunction,
    DeveloperMessage,
    Message,
    RefusalPart,
    SystemMessage,
    TextPart,
    ToolCall,
    ToolMessage,
    UserMessage,
)
from ..chat.request import ChatRequest
from ..chat.response_format import JsonSchema, JsonSchemaFormat, ResponseFormat
from ..chat.tools import Function, NamedChoice, NamedFunction, Tool, ToolChoice
from ..refusals import FIELD_REASONS
from ..sampling_fields import SamplingFields
from .items import Content, InputItem, Refusal
from .request import FunctionChoice, ResponsesRequest, SchemaFormat

_FIELDS = {
    "message": ("role", "content"),
    "function_call": ("call_id", "name", "arguments"),
    "function_call_output": ("call_id", "output"),
}
_ANY_KIND = ("type", "id", "status", "phase")
_BY_ROLE: Mapping[str, type[SystemMessage | DeveloperMessage | UserMessage]] = {
    "system": SystemMessage,
    "developer": DeveloperMessage,
    "user": UserMessage,
}

# Places in a request to chat, and the same in one to responses; {} is where a message came from.
_RENAMED = (
    (re.compile(r"messages\[(\d+)\]\.tool_call_id"), "{}.call_id"),
    (re.compile(r"messages\[(\d+)\]"), "{}"),
    (re.compile(r"messages\b"), "input"),
    (re.compile(r"tools\[(\d+)\]\.function"), r"tools[\1]"),
    (re.compile(r"tool_choice\.function"), "tool_choice"),
    (re.compile(r"response_format\.json_schema"), "text.format"),
    (re.compile(r"response_format"), "text.format"),
)


@dataclass(frozen=True)
class Conversion:
    """A request in the words of chat.

    Attributes:
        request: The request.
        places: For each of its messages where it came from, ``input[3]``.
    """

    request: ChatRequest
    places: Sequence[str]

    @contextlib.contextmanager
    def own_words(self) -> Iterator[None]:
        """Let errors name the fields that the client sent.

        Raises:
            ApiError: As inside, with another ``param``.
        """
        try:
            yield
        except ApiError as error:
            if error.param is None:
                raise
            param = self._renamed(error.param)
            message = error.message.replace(error.param, param)
            raise ApiError(error.status, message, param=param, code=error.code) from error

    def _renamed(self, param: str) -> str:
        for pattern, words in _RENAMED:
            if match := pattern.match(param):
                start = words.format(self.places[int(match[1])]) if "{}" in words else match.expand(words)
                return start + param[match.end() :]
        return param


def as_chat(request: ResponsesRequest) -> Conversion:
    """Convert a request.

    Raises:
        ApiError: 400: an item lacks something, or the request asks for what cannot be.
    """
    _check_fixed(request)
    messages, places = _messages(request)
    chat = ChatRequest(
        messages=messages,
        tools=None if request.tools is None else [_tool(request, place) for place in range(len(request.tools))],
        tool_choice=_choice(request),
        parallel_tool_calls=request.parallel_tool_calls,
        response_format=_format(request),
        max_completion_tokens=request.max_output_tokens,
        **{name: getattr(request, name) for name in SamplingFields.__struct_fields__},
    )
    return Conversion(chat, places)


def _check_fixed(request: ResponsesRequest) -> None:
    for name in ("store", "background"):
        if getattr(request, name):
            raise invalid(name, f"{name}: {FIELD_REASONS[name]}")
    if request.truncation == "auto":
        raise invalid("truncation", f"truncation: {FIELD_REASONS['truncation']}")
    if request.stream_options is not None and not request.stream:
        raise invalid("stream_options", "stream_options: only a request with stream = true may have them")
    if request.stream_options is not None and request.stream_options.include_obfuscation:
        name = "stream_options.include_obfuscation"
        raise invalid(name, f"{name}: {FIELD_REASONS['include_obfuscation']}")


def _messages(request: ResponsesRequest) -> tuple[list[Message], list[str]]:
    messages: list[Message] = []
    places: list[str] = []
    if request.instructions is not None:
        messages.append(SystemMessage(content=request.instructions))
        places.append("instructions")
    if isinstance(request.input, str):
        return [*messages, UserMessage(content=request.input)], [*places, "input"]
    for index, item in enumerate(request.input):
        place = f"input[{index}]"
        message = _message(item, place)
        last = messages[-1] if messages else None
        if item.type == "function_call" and isinstance(last, AssistantMessage):
            calls = [*(last.tool_calls or ()), *_calls(message)]
            messages[-1] = AssistantMessage(content=last.content, tool_calls=calls)
        else:
            messages.append(message)
            places.append(place)
    return messages, places


def _calls(message: Message) -> list[ToolCall]:
    return list(message.tool_calls or ()) if isinstance(message, AssistantMessage) else []


def _message(item: InputItem, place: str) -> Message:
    kind = item.type or "message"
    for name in item.__struct_fields__:
        is_given = getattr(item, name) is not None
        if name in _FIELDS[kind] and not is_given:
            raise invalid(f"{place}.{name}", f"{place}.{name} is missing")
        if is_given and name not in (*_FIELDS[kind], *_ANY_KIND):
            raise invalid(f"{place}.{name}", f"{place}.{name}: an item of type {kind!r} has no such field")
    if kind == "function_call":
        call = ToolCall(id=item.call_id or "", function=CalledFunction(item.name or "", item.arguments or ""))
        return AssistantMessage(tool_calls=[call])
    if kind == "function_call_output":
        return ToolMessage(content=_texts(item.output, f"{place}.output"), tool_call_id=item.call_id or "")
    if item.role == "assistant":
        return AssistantMessage(content=_answer(item.content, f"{place}.content"))
    return _BY_ROLE[item.role or "user"](content=_texts(item.content, f"{place}.content"))


def _answer(content: Content | None, place: str) -> str | list[TextPart | RefusalPart]:
    if not isinstance(content, list):
        return content or ""
    _check_parts(content, place)
    return [RefusalPart(part.refusal) if isinstance(part, Refusal) else TextPart(part.text) for part in content]


def _texts(content: Content | None, place: str) -> str | list[TextPart]:
    if not isinstance(content, list):
        return content or ""
    _check_parts(content, place)
    parts = []
    for index, part in enumerate(content):
        if isinstance(part, Refusal):
            where = f"{place}[{index}].type"
            raise invalid(where, f"{where}: only answers, messages of the assistant, have a refusal")
        parts.append(TextPart(part.text))
    return parts


def _check_parts(content: Sequence[object], place: str) -> None:
    if not content:
        raise invalid(place, f"{place} is an empty list: give a text or at least one part")


def _tool(request: ResponsesRequest, place: int) -> Tool:
    assert request.tools is not None, "asked for by its place"
    tool = request.tools[place]
    return Tool(
        function=Function(name=tool.name, description=tool.description, parameters=tool.parameters, strict=tool.strict)
    )


def _choice(request: ResponsesRequest) -> ToolChoice | None:
    if isinstance(request.tool_choice, FunctionChoice):
        return NamedChoice(function=NamedFunction(name=request.tool_choice.name))
    return request.tool_choice


def _format(request: ResponsesRequest) -> ResponseFormat | None:
    asked = request.text.format if request.text else None
    if isinstance(asked, SchemaFormat):
        return JsonSchemaFormat(json_schema=JsonSchema(name=asked.name, schema=asked.schema, strict=asked.strict))
    return asked
