// What the risk rules say of a ticket that was not sent: the result in a line, then rule by rule.
import type { Assessment, RuleOutcome } from "../api/bodies";
import { money, price, quantity } from "../format/money";
import { Age } from "../parts/age";
import { plain } from "../parts/figures";
import { Pairs, type Pair } from "../parts/pairs";
import { ErrorNotice, Panel } from "../parts/panel";
import type { Asked } from "./assessment";
import type { Side } from "./ticket";

interface Props {
  asked: Asked;
  side: Side;
  symbol: string;
  /** What the ticket lacks, in words; null when it is whole. */
  lacks: string | null;
}

export function VerdictPanel({ asked, side, symbol, lacks }: Props) {
  const { verdict, error, stale, at } = asked;
  const aside = stale && lacks === null ? "asking …" : at !== null && <Age of={at} />;
  return (
    <Panel title="Risk verdict before sending" testid="verdict" aside={aside}>
      {lacks !== null && <p class="empty">{lacks}</p>}
      {lacks === null && error && <ErrorNotice error={error} what="verdict" />}
      {lacks === null && !verdict && !error && (
        <div class="loading" role="status">
          <span class="unseen">Asking the risk rules</span>
          {[0, 1, 2].map((row) => (
            <span key={row} class="bone" aria-hidden="true" />
          ))}
        </div>
      )}
      {lacks === null && verdict && <Answer verdict={verdict} side={side} symbol={symbol} stale={stale} />}
    </Panel>
  );
}

function Answer({ verdict, side, symbol, stale }: { verdict: Assessment; side: Side; symbol: string; stale: boolean }) {
  const failed = verdict.rules.filter((rule) => rule.outcome === "failed");
  return (
    <div class={stale ? "answer stale" : "answer"} data-testid="verdict-answer" data-approved={String(verdict.approved)} data-stale={String(stale)}>
      <p class={verdict.approved ? "verdict up" : "verdict down"} role="status">
        <span class="shape" aria-hidden="true">
          {verdict.approved ? "✓" : "✕"}
        </span>
        {verdict.approved ? `Would be taken: ${side} ${quantity(verdict.quantity)} ${symbol}` : `Would be refused: ${failed.map((rule) => plain(rule.code)).join(", ")}`}
      </p>
      {verdict.approved && <Consequences verdict={verdict} side={side} />}
      <Rules rules={verdict.rules} />
    </div>
  );
}

function Consequences({ verdict, side }: { verdict: Assessment; side: Side }) {
  const told: readonly Pair[] = [
    ["Cash set aside", side === "buy" && money(verdict.reserve_notional)],
    ["Stop, a share", verdict.stop_loss_price && `$${price(verdict.stop_loss_price)}`],
    ["Target, a share", verdict.take_profit_price && `$${price(verdict.take_profit_price)}`],
    ["Size decided by", verdict.bound_by && plain(verdict.bound_by)],
  ];
  return <Pairs pairs={told.filter(([, value]) => value)} />;
}

const ORDER: Readonly<Record<string, number>> = { failed: 0, passed: 1, not_applicable: 2 };
const WORDS: Readonly<Record<string, string>> = { failed: "✕ refused", passed: "✓ passed", not_applicable: "– no say" };

/** Refusals first; rules that have no say in this order are folded away. */
export function Rules({ rules }: { rules: readonly RuleOutcome[] }) {
  const sorted = [...rules].sort((left, right) => (ORDER[left.outcome] ?? 0) - (ORDER[right.outcome] ?? 0));
  const silent = sorted.filter((rule) => rule.outcome === "not_applicable");
  const failed = sorted.filter((rule) => rule.outcome === "failed");
  return (
    <>
      {failed.length > 0 && <RuleList rules={failed} />}
      <RuleList rules={sorted.filter((rule) => rule.outcome === "passed")} />
      {silent.length > 0 && (
        <details class="more">
          <summary>{silent.length} rules that have no say in this order</summary>
          <RuleList rules={silent} />
        </details>
      )}
    </>
  );
}

const RuleList = ({ rules }: { rules: readonly RuleOutcome[] }) => (
  <ul class={rules.some((rule) => rule.outcome === "failed") ? "rules" : "rules many"}>
    {rules.map((rule) => (
      <li key={rule.code} data-testid="rule" data-code={rule.code} data-outcome={rule.outcome}>
        <span class={`rule-outcome ${rule.outcome === "failed" ? "down" : rule.outcome === "passed" ? "up" : "soft"}`}>{WORDS[rule.outcome]}</span>
        <span>
          <strong>{plain(rule.code)}</strong> <span class="soft">{rule.message}</span>
          <Used rule={rule} />
        </span>
      </li>
    ))}
  </ul>
);

/** How much of a limit is used, where the rule measures something against one. */
function Used({ rule }: { rule: RuleOutcome }) {
  if (rule.limit === null || rule.used === null) return null;
  const [limit, used] = [Number(rule.limit), Number(rule.used)];
  // Of a rule with a least, such as one share, more than it is no use of a limit.
  const isLeast = rule.passed && used > limit;
  if (!(limit > 0) || !(used > 0) || isLeast || rule.outcome === "not_applicable") return null;
  return <meter min={0} max={limit} high={limit * 0.8} optimum={0} value={Math.max(0, used)} aria-label={`${plain(rule.code)}: ${quantity(rule.used)} of ${quantity(rule.limit)}`} />;
}
