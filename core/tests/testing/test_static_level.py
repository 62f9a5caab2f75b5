"""Level static: what ``check`` calls an error fails the level, and nothing of the plugin is run for it."""


def test_an_error_of_the_check_fails_the_level_and_is_named(kit, site):
    kit.install("def create_model_name_plugin():\n    return None\n")  # without the class that the manifest promises
    run = kit.run(kit_tests(), "--conformance-level=static")
    assert run.code == 1
    assert run.level is None
    assert "inference-pio check fine" in run.output
    assert "ModelName_Plugin" in run.output
    assert site.executed == [], "static means that nothing is imported"


def test_warnings_do_not_fail_the_level(kit, site):
    kit.install()
    run = kit.run(kit_tests(), "--conformance-level=static")
    assert run.code == 0, run.output
    assert run.level == "static"
    assert site.executed == []


def kit_tests():
    return """\
        from inference_pio.testing import ModelConformance

        class TestConformance(ModelConformance):
            plugin_name = "fine"
    """
