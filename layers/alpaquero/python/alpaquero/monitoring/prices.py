"""AWS's list prices, dated, in one place; the health monitor's usage route and `alpaquero cost` read them.

Dollars in us-east-1, before discounts; `free` is what a month has free for good, `free_first_year` what it
has in an account's first year (accounts made since 2025-07-15 get credits in its place). AWS's pages show
their rates by script, so a stored copy often has them only in its worked examples: `seen` says where the
figure was read, `priced_on` is the date of AWS's own page there, None where the copy has no date or the
figure was not on a page of AWS's. Hold all of them against the live pages before you lean on them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """Dollars for `per` units of `what`, AWS's page that says so, and where it was seen."""

    what: str
    unit: str
    usd: Decimal
    per: int
    source: str
    seen: str
    priced_on: date | None = None
    free: int = 0
    free_first_year: int = 0


_MILLION = 1_000_000
_GB = 1_000_000_000
_D = Decimal
_COPY = "a copy of AWS's page"
_UNDATED = "an undated copy of AWS's page, looked up 2026-11-23"
_EXAMPLES = "the worked examples of AWS's page, as transcribed by api-evangelist"
_GUIDE = "second hand: https://cloudburn.io/blog/{}, {}, from AWS's price list"
_CLOUDWATCH = _GUIDE.format("amazon-cloudwatch-pricing", "2026-02")
_UNSEEN = "not seen; the rate as we know it"
_READ_2025 = date(2025, 5, 9)
_READ_2026 = date(2026, 9, 20)

