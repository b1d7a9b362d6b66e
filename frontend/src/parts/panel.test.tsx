import { expect, test } from "vitest";
import type { ComponentChildren } from "preact";
import { ApiError } from "../api/client";
import type { View } from "../store/hooks";
import { elements, words } from "./drawn";
import { Loaded } from "./panel";

const ROWS = ["MSFT", "IBM"];
const view = (known: Partial<View<string[]>>): View<string[]> => ({ data: undefined, error: undefined, at: () => undefined, reload: () => undefined, ...known });
const AWAY = new ApiError(503, "unavailable", "the broker does not answer", "abc-1");

const panel = (known: Partial<View<string[]>>) => (
  <Loaded view={view(known)} what="positions" isEmpty={(rows) => rows.length === 0} empty="Nothing is held.">
    {(rows) => <p class="rows">{rows.join(" ")}</p>}
  </Loaded>
);
const classes = (node: ComponentChildren) => elements(node).map(({ props }) => props.class);

test("a panel that waits for its first answer says so", () => {
  expect(words(panel({}))).toBe("Loading positions");
  expect(classes(panel({}))).toContain("bone");
});

test("an answer without anything in it is told in words", () => {
  expect(words(panel({ data: [] }))).toBe("Nothing is held.");
});

test("an error before any answer says what is missing, why and under which id, and can be tried again", () => {
  let tried = 0;
  const shown = panel({ error: AWAY, reload: () => (tried += 1) });
  expect(words(shown)).toBe("No positions. The broker does not answer.Correlation id abc-1Try again");
  elements(shown).find(({ type }) => type === "button")!.props.onClick!();
  expect(tried).toBe(1);
});

test("what was read before stays under a later error, which says that it may be out of date", () => {
  const shown = panel({ data: ROWS, error: AWAY });
  expect(words(shown)).toMatch(/^Shown positions may be out of date\. The broker does not answer\..*MSFT IBM$/);
});

test("what is not there yet is no error", () => {
  const shown = panel({ error: new ApiError(404, "not_found", "the books are not open yet") });
  expect(words(shown)).toBe("The books are not open yet.");
  expect(classes(shown)).toEqual(["empty"]);
});

test("an answer is shown and nothing else", () => {
  expect([words(panel({ data: ROWS })), classes(panel({ data: ROWS }))]).toEqual(["MSFT IBM", ["rows"]]);
});
