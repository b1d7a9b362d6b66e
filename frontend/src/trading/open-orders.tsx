// What waits at the broker, and for a trader: cancel one, cancel all, or replace one.
import { useState } from "preact/hooks";
import type { Order, OrderAccepted, Page } from "../api/bodies";
import { quantity } from "../format/money";
import { ORDER_COLUMNS, OrderState, priceOf, sizeOf } from "../panels/orders";
import { Confirm } from "../parts/dialog";
import { plain } from "../parts/figures";
import { Loaded, Panel } from "../parts/panel";
import { useMay } from "../parts/role";
import { Table, type Column } from "../parts/table";
import { toast } from "../parts/toast";
import { useRead } from "../store/hooks";
import { send } from "../store/send";
import { ReplaceDialog } from "./replace";

const TOUCHES = ["/api/orders", "/api/account"];

type Asked = { what: "cancel" | "replace"; order: Order } | { what: "all" } | null;

const named = (order: Order): string => `${order.side} ${sizeOf(order)} ${order.symbol}, ${priceOf(order)}`;

export function OpenOrders() {
  const view = useRead<Page<Order>>("/api/orders?status=open&limit=100");
  const mayTrade = useMay("trader");
  const [asked, ask] = useState<Asked>(null);
  const count = view.data?.items.length ?? 0;
  const close = () => ask(null);
  const columns = mayTrade ? [...COLUMNS, actions(ask)] : COLUMNS;
  const aside = mayTrade && count > 0 && (
    <button type="button" class="quiet" onClick={() => ask({ what: "all" })} data-testid="cancel-all">
      Cancel all
    </button>
  );
  return (
    <Panel title="Open orders" testid="open-orders" aside={aside} flush view={view}>
      <Loaded view={view} what="open orders" isEmpty={(page) => page.items.length === 0} empty="No order waits at the broker.">
        {(page) => (
          <Table
            caption="Open orders"
            columns={columns}
            rows={page.items}
            rowKey={(o) => o.client_order_id}
            rowProps={(o) => ({ "data-testid": "open-order", "data-status": o.status, "data-symbol": o.symbol, "data-id": o.client_order_id })}
          />
        )}
      </Loaded>
      {asked?.what === "cancel" && <CancelOne order={asked.order} close={close} />}
      {asked?.what === "replace" && <ReplaceDialog order={asked.order} close={close} />}
      {asked?.what === "all" && <CancelAll count={count} close={close} />}
    </Panel>
  );
}

/** What is filled of an order that still waits is seldom anything: it needs no column. */
const SizeAndFilled = (order: Order) => (
  <>
    {sizeOf(order)}
    {Number(order.filled_quantity) > 0 && (
      <>
        <br />
        <span class="soft">{quantity(order.filled_quantity)} filled</span>
      </>
    )}
  </>
);

/** On a phone the price it waits for counts more than when it was made; its state stands below. */
const COLUMNS: readonly Column<Order>[] = ORDER_COLUMNS.filter(({ head }) => head !== "Filled" && head !== "At, $").map((column) => {
  if (column.head === "Qty") return { ...column, cell: SizeAndFilled };
  if (column.head === "Time" || column.head === "Status") return { ...column, wide: true };
  if (column.head !== "Type") return column;
  return {
    ...column,
    wide: false,
    cell: (order) => (
      <>
        {priceOf(order)}
        <span class="on-phone">
          <OrderState status={order.status} />
        </span>
      </>
    ),
  };
});

const actions = (ask: (asked: Asked) => void): Column<Order> => ({
  head: "Change",
  narrow: true,
  cell: (order) => (
    <span class="actions">
      <button type="button" class="quiet" aria-label={`Replace ${named(order)}`} onClick={() => ask({ what: "replace", order })} data-testid="replace">
        Replace
      </button>
      <button type="button" class="quiet" aria-label={`Cancel ${named(order)}`} onClick={() => ask({ what: "cancel", order })} data-testid="cancel">
        Cancel
      </button>
    </span>
  ),
});

function CancelOne({ order, close }: { order: Order; close: () => void }) {
  async function cancel(): Promise<void> {
    await send<OrderAccepted>("DELETE", `/api/orders/${encodeURIComponent(order.client_order_id)}`, undefined, { touches: TOUCHES });
    toast("plain", `Cancel of ${order.symbol} queued`);
  }
  const protects = order.parent !== null || order.purpose === "leg";
  return (
    <Confirm
      title={`Cancel the ${order.symbol} order?`}
      text={
        <>
          <p>{named(order)}.</p>
          {Number(order.filled_quantity) > 0 && <p>{quantity(order.filled_quantity)} shares are filled and stay.</p>}
          {protects && <p class="warn">It protects a position, which has no {plain(order.role ?? "stop")} without it until the risk monitor puts one back.</p>}
        </>
      }
      confirm="Cancel the order"
      tone="bad"
      onConfirm={cancel}
      onClose={close}
    />
  );
}

function CancelAll({ count, close }: { count: number; close: () => void }) {
  async function cancel(): Promise<void> {
    const { client_order_ids } = await send<{ client_order_ids: string[] }>("DELETE", "/api/orders", undefined, { touches: TOUCHES });
    toast("plain", `Cancel of ${client_order_ids.length} orders queued`);
  }
  return (
    <Confirm
      title="Cancel all open orders?"
      text={<p>{count} orders are open. Stops and targets of positions stay; every other order is cancelled.</p>}
      confirm="Cancel all"
      tone="bad"
      onConfirm={cancel}
      onClose={close}
    />
  );
}
