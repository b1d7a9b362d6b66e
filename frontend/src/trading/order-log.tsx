// Every order with its whole story, page by page; and what was filled of them.
import { useState } from "preact/hooks";
import type { Order, Page } from "../api/bodies";
import { money, price, quantity } from "../format/money";
import { parseDecimal } from "../format/decimal";
import { ORDER_COLUMNS, purposeOf } from "../panels/orders";
import { Moment, Side, plain } from "../parts/figures";
import { Pager } from "../parts/pager";
import { Loaded, Panel } from "../parts/panel";
import { SymbolLink } from "../parts/symbol";
import { Table, type Column } from "../parts/table";
import { useRead } from "../store/hooks";
import { OrderStory } from "./order-story";
import { timesPrice } from "./value";

const PAGE = 50;
const STATUSES = [
  ["all", "All"],
  ["open", "Open"],
  ["closed", "Ended"],
] as const;

export function OrderLog() {
  const [status, setStatus] = useState<string>("all");
  const [symbol, setSymbol] = useState("");
  const [cursors, setCursors] = useState<readonly string[]>([]);
  const [opened, setOpened] = useState<string | null>(null);
  const filter = /^[A-Z][A-Z0-9.]{0,9}$/.test(symbol) ? `&symbol=${symbol}` : "";
  const cursor = cursors.at(-1);
  const view = useRead<Page<Order>>(`/api/orders?limit=${PAGE}&status=${status}${filter}${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`);
  const restart = () => setCursors([]);
  return (
    <Panel title="Order log" testid="order-log" flush view={view}>
      <div class="filters">
        <label>
          Orders{" "}
          <select value={status} onChange={(event) => (setStatus(event.currentTarget.value), restart())} data-testid="log-status">
            {STATUSES.map(([value, name]) => (
              <option key={value} value={value}>
                {name}
              </option>
            ))}
          </select>
        </label>
        <label>
          Symbol{" "}
          <input class="short" value={symbol} placeholder="all" onInput={(event) => (setSymbol(event.currentTarget.value.trim().toUpperCase()), restart())} data-testid="log-symbol" />
        </label>
      </div>
      <Loaded view={view} what="orders" rows={6} isEmpty={(page) => page.items.length === 0} empty={filter || status !== "all" ? "No order of that kind." : "No order yet: signals, the ticket above and the risk monitor make them."}>
        {(page) => (
          <>
            <Table
              caption="Orders, newest first"
              testid="orders-table"
              columns={[opener(opened, (id) => setOpened(opened === id ? null : id)), ...ORDER_COLUMNS]}
              rows={page.items}
              rowKey={(o) => o.client_order_id}
              rowProps={(o) => ({ "data-testid": "order-row", "data-status": o.status, "data-symbol": o.symbol })}
              below={(o) => (o.client_order_id === opened ? <OrderStory order={o} /> : null)}
            />
            <Pager newer={cursors.length > 0 ? () => setCursors(cursors.slice(0, -1)) : null} older={page.next ? () => setCursors([...cursors, page.next!]) : null} />
          </>
        )}
      </Loaded>
    </Panel>
  );
}

const opener = (opened: string | null, toggle: (id: string) => void): Column<Order> => ({
  head: "More",
  narrow: true,
  cell: (o) => (
    <button
      type="button"
      class="opener"
      aria-expanded={opened === o.client_order_id}
      aria-label={`Verdict and history of ${o.side} ${o.symbol}, ${plain(o.status)}`}
      onClick={() => toggle(o.client_order_id)}
    >
      {opened === o.client_order_id ? "▾" : "▸"}
    </button>
  ),
});

const FILLS: readonly Column<Order>[] = [
  { head: "Time", cell: (o) => <Moment at={o.updated_at} /> },
  { head: "Side", cell: (o) => <Side side={o.side} /> },
  { head: "Symbol", cell: (o) => <SymbolLink symbol={o.symbol} /> },
  { head: "Shares", amount: true, cell: (o) => quantity(o.filled_quantity) },
  { head: "Average", amount: true, cell: (o) => (o.filled_average_price ? price(o.filled_average_price) : "–") },
  { head: "Worth", amount: true, wide: true, cell: (o) => (o.filled_average_price ? money(timesPrice(o.filled_quantity, o.filled_average_price)) : "–") },
  { head: "Of", amount: true, wide: true, cell: (o) => (o.quantity ? quantity(o.quantity) : "–") },
  { head: "For", wide: true, cell: purposeOf },
];

const isFilled = (order: Order): boolean => parseDecimal(order.filled_quantity).units > 0n;

/** The newest orders of which something was filled, each with its average price. */
export function Fills() {
  const view = useRead<Page<Order>>("/api/orders?limit=100");
  const filled = (page: Page<Order>) => page.items.filter(isFilled).sort((a, b) => Date.parse(b.updated_at) - Date.parse(a.updated_at)).slice(0, 25);
  return (
    <Panel title="Fills" testid="fills" aside="of the newest 100 orders" flush view={view}>
      <Loaded view={view} what="fills" isEmpty={(page) => filled(page).length === 0} empty="Nothing was filled yet.">
        {(page) => <Table caption="Filled orders" columns={FILLS} rows={filled(page)} rowKey={(o) => o.client_order_id} rowProps={(o) => ({ "data-testid": "fill-row", "data-symbol": o.symbol })} />}
      </Loaded>
    </Panel>
  );
}
