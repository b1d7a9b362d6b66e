"""Every exception that the contract tests make, each with its reason, in this one file.

`EXCLUDED_METHODS` are methods of alpaca-py that the exchange does not serve, `UNSERVED` are
operations of the specs, `ERRORS_WITHOUT_A_SCHEMA`, `LET_THROUGH` and `SPOILT` are about answers that the
specs do not know.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class LetThrough:
    """A deviation from the spec that Alpaca itself shows: `said` is a part of what is reported."""

    operation: str
    said: str
    reason: str

    def covers(self, operation: str, said: str) -> bool:
        """Whether this exception is about that report."""
        return operation == self.operation and self.said in said


# Test modules whose answers are broken on purpose, so that the specs cannot know them.
SPOILT = {
    "test_faults": "the fault switchboard answers with HTML, cut JSON and statuses out of turn",
}

# Error statuses that Alpaca answers with and that the specs leave out for most operations.
ERRORS_WITHOUT_A_SCHEMA = {
    400: "a body that is no JSON, or a parameter of a wrong shape; only the data API writes it down",
    401: "keys that are missing or wrong; the trading API's spec has it for no stock route",
    403: "buying power, held shares, blocked accounts; written down for POST /v2/orders alone",
    404: "something that is not there; written down for a few look-ups alone",
    405: "a method that a path does not have",
    422: "a field that cannot be; written down for POST and DELETE of orders alone",
    429: "the request budget; the trading API's spec has it for clock and calendar alone",
}

_TWO_SCHEMAS = "a fill fits both schemas that the spec gives as alternatives, since neither requires a field"
_FAILED_CLOSE = "a position that cannot be closed has the error as its body (FailedClosePositionDetails)"
_LOWER_CASE = "Alpaca and alpaca-py write the type in lower case, the spec's list begins with capitals"
_ACTIVITIES = "GET /v2/account/activities"
_ANNOUNCEMENTS = "GET /v2/corporate_actions/announcements"

LET_THROUGH = [
    LetThrough(_ACTIVITIES, "is valid under each of", _TWO_SCHEMAS),
    LetThrough(f"{_ACTIVITIES}/{{activity_type}}", "is valid under each of", _TWO_SCHEMAS),
    LetThrough("DELETE /v2/positions", "*/body: 'notional' is a required property", _FAILED_CLOSE),
    LetThrough("DELETE /v2/positions", "*/body: 'type' is a required property", _FAILED_CLOSE),
    LetThrough("DELETE /v2/positions", "*/body: 'time_in_force' is a required property", _FAILED_CLOSE),
    LetThrough(_ANNOUNCEMENTS, "*/ca_type: 'split' is not one of", _LOWER_CASE),
    LetThrough(f"{_ANNOUNCEMENTS}/{{id}}", "ca_type: 'split' is not one of", _LOWER_CASE),
]

_NO_OPTIONS = "the exchange trades stocks; the bot trades no options"
_COROUTINE = "a coroutine that `stop` runs; it says nothing to the exchange that `stop` does not"

EXCLUDED_METHODS = {
    "TradingClient.exercise_options_position": _NO_OPTIONS,
    "TradingClient.get_option_contract": _NO_OPTIONS,
    "TradingClient.get_option_contracts": _NO_OPTIONS,
    "TradingStream.close": _COROUTINE,
    "TradingStream.stop_ws": _COROUTINE,
    "StockDataStream.close": _COROUTINE,
    "StockDataStream.stop_ws": _COROUTINE,
}

_UNSERVED_FOR = {
    _NO_OPTIONS: [
        "GET /v1beta1/options/bars",
        "GET /v1beta1/options/meta/conditions/{ticktype}",
        "GET /v1beta1/options/meta/exchanges",
        "GET /v1beta1/options/quotes/latest",
        "GET /v1beta1/options/snapshots",
        "GET /v1beta1/options/snapshots/{underlying_symbol}",
        "GET /v1beta1/options/trades",
        "GET /v1beta1/options/trades/latest",
        "GET /v2/options/contracts",
        "GET /v2/options/contracts/{symbol_or_id}",
        "POST /v2/positions/{symbol_or_contract_id}/do-not-exercise",
        "POST /v2/positions/{symbol_or_contract_id}/exercise",
    ],
    "shares to short are always there on the exchange": [
        "GET /v1/locates",
        "POST /v1/locates",
        "GET /v1/locates/quotes",
        "GET /v1/locates/{locate_id}",
    ],
    "the exchange trades stocks, not coins": [
        "GET /v1beta3/crypto/{loc}/bars",
        "GET /v1beta3/crypto/{loc}/latest/bars",
        "GET /v1beta3/crypto/{loc}/latest/orderbooks",
        "GET /v1beta3/crypto/{loc}/latest/quotes",
        "GET /v1beta3/crypto/{loc}/latest/trades",
        "GET /v1beta3/crypto/{loc}/quotes",
        "GET /v1beta3/crypto/{loc}/snapshots",
        "GET /v1beta3/crypto/{loc}/trades",
        "GET /v2/wallets",
        "GET /v2/wallets/fees/estimate",
        "GET /v2/wallets/transfers",
        "GET /v2/wallets/transfers/{transfer_id}",
        "GET /v2/wallets/travel-rule/vasps",
        "GET /v2/wallets/whitelists",
        "POST /v2/wallets/whitelists",
        "DELETE /v2/wallets/whitelists/{whitelisted_address_id}",
        "PATCH /v2/wallets/whitelists/{whitelisted_address_id}/travel-rule-info",
    ],
    "nothing is tokenized here": [
        "POST /v2/tokenization/mint",
        "GET /v2/tokenization/requests",
        "GET /v2/tokenization/requests/{tokenization_request_id}",
        "GET /v2/tokenization/requests:by_client_request_id",
    ],
    "a stream of server-sent events that alpaca-py's stock clients do not read": [
        "GET /v1beta1/events/corporate-actions",
        "GET /v2beta1/events/activities",
    ],
    "bonds and currencies are not stocks": [
        "GET /v1beta1/fixed_income/latest/prices",
        "GET /v1beta1/fixed_income/latest/quotes",
        "GET /v1beta1/forex/latest/rates",
        "GET /v1beta1/forex/rates",
    ],
    "there is no news, logo or ranking in the prices that are replayed": [
        "GET /v1beta1/logos/{symbol}",
        "GET /v1beta1/news",
        "GET /v1beta1/screener/stocks/most-actives",
        "GET /v1beta1/screener/{market_type}/movers",
    ],
}
UNSERVED = {operation: reason for reason, unserved in _UNSERVED_FOR.items() for operation in unserved}
