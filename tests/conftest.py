"""What all tests share."""

pytest_plugins = ["toolcase.testing.pytest_plugin"]
