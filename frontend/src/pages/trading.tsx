// `/trading`: place an order and see its verdict before, change what is open, and read the log.
import type { Page, Signal } from "../api/bodies";
import { NONE, price } from "../format/money";
import { marketDay } from "../format/time";
import { NextRun } from "../panels/market";
import { Moment, Side, State, plain } from "../parts/figures";
import { Loaded, Panel } from "../parts/panel";
import { useMay } from "../parts/role";
import { SymbolLink } from "../parts/symbol";
import { Table, type Column } from "../parts/table";
import { useRead } from "../store/hooks";
import { OrderTicket } from "../ticket/panel";
import { OpenOrders } from "../trading/open-orders";
import { Fills, OrderLog } from "../trading/order-log";
import { Refusals } from "../trading/refusals";
import "../styles/forms.css";
import "../styles/trading.css";

export function Trading() {
  const mayTrade = useMay("trader");
  return (
    <>
      {mayTrade && <OrderTicket />}
      <OpenOrders />
      <OrderLog />
      <div class="columns even">
        <Fills />
        <Refusals />
      </div>
      <Signals />
    </>
  );
}

const VALUES = (signal: Signal): string =>
  Object.entries(signal.values)
    .map(([name, value]) => `${plain(name)} ${value.toFixed(2)}`)
    .join("  ");

const COLUMNS: readonly Column<Signal>[] = [
  { head: "Bar closed", cell: (s) => <Moment at={s.bar_close} form={marketDay} /> },
  { head: "Symbol", cell: (s) => <SymbolLink symbol={s.symbol} /> },
  { head: "Outcome", cell: (s) => <State tone={s.outcome === "raised" ? "good" : "quiet"}>{plain(s.outcome)}</State> },
  { head: "Side", cell: (s) => <Side side={s.side} /> },
  { head: "Strength", amount: true, cell: (s) => s.strength ?? NONE },
  { head: "Price", amount: true, cell: (s) => (s.reference_price ? price(s.reference_price) : NONE) },
  { head: "Why", cell: (s) => <span class="wrap">{s.reason}</span> },
  { head: "Judged on", wide: true, cell: (s) => <span class="soft">{VALUES(s)}</span> },
];

function Signals() {
  const view = useRead<Page<Signal>>("/api/signals?limit=100");
  return (
    <Panel title="Signals raised and withheld" aside={view.data?.next ? `newest ${view.data.items.length}` : null} flush view={view}>
      <Loaded
        view={view}
        what="signals"
        isEmpty={(page) => page.items.length === 0}
        empty={
          <>
            No signal yet: the rule judges each closed bar.
            <NextRun />
          </>
        }
      >
        {(page) => (
          <Table
            caption="Signals raised and withheld"
            testid="signals-table"
            columns={COLUMNS}
            rows={page.items}
            rowKey={(s) => `${s.symbol} ${s.bar_close} ${s.strategy} ${s.side ?? ""}`}
            rowProps={(s) => ({ "data-testid": "signal-row", "data-outcome": s.outcome })}
          />
        )}
      </Loaded>
    </Panel>
  );
}
