// The order ticket and, beside it, what the risk rules say of it while it is typed.
import { useEffect, useState } from "preact/hooks";
import type { ComponentChildren, TargetedSubmitEvent } from "preact";
import type { OrderAccepted } from "../api/bodies";
import { NONE, price, quantity } from "../format/money";
import { useAccount } from "../panels/account";
import { useWatchlist } from "../panels/config";
import { usePositions } from "../panels/positions";
import { Confirm } from "../parts/dialog";
import { LivePrice, plain } from "../parts/figures";
import { Buttons, Field } from "../parts/form";
import { ErrorNotice, Panel } from "../parts/panel";
import { query, setQuery } from "../router";
import { useDraft } from "../store/draft";
import { useCell, usePrice } from "../store/hooks";
import { freshKey, send, useSend } from "../store/send";
import { useAssessment } from "./assessment";
import { SentOrders, useSent } from "./sent";
import {
  EMPTY,
  amountsFor,
  bodyOf,
  classesFor,
  faultsOf,
  forcesFor,
  isOptional,
  mayExtend,
  pendingFor,
  settled,
  sizesFor,
  symbolOf,
  typesFor,
  type Amount,
  type Pending,
  type Side,
  type Ticket,
} from "./ticket";
import { VerdictPanel } from "./verdict";

const FORCE_WORDS: Readonly<Record<string, string>> = {
  day: "Day",
  gtc: "Good till cancelled",
  opg: "At the open (OPG)",
  cls: "At the close (CLS)",
  ioc: "Immediate or cancel (IOC)",
  fok: "Fill or kill (FOK)",
};
const CLASS_WORDS: Readonly<Record<string, string>> = {
  simple: "Simple",
  bracket: "Bracket: stop and target",
  oco: "OCO: target or stop",
  oto: "OTO: target or stop after the fill",
};
const AMOUNTS: Readonly<Record<Amount, { label: string; unit: string; hint?: string }>> = {
  quantity: { label: "Quantity", unit: "shares" },
  notional: { label: "Amount", unit: "US dollars" },
  percentage: { label: "Part of the position", unit: "%" },
  limit_price: { label: "Limit price", unit: "$ a share" },
  stop_price: { label: "Stop price", unit: "$ a share" },
  trail_percent: { label: "Trail", unit: "% of the price" },
  trail_price: { label: "Trail", unit: "$ a share" },
  take_profit_price: { label: "Target price", unit: "$ a share", hint: "Empty: by the settings." },
  stop_loss_price: { label: "Stop loss price", unit: "$ a share", hint: "Empty: by the settings." },
  stop_loss_limit_price: { label: "Stop loss limit", unit: "$ a share", hint: "Empty: sold at market." },
};
const SIZE_WORDS = (side: Side): Readonly<Record<string, string>> => ({
  rules: side === "buy" ? "By the risk rules" : "The whole position",
  quantity: "Shares",
  notional: "Dollars",
  percentage: "Part of the position",
});

const title = (code: string): string => plain(code).replace(/^./, (letter) => letter.toUpperCase());

