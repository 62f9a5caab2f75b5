"""What a syntax tree can tell of class and factory, and where it must keep quiet because it cannot know."""

from __future__ import annotations

from typing import Any

import pytest

PLUGIN = "inference_pio/models/tiny/plugin.py"
FACTORY = 'def create_tiny_plugin():\n    """Return a new plugin."""\n    return TinyPlugin()\n'


def found(report: Any) -> set[str]:
    return {finding.code for finding in report.findings}


def test_class_and_factory_may_come_from_a_sibling_module(model: Any, check: Any) -> None:
    package = model.package
    model.files[f"{package}/code.py"] = model.files[PLUGIN]
    model.files[f"{package}/names.py"] = (
        '"""."""\nfrom .code import TinyPlugin as Renamed, create_tiny_plugin as make\n'
    )
    model.files[PLUGIN] = '"""."""\nfrom .names import Renamed as TinyPlugin, make as create_tiny_plugin\n'
    assert found(check(model)) == set()
    model.edit(f"{package}/code.py", "plugin():", "plugin(size):")
    report = check(model)
    assert [finding.where for finding in report.findings] == [f"src/{package}/code.py:16"]


def test_a_name_that_a_sibling_does_not_have_is_missed(model: Any, check: Any) -> None:
    model.files[f"{model.package}/code.py"] = '"""."""\n'
    model.files[PLUGIN] = '"""."""\nfrom .code import TinyPlugin, create_tiny_plugin\n'
    assert found(check(model)) == {"class-not-found", "factory-not-found"}


@pytest.mark.parametrize(
    "source",
    [
        "from acme_base import TinyPlugin, create_tiny_plugin",
        "from acme_base import *",
        "import acme_base\nTinyPlugin = acme_base.Tiny\ncreate_tiny_plugin = acme_base.make",
        "def __getattr__(name): raise AttributeError",
        "import functools\nclass TinyPlugin(make_base()): pass\n@functools.cache\ndef create_tiny_plugin(size=1): pass",
        "import acme\n@acme.register\ndef create_tiny_plugin(size): pass\n@acme.register\nclass TinyPlugin: pass",
        "import acme\nclass TinyPlugin(acme.Base): pass\ndef create_tiny_plugin(): return acme.build(TinyPlugin)",
        "try:\n    from acme import TinyPlugin\nexcept ImportError:\n    TinyPlugin = None\n"
        "def create_tiny_plugin(*args, **kwargs): return TinyPlugin()",
        "import abc\nclass TinyPlugin(metaclass=abc.ABCMeta): pass\ncreate_tiny_plugin = lambda: TinyPlugin()",
        "class TinyPlugin(Base): pass\nfrom acme import Base\ncreate_tiny_plugin = TinyPlugin",
    ],
)
def test_what_cannot_be_seen_is_not_reported(source: str, model: Any, check: Any) -> None:
    model.files[PLUGIN] = f'"""."""\n{source}\n'
    assert found(check(model)) == set()


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("    yield TinyPlugin()\n", "factory-not-plain"),
        ("    yield from [TinyPlugin()]\n", "factory-not-plain"),
        ("    TinyPlugin()\n", "factory-returns-other"),
        ("    return [TinyPlugin()]\n", "factory-returns-other"),
        ("    return Other()\n\n\nclass Other: pass\n", "factory-returns-other"),
        ("    def inner():\n        yield 1\n    return TinyPlugin()\n", None),
        ("    if TinyPlugin:\n        return TinyPlugin()\n    return TinyPlugin()\n", None),
        ("    raise RuntimeError('later')\n", "factory-returns-other"),
    ],
)
def test_what_a_factory_returns_is_read_from_its_body(body: str, code: str | None, model: Any, check: Any) -> None:
    model.edit(PLUGIN, FACTORY, f"def create_tiny_plugin():\n{body}")
    assert found(check(model)) == ({code} if code else set())


def test_only_a_name_for_type_checkers_does_not_count(model: Any, check: Any) -> None:
    model.edit(PLUGIN, FACTORY, "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    create_tiny_plugin = 1\n")
    assert found(check(model)) == {"factory-not-found"}


def test_members_may_come_from_bases_in_the_same_package(model: Any, check: Any) -> None:
    base = '"""."""\nclass Base:\n    def infer(self, inputs): return inputs\n    def cleanup(self): pass\n'
    model.files[f"{model.package}/base.py"] = base
    source = model.files[PLUGIN]
    source = source.replace("    def infer(self, inputs): return inputs\n    def cleanup(self): pass\n", "")
    model.files[PLUGIN] = source.replace("(ModelPlugin)", "(Base, ModelPlugin)").replace(
        "import ModelPlugin\n", "import ModelPlugin\nfrom .base import Base\n"
    )
    assert found(check(model)) == set()


