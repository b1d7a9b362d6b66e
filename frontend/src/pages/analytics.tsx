// `/analytics`: how the trading went.
import type { AnalyticsSummary, Page, Trade } from "../api/bodies";
import { NONE, gainPercent, percent, price, quantity } from "../format/money";
import { marketDay } from "../format/time";
import { Equity } from "../panels/equity";
import { Figure, Gain, Moment } from "../parts/figures";
import { Loaded, Panel } from "../parts/panel";
import { Table, type Column } from "../parts/table";
import { useRead } from "../store/hooks";

export const Analytics = () => (
  <>
    <Summary />
    <Equity />
    <Trades />
  </>
);

function Summary() {
  const view = useRead<AnalyticsSummary>("/api/analytics/summary");
  return (
    <section class="panel strip" aria-label="Results">
      <Loaded view={view} what="results" rows={1}>
        {(summary) => (
          <dl class="figures">
            <Figure label="Realised">
              <span class="chief">
                <Gain amount={summary.realised_pnl} />
              </span>
            </Figure>
            <Figure label="Total return">{summary.total_return_percent ? gainPercent(summary.total_return_percent) : NONE}</Figure>
            <Figure label="Deepest drawdown">{percent(summary.max_drawdown_percent, 2)}</Figure>
            <Figure label="Trades">
              {summary.trades}
              <span class="soft">
                {" "}
                {summary.wins} won, {summary.losses} lost
              </span>
            </Figure>
            <Figure label="Win rate">{summary.win_rate_percent ? percent(summary.win_rate_percent) : NONE}</Figure>
            <Figure label="Profit factor">{summary.profit_factor ? price(summary.profit_factor) : NONE}</Figure>
            <Figure label="Average win">
              <Gain amount={summary.average_win} />
            </Figure>
            <Figure label="Average loss">
              <Gain amount={summary.average_loss} />
            </Figure>
            <Figure label="Since">
              <Moment at={summary.since} form={marketDay} />
            </Figure>
          </dl>
        )}
      </Loaded>
    </section>
  );
}

const COLUMNS: readonly Column<Trade>[] = [
  { head: "Closed", cell: (t) => <Moment at={t.closed_at} form={marketDay} /> },
  { head: "Opened", wide: true, cell: (t) => <Moment at={t.opened_at} form={marketDay} /> },
  { head: "Symbol", cell: (t) => <strong>{t.symbol}</strong> },
  { head: "Qty", amount: true, cell: (t) => quantity(t.quantity) },
  { head: "Entry", amount: true, cell: (t) => price(t.entry_price) },
  { head: "Exit", amount: true, cell: (t) => price(t.exit_price) },
  { head: "Profit", amount: true, cell: (t) => <Gain amount={t.pnl} /> },
  { head: "%", amount: true, cell: (t) => <Gain amount={t.pnl_percent} unit="%" /> },
];

function Trades() {
  const view = useRead<Page<Trade>>("/api/analytics/trades");
  return (
    <Panel title="Trades" aside={view.data?.next ? `newest ${view.data.items.length}` : null} flush>
      <Loaded
        view={view}
        what="trades"
        isEmpty={(page) => page.items.length === 0}
        empty="No trade has been closed yet. A trade counts once its position is sold: by its stop, its target or a SELL signal."
      >
        {(page) => (
          <Table
            caption="Closed trades"
            testid="trades-table"
            columns={COLUMNS}
            rows={page.items}
            rowKey={(t) => `${t.symbol} ${t.opened_at} ${t.closed_at}`}
            rowProps={() => ({ "data-testid": "trade-row" })}
          />
        )}
      </Loaded>
    </Panel>
  );
}
