"""Folders: one file, shards, split GGUF sets, and everything that a folder must not be."""

import json
import struct

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from inference_pio.errors import CheckpointError, WeightsNotFoundError
from inference_pio.runtime.weights import open_checkpoint


@pytest.fixture
def sharded(tmp_path):
    """Two shards and their index; returns a function that writes the index anew."""
    (tmp_path / "config.json").write_text('{"model_type": "qwen3"}')
    save_file({"a": torch.ones(2)}, tmp_path / "model-00001-of-00002.safetensors")
    save_file({"b": torch.zeros(3)}, tmp_path / "model-00002-of-00002.safetensors")

    def write_index(weight_map):
        (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
        return tmp_path

    write_index({"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"})
    return write_index


def test_shards_are_one_checkpoint(sharded, tmp_path):
    checkpoint = open_checkpoint(tmp_path)
    assert checkpoint.architecture == "qwen3"
    assert list(checkpoint.tensors) == ["a", "b"]
    np.testing.assert_array_equal(checkpoint.read("b"), np.zeros(3, dtype=np.float32))


def test_a_missing_shard_is_named(sharded, tmp_path):
    (tmp_path / "model-00002-of-00002.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"index\.json.*model-00002-of-00002\.safetensors' is missing"):
        open_checkpoint(tmp_path)


def test_a_tensor_that_the_index_names_and_no_shard_holds_is_named(sharded):
    folder = sharded({"a": "model-00001-of-00002.safetensors", "c": "model-00001-of-00002.safetensors"})
    with pytest.raises(CheckpointError, match=r"00001-of-00002\.safetensors' lacks 1 tensors \('c'\)"):
        open_checkpoint(folder)


def test_a_tensor_that_the_index_does_not_name_is_named(sharded, tmp_path):
    save_file({"a": torch.ones(2), "x": torch.ones(2)}, tmp_path / "model-00001-of-00002.safetensors")
    with pytest.raises(CheckpointError, match=r"holds, beside those the index names, 1 tensors \('x'\)"):
        open_checkpoint(tmp_path)


@pytest.mark.parametrize(
    "shard",
    [
        "../other/model.safetensors",
        "/etc/passwd",
        "sub/model.safetensors",
        "..",
        "",
        "sub\\m.safetensors",
        "C:m.safetensors",
        "weights.bin",
        "a\x00.safetensors",
        "C:\\m.safetensors",
    ],
)
def test_an_index_cannot_leave_its_folder(shard, sharded):
    with pytest.raises(CheckpointError, match=r"index\.json.*only a \.safetensors file in the same folder"):
        open_checkpoint(sharded({"a": shard}))


def test_a_shard_that_is_a_link_out_of_the_folder_is_refused(sharded, tmp_path, tmp_path_factory):
    shard = tmp_path / "model-00001-of-00002.safetensors"
    shard.rename(target := tmp_path_factory.mktemp("elsewhere") / "secret")
    shard.symlink_to(target)
    with pytest.raises(CheckpointError, match=r"00001-of-00002\.safetensors' is a link to .*secret"):
        open_checkpoint(tmp_path)


def test_links_of_the_hugging_face_cache_are_followed(tmp_path):
    snapshot, blobs = tmp_path / "snapshots" / "abc", tmp_path / "blobs"
    snapshot.mkdir(parents=True)
    blobs.mkdir()
    save_file({"a": torch.ones(2)}, blobs / "123")
    (snapshot / "model-00001-of-00001.safetensors").symlink_to("../../blobs/123")
    (snapshot / "config.json").write_text('{"model_type": "llama"}')
    index = {"weight_map": {"a": "model-00001-of-00001.safetensors"}}
    (snapshot / "model.safetensors.index.json").write_text(json.dumps(index))
    assert open_checkpoint(snapshot).read("a").tolist() == [1, 1]


@pytest.mark.parametrize("weight_map", [None, [], {"a": 1}, "x"])
def test_an_index_without_a_sound_map_is_refused(weight_map, sharded):
    with pytest.raises(CheckpointError, match="weight_map is not an object"):
        open_checkpoint(sharded(weight_map))


def test_several_files_without_an_index_are_refused(sharded, tmp_path):
    (tmp_path / "model.safetensors.index.json").unlink()
    with pytest.raises(CheckpointError, match="missing beside 2 safetensors files"):
        open_checkpoint(tmp_path)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (b"{", "JSON cannot be read"),
        (b"[]", "list where an object"),
        (b"{}", "model_type is None"),
        (b'{"model_type": 1}', "model_type is 1"),
        (b'{"a": 1, "a": 2}', "'a' occurs twice"),
        (b"[" * 99999, "JSON"),
    ],
)
def test_a_broken_config_is_refused(config, message, sharded, tmp_path):
    (tmp_path / "config.json").write_bytes(config)
    with pytest.raises(CheckpointError, match=message) as caught:
        open_checkpoint(tmp_path)
    assert "config.json" in str(caught.value)


