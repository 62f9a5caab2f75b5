"""The page of codes: one heading for each, whose anchor is the code itself."""

from __future__ import annotations

from inference_pio.codes import Code, CodeTable, tables


def codes_page() -> str:
    """Render every table of ``inference_pio.codes``."""
    return "\n\n".join(_table(table) for table in tables())


def _table(table: CodeTable) -> str:
    index = " · ".join(f"[`{code.name}`](#{code.name})" for code in table.codes)
    return "\n\n".join([f"## {table.title}", table.about, index, *map(_code, table.codes)])


def _code(code: Code) -> str:
    fix = f"\n\n**What to do:** {code.fix}" if code.fix else ""
    return f"### `{code.name}` {{ #{code.name} }}\n\n*{code.severity}* · {code.meaning}{fix}"
