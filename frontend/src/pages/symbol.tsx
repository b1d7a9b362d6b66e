// `/symbol/AAPL`: one symbol, its chart, and for any bar why it did, or did not, trade.
import { useEffect } from "preact/hooks";
import type { Order, Page, PositionDetail, Signal } from "../api/bodies";
import { explainedAt, isDaily } from "../chart/series";
import { TIMEFRAMES } from "../chart/timeframes";
import { NONE, price, quantity } from "../format/money";
import { marketDay, marketMoment } from "../format/time";
import { SymbolChart, ordersOf, useBars } from "../panels/chart";
import { useWatchlist } from "../panels/config";
import { Why } from "../panels/explanation";
import { ORDER_COLUMNS } from "../panels/orders";
import { Nearest, usePositions } from "../panels/positions";
import { Age } from "../parts/age";
import { Figure, Gain, LivePrice, Moment, Money, Side, State, plain, words } from "../parts/figures";
import { Loaded, Panel } from "../parts/panel";
import { useMay } from "../parts/role";
import { symbolPath } from "../parts/symbol";
import { Table } from "../parts/table";
import { follow, place, query, setQuery, symbolOf, ticketPath } from "../router";
import { useCell, useRead } from "../store/hooks";

export function SymbolPage() {
  const symbol = symbolOf(useCell(place)) ?? "";
  const asked = new URLSearchParams(useCell(query));
  const timeframe = TIMEFRAMES.find((each) => each === asked.get("timeframe")) ?? "1Day";
  const bars = useBars(symbol, timeframe);
  const picked = momentOf(asked.get("bar"));
  const chart = bars.view.data;
  useEffect(() => {
    if (picked !== null) void bars.history.reach(picked);
  }, [bars.history, picked, chart === undefined]);
  return (
    <>
      <Facts symbol={symbol} close={chart?.bars.close.at(-1)} bars={bars.view.at} />
      <div class="columns">
        <div class="column">
          <SymbolChart
            symbol={symbol}
            timeframe={timeframe}
            bars={bars}
            onTimeframe={(chosen) => setQuery({ timeframe: chosen, bar: null })}
            picked={picked}
            onBar={(start) => setQuery({ bar: String(start) })}
          />
          <Orders symbol={symbol} />
          <Signals symbol={symbol} />
        </div>
        <div class="column">
          <BarWhy symbol={symbol} timeframe={timeframe} times={chart?.bars.time ?? NO_TIMES} forming={chart?.forming ?? true} picked={picked} />
        </div>
      </div>
    </>
  );
}

/** `close` is what the last bar ended with, shown until a price is heard; `bars` tells when they were read. */
function Facts({ symbol, close, bars }: { symbol: string; close: number | undefined; bars: () => number | undefined }) {
  const mayTrade = useMay("trader");
  const positions = usePositions().data;
  const held = positions?.items.find((position) => position.symbol === symbol);
  // What was never held has no details to tell of.
  const view = useRead<PositionDetail>(held ? `/api/positions/${encodeURIComponent(symbol)}` : null);
  return (
    <section class="panel strip" aria-label={symbol}>
      <div class="symbol-head">
        <Others symbol={symbol} />
        {mayTrade && (
          <a href={ticketPath(symbol)} onClick={(event) => follow(event, ticketPath(symbol))} data-testid="to-ticket">
            Order {symbol} …
          </a>
        )}
        <Age of={bars} />
      </div>
      <dl class="figures">
        <Figure label={`${symbol}, $`}>
          <span class="chief">
            <LivePrice symbol={symbol} otherwise={held ? price(held.current_price) : close === undefined ? NONE : price(close.toFixed(4))} />
          </span>
        </Figure>
        {held ? (
          <>
            <Figure label="Held, shares">{quantity(held.quantity)}</Figure>
            <Figure label="Average entry, $">{price(held.average_entry_price)}</Figure>
            <Figure label="Value">
              <Money amount={held.market_value} />
            </Figure>
            <Figure label="Unrealised">
              <Gain amount={held.unrealised_pnl} />
            </Figure>
            <Figure label="Stop, target, $">
              <Nearest of={held.stops} otherwise={NONE} />, <Nearest of={held.targets} otherwise={NONE} />
            </Figure>
          </>
        ) : (
          <Figure label="Held">{positions ? "nothing" : NONE}</Figure>
        )}
        {view.data && (
          <Figure label="Realised">
            <Gain amount={view.data.realised_pnl} />
          </Figure>
        )}
        {view.data?.sizing && (
          <Figure label="Could buy, shares">
            {quantity(view.data.sizing.quantity)} <span class="soft">bound by {plain(view.data.sizing.bound_by)}</span>
          </Figure>
        )}
      </dl>
    </section>
  );
}

