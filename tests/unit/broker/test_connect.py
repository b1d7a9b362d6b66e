"""Connecting: keys by name of their secret, roles apart, and no pandas on the way."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal

import boto3
import msgspec
import pytest
from moto import mock_aws

from alpaquero.broker import alpaca
from alpaquero.broker.alpaca import AlpacaClock, connect_clock, connect_reader, connect_submitter
from alpaquero.broker.dry_run import DryRunBroker, DryRunReader
from alpaquero.broker.keys import BrokerKeys, read_keys, refuse_foreign_keys
from alpaquero.broker.market_data import connect_market_data
from alpaquero.broker.protocol import OrderRequest, OrderSubmitter
from alpaquero.errors import BrokerRejected, BrokerUnavailable, ConfigurationError, Conflict
from alpaquero.settings import ClockSettings, TradingApiSettings
from alpaquero.store import live_trading
from alpaquero.store.books import Baseline, Books
from tests.fakes.http_server import Reply, ScriptedServer
from tests.unit.broker.payloads import ACCOUNT, order

SETTINGS = TradingApiSettings(
    environment="local", alpaca_trading_url="http://127.0.0.1:9200", trading_secret="alpaquero/trading"
)


TRADES = ("submit", "replace", "cancel")


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


def _put(text: str, name: str = "alpaquero/trading") -> None:
    boto3.client("secretsmanager").create_secret(Name=name, SecretString=text)


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
    assert not any(hasattr(reader, method) for method in TRADES)
    assert all(hasattr(submitter, method) for method in TRADES)


def test_a_clock_is_read_with_the_reading_keys_and_is_no_account(secrets: None) -> None:
    """Who needs market time gets neither the trading keys nor a view of the account."""
    _put('{"key_id": "K", "secret_key": "S"}', "alpaquero/data")
    clock = connect_clock(clock_settings("http://127.0.0.1:9200"))
    offered = {name for name in dir(clock) if not name.startswith("_")}
    assert {"asset", "clock", "sessions"} == offered


def test_paper_keys_read_the_clock_of_the_paper_host(secrets: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another paper account's keys will do for reading, also when trading is live."""
    _put('{"key_id": "PKREADS", "secret_key": "S"}', "alpaquero/data")
    asked: list[str] = []
    monkeypatch.setattr(alpaca, "_transport", lambda _kind, url, *_: asked.append(url))
    connect_clock(clock_settings("https://api.alpaca.markets"))
    connect_clock(clock_settings("https://paper-api.alpaca.markets"))
    assert asked == ["https://paper-api.alpaca.markets"] * 2


@pytest.mark.parametrize(
    ("key_id", "url", "complaint"),
    [
        ("PK123", "https://api.alpaca.markets", "holds paper keys"),
        ("PK123", "https://api.alpaca.markets.", "holds paper keys"),
        ("AK123", "https://paper-api.alpaca.markets", "holds live keys"),
        ("AK123", "http://127.0.0.1:9200", "holds live keys"),
        ("AK123", "https://api.alpaca.markets.example.com", "holds live keys"),
    ],
)
def test_keys_of_the_other_environment_are_refused(key_id: str, url: str, complaint: str) -> None:
    """Paper keys never meet the live host, and live keys meet no other; the error says the fix."""
    with pytest.raises(ConfigurationError, match=complaint) as caught:
        refuse_foreign_keys(BrokerKeys(key_id, "hush"), url, "alpaquero/live/trading")
    assert "alpaquero/live/trading" in str(caught.value)
    assert not any(half in str(caught.value) for half in ("hush", key_id))


@pytest.mark.parametrize(
    ("key_id", "url"),
    [
        ("PK123", "https://paper-api.alpaca.markets"),
        ("AK123", "https://api.alpaca.markets"),
        ("laptop", "http://127.0.0.1:9200"),
    ],
)
def test_keys_of_their_own_environment_connect(key_id: str, url: str) -> None:
    """A key at home is fine, and so are keys that say nothing."""
    refuse_foreign_keys(BrokerKeys(key_id, "s"), url, "alpaquero/trading")


@pytest.mark.parametrize("connect", [connect_reader, connect_submitter])
def test_a_connection_asks_where_its_keys_belong(secrets: None, connect: Callable[..., object]) -> None:
    """Reading and placing alike."""
    _put('{"key_id": "AK1", "secret_key": "S"}')
    with pytest.raises(ConfigurationError, match="holds live keys"):
        connect(SETTINGS)


def test_a_dry_run_has_nothing_that_sends(secrets: None) -> None:
    """Whatever keys it reads with, it gets no transport that could place an order."""
    _put('{"key_id": "AK1", "secret_key": "S"}')
    dry = msgspec.structs.replace(
        SETTINGS, environment="dry_run", alpaca_trading_url="https://api.alpaca.markets"
    )
    submitter, reader = connect_submitter(dry), connect_reader(dry)
    assert (type(submitter), type(reader)) == (DryRunBroker, DryRunReader)
    assert isinstance(submitter, DryRunBroker)
    inner = submitter._reader
    assert isinstance(inner, AlpacaClock)
    assert not any(hasattr(inner._transport, method) for method in ("post", "patch", "delete"))


