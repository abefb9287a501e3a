"""What all tests share: async ones run in virtual time, on asyncio and on trio."""

pytest_plugins = ["toolcase.testing.pytest_plugin"]