/** `children` stand below the verdict. */
export function OrderTicket({ children }: { children: ComponentChildren }) {
  const [ticket, setTicket, clear] = useDraft<Ticket>("ticket", EMPTY);
  const [pending, setPending] = useDraft<Pending | null>("ticket-pending", null);
  const [asking, setAsking] = useState(false);
  const { busy, error, run, forget } = useSend();
  const asks = new URLSearchParams(useCell(query)).get("symbol");
  useEffect(() => {
    if (asks === null) return;
    // Prices that were typed for another symbol are not for this one.
    if (symbolOf(ticket) !== asks) setTicket({ ...EMPTY, symbol: asks });
    setQuery({ symbol: null });
  }, [asks]);
  const sent = useSent();
  const account = useAccount();
  const positions = usePositions();
  const held = positions.data?.items.find((position) => position.symbol === symbolOf(ticket));

  const body = bodyOf(ticket);
  const text = body && JSON.stringify(body);
  const asked = useAssessment(text, sent.list.length);
  const { gaps, faults } = faultsOf(ticket);
  const told: Record<string, string | undefined> = { ...faults, ...serverFault(error?.field ?? asked.error?.field ?? null, (error ?? asked.error)?.message) };
  const change = (changes: Partial<Ticket>): void => {
    forget();
    setTicket(settled({ ...ticket, ...changes }));
  };

  /** Throws the API's refusal; the key stays with the order until an answer came. */
  async function place(): Promise<void> {
    if (text === null) return;
    const request = pendingFor(text, pending, freshKey);
    setPending(request);
    const answer = await send<OrderAccepted>("POST", "/api/orders", JSON.parse(text), { key: request.key, touches: ["/api/orders", "/api/account"] });
    setPending(null);
    sent.add({ id: answer.client_order_id, words: wordsOf(ticket) });
    setTicket({ ...EMPTY, symbol: ticket.symbol, side: ticket.side, order_class: ticket.order_class, order_type: ticket.order_type, time_in_force: ticket.time_in_force });
  }

  function submit(event: TargetedSubmitEvent<HTMLFormElement>): void {
    event.preventDefault();
    if (text === null) return;
    if (account.data?.environment === "live") setAsking(true);
    else void run(place);
  }

  const lost = error !== null && (error.status === 0 || error.status >= 500) && pending?.body === text;
  const changed = pending !== null && pending.body !== text && !busy;
  return (
    <div class="columns ticket-columns">
      <Panel title="Order ticket" testid="ticket" aside={account.data?.environment === "live" ? "real money" : null}>
        <form class="form" onSubmit={submit} noValidate autocomplete="off">
          <Sides side={ticket.side} pick={(side) => change({ side })} />
          <SymbolField ticket={ticket} fault={told.symbol} change={change} held={held ? `${quantity(held.quantity)} held` : null} />
          <div class="pair">
            <Choice label="Class" name="order_class" value={ticket.order_class} options={classesFor(ticket)} words={CLASS_WORDS} change={change} fault={told.order_class} />
            <Choice label="Type" name="order_type" value={ticket.order_type} options={typesFor(ticket)} words={{}} change={change} fault={told.order_type} />
          </div>
          <div class="pair">
            <Choice label="Size" name="size" value={ticket.size} options={sizesFor(ticket)} words={SIZE_WORDS(ticket.side)} change={change} fault={undefined} />
            <Choice label="Time in force" name="time_in_force" value={ticket.time_in_force} options={forcesFor(ticket)} words={FORCE_WORDS} change={change} fault={told.time_in_force} />
          </div>
          {ticket.order_type === "trailing_stop" && (
            <Choice label="Trail by" name="trail" value={ticket.trail} options={["trail_percent", "trail_price"]} words={{ trail_percent: "Per cent of the price", trail_price: "Dollars a share" }} change={change} fault={undefined} />
          )}
          <div class="pair">
            {amountsFor(ticket).map((name) => (
              <AmountField key={name} name={name} ticket={ticket} fault={told[name]} change={change} />
            ))}
          </div>
          {mayExtend(ticket) && (
            <label class="check">
              <input type="checkbox" checked={ticket.extended_hours} onChange={(event) => change({ extended_hours: event.currentTarget.checked })} data-testid="ticket-extended_hours" />
              Extended hours: also before the open and after the close
            </label>
          )}
          <Field label="Reason" hint="Kept with the order; empty is “placed by hand”.">
            {(props) => <input {...props} maxLength={200} value={ticket.reason} onInput={(event) => change({ reason: event.currentTarget.value })} data-testid="ticket-reason" />}
          </Field>
          {error && !(error.field && error.field in told && error.field !== "size") && <ErrorNotice error={error} what="answer to the order" />}
          {lost && (
            <p class="notice warn" role="status" data-testid="ticket-lost">
              It is not known whether the order arrived. Send it again as it is: it has the same key, so it cannot become a second order.
            </p>
          )}
          {changed && (
            <p class="notice warn" role="status">
              The ticket before this one got no answer and may have been placed: look at the orders below. What you send now is another order.
            </p>
          )}
          <Buttons>
            <button type="button" class="quiet" onClick={clear}>
              Clear
            </button>
            <button type="submit" class={ticket.side === "buy" ? "chief-button buy" : "chief-button sell"} disabled={busy || text === null} data-testid="ticket-send">
              {busy ? "Sending …" : lost ? "Send again" : `${title(ticket.side)} ${symbolOf(ticket)}`}
            </button>
          </Buttons>
        </form>
        <SentOrders list={sent.list} />
        {asking && (
          <Confirm title="Trade real money?" text={<p>{wordsOf(ticket)}</p>} confirm="Place the order" tone="bad" onConfirm={place} onClose={() => setAsking(false)} />
        )}
      </Panel>
      <div class="column">
        <VerdictPanel asked={asked} side={ticket.side} symbol={symbolOf(ticket)} lacks={text === null ? lacking(gaps, Object.keys(faults)) : null} />
        {children}
      </div>
    </div>
  );
}

