// All that is known of one order: why, its ids, the verdict it got, and each step of its life.
import type { Order } from "../api/bodies";
import { NONE, price } from "../format/money";
import { Moment, State, orderTone, plain, words } from "../parts/figures";
import { Pairs, type Pair } from "../parts/pairs";
import { Rules } from "../ticket/verdict";

const ORIGINS: Readonly<Record<string, string>> = { sig: "signal", man: "manual", prot: "protection" };

export function OrderStory({ order }: { order: Order }) {
  return (
    <div class="story" data-testid="order-story">
      <div>
        <h3>Why</h3>
        <p>{words(order.reason) || "No reason was given."}</p>
        <Facts order={order} />
      </div>
      <div>
        <h3>History</h3>
        <ol class="plain">
          {order.history.map((step, index) => (
            <li key={index}>
              <Moment at={step.at} /> <State tone={orderTone(step.status)}>{plain(step.status)}</State>
              <span class="soft">
                {" "}
                {step.why}
                {step.answer && `: ${step.answer}`}
              </span>
            </li>
          ))}
        </ol>
      </div>
      <div>
        <h3>Risk verdict</h3>
        {order.verdict.length === 0 ? (
          <p class="soft">None of its own: {order.parent ? "it came with its entry." : "the order did not pass through our risk rules."}</p>
        ) : (
          <Rules rules={order.verdict} />
        )}
      </div>
    </div>
  );
}

function Facts({ order }: { order: Order }) {
  const facts: [name: string, value: string | null][] = [
    ["Asked for by", [ORIGINS[order.origin] ?? plain(order.origin), order.requested_by].filter(Boolean).join(", ")],
    ["Time in force", `${order.time_in_force}${order.extended_hours ? ", extended hours" : ""}`],
    ["Stop, target", order.stop_loss_price || order.take_profit_price ? `${order.stop_loss_price ? price(order.stop_loss_price) : NONE}, ${order.take_profit_price ? price(order.take_profit_price) : NONE}` : null],
    ["Step of the exit", order.exit_step && plain(order.exit_step)],
  ];
  const ids: [name: string, value: string | null][] = [
    ["Client order id", order.client_order_id],
    ["Broker order id", order.broker_order_id],
    ["Leg of", order.parent],
    ["Takes the place of", order.replaces],
    ["Replaced by", order.replaced_by],
    ["Run", order.run_id],
    ["Correlation id", order.correlation_id],
  ];
  const known = (pairs: readonly [name: string, value: string | null][]) => pairs.filter(([, value]) => value);
  return <Pairs pairs={[...known(facts), ...known(ids).map(([name, id]): Pair => [name, <code>{id}</code>])]} />;
}
