import { expect, test } from "vitest";
import { linesOf } from "./outcome";

test("a drawdown is drawn downward, as the result tells it", () => {
  const lines = linesOf({ days: ["2012-01-03", "2012-01-04"], equity: [100, 75], benchmark: [100, 90], drawdown_percent: [0, -25] });
  expect(lines.map(({ name, points }) => [name, points.at(-1)?.value])).toEqual([["equity", 75], ["held all the time", 90], ["drawdown", -25]]);
});
