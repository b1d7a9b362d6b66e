import { describe, expect, test } from "vitest";
import { direction, gain, gap, money, percent, price, quantity } from "./money";

describe("amounts on the page", () => {
  test("keep every digit that floating point would lose", () => {
    expect(money("90071992547409931.07")).toBe("$90,071,992,547,409,931.07");
    expect(quantity("0.100000000000000000001")).toBe("0.100000000000000000001");
  });

  test.each([
    ["100000", "$100,000.00"],
    ["1.005", "$1.00"],
    ["1.015", "$1.02"],
    ["2.675", "$2.68"],
    ["-1234.5", "\u2212$1,234.50"],
    ["1E+2", "$100.00"],
    ["0E-9", "$0.00"],
    ["-0.001", "$0.00"],
  ])("round %s half to even, as the books do: %s", (text, shown) => {
    expect(money(text)).toBe(shown);
  });

  test("carry their sign in the text, not only in a colour", () => {
    expect(gain("12")).toBe("+$12.00");
    expect(gain("-12")).toBe("\u2212$12.00");
    expect(gain("0.00")).toBe("$0.00");
    expect([direction("0.004"), direction("-0.01"), direction("3")]).toEqual(["flat", "down", "up"]);
  });

  test("show a price with two to four decimals and a quantity without idle zeros", () => {
    expect([price("190"), price("190.125"), price("0.12345")]).toEqual(["190.00", "190.125", "0.1234"]);
    expect([quantity("50.000000000"), quantity("1.50"), quantity("1200")]).toEqual(["50", "1.5", "1,200"]);
    expect(percent("12.345")).toBe("12.3%");
  });

  test("are refused when they are no decimal, rather than shown as NaN", () => {
    expect(() => money("NaN")).toThrow(RangeError);
    expect(() => money("")).toThrow(/decimal strings/);
  });
});

describe("our books beside the broker's", () => {
  test("agree when they differ by less than half a cent", () => {
    expect(gap("100000.0049", "100000.0051")).toBeNull();
    expect(gap("100000", "100000.00")).toBeNull();
  });

  test("tell by how much they differ", () => {
    expect(gap("100000.01", "100000")).toBe("+$0.01");
    expect(gap("98000", "100000.5")).toBe("\u2212$2,000.50");
  });
});
