import { expect, test } from "vitest";
import { frame, painted } from "./look";

const palette = { ground: "#ffffff", ink: "#000000", soft: "#555555", line: "#cccccc", up: "#00ff00", down: "#ff0000", accent: "#0000ff", warn: "#885500" };

test("a change of theme paints a chart and does not move it", () => {
  expect(frame(palette).timeScale).toMatchObject({ rightOffset: 3, borderColor: "#cccccc" });
  expect(painted(palette).timeScale).toEqual({ borderColor: "#cccccc" });
});
