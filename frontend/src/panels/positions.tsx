// Open positions with their stop and target; on the portfolio each opens to its lots and can be closed.
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import type { ClosedLot, Guard, Lot, Page, Position, PositionDetail } from "../api/bodies";
import { NONE, price, quantity } from "../format/money";
import { marketDay } from "../format/time";
import { Cached, Gain, LivePrice, Moment, Money, State, plain } from "../parts/figures";
import { Loaded, Panel } from "../parts/panel";
import { useMay } from "../parts/role";
import { SymbolLink } from "../parts/symbol";
import { Table, type Column } from "../parts/table";
import { useRead } from "../store/hooks";
import { ClosePosition } from "./close";
import { NextRun } from "./market";

export const usePositions = () => useRead<Page<Position>>("/api/positions");

const COLUMNS: readonly Column<Position>[] = [
  { head: "Symbol", cell: (p) => <SymbolLink symbol={p.symbol} /> },
  { head: "Shares", amount: true, cell: (p) => quantity(p.quantity) },
  { head: "Entry, $", amount: true, wide: true, cell: (p) => price(p.average_entry_price) },
  { head: "Price, $", amount: true, cell: (p) => <LivePrice symbol={p.symbol} otherwise={price(p.current_price)} /> },
  { head: "Value", amount: true, wide: true, cell: (p) => <Money amount={p.market_value} /> },
  { head: "Unrealised", amount: true, cell: (p) => <Gain amount={p.unrealised_pnl} /> },
  { head: "%", amount: true, wide: true, cell: (p) => <Gain amount={p.unrealised_pnl_percent} unit="%" /> },
  { head: "Stop, $", amount: true, cell: (p) => <Nearest of={p.stops} otherwise={<State tone="bad">none</State>} /> },
  { head: "Target, $", amount: true, wide: true, cell: (p) => <Nearest of={p.targets} otherwise={NONE} /> },
  { head: "Since", wide: true, cell: (p) => <Moment at={p.opened_at} form={marketDay} /> },
];

/** On a phone the row with its buttons has no room for what its chart shows. */
const withRoom = (column: Column<Position>): Column<Position> => (["Price, $", "Stop, $"].includes(column.head) ? { ...column, wide: true } : column);

/** `6 shares at $97.00`. */
const guardWords = ({ price: at, quantity: shares }: Guard): string => `${quantity(shares)} at ${at ? `$${price(at)}` : "a price that trails"}`;

/** The nearest of a position's stops or targets, and how many more there are. */
export function Nearest({ of, otherwise }: { of: readonly Guard[]; otherwise: ComponentChildren }) {
  const [first, ...more] = of;
  if (!first) return <>{otherwise}</>;
  return (
    <span title={of.map(guardWords).join("\n")} data-testid="guards" data-count={String(of.length)}>
      {first.price ? price(first.price) : "trailing"}
      {more.length > 0 && <span class="soft"> and {more.length} more</span>}
    </span>
  );
}

interface PositionsProps {
  /** The position whose lots are shown, and who hears of another; without it rows do not open. */
  opened?: string | null;
  open?: (symbol: string | null) => void;
}

function Count({ of }: { of: readonly Position[] }) {
  if (of.length === 0) return null;
  return (
    <>
      <Cached what={of.find((position) => position.source === "cache")} />
      {`${of.length} open`}
    </>
  );
}

export function Positions({ opened, open }: PositionsProps) {
  const view = usePositions();
  const mayTrade = useMay("trader");
  const [closing, setClosing] = useState<Position | null>(null);
  const columns = [...(open ? [opener(opened ?? null, open)] : []), ...(open ? COLUMNS.map(withRoom) : COLUMNS), ...(open && mayTrade ? [closer(setClosing)] : [])];
  return (
    <Panel title="Positions" aside={<Count of={view.data?.items ?? []} />} flush view={view}>
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
            columns={columns}
            rows={page.items}
            rowKey={(p) => p.symbol}
            rowProps={(p) => ({ "data-testid": "position-row", "data-symbol": p.symbol })}
            below={(p) => (p.symbol === opened ? <Lots symbol={p.symbol} /> : null)}
          />
        )}
      </Loaded>
      {closing && <ClosePosition position={closing} onClose={() => setClosing(null)} />}
    </Panel>
  );
}

