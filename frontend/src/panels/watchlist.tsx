// What is watched: live price, what the last bar said, and the oscillator of the last weeks in a strip.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import type { Indicators, Quote, Signal } from "../api/bodies";
import { connection } from "../desk";
import { NONE, price } from "../format/money";
import { marketDay } from "../format/time";
import { LivePrice, Side, plain } from "../parts/figures";
import { Loaded, Panel } from "../parts/panel";
import { useSeen } from "../parts/seen";
import { Sparkline, type Stroke } from "../parts/sparkline";
import { SymbolLink } from "../parts/symbol";
import { useCell, usePrice, useRead } from "../store/hooks";
import { useConfig, useWatchlist } from "./config";
import { useSignals } from "./signals";

const STRIP_BARS = 40;
/** What is withheld for it may have no price at all yet, as before a first session. */
const UNTRADED = "short_history";
/** Indicators move with a closed bar, which an event tells. */
const STRIP_EVERY_MS = 300_000;
/** Without a socket each price costs a request. */
const PRICE_EVERY_MS = 15_000;
/** What the page is opened for comes first. */
const STRIPS_AFTER_MS = 1_500;

interface Props {
  picked: string | null;
  pick: (symbol: string) => void;
}

export function Watchlist({ picked, pick }: Props) {
  const config = useConfig();
  const symbols = useWatchlist();
  const signals = useSignals();
  const latest = useMemo(() => latestOf(signals.data?.items ?? []), [signals.data]);
  return (
    <Panel title="Watchlist" testid="watchlist" aside={symbols.length > 0 && `${symbols.length} symbols, prices in $`} view={signals} flush>
      <Loaded
        view={config}
        what="watchlist"
        isEmpty={() => symbols.length === 0}
        empty="The watchlist is empty, so nothing is traded. Name the symbols to watch in the settings."
      >
        {() => (
          <ul class="watchlist">
            {symbols.map((symbol) => (
              <Watched key={symbol} symbol={symbol} signal={latest.get(symbol)} picked={symbol === picked} pick={pick} />
            ))}
          </ul>
        )}
      </Loaded>
    </Panel>
  );
}

/** Signals come newest first; the first of a symbol that really trades is what it says now. */
function latestOf(signals: readonly Signal[]): Map<string, Signal> {
  const latest = new Map<string, Signal>();
  for (const signal of signals) if (!latest.has(signal.symbol)) latest.set(signal.symbol, signal);
  return latest;
}

function Watched({ symbol, signal, picked, pick }: { symbol: string; signal: Signal | undefined; picked: boolean; pick: (symbol: string) => void }) {
  const row = useRef<HTMLLIElement>(null);
  // A watchlist may be long.
  const seen = useSeen(row);
  return (
    <li ref={row} class={picked ? "watched picked" : "watched"} data-testid="watched" data-symbol={symbol}>
      <button type="button" aria-label={symbol} aria-pressed={picked} title={`Show ${symbol} in the chart`} onClick={() => pick(symbol)}>
        {symbol}
      </button>
      {seen ? <Seen symbol={symbol} traded={signal?.code !== UNTRADED} /> : <span class="watched-price">{NONE}</span>}
      <span class="watched-signal soft">
        <SignalState signal={signal} />
        <SymbolLink symbol={symbol} label="why?" />
      </span>
    </li>
  );
}

/** True once this time has passed since the first drawing. */
function useAfter(milliseconds: number): boolean {
  const [passed, setPassed] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setPassed(true), milliseconds);
    return () => clearTimeout(timer);
  }, []);
  return passed;
}

function Seen({ symbol, traded }: { symbol: string; traded: boolean }) {
  const opened = useAfter(STRIPS_AFTER_MS);
  const { data } = useRead<Indicators>(opened ? `/api/indicators/${encodeURIComponent(symbol)}?limit=${STRIP_BARS}` : null, STRIP_EVERY_MS);
  return (
    <>
      <span class="watched-price">
        <PriceOf symbol={symbol} traded={traded} bars={data} />
      </span>
      {data ? <Strip symbol={symbol} indicators={data} /> : <span />}
    </>
  );
}

/** Before the first price of a symbol is heard, the last bar's close stands there. */
function PriceOf({ symbol, traded, bars }: { symbol: string; traded: boolean; bars: Indicators | undefined }) {
  const live = usePrice(symbol);
  const polls = useCell(connection) === "polling";
  const quote = useRead<Quote>(polls && traded && !live ? `/api/latest/${encodeURIComponent(symbol)}` : null, PRICE_EVERY_MS).data;
  return <LivePrice symbol={symbol} otherwise={quote ? price(quote.last) : <LastClose bars={bars} />} />;
}

function LastClose({ bars }: { bars: Indicators | undefined }) {
  const [close, at] = [bars?.closes.at(-1), bars?.times.at(-1)];
  if (close === undefined || !at) return <>{NONE}</>;
  return (
    <span class="soft" title={`close of the bar of ${marketDay(at)}`}>
      {price(close.toFixed(4))}
    </span>
  );
}

function SignalState({ signal }: { signal: Signal | undefined }) {
  if (!signal) return <>no signal</>;
  const day = marketDay(signal.bar_close);
  const when = `on the bar of ${day}: ${signal.reason}`;
  const short = day.replace(/, \d+$/, "");
  if (signal.outcome === "raised") {
    return (
      <span title={when}>
        <Side side={signal.side} /> {short}
      </span>
    );
  }
  return (
    <span class="cut" title={`withheld ${when}`}>
      {signal.side && <Side side={signal.side} />} {short}: {plain(signal.code) || "withheld"}
    </span>
  );
}

const OSCILLATOR: readonly (readonly [name: string, tone: Stroke["tone"]])[] = [
  ["d", "warn"],
  ["k", "accent"],
];
const SCALE = [0, 100] as const;
const EXTREMES = [20, 80];

function Strip({ symbol, indicators }: { symbol: string; indicators: Indicators }) {
  const { series } = indicators;
  const strokes = useMemo(() => OSCILLATOR.filter(([name]) => series[name]).map(([name, tone]) => ({ tone, values: series[name]! })), [series]);
  const last = series.k?.at(-1);
  if (strokes.length === 0) return <span />;
  return (
    <Sparkline
      label={`StochRSI of ${symbol}, last ${STRIP_BARS} bars${last === null || last === undefined ? "" : `: K at ${last.toFixed(0)} of 100`}`}
      strokes={strokes}
      levels={EXTREMES}
      range={SCALE}
    />
  );
}
