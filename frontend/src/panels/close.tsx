// Closing a position by hand, whole or in part.
import { useMemo, useState } from "preact/hooks";
import type { TargetedSubmitEvent } from "preact";
import type { OrderAccepted, Position } from "../api/bodies";
import { money, price, quantity } from "../format/money";
import { share, worth } from "../format/decimal";
import { Dialog } from "../parts/dialog";
import { Buttons, Field } from "../parts/form";
import { ErrorNotice } from "../parts/panel";
import { toast } from "../parts/toast";
import { freshKey, send, useSend } from "../store/send";

type Part = "all" | "percentage" | "quantity";

const PARTS: readonly { part: Part; label: string }[] = [
  { part: "all", label: "All of it" },
  { part: "percentage", label: "A part, per cent" },
  { part: "quantity", label: "A number of shares" },
];

const TOUCHES = ["/api/orders", "/api/positions", "/api/account"];

export function ClosePosition({ position, onClose }: { position: Position; onClose: () => void }) {
  const { symbol } = position;
  const [part, setPart] = useState<Part>("all");
  const [amount, setAmount] = useState("50");
  const [force, setForce] = useState(false);
  const { busy, error, run } = useSend();
  const body = { ...(part === "all" ? {} : { [part]: amount.trim() }), ...(force ? { force } : {}) };
  // One key a body: what was sent and not answered may be sent again and is one order.
  const key = useMemo(freshKey, [part, amount, force]);
  const sold = soldOf(position, part, amount);

  async function submit(event: TargetedSubmitEvent<HTMLFormElement>): Promise<void> {
    event.preventDefault();
    const path = `/api/positions/${encodeURIComponent(symbol)}/close`;
    const answer = await run(() => send<OrderAccepted>("POST", path, body, { key, touches: TOUCHES }));
    if (!answer) return;
    toast("good", `The sale of ${symbol} is on its way.`);
    onClose();
  }

  return (
    <Dialog title={`Close ${symbol}`} onClose={onClose} testid="close-position">
      <form class="form" onSubmit={submit}>
        <p class="soft">
          {quantity(position.quantity)} shares are held, entered at ${price(position.average_entry_price)}, now ${price(position.current_price)}. The sale is at market; stop and target are cancelled first.
        </p>
        <fieldset>
          <legend>How much</legend>
          {PARTS.map((each) => (
            <label key={each.part} class="check">
              <input type="radio" name="part" checked={part === each.part} onChange={() => setPart(each.part)} data-testid={`part-${each.part}`} /> {each.label}
            </label>
          ))}
        </fieldset>
        {part !== "all" && (
          <Field label={part === "percentage" ? "Part of the position" : "Shares"} unit={part === "percentage" ? "%" : ""} error={error?.field === part ? error.message : null}>
            {(props) => <input {...props} required inputMode="decimal" pattern="[0-9]+([.][0-9]+)?" value={amount} onInput={(event) => setAmount(event.currentTarget.value)} data-testid="close-amount" />}
          </Field>
        )}
        <label class="check">
          <input type="checkbox" checked={force} onChange={(event) => setForce(event.currentTarget.checked)} /> Also when another exit is selling it already
        </label>
        {sold && (
          <p>
            Sells <strong>{quantity(sold)}</strong> of {quantity(position.quantity)} shares, about {money(worth(sold, position.current_price))}.
          </p>
        )}
        {error && error.field !== part && <ErrorNotice error={error} what="sale" />}
        <Buttons>
          <button type="button" class="quiet" onClick={onClose}>
            Back
          </button>
          <button type="submit" class="danger-button" disabled={busy} data-testid="close-submit">
            {busy ? "Sending …" : `Sell ${symbol}`}
          </button>
        </Buttons>
      </form>
    </Dialog>
  );
}

/** The shares that would be sold, null while what is typed is no amount. */
function soldOf(position: Position, part: Part, amount: string): string | null {
  if (part === "all") return position.quantity;
  if (!/^\d+(\.\d+)?$/.test(amount.trim())) return null;
  return part === "quantity" ? amount.trim() : share(position.quantity, amount.trim());
}
