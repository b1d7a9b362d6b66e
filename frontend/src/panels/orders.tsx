// The newest orders with their state, and the columns that every list of orders has.
import type { Order, Page } from "../api/bodies";
import { NONE, price, quantity } from "../format/money";
import { Moment, Side, State, orderTone, plain } from "../parts/figures";
import { Loaded, Panel } from "../parts/panel";
import { SymbolLink } from "../parts/symbol";
import { Table, type Column } from "../parts/table";
import { useRead } from "../store/hooks";
import { NextRun } from "./market";

export const useOrders = (limit: number) => useRead<Page<Order>>(`/api/orders?limit=${limit}`);

/** `entry · bracket`, `stop loss leg`: what the order is for. */
function purposeOf(order: Order): string {
  if (order.role) return `${plain(order.role)} leg`;
  return [plain(order.purpose), order.order_class === "simple" ? "" : plain(order.order_class)].filter(Boolean).join(" · ");
}

/** `stop limit 9.50, stop 9.60`: the type with the prices that it waits for. */
export function priceOf(order: Order): string {
  const at = [order.limit_price && price(order.limit_price), order.stop_price && `${order.limit_price ? "stop " : ""}${price(order.stop_price)}`, order.trail_percent && `${quantity(order.trail_percent)}%`, order.trail_price && `$${price(order.trail_price)}`];
  return [plain(order.order_type), at.filter(Boolean).join(", ")].filter(Boolean).join(" ");
}

/** Shares, or the dollars of a purchase by amount. */
export const sizeOf = (order: Order): string => (order.quantity ? quantity(order.quantity) : order.notional ? `$${quantity(order.notional)}` : NONE);

export const OrderState = ({ status }: { status: string }) => <State tone={orderTone(status)}>{plain(status)}</State>;

export const ORDER_COLUMNS: readonly Column<Order>[] = [
  { head: "Time", cell: (o) => <Moment at={o.created_at} /> },
  { head: "Side", cell: (o) => <Side side={o.side} /> },
  { head: "Symbol", cell: (o) => <SymbolLink symbol={o.symbol} /> },
  { head: "Qty", amount: true, cell: sizeOf },
  { head: "For", wide: true, cell: purposeOf },
  { head: "Type", wide: true, cell: priceOf },
  { head: "Filled", amount: true, wide: true, cell: (o) => quantity(o.filled_quantity) },
  { head: "At, $", amount: true, wide: true, cell: (o) => (o.filled_average_price ? price(o.filled_average_price) : NONE) },
  { head: "Status", cell: (o) => <OrderState status={o.status} /> },
];

export function Orders({ title, limit }: { title: string; limit: number }) {
  const view = useOrders(limit);
  return (
    <Panel title={title} aside={view.data?.next ? `newest ${view.data.items.length}` : null} flush view={view}>
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
            columns={ORDER_COLUMNS}
            rows={page.items}
            rowKey={(o) => o.client_order_id}
            rowProps={(o) => ({ "data-testid": "order-row", "data-status": o.status, "data-symbol": o.symbol })}
          />
        )}
      </Loaded>
    </Panel>
  );
}
