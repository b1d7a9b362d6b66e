// What one backtest came to, and two of them beside each other.
import { useMemo } from "preact/hooks";
import type { Line } from "../chart/lines";
import { session } from "../desk";
import { NONE, money, price, quantity } from "../format/money";
import { marketDay, marketMoment } from "../format/time";
import { Gain, Moment, plain } from "../parts/figures";
import { Pairs, TitledPairs, type Pair } from "../parts/pairs";
import { ErrorNotice, Loaded, Panel } from "../parts/panel";
import { Table, type Column } from "../parts/table";
import { saveFile } from "../results/file";
import { Lines } from "../results/lines";
import { MonthsTable } from "../results/months";
import { gained, number, share } from "../results/numbers";
import { curvePairs } from "../results/panels";
import { useRead } from "../store/hooks";
import { useSend } from "../store/send";
import { linesOf, type BacktestTrade, type Outcome, type TradeFigures } from "./outcome";
import { rowsOf, type Row } from "./comparison";
import { gainOf } from "./request";

/** A result never changes. */
const NEVER_MS = 86_400_000;
const MOST_TRADES = 200;

const useOutcome = (id: string) => useRead<Outcome>(`/api/backtests/${encodeURIComponent(id)}/result`, NEVER_MS);

export function Result({ id, close }: { id: string; close: () => void }) {
  const view = useOutcome(id);
  return (
    <Panel title="Result of the backtest" testid="backtest-result" aside={<Tools id={id} close={close} />}>
      <Loaded view={view} what="result" rows={8}>
        {(outcome) => <Whole outcome={outcome} />}
      </Loaded>
    </Panel>
  );
}

function Tools({ id, close }: { id: string; close: () => void }) {
  const { busy, error, run } = useSend();
  async function save(): Promise<void> {
    const found = await run(() => session.request("GET", `/api/backtests/${encodeURIComponent(id)}/report`));
    if (found) saveFile(`backtest-${id}.html`, "text/html", found.text);
  }
  return (
    <>
      <button type="button" class="quiet" disabled={busy} onClick={save} data-testid="backtest-report">
        Save the report
      </button>
      <button type="button" class="quiet" onClick={close}>
        Close
      </button>
      {error && <ErrorNotice error={error} what="report" />}
    </>
  );
}

function Whole({ outcome }: { outcome: Outcome }) {
  const { asked, equity } = outcome;
  const lines = useMemo(() => linesOf(equity), [equity]);
  return (
    <>
      <p class="soft">
        {asked.symbols.length} symbols, {asked.start} to {asked.end}, bars of {asked.timeframe}, {money(asked.cash)} to begin with; {asked.data}; {number(outcome.seconds, 1)} s.
      </p>
      {outcome.notes.length > 0 && (
        <ul class="notice warn plain">
          {outcome.notes.map((note) => (
            <li key={note}>{note}</li>
          ))}
        </ul>
      )}
      {equity.days.length > 0 && <Lines lines={lines} tall testid="backtest-curve" label={`Equity of the backtest over ${equity.days.length} sessions, ends with ${money(outcome.final_equity)}, return ${gained(outcome.curve.total_return_percent)}, held all the time ${gained(outcome.benchmark.total_return_percent)}`} />}
      <div class="ratio-columns">
        <TitledPairs title="Account" pairs={curvePairs(outcome.curve)} />
        <TitledPairs title="Trades" pairs={tradePairs(outcome.trades)} />
        <TitledPairs title="What happened" pairs={activityPairs(outcome)} />
      </div>
      <h3>Monthly returns</h3>
      <MonthsTable months={outcome.monthly_percent} years={outcome.yearly_percent} />
      <h3>By symbol</h3>
      <Grouped caption="By symbol" groups={outcome.by_symbol} />
      <h3>By how they ended</h3>
      <Grouped caption="By how they ended" groups={outcome.by_exit_tag} />
      <h3>Trades{outcome.round_trips.length > MOST_TRADES ? `, the last ${MOST_TRADES} of ${outcome.round_trips.length}` : ""}</h3>
      {outcome.round_trips.length === 0 ? <p class="empty">No trade was closed.</p> : <div class="tall-table">
        <Table caption="Trades of the backtest, newest first" columns={tradeColumns(asked.timeframe === "1Day" ? marketDay : marketMoment)} rows={outcome.round_trips.slice(-MOST_TRADES).reverse()} rowKey={(t) => `${t.symbol} ${t.opened_at} ${t.closed_at} ${t.strategy}`} />
      </div>}
    </>
  );
}

const tradePairs = (trades: TradeFigures): Pair[] => [
  ["Trades", String(trades.trades)],
  ["Profit", <Gain amount={trades.pnl} />],
  ["Win rate", trades.win_rate_percent === null ? NONE : share(Number(trades.win_rate_percent))],
  ["Profit factor", trades.profit_factor === null ? NONE : price(trades.profit_factor)],
  ["Payoff", trades.payoff_ratio === null ? NONE : price(trades.payoff_ratio)],
  ["Expectancy, a trade", <Gain amount={trades.expectancy} />],
  ["Average win", <Gain amount={trades.average_win} />],
  ["Average loss", <Gain amount={trades.average_loss} />],
  ["Largest win", <Gain amount={trades.largest_win} />],
  ["Largest loss", <Gain amount={trades.largest_loss} />],
];

