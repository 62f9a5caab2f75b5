"""What importing a plugin brings along and does, found by following its imports in the syntax trees."""

from __future__ import annotations

from typing import Any

import pytest

PLUGIN = "inference_pio/models/tiny/plugin.py"
START = '"""A plugin."""\n'


def found(report: Any) -> list[tuple[str, str]]:
    return [(finding.code, finding.where.rpartition("/")[2]) for finding in report.findings]


def begin(model: Any, code: str) -> None:
    model.edit(PLUGIN, START, START + code)


def test_a_heavy_import_is_found_through_siblings_and_packages_around_them(model: Any, check: Any) -> None:
    begin(model, "from . import config\n")
    model.files[f"{model.package}/config.py"] = '"""."""\nfrom .mlp.gate import Gate\nSIZE = 1\n'
    model.files[f"{model.package}/mlp/gate.py"] = '"""."""\nGate = 1\n'
    model.files[f"{model.package}/mlp/__init__.py"] = '"""."""\nimport torch.nn as nn\nDECISION = 1\n'
    report = check(model)
    assert found(report) == [("heavy-import", "__init__.py:2")]
    way = "plugin -> inference_pio.models.tiny.config -> inference_pio.models.tiny.mlp)"
    assert way in report.findings[0].message


@pytest.mark.parametrize(
    "code",
    [
        "from torch import nn\n",
        "import importlib\ntorch = importlib.import_module('torch.nn')\n",
        "torch = __import__('torch')\n",
        "try:\n    import transformers\nexcept ImportError: transformers = None\n",
        "class Holder:\n    import torch\n",
        "if True:\n    import jax\n",
    ],
)
def test_every_way_to_import_at_module_level_counts(code: str, model: Any, check: Any) -> None:
    begin(model, code)
    assert {name for name, _ in found(check(model))} == {"heavy-import"}


@pytest.mark.parametrize(
    "code",
    [
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import torch\n",
        "import typing as t\nif t.TYPE_CHECKING:\n    import torch\n",
        "def load():\n    import torch\n",
        "load = lambda: __import__('torch')\n",
        "class A:\n    def load(self):\n        import torch\n",
        "if __name__ == '__main__':\n    import torch\n    print(torch)\n",
        "import torchlike\nfrom .torch import x\n",
        "from importlib.util import find_spec\nHAS = find_spec('torch')\n",
    ],
)
def test_what_does_not_run_on_import_does_not_count(code: str, model: Any, check: Any) -> None:
    begin(model, code)
    assert found(check(model)) == []


@pytest.mark.parametrize(
    "code",
    [
        "import os\nos.environ['A'] = '1'\n",
        "from os import environ as e\ne['A'] = '1'\n",
        "import os\nos.environ.setdefault('A', '1')\n",
        "import os\ndel os.environ['A']\n",
        "import logging as log\nlog.basicConfig()\n",
        "import sys\nsys.exit(0)\n",
        "exit()\n",
        "import requests\nX = [requests.get('x') for _ in 'ab']\n",
        "from urllib.request import urlopen\nurlopen('x')\n",
        "from subprocess import run\nX = run(['ls'])\n",
        "class A:\n    print('in a class body')\n",
        "def f(x=print('in a default')): pass\n",
        "import threading\nthreading.Thread(target=print).start()\n",
        "import signal\nsignal.signal(2, None)\n",
        "import warnings\nwarnings.filterwarnings('ignore')\n",
    ],
)
def test_effects_at_module_level_are_found(code: str, model: Any, check: Any) -> None:
    begin(model, code)
    assert {name for name, _ in found(check(model))} == {"import-side-effect"}


@pytest.mark.parametrize(
    "code",
    [
        "import os\nA = os.environ.get('A', '')\n",
        "import os\nA = os.environ['A']\n",
        "import logging\nlogger = logging.getLogger(__name__)\n",
        "def f():\n    print('later')\n",
        "from .config import SIZE as print\nprint(1)\n",
        "def print(x): pass\nprint(1)\n",
        "import functools\n@functools.cache\ndef f(): exit()\n",
        "import os\nPATH = os.path.join('a', 'b')\n",
    ],
)
def test_what_changes_nothing_is_no_effect(code: str, model: Any, check: Any) -> None:
    begin(model, code)
    assert found(check(model)) == []


@pytest.mark.parametrize(
    ("call", "is_unsafe"),
    [
        ("import pickle as p; p.load(x)", True),
        ("from pickle import loads; loads(x)", True),
        ("import torch; torch.load(x)", True),
        ("import torch; torch.load(x, weights_only=False)", True),
        ("import torch; torch.load(x, weights_only=True)", False),
        ("import numpy as np; np.load(x, allow_pickle=True)", True),
        ("import numpy as np; np.load(x)", False),
        ("eval(x)", True),
        ("self.model.eval()", False),
        ("exec(x)", True),
        ("AutoModel.from_pretrained(x, trust_remote_code=True)", True),
        ("AutoModel.from_pretrained(x, trust_remote_code=False)", False),
        ("import pickle; pickle.dumps(x)", False),
    ],
)
def test_calls_that_run_code_from_data_are_found_in_functions_too(
    call: str, is_unsafe: bool, model: Any, check: Any
) -> None:
    model.edit(PLUGIN, "return inputs", f"{call}; return inputs")
    assert {name for name, _ in found(check(model))} == ({"unsafe-call"} if is_unsafe else set())


def test_tests_may_do_what_a_plugin_may_not(model: Any, check: Any) -> None:
    model.files[f"{model.package}/tests/test_tiny.py"] = "import pickle\ndef test_it(): pickle.loads(b'')\n"
    assert found(check(model)) == []


def test_a_model_may_import_itself_and_the_runtime(model: Any, check: Any) -> None:
    begin(model, "from inference_pio.models.tiny import config\nfrom inference_pio.runtime import batch\n")
    assert found(check(model)) == []
