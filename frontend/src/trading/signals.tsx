// What the rules said of each bar; what was withheld for the same reason bar after bar stands once.
import type { Page, Signal } from "../api/bodies";
import { NONE, price } from "../format/money";
import { marketDay } from "../format/time";
import { NextRun } from "../panels/market";
import { useSignals } from "../panels/signals";
import { Moment, Side, State, plain, words } from "../parts/figures";
import { Loaded, Panel } from "../parts/panel";
import { SymbolLink } from "../parts/symbol";
import { Table, type Column } from "../parts/table";
import { gathered, type Gathered } from "./gathered";

const valuesOf = (signal: Signal): string =>
  Object.entries(signal.values)
    .map(([name, value]) => `${plain(name)} ${value.toFixed(2)}`)
    .join(" · ");

const COLUMNS: readonly Column<Gathered>[] = [
  { head: "Bar closed", cell: ({ signal }) => <Moment at={signal.bar_close} form={marketDay} /> },
  { head: "Symbol", cell: ({ signal }) => <SymbolLink symbol={signal.symbol} /> },
  { head: "Outcome", cell: ({ signal }) => <State tone={signal.outcome === "raised" ? "good" : "quiet"}>{plain(signal.outcome)}</State> },
  { head: "Side", wide: true, cell: ({ signal }) => <Side side={signal.side} /> },
  { head: "Strength", amount: true, wide: true, cell: ({ signal }) => signal.strength ?? NONE },
  { head: "Price, $", amount: true, wide: true, cell: ({ signal }) => (signal.reference_price ? price(signal.reference_price) : NONE) },
  {
    head: "Why",
    cell: ({ signal, before, since }) => (
      <span class="wrap">
        {words(signal.reason)}
        {before > 0 && (
          <span class="soft">
            {" "}
            · as {before === 1 ? "once" : `${before} times`} before, since <Moment at={since} form={marketDay} />
          </span>
        )}
      </span>
    ),
  },
  { head: "Strategy", wide: true, cell: ({ signal }) => signal.strategy },
  { head: "Judged on", wide: true, cell: ({ signal }) => <span class="soft">{valuesOf(signal)}</span> },
];

export function Signals() {
  const view = useSignals();
  return (
    <Panel title="Signals raised and withheld" aside={view.data?.next ? `newest ${view.data.items.length}` : null} flush view={view}>
      <Loaded
        view={view}
        what="signals"
        isEmpty={(page: Page<Signal>) => page.items.length === 0}
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
            rows={gathered(page.items)}
            rowKey={({ signal }) => `${signal.symbol} ${signal.bar_close} ${signal.strategy} ${signal.side ?? ""}`}
            rowProps={({ signal }) => ({ "data-testid": "signal-row", "data-outcome": signal.outcome })}
          />
        )}
      </Loaded>
    </Panel>
  );
}
