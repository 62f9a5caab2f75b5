"""Codes of ``inference-pio install``: why something was not kept."""

from __future__ import annotations

from . import Code, CodeTable

TABLE = CodeTable(
    title="Installation",
    about="`install --json` gives these as `.faults[].code`, beside the codes of plugin states.",
    codes=(
        Code(
            "install-not-a-plugin",
            "error",
            "A distribution that was asked for has no entry point in `inference_pio.models` or `inference_pio.hooks`, "
            "and none of the plugins that were installed with it needs it.",
            "Check its name. A library is installed with `pip install`.",
        ),
        Code(
            "install-check-failed",
            "error",
            "`inference-pio check` finds errors in the plugin: its static check before a wheel or folder is installed, "
            "or its import in a process of its own afterwards.",
            "Tell its author. `inference-pio check FILE` shows everything; `--force` keeps the plugin all the same.",
        ),
        Code(
            "install-breaks-another",
            "error",
            "A plugin that was ready would not be any more, because a library that both use would change.",
            "Give one of the two an environment of its own, or take a version of the new one that fits.",
        ),
        Code(
            "install-host-broken",
            "error",
            "With the new distributions in the environment the host itself did not start. `--force` does not override "
            "this.",
            "Tell the author of the plugin. Nothing was kept.",
        ),
    ),
)
