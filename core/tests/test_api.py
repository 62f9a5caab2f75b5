from __future__ import annotations

import copy
import inspect
import pkgutil
import re
import subprocess
import sys

import pytest

import inference_pio
from inference_pio import errors
from inference_pio.names import canonical_name, nearest_names


def tree() -> dict[str, int]:
    """Class name -> exit code, as the docstring of the errors module draws them."""
    drawn = re.findall(
        r"^[ |`-]*(\w+Error) +(?:exit code of the command line: )?(\d)", errors.__doc__ or "", re.MULTILINE
    )
    return {name: int(code) for name, code in drawn}


def error_classes() -> dict[str, type[errors.InferencePioError]]:
    return {
        name: value
        for name, value in vars(errors).items()
        if inspect.isclass(value) and issubclass(value, errors.InferencePioError)
    }


def test_the_api_is_listed_sorted_and_importable() -> None:
    names = inference_pio.__all__
    # Constants, then classes, then functions, each by name: what the linter asks for.
    assert names == sorted(names, key=lambda name: (not name.isupper(), not name[0].isupper(), name))
    assert len(set(names)) == len(names)
    for name in names:
        assert getattr(inference_pio, name) is not None
    assert set(names) <= set(dir(inference_pio))


def test_the_api_is_what_lazy_imports_serve() -> None:
    assert set(inference_pio._MODULES) == set(inference_pio.__all__)


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Nonsense'"):
        inference_pio.Nonsense  # noqa: B018 - the access is the test


def test_importing_the_package_imports_next_to_nothing() -> None:
    code = "import sys; before = set(sys.modules); import inference_pio; print(*(set(sys.modules) - before))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    heavy = {
        "torch",
        "transformers",
        "importlib_metadata",
        "click",
        "rich",
        "msgspec",
        "pluggy",
        "packaging",
        "logging",
    }
    assert not heavy & {name.partition(".")[0] for name in loaded}


def test_every_core_module_imports_without_torch_or_transformers() -> None:
    modules = [
        module.name
        for module in pkgutil.walk_packages(
            [str(path) for path in inference_pio.__path__], "inference_pio.", onerror=lambda name: None
        )
        if not module.name.startswith(("inference_pio.runtime", "inference_pio.models", "inference_pio.__main__"))
    ]
    assert "inference_pio.host" in modules
    code = (
        "import importlib, sys\n"
        f"for name in {modules!r}: importlib.import_module(name)\n"
        "assert not {'torch', 'transformers', 'numpy'} & set(sys.modules), 'heavy import'\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


def test_the_error_tree_is_drawn_completely_with_its_exit_codes() -> None:
    assert tree() == {name: kind.exit_code for name, kind in error_classes().items()}


@pytest.mark.parametrize(
    ("name", "builtin"),
    [
        ("UnknownPluginError", LookupError),
        ("InvalidOptionError", ValueError),
        ("ManifestError", ValueError),
        ("PluginLoadError", ImportError),
        ("WeightsNotFoundError", FileNotFoundError),
        ("LicenseNotAcceptedError", PermissionError),
        ("DownloadError", OSError),
        ("CacheFullError", RuntimeError),
    ],
)
def test_errors_are_also_the_builtin_that_fits(name: str, builtin: type[Exception]) -> None:
    assert issubclass(error_classes()[name], builtin)


def test_a_plugins_error_names_plugin_and_distribution() -> None:
    error = errors.PluginLoadError("failed", plugin="qwen3", dist="inference-pio-qwen3 0.2.0")
    assert str(error) == "plugin 'qwen3' (inference-pio-qwen3 0.2.0) failed"
    assert (error.detail, error.plugin) == ("failed", "qwen3")


def test_a_plugins_error_keeps_the_advice_apart() -> None:
    error = errors.PluginError("failed", plugin="qwen3", fix="Update it")
    assert str(error) == "plugin 'qwen3' failed. Update it"
    assert (error.detail, error.fix) == ("failed", "Update it")


@pytest.mark.parametrize(
    "error",
    [
        errors.UnknownPluginError("x", nearest=["y"]),
        errors.PluginLoadError("failed", plugin="p", dist="d 1", fix="Update it"),
        errors.ContextLengthError(9, 8),
        errors.DownloadError("no network"),
        *(kind("message") for kind in (errors.WeightsNotFoundError, errors.ConfigError, errors.UsageError)),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_travels_between_processes(error: errors.InferencePioError) -> None:
    there = copy.copy(error)  # by the protocol that processes use too
    assert (type(there), str(there), vars(there)) == (type(error), str(error), vars(error))


@pytest.mark.parametrize("name", ["Gemma3", "my_model", "My--Model", "a.b-c_d", "x"])
def test_names_are_canonical_as_packaging_says(name: str) -> None:
    from packaging.utils import canonicalize_name

    assert canonical_name(name) == canonicalize_name(name)


def test_the_nearest_names_come_best_first() -> None:
    assert nearest_names("HIDEN_size", ["hidden_size", "head_dim", "hidden_act"])[0] == "hidden_size"