const opener = (opened: string | null, open: (symbol: string | null) => void): Column<Position> => ({
  head: "Lots",
  narrow: true,
  plainHead: true,
  cell: (p) => (
    <button type="button" class="opener" aria-expanded={p.symbol === opened} aria-label={`Lots and chart of ${p.symbol}`} onClick={() => open(p.symbol === opened ? null : p.symbol)} data-testid="open-lots">
      {p.symbol === opened ? "▾" : "▸"}
    </button>
  ),
});

const closer = (close: (position: Position) => void): Column<Position> => ({
  head: "Close",
  narrow: true,
  cell: (p) => (
    <button type="button" class="quiet" aria-label={`Close ${p.symbol}`} onClick={() => close(p)} data-testid="close">
      Close …
    </button>
  ),
});

const LOTS: readonly Column<Lot>[] = [
  { head: "Bought", cell: (l) => <Moment at={l.opened_at} /> },
  { head: "Held", amount: true, cell: (l) => `${l.holding_days} d` },
  { head: "Shares", amount: true, cell: (l) => quantity(l.quantity) },
  { head: "Cost", amount: true, cell: (l) => <Money amount={l.cost_basis} /> },
  { head: "Value", amount: true, wide: true, cell: (l) => <Money amount={l.market_value} /> },
  { head: "Unrealised", amount: true, cell: (l) => <Gain amount={l.unrealised_pnl} /> },
];

const CLOSED: readonly Column<ClosedLot>[] = [
  { head: "Sold", cell: (l) => <Moment at={l.closed_at} /> },
  { head: "Held", amount: true, cell: (l) => `${l.holding_days} d` },
  { head: "Shares", amount: true, cell: (l) => quantity(l.quantity) },
  { head: "Cost", amount: true, wide: true, cell: (l) => <Money amount={l.cost_basis} /> },
  { head: "Proceeds", amount: true, wide: true, cell: (l) => <Money amount={l.proceeds} /> },
  { head: "Realised", amount: true, cell: (l) => <Gain amount={l.realised_pnl} /> },
];

const lotKey = (lot: Lot | ClosedLot): string => `${lot.source} ${"closed_by" in lot ? lot.closed_by : ""}`;

/** Every stop and target by itself: a row of the table has room for the nearest alone. */
const Guards = ({ position: { stops, targets } }: { position: Position }) => (
  <p data-testid="all-guards">
    Stops: {stops.map(guardWords).join("; ") || "none"}. Targets: {targets.map(guardWords).join("; ") || "none"}.
  </p>
);

function Lots({ symbol }: { symbol: string }) {
  const view = useRead<PositionDetail>(`/api/positions/${encodeURIComponent(symbol)}`);
  return (
    <Loaded view={view} what="lots" rows={2}>
      {(detail) => (
        <div class="lots" data-testid="lots">
          {detail.position && <Guards position={detail.position} />}
          {!detail.reconciled && <p class="notice bad">The lots and the shares held do not agree yet; the next sync looks into it.</p>}
          <h3>Lots, first in first out</h3>
          <Table caption={`Lots of ${symbol}`} columns={LOTS} rows={detail.lots} rowKey={lotKey} />
          {detail.closed_lots.length > 0 && (
            <>
              <h3>Sold before</h3>
              <Table caption={`Sold lots of ${symbol}`} columns={CLOSED} rows={detail.closed_lots} rowKey={lotKey} />
            </>
          )}
          {detail.sizing && (
            <p class="soft">
              {quantity(detail.sizing.quantity)} more could be bought, bound by {plain(detail.sizing.bound_by)}.
            </p>
          )}
        </div>
      )}
    </Loaded>
  );
}
