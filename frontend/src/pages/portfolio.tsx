// `/portfolio`: what is held, and how much of the whole each part is.
import type { PortfolioSummary } from "../api/bodies";
import { divide, parseDecimal } from "../format/decimal";
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

type Share = readonly [symbol: string, value: string];

function Exposure({ view }: { view: View<PortfolioSummary> }) {
  return (
    <Panel title="Exposure by symbol" flush>
      <Loaded
        view={view}
        what="exposure"
        isEmpty={(summary) => Object.keys(summary.exposure_by_symbol).length === 0}
        empty="Nothing is held, so nothing is exposed."
      >
        {(summary) => (
          <Table
            caption="Exposure by symbol"
            columns={sharesOf(summary)}
            rows={Object.entries(summary.exposure_by_symbol) as Share[]}
            rowKey={([symbol]) => symbol}
          />
        )}
      </Loaded>
    </Panel>
  );
}

const sharesOf = (summary: PortfolioSummary): Column<Share>[] => [
  { head: "Symbol", cell: ([symbol]) => <strong>{symbol}</strong> },
  { head: "Value", amount: true, cell: ([, value]) => money(value) },
  { head: "Of portfolio", amount: true, cell: ([, value]) => shareOf(value, summary.value) },
  { head: "", wide: true, cell: ([, value]) => <meter min={0} max={Number(summary.value)} value={Number(value)} aria-label="Share of the portfolio" /> },
];

/** Both amounts in dollars; one decimal of a per cent. */
function shareOf(value: string, whole: string): string {
  const total = parseDecimal(whole);
  if (total.units === 0n) return percent("0");
  const ratio = divide(parseDecimal(value), total, 6);
  return percent(`${ratio.units}e-4`);
}
