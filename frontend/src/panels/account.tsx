// The account at a glance, and our books beside the broker's.
import { useMemo } from "preact/hooks";
import type { Account, Page, PortfolioDay, PortfolioSummary } from "../api/bodies";
import { NONE, gainPercent, gap, money, percent, ratioPercent } from "../format/money";
import { Age } from "../parts/age";
import { Cached, Figure, Gain, Moment, Money, State } from "../parts/figures";
import { Loaded, Panel } from "../parts/panel";
import { Sparkline } from "../parts/sparkline";
import { useRead } from "../store/hooks";
import { STATE_TONES } from "./trading-state";

export const useAccount = () => useRead<Account>("/api/account");
export const useSummary = () => useRead<PortfolioSummary>("/api/portfolio/summary");

const SPARK_DAYS = 30;

export function AccountStrip() {
  const view = useAccount();
  const summary = useSummary().data;
  return (
    <section class="panel strip" aria-label="Account">
      <Loaded view={view} what="account figures" rows={1}>
        {(account) => (
          <dl class="figures">
            <Figure label="Equity" testid="account-equity" value={account.equity}>
              <span class="chief">{money(account.equity)}</span>
            </Figure>
            <div class="figure">
              <dt>Last {SPARK_DAYS} days</dt>
              <dd>
                <EquityLine />
              </dd>
            </div>
            <Figure label="Day P&L" testid="day-pnl" {...(summary?.day_pnl ? { value: summary.day_pnl } : {})}>
              {summary?.day_pnl ? <DayGain pnl={summary.day_pnl} equity={account.equity} /> : NONE}
            </Figure>
            <Figure label="Buying power" testid="account-buying-power" value={account.buying_power}>
              <Money amount={account.buying_power} />
            </Figure>
            <Figure label="Cash" testid="account-cash" value={account.cash}>
              <Money amount={account.cash} />
            </Figure>
            <Figure label="Position value" testid="account-position-value" value={account.position_value}>
              <Money amount={account.position_value} />
              {summary && <span class="soft"> {percent(summary.exposure_percent)} of equity</span>}
            </Figure>
            <Figure label="Trading" testid="trading-state" value={account.trading_state}>
              <State tone={STATE_TONES[account.trading_state] ?? "busy"}>{account.trading_state}</State>
            </Figure>
            <Figure label="As of">
              <span class="minor">
                <Moment at={account.as_of} /> <span class="soft">asked</span> <Age of={view.at} /> <Cached what={summary} />
              </span>
            </Figure>
          </dl>
        )}
      </Loaded>
    </section>
  );
}

/** The day's gain in dollars, and in per cent of what the day began with. */
const DayGain = ({ pnl, equity }: { pnl: string; equity: string }) => {
  const share = ratioPercent(pnl, equity);
  return (
    <>
      <Gain amount={pnl} />
      {share !== null && <span class="soft"> {gainPercent(share)}</span>}
    </>
  );
};

function EquityLine() {
  const { data } = useRead<Page<PortfolioDay>>(`/api/portfolio/history?days=${SPARK_DAYS}`);
  const values = useMemo(() => (data?.items ?? []).map((day) => Number(day.equity)).reverse(), [data]);
  const strokes = useMemo(() => [{ values, tone: values.at(-1)! >= values[0]! ? ("up" as const) : ("down" as const) }], [values]);
  if (values.length < 2) return <span class="minor soft">{data ? "after two days" : NONE}</span>;
  return <Sparkline wide label={`Equity of the last ${values.length} sessions: from $${values[0]} to $${values.at(-1)}`} strokes={strokes} />;
}

interface Line {
  name: string;
  ours: string;
  theirs: string;
}

export function Books() {
  const view = useAccount();
  const aside = view.data && (
    <>
      as of <Moment at={view.data.as_of} />
    </>
  );
  return (
    <Panel title="Our books and the broker's" aside={aside} view={view}>
      <Loaded view={view} what="books" rows={2}>
        {(account) => <BooksTable account={account} />}
      </Loaded>
    </Panel>
  );
}

function BooksTable({ account }: { account: Account }) {
  const lines: Line[] = [
    { name: "Cash", ours: account.cash, theirs: account.broker_cash },
    { name: "Equity", ours: account.equity, theirs: account.broker_equity },
  ];
  const apart = lines.filter((line) => gap(line.ours, line.theirs) !== null);
  const agree = apart.length === 0;
  return (
    <div class="books">
      <table>
        <caption class="unseen">Cash and equity, ours and the broker's</caption>
        <thead>
          <tr>
            <td />
            <th scope="col" class="amount">Ours</th>
            <th scope="col" class="amount">Broker</th>
          </tr>
        </thead>
        <tbody>
          {lines.map((line) => (
            <tr key={line.name}>
              <th scope="row">{line.name}</th>
              <td class="amount">{money(line.ours)}</td>
              <td class="amount">{money(line.theirs)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <p class={agree ? "verdict up" : "verdict down"} data-testid="books-agree" data-agree={String(agree)}>
        <span class="shape" aria-hidden="true">
          {agree ? "✓" : "✕"}
        </span>
        {agree ? "Agree to the cent" : apart.map((line) => `${line.name} differs by ${gap(line.ours, line.theirs)}`).join("; ")}
      </p>
    </div>
  );
}
