"""``inference-pio new``: what is shown, what is warned of, what is refused."""

import json


def test_a_model_is_made_and_what_to_do_next_is_said(cli):
    done = cli.run("new", "My_Model-2")
    assert done.returncode == 0, done.stderr
    assert done.stderr == b""
    folder = cli.home / "inference-pio-my-model-2"
    package = folder / "src" / "inference_pio" / "models" / "my_model_2"
    assert (package / "plugin_manifest.json").is_file()
    assert not (package.parent / "__init__.py").exists()
    page = done.stdout.decode()
    assert "architecture/            __init__.py block.py checkpoints.py" in page
    assert "  inference-pio check ./inference-pio-my-model-2\n" in page
    assert "  pip install -e './inference-pio-my-model-2[test]'\n" in page
    assert '  inference-pio run my-model-2 "Why is the sky blue?"\n' in page


def test_hooks_are_made_in_a_package_of_their_own(cli):
    done = cli.run("new", "journal", "--kind", "hooks")
    assert done.returncode == 0, done.stderr
    assert (cli.home / "inference-pio-journal" / "src" / "inference_pio_journal" / "hooks.py").is_file()
    assert b"inference-pio test journal" in done.stdout


def test_a_program_gets_every_file(cli):
    (cli.home / "plugins").mkdir()
    done = cli.run("new", "acme", "--package", "acme_llama", "--into", "plugins", "--json")
    data = json.loads(done.stdout)
    made = cli.home / "plugins" / "inference-pio-acme"
    assert data.pop("files") == sorted(p.relative_to(made).as_posix() for p in made.rglob("*") if p.is_file())
    assert data == {
        "name": "acme",
        "dist": "inference-pio-acme",
        "kind": "model",
        "package": "acme_llama",
        "folder": str(made.resolve()),
    }


def test_the_texts_that_were_given_are_the_ones_in_the_files(cli):
    done = cli.run("new", "mine", "--author", "Ada Lovelace", "--description", "A model of mine", "--license", "MIT")
    assert done.returncode == 0, done.stderr
    folder = cli.home / "inference-pio-mine"
    assert "Copyright (c) Ada Lovelace" in (folder / "LICENSE").read_text()
    manifest = json.loads((folder / "src/inference_pio/models/mine/plugin_manifest.json").read_text())
    assert (manifest["author"], manifest["description"]) == ("Ada Lovelace", "A model of mine")


def test_a_name_that_an_installed_plugin_has_is_warned_of(echo):
    done = echo.run("new", "Echo")
    assert done.returncode == 0
    assert b"warning: inference-pio-echo 1.0 is installed; installing yours replaces it" in done.stderr
    done = echo.run("new", "echo-hooks", "--json")
    assert b"warning: inference-pio-echo-hooks 1.0 is installed" in done.stderr
    json.loads(done.stdout)


def test_a_name_that_another_distribution_uses_is_warned_of(site, cli):
    site.install("acme-models", {"inference_pio.models": "mine = acme.plugin:create"})
    done = cli.run("new", "mine")
    assert done.returncode == 0
    assert b"acme-models 1.0 is installed and brings a plugin 'mine' already" in done.stderr


def test_a_package_that_is_there_already_is_warned_of(site, cli):
    (site.folder / "acme_llama.py").write_text("raise RuntimeError('imported')")
    done = cli.run("new", "mine", "--package", "acme_llama")
    assert done.returncode == 0
    assert b"a package 'acme_llama' can be imported here already" in done.stderr
    assert b"imported'" not in done.stderr


def test_an_existing_folder_is_left_as_it_is(cli):
    (cli.home / "inference-pio-mine").mkdir()
    (cli.home / "inference-pio-mine" / "precious").touch()
    done = cli.run("new", "mine")
    assert done.returncode == 2
    assert b"exists already and is left as it is" in done.stderr
    assert [path.name for path in (cli.home / "inference-pio-mine").iterdir()] == ["precious"]


def test_wrong_usage_writes_nothing(cli):
    before = sorted(cli.home.rglob("*"))
    for arguments in (["3b"], ["lambda"], [""], ["mine", "--license", "GPL"], ["mine", "--into", "nowhere"], []):
        done = cli.run("new", *arguments)
        assert done.returncode == 2, arguments
        assert done.stdout == b""
        assert done.stderr.startswith(b"error: ")
    assert sorted(cli.home.rglob("*")) == before
