// The market's own clock and whether it is open. On the laptop that clock replays other years.
import { useEffect } from "preact/hooks";
import type { MarketStatus } from "../api/bodies";
import { ageOf, fullMoment, localYear, marketClock, marketWeekday } from "../format/time";
import { useRead } from "../store/hooks";
import { marketYear } from "../store/year";

/** The clock is asked for often: no event tells that time passes. */
const EVERY_MS = 5_000;

const useMarket = () => useRead<MarketStatus>("/api/market_status", EVERY_MS);

export function MarketTime() {
  const { data, error } = useMarket();
  useEffect(() => {
    if (data) marketYear.set(localYear(data.now));
  }, [data]);
  if (!data) {
    return (
      <p class="market" data-testid="market-time">
        {error ? `Market time unknown: ${error.message}` : "Market time …"}
      </p>
    );
  }
  const next = data.is_open ? data.next_close : data.next_open;
  return (
    <p class="market" data-testid="market-time" data-open={String(data.is_open)}>
      <span class={data.is_open ? "lamp on" : "lamp"} aria-hidden="true" />
      <span>
        <span class="market-label off-phone">Market time </span>
        <time dateTime={data.now} title={fullMoment(data.now)}>
          {marketWeekday(data.now)} {marketClock(data.now)}
        </time>{" "}
        <span class="market-label">
          <abbr class="on-phone" title="New York">
            NY
          </abbr>
          <span class="off-phone">New York</span>
          {data.source === "cache" && ` (as of ${ageOf(data.age_seconds)} ago)`} · {data.is_open ? "open, closes" : "closed, opens"} {marketWeekday(next).slice(0, 3)} {marketClock(next)}
        </span>
      </span>
    </p>
  );
}

/** For empty lists: when the rule judges next. */
export function NextRun() {
  const { data } = useMarket();
  if (!data) return null;
  return (
    <>
      {" "}
      The next bar closes {marketWeekday(data.next_close)} at {marketClock(data.next_close)}, market time.
    </>
  );
}
