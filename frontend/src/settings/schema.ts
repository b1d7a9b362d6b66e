// From the settings' JSON Schema to the fields of a form: what kind of input, unit, bounds, default,
// help; what was typed as JSON again, and what of it does not fit.

export interface Schema {
  $ref?: string;
  $defs?: Record<string, Schema>;
  type?: string | string[];
  format?: string;
  enum?: unknown[];
  anyOf?: Schema[];
  properties?: Record<string, Schema>;
  additionalProperties?: Schema | boolean;
  items?: Schema;
  allOf?: { if?: Schema; then?: Schema }[];
  const?: unknown;
  default?: unknown;
  title?: string;
  description?: string;
  minimum?: number;
  exclusiveMinimum?: number;
  maximum?: number;
  exclusiveMaximum?: number;
  pattern?: string;
  "x-unit"?: string;
  "x-group"?: string;
}

export type Kind = "number" | "switch" | "choice" | "list" | "text" | "json";

export interface FieldOf {
  /** As the API names it: `risk.stop_loss_percent`. */
  path: string;
  label: string;
  help: string;
  unit: string;
  kind: Kind;
  whole: boolean;
  /** Whether it goes to the API as a string, as decimals do. */
  decimal: boolean;
  nullable: boolean;
  choices: readonly string[];
  bounds: Bounds;
  initial: unknown;
}

export interface Bounds {
  least?: number | undefined;
  above?: number | undefined;
  most?: number | undefined;
}

/** The schema that a `$ref` points to, with what stands beside the reference laid over it. */
export function resolved(root: Schema, schema: Schema): Schema {
  if (!schema.$ref) return schema;
  const name = decodeURIComponent(schema.$ref.replace("#/$defs/", ""));
  const { $ref: _, ...beside } = schema;
  return { ...resolved(root, root.$defs?.[name] ?? {}), ...beside };
}

const typesOf = (schema: Schema): readonly string[] => (schema.type === undefined ? [] : Array.isArray(schema.type) ? schema.type : [schema.type]);

/** One setting as a field of the form. */
export function fieldOf(root: Schema, path: string, given: Schema): FieldOf {
  const outer = resolved(root, given);
  const nullable = outer.anyOf?.some((one) => one.type === "null") ?? false;
  const inner = outer.anyOf ? resolved(root, outer.anyOf.find((one) => one.type !== "null") ?? {}) : outer;
  const types = typesOf(inner);
  const kind: Kind = inner.enum
    ? "choice"
    : types.includes("boolean")
      ? "switch"
      : types.includes("integer") || types.includes("number")
        ? "number"
        : types.includes("array") && typesOf(resolved(root, inner.items ?? {})).includes("string")
          ? "list"
          : types.includes("string")
            ? "text"
            : "json";
  return {
    path,
    label: (outer.title ?? path.split(".").at(-1) ?? path).replaceAll("_", " "),
    help: outer.description ?? "",
    unit: outer["x-unit"] ?? "",
    kind,
    whole: types.includes("integer"),
    decimal: inner.format === "decimal",
    nullable,
    choices: (inner.enum ?? []).map(String),
    bounds: { least: inner.minimum, above: inner.exclusiveMinimum, most: inner.maximum },
    initial: outer.default,
  };
}

/** The fields of a group of settings, such as `risk`; those named in `left` out. */
export function fieldsOf(root: Schema, group: Schema, prefix: string, left: readonly string[] = []): FieldOf[] {
  return Object.entries(resolved(root, group).properties ?? {})
    .filter(([name, schema]) => !left.includes(name) && !isGroup(root, schema))
    .map(([name, schema]) => fieldOf(root, prefix === "" ? name : `${prefix}.${name}`, schema));
}

export function isGroup(root: Schema, schema: Schema): boolean {
  return resolved(root, schema).properties !== undefined;
}

/** The schema of a rule's parameters, which a strategy's schema names by its rule. */
export function parametersOf(root: Schema, rule: string): Schema {
  const strategy = root.$defs?.StrategySettings;
  const chosen = strategy?.allOf?.find((one) => one.if?.properties?.rule?.const === rule);
  return resolved(root, chosen?.then?.properties?.parameters ?? {});
}

