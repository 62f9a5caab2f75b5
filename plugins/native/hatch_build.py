"""Compiles the kernels while hatchling builds; a wheel of its own for each platform."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

sys.path.insert(0, str(Path(__file__).parent))  # hatchling runs this file by itself, from wherever it likes

from building import BuildError, build_library, platform_tag

LIBRARY = "inference_pio/native/_kernels.so"
REQUIRED = "INFERENCE_PIO_REQUIRE_KERNELS"
"""Environment variable; where it is set, a build without kernels fails."""


class KernelsHook(BuildHookInterface[Any]):
    """Adds the compiled kernels to a wheel; without a compiler, a wheel without them, which runs on torch."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile; ``version`` is ``standard`` or ``editable``, whose kernels lie beside the sources."""
        if self.target_name != "wheel":
            return
        self._folder = tempfile.TemporaryDirectory()
        beside = Path(self.root, "src", LIBRARY)
        out = beside if version == "editable" else Path(self._folder.name, "_kernels.so")
        try:
            build_data["tag"] = f"py3-none-{platform_tag(build_library(out))}"
        except BuildError as error:
            if os.environ.get(REQUIRED):
                self.app.abort(f"inference-pio-native: the kernels are required ({REQUIRED} is set), and {error}")
            if version == "editable":
                beside.unlink(missing_ok=True)  # an older one would be used in its place
            self.app.display_warning(
                f"WARNING: inference-pio-native is built WITHOUT its kernels, models will run on torch: {error}"
            )
            return
        build_data["pure_python"] = False
        if version != "editable":
            build_data["force_include"][str(out)] = LIBRARY

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove what was compiled for the wheel and now lies in it."""
        if self.target_name == "wheel":
            self._folder.cleanup()