def test_a_class_without_the_interface_must_have_all_its_members(model: Any, check: Any) -> None:
    model.edit(PLUGIN, "(ModelPlugin)", "")
    report = check(model)
    assert [finding.message for finding in report.findings] == [
        "TinyPlugin lacks members of ModelPlugin: __enter__, __exit__, manifest"
    ]
    model.edit(PLUGIN, "    def cleanup", "    def __enter__(self): return self\n    def __exit__(self, *error): pass\n"
               "    def __init__(self): self.manifest = {}\n    def cleanup")  # fmt: skip
    assert found(check(model)) == set()


def test_a_text_model_needs_the_members_of_text_models(model: Any, check: Any) -> None:
    model.edit(PLUGIN, "from inference_pio import ModelPlugin", "from inference_pio.interfaces import TextModelPlugin")
    model.edit(PLUGIN, "(ModelPlugin)", "(TextModelPlugin)")
    (finding,) = check(model).findings
    for member in ("chat", "tokenize", "stream"):
        assert member in finding.message


def test_a_model_that_embeds_needs_the_members_of_those(model: Any, check: Any) -> None:
    model.edit(PLUGIN, "import ModelPlugin", "import EmbeddingModelPlugin")
    model.edit(PLUGIN, "(ModelPlugin)", "(EmbeddingModelPlugin)")
    (finding,) = check(model).findings
    assert finding.message.endswith(": context, detokenize, embed, embedding_width, tokenize, vocab_size")


def test_classes_that_inherit_in_a_circle_come_to_an_end(model: Any, check: Any) -> None:
    model.files[PLUGIN] = (
        '"""."""\nclass A(B): pass\nclass B(A): pass\nclass TinyPlugin(A): pass\ncreate_tiny_plugin = TinyPlugin\n'
    )
    assert found(check(model)) == {"class-incomplete"}


def test_imports_in_a_circle_come_to_an_end(model: Any, check: Any) -> None:
    model.files[PLUGIN] = '"""."""\nfrom .other import TinyPlugin, create_tiny_plugin\n'
    model.files[f"{model.package}/other.py"] = '"""."""\nfrom .plugin import TinyPlugin, create_tiny_plugin\n'
    assert found(check(model)) == set()


@pytest.mark.parametrize(
    "content",
    [b"\xff\xfe nonsense", b"x = 1\0", b"x = " + b"(" * 5000, b"x = " + b"-" * 100_000 + b"1", b"x" * 6_000_000],
    ids=["not text", "null bytes", "parentheses", "signs", "too large"],
)
def test_a_module_that_would_break_a_parser_is_a_finding(content: bytes, model: Any, check: Any) -> None:
    model.files[PLUGIN] = content
    assert found(check(model)) == {"syntax-error"}


def test_what_grammar_allows_and_no_compiler_takes_is_a_finding(model: Any, check: Any) -> None:
    model.files[PLUGIN] += "\nfrom __future__ import annotations\n"
    assert found(check(model)) == {"syntax-error"}


def test_a_very_long_expression_is_walked_without_recursion(model: Any, check: Any) -> None:
    model.files[f"{model.package}/long.py"] = '"""."""\nx = ' + "+".join(["1"] * 2000) + "\n"
    model.edit(PLUGIN, "from inference_pio import", "from . import long\nfrom inference_pio import")
    assert found(check(model)) <= {"syntax-error"}


def test_the_oldest_python_that_is_claimed_decides_what_may_stand_in_a_module(model: Any, check: Any) -> None:
    model.files[PLUGIN] += "\n\ndef pick(x):\n    try: return x\n    except* ValueError: pass\n"
    model.project["requires-python"] = model.manifest["compatibility"]["python_version"] = ">=3.11"
    assert check(model).is_ok
    model.project["requires-python"] = model.manifest["compatibility"]["python_version"] = ">=3.10"
    assert found(check(model)) == {"syntax-error"}


def test_a_plugin_for_newer_pythons_than_this_one_is_not_accused(check: Any, model: Any) -> None:
    model.project["requires-python"] = ">=3.29"
    model.manifest["compatibility"]["python_version"] = ">=3.29"
    model.edit(PLUGIN, "def create_tiny_plugin():", "some new syntax\n\ndef create_tiny_plugin():")
    report = check(model)
    assert report.is_ok
    (finding,) = report.findings
    assert (finding.code, finding.severity) == ("syntax-error", "warning")
    assert "check it with Python 3.29" in finding.message


def test_no_plugin_need_be_written_for_pythons_that_the_host_does_not_know(check: Any, model: Any) -> None:
    """The contract's own example of a manifest says >=3.8."""
    model.manifest["compatibility"]["python_version"] = ">=3.8"
    del model.project["requires-python"]
    model.edit(PLUGIN, "def create_tiny_plugin():", "match 1:\n    case _: pass\n\ndef create_tiny_plugin():")
    assert "syntax-error" not in found(check(model))
