// `/`: the whole state of the bot on one page.
import { useState } from "preact/hooks";
import { AccountStrip, Books } from "../panels/account";
import { ChartPanel } from "../panels/chart";
import { useWatchlist } from "../panels/config";
import { Events } from "../panels/events";
import { Limits } from "../panels/limits";
import { Orders } from "../panels/orders";
import { Positions } from "../panels/positions";
import { TradingSwitch } from "../panels/trading-state";
import { Watchlist } from "../panels/watchlist";

export function Overview() {
  const [picked, pick] = useState<string | null>(null);
  const [timeframe, setTimeframe] = useState("1Day");
  const [first] = useWatchlist();
  const symbol = picked ?? first ?? null;
  return (
    <>
      <AccountStrip />
      <div class="columns">
        <div class="column">
          <ChartPanel symbol={symbol} timeframe={timeframe} onTimeframe={setTimeframe} />
          <Positions />
          <Orders title="Recent orders" limit={20} />
          <Books />
        </div>
        <div class="column">
          <TradingSwitch />
          <Watchlist picked={symbol} pick={pick} />
          <Limits />
          <Events />
        </div>
      </div>
    </>
  );
}
