"""Puts the events of a stream together to what the whole answer would have been."""

from __future__ import annotations

from typing import Any

from openai.types.chat import ChatCompletion, ChatCompletionChunk

from inference_pio.server.event_stream import DONE

from ..asking import data_of


def checked(body: Any) -> Any:
    """Return a whole answer after OpenAI's own types have taken it, without a field that they do not know."""
    ChatCompletion.model_validate(body, strict=True, extra="forbid")
    return body


def chunks_of(events: list[bytes]) -> list[Any]:
    """Return what the events of a finished stream hold, checked in the same way."""
    assert events[-1] == DONE
    chunks = [data_of(event) for event in events[:-1]]
    for chunk in chunks:
        ChatCompletionChunk.model_validate(chunk, strict=True, extra="forbid")
    assert len({(chunk["id"], chunk["created"], chunk["model"]) for chunk in chunks}) == 1
    return chunks


def folded(chunks: list[Any]) -> list[Any]:
    """Return the choices that the chunks make together."""
    choices: dict[int, Any] = {}
    for chunk in chunks:
        for choice in chunk["choices"]:
            if choice["index"] not in choices:
                assert choice["delta"] == {"role": "assistant", "content": "", "refusal": None}
                choices[choice["index"]] = {"content": "", "calls": [], "logprobs": [], "finish_reason": None}
            _add(choices[choice["index"]], choice)
    return [plain(choices[index]) for index in sorted(choices)]


def _add(so_far: Any, choice: Any) -> None:
    assert so_far["finish_reason"] is None, "something came after the end"
    delta = choice["delta"]
    so_far["content"] += delta.get("content", "")
    for call in delta.get("tool_calls", []):
        if call["index"] == len(so_far["calls"]):
            assert (call["type"], call["function"]["arguments"]) == ("function", "")
            so_far["calls"].append((call["function"]["name"], []))
        else:
            assert set(call) == {"index", "function"}
            so_far["calls"][call["index"]][1].append(call["function"]["arguments"])
    so_far["logprobs"] += (choice["logprobs"] or {"content": []})["content"]
    so_far["finish_reason"] = choice["finish_reason"]


def plain(choice: Any) -> Any:
    """Return a choice, folded or whole, without what differs between the two forms and from call to call."""
    if "message" not in choice:
        return {**choice, "calls": [(name, "".join(arguments)) for name, arguments in choice["calls"]]}
    calls = [call["function"] for call in choice["message"].get("tool_calls", [])]
    return {
        "content": choice["message"]["content"] or "",
        "calls": [(call["name"], call["arguments"]) for call in calls],
        "logprobs": (choice["logprobs"] or {"content": []})["content"],
        "finish_reason": choice["finish_reason"],
    }