def test_a_missing_config_is_named(sharded, tmp_path):
    (tmp_path / "config.json").unlink()
    with pytest.raises(WeightsNotFoundError, match=r"no config\.json"):
        open_checkpoint(tmp_path)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "model.pth", "x.ckpt", "x.pkl"])
def test_pickles_are_never_loaded(name, write, tmp_path):
    path = write(name, b"cos\nsystem\n(S'touch pwned'\ntR.")
    write("config.json", b'{"model_type": "llama"}')
    for target in (path, tmp_path):
        with pytest.raises(CheckpointError, match=r"pickle.*never loaded.*safe_serialization"):
            open_checkpoint(target)


def test_an_empty_folder_is_no_checkpoint(tmp_path):
    with pytest.raises(WeightsNotFoundError, match="no checkpoint in"):
        open_checkpoint(tmp_path)


def test_a_file_of_another_format_is_refused(write):
    with pytest.raises(CheckpointError, match=r"readme\.txt.*neither GGUF nor safetensors"):
        open_checkpoint(write("readme.txt", b"hello"))


def test_a_folder_with_exactly_one_gguf_file_is_that_file(small_gguf, write, tmp_path):
    write("m.gguf", small_gguf.build())
    assert open_checkpoint(tmp_path).format == "gguf"
    write("n.gguf", small_gguf.build())
    with pytest.raises(CheckpointError, match=r"several GGUF models \(m\.gguf, n\.gguf\)"):
        open_checkpoint(tmp_path)


@pytest.fixture
def split(new_gguf, write):
    """Write ``model-0000N-of-00003.gguf`` with one tensor each; a part can be told to lie."""

    def write_parts(*, no=(0, 1, 2), names=("a", "b", "c"), promised=3, parts=(1, 2, 3)):
        for number in parts:
            gguf = new_gguf()
            if number > 1:
                gguf.values.clear()  # only the first part has the key-values
            gguf.add("split.no", 2, struct.pack("<H", no[number - 1]))
            gguf.add("split.count", 2, struct.pack("<H", 3))
            gguf.add("split.tensors.count", 5, struct.pack("<i", promised))
            gguf.add_tensor(names[number - 1], [1], 0, struct.pack("<f", number))
            path = write(f"model-{number:05}-of-00003.gguf", gguf.build())
        return path.with_name("model-00001-of-00003.gguf")

    return write_parts


def test_a_split_set_is_one_checkpoint(split, tmp_path):
    first = split()
    for path in (first, tmp_path):
        checkpoint = open_checkpoint(path)
        assert {name: checkpoint.read(name)[0] for name in checkpoint.tensors} == {"a": 1, "b": 2, "c": 3}
        assert checkpoint.architecture == "llama"


def test_another_part_than_the_first_says_which_one_to_open(split):
    with pytest.raises(CheckpointError, match=r"is part 2 of 3.*Open the first part: .*model-00001-of-00003\.gguf"):
        open_checkpoint(split().with_name("model-00002-of-00003.gguf"))


@pytest.mark.parametrize(
    ("lie", "message"),
    [
        ({"parts": (1, 3)}, "part model-00002-of-00003.gguf is missing"),
        ({"no": (0, 2, 2)}, "does not say that it is part 2 of 3"),
        ({"names": ("a", "b", "a")}, "'a' also lies in an earlier part"),
        ({"promised": 9}, "hold 3 tensors and should hold 9"),
    ],
)
def test_parts_that_do_not_belong_together_are_refused(lie, message, split):
    with pytest.raises(CheckpointError) as caught:
        open_checkpoint(split(**lie))
    assert message in str(caught.value)


def test_a_part_that_was_renamed_says_what_it_must_be_called(split):
    renamed = split().rename(split().with_name("model.gguf"))
    with pytest.raises(CheckpointError, match=r"one of 3 parts.*NAME-00001-of-00003\.gguf"):
        open_checkpoint(renamed)
