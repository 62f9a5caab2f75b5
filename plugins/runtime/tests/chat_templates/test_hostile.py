"""Templates that attack: each ends in an error, soon and without taking much memory."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from inference_pio.errors import ChatTemplateError
from inference_pio.runtime.chat_templates import ChatTemplate

MESSAGES = [{"role": "user", "content": "hi"}]

SECONDS = 4.0
"""Rendering is cut off after one second; the rest is for compiling 64 KB on a busy machine. Processor time."""
MEGABYTES = 300


def growing(step: str) -> str:
    return f"{{% set ns = namespace(x='a') %}}{{% for i in range(100) %}}{{% set ns.x = {step} %}}{{% endfor %}}"


def nested(step: str, start: str) -> str:
    return (
        f"{{% set ns = namespace(x={start}) %}}{{% for i in range(100) %}}{{% set ns.x = {step} %}}{{% endfor %}}"
        "{{ ns.x }}"
    )


BIG = "{% set a = 'a' * 900000 %}"
WIDE = "{% set a = '😀' * 200000 %}"

LOOPS = {
    "nested loops": "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
    "loops that print": "{% for i in range(99999) %}{% for j in range(99999) %}x{% endfor %}{% endfor %}",
    "loops that skip": "{% for i in range(99999) %}{% for j in range(99999) if false %}{% endfor %}{% endfor %}",
    "a macro that calls itself": "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "a tree of macros": "{% macro m(n) %}{% if n %}{{ m(n-1) }}{{ m(n-1) }}{% endif %}{% endmacro %}{{ m(60) }}",
    "a recursive loop": "{% for x in [[1]] recursive %}{{ loop([[1]]) }}{% endfor %}",
    "a block that calls itself": "{% block a %}{{ self.a() }}{% endblock %}",
    "a caller in loops": "{% macro m() %}{% for i in range(99999) %}{{ caller() }}{% endfor %}{% endmacro %}"
    "{% call m() %}{% for j in range(99999) %}{% endfor %}{% endcall %}",
    "methods in loops": "{% for i in range(99999) %}{% for j in range(99999) %}{% set x = 'ab'.upper() %}{% endfor %}"
    "{% endfor %}",
    "slow comparisons": "{% set a = range(9000)|list %}{% set b = range(9000)|list %}{% for i in range(99999) %}"
    "{% for j in range(99999) %}{% set x = a == b %}{% endfor %}{% endfor %}",
    "slow sorting": "{% set a = range(9000)|list %}{% for i in range(99999) %}{% set x = a|sort(reverse=true) %}"
    "{% endfor %}",
}

SIZES = {
    "string times": "{{ 'a' * 10000000000 }}",
    "times string": "{{ 10000000000 * 'a' }}",
    "list times": "{{ [1] * 10000000000 }}",
    "power": "{{ 10 ** (10 ** 10) }}",
    "negative rounding": "{{ 5|round(-1000000000) }}",
    "squares": "{% set ns = namespace(x=10) %}{% for i in range(99) %}{% set ns.x = ns.x * ns.x %}{% endfor %}",
    "tilde": growing("ns.x ~ ns.x"),
    "plus": growing("ns.x + ns.x"),
    "format": growing("'{0}{0}'.format(ns.x)"),
    "percent": growing("'%s%s' % (ns.x, ns.x)"),
    "filter join": growing("[ns.x, ns.x]|join"),
    "method join": growing("''.join([ns.x, ns.x])"),
    "set block": growing("1") + "{% set a %}{% for i in range(9999) %}" + "x" * 60000 + "{% endfor %}{% endset %}",
    "aliased lists": nested("[ns.x, ns.x]", "[1]"),
    "aliased tuples": nested("(ns.x, ns.x)", "(1,)"),
    "aliased dicts": nested("{'a': ns.x, 'b': ns.x}", "{}"),
    "aliased dict calls": nested("dict(a=ns.x, b=ns.x)", "{}"),
    "aliased views": nested("{'a': ns.x.items(), 'b': ns.x.items()}", "{'a': 1}"),
    "aliased proxies": nested("{'a': ns.x.items().mapping, 'b': ns.x.items().mapping}", "{'a': 1}"),
    "methods that print their owner": BIG + "{% set m = (a|safe).strip %}{{ [m] * 50000 }}",
    "colliding hashes": "{{ range(0, 60000 * (2 ** 61 - 1), 2 ** 61 - 1)|unique|list|length }}"
    "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
    "deep nesting": "{% set ns = namespace(x=[]) %}{% for i in range(9000) %}{% set ns.x = [ns.x] %}{% endfor %}"
    "{{ ns.x }}",
    "deep comparison": "{% set ns = namespace(x=[], y=[]) %}{% for i in range(9000) %}{% set ns.x = [ns.x] %}"
    "{% set ns.y = [ns.y] %}{% endfor %}{{ ns.x == ns.y }}",
    "large numbers": "{% set n = 10 ** 1000 %}{% set ns = namespace(x=[n]) %}{% for i in range(20) %}"
    "{% set ns.x = ns.x + ns.x %}{% endfor %}{{ ns.x }}",
    "center": "{{ 'a'.center(10000000000) }}",
    "ljust": "{{ 'a'.ljust(10000000000) }}",
    "rjust": "{{ 'a'.rjust(10000000000) }}",
    "zfill": "{{ 'a'.zfill(10000000000) }}",
    "expandtabs": "{{ '\t'.expandtabs(1000000000) }}",
    "many tabs": "{{ ('\t' * 900000).expandtabs(9999) }}",
    "format width": "{{ '{:>10000000000}'.format('a') }}",
    "format precision": "{{ '{:.1000000000f}'.format(1.5) }}",
    "nested format width": "{{ '{:>{}}'.format('a', 10000000000) }}",
    "percent width": "{{ '%10000000000d' % 1 }}",
    "percent star": "{{ '%*d' % (10000000000, 1) }}",
    "filter format width": "{{ '%10000000000d'|format(1) }}",
    "format repeats": BIG + "{{ ('{0}' * 20000).format(a) }}",
    "percent repeats": BIG + "{{ ('%(a)s' * 20000) % {'a': a} }}",
    "replace": "{% set a = 'a' * 2000 %}{{ a.replace('a', a) }}",
    "replace nothing": BIG + "{{ ('b' * 9000).replace('', a) }}",
    "filter replace": "{% set a = 'a' * 2000 %}{{ a|replace('a', a) }}",
    "filter replace by name": "{% set a = 'a' * 2000 %}{{ a|replace(new=a, old='a') }}",
    "json separators": BIG + "{{ range(9000)|list|tojson(separators=(a, ':')) }}",
    "json separators by name": BIG + "{{ [range(9000)|list]|map('tojson', separators=(a, ':'))|list }}",
    "range": "{{ range(10000000000)|list }}",
    "indent": "{{ ('\n' * 900000)|indent(9999) }}",
    "indent width": "{{ 'a\nb'|indent(10000000000) }}",
    "indent text": "{{ ('\n' * 900000)|indent('x' * 9999) }}",
    "filter center": "{{ 'a'|center(10000000000) }}",
    "batch": "{{ [1]|batch(10000000000, 0)|list }}",
    "slice": "{{ [1]|slice(10000000000)|list }}",
    "json indent": "{{ messages|tojson(indent=1000000000) }}",
    "json indent text": BIG + "{{ messages|tojson(indent=a) }}",
    "long separator": BIG + "{{ range(90000)|join(a) }}",
    "long separator method": BIG + "{{ a.join(range(90000)|map('string')) }}",
    "some long separators": BIG + "{{ a.join(range(500)|map('string')) }}",
    "default in map": BIG + "{{ range(90000)|map(attribute='x', default=a)|join }}",
    "printing in a loop": BIG + "{% for i in range(90000) %}{{ a }}{% endfor %}",
    "capturing in a loop": BIG + "{% set x %}{% for i in range(90000) %}{{ a }}{% endfor %}{% endset %}",
    "many copies": BIG + "".join(f"{{% set a{i} = a[1:] %}}" for i in range(2000)),
    "many wide copies": WIDE + "".join(f"{{% set a{i} = a[1:] %}}" for i in range(2000)),
    "many methods": BIG + "".join(f"{{% set a{i} = a.upper() %}}" for i in range(2000)),
    "many filters": BIG + "".join(f"{{% set a{i} = a|upper %}}" for i in range(2000)),
    "sum of lists": "{{ (range(9000)|batch(1)|list)|sum(start=[]) }}",
    "split": "{% set a = 'a ' * 450000 %}{{ a.split() }}",
    "list of text": BIG + "{{ (a * 9)|list }}",
}

SECRETS = {
    "class": "{{ ''.__class__.__mro__ }}",
    "printed class": "{{ ''.__class__ }}",
    "globals": "{{ raise_exception.__globals__ }}",
    "item": "{{ ''['__class__'] }}",
    "attr filter": "{{ ''|attr('__class__') }}",
    "map attribute": "{{ ['']|map(attribute='__class__')|list }}",
    "map attr filter": "{{ ['']|map('attr', '__class__')|list }}",
    "sort attribute": "{{ ['', '']|sort(attribute='__class__') }}",
    "format": "{{ '{0.__class__}'.format('') }}",
    "format item": "{{ '{0[__class__]}'.format('') }}",
    "format name": "{{ '{a.__init__.__globals__}'.format(a=namespace()) }}",
    "format by map": "{{ ['{0.__class__}']|map('format', '')|map('upper')|list }}{{ '{0.__class__}'.format(1) }}",
    "format_map": "{{ '{a.__class__}'.format_map({'a': 1}) }}",
    "namespace": "{{ namespace().__class__ }}",
    "set private": "{% set ns = namespace() %}{% set ns.__class__ = 1 %}",
    "cycler": "{{ cycler('a').__class__ }}",
    "self": "{{ self.__dict__ }}",
    "context": "{{ self._TemplateReference__context }}",
    "loop": "{% for x in [1] %}{{ loop._iterable }}{% endfor %}",
    "macro": "{% macro m() %}{% endmacro %}{{ m._func.__globals__ }}",
    "generator": "{{ ([1]|map('string')).gi_frame.f_globals }}",
    "include": "{% include 'x' %}",
    "import": "{% import 'x' as y %}",
    "from import": "{% from 'x' import y %}",
    "extends": "{% extends 'x' %}",
    "append": "{{ messages.append(1) }}",
    "update": "{{ messages[0].update({}) }}",
    "translate": "{{ 'a'.translate({97: 'b'}) }}",
    "encode": "{{ 'a'.encode('idna') }}",
    "fromkeys": "{{ dict.fromkeys([1]) }}",
    "lipsum": "{{ lipsum() }}",
    "xmlattr": "{{ {'a': 1}|xmlattr }}",
    "random": "{{ [1, 2]|random }}",
}

SOURCES = {
    "too long": "x" * 70000,
    "parentheses": "{{ " + "(" * 20000 + "1" + ")" * 20000 + " }}",
    "brackets": "{{ " + "[" * 20000 + "]" * 20000 + " }}",
    "ifs": "{% if 1 %}" * 3000 + "{% endif %}" * 3000,
    "fors": "{% for a in [1] %}" * 30 + "{% endfor %}" * 30,
    "sum": "{{ " + "+".join(["1"] * 15000) + " }}",
    "nots": "{{ " + "not " * 10000 + "1 }}",
    "attributes": "{{ a" + ".a" * 15000 + " }}",
    "elifs": "{% if a %}" + "{% elif a %}" * 5000 + "{% endif %}",
}

ATTACKS = LOOPS | SIZES | SECRETS | SOURCES


@pytest.mark.parametrize("source", ATTACKS.values(), ids=ATTACKS.keys())
def test_an_attack_ends_in_an_error_soon(source: str) -> None:
    start = time.process_time()
    with pytest.raises(ChatTemplateError):
        ChatTemplate(source).render(MESSAGES)
    assert time.process_time() - start < SECONDS


@pytest.mark.skipif(sys.platform == "win32", reason="memory limits are set with POSIX calls")
def test_no_attack_takes_much_memory() -> None:
    """One after another, in a process of their own."""
    script = (
        "import importlib.util, resource, sys\n"
        f"spec = importlib.util.spec_from_file_location('attacks', {__file__!r})\n"
        "attacks = importlib.util.module_from_spec(spec); spec.loader.exec_module(attacks)\n"
        "before = attacks.peak()\n"
        "for source in attacks.SIZES.values():\n"
        "    try:\n"
        "        attacks.ChatTemplate(source).render(attacks.MESSAGES)\n"
        "    except attacks.ChatTemplateError:\n"
        "        pass\n"
        "print(attacks.peak() - before)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=True)
    assert float(done.stdout) < MEGABYTES


def peak() -> float:
    """Largest size of this process so far, megabytes."""
    import resource

    unit = 1e6 if sys.platform == "darwin" else 1e3
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def test_the_large_values_that_attacks_start_from_are_allowed() -> None:
    for source in (BIG, WIDE):
        assert ChatTemplate(source + "{{ a|length }}").render(MESSAGES) in ("900000", "200000")


def test_harmless_uses_of_the_same_names_work() -> None:
    source = (
        "{{ 'a'.center(5) }}|{{ '%5d' % 3 }}|{{ '{:>4}'.format('x') }}|{{ 'a\nb'|indent(2) }}"
        "|{{ [1, 2]|batch(1)|list }}"
        "|{{ 'ab' * 2 }}|{{ 2 ** 10 }}|{{ 'a,b'.split(',') }}|{{ [1, 2, 3]|sum }}"
    )
    text = ChatTemplate(source).render(MESSAGES)
    assert text == "  a  |    3|   x|a\n  b|[[1], [2]]|abab|1024|['a', 'b']|6"


def test_tracers_and_recursion_limits_are_left_alone() -> None:
    before = (sys.gettrace(), sys.getrecursionlimit())
    with pytest.raises(ChatTemplateError):
        ChatTemplate(LOOPS["nested loops"]).render(MESSAGES)
    assert (sys.gettrace(), sys.getrecursionlimit()) == before


def test_a_template_works_again_after_an_attack() -> None:
    template = ChatTemplate("{% if attack %}{{ 'a' * 10**9 }}{% endif %}{{ messages[0].content }}")
    with pytest.raises(ChatTemplateError):
        template.render(MESSAGES, attack=True)
    assert template.render(MESSAGES, attack=False) == "hi"
