"""The template of ``inference-pio new`` says what the models of this repository say."""

from __future__ import annotations

import json

from inference_pio.scaffold import build_project, render_project

from .layout import COMPONENTS, MODELS

TEXTS = render_project(build_project("fresh"))
HOME = "src/inference_pio/models/fresh/"


def test_the_template_has_the_structure_of_every_model() -> None:
    folders = {path.removeprefix(HOME).rpartition("/")[0] for path in TEXTS if path.startswith(HOME)}
    assert folders - {""} == set(COMPONENTS)


def test_the_example_checkpoint_is_smollm2s() -> None:
    ours = next(model for model in MODELS if model.word == "smollm2")
    (theirs,) = json.loads((ours.package / "plugin_manifest.json").read_text("utf-8"))["weights"]
    (example,) = json.loads(TEXTS[f"{HOME}plugin_manifest.json"])["weights"]
    assert {**example, "id": theirs["id"]} == theirs


def test_the_template_asks_for_what_our_models_ask_for() -> None:
    ours = next(model for model in MODELS if model.word == "smollm2").project
    lines = TEXTS["pyproject.toml"].splitlines()
    assert f"dependencies = {json.dumps(ours['dependencies'])}" in lines
    assert f'requires-python = "{ours["requires-python"]}"' in lines
