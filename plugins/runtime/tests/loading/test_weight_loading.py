"""From a checkpoint's tensors to parameters: each in its place, in its dtype, and none at all when names disagree."""

import numpy as np
import pytest
import torch
from torch import nn

from inference_pio.errors import TensorMismatchError
from inference_pio.generation import ProgressEvent
from inference_pio.runtime.layers import FusedLinear, RMSNorm
from inference_pio.runtime.weight_loading import build_empty, load_weights, weight_targets
from inference_pio.runtime.weight_map import WeightMap, unpermute_rotary

CPU = torch.device("cpu")
NAMES = {
    "head.w": "lm_head.weight",
    "blk.{n}.norm": "layers.{n}.norm.weight",
    "blk.{n}.q": "layers.{n}.attn.q_proj.weight",
    "blk.{n}.k": "layers.{n}.attn.k_proj.weight",
    "blk.{n}.q.bias": "layers.{n}.attn.q_proj.bias",
    "blk.{n}.k.bias": "layers.{n}.attn.k_proj.bias",
}


class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = RMSNorm(3, eps=1e-6)
        self.attn = nn.Module()
        self.attn.qk_proj = FusedLinear(3, {"q_proj": 4, "k_proj": 2}, bias=True)


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList(Layer() for _ in range(12))  # two digits
        self.lm_head = nn.Linear(3, 5, bias=False)


def build(dtype=torch.float32):
    return build_empty(Model, device=CPU, dtype=dtype)


@pytest.fixture
def arrays():
    rng = np.random.default_rng(0)
    shapes = {"norm": (3,), "q": (4, 3), "k": (2, 3), "q.bias": (4,), "k.bias": (2,)}
    arrays = {f"blk.{n}.{name}": rng.normal(size=shape) for n in range(12) for name, shape in shapes.items()}
    return {name: array.astype(np.float32) for name, array in {**arrays, "head.w": rng.normal(size=(5, 3))}.items()}


def parameters(model):
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("threads", [1, 4])
def test_every_parameter_gets_its_tensor_in_its_dtype(new_checkpoint, arrays, dtype, threads):
    model = build(dtype)
    load_weights(model, new_checkpoint(arrays), WeightMap(names=NAMES), threads=threads)
    loaded = parameters(model)
    expected = {"lm_head.weight": arrays["head.w"]}
    for n in range(12):
        expected[f"layers.{n}.norm.weight"] = arrays[f"blk.{n}.norm"]
        for kind, suffix in (("weight", ""), ("bias", ".bias")):
            parts = [arrays[f"blk.{n}.{name}{suffix}"] for name in "qk"]
            expected[f"layers.{n}.attn.qk_proj.{kind}"] = np.concatenate(parts)
    assert set(loaded) == set(expected)
    for name, array in expected.items():
        own = torch.float32 if "norm" in name else dtype  # norms keep their digits
        assert torch.equal(loaded[name], torch.from_numpy(array).to(own)), name


def test_transforms_apply_to_their_tensor_in_every_layer(new_checkpoint, arrays):
    model = build()
    weight_map = WeightMap(names=NAMES, transforms={"layers.{n}.norm.weight": lambda w: w + 1})
    load_weights(model, new_checkpoint(arrays), weight_map)
    loaded = parameters(model)
    for n in range(12):
        assert np.array_equal(loaded[f"layers.{n}.norm.weight"].numpy(), arrays[f"blk.{n}.norm"] + 1)
    assert np.array_equal(loaded["lm_head.weight"].numpy(), arrays["head.w"])


def assert_refused_untouched(checkpoint, weight_map, match):
    model = build()
    for parameter in model.parameters():
        parameter.data.fill_(7)
    with pytest.raises(TensorMismatchError, match=match):
        load_weights(model, checkpoint, weight_map)
    assert all((parameter == 7).all() for parameter in model.parameters())
    assert not checkpoint.reads


def test_missing_tensors_are_listed_by_the_checkpoints_names(new_checkpoint, arrays):
    del arrays["blk.11.q"], arrays["head.w"]
    assert_refused_untouched(new_checkpoint(arrays), WeightMap(names=NAMES), r"2 missing: blk\.11\.q, head\.w")


def test_unexpected_tensors_are_listed_unless_they_are_known_to_mean_nothing(new_checkpoint, arrays):
    extra = {**arrays, "blk.3.extra": np.zeros(1, np.float32), "blk.12.norm": np.zeros(3, np.float32)}
    weight_map = WeightMap(names=NAMES)
    assert_refused_untouched(new_checkpoint(extra), weight_map, r"2 unexpected: blk\.12\.norm, blk\.3\.extra")
    lenient = WeightMap(names=NAMES, ignored=(r"blk\.\d+\.extra", r"blk\.12\..*"))
    load_weights(build(), new_checkpoint(extra), lenient)


