"""Codes of what ``doctor`` finds beside the plugins' states."""

from __future__ import annotations

from . import Code, CodeTable

_MACHINE = (
    Code(
        "interpreter",
        "info",
        "Which Python runs the host, and whether it is a virtual environment.",
        "Nothing to do.",
    ),
    Code("processor", "info", "Which vector instructions the processor has that models profit from.", "Nothing to do."),
    Code(
        "processor-unknown",
        "info",
        "This system does not tell which vector instructions its processor has. Models run all the same.",
        "Nothing to do.",
    ),
    Code(
        "processor-slow",
        "warning",
        "The instructions that fast CPU kernels rest on (`avx2` on x86, `asimd` on Arm) are missing: models "
        "run slowly.",
        "In a virtual machine, choose a processor type that passes them on; else use another machine.",
    ),
    Code("cores", "info", "How many cores this process may use; affinity masks and quotas count.", "Nothing to do."),
    Code(
        "threads-oversubscribed",
        "warning",
        "A variable such as `OMP_NUM_THREADS` asks for more threads than there are usable cores. Numerical libraries "
        "start that many, and they wait for each other.",
        "Unset the variable, or set it to the number of usable cores.",
    ),
    Code("machine-memory", "info", "How much memory there is, and how much of it is available.", "Nothing to do."),
    Code(
        "machine-memory-unknown",
        "warning",
        "This system does not tell how much memory is available, so no plugin is held back for want of it.",
        "Compare what `info NAME` says a model needs with the machine yourself.",
    ),
)

_LIBRARIES = (
    Code("library", "info", "Version, and for torch what it was built for, without importing it.", "Nothing to do."),
    Code(
        "library-missing",
        "warning",
        "`torch` is not installed. Models whose weights run on it cannot be loaded.",
        "Install it if you need that.",
    ),
    Code(
        "library-optional",
        "info",
        "`transformers` is not installed. Models run without it; `inference-pio test NAME --parity` compares with it.",
        "Install it to compare: `pip install transformers`.",
    ),
    Code(
        "torch-without-gpu",
        "warning",
        "The machine has an NVIDIA GPU, and torch was built for CPUs only, so that nothing can run on the GPU.",
        "Install a CUDA build of torch.",
    ),
    Code("native-kernels", "info", "The native CPU kernels are installed.", "Nothing to do."),
    Code(
        "native-kernels-missing",
        "info",
        "The native CPU kernels (`inference-pio-native`) are not installed: quantized weights are "
        "dequantized when they are loaded and run on torch, which is slower and takes more memory.",
        "Nothing to do; everything runs without them.",
    ),
    Code("native-isa", "info", "Which instructions the native CPU kernels use, and what this costs.", "Nothing to do."),
    Code(
        "native-kernels-unusable",
        "warning",
        "The distribution inference-pio-native has no kernels that work here: no C++ compiler was there when it was "
        "built, they are of another version, or `INFERENCE_PIO_NATIVE_ISA` names instructions that this CPU lacks. "
        "Models run on torch, slower and in more memory.",
        "Do what the finding says: install a compiler and the distribution anew, or unset the variable.",
    ),
)

_STORAGE = (
    Code("cache-folder", "info", "Where weights are kept, and how much that is.", "Nothing to do."),
    Code(
        "cache-unwritable",
        "error",
        "The cache folder cannot be written to, so that no weights can be fetched.",
        "Mend its permissions, or choose another one with `INFERENCE_PIO_CACHE_DIR`.",
    ),
    Code("disk-space", "info", "How much room is left for the cache.", "Nothing to do."),
    Code(
        "disk-low",
        "warning",
        "There are less than 2 GB of room for the cache; a download needs room for the package and for its content.",
        "Free some, or choose another disk with `INFERENCE_PIO_CACHE_DIR`.",
    ),
    Code(
        "disk-unknown",
        "warning",
        "How much room there is for the cache cannot be told.",
        "Choose another folder with `INFERENCE_PIO_CACHE_DIR`.",
    ),
    Code("weights-kept", "info", "Which models' weights are in the cache, with their sizes.", "Nothing to do."),
    Code("downloads", "info", "No download that died has left anything in the cache.", "Nothing to do."),
    Code(
        "download-leftover",
        "warning",
        "Downloads that died have left files in the cache. The next download removes them.",
        "Run the command that the finding shows, or any `inference-pio pull`.",
    ),
    Code("packed-weights", "info", "What the native CPU kernels' packed weights take on disk.", "Nothing to do."),
    Code(
        "packed-weights-orphaned",
        "warning",
        "Weights are kept in the native CPU kernels' layout whose checkpoints are gone.",
        "Remove the files that the finding names.",
    ),
    Code("state-folder", "info", "Where the host remembers what was switched off and what failed.", "Nothing to do."),
    Code(
        "state-unwritable",
        "warning",
        "The state folder cannot be written to: `enable` and `disable` fail, and failures are forgotten, so "
        "that a broken plugin is tried again each time.",
        "Mend its permissions, or choose another one with `INFERENCE_PIO_STATE_DIR`.",
    ),
)

