import { describe, expect, test } from "vitest";
import type { Order, Signal } from "../api/bodies";
import { FEED_LENGTH, entryOf, toldByOrder, toldBySignal, withBooks, withEvent, type FeedEntry } from "./feed";

const event = (type: string, detail: Record<string, unknown>, at = "2010-03-03T14:30:00Z") => ({ type, at, detail });

const fill = event("OrderFilled", { id: "e1", client_order_id: "aq1-s-AAPL-k-0", symbol: "AAPL", side: "buy", quantity: "50", price: "29.10" });

const order = {
  client_order_id: "aq1-s-AAPL-k-0", symbol: "AAPL", side: "buy", purpose: "entry", role: null,
  quantity: "50", filled_quantity: "50", filled_average_price: "29.1",
  history: [
    { at: "2010-03-02T22:00:00Z", status: "submitted", why: "taken" },
    { at: "2010-03-03T14:30:00Z", status: "filled", why: "" },
  ],
} as unknown as Order;

const signal = {
  symbol: "FB", outcome: "withheld", side: null, strategy: "stochrsi_ema", timeframe: "1Day",
  bar_close: "2010-03-02T21:05:00Z", reason: "too short", values: {}, run_id: "r",
} as unknown as Signal;

const run = (id: string, raised: number) => event("RunConcluded", { id, run_id: id, raised, missing_shards: 0 });

const types = (feed: readonly FeedEntry[]) => feed.map((entry) => `${entry.type}${entry.live ? "*" : ""}`);

describe("the list of events", () => {
  test("shows the newest on top and a repeated delivery once", () => {
    const once = withEvent([], fill);
    expect(withEvent(once, fill)).toBe(once);
    const two = withEvent(once, run("e2", 1));
    expect(types(two)).toEqual(["RunConcluded*", "OrderFilled*"]);
  });

  test("keeps two partial fills of one order apart", () => {
    const second = event("OrderFilled", { ...fill.detail, id: "e9" });
    expect(withEvent(withEvent([], fill), second)).toHaveLength(2);
  });

  test("leaves out what another event says better", () => {
    expect(entryOf(event("OrderUpdated", { id: "u", status: "filled" }))).toBeNull();
    expect(entryOf(event("EquityMarked", { id: "m" }))).toBeNull();
    expect(entryOf(event("OrderUpdated", { id: "u", status: "canceled" }))).not.toBeNull();
  });

  test("keeps only the newest of what is said again at every bar", () => {
    const withheld = (id: string, symbol: string) => event("SignalWithheld", { id, symbol, message: "too short" });
    const said = [run("r1", 0), withheld("w1", "FB"), run("r2", 2), run("r3", 0), withheld("w2", "FB"), withheld("w3", "IBM")];
    const feed = said.reduce<readonly FeedEntry[]>(withEvent, []);
    expect(feed.map((entry) => entry.id)).toEqual(["w3", "w2", "r3", "r2"]);
  });

  test("begins with what the books tell, by market time", () => {
    const feed = withBooks([], [...toldByOrder(order), toldBySignal(signal)]);
    expect(types(feed)).toEqual(["OrderFilled", "OrderUpdated", "SignalWithheld"]);
    expect(feed[0]?.detail).toMatchObject({ quantity: "50", price: "29.1" });
  });

  test("tells a fact once, whether the books or the socket came first", () => {
    const booksFirst = withEvent(withBooks([], toldByOrder(order)), fill);
    expect(types(booksFirst)).toEqual(["OrderFilled*", "OrderUpdated"]);
    const liveFirst = withBooks(withEvent([], fill), toldByOrder(order));
    expect(types(liveFirst)).toEqual(["OrderFilled*", "OrderUpdated"]);
    expect(withBooks(liveFirst, toldByOrder(order))).toBe(liveFirst);
  });

  test("leaves an event of wall time where it arrived, though the market's clock is years behind", () => {
    const state = event("TradingStateChanged", { id: "t" }, "2026-11-22T19:00:00Z");
    const feed = withBooks(withEvent(withEvent([], state), fill), [toldBySignal(signal)]);
    expect(types(feed)).toEqual(["OrderFilled*", "TradingStateChanged*", "SignalWithheld"]);
  });

  test("never grows beyond its length", () => {
    let feed: readonly FeedEntry[] = [];
    for (let n = 0; n < FEED_LENGTH + 5; n += 1) feed = withEvent(feed, run(`r${n}`, 1));
    expect(feed).toHaveLength(FEED_LENGTH);
    expect(feed[0]?.id).toBe(`r${FEED_LENGTH + 4}`);
  });
});
