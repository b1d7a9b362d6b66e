"""What an AWS account and a broker's account need before a stack goes into it; no check prints a secret.

``alpaquero doctor --env`` and ``alpaquero deploy`` run `checks`. Every call is a read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from alpaquero.broker.keys import BrokerKeys, refuse_foreign_keys
from alpaquero.errors import ConfigurationError
from laptop.aws.environments import LIVE, Target
from laptop.deploy import Clients
from laptop.doctor.finding import Check, Finding, fail, judged, ok, skipped, warn
from laptop.doctor.network import Fetch, Reply, fetch

PAPER_URL: Final = "https://paper-api.alpaca.markets"
_DATA_URL: Final = "https://data.alpaca.markets"
# One of each service that a deploy touches; infra/deploy-role.yaml has all.
DEPLOY_ACTIONS: Final = (
    "cloudformation:CreateChangeSet",
    "cloudformation:ExecuteChangeSet",
    "s3:PutObject",
    "lambda:CreateFunction",
    "iam:CreateRole",
    "iam:PassRole",
    "dynamodb:CreateTable",
    "sqs:CreateQueue",
    "sns:CreateTopic",
    "events:PutRule",
    "apigateway:POST",
    "cognito-idp:CreateUserPool",
    "cloudfront:CreateDistribution",
    "cloudwatch:PutMetricAlarm",
    "logs:CreateLogGroup",
    "codedeploy:CreateDeploymentGroup",
    "budgets:ModifyBudget",
)
_LEAST_CONCURRENCY: Final = 10
_GOOD_CONCURRENCY: Final = 100
_SIMULATED_AT_ONCE: Final = 100


@dataclass
class Account:
    """An account and what shall go into it; `number` is the broker's, once it has answered."""

    clients: Clients
    target: Target
    region: str
    fetch: Fetch = fetch
    number: str = ""
    keys: dict[str, BrokerKeys] = field(default_factory=dict)

    @property
    def trading_url(self) -> str:
        """The broker's address that orders go to."""
        return self.target.parameters.get("AlpacaTradingUrl", PAPER_URL)


def checks(account: Account) -> list[tuple[str, Check]]:
    """Every check, by name; the broker's come after the secrets, whose keys they use."""
    return [
        ("identity", lambda: identity(account)),
        ("permissions", lambda: permissions(account)),
        ("secret for trading", lambda: secret(account, "TradingSecret")),
        ("secret for data", lambda: secret(account, "DataSecret")),
        ("two keys", lambda: two_keys(account)),
        ("broker's account", lambda: broker_account(account)),
        ("market data", lambda: market_data(account)),
        ("Lambda concurrency", lambda: concurrency(account)),
        ("mail", lambda: mail(account)),
        ("SMS", lambda: sms(account)),
        ("MFA of the root user", lambda: root_mfa(account)),
    ]


def identity(account: Account) -> Finding:
    """Somebody, and not the root user."""
    who = account.clients.client("sts").get_caller_identity()
    is_root = str(who["Arn"]).endswith(":root")
    return judged(
        "identity",
        "sts GetCallerIdentity",
        f"{who['Arn']} in {account.region}",
        "sign in as a user or role of your own, never as root: docs/deploy.md",
        good=not is_root,
    )


def source_arn(arn: str) -> str:
    """The user or role behind an identity, as IAM's simulator wants it; a session's role has no session."""
    if ":assumed-role/" not in arn:
        return arn
    _, partition, _, _, account_id, *_ = arn.split(":")
    return f"arn:{partition}:iam::{account_id}:role/{arn.split('/')[1]}"


