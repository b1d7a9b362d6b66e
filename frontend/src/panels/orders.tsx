// Orders with their state; on the trading page each opens to its verdict and history.
import { useState } from "preact/hooks";
import type { Order, Page } from "../api/bodies";
import { NONE, price, quantity } from "../format/money";
import { Moment, Side, State, orderTone, plain, words } from "../parts/figures";
import { Loaded, Panel } from "../parts/panel";
import { Table, type Column } from "../parts/table";
import { useRead } from "../store/hooks";
import { NextRun } from "./market";

export const useOrders = (limit: number) => useRead<Page<Order>>(`/api/orders?limit=${limit}`);

const ORIGINS: Readonly<Record<string, string>> = { sig: "signal", man: "manual", prot: "protection" };

/** `entry · bracket`, `stop loss leg`: what the order is for. */
function purposeOf(order: Order): string {
  if (order.role) return `${plain(order.role)} leg`;
  return [plain(order.purpose), order.order_class === "simple" ? "" : plain(order.order_class)].filter(Boolean).join(" · ");
}

function priceOf(order: Order): string {
  const at = order.limit_price ?? order.stop_price;
  return at ? `${plain(order.order_type)} ${price(at)}` : plain(order.order_type);
}

const COLUMNS: readonly Column<Order>[] = [
  { head: "Time", cell: (o) => <Moment at={o.created_at} /> },
  { head: "Side", cell: (o) => <Side side={o.side} /> },
  { head: "Symbol", cell: (o) => <strong>{o.symbol}</strong> },
  { head: "Qty", amount: true, cell: (o) => (o.quantity ? quantity(o.quantity) : NONE) },
  { head: "For", wide: true, cell: purposeOf },
  { head: "Type", wide: true, cell: priceOf },
  { head: "Filled", amount: true, wide: true, cell: (o) => quantity(o.filled_quantity) },
  { head: "At", amount: true, wide: true, cell: (o) => (o.filled_average_price ? price(o.filled_average_price) : NONE) },
  { head: "Status", cell: (o) => <State tone={orderTone(o.status)}>{plain(o.status)}</State> },
];

export function Orders({ title, limit, openable = false }: { title: string; limit: number; openable?: boolean }) {
  const view = useOrders(limit);
  const [opened, setOpened] = useState<string | null>(null);
  const toggle = (id: string) => setOpened(opened === id ? null : id);
  const columns = openable ? [opener(opened, toggle), ...COLUMNS] : COLUMNS;
  return (
    <Panel title={title} aside={view.data?.next ? `newest ${view.data.items.length}` : null} flush>
      <Loaded
        view={view}
        what="orders"
        isEmpty={(page) => page.items.length === 0}
        empty={
          <>
            No order yet: the rule judges each closed bar.
            <NextRun />
          </>
        }
      >
        {(page) => (
          <Table
            caption={title}
            testid="orders-table"
            columns={columns}
            rows={page.items}
            rowKey={(o) => o.client_order_id}
            rowProps={(o) => ({ "data-testid": "order-row", "data-status": o.status, "data-symbol": o.symbol })}
            below={(o) => (o.client_order_id === opened ? <OrderStory order={o} /> : null)}
          />
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

function OrderStory({ order }: { order: Order }) {
  return (
    <div class="story">
      <div>
        <h3>Why</h3>
        <p>{words(order.reason) || "No reason was given."}</p>
        <dl class="pairs">
          <dt>Asked for by</dt>
          <dd>{ORIGINS[order.origin] ?? plain(order.origin)}</dd>
          <dt>Client order id</dt>
          <dd>
            <code>{order.client_order_id}</code>
          </dd>
          <dt>Broker order id</dt>
          <dd>{order.broker_order_id ? <code>{order.broker_order_id}</code> : NONE}</dd>
          {order.parent && (
            <>
              <dt>Leg of</dt>
              <dd>
                <code>{order.parent}</code>
              </dd>
            </>
          )}
          <dt>Stop, target</dt>
          <dd>
            {order.stop_loss_price ? price(order.stop_loss_price) : NONE},{" "}
            {order.take_profit_price ? price(order.take_profit_price) : NONE}
          </dd>
        </dl>
      </div>
      <div>
        <h3>Risk verdict</h3>
        {order.verdict.length === 0 ? (
          <p class="soft">None of its own: {order.parent ? "it came with its entry." : "the order did not pass through our risk rules."}</p>
        ) : (
          <ul class="plain">
            {order.verdict.filter((rule) => rule.outcome !== "not_applicable").map((rule) => (
              <li key={rule.code}>
                <span class={rule.passed ? "up" : "down"}>{rule.passed ? "✓ passed" : "✕ failed"}</span> {plain(rule.code)}
                <span class="soft"> {rule.message}</span>
              </li>
            ))}
          </ul>
        )}
      </div>
      <div>
        <h3>History</h3>
        <ol class="plain">
          {order.history.map((step, index) => (
            <li key={index}>
              <Moment at={step.at} /> <State tone={orderTone(step.status)}>{plain(step.status)}</State>
              <span class="soft"> {step.why}</span>
            </li>
          ))}
        </ol>
      </div>
    </div>
  );
}
