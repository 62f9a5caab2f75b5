"""The plugin of the command line's tests. What it does beside echoing is triggered by the prompt."""

import builtins
import dataclasses
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path

import inference_pio.errors
from inference_pio import BaseConfig, Chunk, Completion, ProgressEvent, TextModelPlugin
from inference_pio.errors import ContextLengthError, LicenseNotAcceptedError
from inference_pio.generation import GenerationStats

CONTEXT_WORDS = 40


@dataclass
class EchoConfig(BaseConfig):
    """Its configuration.

    Attributes:
        patience_s: Time to think, seconds.
    """

    patience_s: float = 0.5


class EchoPlugin(TextModelPlugin):
    """See the module."""

    def __init__(self):
        self.load_options = None

    def supports_config(self, config):
        return True

    def create_config(self, **overrides):
        return EchoConfig.from_dict(overrides)

    def load_model(self, options=None, hooks=None):
        print("noise from loading")
        os.write(1, b"noise from a native library\n")
        if os.environ.get("ECHO_CONSENT") and not options.accept_license:
            raise LicenseNotAcceptedError("the weights come under terms; --accept-license")
        if os.environ.get("ECHO_LOAD_S"):
            time.sleep(float(os.environ["ECHO_LOAD_S"]))
        if os.environ.get("ECHO_DOWNLOAD"):
            for done in range(0, 1001, 100):
                options.progress(
                    ProgressEvent(stage="download", done=done * 1000, total=1_000_000, unit="bytes", label="echo.gguf")
                )
                time.sleep(float(os.environ["ECHO_DOWNLOAD"]))
        for done in range(3):
            options.progress(ProgressEvent(stage="load", done=done, total=2, unit="tensors"))
        self.load_options = options

    def infer(self, inputs):
        return inputs

    def cleanup(self):
        self.load_options = None

    @property
    def has_chat_template(self):
        return not os.environ.get("ECHO_BASE_MODEL")

    def tokenize(self, text, *, add_special_tokens=True):
        return list(range(len(text.split())))

    def detokenize(self, token_ids, *, skip_special_tokens=True):
        return " ".join(map(str, token_ids))

    def stream(self, prompt, *, system=None, raw=False, **options):
        if prompt == "options":
            assert self.load_options is not None
            load = {**dataclasses.asdict(dataclasses.replace(self.load_options, progress=None))}
            told = {"system": system, "raw": raw, "options": options, "load": load}
            return _words(json.dumps(told, default=dataclasses.asdict), 1, {})
        return self._answer(prompt, len(prompt.split()), options)

    def stream_chat(self, messages, **options):
        words = sum(len(message["content"].split()) for message in messages)
        if words > CONTEXT_WORDS:
            raise ContextLengthError(words, CONTEXT_WORDS)
        if messages[-1]["content"] == "recall":
            said = [f"{message['role']}: {message['content']}" for message in messages]
            return _words(" / ".join(said), words, options)
        return self._answer(messages[-1]["content"], words, options)

    def generate(self, prompt, **options):
        chunks = list(self.stream(prompt, **options))
        return Completion(
            text="".join(chunk.text for chunk in chunks), token_ids=(), finish_reason="stop", stats=chunks[-1].stats
        )

    def chat(self, messages, **options):
        raise NotImplementedError

    def _answer(self, text, prompt_tokens, options):
        kind, _, name = text.partition(":")
        if kind == "raise":
            raise _error(name)
        if kind == "forever":
            return _forever()
        if kind == "print":
            print("noise from generating")
        return _words(text, prompt_tokens, options)


def _error(name):
    if name == "ContextLengthError":
        return ContextLengthError(50, 40)
    if name == "UnknownPluginError":
        return inference_pio.errors.UnknownPluginError("exho", nearest=["echo"])
    kind = getattr(inference_pio.errors, name, getattr(builtins, name, RuntimeError))
    return kind(f"told to raise {name}")


def _words(text, prompt_tokens, options):
    pieces = text.split(" ")[: options.get("max_new_tokens")]
    stats = GenerationStats(prompt_tokens=prompt_tokens, new_tokens=len(pieces), first_token_s=0.5, total_s=1.0)
    for index, piece in enumerate(pieces):
        is_last = index == len(pieces) - 1
        yield Chunk(
            text=(" " if index else "") + piece,
            token_ids=(index,),
            finish_reason=("length" if "max_new_tokens" in options else "stop") if is_last else None,
            stats=stats if is_last else None,
        )


def _forever():
    number = 0
    try:
        while True:
            yield Chunk(text=f"tick{number} ", token_ids=(number,))
            number += 1
            time.sleep(0.02)
    finally:
        if os.environ.get("ECHO_TRACE"):
            Path(os.environ["ECHO_TRACE"]).write_text("closed\n")


def create_echo_plugin():
    return EchoPlugin()
