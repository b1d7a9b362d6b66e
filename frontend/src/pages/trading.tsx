// `/trading`: place an order and see its verdict before, change what is open, and read the log.
import { useMay } from "../parts/role";
import { OrderTicket } from "../ticket/panel";
import { Fills } from "../trading/fills";
import { OpenOrders } from "../trading/open-orders";
import { OrderLog } from "../trading/order-log";
import { Refusals } from "../trading/refusals";
import { Signals } from "../trading/signals";

export const Trading = () => (
  <>
    {useMay("trader") ? (
      <OrderTicket>
        <OpenOrders />
      </OrderTicket>
    ) : (
      <OpenOrders />
    )}
    <OrderLog />
    <div class="columns even">
      <Fills />
      <Refusals />
    </div>
    <Signals />
  </>
);
