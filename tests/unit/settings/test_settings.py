"""The one way a function reads its environment."""

from __future__ import annotations

import pytest

from alpaquero.errors import ConfigurationError
from alpaquero.settings import (
    BrokerSettings,
    DataApiSettings,
    FunctionSettings,
    IssuerSettings,
    Text,
    TradingApiSettings,
    load,
)

SOUND = {
    "ACCOUNT": "paper",
    "ENVIRONMENT": "paper",
    "ALPACA_TRADING_URL": "https://paper-api.alpaca.markets",
    "TRADING_SECRET": "alpaquero/paper/trading",
    "ALPACA_DATA_URL": "https://data.alpaca.markets",
    "DATA_SECRET": "alpaquero/paper/data",
}


class Counted(FunctionSettings, frozen=True, kw_only=True):
    """A model with a number and a needed name."""

    books_table: Text
    shard_size: int = 50


def test_a_model_is_filled_from_the_environment() -> None:
    """Variables are the field names in upper case, numbers are read as numbers, defaults stay."""
    read = load(Counted, {"ENVIRONMENT": "local", "BOOKS_TABLE": "books", "SHARD_SIZE": "7", "OTHER": "x"})
    assert read == Counted(account="paper", environment="local", books_table="books", shard_size=7)


def test_the_process_environment_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a mapping the function's own environment is read."""
    monkeypatch.setenv("ENVIRONMENT", "paper")
    monkeypatch.setenv("BOOKS_TABLE", "mine")
    assert load(Counted).books_table == "mine"


def test_every_fault_is_listed_at_once() -> None:
    """One error names all that is missing or wrong, and says where to mend it."""
    with pytest.raises(ConfigurationError) as caught:
        load(Counted, {"ENVIRONMENT": "moon", "BOOKS_TABLE": "", "SHARD_SIZE": "many"})
    message = str(caught.value)
    assert all(
        part in message
        for part in ("ENVIRONMENT is invalid", "BOOKS_TABLE is missing", "SHARD_SIZE is invalid")
    )
    assert "template.yaml" in message


@pytest.mark.parametrize("model", [TradingApiSettings, DataApiSettings, BrokerSettings])
def test_the_broker_models_read_the_documented_names(model: type[FunctionSettings]) -> None:
    """A sound paper environment fits each of them."""
    assert load(model, SOUND).environment == "paper"


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"ALPACA_TRADING_URL": "https://api.alpaca.markets"}, "ALPACA_TRADING_URL is the live host"),
        ({"ALPACA_TRADING_URL": "https://api.alpaca.markets", "ENVIRONMENT": "local"}, "is the live host"),
        ({"ALPACA_TRADING_URL": "https://API.alpaca.markets.:443"}, "ALPACA_TRADING_URL is the live host"),
        ({"ENVIRONMENT": "live"}, "ENVIRONMENT is live, so set ALPACA_TRADING_URL to https://api.alpaca"),
        ({"ALPACA_TRADING_URL": "http://paper-api.alpaca.markets"}, "keys in the clear"),
        ({"ALPACA_DATA_URL": "http://example.com"}, "keys in the clear"),
        ({"ALPACA_TRADING_URL": "https://paper-api.alpaca.markets/v2"}, "without a path"),
        ({"ALPACA_TRADING_URL": "ftp://paper-api.alpaca.markets"}, "ALPACA_TRADING_URL is invalid"),
    ],
)
def test_paper_keys_never_meet_the_live_host(change: dict[str, str], complaint: str) -> None:
    """The live host needs the live environment, and keys never leave the machine unencrypted."""
    with pytest.raises(ConfigurationError, match=complaint):
        load(BrokerSettings, SOUND | change)


def test_the_laptops_exchange_may_use_http() -> None:
    """Loopback needs no TLS."""
    local = {"ENVIRONMENT": "local", "ALPACA_TRADING_URL": "http://127.0.0.1:9200"}
    assert load(TradingApiSettings, SOUND | local).alpaca_trading_url == "http://127.0.0.1:9200"


@pytest.mark.parametrize("environment", ["live", "dry_run"])
def test_live_is_open_to_the_live_environment(environment: str) -> None:
    """The live environment may use the live host, and so may a dry run, which sends no order."""
    live = {"ENVIRONMENT": environment, "ALPACA_TRADING_URL": "https://api.alpaca.markets"}
    assert environment == load(TradingApiSettings, SOUND | live).environment


COGNITO = {
    "ACCOUNT": "paper",
    "TOKEN_ISSUER": "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_pool",
    "TOKEN_KEYS_URL": "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_pool/.well-known/jwks.json",
    "USER_POOL_CLIENT": "client",
}


@pytest.mark.parametrize("environment", ["paper", "live", "dry_run"])
@pytest.mark.parametrize(
    "issuer", ["http://127.0.0.1:9300", "https://cognito-idp.evil.example/pool", "https://evil.example"]
)
def test_on_aws_only_cognito_signs_people_in(environment: str, issuer: str) -> None:
    """A function that was told of another issuer does not start."""
    assert load(IssuerSettings, COGNITO | {"ENVIRONMENT": environment}).user_pool_client == "client"
    with pytest.raises(ConfigurationError, match="TOKEN_ISSUER is not Cognito"):
        load(IssuerSettings, COGNITO | {"ENVIRONMENT": environment, "TOKEN_ISSUER": issuer})


def test_on_the_laptop_an_issuer_of_its_own_may() -> None:
    """An engine without Cognito has another."""
    told = {"ENVIRONMENT": "local", "TOKEN_ISSUER": "http://127.0.0.1:9300"}
    assert load(IssuerSettings, COGNITO | told).token_issuer == "http://127.0.0.1:9300"
