"""What several of these tests look at."""

import browser
import pytest


@pytest.fixture(scope="session")
def page():
    """A page of a browser."""
    with browser.browsing() as opened:
        yield opened
