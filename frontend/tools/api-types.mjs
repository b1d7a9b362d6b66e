// Writes `src/api/schema.ts`, the API's bodies as types, from `infra/openapi.json`; with `--check` it
// only tells whether the file is what it would write. Run by `npm run types` and `npm run check`.
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const SOURCE = new URL("../../infra/openapi.json", import.meta.url);
const TARGET = new URL("../src/api/schema.ts", import.meta.url);
const REF = "#/components/schemas/";

const HEAD = `// Written by tools/api-types.mjs from infra/openapi.json (\`npm run types\`); not edited by hand.

/** Money, a price or a quantity: a decimal as text. */
export type Amount = string;
/** A time, ISO 8601 in UTC. */
export type Moment = string;
/** A date, as 2012-04-03. */
export type Day = string;
`;

const FORMATS = { decimal: "Amount", "date-time": "Moment", date: "Day" };
const PLAIN = { integer: "number", number: "number", boolean: "boolean", string: "string", null: "null" };

/** A name of the description as a type's: of one that had to tell its module, the module's last part leads. */
export function typeName(name) {
  const parts = name.split(".");
  return parts.slice(-2).map((part) => part.charAt(0).toUpperCase() + part.slice(1)).join("");
}

/** A schema as a type expression. */
export function typeOf(schema) {
  if (schema.$ref) return typeName(schema.$ref.slice(REF.length));
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  if ("const" in schema) return JSON.stringify(schema.const);
  const choice = schema.anyOf ?? schema.oneOf;
  if (choice) return [...new Set(choice.map(typeOf))].join(" | ");
  if (Array.isArray(schema.type)) return [...new Set(schema.type.map((type) => typeOf({ ...schema, type })))].join(" | ");
  if (schema.type === "array") return `${wrapped(typeOf(schema.items ?? {}))}[]`;
  if (schema.type === "object") {
    const values = schema.additionalProperties;
    return `Record<string, ${values && values !== true ? typeOf(values) : "unknown"}>`;
  }
  return FORMATS[schema.format] ?? PLAIN[schema.type] ?? "unknown";
}

const wrapped = (type) => (type.includes(" | ") ? `(${type})` : type);

const words = (text) => text.replaceAll(/\s+/g, " ").replaceAll("*/", "* /").trim();

function declared(name, schema) {
  const says = schema.description ? `/** ${words(schema.description)} */\n` : "";
  if (!schema.properties) return `${says}export type ${typeName(name)} = ${typeOf(schema)};\n`;
  const required = new Set(schema.required ?? []);
  const fields = Object.entries(schema.properties).map(([field, of]) => `  ${field}${required.has(field) ? "" : "?"}: ${typeOf(of)};\n`);
  return `${says}export interface ${typeName(name)} {\n${fields.join("")}}\n`;
}

/** The whole file. */
export function written(description) {
  const schemas = Object.entries(description.components.schemas).sort(([one], [other]) => (one < other ? -1 : 1));
  return [HEAD, ...schemas.map(([name, schema]) => declared(name, schema))].join("\n");
}

function main() {
  const text = written(JSON.parse(readFileSync(SOURCE, "utf8")));
  if (!process.argv.includes("--check")) return writeFileSync(TARGET, text);
  if (readFileSync(TARGET, "utf8") === text) return undefined;
  process.stderr.write("src/api/schema.ts is not what infra/openapi.json says: run `.venv/bin/python -m laptop.dashboard types`\n");
  process.exitCode = 1;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main();
