"""The two checkpoints of the package index: every tensor equals what transformers makes of the same file."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from inference_pio.runtime.weights import open_checkpoint

pytestmark = pytest.mark.weights


@pytest.fixture(scope="module", params=["smollm2", "gemma3"])
def path(request):
    return request.getfixturevalue(f"{request.param}_path")


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


def test_all_tensors_are_read_by_two_threads(path):
    checkpoint = open_checkpoint(path)
    outs = {name: np.empty(info.shape, dtype=np.float32) for name, info in checkpoint.tensors.items()}
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda name: checkpoint.read(name, outs[name]), outs))
    assert all(np.isfinite(out).all() and out.any() for out in outs.values())
