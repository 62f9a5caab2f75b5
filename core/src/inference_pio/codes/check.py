"""Codes of ``inference-pio check`` about what a plugin says of itself: manifest, metadata, entry points."""

from __future__ import annotations

from . import Code, CodeTable

_TARGET = (
    Code(
        "target-unreadable",
        "error",
        "The wheel, archive or `pyproject.toml` cannot be opened or parsed, so nothing else could be checked.",
        "Build or download it again; for a `pyproject.toml` mend the line that the message names.",
    ),
    Code(
        "metadata-missing",
        "error",
        "There is no name and version to find: no `[project]` table with a name, no `pyproject.toml` at all, or a "
        "wheel without a readable `METADATA`. Nothing can be compared with the manifest.",
        "Declare the project in `[project]` (PEP 621). If your build tool keeps it elsewhere, check the built wheel.",
    ),
)

_MANIFEST = (
    Code(
        "no-manifest",
        "error",
        "There is no `plugin_manifest.json` beside the module that the entry point names. The host does not import a "
        "model that it cannot read about.",
        "Put the manifest beside the module; `inference-pio schema --markdown` says what belongs into it.",
    ),
    Code(
        "manifest-unreadable",
        "error",
        "The manifest exists but is not read: it is larger than 1,000,000 bytes, not a regular file, or a link that "
        "leads out of its folder.",
        "Make it a plain file of a few kilobytes in the plugin's own folder.",
    ),
    Code(
        "manifest-invalid",
        "error",
        "The manifest is no JSON, lacks a key, has a value of a wrong type, or a text that should parse (a version "
        "specifier, a requirement) and does not. The JSON path says where.",
        "Mend that value; your editor can check the file against the output of `inference-pio schema`.",
    ),
    Code(
        "manifest-key-twice",
        "error",
        "A key stands twice in one JSON object. Readers disagree about which one counts, so the host takes neither.",
        "Delete one of the two.",
    ),
    Code(
        "manifest-unknown-key",
        "warning",
        "The definition of the manifest has no such key, so its value has no effect. Often it is a misspelled one.",
        "Correct its spelling, or delete it.",
    ),
    Code(
        "schema-too-new",
        "error",
        "`schema_version` is higher than this host knows, so the host would call the plugin incompatible.",
        "Write a manifest of the version that the hosts you support know, or upgrade the host that checks.",
    ),
    Code(
        "host-api-missing",
        "warning",
        "The manifest does not say which versions of the host's hooks and interfaces the plugin works with. A later "
        "host would load it and fail somewhere inside instead of saying that it is too new.",
        'Add `host_api`, for example `"host_api": ">=1,<2"`.',
    ),
    Code(
        "host-api-excludes-host",
        "error",
        "`host_api` does not include the version of the host that checks, which would therefore not load the plugin.",
        "Widen the specifier, or check with a host of the version it is made for.",
    ),
    Code(
        "placeholder-left",
        "warning",
        "A text of the template was left as it was. `list` and `info` show it to everybody.",
        "Say what holds for this plugin.",
    ),
    Code(
        "weights-unverified",
        "warning",
        "A checkpoint has no `sha256` or no `size_bytes`, so what is downloaded is compared with nothing.",
        "Add both; `sha256sum` and `stat` give them for a file that you trust.",
    ),
)

_AGREEMENT = (
    Code(
        "name-differs",
        "warning",
        "The manifest's `name` is spelled neither like the entry point nor like the distribution. Spaces, capitals and "
        "punctuation do not count; the letters do.",
        "Use one word everywhere: entry point `qwen3`, distribution `inference-pio-qwen3`, name `Qwen 3`.",
    ),
    Code(
        "version-differs",
        "error",
        "Manifest and distribution name different versions. `list` would show one and pip install another.",
        "Set both to the same version in the same commit.",
    ),
    Code(
        "license-differs",
        "error",
        "The manifest names another license than the distribution's metadata. Users rely on either.",
        "Write the SPDX expression of `[project] license` into the manifest too.",
    ),
    Code(
        "license-missing",
        "warning",
        "Manifest or metadata name no license. Without one nobody may use the code.",
        'Give an SPDX expression in both: `license = "Apache-2.0"`.',
    ),
    Code(
        "python-differs",
        "warning",
        "The manifest's `compatibility.python_version` and `requires-python` accept different versions. pip would "
        "install the plugin where the host refuses it, or refuse it where it would work.",
        "Write the same specifier in both.",
    ),
    Code(
        "dependency-undeclared",
        "error",
        "The manifest depends on a distribution that neither the metadata nor what it requires brings along. After a "
        "plain `pip install` the plugin would be incompatible.",
        "Add it to `[project] dependencies`, or delete it from the manifest.",
    ),
    Code(
        "dependency-differs",
        "warning",
        "Manifest and metadata ask for different versions of one distribution.",
        "Write the same specifier in both, or only the name in the manifest.",
    ),
    Code(
        "host-not-required",
        "warning",
        "The distribution does not require `inference-pio`, so pip installs the plugin without any host.",
        'Add `"inference-pio>=0.1,<0.2"` to `dependencies`.',
    ),
    Code(
        "host-unbounded",
        "warning",
        "The requirement on `inference-pio` is open at one end. Without an upper bound a later host is installed that "
        "the plugin has never seen, without a lower one an earlier host that lacks what it uses.",
        "Give both: `inference-pio>=0.1,<0.2`.",
    ),
    Code(
        "torch-pinned",
        "warning",
        "The distribution requires one exact version of torch or transformers. Installing it replaces the build that "
        "the user chose, and two such plugins cannot be installed together.",
        "Give a range: `torch>=2.6`.",
    ),
)

_ENTRY_POINTS = (
    Code(
        "no-entry-point",
        "error",
        "The distribution has no entry point in group `inference_pio.models` or `inference_pio.hooks`, so the host "
        "does not find it.",
        'Add `[project.entry-points."inference_pio.models"]` with `name = "package.plugin:factory"`; of a plugin of '
        'hooks `[project.entry-points."inference_pio.hooks"]` with `name = "package.module"`.',
    ),
    Code(
        "entry-point-dynamic",
        "error",
        "`entry-points` stands in `[project] dynamic`: what the plugin is called is decided by the build, and nobody "
        "can read it from the sources.",
        "Write the entry point into `pyproject.toml`.",
    ),
    Code(
        "entry-point-malformed",
        "error",
        "The value is not a dotted module, a colon and a function (hook plugins may leave out the last two).",
        "Write `package.module:factory`.",
    ),
    Code(
        "entry-point-twice",
        "error",
        "Two entry points of one group have one name; upper and lower case, `-`, `_` and `.` do not count. The host "
        "would call both invalid.",
        "Rename one of them.",
    ),
    Code(
        "entry-point-spelling",
        "warning",
        "The name is not in its canonical spelling (lower case, words joined by `-`), so people see another name than "
        "the one that stands in your project.",
        "Write the canonical spelling.",
    ),
    Code(
        "entry-point-differs",
        "error",
        "The entry point is not what the manifest promises: package, then `entry_point.module`, a colon, and "
        "`entry_point.factory_function`. The host loads neither.",
        "Change the one that is wrong.",
    ),
)

TABLE = CodeTable(
    title="Findings of `check`: manifest, metadata, entry points",
    about="`inference-pio check` and the build hook report these, from files alone; nothing is imported.",
    codes=(*_TARGET, *_MANIFEST, *_AGREEMENT, *_ENTRY_POINTS),
)
