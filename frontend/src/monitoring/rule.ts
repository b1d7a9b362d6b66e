// A rule of the paper exchange's faults as it is typed, and what the switchboard's mixes stand at. Pure.
import type { FaultMix, Faults, NewFault } from "../api/bodies";
import { plain } from "../parts/figures";

export interface Draft {
  kind: string;
  route: string;
  percent: string;
  times: string;
  milliseconds: string;
  most_milliseconds: string;
  retry_after: string;
  status: string;
  age_seconds: string;
  event: string;
}

export const BEGINNING: Draft = { kind: "latency", route: "", percent: "100", times: "", milliseconds: "500", most_milliseconds: "", retry_after: "1", status: "502", age_seconds: "3600", event: "" };

const MEANS: Readonly<Record<string, string>> = {
  latency: "late answer",
  "429": "429: too many requests",
  "500": "500: server error",
  "503": "503: not available",
  "504_before": "504, nothing done",
  "504_after": "504, done all the same",
  cut_before: "cut off, nothing done",
  cut_after: "cut off, done all the same",
  html: "a web page for an answer",
  truncated: "half an answer",
  stale_clock: "clock that is behind",
  account_blocked: "account blocked",
  stream_duplicate: "stream says things twice",
  stream_reorder: "stream mixes the order",
  stream_lost: "stream loses messages",
  stream_mute: "stream falls silent",
  stream_cut: "stream is cut off",
};

export const meaningOf = (kind: string): string => MEANS[kind] ?? plain(kind);

export const isOfStreams = (kind: string): boolean => kind.startsWith("stream_");

const STREAMS = ["stream", "trade_updates", "data_stream"];
const OF_ITS_OWN = ["stale_clock", "account_blocked"];

/** The groups that a rule of this kind may name; none where the kind says itself whom it meets. */
export function routesFor(kind: string, routes: readonly string[]): string[] {
  if (OF_ITS_OWN.includes(kind)) return [];
  return routes.filter((route) => STREAMS.includes(route) === isOfStreams(kind) && route !== "blockable");
}

export type Extra = "milliseconds" | "most_milliseconds" | "retry_after" | "status" | "age_seconds" | "event";

const EXTRAS: Readonly<Record<string, readonly Extra[]>> = {
  latency: ["milliseconds", "most_milliseconds"],
  "429": ["retry_after"],
  html: ["status"],
  stale_clock: ["age_seconds"],
};

/** What a rule of this kind takes besides. */
export const extrasOf = (kind: string): readonly Extra[] => (isOfStreams(kind) ? ["event"] : (EXTRAS[kind] ?? []));

type Bounds = readonly [least: number, most: number];

const BOUNDS: Readonly<Partial<Record<keyof Draft, Bounds>>> = {
  times: [1, 1_000_000],
  milliseconds: [0, 60_000],
  most_milliseconds: [0, 60_000],
  retry_after: [0, 3600],
  status: [200, 599],
  age_seconds: [0, 31_536_000],
};
const MAY_BE_EMPTY: readonly (keyof Draft)[] = ["times", "most_milliseconds"];

/** What is wrong with what was typed, by field, in sentences. */
export function wrongIn(draft: Draft): Partial<Record<keyof Draft, string>> {
  const wrong: Partial<Record<keyof Draft, string>> = {};
  const percent = Number(draft.percent);
  if (draft.percent.trim() === "" || !(percent > 0 && percent <= 100)) wrong.percent = "Give more than 0 and at most 100.";
  for (const name of ["times", ...extrasOf(draft.kind)] as const) {
    const bounds = BOUNDS[name];
    const text = draft[name].trim();
    if (!bounds || (text === "" && MAY_BE_EMPTY.includes(name))) continue;
    if (!/^\d+$/.test(text) || Number(text) < bounds[0] || Number(text) > bounds[1]) wrong[name] = `Give a whole number from ${bounds[0].toLocaleString("en-US")} to ${bounds[1].toLocaleString("en-US")}.`;
  }
  if (draft.kind === "latency" && !wrong.most_milliseconds && draft.most_milliseconds.trim() !== "" && Number(draft.most_milliseconds) < Number(draft.milliseconds)) wrong.most_milliseconds = "Give no less than the shortest.";
  return wrong;
}

/** The rule as the API takes it, with what its kind needs alone; null while something is wrong. */
export function ruleOf(draft: Draft, routes: readonly string[]): NewFault | null {
  if (Object.keys(wrongIn(draft)).length > 0) return null;
  const rule: NewFault = { kind: draft.kind, probability: Number(draft.percent) / 100 };
  if (routesFor(draft.kind, routes).includes(draft.route)) rule.route = draft.route;
  if (draft.times.trim() !== "") rule.times = Number(draft.times);
  for (const name of extrasOf(draft.kind)) {
    const text = draft[name].trim();
    if (text === "") continue;
    if (name === "event") rule.event = text;
    else rule[name] = Number(text);
  }
  return rule;
}

export type Standing = "off" | "on" | "blocked";

/** Whether a mix is in force whole; blocked where some of its rules stand already, which it cannot add again. */
export function standingOf(mix: FaultMix, board: Faults): Standing {
  const inForce = board.rules.map(({ rule }) => rule.id);
  const there = mix.rules.filter((rule) => inForce.includes(rule.id)).length;
  return there === 0 ? "off" : there === mix.rules.length && sameKinds(mix, board) ? "on" : "blocked";
}

/** The mixes share names of rules; of those in force none may be another's. */
function sameKinds(mix: FaultMix, board: Faults): boolean {
  const chances = new Map(board.rules.map(({ rule }) => [rule.id, rule.probability]));
  return mix.rules.every((rule) => chances.get(rule.id) === rule.probability);
}

/** Each kind with its count, the most frequent first. */
export const talliedBy = (injected: Readonly<Record<string, number>>): string =>
  Object.entries(injected)
    .sort(([, a], [, b]) => b - a)
    .map(([kind, count]) => `${meaningOf(kind)} ${count.toLocaleString("en-US")}`)
    .join(", ");