_INSTALLATION = (
    Code("metadata", "info", "How many distributions are installed, and in which folders.", "Nothing to do."),
    Code(
        "metadata-unreadable",
        "warning",
        "The metadata of a distribution cannot be read. If it has plugins, nobody sees them.",
        "Reinstall that distribution, or remove what is left of it.",
    ),
    Code(
        "metadata-incomplete",
        "warning",
        "The `.dist-info` of the host or of a plugin has no `METADATA` (nobody knows its requirements) or no `RECORD` "
        "(pip cannot uninstall it, and nothing can be verified). An installation was interrupted, or files "
        "were removed by hand. A missing `RECORD` is fine where the system's package manager installed it "
        "(`INSTALLER` says so).",
        "Remove the folder and install the distribution again; the finding has both commands.",
    ),
    Code(
        "shadowed-install",
        "warning",
        "The host, a plugin, torch or transformers is installed in two folders of the search path. The first "
        "one counts, the other comes to light when that is uninstalled. Libraries are reported when the "
        "versions differ.",
        "Uninstall one of them, or keep the environment from seeing the other's packages (a virtual "
        "environment without `--system-site-packages`, no `PYTHONPATH`).",
    ),
    Code(
        "leftover-egg-info",
        "warning",
        "An `.egg-info` lies beside a `.dist-info` of the same project, hides one, or is all that records one of our "
        "plugins. It dates from `setup.py` or an old pip, and its entry points may name code that is gone. Those that "
        "setuptools writes into the sources of an editable install are no harm and not reported.",
        "Remove it; the finding has the command.",
    ),
    Code(
        "pip-leftover",
        "warning",
        "Names that begin with `~` are what pip had renamed before it was interrupted. They take room, and "
        "pip warns about them each time.",
        "Remove them; the finding has the command.",
    ),
    Code(
        "editable-stale",
        "warning",
        "An editable install's entry points, version or manifest copy differ from its sources: they date from the time "
        "of the install, and only code follows the sources.",
        "Install it again with `pip install --no-deps -e FOLDER`.",
    ),
    Code(
        "editable-gone",
        "error",
        "The folder that an editable install was made from does not exist any more, so that its code cannot "
        "be imported.",
        "Uninstall it, or install it from its new folder.",
    ),
    Code(
        "requirement-unmet",
        "error",
        "Something that the host's or a plugin's own metadata requires is missing or has the wrong version: what "
        "`pip check` would say.",
        "Install what the finding names.",
    ),
)

_PLUGINS = (
    Code("models", "info", "How many models are installed, by state.", "Nothing to do."),
    Code("models-none", "warning", "No model is installed.", "Install one: `pip install inference-pio-smollm2`."),
    Code(
        "models-unusable",
        "warning",
        "Models are installed, and none of them can be used here.",
        "Each has a finding of its own; `inference-pio why-not NAME` says more.",
    ),
    Code("plugin-state", "info", "A plugin whose state needs no explanation.", "Nothing to do."),
    Code(
        "unknown-plugin-name",
        "warning",
        "`INFERENCE_PIO_PLUGINS`, `INFERENCE_PIO_DISABLE` or `inference-pio disable` names what is not "
        "installed: it is spelled wrong, or was uninstalled since.",
        "Correct the name, or take it out.",
    ),
)

_HOOKS = (
    Code("contributed", "info", "A hook plugin's check that gives no code of its own.", "See its message."),
    Code(
        "check-failed",
        "error",
        "A hook plugin's check raised an error, or answered with something that is no finding.",
        "Tell the plugin's author, or leave the plugin out: `inference-pio disable NAME`.",
    ),
    Code(
        "check-timeout",
        "error",
        "A hook plugin's check had not ended after ten seconds and was left behind.",
        "Tell the plugin's author, or leave the plugin out: `inference-pio disable NAME`.",
    ),
)

TABLE = CodeTable(
    title="Doctor",
    about="`doctor --json` gives these as the `code` of a finding, beside the codes of plugin states.",
    codes=(*_MACHINE, *_LIBRARIES, *_STORAGE, *_INSTALLATION, *_PLUGINS, *_HOOKS),
)
