// `/`: the whole state of the bot on one page.
import { AccountStrip, Books } from "../panels/account";
import { ChartPanel } from "../panels/chart";
import { Events } from "../panels/events";
import { Orders } from "../panels/orders";
import { Positions } from "../panels/positions";

export const Overview = () => (
  <>
    <AccountStrip />
    <div class="columns">
      <div class="column">
        <ChartPanel />
        <Positions />
        <Orders title="Recent orders" limit={20} />
      </div>
      <div class="column side-column">
        <Books />
        <Events />
      </div>
    </div>
  </>
);