@pytest.fixture
def live(tables: None, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> OrderSubmitter:
    """A live submitter whose host is a scripted server."""
    monkeypatch.setattr(alpaca, "read_keys", lambda _: BrokerKeys("AK1", "S"))
    transport = alpaca._transport
    monkeypatch.setattr(alpaca, "_transport", lambda kind, _, *rest: transport(kind, server.url, *rest))
    return connect_submitter(
        TradingApiSettings(
            environment="live",
            alpaca_trading_url="https://api.alpaca.markets",
            trading_secret="alpaquero/live/trading",
        )
    )


def confirm(account_number: str) -> None:
    live_trading.confirm(
        account_number, author="ana", reason="we begin", now=datetime(2026, 1, 5, tzinfo=UTC)
    )


REQUEST = OrderRequest(client_order_id="aq1-sig-AAPL-k1-0", symbol="AAPL", side="buy", quantity=Decimal(1))


@pytest.mark.parametrize("confirmed", [None, "ANOTHER"])
def test_no_live_order_leaves_before_an_admin_has_confirmed_the_account(
    live: OrderSubmitter, server: ScriptedServer, confirmed: str | None
) -> None:
    """Nor after only another account was confirmed; the refusal says what to do."""
    if confirmed:
        confirm(confirmed)
    server.script = [Reply(200, ACCOUNT)]
    with pytest.raises(BrokerRejected, match="/api/live-trading"):
        live.submit(REQUEST)
    assert [asked.method for asked in server.asked] == ["GET"]


def test_a_confirmed_account_trades(live: OrderSubmitter, server: ScriptedServer) -> None:
    """Once confirmed the orders go, and the account is asked for once."""
    confirm(str(ACCOUNT["account_number"]))
    server.script = [Reply(200, ACCOUNT), Reply(200, order()), Reply(200, order())]
    live.submit(REQUEST)
    live.submit(REQUEST)
    assert [asked.method for asked in server.asked] == ["GET", "POST", "POST"]


def test_an_account_that_cannot_be_asked_for_leaves_no_order_in_doubt(
    live: OrderSubmitter, server: ScriptedServer
) -> None:
    """Nothing was sent, so the order waits; it is not one whose outcome nobody knows."""
    confirm(str(ACCOUNT["account_number"]))
    server.script = [Reply(500, b"")] * 3
    with pytest.raises(BrokerUnavailable, match="before the order"):
        live.submit(REQUEST)
    assert [asked.method for asked in server.asked] == ["GET"] * 3


@pytest.mark.parametrize("url", ["http://127.0.0.1:9200", "https://paper-api.alpaca.markets"])
def test_no_order_leaves_for_another_account_than_the_books_are_of(
    tables: None, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    """A paper account that was reset has new keys and another number: its cash and shares are not ours."""
    monkeypatch.setattr(alpaca, "read_keys", lambda _: BrokerKeys("PK1", "S"))
    transport = alpaca._transport
    monkeypatch.setattr(alpaca, "_transport", lambda kind, _, *rest: transport(kind, server.url, *rest))
    settings = msgspec.structs.replace(SETTINGS, environment="paper", alpaca_trading_url=url)
    books_of("PA000OLD1234")
    server.script = [Reply(200, ACCOUNT)]
    with pytest.raises(BrokerRejected, match="ending in 1234: put keys of that account back"):
        connect_submitter(settings).submit(REQUEST)
    assert [asked.method for asked in server.asked] == ["GET"]


def books_of(account_number: str) -> None:
    """Opens books with that account of the broker."""
    opened = Baseline(
        account_number=account_number,
        cash=Decimal(1),
        positions={},
        last_fill_id=None,
        at=datetime(2026, 1, 5, tzinfo=UTC),
    )
    Books("paper").open_with(opened)


def test_a_live_cancel_needs_no_confirmation(live: OrderSubmitter, server: ScriptedServer) -> None:
    """Taking an order back risks nothing."""
    server.script = [Reply(204)]
    live.cancel("61e69015")
    assert [asked.method for asked in server.asked] == ["DELETE"]


def test_the_newest_confirmation_counts_and_all_are_kept(tables: None) -> None:
    """Who confirmed what and why can be read later."""
    assert live_trading.confirmation() is None
    confirm("FIRST")
    confirm("SECOND")
    newest = live_trading.confirmation()
    assert newest is not None
    assert (newest.number, newest.account_number, newest.author) == (2, "SECOND", "ana")


def test_two_confirmations_at_once_are_one(tables: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second admin is told to look again."""
    monkeypatch.setattr(live_trading, "confirmation", lambda: None)
    confirm("FIRST")
    with pytest.raises(Conflict):
        confirm("SECOND")


def test_prices_fall_back_to_no_other_secret(secrets: None) -> None:
    """Without a data secret there are no prices: the trading keys are never taken instead."""
    _put('{"key_id": "K", "secret_key": "S"}')
    with pytest.raises(ConfigurationError, match="alpaquero/data"):
        connect_market_data(clock_settings("http://127.0.0.1:9200"))


def clock_settings(url: str) -> ClockSettings:
    live = url == "https://api.alpaca.markets"
    return ClockSettings(
        environment="live" if live else "paper",
        alpaca_trading_url=url,
        alpaca_data_url="https://data.alpaca.markets",
        data_secret="alpaquero/data",
    )


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
