// What became of the orders that were sent from this page: queued, at the broker, filled, or refused
// by which rule.
import type { Order } from "../api/bodies";
import { useOrders } from "../panels/orders";
import { feed } from "../desk";
import type { FeedEntry } from "../live/feed";
import { State, orderTone, plain } from "../parts/figures";
import { useDraft } from "../store/draft";
import { useCell } from "../store/hooks";

export interface Sent {
  id: string;
  words: string;
}

const MOST = 5;
const LOOKED_AT = 50;

/** The newest first. */
export function useSent(): { list: readonly Sent[]; add: (sent: Sent) => void } {
  const [list, set] = useDraft<readonly Sent[]>("ticket-sent", []);
  return { list, add: (sent) => set([sent, ...list.filter((one) => one.id !== sent.id)].slice(0, MOST)) };
}

export function SentOrders({ list }: { list: readonly Sent[] }) {
  const orders = useOrders(LOOKED_AT);
  const events = useCell(feed);
  if (list.length === 0) return null;
  return (
    <div class="sent" role="status" aria-live="polite">
      <h3>Sent from here</h3>
      <ul class="plain">
        {list.map((sent) => (
          <li key={sent.id} data-testid="sent-order" data-id={sent.id}>
            {sent.words}: <Fate order={orders.data?.items.find((order) => order.client_order_id === sent.id)} refusal={refusalOf(sent.id, events)} />
          </li>
        ))}
      </ul>
    </div>
  );
}

const refusalOf = (id: string, events: readonly FeedEntry[]): FeedEntry | undefined =>
  events.find((event) => event.type === "TradeRejected" && event.detail.client_order_id === id);

function Fate({ order, refusal }: { order: Order | undefined; refusal: FeedEntry | undefined }) {
  if (order) return <State tone={orderTone(order.status)}>{plain(order.status)}</State>;
  if (!refusal) return <State tone="busy">queued for the risk check</State>;
  return (
    <span data-testid="sent-refused">
      <State tone="bad">refused by {codesOf(refusal).join(", ")}</State> <span class="soft">{String(refusal.detail.message ?? "")}</span>
    </span>
  );
}

/** The rules' names, as a person reads them. */
const codesOf = ({ detail }: FeedEntry): string[] => (Array.isArray(detail.codes) ? detail.codes.map((code) => plain(String(code))) : []);
