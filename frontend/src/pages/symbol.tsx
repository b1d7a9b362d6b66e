// `/symbol/AAPL`: one symbol, its chart, and for any bar why it did, or did not, trade.
import { useMemo } from "preact/hooks";
import type { Chart, Order, Page, PositionDetail, Signal } from "../api/bodies";
import { explainedAt, isDaily } from "../chart/series";
import { NONE, price, quantity } from "../format/money";
import { marketDay, marketMoment } from "../format/time";
import { ChartPanel, TIMEFRAMES, ordersOf, useChart } from "../panels/chart";
import { useWatchlist } from "../panels/config";
import { Why } from "../panels/explanation";
import { ORDER_COLUMNS } from "../panels/orders";
import { usePositions } from "../panels/positions";
import { Figure, Gain, LivePrice, Moment, Money, Side, State, plain, words } from "../parts/figures";
import { Loaded, Panel } from "../parts/panel";
import { symbolPath } from "../parts/symbol";
import { Table } from "../parts/table";
import { follow, place, query, setQuery, symbolOf } from "../router";
import { useCell, useRead } from "../store/hooks";
import "../styles/symbol.css";

export function SymbolPage() {
  const symbol = symbolOf(useCell(place)) ?? "";
  const asked = new URLSearchParams(useCell(query));
  const timeframe = TIMEFRAMES.find((each) => each === asked.get("timeframe")) ?? "1Day";
  const chart = useChart(symbol, timeframe).data;
  return (
    <>
      <Facts symbol={symbol} close={chart?.bars.close.at(-1)} />
      <div class="columns">
        <div class="column">
          <ChartPanel
            symbol={symbol}
            timeframe={timeframe}
            onTimeframe={(picked) => setQuery({ timeframe: picked, bar: null })}
            onBar={(start) => setQuery({ bar: String(start) })}
            tall
          />
          <Orders symbol={symbol} />
        </div>
        <div class="column side-column">
          <BarWhy symbol={symbol} chart={chart} picked={Number(asked.get("bar")) || null} />
          <Signals symbol={symbol} />
        </div>
      </div>
    </>
  );
}

/** `close` is what the last bar ended with, shown until a price is heard. */
function Facts({ symbol, close }: { symbol: string; close: number | undefined }) {
  const positions = usePositions().data;
  const held = positions?.items.find((position) => position.symbol === symbol);
  // What was never held has no details to tell of.
  const view = useRead<PositionDetail>(held ? `/api/positions/${encodeURIComponent(symbol)}` : null);
  return (
    <section class="panel strip" aria-label={symbol}>
      <Others symbol={symbol} />
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
              {held.stop_price ? price(held.stop_price) : NONE}, {held.target_price ? price(held.target_price) : NONE}
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

/** The bar that is explained is picked in the chart or step by step, and stands in the address. */
function BarWhy({ symbol, chart, picked }: { symbol: string; chart: Chart | undefined; picked: number | null }) {
  const times = useMemo(() => chart?.bars.time ?? [], [chart]);
  const found = picked === null ? times.length - 1 : times.findLastIndex((time) => time <= picked);
  const start = times[found];
  const to = (n: number) => (times[n] === undefined ? null : () => setQuery({ bar: n === times.length - 1 ? null : String(times[n]) }));
  const at = chart && start !== undefined ? explainedAt(chart, start) : null;
  const named = !chart || start === undefined || (chart.forming && at === null) ? null : { start, timeframe: chart.timeframe };
  return <Why symbol={symbol} at={at} bar={named ? barName(named.start, named.timeframe) : "the last bar that closed"} named={named} earlier={to(found - 1)} later={to(found + 1)} />;
}

function barName(start: number, timeframe: string): string {
  const iso = new Date(start * 1000).toISOString();
  return isDaily(timeframe) ? `session of ${marketDay(iso)}` : `bar from ${marketMoment(iso)} New York`;
}

const OF_ONE_SYMBOL = ORDER_COLUMNS.filter(({ head }) => head !== "Symbol");

function Orders({ symbol }: { symbol: string }) {
  const view = useRead<Page<Order>>(ordersOf(symbol));
  return (
    <Panel title="Orders" view={view} flush>
      <Loaded view={view} what="orders" isEmpty={(page) => page.items.length === 0} empty={`No order of ${symbol} yet.`}>
        {(page) => <Table caption={`Orders of ${symbol}`} columns={OF_ONE_SYMBOL} rows={page.items} rowKey={(o) => o.client_order_id} />}
      </Loaded>
    </Panel>
  );
}

function Signals({ symbol }: { symbol: string }) {
  const view = useRead<Page<Signal>>(`/api/signals/${encodeURIComponent(symbol)}?limit=20`);
  return (
    <Panel title="Signals" view={view}>
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
