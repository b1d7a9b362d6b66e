// What the analytics page shows of the account's trading: figures, curve, months, groups, distribution.
import { useMemo, useState } from "preact/hooks";
import type { AccountCurve, AnalyticsSummary, Benchmark, Distribution, EquityMark, MonthlyReturns, Page, PnlRow } from "../api/bodies";
import type { Line } from "../chart/lines";
import { NONE, money } from "../format/money";
import { marketDate, marketDay } from "../format/time";
import { Age } from "../parts/age";
import { Figure, Gain, Moment, words } from "../parts/figures";
import { TitledPairs, type Pair } from "../parts/pairs";
import { Loaded, Panel } from "../parts/panel";
import { SymbolLink } from "../parts/symbol";
import { Table, type Column } from "../parts/table";
import { useRead } from "../store/hooks";
import { Histogram } from "./histogram";
import { Lines } from "./lines";
import { MonthsTable } from "./months";
import { days, gained, number, share, tone } from "./numbers";
import { TIMES, TRADES, isPart, queryOf, type Part } from "./query";

const NO_TRADE = "No trade has been closed yet. A trade counts once its position is sold: by its stop, its target or a SELL signal.";

const useSummary = (part: Part) => useRead<AnalyticsSummary>(`/api/analytics/summary${queryOf(part, [...TRADES, "benchmark"])}`);

export function Results({ part }: { part: Part }) {
  const view = useSummary(part);
  return (
    <section class="panel strip" aria-label="Results" data-testid="results">
      <Loaded view={view} what="results" rows={1}>
        {(summary) => <Figures summary={summary} asked={view.at} />}
      </Loaded>
    </section>
  );
}

export function InNumbers({ part }: { part: Part }) {
  const view = useSummary(part);
  return (
    <Panel title="In numbers" testid="ratios" view={view}>
      <Loaded view={view} what="ratios" rows={4}>
        {(summary) => <Ratios summary={summary} part={part} />}
      </Loaded>
    </Panel>
  );
}

const Figures = ({ summary, asked }: { summary: AnalyticsSummary; asked: () => number | undefined }) => (
  <dl class="figures">
    <Figure label="Realised" testid="realised" value={summary.realised_pnl}>
      <span class="chief">
        <Gain amount={summary.realised_pnl} />
      </span>
    </Figure>
    <Figure label="Unrealised">{summary.open_pnl === null ? NONE : <Gain amount={summary.open_pnl} />}</Figure>
    <Figure label="Total return">
      <span class={tone(summary.total_return_percent)}>{gained(summary.total_return_percent)}</span>
    </Figure>
    <Figure label="Deepest drawdown">{share(summary.max_drawdown_percent, 2)}</Figure>
    <Figure label="Trades">
      {summary.trades}
      <span class="soft">
        {" "}
        {summary.wins} won, {summary.losses} lost, {summary.open_trades} open
      </span>
    </Figure>
    <Figure label="Win rate">{summary.win_rate_percent ? share(Number(summary.win_rate_percent)) : NONE}</Figure>
    <Figure label="Profit factor">{number(summary.profit_factor === null ? null : Number(summary.profit_factor))}</Figure>
    <Figure label="Sharpe, a year">{number(summary.curve?.sharpe)}</Figure>
    <Figure label="Since">
      <Moment at={summary.since} form={marketDay} />{" "}
      <span class="soft">
        asked <Age of={asked} />
      </span>
    </Figure>
  </dl>
);

const inTrades = (count: number): string => `${count} ${count === 1 ? "trade" : "trades"}`;

const amount = (value: string | null) => (value === null ? NONE : <Gain amount={value} />);

