// Every order with its whole story, page by page.
import { useState } from "preact/hooks";
import type { Order, Page } from "../api/bodies";
import { ORDER_COLUMNS } from "../panels/orders";
import { plain } from "../parts/figures";
import { usePages } from "../parts/pager";
import { Loaded, Panel } from "../parts/panel";
import { Table, type Column } from "../parts/table";
import { useRead } from "../store/hooks";
import { useSettled } from "../store/settled";
import { OrderStory } from "./order-story";

const PAGE = 50;
const STATUSES = [
  ["all", "All"],
  ["open", "Open"],
  ["closed", "Ended"],
] as const;

export function OrderLog() {
  const [status, setStatus] = useState<string>("all");
  const [symbol, setSymbol] = useState("");
  const [opened, setOpened] = useState<string | null>(null);
  const wanted = useSettled(symbol);
  const filter = /^[A-Z][A-Z0-9.]{0,9}$/.test(wanted) ? `&symbol=${wanted}` : "";
  const { path, pager } = usePages(`/api/orders?limit=${PAGE}&status=${status}${filter}`);
  const view = useRead<Page<Order>>(path);
  return (
    <Panel title="Order log" testid="order-log" flush view={view}>
      <div class="filters">
        <label>
          Orders{" "}
          <select value={status} onChange={(event) => setStatus(event.currentTarget.value)} data-testid="log-status">
            {STATUSES.map(([value, name]) => (
              <option key={value} value={value}>
                {name}
              </option>
            ))}
          </select>
        </label>
        <label>
          Symbol{" "}
          <input class="short" value={symbol} placeholder="all" onInput={(event) => setSymbol(event.currentTarget.value.trim().toUpperCase())} data-testid="log-symbol" />
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
            {pager(page)}
          </>
        )}
      </Loaded>
    </Panel>
  );
}

const opener = (opened: string | null, toggle: (id: string) => void): Column<Order> => ({
  head: "More",
  narrow: true,
  plainHead: true,
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
