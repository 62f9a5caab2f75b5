"""Codes of ``inference-pio check --import``: what happens when a plugin is imported in a process of its own."""

from __future__ import annotations

from . import Code, CodeTable

_IMPORT = (
    Code(
        "import-not-tried",
        "info",
        "`--import` was asked for, but other errors make an import impossible or meaningless.",
        "Mend the other errors first.",
    ),
    Code(
        "import-failed",
        "error",
        "Importing the plugin's module raised an exception.",
        "Mend it; if a module is missing, declare the distribution that brings it in `dependencies`.",
    ),
    Code(
        "import-exits",
        "error",
        "Importing the plugin's module called `sys.exit`. The host survives that, but the plugin is lost.",
        "Raise an exception that says what is missing.",
    ),
    Code(
        "import-ends-process",
        "error",
        "Importing the module, calling the factory or registering the hooks ended the process on the spot, as "
        "`os._exit` does. Such a plugin takes the host with it, and no host can contain that.",
        "Do not end processes that are not yours.",
    ),
    Code(
        "import-crashes",
        "error",
        "Importing the module, calling the factory or registering the hooks crashed the process with a signal. Such a "
        "plugin takes the host with it.",
        "Look for compiled code that does not fit: run the import under `python -X faulthandler`.",
    ),
    Code(
        "import-hangs",
        "error",
        "Importing the module, calling the factory or registering the hooks did not end within the time limit.",
        "Move work out of the import; for a slow machine raise the limit with `--timeout`.",
    ),
    Code(
        "import-prints",
        "warning",
        "The plugin writes to standard output, which belongs to answers and to JSON for programs. The host diverts it.",
        "Use `logging`, and not at import.",
    ),
    Code(
        "import-changes-environment",
        "warning",
        "Importing the plugin's module changes environment variables, for everybody in the process and its children.",
        "Set them where they are needed, or tell the user to.",
    ),
    Code(
        "import-changes-folder",
        "warning",
        "Importing the plugin's module changes the working folder, so that the user's relative paths lead elsewhere.",
        "Use absolute paths.",
    ),
    Code(
        "import-changes-signals",
        "warning",
        "Importing the plugin's module changes signal handlers; Ctrl-C may no longer stop the host.",
        "Leave signals to the host.",
    ),
    Code(
        "import-changes-logging",
        "warning",
        "Importing the plugin's module changes the root logger: handlers, level, or whether anything is logged.",
        "Log to `logging.getLogger(__name__)` and leave the rest to the host.",
    ),
    Code(
        "import-leaves-threads",
        "warning",
        "Importing the plugin's module starts threads that go on afterwards.",
        "Start them in `load_model` and end them in `cleanup`.",
    ),
    Code(
        "import-loads-heavy",
        "warning",
        "After importing the plugin's module, torch or a library of that size is loaded, be it through another "
        "distribution. Everybody who asks the plugin anything waits for it.",
        "Find the import with `python -X importtime -c 'import package.plugin'`, and move it into a function.",
    ),
    Code(
        "import-slow",
        "warning",
        "Importing the plugin's module takes more than a second of processor time.",
        "Find what takes long with `python -X importtime -c 'import package.plugin'`, and move it into a function.",
    ),
    Code(
        "factory-failed",
        "error",
        "The module could be imported, but the factory is missing or raised an exception.",
        "Mend it; creating a plugin must be cheap and need nothing that `load_model` fetches.",
    ),
    Code(
        "plugin-unfit",
        "error",
        "The host refuses what the factory returned: another class than the manifest names, or members are missing.",
        "Return an object of that class, derived from `inference_pio.ModelPlugin`.",
    ),
    Code(
        "factory-shares-object",
        "warning",
        "The factory returns one object to all callers, so that one caller's `cleanup` takes the model from another.",
        "Make a new object in each call.",
    ),
    Code(
        "hooks-refused",
        "error",
        "The host refuses the plugin's hooks, or loading them failed: unknown names, arguments that do not exist, "
        "wrappers, or an exception.",
        "Mend what the message names. All hooks and their arguments: docs/reference/hooks.md, or "
        "`python -m pydoc inference_pio.hookspecs`.",
    ),
)

TABLE = CodeTable(
    title="Findings of `check --import`",
    about="`inference-pio check --import` reports these about what happens when a plugin is imported and made.",
    codes=_IMPORT,
)
