"""What the package promises, and what importing it costs."""

import subprocess
import sys

from inference_pio.runtime import sources, weights

HEAVY = ("torch", "transformers", "gguf", "safetensors", "huggingface_hub")


def test_the_api_is_this():
    assert weights.__all__ == ["Checkpoint", "TensorInfo", "open_checkpoint"]
    assert sources.__all__ == ["dead_downloads", "is_present", "kept_weights", "key_of", "resolve"]
    for module in (weights, sources):
        assert module.__all__ == sorted(module.__all__)
        assert all(hasattr(module, name) for name in module.__all__)


def test_importing_and_opening_loads_nothing_heavy(small_gguf, write):
    code = (
        "import sys\n"
        "from inference_pio.runtime import sources, weights\n"
        "from pathlib import Path\n"
        "checkpoint = weights.open_checkpoint(Path(sys.argv[1]))\n"
        "checkpoint.read('b.weight')\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    path = write("m.gguf", small_gguf.build())
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
