// What nobody uses is deleted: an export without an importer, a class of the style sheets that no element has.
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

const SOURCE = join(import.meta.dirname, "..", "src");
const GENERATED = "api/schema.ts";
const names = readdirSync(SOURCE, { recursive: true, encoding: "utf8" }).filter((name) => /\.(tsx?|css)$/.test(name));
const texts = new Map(names.map((name) => [name, readFileSync(join(SOURCE, name), "utf8")]));
const word = (name: string): RegExp => new RegExp(`(?<![\\w-])${name}(?![\\w-])`);
const others = (than: string): string[] => [...texts].filter(([name]) => name !== than && !name.endsWith(".css")).map(([, text]) => text);

test("every export is imported somewhere", () => {
  const dead = [...texts].flatMap(([name, text]) => {
    if (name === GENERATED || name.endsWith(".css")) return [];
    const exported = [...text.matchAll(/^export (?:async )?(?:function|class|const|interface|type) (\w+)/gm)].map((match) => match[1]!);
    return exported.filter((each) => !others(name).some((other) => word(each).test(other))).map((each) => `${name}: ${each}`);
  });
  expect(dead).toEqual([]);
});

test("every class of the style sheets is worn by an element", () => {
  const sheets = [...texts].filter(([name]) => name.endsWith(".css")).map(([, text]) => text.replace(/\/\*.*?\*\//gs, ""));
  const classes = new Set(sheets.flatMap((text) => [...text.matchAll(/\.([a-zA-Z][\w-]*)/g)].map((match) => match[1]!)));
  expect(classes.size).toBeGreaterThan(100);
  expect([...classes].filter((each) => each !== "css" && !others("").some((text) => word(each).test(text)))).toEqual([]);
});
