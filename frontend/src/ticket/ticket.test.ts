import { describe, expect, test } from "vitest";
import { EMPTY, amountsFor, bodyOf, decimalOf, faultsOf, forcesFor, pendingFor, settled, typesFor, type Ticket } from "./ticket";

const ticket = (changes: Partial<Ticket>): Ticket => settled({ ...EMPTY, symbol: "aapl", ...changes });

describe("the order ticket", () => {
  test("is a bracket sized by the rules until it says otherwise", () => {
    expect(bodyOf(ticket({}))).toEqual({ symbol: "AAPL", side: "buy", order_type: "market", order_class: "bracket", time_in_force: "gtc" });
  });

  test("sends only what its type and class take, whatever was typed before", () => {
    const typed = ticket({ order_class: "simple", order_type: "limit", limit_price: "10", stop_price: "9", trail_percent: "2", take_profit_price: "12" });
    expect(bodyOf(typed)).toEqual({ symbol: "AAPL", side: "buy", order_type: "limit", order_class: "simple", time_in_force: "gtc", limit_price: "10" });
  });

  test.each([
    ["sell leaves a bracket", { side: "sell", order_class: "bracket" }, { order_class: "simple" }],
    ["a bracket does not trail", { order_class: "bracket", order_type: "trailing_stop" }, { order_type: "market" }],
    ["an oco is a limit", { side: "sell", order_class: "oco", order_type: "stop" }, { order_type: "limit" }],
    ["dollars go with simple market orders", { order_class: "bracket", size: "notional" }, { size: "rules" }],
    ["a bracket waits", { order_class: "bracket", time_in_force: "ioc" }, { time_in_force: "day" }],
    ["a fraction is a day order", { order_class: "simple", size: "quantity", quantity: "1.5", time_in_force: "gtc" }, { time_in_force: "day" }],
    ["a market order has no extended hours", { order_class: "simple", extended_hours: true }, { extended_hours: false }],
  ] as [string, Partial<Ticket>, Partial<Ticket>][])("is put right: %s", (_, given, expected) => {
    expect(ticket(given)).toMatchObject(expected);
  });

  test("offers what Alpaca takes", () => {
    expect(typesFor(ticket({ side: "sell", order_class: "oco" }))).toEqual(["limit"]);
    expect(forcesFor(ticket({ order_class: "simple", order_type: "stop" }))).toEqual(["day", "gtc"]);
    expect(amountsFor(ticket({ order_class: "simple", order_type: "stop_limit" }))).toEqual(["limit_price", "stop_price"]);
    expect(amountsFor(ticket({ order_class: "simple", order_type: "trailing_stop", trail: "trail_price" }))).toEqual(["trail_price"]);
  });

  test("tells a gap from a fault, and is not judged with either", () => {
    const limit = { order_class: "simple", order_type: "limit" } as const;
    expect(faultsOf(ticket(limit))).toEqual({ gaps: ["limit_price"], faults: {} });
    expect(faultsOf(ticket({ ...limit, limit_price: "1o" })).faults).toHaveProperty("limit_price");
    expect(bodyOf(ticket({ ...limit, limit_price: "-1" }))).toBeNull();
    expect(faultsOf(ticket({ order_class: "oto" })).gaps).toEqual(["stop_loss_price"]);
    expect(bodyOf(ticket({ order_class: "oto", stop_loss_price: "9" }))).toMatchObject({ stop_loss_price: "9" });
    expect(faultsOf({ ...EMPTY, symbol: "NOT A SYMBOL" }).faults).toHaveProperty("symbol");
  });

  test("keeps amounts as they were typed, to the last digit", () => {
    expect([decimalOf("1,234.50"), decimalOf("$10"), decimalOf(".5"), decimalOf("5."), decimalOf("0.000000001")]).toEqual(["1234.50", "10", "0.5", "5", "0.000000001"]);
    expect(["0", "0.00", "-1", "1e3", "1,5", "", "NaN"].map(decimalOf)).toEqual([null, null, null, null, null, null, null]);
  });
});

describe("the Idempotency-Key", () => {
  test("stays while the same order is sent again, and changes with the order", () => {
    let made = 0;
    const fresh = () => `key-${(made += 1)}`;
    const first = pendingFor("a", null, fresh);
    expect(pendingFor("a", first, fresh)).toBe(first);
    expect(pendingFor("b", first, fresh)).toEqual({ key: "key-2", body: "b" });
    expect(pendingFor("a", null, fresh).key).toBe("key-3");
  });
});
