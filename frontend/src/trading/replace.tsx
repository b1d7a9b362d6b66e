// Replacing an open order: its own prices and quantity, sent as what differs.
import { useState } from "preact/hooks";
import type { TargetedSubmitEvent } from "preact";
import type { Order, OrderAccepted } from "../api/bodies";
import { Dialog } from "../parts/dialog";
import { Buttons, Field } from "../parts/form";
import { ErrorNotice } from "../parts/panel";
import { toast } from "../parts/toast";
import { send, useSend } from "../store/send";
import { beginning, changeable, replacementOf, type Changeable } from "./replacement";

const LABELS: Readonly<Record<Changeable, string>> = { quantity: "Quantity", limit_price: "Limit price", stop_price: "Stop price", trail: "Trail" };

export function ReplaceDialog({ order, close }: { order: Order; close: () => void }) {
  const [change, setChange] = useState(() => beginning(order));
  const [reason, setReason] = useState("");
  const { busy, error, run } = useSend();
  const { body, faults } = replacementOf(order, change);
  const unit = (name: Changeable) => (name === "quantity" ? "shares, those filled included" : name === "trail" && order.trail_percent ? "% of the price" : "$ a share");

  async function submit(event: TargetedSubmitEvent<HTMLFormElement>): Promise<void> {
    event.preventDefault();
    if (body === null) return;
    const sent = reason.trim() ? { ...body, reason: reason.trim() } : body;
    const path = `/api/orders/${encodeURIComponent(order.client_order_id)}`;
    const answer = await run(() => send<OrderAccepted>("PATCH", path, sent, { touches: ["/api/orders", "/api/account"] }));
    if (!answer) return;
    toast("plain", `Replacement of ${order.symbol} queued`);
    close();
  }

  return (
    <Dialog title={`Replace the ${order.symbol} order`} onClose={close} testid="replace-dialog">
      <form class="form" onSubmit={submit} noValidate autocomplete="off">
        <p class="soft">The order with these terms takes the place of the old one. One that grows is judged by the risk rules again.</p>
        {changeable(order).map((name) => (
          <Field key={name} label={LABELS[name]} unit={unit(name)} error={faults[name] ?? (error?.field === name ? error.message : undefined)}>
            {(props) => <input {...props} inputMode="decimal" value={change[name]} onInput={(event) => setChange({ ...change, [name]: event.currentTarget.value })} data-testid={`replace-${name}`} />}
          </Field>
        ))}
        {(order.time_in_force === "day" || order.time_in_force === "gtc") && (
          <Field label="Time in force" error={error?.field === "time_in_force" ? error.message : undefined}>
            {(props) => (
              <select {...props} value={change.time_in_force} onChange={(event) => setChange({ ...change, time_in_force: event.currentTarget.value })}>
                <option value="day">Day</option>
                <option value="gtc">Good till cancelled</option>
              </select>
            )}
          </Field>
        )}
        <Field label="Reason" hint="Kept with the order.">
          {(props) => <input {...props} maxLength={200} value={reason} onInput={(event) => setReason(event.currentTarget.value)} />}
        </Field>
        {error && <ErrorNotice error={error} what="replacement" />}
        <Buttons>
          <button type="button" class="quiet" onClick={close}>
            Back
          </button>
          <button type="submit" class="chief-button" disabled={busy || body === null} data-testid="replace-send">
            {busy ? "Sending …" : "Replace"}
          </button>
        </Buttons>
      </form>
    </Dialog>
  );
}
