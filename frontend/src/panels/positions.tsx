// Open positions with their stop and target.
import type { Page, Position } from "../api/bodies";
import { NONE, price, quantity } from "../format/money";
import { marketDay } from "../format/time";
import type { Prices } from "../live/prices";
import { Gain, LivePrice, Moment, Money } from "../parts/figures";
import { Loaded, Panel } from "../parts/panel";
import { Table, type Column } from "../parts/table";
import { usePrices, useRead } from "../store/hooks";
import { NextRun } from "./market";

export const usePositions = () => useRead<Page<Position>>("/api/positions");

const columns = (prices: Prices): readonly Column<Position>[] => [
  { head: "Symbol", cell: (p) => <strong>{p.symbol}</strong> },
  { head: "Qty", amount: true, cell: (p) => quantity(p.quantity) },
  { head: "Entry", amount: true, wide: true, cell: (p) => price(p.average_entry_price) },
  { head: "Price", amount: true, cell: (p) => <LivePrice of={prices.get(p.symbol)} otherwise={price(p.current_price)} /> },
  { head: "Value", amount: true, wide: true, cell: (p) => <Money amount={p.market_value} /> },
  { head: "Unrealised", amount: true, cell: (p) => <Gain amount={p.unrealised_pnl} /> },
  { head: "%", amount: true, wide: true, cell: (p) => <Gain amount={p.unrealised_pnl_percent} unit="%" /> },
  { head: "Stop", amount: true, cell: (p) => (p.stop_price ? price(p.stop_price) : <NoStop />) },
  { head: "Target", amount: true, cell: (p) => (p.target_price ? price(p.target_price) : NONE) },
  { head: "Since", wide: true, cell: (p) => <Moment at={p.opened_at} form={marketDay} /> },
];

const NoStop = () => (
  <span class="state bad">
    <span class="shape" aria-hidden="true">
      ✕
    </span>
    none
  </span>
);

export function Positions() {
  const view = usePositions();
  const count = view.data?.items.length;
  const prices = usePrices((view.data?.items ?? []).map((position) => position.symbol));
  return (
    <Panel title="Positions" aside={count ? `${count} open` : null} flush>
      <Loaded
        view={view}
        what="positions"
        isEmpty={(page) => page.items.length === 0}
        empty={
          <>
            No position open. One opens when the rule raises a BUY on a closed bar and risk lets it pass.
            <NextRun />
          </>
        }
      >
        {(page) => (
          <Table
            caption="Open positions"
            testid="positions-table"
            columns={columns(prices)}
            rows={page.items}
            rowKey={(p) => p.symbol}
            rowProps={(p) => ({ "data-testid": "position-row", "data-symbol": p.symbol })}
          />
        )}
      </Loaded>
    </Panel>
  );
}
