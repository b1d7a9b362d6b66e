import { expect, test } from "vitest";
import { reasonsOf } from "./reasons";

test("each rule that refused an order stands beside what it said", () => {
  const message = "the stop would lose 600 dollars; 0.00 used and 9000 asked of 5000 dollars in one symbol";
  expect(reasonsOf({ codes: ["equity_at_risk", "position_limit"], message })).toEqual([
    { rule: "equity at risk", says: "the stop would lose 600 dollars" },
    { rule: "position limit", says: "0.00 used and 9000 asked of 5000 dollars in one symbol" },
  ]);
});

test("a sentence that is not one a rule is left whole", () => {
  expect(reasonsOf({ codes: ["halted", "locked"], message: "one sentence for both" })).toEqual([{ rule: "halted, locked", says: "one sentence for both" }]);
  expect(reasonsOf({ codes: [], message: "it failed; twice" })).toEqual([{ rule: "", says: "it failed; twice" }]);
});
