"""Level static: what can be said of a plugin without running a line of it."""

from __future__ import annotations

from typing import ClassVar

import pytest

static = pytest.mark.conformance("static")


class StaticLevel:
    """Tests of level ``static``, to be inherited by a class that names its plugin."""

    plugin_name: ClassVar[str]

    @static
    def test_the_check_of_the_installed_plugin_finds_no_error(self) -> None:
        from ..checking import check_target

        report = check_target(self.plugin_name)
        errors = [finding for finding in report.findings if finding.severity == "error"]
        said = "\n".join(f"{e.where}: {e.code}: {e.message}. {e.fix}" for e in errors)
        assert not errors, f"inference-pio check {self.plugin_name}\n{said}"
        assert report.is_ok
