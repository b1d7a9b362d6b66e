// The order ticket without its looks: which fields a type and a class of order take, what is still
// missing, and the body that goes to the API. The rules are Alpaca's, as `alpaquero.orders.terms` has
// them; the API says them again, so a gap here costs a refusal and never an order.

const TYPES = ["market", "limit", "stop", "stop_limit", "trailing_stop"] as const;
const CLASSES = ["simple", "bracket", "oco", "oto"] as const;
const FORCES = ["day", "gtc", "opg", "cls", "ioc", "fok"] as const;
const SIZES = ["rules", "quantity", "notional", "percentage"] as const;

export type Side = "buy" | "sell";
export type OrderType = (typeof TYPES)[number];
export type OrderClass = (typeof CLASSES)[number];
type Force = (typeof FORCES)[number];
export type Size = (typeof SIZES)[number];

/** Amounts are what was typed; they become decimal strings when they are sent. */
export interface Ticket {
  symbol: string;
  side: Side;
  order_type: OrderType;
  order_class: OrderClass;
  time_in_force: Force;
  size: Size;
  quantity: string;
  notional: string;
  percentage: string;
  limit_price: string;
  stop_price: string;
  trail: "trail_percent" | "trail_price";
  trail_percent: string;
  trail_price: string;
  take_profit_price: string;
  stop_loss_price: string;
  stop_loss_limit_price: string;
  extended_hours: boolean;
  reason: string;
}

/** An entry is a bracket unless it says otherwise; its stop and target outlive the day. */
export const EMPTY: Ticket = {
  symbol: "",
  side: "buy",
  order_type: "market",
  order_class: "bracket",
  time_in_force: "gtc",
  size: "rules",
  quantity: "",
  notional: "",
  percentage: "",
  limit_price: "",
  stop_price: "",
  trail: "trail_percent",
  trail_percent: "",
  trail_price: "",
  take_profit_price: "",
  stop_loss_price: "",
  stop_loss_limit_price: "",
  extended_hours: false,
  reason: "",
};

export type Amount =
  | "quantity"
  | "notional"
  | "percentage"
  | "limit_price"
  | "stop_price"
  | "trail_percent"
  | "trail_price"
  | "take_profit_price"
  | "stop_loss_price"
  | "stop_loss_limit_price";

export const classesFor = ({ side }: Ticket): readonly OrderClass[] => (side === "buy" ? ["simple", "bracket", "oto"] : ["simple", "oco"]);

export function typesFor({ order_class }: Ticket): readonly OrderType[] {
  if (order_class === "oco") return ["limit"];
  return order_class === "simple" ? TYPES : TYPES.filter((type) => type !== "trailing_stop");
}

export function sizesFor({ side, order_class, order_type }: Ticket): readonly Size[] {
  if (side === "sell") return ["rules", "quantity", "percentage"];
  return order_class === "simple" && order_type === "market" ? ["rules", "quantity", "notional"] : ["rules", "quantity"];
}

const isFraction = ({ size, quantity }: Ticket): boolean => size === "notional" || (size === "quantity" && /\.\d*[1-9]/.test(quantity));

export function forcesFor(ticket: Ticket): readonly Force[] {
  if (isFraction(ticket)) return ["day"];
  const atOnce = ticket.order_class === "simple" && (ticket.order_type === "market" || ticket.order_type === "limit");
  return atOnce ? FORCES : ["day", "gtc"];
}

export const mayExtend = ({ order_class, order_type, time_in_force }: Ticket): boolean =>
  order_class === "simple" && order_type === "limit" && (time_in_force === "day" || time_in_force === "gtc");

/** The ticket with what no longer goes together put right: the class follows the side, the rest the class. */
export function settled(ticket: Ticket): Ticket {
  const next = { ...ticket };
  const fit = <K extends "order_class" | "order_type" | "size" | "time_in_force">(name: K, allowed: readonly Ticket[K][], else_: Ticket[K]) => {
    if (!allowed.includes(next[name])) next[name] = allowed.includes(else_) ? else_ : allowed[0]!;
  };
  fit("order_class", classesFor(next), next.side === "buy" ? "bracket" : "simple");
  fit("order_type", typesFor(next), "market");
  fit("size", sizesFor(next), "rules");
  fit("time_in_force", forcesFor(next), "day");
  if (!mayExtend(next)) next.extended_hours = false;
  return next;
}