const total = (counts: Readonly<Record<string, number>>): number => Object.values(counts).reduce((sum, count) => sum + count, 0);
const reasons = (counts: Readonly<Record<string, number>>): string => Object.entries(counts).map(([code, count]) => `${plain(code)} ${count}`).join(", ");

const activityPairs = ({ activity, final_equity }: Outcome): Pair[] => [
  ["Ends with", money(final_equity)],
  ["Signals", String(activity.signals)],
  ["Withheld", <span title={reasons(activity.withheld)}>{total(activity.withheld)}</span>],
  ["Nothing to do", <span title={reasons(activity.passed_over)}>{total(activity.passed_over)}</span>],
  ["Refused by rules", <span title={reasons(activity.refused)}>{total(activity.refused)}</span>],
  ["Fills", String(activity.fills)],
  ["Fees", money(activity.fees)],
  ["Traded", money(activity.traded_dollars)],
];

type Group = readonly [name: string, figures: TradeFigures];

const GROUPS: readonly Column<Group>[] = [
  { head: "Name", cell: ([name]) => <strong>{plain(name) === name ? name : /^[A-Z0-9.]+$/.test(name) ? name : plain(name)}</strong> },
  { head: "Trades", amount: true, cell: ([, f]) => f.trades },
  { head: "Won", amount: true, cell: ([, f]) => (f.win_rate_percent === null ? NONE : share(Number(f.win_rate_percent))) },
  { head: "Profit factor", amount: true, wide: true, cell: ([, f]) => (f.profit_factor === null ? NONE : price(f.profit_factor)) },
  { head: "Profit", amount: true, cell: ([, f]) => <Gain amount={f.pnl} /> },
];

const Grouped = ({ caption, groups }: { caption: string; groups: Readonly<Record<string, TradeFigures>> }) =>
  Object.keys(groups).length === 0 ? <p class="empty">No trade was closed.</p> : <Table caption={caption} columns={GROUPS} rows={(Object.entries(groups) as Group[]).sort(([, a], [, b]) => Number(b.pnl) - Number(a.pnl))} rowKey={([name]) => name} />;

const tradeColumns = (when: (iso: string) => string): readonly Column<BacktestTrade>[] => [
  { head: "Closed", cell: (t) => <Moment at={t.closed_at} form={when} /> },
  { head: "Opened", wide: true, cell: (t) => <Moment at={t.opened_at} form={when} /> },
  { head: "Symbol", cell: (t) => <strong>{t.symbol}</strong> },
  { head: "Shares", amount: true, cell: (t) => quantity(t.quantity) },
  { head: "Entry, $", amount: true, wide: true, cell: (t) => price(t.entry_price) },
  { head: "Exit, $", amount: true, wide: true, cell: (t) => price(t.exit_price) },
  { head: "Profit", amount: true, cell: (t) => <Gain amount={t.pnl} /> },
  { head: "%", amount: true, cell: (t) => <Gain amount={t.pnl_percent} unit="%" /> },
  { head: "Ended by", wide: true, cell: (t) => plain(t.exit_tag) },
];

export function Comparison({ ids, names, close }: { ids: readonly [string, string]; names: readonly [string, string]; close: () => void }) {
  const [first, second] = [useOutcome(ids[0]), useOutcome(ids[1])];
  return (
    <Panel
      title="Two backtests beside each other"
      testid="backtest-comparison"
      aside={
        <button type="button" class="quiet" onClick={close}>
          Close
        </button>
      }
    >
      <Pairs
        pairs={[
          ["First", names[0]],
          ["Second", names[1]],
        ]}
      />
      <Loaded view={first} what="the first result">
        {(one) => (
          <Loaded view={second} what="the second result">
            {(other) => <Beside one={one} other={other} />}
          </Loaded>
        )}
      </Loaded>
    </Panel>
  );
}

function Beside({ one, other }: { one: Outcome; other: Outcome }) {
  const lines = useMemo<readonly Line[]>(() => {
    const line = (name: string, tone: Line["tone"], { equity }: Outcome): Line => {
      const values = gainOf(equity.equity);
      return { name, tone, pane: 0, unit: "%", points: equity.days.map((time, n) => ({ time, value: values[n] ?? 0 })) };
    };
    return [line("first", "accent", one), line("second", "warn", other)];
  }, [one, other]);
  return (
    <>
      <Lines lines={lines} tall testid="comparison-curve" label={`What both gained: the first ${gained(one.curve.total_return_percent)}, the second ${gained(other.curve.total_return_percent)}`} />
      <Table caption="Figures of both, and the second less the first" columns={BESIDE} rows={rowsOf(one, other)} rowKey={(row) => row.name} rowProps={(row) => ({ "data-testid": "comparison-row", "data-name": row.name })} />
    </>
  );
}

const BESIDE: readonly Column<Row>[] = [
  { head: "Figure", cell: (row) => row.name },
  { head: "First", amount: true, cell: (row) => row.one },
  { head: "Second", amount: true, cell: (row) => row.other },
  { head: "Second less first", amount: true, cell: (row) => row.apart },
];