PRICES = (
    Price(
        what="lambda_requests",
        unit="invocations",
        usd=_D("0.20"),
        per=_MILLION,
        source="https://aws.amazon.com/lambda/pricing/",
        seen=_COPY,
        priced_on=_READ_2025,
        free=_MILLION,
    ),
    Price(
        what="lambda_compute",
        unit="GB-seconds, x86",
        usd=_D("16.6667"),
        per=_MILLION,
        source="https://aws.amazon.com/lambda/pricing/",
        seen=_COPY,
        priced_on=_READ_2025,
        free=400_000,
    ),
    Price(
        what="dynamodb_reads",
        unit="read request units",
        usd=_D("0.125"),
        per=_MILLION,
        source="https://aws.amazon.com/dynamodb/pricing/on-demand/",
        seen=_COPY,
        priced_on=_READ_2025,
    ),
    Price(
        what="dynamodb_writes",
        unit="write request units",
        usd=_D("0.625"),
        per=_MILLION,
        source="https://aws.amazon.com/dynamodb/pricing/on-demand/",
        seen=_COPY,
        priced_on=_READ_2025,
    ),
    Price(
        what="dynamodb_storage",
        unit="GB kept for a month",
        usd=_D("0.25"),
        per=1,
        source="https://aws.amazon.com/dynamodb/pricing/on-demand/",
        seen=_UNSEEN,
        free=25,
    ),
    Price(
        what="sqs_requests",
        unit="requests to standard queues: messages sent, received and deleted, and empty receives",
        usd=_D("0.40"),
        per=_MILLION,
        source="https://aws.amazon.com/sqs/pricing/",
        seen=_GUIDE.format("amazon-sqs-pricing", "2026-03-14"),
        free=_MILLION,
    ),
    Price(
        what="sqs_fifo_requests",
        unit="requests to FIFO queues, counted likewise",
        usd=_D("0.50"),
        per=_MILLION,
        source="https://aws.amazon.com/sqs/pricing/",
        seen=_GUIDE.format("amazon-sqs-pricing", "2026-03-14"),
    ),
    Price(
        what="log_bytes",
        unit="bytes taken in",
        usd=_D("0.50"),
        per=_GB,
        source="https://aws.amazon.com/cloudwatch/pricing/",
        seen=_CLOUDWATCH,
        free=5 * _GB,
    ),
    Price(
        what="log_storage",
        unit="GB kept for a month, compressed",
        usd=_D("0.03"),
        per=1,
        source="https://aws.amazon.com/cloudwatch/pricing/",
        seen=_CLOUDWATCH,
    ),
    Price(
        what="metrics_read",
        unit="metrics read by the health monitor",
        usd=_D("0.01"),
        per=1_000,
        source="https://aws.amazon.com/cloudwatch/pricing/",
        seen=_CLOUDWATCH,
    ),
    Price(
        what="custom_metrics",
        unit="metrics of our own, for a month",
        usd=_D("0.30"),
        per=1,
        source="https://aws.amazon.com/cloudwatch/pricing/",
        seen=_CLOUDWATCH,
        free=10,
    ),
    Price(
        what="alarms",
        unit="alarms, for a month",
        usd=_D("0.10"),
        per=1,
        source="https://aws.amazon.com/cloudwatch/pricing/",
        seen=_CLOUDWATCH,
        free=10,
    ),
    Price(
        what="dashboards",
        unit="CloudWatch dashboards, for a month",
        usd=_D("3.00"),
        per=1,
        source="https://aws.amazon.com/cloudwatch/pricing/",
        seen=_CLOUDWATCH,
        free=3,
    ),
    Price(
        what="traces",
        unit="X-Ray traces recorded",
        usd=_D("5.00"),
        per=_MILLION,
        source="https://aws.amazon.com/xray/pricing/",
        seen=_UNDATED,
        free=100_000,
    ),
    Price(
        what="events",
        unit="custom events put on a bus",
        usd=_D("1.00"),
        per=_MILLION,
        source="https://aws.amazon.com/eventbridge/pricing/",
        seen=_GUIDE.format("amazon-eventbridge-pricing", "2026-03-13"),
    ),
    Price(
        what="notices",
        unit="messages published to an SNS topic",
        usd=_D("0.50"),
        per=_MILLION,
        source="https://aws.amazon.com/sns/pricing/",
        seen=_UNSEEN,
        free=_MILLION,
    ),
    Price(
        what="mails",
        unit="mails sent by SES",
        usd=_D("0.10"),
        per=1_000,
        source="https://aws.amazon.com/ses/pricing/",
        seen=_UNSEEN,
    ),
    Price(
        what="secrets",
        unit="secrets, for a month",
        usd=_D("0.40"),
        per=1,
        source="https://aws.amazon.com/secrets-manager/pricing/",
        seen=_EXAMPLES,
        priced_on=_READ_2026,
    ),
    Price(
        what="secret_requests",
        unit="requests to Secrets Manager",
        usd=_D("0.05"),
        per=10_000,
        source="https://aws.amazon.com/secrets-manager/pricing/",
        seen=_EXAMPLES,
        priced_on=_READ_2026,
    ),
    Price(
        what="api_requests",
        unit="requests to REST APIs",
        usd=_D("3.50"),
        per=_MILLION,
        source="https://aws.amazon.com/api-gateway/pricing/",
        seen=_EXAMPLES,
        priced_on=_READ_2026,
        free_first_year=_MILLION,
    ),
    Price(
        what="socket_messages",
        unit="WebSocket messages, both ways, each 32 KB",
        usd=_D("1.00"),
        per=_MILLION,
        source="https://aws.amazon.com/api-gateway/pricing/",
        seen=_EXAMPLES,
        priced_on=_READ_2026,
        free_first_year=_MILLION,
    ),
    Price(
        what="socket_minutes",
        unit="minutes of WebSocket connections",
        usd=_D("0.25"),
        per=_MILLION,
        source="https://aws.amazon.com/api-gateway/pricing/",
        seen=_EXAMPLES,
        priced_on=_READ_2026,
        free_first_year=750_000,
    ),
    Price(
        what="fargate_vcpu_hours",
        unit="vCPU-hours, Linux on x86",
        usd=_D("0.04048"),
        per=1,
        source="https://aws.amazon.com/fargate/pricing/",
        seen="second hand: https://www.wring.co/blog/aws-fargate-pricing-guide, 2026-03-10",
    ),
    Price(
        what="fargate_gb_hours",
        unit="GB-hours of memory, Linux on x86",
        usd=_D("0.004445"),
        per=1,
        source="https://aws.amazon.com/fargate/pricing/",
        seen="second hand: https://www.wring.co/blog/aws-fargate-pricing-guide, 2026-03-10",
    ),
    Price(
        what="postgres_hours",
        unit="hours of RDS for PostgreSQL, db.t4g.micro in one zone",
        usd=_D("0.016"),
        per=1,
        source="https://aws.amazon.com/rds/postgresql/pricing/",
        seen="second hand: https://infratally.com/articles/aws-rds-pricing-explained-2026.html, 2026",
    ),
    Price(
        what="postgres_storage",
        unit="GB of gp3 kept for a month",
        usd=_D("0.115"),
        per=1,
        source="https://aws.amazon.com/rds/postgresql/pricing/",
        seen="second hand: https://www.usage.ai/blogs/aws/reserved-instances/rds/pricing-calculator/",
    ),
    Price(
        what="redis_hours",
        unit="hours of ElastiCache, cache.t4g.micro",
        usd=_D("0.016"),
        per=1,
        source="https://aws.amazon.com/elasticache/pricing/",
        seen=_UNSEEN,
    ),
)


def price_of(what: str) -> Price:
    """The price of one thing. Raises `KeyError` for what has none here."""
    return _BY_NAME[what]


_BY_NAME = {price.what: price for price in PRICES}
