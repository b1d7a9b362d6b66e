// `/trading`: every order with its verdict and history, and what the rule raised and withheld.
import type { Page, Signal } from "../api/bodies";
import { NONE, price } from "../format/money";
import { marketDay } from "../format/time";
import { NextRun } from "../panels/market";
import { Orders } from "../panels/orders";
import { Moment, Side, State, plain } from "../parts/figures";
import { Loaded, Panel } from "../parts/panel";
import { Table, type Column } from "../parts/table";
import { useRead } from "../store/hooks";

export const Trading = () => (
  <>
    <Orders title="Orders" limit={100} openable />
    <Signals />
  </>
);

const VALUES = (signal: Signal): string =>
  Object.entries(signal.values)
    .map(([name, value]) => `${plain(name)} ${value.toFixed(2)}`)
    .join("  ");

const COLUMNS: readonly Column<Signal>[] = [
  { head: "Bar closed", cell: (s) => <Moment at={s.bar_close} form={marketDay} /> },
  { head: "Symbol", cell: (s) => <strong>{s.symbol}</strong> },
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
    <Panel title="Signals raised and withheld" aside={view.data?.next ? `newest ${view.data.items.length}` : null} flush>
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
