"""Why fields and values that other servers of the protocol know are refused here: a sentence for whoever sent one."""

from __future__ import annotations

from collections.abc import Mapping

_TEXT_ONLY = "models here read and write text only"
_NOTHING_KEPT = "the server keeps nothing between requests"
_FUNCTIONS_ONLY = "tools are functions: type 'function'"
_NO_CACHE_SETTINGS = "prompts that begin alike share their computation without being told; leave it out"

FIELD_REASONS: Mapping[str, str] = {
    "audio": _TEXT_ONLY,
    "modalities": _TEXT_ONLY,
    "prediction": "answers are not predicted by the client; leave it out, the answer is the same",
    "web_search_options": "the server never reaches out to other hosts; offer a search as one of the tools",
    "functions": "it is the old form of 'tools'; use that",
    "function_call": "it is the old form of 'tool_choice' in a request and of 'tool_calls' in a message; use those",
    "reasoning_effort": "models here have no levels of reasoning",
    "reasoning": "models here have no levels of reasoning",
    "verbosity": "models here have no levels of verbosity; ask for a short or long answer in a message",
    "moderation": "the server has no moderation",
    "previous_response_id": f"{_NOTHING_KEPT}; send the whole conversation as input",
    "conversation": f"{_NOTHING_KEPT}; send the whole conversation as input",
    "background": f"{_NOTHING_KEPT}; wait for the answer, or read it as a stream",
    "include": "there is nothing more to include in answers",
    "max_tool_calls": "the server calls no tools itself; the client does",
    "truncation": "nothing is left out of a conversation in silence; shorten it yourself",
    "store": "the server keeps no answers; leave it out or set it to false",
    "service_tier": "there is one tier; leave it out or set it to 'auto' or 'default'",
    "prompt_cache_key": _NO_CACHE_SETTINGS,
    "prompt_cache_options": _NO_CACHE_SETTINGS,
    "prompt_cache_retention": _NO_CACHE_SETTINGS,
    "description": "the model is not told of the format, only held to it; describe it in a message",
    "include_obfuscation": "events are not padded; leave it out or set it to false",
    "guided_json": "use response_format with type 'json_schema'",
    "guided_regex": "use response_format with type 'regex'",
    "guided_choice": "use response_format with type 'json_schema' and an enum, or type 'regex'",
    "guided_grammar": "use response_format with type 'json_schema' or 'regex'",
    "best_of": "all answers are returned, by 'n'; choose among them yourself",
}
"""By the name of the field, wherever it stands."""

VALUE_REASONS: Mapping[str, str] = {
    "image_url": _TEXT_ONLY,
    "input_image": _TEXT_ONLY,
    "input_audio": _TEXT_ONLY,
    "file": f"{_TEXT_ONLY}; put the file's text into a part of type 'text'",
    "input_file": f"{_TEXT_ONLY}; put the file's text into the message",
    "item_reference": f"{_NOTHING_KEPT}; send the item itself",
    "custom": _FUNCTIONS_ONLY,
    "web_search": _FUNCTIONS_ONLY,
    "file_search": _FUNCTIONS_ONLY,
    "code_interpreter": _FUNCTIONS_ONLY,
    "image_generation": _FUNCTIONS_ONLY,
    "mcp": _FUNCTIONS_ONLY,
    "allowed_tools": "give only the tools that may be called as 'tools'",
    "function": "it is the old role of 'tool' messages; use that",
}
"""By the value of a field that says which kind of thing follows: ``type``, ``role``."""


def because(reasons: Mapping[str, str], name: str) -> str:
    """Return the reason for a name as the end of a sentence, or nothing where there is none."""
    reason = reasons.get(name)
    return f": {reason}" if reason else ""
