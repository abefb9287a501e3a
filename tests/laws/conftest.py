"""How many examples each law is tried on, fewer on trio: see docs/guides/testing.md."""

import pytest
from hypothesis import settings

settings.register_profile("laws", max_examples=100, deadline=None, derandomize=True, database=None)
settings.register_profile("long", max_examples=5_000, deadline=None)

ON_TRIO = 4
"""Of so many examples one is tried on trio too."""


@pytest.fixture
def profile(request):
    """`--hypothesis-profile=long` takes the long run, no option the quick one."""
    profile = settings.get_profile(request.config.getoption("--hypothesis-profile") or "laws")
    if "backend" in request.fixturenames and request.getfixturevalue("backend") == "trio":
        return settings(profile, max_examples=profile.max_examples // ON_TRIO)
    return profile


@pytest.fixture(autouse=True)
def _examples(request, monkeypatch, profile):
    """Gives each property its profile; a state machine asks for it by itself."""
    if hasattr(request.function, "hypothesis"):
        # Hypothesis settles it when the test is decorated, where the back end is not known.
        monkeypatch.setattr(request.function, "_hypothesis_internal_use_settings", profile)
