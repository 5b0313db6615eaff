"""Schwab is known and refuses with its reason."""

import pytest

from pipeline.errors import ConfigError
from resources.venues.schwab import open_schwab


def test_schwab_says_why_it_is_refused_and_what_to_use_instead():
    with pytest.raises(ConfigError, match="browser every seven days") as caught:
        open_schwab()
    assert caught.value.exit_code == 1
    assert all(name in caught.value.fix for name in ("yahoo", "alpaca", "files"))
