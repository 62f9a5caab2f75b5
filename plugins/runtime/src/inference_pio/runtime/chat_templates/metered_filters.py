"""The filters that templates may use: jinja's own, each counted and bounded, and the ``tojson`` of chat templates."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from jinja2 import pass_context
from jinja2.exceptions import SecurityError
from jinja2.filters import FILTERS

from .meter import METER, Meter
from .metered_values import check_indent, check_percent_format, check_replace, check_widths

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from jinja2.runtime import Context

# Names that no template can spell: what the instrumented template calls.
WRITE, JOIN, KEEP = "0write", "0join", "0keep"

# Left out: random (another text each time), and pprint, wordwrap, wordcount, striptags, urlize, xmlattr and
# filesizeformat, which are for web pages and whose cost is hard to bound.
_NAMES = tuple(
    """
    abs attr batch capitalize center count d default dictsort e escape first float forceescape format groupby indent
    int items join last length list lower map max min reject rejectattr replace reverse round safe select selectattr
    slice sort string sum title trim truncate unique upper urlencode
    """.split()  # noqa: SIM905  (a list of this length is easier to read as a text)
)


def metered_filters() -> dict[str, Callable[..., Any]]:
    """Return all filters by name."""
    filters = {name: _metered(name, FILTERS[name]) for name in _NAMES}
    filters["tojson"] = _metered("tojson", _tojson)
    return filters | {WRITE: _write, JOIN: _join, KEEP: _keep}


def _metered(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a filter. All take the context, which also keeps the compiler from running them on constants."""
    wanted = getattr(getattr(function, "jinja_pass_arg", None), "name", None)

    @pass_context
    def run(context: Context, value: Any, *args: Any, **kwargs: Any) -> Any:
        meter = METER.get()
        meter.step()
        check_widths((*args, *kwargs.values()))
        value = _prepare(meter, name, value, args, kwargs)
        first = {"context": context, "eval_context": context.eval_ctx, "environment": context.environment}
        lead = (first[wanted],) if wanted else ()
        return meter.keep(function(*lead, value, *args, **kwargs))

    return run


def _prepare(meter: Meter, name: str, value: Any, args: Sequence[Any], kwargs: Any) -> Any:
    """Check what is special about one filter; return the value to filter."""
    if name == "join":
        value = list(value)
        separator = kwargs.get("d", args[0] if args else "")
        meter.check_size(sum(map(meter.weigh, value)) + len(value) * meter.weigh(separator))
    elif name == "replace":
        old, new = (*args, None, None)[:2]
        check_replace(meter, str(value), kwargs.get("old", old), kwargs.get("new", new))
    elif name == "indent":
        check_indent(meter, value, args, kwargs)
    elif name == "format":
        check_percent_format(meter, str(value), kwargs or tuple(args))
    elif name == "sum" and not isinstance(kwargs.get("start", args[1] if len(args) > 1 else 0), (int, float)):
        raise SecurityError("chat templates may only sum numbers")
    return value


def _tojson(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | str | None = None,
    separators: Any = None,
    sort_keys: bool = False,
) -> str:
    # jinja's own escapes for HTML; chat templates are written for plain JSON, as transformers renders them. Indentation
    # and separators come once per value, so they must be short.
    if (isinstance(indent, int) and indent > 16) or (isinstance(indent, str) and len(indent) > 16):
        raise SecurityError("chat templates may indent JSON by 16 at most")
    if separators is not None and sum(map(len, separators)) > 16:
        raise SecurityError("chat templates may separate JSON by 16 characters at most")
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


@pass_context
def _write(context: Context, value: Any) -> str:
    return METER.get().write(value)


@pass_context
def _keep(context: Context, value: Any) -> Any:
    return METER.get().keep(value)


@pass_context
def _join(context: Context, values: Sequence[Any]) -> Any:
    meter = METER.get()
    texts = [str(value) for value in values]
    meter.check_size(sum(map(meter.weigh, texts)))
    return meter.keep("".join(texts))
