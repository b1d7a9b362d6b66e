// `/portfolio`: what is held, and how much of the whole each part is.
import type { PortfolioSummary } from "../api/bodies";
import { money, percent } from "../format/money";
import { Books } from "../panels/account";
import { Positions } from "../panels/positions";
import { Figure, Gain, Moment, Money } from "../parts/figures";
import { Loaded, Panel } from "../parts/panel";
import { Table, type Column } from "../parts/table";
import { useRead, type View } from "../store/hooks";

export function Portfolio() {
  const view = useRead<PortfolioSummary>("/api/portfolio/summary");
  return (
    <>
      <section class="panel strip" aria-label="Portfolio">
        <Loaded view={view} what="portfolio" rows={1}>
          {(summary) => <Summary summary={summary} />}
        </Loaded>
      </section>
      <Positions />
      <div class="columns even">
        <Exposure view={view} />
        <Books />
      </div>
    </>
  );
}

const Summary = ({ summary }: { summary: PortfolioSummary }) => (
  <dl class="figures">
    <Figure label="Value">
      <span class="chief">{money(summary.value)}</span>
    </Figure>
    <Figure label="Cash">
      <Money amount={summary.cash} />
    </Figure>
    <Figure label="Position value">
      <Money amount={summary.position_value} />
    </Figure>
    <Figure label="Exposure">{percent(summary.exposure_percent)}</Figure>
    <Figure label="Unrealised">
      <Gain amount={summary.unrealised_pnl} />
    </Figure>
    <Figure label="Realised">
      <Gain amount={summary.realised_pnl} />
    </Figure>
    <Figure label="As of">
      <Moment at={summary.as_of} />
    </Figure>
  </dl>
);

type Share = readonly [symbol: string, percentOfEquity: string];

const SHARES: readonly Column<Share>[] = [
  { head: "Symbol", cell: ([symbol]) => <strong>{symbol}</strong> },
  { head: "Of equity", amount: true, cell: ([, share]) => percent(share) },
  { head: "Share", cell: ([symbol, share]) => <meter min={0} max={100} value={Number(share)} aria-label={`${symbol}, share of equity`} /> },
];

const Exposure = ({ view }: { view: View<PortfolioSummary> }) => (
  <Panel title="Exposure by symbol" flush>
    <Loaded
      view={view}
      what="exposure"
      isEmpty={(summary) => Object.keys(summary.exposure_by_symbol).length === 0}
      empty="Nothing is held, so nothing is exposed."
    >
      {(summary) => (
        <Table
          caption="Exposure by symbol, per cent of equity"
          columns={SHARES}
          rows={Object.entries(summary.exposure_by_symbol) as Share[]}
          rowKey={([symbol]) => symbol}
        />
      )}
    </Loaded>
  </Panel>
);