def test_shapes_that_do_not_fit_are_listed_with_both(new_checkpoint, arrays):
    arrays["blk.2.q"] = arrays["blk.2.q"].T.copy()
    match = r"1 of a wrong shape: blk\.2\.q is \(3, 4\), expected \(4, 3\)"
    assert_refused_untouched(new_checkpoint(arrays), WeightMap(names=NAMES), match)


def test_two_tensors_for_one_place_are_not_accepted(new_checkpoint, arrays):
    weight_map = WeightMap(names={**NAMES, "head.again": "lm_head.weight"})
    twice = {**arrays, "head.again": arrays["head.w"]}
    assert_refused_untouched(new_checkpoint(twice), weight_map, r"1 unexpected: head\.again")


def test_all_faults_come_in_one_message_and_long_lists_are_cut(new_checkpoint, arrays):
    faulty = {name: array for name, array in arrays.items() if not name.endswith(".norm")}
    faulty["x"] = np.zeros(1, np.float32)
    match = r"12 missing: blk\.0\.norm.* …; 1 unexpected: x\. Is it the right checkpoint"
    assert_refused_untouched(new_checkpoint(faulty), WeightMap(names=NAMES), match)


def test_progress_counts_up_to_all_bytes(new_checkpoint, arrays):
    events: list[ProgressEvent] = []
    load_weights(build(), new_checkpoint(arrays), WeightMap(names=NAMES), progress=events.append)
    total = sum(array.nbytes for array in arrays.values())
    assert [event.done for event in events] == sorted(event.done for event in events)
    assert (events[-1].done, events[-1].total, events[-1].stage, events[-1].unit) == (total, total, "load", "bytes")


def test_a_tensor_that_cannot_be_read_stops_loading_at_once(new_checkpoint, arrays):
    checkpoint = new_checkpoint(arrays)
    checkpoint.broken = {"blk.0.norm"}
    checkpoint.seconds_a_read = 0.01
    with pytest.raises(OSError, match=r"cannot read blk\.0\.norm"):
        load_weights(build(), checkpoint, WeightMap(names=NAMES), threads=1)
    assert len(checkpoint.reads) < len(arrays) / 2


def test_an_interrupt_stops_loading_at_once(new_checkpoint, arrays):
    def interrupt(event):
        raise KeyboardInterrupt

    checkpoint = new_checkpoint(arrays)
    checkpoint.seconds_a_read = 0.01
    with pytest.raises(KeyboardInterrupt):
        load_weights(build(), checkpoint, WeightMap(names=NAMES), progress=interrupt)
    assert len(checkpoint.reads) < len(arrays) / 2


def test_an_empty_model_takes_its_final_place_and_dtype():
    model = build(torch.float16)
    dtypes = {name: p.dtype for name, p in model.named_parameters()}
    assert {dtype for name, dtype in dtypes.items() if "norm" not in name} == {torch.float16}
    assert {dtype for name, dtype in dtypes.items() if "norm" in name} == {torch.float32}
    assert all(p.device == CPU for p in model.parameters())
    targets = weight_targets(model)
    assert len(targets) == 12 * 5 + 1
    assert not any(tensor.requires_grad for tensor in targets.values())


# Weight maps


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("blk.0.norm", "layers.0.norm.weight"),
        ("blk.117.q.bias", "layers.117.attn.q_proj.bias"),
        ("head.w", "lm_head.weight"),
        ("blk.norm", None),
        ("blk.x.norm", None),
        ("xblk.0.norm", None),
        ("blk.0.norm.", None),
    ],
)
def test_names_are_mapped_with_their_layer_number_and_back(name, target):
    weight_map = WeightMap(names=NAMES)
    assert weight_map.target(name) == target
    if target is not None:
        assert weight_map.source(target) == name


def test_ignored_names_must_match_as_a_whole():
    weight_map = WeightMap(names={}, ignored=(r"a\.b",))
    assert [weight_map.is_ignored(name) for name in ("a.b", "a.bc", "xa.b")] == [True, False, False]


def test_unpermuting_undoes_what_converters_to_gguf_do():
    heads, width, columns = 3, 8, 5
    original = np.random.default_rng(0).normal(size=(heads * width, columns)).astype(np.float32)
    # llama.cpp's convert_hf_to_gguf: pairs (i, i + C/2) come to stand side by side.
    stored = np.empty_like(original)
    for head in range(heads):
        for i in range(width // 2):
            stored[head * width + 2 * i] = original[head * width + i]
            stored[head * width + 2 * i + 1] = original[head * width + i + width // 2]
    assert np.array_equal(unpermute_rotary(heads)(stored), original)
    assert np.array_equal(unpermute_rotary(heads)(stored[:, 0]), original[:, 0])  # a bias
