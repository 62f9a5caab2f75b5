"""Puts the meter into a template: its syntax tree is rewritten before it is compiled.

Rewriting is deterministic and touches nothing outside the template; a trace function (``sys.settrace``) would count
steps, too, but fights with debuggers and coverage.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

from jinja2 import TemplateSyntaxError, nodes
from jinja2.ext import Extension
from jinja2.visitor import NodeTransformer

from .metered_filters import JOIN, KEEP, WRITE

if TYPE_CHECKING:
    from jinja2.parser import Parser


class GenerationBlock(Extension):
    """``{% generation %}``: marks the assistant's text for training; here it only renders what is inside."""

    tags = {"generation"}  # noqa: RUF012  (jinja's own declaration is not a ClassVar)

    def parse(self, parser: Parser) -> nodes.Node:
        """Parse up to ``{% endgeneration %}``; names set inside stay inside, as in transformers."""
        line = next(parser.stream).lineno
        return nodes.Scope(parser.parse_statements(("name:endgeneration",), drop_needle=True), lineno=line)


def _filter(node: nodes.Expr, name: str) -> nodes.Filter:
    return nodes.Filter(node, name, [], [], None, None, lineno=node.lineno)


def _count_round(body: list[nodes.Node], line: int) -> list[nodes.Node]:
    return [nodes.ExprStmt(_filter(nodes.Const(1, lineno=line), KEEP), lineno=line), *body]


class Instrument(NodeTransformer):
    """Counts rounds of loops, calls of macros and blocks, outputs, and expressions that make or walk over values.

    Filters, calls and arithmetic are counted by the environment.
    """

    def visit_Output(self, node: nodes.Output) -> nodes.Node:  # noqa: N802  (the visitor's naming)
        """Count what is written, template text as well: loops and captured blocks multiply it."""
        self.generic_visit(node)
        node.nodes = [_filter(child, WRITE) for child in node.nodes]
        return node

    def visit_For(self, node: nodes.For) -> nodes.Node:  # noqa: N802  (the visitor's naming)
        """Count each round, also one that the loop's own condition skips."""
        self.generic_visit(node)
        node.body = _count_round(node.body, node.lineno)
        if node.test is not None:
            node.test = nodes.And(_filter(nodes.Const(1, lineno=node.lineno), KEEP), node.test, lineno=node.lineno)
        return node

    def _body(self, node: Any) -> nodes.Node:
        self.generic_visit(node)
        node.body = _count_round(node.body, node.lineno)
        return node  # type: ignore[no-any-return]  # a node, as the callers' names say

    visit_Macro = visit_CallBlock = visit_Block = _body  # noqa: N815  (the visitor's naming)

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:  # noqa: N802  (the visitor's naming)
        """``a ~ b``: bound the result before it is made."""
        self.generic_visit(node)
        return _filter(nodes.List(node.nodes, lineno=node.lineno), JOIN)

    def _kept(self, node: Any) -> nodes.Node:
        self.generic_visit(node)
        return node if getattr(node, "ctx", "load") != "load" else _filter(node, KEEP)

    # Literals may nest what exists; comparisons and tests walk over it.
    visit_List = visit_Tuple = visit_Dict = visit_Compare = visit_Test = _kept  # noqa: N815  (the visitor's naming)

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Node:  # noqa: N802  (the visitor's naming)
        """Count slices, which copy."""
        self.generic_visit(node)
        return _filter(node, KEEP) if isinstance(node.arg, nodes.Slice) else node

    def _refuse(self, node: nodes.Node) -> NoReturn:
        kind = type(node).__name__.lower().replace("fromimport", "from")
        raise TemplateSyntaxError(f"chat templates stand alone and may not use {{% {kind} %}}", node.lineno)

    visit_Include = visit_Import = visit_FromImport = visit_Extends = _refuse  # noqa: N815  (the visitor's naming)
