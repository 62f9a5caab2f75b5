"""Functions that the model may ask the client to call, and which of them it may or must call."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from ..api_errors import invalid

FunctionName = Annotated[str, Meta(pattern="^[a-zA-Z0-9_-]{1,64}$")]

NO_PARAMETERS: dict[str, Any] = {"type": "object", "properties": {}, "additionalProperties": False}


class Function(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A function of the client's. Its arguments follow ``parameters``, a JSON Schema, whatever ``strict`` says."""

    name: FunctionName
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class Tool(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="function"):
    """A tool; only functions are known."""

    function: Function


class NamedFunction(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which one."""

    name: str


class NamedChoice(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type", tag="function"
):
    """The function that the model must call."""

    function: NamedFunction


ToolChoice = Literal["none", "auto", "required"] | NamedChoice


def check_tools(tools: Sequence[Tool], choice: ToolChoice | None) -> None:
    """Check what the types cannot.

    Raises:
        ApiError: 400: two tools of a name, parameters that are no object, or a choice that is not there.
    """
    names = [tool.function.name for tool in tools]
    for place, tool in enumerate(tools):
        where = f"tools[{place}].function"
        if tool.function.name in names[:place]:
            raise invalid(f"{where}.name", f"{where}.name: another tool has the name {tool.function.name!r} already")
        if parameters_of(tool).get("type", "object") != "object":
            param = f"{where}.parameters.type"
            raise invalid(param, f"{param}: arguments are an object by name, so the type must be 'object'")
    if choice == "required" and not tools:
        raise invalid("tool_choice", "tool_choice: 'required' needs tools to choose from")
    if isinstance(choice, NamedChoice) and choice.function.name not in names:
        known = f"they are {', '.join(names)}" if names else "there are none"
        raise invalid("tool_choice.function.name", f"tool_choice.function.name: no tool has this name; {known}")


def parameters_of(tool: Tool) -> dict[str, Any]:
    """Return the schema of a tool's arguments; a tool that names none takes none."""
    return NO_PARAMETERS if tool.function.parameters is None else tool.function.parameters


def template_tool(tool: Tool) -> dict[str, Any]:
    """Return a tool as chat templates know it: what the model should read about it."""
    function: dict[str, Any] = {"name": tool.function.name}
    if tool.function.description is not None:
        function["description"] = tool.function.description
    function["parameters"] = parameters_of(tool)
    return {"type": "function", "function": function}


def schema_text(schema: dict[str, Any], param: str) -> str:
    """Return a JSON Schema as JSON, in one line and in ASCII.

    Raises:
        ApiError: 400: it is nested too deeply, or has a number that is too long.
    """
    try:
        return json.dumps(schema)
    except (RecursionError, ValueError) as error:
        raise invalid(param, f"{param}: the schema cannot be used: {error}") from None
