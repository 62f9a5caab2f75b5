"""Compiles the kernels while hatchling builds; a wheel of its own for each platform."""

from __future__ import annotations

import sys
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

sys.path.insert(0, str(Path(__file__).parent))  # hatchling runs this file by itself, from wherever it likes

from building import BuildError, build_library  # noqa: E402

LIBRARY = "inference_pio/native/_kernels.so"


class KernelsHook(BuildHookInterface[Any]):
    """Adds the compiled kernels to a wheel; without a compiler, a wheel without them, which runs on torch."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile; ``version`` is ``standard`` or ``editable``."""
        if self.target_name != "wheel":
            return
        out = Path(self.root, "src", LIBRARY) if version == "editable" else Path(self.directory, LIBRARY)
        try:
            build_library(out)
        except BuildError as error:
            self.app.display_warning(f"inference-pio-native is built without its kernels: {error}")
            return
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{sysconfig.get_platform().replace('-', '_').replace('.', '_')}"
        if version != "editable":
            build_data["force_include"][str(out)] = LIBRARY