function Ratios({ summary, part }: { summary: AnalyticsSummary; part: Part }) {
  const trades: Pair[] = [
    ["Expectancy, a trade", amount(summary.expectancy)],
    ["Average win", amount(summary.average_win)],
    ["Average loss", amount(summary.average_loss)],
    ["Payoff, win to loss", number(summary.payoff_ratio === null ? null : Number(summary.payoff_ratio))],
    ["Largest win", amount(summary.largest_win)],
    ["Largest loss", amount(summary.largest_loss)],
    ["Held on average", days(summary.average_holding_days)],
    ["Longest run of wins", inTrades(summary.longest_win_streak_trades)],
    ["Longest run of losses", inTrades(summary.longest_loss_streak_trades)],
    ["Slippage", summary.slippage_bps === null ? NONE : `${number(Number(summary.slippage_bps), 1)} bps, ${money(summary.slippage_dollars ?? "0")}`],
  ];
  const account: Pair[] = [
    ["Total profit and loss", amount(summary.total_pnl)],
    ["Income and fees", amount(summary.income)],
    ["Deposits, net", summary.deposits === null ? NONE : money(summary.deposits)],
  ];
  return (
    <div class="ratio-columns">
      <TitledPairs title="Trades" pairs={trades} />
      {summary.curve ? <TitledPairs title="Account, time-weighted" pairs={[...account, ...curvePairs(summary.curve)]} /> : <p class="soft">{isPart(part) ? "Return and risk are the whole account's: take away symbol, strategy and tag to see them." : "Return and risk need a session that has closed."}</p>}
      {summary.benchmark && <TitledPairs title={`Beside ${summary.benchmark.symbol}, held all the time`} pairs={benchmarkPairs(summary.benchmark)} />}
    </div>
  );
}

export const curvePairs = (curve: AccountCurve): Pair[] => [
  ["Return", gained(curve.total_return_percent)],
  ["Growth a year (CAGR)", gained(curve.cagr_percent)],
  ["Volatility a year", share(curve.volatility_percent, 2)],
  ["Sharpe, a year", number(curve.sharpe)],
  ["Sortino, a year", number(curve.sortino)],
  ["Calmar", number(curve.calmar)],
  ["Deepest drawdown", share(curve.max_drawdown_percent, 2)],
  ["Longest drawdown", days(curve.longest_drawdown_days)],
  ["Best session", gained(curve.best_session_percent)],
  ["Worst session", gained(curve.worst_session_percent)],
  ["Invested on average", share(curve.exposure_percent)],
  ["Sessions with a position", share(curve.time_invested_percent)],
  ["Sessions", String(curve.sessions)],
];

const benchmarkPairs = (beside: Benchmark): Pair[] => [
  ["Account", gained(beside.total_return_percent)],
  [beside.symbol, gained(beside.benchmark_return_percent)],
  ["Alpha a year", gained(beside.alpha_percent)],
  ["Beta", number(beside.beta)],
  ["Correlation", number(beside.correlation)],
  ["Tracking error a year", share(beside.tracking_error_percent, 2)],
  ["Information ratio", number(beside.information_ratio)],
  ["Days both have", String(beside.sessions)],
];

const POINTS = "500";

export function Equity({ part }: { part: Part }) {
  const view = useRead<Page<EquityMark>>(`/api/analytics/pnl-history${queryOf(part, TIMES, { points: POINTS })}`);
  return (
    <Panel title="Equity and drawdown" testid="equity" view={view} aside={isPart(part) ? "of the whole account" : null}>
      <Loaded view={view} what="equity curve" rows={6} isEmpty={(page) => page.items.length === 0} empty="No equity mark yet: the monitor writes one at each of its ticks.">
        {(page) => <EquityLines marks={page.items} />}
      </Loaded>
    </Panel>
  );
}

/** Marks of some days are drawn by the minute, those of a longer stretch have one a day. */
function EquityLines({ marks }: { marks: readonly EquityMark[] }) {
  const lines = useMemo<readonly Line[]>(() => {
    const byTime = new Map(marks.map((mark) => [Math.floor(Date.parse(mark.at) / 1000), mark]));
    const ordered = [...byTime].sort(([left], [right]) => left - right);
    const points = (value: (mark: EquityMark) => number) => ordered.map(([time, mark]) => ({ time, value: value(mark) }));
    return [
      { name: "equity", tone: "accent", pane: 0, unit: "$", points: points((mark) => Number(mark.equity)) },
      { name: "drawdown", tone: "down", pane: 1, unit: "%", filled: true, points: points((mark) => -Number(mark.drawdown_percent)) },
    ];
  }, [marks]);
  const last = marks.at(-1);
  return <Lines lines={lines} tall testid="equity-curve" label={`Equity and drawdown in ${marks.length} points from ${marketDate(marks[0]!.at)} to ${marketDate(last!.at)}, last ${money(last!.equity)}, ${Number(last!.drawdown_percent).toFixed(2)}% below the highest`} />;
}

