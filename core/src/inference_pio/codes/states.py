"""Codes of plugin states: why a plugin is not ready, and remarks on one that is."""

from __future__ import annotations

from . import Code, CodeTable

_AUTHOR = "Its author must mend it; a newer version may have: `pip install -U DIST`."

TABLE = CodeTable(
    title="Plugin states",
    about="`list`, `info`, `why-not` and `doctor` give these as the reasons of a plugin's state.",
    codes=(
        Code(
            "entry-point-broken",
            "error",
            "The entry point is not of the form `package.module:function`, so nothing can be called. State: invalid.",
            "Mend `[project.entry-points]` in `pyproject.toml` and install again.",
        ),
        Code(
            "entry-point-mismatch",
            "error",
            "The entry point and `$.entry_point` of the manifest name different functions. State: invalid.",
            "Make them equal: package, then `entry_point.module`, a colon, `entry_point.factory_function`.",
        ),
        Code(
            "manifest-missing",
            "error",
            "There is no `plugin_manifest.json` beside the module of the entry point, nor in the `.dist-info`. "
            "State: invalid.",
            "Ship it. `inference-pio check` says whether it is in the wheel.",
        ),
        Code(
            "manifest-broken",
            "error",
            "The manifest cannot be used: it is not JSON, lacks a key or has one twice, has a wrong type, a specifier "
            "or requirement that cannot be read, two default checkpoints, or more than 1 MB. State: invalid.",
            "The message has the JSON path of each fault; `inference-pio schema` prints what is expected.",
        ),
        Code(
            "manifest-outside",
            "error",
            "The manifest is a link that leads out of the plugin's folder, so it could be anybody's. State: invalid.",
            "Ship the file itself.",
        ),
        Code(
            "name-collision",
            "error",
            "Two installed plugins claim one name. Neither is used: which one runs must not depend on the order of "
            "folders. State: invalid.",
            "Uninstall one, or switch one off: `inference-pio disable DIST`.",
        ),
        Code(
            "index-failed",
            "error",
            "Looking at the plugin failed in a way that nobody thought of. State: invalid.",
            "Reinstall it. `INFERENCE_PIO_STRICT=1` shows the original error; please report it.",
        ),
        Code(
            "schema-version",
            "error",
            "The manifest is written for a newer host: its `schema_version` is above what this one knows. "
            "State: incompatible.",
            "Upgrade the host: `pip install -U inference-pio`.",
        ),
        Code(
            "host-api",
            "error",
            "`host_api` in the manifest excludes this host's version of hooks and interfaces. State: incompatible.",
            "Upgrade host and plugin together.",
        ),
        Code(
            "python-version",
            "error",
            "`compatibility.python_version` excludes this interpreter. State: incompatible.",
            "Use an environment with another Python.",
        ),
        Code(
            "torch-version",
            "error",
            "`compatibility.torch_version` excludes the installed torch. `2.13.0+cpu` counts as `2.13.0`. "
            "State: incompatible.",
            "Install a version that fits; the message has the command.",
        ),
        Code(
            "transformers-version",
            "error",
            "`compatibility.transformers_version` excludes the installed transformers. State: incompatible.",
            "Install a version that fits; the message has the command.",
        ),
        Code(
            "dependency-missing",
            "error",
            "A requirement in `dependencies` is not installed; extras are followed. State: incompatible.",
            "Install it; the message has the command.",
        ),
        Code(
            "dependency-version",
            "error",
            "A requirement in `dependencies` is installed in a version that it excludes. State: incompatible.",
            "Install a version that fits; the message has the command.",
        ),
        Code(
            "memory",
            "error",
            "The machine has less memory than `compatibility.min_memory_gb`, or less is available than "
            "`required_memory_gb`. A container's limits count. State: incompatible.",
            "Free some, raise the container's limit, or try all the same: `--force`.",
        ),
        Code(
            "disabled",
            "info",
            "The user switched the plugin off, with `inference-pio disable` or with `INFERENCE_PIO_DISABLE`. Its code "
            "is never imported. State: disabled.",
            "`inference-pio enable NAME`, or take it out of the variable.",
        ),
        Code(
            "not-allowed",
            "info",
            "`INFERENCE_PIO_PLUGINS` lists the only plugins that may load, and this one is not among them. "
            "State: disabled.",
            "Add it to the variable.",
        ),
        Code(
            "quarantined",
            "error",
            "The plugin failed three times in a row, each in another process: at import, in its factory, in a hook, or "
            "by ending the process. It is left alone from then on. Failures count for one version, manifest and host. "
            "State: quarantined.",
            "Update it: another version starts anew. Or give it another chance: `inference-pio enable NAME`.",
        ),
        Code(
            "load-failed",
            "error",
            "Importing the plugin, calling its factory or checking its object failed in this process; it is not tried "
            "again in it. State: failed.",
            _AUTHOR,
        ),
        Code(
            "duplicate-metadata",
            "warning",
            "The distribution is recorded as installed twice, which is what a broken upgrade leaves. A remark.",
            "Remove the stale one: `inference-pio doctor` has the command. pip alone would leave it there.",
        ),
        Code(
            "failed-before",
            "warning",
            "The plugin failed the last time or the last two times it was used; after the third it is put aside. "
            "A remark.",
            "See what it does: `inference-pio check NAME --import`. One success clears it.",
        ),
        Code(
            "memory-unknown",
            "warning",
            "The plugin asks for memory, and this platform does not tell how much there is. A remark.",
            "Nothing to do, but keep an eye on it.",
        ),
        Code(
            "unknown-key",
            "warning",
            "The manifest has a key that nobody knows. It is ignored. A remark.",
            "Is it spelled right? `inference-pio schema` lists all keys.",
        ),
    ),
)
