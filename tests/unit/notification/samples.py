"""Events and settings that the notification service's tests share."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import boto3

from alpaquero.events.schemas import OrderFilled, RiskLimitBreached, ServiceDegraded, TradeRejected

KEY = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
AT = datetime(2026, 1, 5, 14, 30, 1, tzinfo=UTC)  # 09:30 in New York
COMMON: dict[str, Any] = {"occurred_at": AT, "correlation_id": "run-1", "account": "paper"}
FILLED = OrderFilled(
    **COMMON,
    id="filled:1",
    fill_id="20260105093001000::1",
    client_order_id="aq1-sig-AAPL-k1-0",
    symbol="AAPL",
    side="buy",
    purpose="entry",
    role=None,
    quantity=Decimal("53.000"),
    price=Decimal("187.2500"),
    reason="StochRSI crossed up at 14.2",
)
REJECTED = TradeRejected(
    **COMMON,
    id="rejected:1",
    client_order_id="aq1-sig-IBM-k2-0",
    symbol="IBM",
    side="buy",
    codes=["position_limit", "cash_reserve"],
    message="the position would be 12% of equity, the limit is 10%",
)
BREACH = RiskLimitBreached(**COMMON, id="breach:1", code="stop_missing", message="No stop.", symbol="IBM")


def degraded(number: int) -> ServiceDegraded:
    """The same news under another id."""
    return ServiceDegraded(**COMMON, id=f"degraded:{number}", service="signal", message="no answer")


def keep_webhook(url: str, **more: Any) -> None:
    """Makes the secret of the webhook `team`."""
    text = json.dumps({"url": url, "signing_key": KEY, **more})
    boto3.client("secretsmanager").create_secret(Name="alpaquero/webhooks/team", SecretString=text)
