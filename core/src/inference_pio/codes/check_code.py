"""Codes of ``inference-pio check`` about a plugin's code and about the wheel that holds it."""

from __future__ import annotations

from . import Code, CodeTable

_CODE = (
    Code(
        "module-not-found",
        "error",
        "The package has no source file for the module that the entry point names.",
        "Correct the entry point, or add the file. If only a wheel lacks it, the build leaves it out.",
    ),
    Code(
        "syntax-error",
        "error",
        "A module cannot be parsed by the oldest Python that the distribution claims to support, as far as the grammar "
        "of the checking Python can tell; a warning where all of them are newer than that one. It may also be too "
        "large or not be text.",
        "Mend the line, or raise `requires-python`.",
    ),
    Code(
        "class-not-found",
        "error",
        "The module has no class of the name in the manifest's `entry_point.class`, neither of its own nor imported.",
        "Correct the manifest, or define the class.",
    ),
    Code(
        "class-incomplete",
        "error",
        "The class lacks members of `ModelPlugin`, its bases included. The host refuses such an object.",
        "Derive from `inference_pio.ModelPlugin` and implement the members that the message lists.",
    ),
    Code(
        "factory-not-found",
        "error",
        "The module has no function of the name in the entry point, neither of its own nor imported.",
        "Correct the entry point and the manifest, or define the function.",
    ),
    Code(
        "factory-needs-arguments",
        "error",
        "The host calls the factory without arguments; this one has parameters without a default.",
        "Give every parameter a default.",
    ),
    Code(
        "factory-not-plain",
        "error",
        "The factory is `async` or a generator, so calling it returns a coroutine or an iterator and no plugin.",
        "Make it a plain function that returns the object.",
    ),
    Code(
        "factory-returns-other",
        "error",
        "What the factory returns is visibly not an object of the class that the manifest names.",
        "Return that class, or correct `entry_point.class`.",
    ),
    Code(
        "hook-unknown",
        "error",
        "A function is marked with `@hookimpl`, and no hook has its name. The host refuses the whole plugin.",
        "Correct the name. All hooks: docs/reference/hooks.md, or `python -m pydoc inference_pio.hookspecs`.",
    ),
    Code(
        "hook-argument-unknown",
        "error",
        "An implementation asks for an argument that its hook does not have. The host refuses the whole plugin.",
        "Ask only for arguments of the hook; any of them may be left out.",
    ),
    Code(
        "hook-wrapper",
        "error",
        "An implementation is a wrapper. The host calls hooks one by one, so there is nothing to wrap.",
        "Implement the hook plainly; `tryfirst` and `trylast` order implementations.",
    ),
    Code(
        "hook-unmarked",
        "warning",
        "A function has the name of a hook but not the marker `@hookimpl`, so it is never called.",
        "Add `@hookimpl`, or rename the function.",
    ),
    Code(
        "no-hooks",
        "warning",
        "A hook plugin implements no hook that can be seen, so that installing it changes nothing.",
        "Implement a hook in the module that the entry point names.",
    ),
)

_STRUCTURE = (
    Code(
        "structure-file-missing",
        "error",
        "A file of the structure of a model is missing: `__init__.py`, `config.py`, `model.py` or `plugin.py`. It is "
        "an error in the shared package `inference_pio.models` and a warning in a package of your own.",
        "Add it; `inference-pio new` renders a complete plugin to compare with.",
    ),
    Code(
        "structure-folder-missing",
        "error",
        "One of the nine packages of the structure of a model is missing, or has no `__init__.py`. It is an error in "
        "the shared package `inference_pio.models` and a warning in a package of your own.",
        "Add it, with the decision that this model takes there.",
    ),
    Code(
        "structure-folder-empty",
        "error",
        "A folder of the structure holds no code: no function, class or constant, or in `tests/` no test. It is an "
        "error in the shared package `inference_pio.models` and a warning in a package of your own.",
        "Write down what this model does there, if only as a call into the runtime with its own numbers.",
    ),
)

_HYGIENE = (
    Code(
        "heavy-import",
        "warning",
        "Importing the plugin's module imports torch or a library of that size. Everybody who asks the plugin anything "
        "waits for seconds, even if the answer needs none of it.",
        "Move the import into the function that needs it, or under `if TYPE_CHECKING:` if only annotations do.",
    ),
    Code(
        "import-side-effect",
        "warning",
        "Importing the plugin's module calls something that changes the process or reaches beyond it: environment, "
        "logging, warnings, files, network, other processes. Importing should do nothing.",
        "Move the call into the function that needs it.",
    ),
    Code(
        "unsafe-call",
        "warning",
        "The plugin contains a call that runs code from data: unpickling, `torch.load` without `weights_only=True`, "
        "`eval`, `exec`, `trust_remote_code=True`. A checkpoint is data and must not be able to do that.",
        "Read safetensors or GGUF; parse texts instead of evaluating them.",
    ),
    Code(
        "imports-other-model",
        "warning",
        "The plugin imports the package of another model, so that it breaks when that one changes or is not installed.",
        "Move what both need into a library that both depend on; `inference_pio.runtime` has most of it.",
    ),
)

_WHEEL = (
    Code(
        "stray-init",
        "error",
        "The distribution ships `inference_pio/__init__.py` or `inference_pio/models/__init__.py`. Only the host has "
        "one; another one hides every other plugin and overwrites the host's.",
        "Delete the file; the packages above your own are shared.",
    ),
    Code(
        "shadows-host",
        "error",
        "A file lies where the host has one of its own. Installing the plugin would replace it.",
        "Move it into your own package.",
    ),
    Code(
        "stray-file",
        "warning",
        "The wheel holds files outside the packages that its entry points name. A top-level `tests/` or `README` ends "
        "in everybody's site-packages, and two plugins overwrite each other's.",
        'Tell the build what to include, for hatchling `packages = ["src/…"]`; tests belong into the package.',
    ),
    Code(
        "member-outside",
        "error",
        "A member's path is absolute or contains `..`. A careless unpacker would write outside its folder.",
        "Build the wheel anew with a tool that does not make such paths.",
    ),
    Code(
        "wheel-record-missing",
        "error",
        "The wheel has no `RECORD`, so that nothing can be compared with anything and pip refuses it.",
        "Build the wheel anew; do not pack it by hand.",
    ),
    Code(
        "wheel-record-differs",
        "error",
        "`RECORD` does not agree with the files of the wheel: one is missing, one is not listed, or one has another "
        "hash or size. The wheel was changed after it was built.",
        "Build the wheel anew.",
    ),
    Code(
        "manifest-not-in-dist-info",
        "warning",
        "The manifest is not in the `.dist-info` too, so it cannot be read where the package lies in no folder (an "
        "editable install of some build tools, an archive).",
        "For hatchling: `[tool.hatch.build.targets.wheel.extra-metadata]` with the manifest's path. Other build tools "
        "may have no such setting; the host then reads the file beside the module.",
    ),
    Code(
        "untyped",
        "info",
        "The package has no `py.typed`, so type checkers ignore its annotations.",
        "Add an empty file `py.typed` to the package.",
    ),
)

TABLE = CodeTable(
    title="Findings of `check`: code and wheel",
    about="`inference-pio check` and the build hook report these, from syntax trees and archives; nothing is imported.",
    codes=(*_CODE, *_STRUCTURE, *_HYGIENE, *_WHEEL),
)
