import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { FIRST_LOAD_BYTES, firstLoad, weigh, type Built } from "./budget";

const file = (fileName: string, more: Partial<Built> = {}): Built => ({ fileName, code: "x", ...more });
const bundle = (...files: Built[]): Record<string, Built> => Object.fromEntries(files.map((each) => [each.fileName, each]));

test("the first load is the entry, what it imports at once and their styles, not what comes on demand", () => {
  const built = bundle(
    file("index.js", { isEntry: true, imports: ["shared.js"], viteMetadata: { importedCss: new Set(["index.css"]) } }),
    file("shared.js", { imports: ["index.js"] }),
    file("index.css"),
    file("canvas.js", { moduleIds: ["/a/node_modules/lightweight-charts/x.mjs"] }),
  );
  expect(firstLoad(built).map(({ fileName }) => fileName).sort()).toEqual(["index.css", "index.js", "shared.js"]);
  expect(weigh(built)).toBeGreaterThan(0);
});

test("a first load over the budget or with chart code in it is refused by name", () => {
  const heavy = randomBytes(FIRST_LOAD_BYTES).toString("latin1");
  expect(() => weigh(bundle(file("index.js", { isEntry: true, code: heavy })))).toThrow(/index\.js \d+/);
  const early = file("index.js", { isEntry: true, moduleIds: ["/a/node_modules/lightweight-charts/x.mjs"] });
  expect(() => weigh(bundle(early))).toThrow(/where a chart is/);
});