export function Months({ part }: { part: Part }) {
  const view = useRead<MonthlyReturns>(`/api/analytics/months${queryOf(part, TIMES)}`);
  return (
    <Panel title="Monthly returns" testid="months" flush view={view} aside="time-weighted, deposits left out">
      <Loaded view={view} what="monthly returns" isEmpty={(found) => Object.keys(found.years).length === 0} empty="No session has closed yet.">
        {(found) => <MonthsTable months={found.months} years={found.years} />}
      </Loaded>
    </Panel>
  );
}

export function TradeDistribution({ part }: { part: Part }) {
  const view = useRead<Distribution>(`/api/analytics/distribution${queryOf(part, TRADES)}`);
  return (
    <Panel title="Distribution of trades" testid="distribution" view={view} aside="by gain, in per cent of the entry">
      <Loaded view={view} what="distribution" isEmpty={(found) => found.trades === 0} empty={NO_TRADE}>
        {(found) => <Histogram of={found} />}
      </Loaded>
    </Panel>
  );
}

const GROUPS = [
  ["symbol", "Symbol"],
  ["strategy", "Strategy"],
  ["tag", "Tag"],
  ["month", "Month"],
  ["week", "Week"],
  ["day", "Day"],
] as const;

const columnsOf = (by: string): readonly Column<PnlRow>[] => {
  const isPeriod = by === "day" || by === "week" || by === "month";
  const shared: Column<PnlRow>[] = [
    { head: GROUPS.find(([one]) => one === by)?.[1] ?? by, cell: (row) => (by === "symbol" ? <SymbolLink symbol={row.key} /> : by === "tag" ? <span class="wrap">{words(row.key) || NONE}</span> : row.key || NONE) },
    { head: "Trades", amount: true, cell: (row) => row.trades },
    { head: "Won", amount: true, wide: true, cell: (row) => (row.win_rate_percent === null ? NONE : share(Number(row.win_rate_percent))) },
    { head: "Profit factor", amount: true, wide: true, cell: (row) => number(row.profit_factor === null ? null : Number(row.profit_factor)) },
    { head: "Realised", amount: true, cell: (row) => <Gain amount={row.realised_pnl} /> },
  ];
  return isPeriod
    ? [...shared, { head: "P&L", amount: true, cell: (row) => amount(row.pnl) }, { head: "Return", amount: true, cell: (row) => <span class={tone(row.return_percent)}>{gained(row.return_percent)}</span> }, { head: "Equity", amount: true, wide: true, cell: (row) => (row.equity === null ? NONE : money(row.equity)) }]
    : [...shared, { head: "Unrealised", amount: true, cell: (row) => amount(row.open_pnl) }, { head: "A trade", amount: true, wide: true, cell: (row) => amount(row.expectancy) }];
};

const isPeriod = (by: string): boolean => by === "day" || by === "week" || by === "month";

export function Groups({ part }: { part: Part }) {
  const [by, setBy] = useState<string>("symbol");
  const view = useRead<Page<PnlRow>>(`/api/analytics/pnl${queryOf(part, TRADES, { by })}`);
  return (
    <Panel title="Profit and loss by" testid="groups" flush view={view}>
      <div class="picker inset" role="group" aria-label="Grouped by">
        {GROUPS.map(([value, name]) => (
          <button key={value} type="button" aria-pressed={value === by} onClick={() => setBy(value)} data-testid={`by-${value}`}>
            {name}
          </button>
        ))}
      </div>
      <Loaded view={view} what="profit and loss" isEmpty={(page) => page.items.length === 0} empty={NO_TRADE}>
        {(page) => (
          <div class="tall-table">
            <Table caption={`Profit and loss by ${by}`} columns={columnsOf(by)} rows={isPeriod(by) ? [...page.items].reverse() : page.items} rowKey={(row) => row.key} rowProps={(row) => ({ "data-testid": "pnl-row", "data-key": row.key })} />
          </div>
        )}
      </Loaded>
    </Panel>
  );
}
