// Small pieces of every table: amounts with a sign and a shape, states, sides, times.
import type { ComponentChildren } from "preact";
import { NONE, direction, gain, gainPercent, money, price } from "../format/money";
import { ageOf, fullMoment, fullWallMoment, localMoment, localYear } from "../format/time";
import { useCell, usePrice } from "../store/hooks";
import { marketYear } from "../store/year";

const SHAPES = { up: "▲", down: "▼", flat: "" } as const;

/** A gain or loss: sign, shape and colour say the same. */
export function Gain({ amount, unit = "$" }: { amount: string | null; unit?: "$" | "%" }) {
  if (amount === null) return <>{NONE}</>;
  const way = direction(amount);
  return (
    <span class={`gain ${way}`}>
      <span class="shape" aria-hidden="true">
        {SHAPES[way]}
      </span>
      {unit === "$" ? gain(amount) : gainPercent(amount)}
    </span>
  );
}

export const Money = ({ amount }: { amount: string | null }) => <>{amount === null ? NONE : money(amount)}</>;

/** The last trade as the feed told it, or `otherwise` while it has told nothing. */
export function LivePrice({ symbol, otherwise = "" }: { symbol: string; otherwise?: ComponentChildren }) {
  const of = usePrice(symbol);
  if (!of?.last) return <>{otherwise}</>;
  const sides = `bid ${of.bid ? price(of.bid) : NONE}, ask ${of.ask ? price(of.ask) : NONE}`;
  return (
    <span class="live" data-testid="live-price" title={`${sides}, ${ageOf(of.age_seconds)} old, ${fullMoment(of.at)}`}>
      {price(of.last)}
    </span>
  );
}

/** BUY and SELL differ by word and shape, not by colour alone. */
export function Side({ side }: { side: string | null }) {
  if (!side) return <>{NONE}</>;
  const buy = side.toLowerCase() === "buy";
  return (
    <span class={`side ${buy ? "up" : "down"}`}>
      <span class="shape" aria-hidden="true">
        {buy ? "▲" : "▼"}
      </span>
      {side.toUpperCase()}
    </span>
  );
}

export type Tone = "good" | "busy" | "quiet" | "bad";

const TONE_SHAPES: Record<Tone, string> = { good: "●", busy: "◐", quiet: "○", bad: "✕" };

const ORDER_TONES: Readonly<Record<string, Tone>> = {
  filled: "good",
  canceled: "quiet",
  expired: "quiet",
  replaced: "quiet",
  rejected: "bad",
  unknown: "bad",
  suspended: "bad",
};

/** Order states the table does not know are under way, as Alpaca adds some from time to time. */
export const orderTone = (status: string): Tone => ORDER_TONES[status.toLowerCase()] ?? "busy";

export const plain = (code: string): string => code.replace(/_/g, " ").toLowerCase();

/** The label of a field that a code names. Names that people gave stay as they gave them. */
export const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

/** A reason is a code of the rules or a person's sentence; only a code is made readable. */
export const words = (reason: string): string => (reason.includes(" ") ? reason : plain(reason));

export function State({ tone, children }: { tone: Tone; children: ComponentChildren }) {
  return (
    <span class={`state ${tone}`}>
      <span class="shape" aria-hidden="true">
        {TONE_SHAPES[tone]}
      </span>
      {children}
    </span>
  );
}

/** A moment of the market in the reader's zone, with its year where the market is in another one; the market's
 * time and all of it in the tooltip. */
export function Moment({ at, form }: { at: string | null; form?: (iso: string) => string }) {
  const year = useCell(marketYear);
  if (!at) return <>{NONE}</>;
  return (
    <time dateTime={at} title={fullMoment(at)}>
      {form ? form(at) : localMoment(at, year || undefined)}
    </time>
  );
}

/** A moment of this world: on the laptop the market's clock is years behind. */
export const WallMoment = ({ at }: { at: string }) => (
  <time dateTime={at} title={`${fullWallMoment(at)}, not market time`}>
    {localMoment(at, localYear(new Date().toISOString()))}
  </time>
);

/** Says so where prices are those last known, as the API marks them. */
export const Cached = ({ what }: { what: { source: string; age_seconds: number } | undefined }) =>
  what?.source === "cache" ? (
    <span class="badge warn" title="Market data does not answer: these are the last known prices">
      cached, {ageOf(what.age_seconds)} old
    </span>
  ) : null;

export function Figure({ label, children, testid, value }: { label: string; children: ComponentChildren; testid?: string; value?: string }) {
  return (
    <div class="figure">
      <dt>{label}</dt>
      <dd data-testid={testid} data-value={value}>
        {children}
      </dd>
    </div>
  );
}
