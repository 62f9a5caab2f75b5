"""Import hygiene: what importing a plugin brings along and does, and calls that no plugin should make."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping

from .findings import Finding, finding
from .imports import aliases_of, executed_by, imports_of
from .subject import home_package
from .syntax import Module, Modules, dotted_name, executed_nodes

HEAVY = frozenset(
    {
        "accelerate", "cupy", "diffusers", "jax", "jaxlib", "keras", "llama_cpp", "mlx", "onnxruntime", "openvino",
        "sklearn", "tensorflow", "torch", "torchaudio", "torchvision", "transformers", "triton", "vllm",
    }
)  # fmt: skip
"""Libraries that take seconds or hundreds of megabytes to import."""

_EFFECTS = frozenset(
    {
        "builtins.exit", "builtins.input", "builtins.print", "builtins.quit", "ctypes.CDLL", "logging.basicConfig",
        "logging.disable", "numpy.random.seed", "os._exit", "os.abort", "os.chdir", "os.execv", "os.fork", "os.kill",
        "os.makedirs", "os.mkdir", "os.popen", "os.putenv", "os.remove", "os.rename", "os.rmdir", "os.setpgrp",
        "os.setsid", "os.system", "os.umask", "os.unlink", "os.unsetenv", "random.seed", "shutil.rmtree",
        "signal.signal", "socket.create_connection", "socket.socket", "sys.exit", "sys.path.append", "sys.path.insert",
        "sys.setrecursionlimit", "threading.Thread", "time.sleep", "urllib.request.urlopen",
        "urllib.request.urlretrieve", "warnings.filterwarnings", "warnings.simplefilter",
    }
)  # fmt: skip
_EFFECT_PREFIXES = (
    "aiohttp.", "httpx.", "huggingface_hub.", "multiprocessing.", "os.environ.", "requests.", "subprocess.",
    "torch.set_", "torch.manual_seed", "torch.cuda.set_",
)  # fmt: skip
_HARMLESS = frozenset({"os.environ.get", "os.environ.copy", "os.environ.items", "os.environ.keys", "os.environ.values"})

_UNSAFE = {
    "builtins.eval": "eval runs whatever text it is given",
    "builtins.exec": "exec runs whatever text it is given",
    "cloudpickle.load": "a pickle runs code when it is read",
    "cloudpickle.loads": "a pickle runs code when it is read",
    "dill.load": "a pickle runs code when it is read",
    "dill.loads": "a pickle runs code when it is read",
    "joblib.load": "a pickle runs code when it is read",
    "marshal.loads": "marshal trusts its input",
    "pickle.Unpickler": "a pickle runs code when it is read",
    "pickle.load": "a pickle runs code when it is read",
    "pickle.loads": "a pickle runs code when it is read",
    "shelve.open": "a shelf is made of pickles",
}


def hygiene_findings(start: str, modules: Modules) -> Iterator[Finding]:
    """Check what importing a plugin's module executes, within the target."""
    for executed in executed_by(start, modules):
        place = modules.files.shown(executed.module.file)
        way = f" ({' -> '.join(executed.way)})" if len(executed.way) > 1 else ""
        for found in imports_of(executed.module):
            if found.runs and found.top in HEAVY:
                message = f"importing {start} imports {found.top}{way}"
                yield finding("heavy-import", message, f"{place}:{found.line}")
        for line, what in _effects(executed.module):
            yield finding("import-side-effect", f"importing {start} calls {what}{way}", f"{place}:{line}")


def _effects(module: Module) -> Iterator[tuple[int, str]]:
    aliases = aliases_of(module)
    for node in executed_nodes(module.tree):
        if isinstance(node, ast.Call):
            name = _full_name(node.func, aliases)
            if name not in _HARMLESS and (name in _EFFECTS or name.startswith(_EFFECT_PREFIXES)):
                yield node.lineno, name.removeprefix("builtins.")
        elif (
            isinstance(node, ast.Subscript)
            and isinstance(node.ctx, (ast.Store, ast.Del))
            and _full_name(node.value, aliases) == "os.environ"
        ):
            yield node.lineno, "os.environ[…] = …"


def _full_name(node: ast.expr, aliases: Mapping[str, str]) -> str:
    """What a name stands for: an import, or a builtin that nothing in the module hides."""
    first, dot, rest = dotted_name(node).partition(".")
    return f"{aliases[first]}{dot}{rest}" if first in aliases else f"builtins.{first}" if first and not dot else ""


def code_findings(package: str, modules: Modules) -> Iterator[Finding]:
    """Check every module of a plugin, tests and benchmarks left out: calls and imports that no plugin should have."""
    for module in modules.below(package):
        if not {"tests", "benchmarks"} & set(module.name.split(".")):
            place = modules.files.shown(module.file)
            for line, what in _unsafe(module):
                yield finding("unsafe-call", what, f"{place}:{line}")
            for found in imports_of(module):
                if found.name.startswith("inference_pio.models.") and home_package(found.name) != package:
                    message = f"{module.name} imports another model: {home_package(found.name)}"
                    yield finding("imports-other-model", message, f"{place}:{found.line}")


def _unsafe(module: Module) -> Iterator[tuple[int, str]]:
    aliases = aliases_of(module)
    for node in ast.walk(module.tree):
        if not isinstance(node, ast.Call):
            continue
        name = _full_name(node.func, aliases)
        keywords = {k.arg: k.value.value for k in node.keywords if isinstance(k.value, ast.Constant)}
        if name in _UNSAFE:
            yield node.lineno, f"{name.removeprefix('builtins.')}: {_UNSAFE[name]}"
        elif name == "torch.load" and keywords.get("weights_only") is not True:
            yield node.lineno, "torch.load without weights_only=True: a pickle runs code when it is read"
        if keywords.get("trust_remote_code"):
            yield node.lineno, "trust_remote_code=True runs code that a checkpoint brings"
        if name == "numpy.load" and keywords.get("allow_pickle"):
            yield node.lineno, "numpy.load with allow_pickle=True: a pickle runs code when it is read"
