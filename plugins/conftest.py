"""What the tests of all plugins share."""

pytest_plugins = ["toolcase.testing.pytest_plugin"]
