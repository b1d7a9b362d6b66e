// What the equity is made of, by symbol and by sector.
import type { PortfolioSummary } from "../api/bodies";
import { money, percent } from "../format/money";
import { Bar } from "../parts/bar";
import { plain } from "../parts/figures";
import { Loaded, Panel } from "../parts/panel";
import { SymbolLink } from "../parts/symbol";
import { Table, type Column } from "../parts/table";
import type { View } from "../store/hooks";

type Share = readonly [name: string, percentOfEquity: string];

const columns = (head: string): readonly Column<Share>[] => [
  { head, cell: ([name]) => (head === "Symbol" && name !== CASH ? <SymbolLink symbol={name} /> : plain(name)) },
  { head: "Of equity", amount: true, cell: ([, share]) => percent(share) },
  { head: "Share", cell: ([name, share]) => <Bar label={`${name}, of equity`} share={Number(share) / 100} tone={name === CASH ? "up" : "accent"} /> },
];

const CASH = "cash";

const largestFirst = (shares: Record<string, string>): Share[] => Object.entries(shares).sort(([, one], [, other]) => Number(other) - Number(one));

function withCash({ cash, value, exposure_by_symbol }: PortfolioSummary): Share[] {
  const held = largestFirst(exposure_by_symbol);
  return Number(value) > 0 ? [...held, [CASH, ((Number(cash) / Number(value)) * 100).toFixed(2)]] : held;
}

export function Allocation({ view }: { view: View<PortfolioSummary> }) {
  const aside = view.data && `exposure ${percent(view.data.exposure_percent)} of ${money(view.data.value)}`;
  return (
    <>
      <Panel title="Allocation by symbol" aside={aside} view={view} flush testid="allocation">
        <Loaded view={view} what="allocation">
          {(summary) => <Table caption="Allocation by symbol, per cent of equity" columns={columns("Symbol")} rows={withCash(summary)} rowKey={([name]) => name} />}
        </Loaded>
      </Panel>
      <Panel title="Allocation by sector" view={view} flush>
        <Loaded view={view} what="sectors" isEmpty={(summary) => Object.keys(summary.exposure_by_sector).length === 0} empty="Nothing is held, so no sector is exposed.">
          {(summary) => <Table caption="Allocation by sector, per cent of equity" columns={columns("Sector")} rows={largestFirst(summary.exposure_by_sector)} rowKey={([name]) => name} />}
        </Loaded>
      </Panel>
    </>
  );
}