/** `0 < x ≤ 50`, `1 to 100`: the bounds in words, empty when there are none. */
export function boundsInWords({ least, above, most }: Bounds): string {
  const low = above !== undefined ? `above ${above}` : least !== undefined ? `${least}` : "";
  if (low === "") return most === undefined ? "" : `at most ${most}`;
  if (most === undefined) return above !== undefined ? low : `at least ${low}`;
  return above !== undefined ? `${low}, at most ${most}` : `${low} to ${most}`;
}

/** A setting's value as it stands in its input. */
export function shown(field: FieldOf, value: unknown): string {
  if (value === null || value === undefined) return "";
  if (field.kind === "list") return (value as unknown[]).join(", ");
  if (field.kind === "json") return JSON.stringify(value, null, 1);
  return String(value);
}

type Typed = { value: unknown } | { fault: string };

const NUMBER = /^-?\d{1,15}(\.\d{1,9})?$/;

/** What was typed as the value for the API, or why it is none. */
export function typed(field: FieldOf, text: string): Typed {
  const plain = text.trim();
  if (plain === "" && field.nullable) return { value: null };
  switch (field.kind) {
    case "number":
      return number(field, plain);
    case "switch":
      return { value: plain === "true" };
    case "choice":
      return field.choices.includes(plain) ? { value: plain } : { fault: `Choose one of ${field.choices.join(", ")}.` };
    case "list":
      return { value: plain === "" ? [] : plain.split(/[\s,;]+/).filter(Boolean).map((one) => one.toUpperCase()) };
    case "json":
      return json(plain);
    default:
      return { value: plain };
  }
}

function number(field: FieldOf, text: string): Typed {
  if (!NUMBER.test(text) || (field.whole && text.includes("."))) return { fault: field.whole ? "Write a whole number." : "Write a number, such as 2.5." };
  const { least, above, most } = field.bounds;
  const size = Number(text);
  const outside = (least !== undefined && size < least) || (above !== undefined && size <= above) || (most !== undefined && size > most);
  if (outside) return { fault: `It must be ${boundsInWords(field.bounds)}.` };
  return { value: field.decimal ? text : size };
}

function json(text: string): Typed {
  try {
    return { value: JSON.parse(text === "" ? "{}" : text) };
  } catch {
    return { fault: "This is no JSON: names and texts stand in double quotes, no comma after the last." };
  }
}

/** The value at a path such as `risk.stop_loss_percent`. A name may hold no dot but in `strategies`, where rules forbid it. */
export function at(settings: unknown, path: string): unknown {
  return path.split(".").reduce<unknown>((inner, name) => (inner && typeof inner === "object" ? (inner as Record<string, unknown>)[name] : undefined), settings);
}

export const same = (left: unknown, right: unknown): boolean => JSON.stringify(left ?? null) === JSON.stringify(right ?? null);

/** Values by path as the nested change that POST /api/config takes. */
export function changeOf(values: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const change: Record<string, unknown> = {};
  for (const [path, value] of Object.entries(values)) {
    const names = path.split(".");
    const last = names.pop()!;
    let inner = change;
    for (const name of names) inner = (inner[name] ??= {}) as Record<string, unknown>;
    inner[last] = value;
  }
  return change;
}

/** The form's field for the API's `settings.risk.stop_loss_percent`. */
export const pathOfField = (field: string | null): string | null => field && field.replace(/^settings\./, "");

export interface Clash {
  path: string;
  was: unknown;
  theirs: unknown;
}

/** Which of the settings being changed someone else has changed since; `was` are their values at the time. */
export function clashes(was: Readonly<Record<string, unknown>>, now: unknown): Clash[] {
  return Object.entries(was)
    .filter(([path, before]) => !same(before, at(now, path)))
    .map(([path, before]) => ({ path, was: before, theirs: at(now, path) }));
}