/** The amounts that this ticket takes, in the order of the form. */
export function amountsFor(ticket: Ticket): readonly Amount[] {
  const { order_type, order_class, size, trail } = ticket;
  const found: Amount[] = size === "rules" ? [] : [size];
  // An oco's limit is its target.
  if ((order_type === "limit" || order_type === "stop_limit") && order_class !== "oco") found.push("limit_price");
  if (order_type === "stop" || order_type === "stop_limit") found.push("stop_price");
  if (order_type === "trailing_stop") found.push(trail);
  if (order_class !== "simple") found.push("take_profit_price", "stop_loss_price");
  if (order_class !== "simple" && ticket.stop_loss_price.trim() !== "") found.push("stop_loss_limit_price");
  return found;
}

/** What a bracket lacks of stop and target the settings give. */
export const isOptional = (name: Amount, { order_class }: Ticket): boolean =>
  name === "stop_loss_limit_price" || ((name === "take_profit_price" || name === "stop_loss_price") && (order_class === "bracket" || order_class === "oto"));

const SYMBOL = /^[A-Z][A-Z0-9.]{0,9}$/;
const NUMBER = /^\d{1,12}(\.\d{1,9})?$/;

/** `1,234.50` and `.5` as a decimal string; null for what is none or not above nought. */
export function decimalOf(typed: string): string | null {
  const plain = typed.trim().replace(/^\$/, "").replace(/,(?=\d{3}(\D|$))/g, "").replace(/^\./, "0.").replace(/\.$/, "");
  return NUMBER.test(plain) && /[1-9]/.test(plain) ? plain : null;
}

export const symbolOf = ({ symbol }: Ticket): string => symbol.trim().toUpperCase();

export type Faults = Partial<Record<Amount | "symbol", string>>;

/** What keeps the ticket from being judged. An empty field is a gap, which is told without alarm. */
export function faultsOf(ticket: Ticket): { gaps: readonly (Amount | "symbol")[]; faults: Faults } {
  const gaps: (Amount | "symbol")[] = [];
  const faults: Faults = {};
  const symbol = symbolOf(ticket);
  if (symbol === "") gaps.push("symbol");
  else if (!SYMBOL.test(symbol)) faults.symbol = "Write it as AAPL or BRK.B.";
  for (const name of amountsFor(ticket)) {
    const typed = ticket[name].trim();
    if (typed === "") {
      if (!isOptional(name, ticket)) gaps.push(name);
    } else if (decimalOf(typed) === null) {
      faults[name] = "Write a number above 0, such as 12.5.";
    }
  }
  const exits = ticket.take_profit_price.trim() === "" && ticket.stop_loss_price.trim() === "";
  if (ticket.order_class === "oto" && exits) gaps.push("stop_loss_price");
  if (ticket.order_class === "oto" && ticket.take_profit_price.trim() !== "" && ticket.stop_loss_price.trim() !== "") {
    faults.take_profit_price = "An OTO takes a target or a stop, one of them; take a bracket for both.";
  }
  return { gaps, faults };
}

/** The body of POST /api/orders and /api/risk/assess; null while something is missing. */
export function bodyOf(ticket: Ticket): Record<string, unknown> | null {
  const { gaps, faults } = faultsOf(ticket);
  if (gaps.length > 0 || Object.keys(faults).length > 0) return null;
  const { side, order_type, order_class, time_in_force } = ticket;
  const body: Record<string, unknown> = { symbol: symbolOf(ticket), side, order_type, order_class, time_in_force };
  for (const name of amountsFor(ticket)) {
    const amount = decimalOf(ticket[name]);
    if (amount !== null) body[name] = amount;
  }
  if (ticket.extended_hours) body.extended_hours = true;
  if (ticket.reason.trim() !== "") body.reason = ticket.reason.trim();
  return body;
}

/** The request that waits for an answer, and the key it has: the API takes a key for one order alone. */
export interface Pending {
  key: string;
  body: string;
}

/** The key for `body`: the one it was sent with before, however often, until an answer came. */
export function pendingFor(body: string, before: Pending | null, fresh: () => string): Pending {
  return before?.body === body ? before : { key: fresh(), body };
}
