"""The zoo: every hostile plugin is told for what it is, and neither host nor healthy plugin notices the others."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from inference_pio.names import canonical_name

from .conftest import Venv
from .zoo import ANIMALS, Animal, build_healthy

pytestmark = pytest.mark.slow

IMPORT_LIMIT_S = "4"


def identify(animal: Animal) -> str:
    return animal.distribution


@pytest.fixture(scope="module")
def zoo(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Venv]:
    """One environment with all of them."""
    folder = tmp_path_factory.mktemp("zoo")
    shutil.copytree(template, folder / "venv", symlinks=True)
    venv = Venv(folder / "venv", folder / "wheels")
    venv.pip(str(build_healthy(venv.wheels)), *(str(animal.build(venv.wheels)) for animal in ANIMALS))
    for animal in ANIMALS:
        if animal.vandalise:
            animal.vandalise(venv.site)
    yield venv
    shutil.rmtree(folder)  # pytest keeps folders of earlier runs, and this one holds a file of a gigabyte


def test_the_list_shows_all_in_their_states_and_runs_none(zoo: Venv) -> None:
    listed = zoo.json("list", "--all")
    found = {
        record["dist"]: (record["name"], record["state"], [reason["code"] for reason in record["reasons"]])
        for record in (*listed["models"], *listed["hooks"])
    }
    assert found.pop("inference-pio-echo") == ("echo", "ready", [])
    assert set(found) == {animal.distribution for animal in ANIMALS}
    for animal in ANIMALS:
        name, state, codes = found[animal.distribution]
        assert (name, state) == (canonical_name(animal.name), animal.state), animal
        assert not animal.code or animal.code in codes, (animal, codes)


@pytest.mark.parametrize("animal", ANIMALS, ids=identify)
def test_why_not_names_the_gate_and_ends_as_the_state_says(zoo: Venv, animal: Animal) -> None:
    done = zoo.run("why-not", animal.distribution)
    assert done.returncode == {"ready": 0, "incompatible": 1, "invalid": 3}[animal.state], done.stderr
    assert ("failed" in done.stdout) == (animal.state != "ready")
    assert ("fix:" in done.stdout) == bool(animal.code)


@pytest.mark.parametrize("animal", [animal for animal in ANIMALS if animal.run is not None], ids=identify)
def test_running_it_is_an_error_that_names_it_and_its_distribution(zoo: Venv, animal: Animal) -> None:
    done = zoo.run("run", animal.name, "hi")
    assert done.returncode == animal.run, done.stderr
    assert canonical_name(animal.name) in done.stderr
    assert animal.distribution in done.stderr or animal.code == "name-collision"
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("animal", [animal for animal in ANIMALS if animal.check], ids=identify)
def test_check_finds_it_out_whatever_it_does_at_import(zoo: Venv, animal: Animal) -> None:
    done = zoo.run("check", animal.distribution, "--import", "--timeout", IMPORT_LIMIT_S)
    assert done.returncode == 3, done.stderr
    for code in animal.check:
        assert code in done.stdout


def test_fifty_megabytes_of_noise_are_neither_kept_nor_taken_for_the_answer(zoo: Venv) -> None:
    found = zoo.json("check", "shouts", "--import")
    assert "import-prints" in [finding["code"] for finding in found["findings"]]
    assert len(str(found)) < 100_000


def test_a_process_that_dies_of_a_plugin_counts_and_the_third_time_was_the_last(zoo: Venv) -> None:
    for _ in range(3):
        assert zoo.run("run", "ends-process", "hi").returncode == 7
    done = zoo.run("run", "ends-process", "hi")
    assert done.returncode == 1
    assert "put aside" in done.stderr


def test_memory_alone_can_be_overridden(zoo: Venv) -> None:
    assert "going on all the same" in zoo.run("run", "enormous", "hi", "--force").stderr
    assert zoo.run("run", "needy", "hi", "--force").returncode == 1


def test_hooks_that_fail_are_named_once_and_cost_no_command(zoo: Venv) -> None:
    done = zoo.run("--help")
    assert done.returncode == 0
    assert "Examples" in done.stdout
    for name in ("typo", "wrong-signature", "hooks-fail", "raising", "leaving", "wrong-answer", "never-ends"):
        assert done.stderr.count(f"plugin '{name}'") == 1, done.stderr
    assert "did you mean pio_before_generation" in done.stderr


def test_hooks_that_keep_failing_are_put_aside_and_the_noise_ends(zoo: Venv) -> None:
    for _ in range(3):
        zoo.run("--help")
    done = zoo.run("--help")
    assert done.returncode == 0
    assert done.stderr == ""
    hooks = {record["name"]: record["state"] for record in zoo.json("list", "--all")["hooks"]}
    assert set(hooks.values()) == {"quarantined"}


def test_the_healthy_one_works_all_the_while(zoo: Venv) -> None:
    done = zoo.run("run", "echo", "hello there")
    assert done.returncode == 0
    assert "hello there" in done.stdout
    assert zoo.json("info", "echo")["state"] == "ready"
    assert zoo.run("why-not", "echo").returncode == 0
    code = "import inference_pio; print(inference_pio.load('echo', progress=str).generate('hello').text)"
    python = zoo.finish(zoo.python_process("-c", code))
    assert python.returncode == 0, python.stderr
    assert "hello" in python.stdout


def test_doctor_names_them_all_and_ends_with_a_plugins_defect(zoo: Venv) -> None:
    done = zoo.run("doctor", "--json")
    assert done.returncode == 3, done.stderr
    text = done.stdout
    for animal in ANIMALS:
        if animal.state != "ready" or animal.is_hooks:
            assert animal.distribution in text or canonical_name(animal.name) in text, animal
    assert "leftover-egg-info" in text


def test_a_gigabyte_of_manifest_is_not_read(zoo: Venv) -> None:
    record = zoo.json("info", "huge-manifest")
    assert "1000000000 bytes" in record["reasons"][0]["message"]
