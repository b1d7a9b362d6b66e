import { expect, test } from "vitest";
import type { Signal } from "../api/bodies";
import { gathered } from "./gathered";

const signal = (symbol: string, day: number, side: string | null = null, code = "short_history") =>
  ({ symbol, side, code, strategy: "s", timeframe: "1Day", bar_close: `2012-04-${day}`, outcome: side ? "raised" : "withheld" }) as unknown as Signal;

test("what is withheld for the same reason on many bars is one line, and what had a side its own", () => {
  const told = gathered([signal("FB", 17), signal("MSFT", 16, "buy", ""), signal("FB", 16), signal("FB", 13, null, "stale"), signal("MSFT", 12, "buy", ""), signal("FB", 12)]);
  expect(told.map(({ signal: of, before, since }) => [of.symbol, of.bar_close, before, since])).toEqual([
    ["FB", "2012-04-17", 2, "2012-04-12"],
    ["MSFT", "2012-04-16", 0, "2012-04-16"],
    ["FB", "2012-04-13", 0, "2012-04-13"],
    ["MSFT", "2012-04-12", 0, "2012-04-12"],
  ]);
});