/** The rest of the watchlist is one click away. */
function Others({ symbol }: { symbol: string }) {
  const watched = useWatchlist();
  return (
    <nav class="picker" aria-label="Symbols">
      {[...new Set(watched.includes(symbol) ? watched : [symbol, ...watched])].map((each) => (
        <a key={each} href={symbolPath(each)} aria-current={each === symbol ? "page" : undefined} onClick={(event) => follow(event, symbolPath(each))}>
          {each}
        </a>
      ))}
    </nav>
  );
}

const NO_TIMES: readonly number[] = [];
const LATEST = 8_640_000_000_000; // seconds since 1970 that a date can hold

/** Seconds since 1970, as the address has them; null for anything else. */
function momentOf(text: string | null): number | null {
  const moment = Math.floor(Number(text));
  return moment > 0 && moment < LATEST ? moment : null;
}

interface BarWhyProps {
  symbol: string;
  timeframe: string;
  times: readonly number[];
  forming: boolean;
  picked: number | null;
}

/** The bar that is explained is picked in the chart or step by step, and stands in the address. One before
 * all bars of the page is explained by its time alone. */
function BarWhy({ symbol, timeframe, times, forming, picked }: BarWhyProps) {
  const newest = times.length - 1;
  const found = picked === null ? newest : times.findLastIndex((time) => time <= picked);
  const start = times[found] ?? picked;
  const to = (n: number) => (times[n] === undefined ? null : () => setQuery({ bar: n === newest ? null : String(times[n]) }));
  // What closed last needs no time: it is read again as it changes.
  const at = start === null || found === newest && newest >= 0 ? null : explainedAt(timeframe, start);
  const named = start === null || (forming && at === null) ? null : { start, timeframe };
  return <Why symbol={symbol} at={at} bar={named ? barName(start!, timeframe) : "the last bar that closed"} named={named} earlier={to(found - 1)} later={to(found + 1)} />;
}

function barName(start: number, timeframe: string): string {
  const iso = new Date(start * 1000).toISOString();
  return isDaily(timeframe) ? `session of ${marketDay(iso)}` : `bar from ${marketMoment(iso)} New York`;
}

const OF_ONE_SYMBOL = ORDER_COLUMNS.filter(({ head }) => head !== "Symbol");

function Orders({ symbol }: { symbol: string }) {
  const view = useRead<Page<Order>>(ordersOf(symbol));
  return (
    <Panel title="Orders" testid="symbol-orders" view={view} flush>
      <Loaded view={view} what="orders" isEmpty={(page) => page.items.length === 0} empty={`No order of ${symbol} yet.`}>
        {(page) => <Table caption={`Orders of ${symbol}`} columns={OF_ONE_SYMBOL} rows={page.items} rowKey={(o) => o.client_order_id} />}
      </Loaded>
    </Panel>
  );
}

function Signals({ symbol }: { symbol: string }) {
  const view = useRead<Page<Signal>>(`/api/signals/${encodeURIComponent(symbol)}?limit=20`);
  return (
    <Panel title="Signals" testid="symbol-signals" view={view}>
      <Loaded view={view} what="signals" isEmpty={(page) => page.items.length === 0} empty="No signal was raised or withheld yet: the conditions did not hold on any bar that was judged.">
        {(page) => (
          <ul class="signals">
            {page.items.map((s) => (
              <li key={`${s.bar_close} ${s.strategy} ${s.timeframe}`}>
                <Side side={s.side} /> <State tone={s.outcome === "raised" ? "good" : "quiet"}>{plain(s.outcome)}</State>{" "}
                <span class="soft">
                  <Moment at={s.bar_close} form={marketDay} />, {s.strategy} {s.timeframe}
                </span>
                <p>{words(s.reason)}</p>
              </li>
            ))}
          </ul>
        )}
      </Loaded>
    </Panel>
  );
}
