// `/portfolio`: what is held, what it rests on, how much of the whole each part is, and how it came here.
import { useState } from "preact/hooks";
import type { PortfolioSummary } from "../api/bodies";
import { NONE, money, percent } from "../format/money";
import { Books, useSummary } from "../panels/account";
import { Allocation } from "../panels/allocation";
import { ChartPanel } from "../panels/chart";
import { History } from "../panels/history";
import { Positions, usePositions } from "../panels/positions";
import { Age } from "../parts/age";
import { Cached, Figure, Gain, Moment, Money } from "../parts/figures";
import { Loaded } from "../parts/panel";

export function Portfolio() {
  const view = useSummary();
  const [opened, open] = useState<string | null>(null);
  const [timeframe, setTimeframe] = useState("1Day");
  const first = usePositions().data?.items[0]?.symbol;
  const shown = opened ?? first ?? null;
  return (
    <>
      <section class="panel strip" aria-label="Portfolio">
        <Loaded view={view} what="portfolio" rows={1}>
          {(summary) => <Summary summary={summary} asked={view.at} />}
        </Loaded>
      </section>
      <Positions opened={opened} open={open} />
      <div class="columns even">
        <div class="column">
          {shown && <ChartPanel symbol={shown} timeframe={timeframe} onTimeframe={setTimeframe} />}
          <Allocation view={view} />
        </div>
        <div class="column">
          <History />
          <Books />
        </div>
      </div>
    </>
  );
}

const Summary = ({ summary, asked }: { summary: PortfolioSummary; asked: () => number | undefined }) => (
  <dl class="figures">
    <Figure label="Value">
      <span class="chief">{money(summary.value)}</span>
    </Figure>
    <Figure label="Day P&L">{summary.day_pnl === null ? NONE : <Gain amount={summary.day_pnl} />}</Figure>
    <Figure label="Total P&L">
      <Gain amount={summary.total_pnl} />
    </Figure>
    <Figure label="Unrealised">
      <Gain amount={summary.unrealised_pnl} />
    </Figure>
    <Figure label="Realised">
      <Gain amount={summary.realised_pnl} />
    </Figure>
    <Figure label="Cash">
      <Money amount={summary.cash} />
    </Figure>
    <Figure label="Buying power">
      <Money amount={summary.buying_power} />
    </Figure>
    <Figure label="Position value">
      <Money amount={summary.position_value} /> <span class="soft">{percent(summary.exposure_percent)}</span>
    </Figure>
    <Figure label="As of">
      <span class="minor">
        <Moment at={summary.as_of} /> <span class="soft">asked</span> <Age of={asked} /> <Cached what={summary} />
      </span>
    </Figure>
  </dl>
);
