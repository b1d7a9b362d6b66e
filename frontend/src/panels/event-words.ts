// What an event says in one line of the list, in a trader's words.
import { gain, gainPercent, price, quantity } from "../format/money";
import { marketDay } from "../format/time";
import { capital, plain, words, type Tone } from "../parts/figures";
import type { FeedEntry } from "../live/feed";
import { reasonsOf } from "../trading/reasons";

interface Words {
  tone: Tone | "up" | "down";
  head: string;
  text: string;
}

type Detail = Record<string, unknown>;

const text = (detail: Detail, name: string): string => {
  const value = detail[name];
  return value === null || value === undefined ? "" : String(value);
};

/** `50 AAPL`, or the symbol alone for an order without a quantity. */
const lot = (detail: Detail): string => {
  const amount = text(detail, "quantity");
  return `${amount ? `${quantity(amount)} ` : ""}${text(detail, "symbol")}`;
};

const buys = (detail: Detail): boolean => text(detail, "side").toLowerCase() === "buy";

const role = (detail: Detail): string => plain(text(detail, "role") || text(detail, "purpose"));

const signed = (amount: string): string => `${Number(amount) > 0 ? "+" : ""}${quantity(amount)}`;

/** The first rule and its sentence; how many refused beside it. */
function refusal(detail: Detail): string {
  const [first, ...others] = reasonsOf({ codes: (detail.codes ?? []) as string[], message: text(detail, "message") });
  return [first!.rule, first!.says, others.length > 0 && `and by ${counted(String(others.length), "more rule")}`].filter(Boolean).join(" · ");
}

const AN_ORDER_ID = / of aq\d+-\S+/g;

/** A message of one word names a step of ours, and an order's id another row: neither says anything to a trader. */
const sentence = (message: string): string => (message.includes(" ") ? message.replace(AN_ORDER_ID, "") : "");

const counted = (count: string, what: string): string => `${count} ${what}${count === "1" ? "" : "s"}`;

const SAYINGS: Readonly<Record<string, (detail: Detail) => Words>> = {
  OrderFilled: (d) => ({
    tone: buys(d) ? "up" : "down",
    head: `${buys(d) ? "Bought" : "Sold"} ${lot(d)}${text(d, "price") ? ` at $${price(text(d, "price"))}` : ""}`,
    text: [...new Set([role(d), words(text(d, "reason"))])].filter(Boolean).join(" · "),
  }),
  OrderSubmitted: (d) => ({
    tone: "busy",
    head: `${buys(d) ? "Buy" : "Sell"} ${lot(d)} sent`,
    text: role(d),
  }),
  OrderUpdated: (d) => ({
    tone: ["rejected", "unknown"].includes(text(d, "status")) ? "bad" : "quiet",
    head: `${buys(d) ? "Buy" : "Sell"} ${lot(d)} ${plain(text(d, "status"))}`,
    text: [...new Set([role(d), sentence(text(d, "message"))])].filter(Boolean).join(" · "),
  }),
  SignalRaised: (d) => ({
    tone: "good",
    head: `${text(d, "side").toUpperCase()} signal on ${text(d, "symbol")}`,
    text: words(text(d, "reason")),
  }),
  SignalWithheld: (d) => ({ tone: "quiet", head: `${text(d, "symbol")} withheld`, text: text(d, "message") }),
  TradeRejected: (d) => ({
    tone: "bad",
    head: `${buys(d) ? "Buy" : "Sell"} ${text(d, "symbol")} refused`,
    text: refusal(d),
  }),
  RunConcluded: (d) => ({
    tone: Number(d.missing_shards) > 0 ? "bad" : "quiet",
    head: `Bar of ${marketDay(text(d, "bar_close"))} judged`,
    text: `${text(d, "raised")} raised, ${text(d, "withheld")} withheld, ${text(d, "intents")} to order`,
  }),
  RiskLimitBreached: (d) => ({ tone: "bad", head: `Risk: ${plain(text(d, "code"))}`, text: text(d, "message") }),
  PositionSplit: (d) => ({ tone: "quiet", head: `${text(d, "symbol")} was split`, text: text(d, "message") }),
  SharesMoved: (d) => ({
    tone: "quiet",
    head: `${signed(text(d, "quantity"))} ${text(d, "symbol")} without a fill`,
    text: [words(text(d, "kind")), text(d, "message")].filter(Boolean).join(" · "),
  }),
  CashMoved: (d) => ({
    tone: "quiet",
    head: `${gain(text(d, "amount") || "0")} ${[words(text(d, "kind")), text(d, "symbol")].filter(Boolean).join(" of ")}`,
    text: text(d, "message"),
  }),
  OrderPassedOver: (d) => ({ tone: "bad", head: "An order of the broker is not in our books", text: text(d, "message") }),
  BooksRebuilt: (d) => {
    const apart = Object.entries((d.differences ?? {}) as Record<string, string>);
    return { tone: "quiet", head: "Books derived anew", text: apart.length === 0 ? "nothing differed" : apart.map(([what, by]) => `${plain(what)}: ${by}`).join(", ") };
  },
  BooksDrifted: (d) => ({ tone: "bad", head: "Books and broker disagree", text: text(d, "message") }),
  TradingStateChanged: (d) => ({
    tone: text(d, "state") === "ACTIVE" ? "good" : "bad",
    head: `Trading ${text(d, "state")}`,
    text: `${text(d, "reason")} (${text(d, "author")})`,
  }),
  SettingsChanged: (d) => ({
    tone: "quiet",
    head: `Settings version ${text(d, "version")}`,
    text: `${text(d, "reason")} (${text(d, "author")})`,
  }),
  DaySummarised: (d) => ({
    tone: "quiet",
    head: `Session of ${text(d, "date")} closed`,
    text: `${gain(text(d, "pnl") || "0")} (${gainPercent(text(d, "pnl_percent") || "0")}), ${counted(text(d, "fills"), "fill")}`,
  }),
  RunMissed: (d) => ({ tone: "bad", head: `Bar of ${marketDay(text(d, "bar_close"))} not judged`, text: text(d, "message") }),
  ServiceDegraded: (d) => ({ tone: "bad", head: `${capital(plain(text(d, "service")))} degraded`, text: text(d, "message") }),
  ServiceRecovered: (d) => ({ tone: "good", head: `${capital(plain(text(d, "service")))} is well again`, text: plain(text(d, "check")) }),
};

/** An event this page does not know is shown by its name rather than left out. */
export function wordsOf(entry: FeedEntry): Words {
  const say = SAYINGS[entry.type];
  return say ? say(entry.detail) : { tone: "quiet", head: entry.type, text: text(entry.detail, "message") };
}
