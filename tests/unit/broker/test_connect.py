"""Connecting: keys by name of their secret, roles apart, and no pandas on the way."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import boto3
import msgspec
import pytest
from moto import mock_aws

from alpaquero.broker.alpaca import connect_reader, connect_submitter
from alpaquero.broker.keys import BrokerKeys, read_keys
from alpaquero.errors import ConfigurationError
from alpaquero.settings import TradingApiSettings

SETTINGS = TradingApiSettings(
    environment="local", alpaca_trading_url="http://127.0.0.1:9200", trading_secret="alpaquero/trading"
)


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    read_keys.cache_clear()
    with mock_aws():
        yield
    read_keys.cache_clear()


def _put(text: str) -> None:
    boto3.client("secretsmanager").create_secret(Name="alpaquero/trading", SecretString=text)


def test_keys_are_read_once(secrets: None) -> None:
    """A warm function does not ask Secrets Manager again."""
    _put('{"key_id": "K", "secret_key": "S"}')
    assert BrokerKeys("K", "S") == read_keys("alpaquero/trading")
    boto3.client("secretsmanager").delete_secret(
        SecretId="alpaquero/trading", ForceDeleteWithoutRecovery=True
    )
    assert BrokerKeys("K", "S") == read_keys("alpaquero/trading")


def test_keys_do_not_show() -> None:
    """A logged key pair shows neither half."""
    assert repr(BrokerKeys("KEYID", "SECRET")) == "BrokerKeys()"


@pytest.mark.parametrize(
    "text", ["plain", "{}", '{"key_id": "K"}', '{"key_id": "", "secret_key": "hush"}', '["hush"]']
)
def test_a_secret_of_another_shape_is_told_without_showing_it(secrets: None, text: str) -> None:
    """The error names the secret and the shape, and repeats nothing of what is inside."""
    _put(text)
    with pytest.raises(ConfigurationError, match="alpaquero/trading") as caught:
        read_keys("alpaquero/trading")
    assert "hush" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_missing_secret_says_what_to_do(secrets: None) -> None:
    """The error says to create the secret and to allow reading it."""
    with pytest.raises(ConfigurationError, match="create it as text"):
        read_keys("alpaquero/trading")


def test_a_reader_cannot_submit(secrets: None) -> None:
    """What sync gets has no way to place or cancel an order."""
    _put(msgspec.json.encode({"key_id": "K", "secret_key": "S"}).decode())
    reader, submitter = connect_reader(SETTINGS), connect_submitter(SETTINGS)
    assert not any(hasattr(reader, method) for method in ("submit", "cancel"))
    assert all(hasattr(submitter, method) for method in ("submit", "cancel"))


IMPORTS = """
import sys
from alpaquero.broker.deferred_pandas import deferred_pandas
with deferred_pandas():
    import alpaca.trading.client, alpaca.data.historical.stock
assert not {"pandas", "numpy"} & set(sys.modules), "alpaca loaded pandas or numpy"
"""

AFTERWARDS = (
    IMPORTS
    + """
import numpy, pandas
assert pandas.DataFrame({"a": numpy.array([1, 2])}).shape == (2, 1)
from alpaca.data.models import BarSet
from alpaca.data.models import base
assert base.pd.DataFrame is pandas.DataFrame, "the stand-in did not become pandas"
from alpaca.data.enums import DataFeed
frame = BarSet({"AAPL": [dict(t="2026-01-05T05:00:00Z", o=1, h=1, l=1, c=1, v=1, n=1, vw=1)]}).df
assert list(frame.index.names) == ["symbol", "timestamp"]
"""
)

WITHOUT_PANDAS = (
    """
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("pandas", "numpy"):
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Refuse())
"""
    + IMPORTS
)

LOADED_BEFORE = """
import pandas
from alpaquero.broker.deferred_pandas import deferred_pandas
with deferred_pandas():
    import alpaca.data.models.base as base
assert base.pd is pandas
import sys
assert sys.modules["pandas"] is pandas
"""


@pytest.mark.parametrize(
    "program",
    [IMPORTS, AFTERWARDS, WITHOUT_PANDAS, LOADED_BEFORE],
    ids=["imports", "afterwards", "absent", "before"],
)
def test_alpaca_is_imported_without_pandas(program: str) -> None:
    """Importing the clients loads no pandas, needs none, and leaves a later real import as it was."""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