/** The refusal's words at the field it names; sizes and flags have no field of their own name. */
function serverFault(field: string | null, message: string | undefined): Record<string, string> {
  return field && message ? { [field]: message } : {};
}

function lacking(gaps: readonly string[], faults: readonly string[]): string {
  const names = [...new Set([...gaps, ...faults])].map((name) => (name === "symbol" ? "a symbol" : plain(name)));
  return `The rules answer while you type, before anything is sent. Still needed: ${names.join(", ")}.`;
}

/** `buy 10 AAPL, limit, bracket`: what was sent, for the list of sent orders and the question before. */
function wordsOf(ticket: Ticket): string {
  const size = ticket.size === "rules" ? (ticket.side === "buy" ? "as many as the rules allow of" : "all of") : ticket.size === "quantity" ? ticket.quantity : ticket.size === "notional" ? `$${ticket.notional} of` : `${ticket.percentage}% of`;
  return `${ticket.side} ${size} ${symbolOf(ticket)}, ${plain(ticket.order_type)}, ${plain(ticket.order_class)}`;
}

function Sides({ side, pick }: { side: Side; pick: (side: Side) => void }) {
  return (
    <div class="sides" role="group" aria-label="Side">
      {(["buy", "sell"] as const).map((one) => (
        <button key={one} type="button" class={`side-button ${one}`} aria-pressed={one === side} onClick={() => pick(one)} data-testid={`ticket-${one}`}>
          <span aria-hidden="true">{one === "buy" ? "▲ " : "▼ "}</span>
          {title(one)}
        </button>
      ))}
    </div>
  );
}

interface FieldsProps {
  ticket: Ticket;
  fault: string | undefined;
  change: (changes: Partial<Ticket>) => void;
}

function SymbolField({ ticket, fault, change, held }: FieldsProps & { held: string | null }) {
  const known = useWatchlist();
  const symbol = symbolOf(ticket);
  return (
    <Field label="Symbol" error={fault} hint={/^[A-Z][A-Z0-9.]*$/.test(symbol) && <Market symbol={symbol} held={held} />}>
      {(props) => (
        <>
          <input {...props} list="ticket-symbols" class="symbol-input" spellcheck={false} autocapitalize="characters" value={ticket.symbol} onInput={(event) => change({ symbol: event.currentTarget.value })} data-testid="ticket-symbol" />
          <datalist id="ticket-symbols">
            {known.map((one) => (
              <option key={one} value={one} />
            ))}
          </datalist>
        </>
      )}
    </Field>
  );
}

function Market({ symbol, held }: { symbol: string; held: string | null }) {
  const now = usePrice(symbol);
  return (
    <span data-testid="ticket-market">
      {now ? (
        <>
          bid {now.bid ? price(now.bid) : NONE} · ask {now.ask ? price(now.ask) : NONE} · last <LivePrice symbol={symbol} /> ({Math.round(now.age_seconds)} s old)
        </>
      ) : (
        "no price heard yet"
      )}
      {held && ` · ${held}`}
    </span>
  );
}

interface ChoiceProps<K extends "order_class" | "order_type" | "size" | "time_in_force" | "trail"> {
  label: string;
  name: K;
  value: Ticket[K];
  options: readonly Ticket[K][];
  words: Readonly<Record<string, string>>;
  change: (changes: Partial<Ticket>) => void;
  fault: string | undefined;
}

function Choice<K extends "order_class" | "order_type" | "size" | "time_in_force" | "trail">({ label, name, value, options, words, change, fault }: ChoiceProps<K>) {
  return (
    <Field label={label} error={fault}>
      {(props) => (
        <select {...props} value={value} onChange={(event) => change({ [name]: event.currentTarget.value } as Partial<Ticket>)} data-testid={`ticket-${name}`}>
          {options.map((option) => (
            <option key={option} value={option}>
              {words[option] ?? title(option)}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
}

function AmountField({ name, ticket, fault, change }: FieldsProps & { name: Amount }) {
  const { label, unit, hint } = AMOUNTS[name];
  const empty = ticket.order_class === "oto" ? undefined : hint;
  return (
    <Field label={label} unit={unit} error={fault} hint={isOptional(name, ticket) ? empty : undefined}>
      {(props) => <input {...props} inputMode="decimal" value={ticket[name]} onInput={(event) => change({ [name]: event.currentTarget.value })} data-testid={`ticket-${name}`} />}
    </Field>
  );
}