def permissions(account: Account) -> Finding:
    """What a deploy does, as IAM's simulator judges it; it knows no organisation's limits."""
    how = "iam SimulatePrincipalPolicy"
    who = account.clients.client("sts").get_caller_identity()["Arn"]
    answer = account.clients.client("iam").simulate_principal_policy(
        PolicySourceArn=source_arn(who), ActionNames=list(DEPLOY_ACTIONS), MaxItems=_SIMULATED_AT_ONCE
    )
    denied = sorted(
        one["EvalActionName"] for one in answer["EvaluationResults"] if one["EvalDecision"] != "allowed"
    )
    if not denied:
        return ok("permissions", how, f"all {len(DEPLOY_ACTIONS)} allowed")
    # A role narrowed to our names is denied on "any resource", which the simulator asks by default.
    return warn(
        "permissions",
        how,
        f"not allowed on any resource: {', '.join(denied)}",
        "deploy as the role of infra/deploy-role.yaml, which allows them on our resources alone",
    )


def secret(account: Account, parameter: str) -> Finding:
    """There, of our shape, and with keys that belong to this environment."""
    title = f"secret for {'trading' if parameter == 'TradingSecret' else 'data'}"
    name = account.target.parameters.get(parameter, "")
    how = f"secretsmanager GetSecretValue {name}, not printed"
    client = account.clients.client("secretsmanager")
    try:
        text = client.get_secret_value(SecretId=name)["SecretString"]
    except client.exceptions.ResourceNotFoundException:
        return fail(title, how, "not there", f"make it: docs/deploy.md, section Secrets ({name})")
    try:
        held = json.loads(text)
        keys = BrokerKeys(held["key_id"], held["secret_key"])
    except (ValueError, KeyError, TypeError):
        return fail(title, how, "of another shape", 'put {"key_id": "...", "secret_key": "..."} into it')
    if not all(
        isinstance(half, str) and half.strip() == half and half for half in (keys.key_id, keys.secret_key)
    ):
        return fail(title, how, "an empty half, or spaces around one", "copy both halves from Alpaca again")
    if parameter == "TradingSecret":
        try:
            refuse_foreign_keys(keys, account.trading_url, name)
        except ConfigurationError as error:
            return fail(title, how, "keys of the other environment", str(error))
    account.keys[parameter] = keys
    return ok(title, how, "there, of the right shape")


def two_keys(account: Account) -> Finding:
    """The key that reads is another one: what leaks from a function that only reads must not trade."""
    trading, data = account.keys.get("TradingSecret"), account.keys.get("DataSecret")
    if trading is None or data is None:
        return skipped("two keys", "comparing them", "a secret is missing")
    same = trading.key_id == data.key_id
    found = "one key for both" if same else "two"
    fix = "give DataSecret the key of another account, a paper account's will do"
    if same and account.target.environment != LIVE:
        return warn("two keys", "comparing them", found, fix)
    return judged("two keys", "comparing them", found, fix, good=not same)


def _asked(account: Account, url: str, parameter: str) -> Reply | None:
    keys = account.keys.get(parameter)
    if keys is None:
        return None
    headers = {"APCA-API-KEY-ID": keys.key_id, "APCA-API-SECRET-KEY": keys.secret_key}
    return account.fetch(url, headers)


def broker_account(account: Account) -> Finding:
    """The keys open an account that may trade; its number is kept for who must type it."""
    title, url = "broker's account", f"{account.trading_url}/v2/account"
    reply = _asked(account, url, "TradingSecret")
    if reply is None:
        return skipped(title, url, "no keys to ask with")
    if reply.status != 200:
        return fail(
            title, url, f"answers {reply.status}", "make a new key at Alpaca for this very environment"
        )
    told: Mapping[str, Any] = reply.body
    blocks = [
        name for name in ("trading_blocked", "account_blocked", "trade_suspended_by_user") if told.get(name)
    ]
    state = told.get("status", "unknown")
    account.number = str(told.get("account_number", ""))
    # The number must be typed for live, so no line shows more of it than its end.
    found = f"{state}, ends in {account.number[-4:]}" + (f", {', '.join(blocks)}" if blocks else "")
    return judged(
        title, url, found, "ask Alpaca what holds the account back", good=state == "ACTIVE" and not blocks
    )


def market_data(account: Account) -> Finding:
    """The reading key is let in to the feed that the stack names."""
    feed = account.target.parameters.get("AlpacaDataFeed", "iex")
    base = account.target.parameters.get("AlpacaDataUrl", _DATA_URL)
    url = f"{base}/v2/stocks/AAPL/bars/latest?feed={feed}"
    reply = _asked(account, url, "DataSecret")
    if reply is None:
        return skipped("market data", url, "no keys to ask with")
    return judged(
        "market data",
        url,
        f"answers {reply.status}",
        f"the key may not read {feed}: take AlpacaDataFeed=iex, or another subscription",
        good=reply.status == 200,
    )


def concurrency(account: Account) -> Finding:
    """Enough functions may run at once; a new account has ten."""
    limit = account.clients.client("lambda").get_account_settings()["AccountLimit"]["ConcurrentExecutions"]
    how, fix = (
        "lambda GetAccountSettings",
        "ask for 1,000 under Service Quotas, Lambda, Concurrent executions",
    )
    if limit < _LEAST_CONCURRENCY or (limit < _GOOD_CONCURRENCY and account.target.environment == LIVE):
        return fail("Lambda concurrency", how, f"{limit} at once", fix)
    if limit < _GOOD_CONCURRENCY:
        return warn("Lambda concurrency", how, f"{limit} at once", fix)
    return ok("Lambda concurrency", how, f"{limit} at once")


def mail(account: Account) -> Finding:
    """The sender is verified; in SES's sandbox those who get mail must be too."""
    sender = account.target.parameters.get("MailFrom", "")
    recipient = account.target.parameters.get("MailTo", "")
    ses, how = account.clients.client("ses"), "ses GetIdentityVerificationAttributes, GetSendQuota"
    if not sender or sender.endswith("@example.com"):
        return fail(
            "mail", how, "no sender is set", "--set MailFrom=you@your-domain --set MailTo=you@your-domain"
        )
    names = [sender, sender.split("@")[-1], recipient]
    told = ses.get_identity_verification_attributes(Identities=[name for name in names if name])
    verified = {
        name for name, one in told["VerificationAttributes"].items() if one["VerificationStatus"] == "Success"
    }
    if not verified & set(names[:2]):
        return fail(
            "mail",
            how,
            f"{sender} is not verified",
            f"aws ses verify-email-identity --email-address {sender}",
        )
    in_sandbox = ses.get_send_quota()["Max24HourSend"] <= 200
    if in_sandbox and recipient not in verified and recipient.split("@")[-1] != sender.split("@")[-1]:
        return fail(
            "mail",
            how,
            f"SES's sandbox mails to verified addresses alone, {recipient} is none",
            f"aws ses verify-email-identity --email-address {recipient}, or ask for production access",
        )
    return ok("mail", how, f"{sender} is verified{', in the sandbox' if in_sandbox else ''}")


def sms(account: Account) -> Finding:
    """SMS cost money and end at a monthly limit; needed by who wants them alone."""
    sns, how = account.clients.client("sns"), "sns GetSMSSandboxAccountStatus, GetSMSAttributes"
    sandbox = sns.get_sms_sandbox_account_status()["IsInSandbox"]
    limit = sns.get_sms_attributes(attributes=["MonthlySpendLimit"])["attributes"].get(
        "MonthlySpendLimit", "1"
    )
    found = f"at most {limit} dollars a month{', to verified numbers alone (sandbox)' if sandbox else ''}"
    if sandbox:
        return warn("SMS", how, found, "verify your number under SNS, Text messaging, or use mail alone")
    return ok("SMS", how, found)


def root_mfa(account: Account) -> Finding:
    """The account's own password is not all that guards it."""
    summary = account.clients.client("iam").get_account_summary()["SummaryMap"]
    return judged(
        "MFA of the root user",
        "iam GetAccountSummary",
        "on" if summary.get("AccountMFAEnabled") else "off",
        "sign in as root once, Security credentials, Assign MFA device",
        good=bool(summary.get("AccountMFAEnabled")),
    )
