// What fills cost beyond the market on arrival, beside what a backtest assumes.
import { useState } from "preact/hooks";
import type { Slippage as Found, SlippageFigures } from "../api/bodies";
import { Money, plain } from "../parts/figures";
import { Loaded, Panel } from "../parts/panel";
import { Table, type Column } from "../parts/table";
import { useRead } from "../store/hooks";
import { number } from "./numbers";
import { TIMES, queryOf, type Part } from "./query";

const GROUPS = ["symbol", "side", "strategy", "benchmark"] as const;
const NAMES = { symbol: "Symbol", side: "Side", strategy: "Strategy", benchmark: "Measured against" } as const;
type Row = readonly [key: string, figures: SlippageFigures];

const columnsOf = (by: (typeof GROUPS)[number]): readonly Column<Row>[] => [
  { head: NAMES[by], cell: ([key]) => (by === "symbol" ? key : plain(key)) },
  { head: "Orders", amount: true, cell: ([, f]) => f.orders },
  { head: "Mean, bps", amount: true, cell: ([, f]) => number(f.mean_bps, 1) },
  { head: "Median, bps", amount: true, wide: true, cell: ([, f]) => number(f.median_bps, 1) },
  { head: "Worst, bps", amount: true, wide: true, cell: ([, f]) => number(f.worst_bps, 1) },
  { head: "Assumed, bps", amount: true, wide: true, cell: ([, f]) => number(f.mean_assumed_bps, 1) },
  { head: "Cost", amount: true, cell: ([, f]) => <Money amount={f.cost} /> },
];

export function Slippage({ part }: { part: Part }) {
  const [by, setBy] = useState<(typeof GROUPS)[number]>("symbol");
  const view = useRead<Found>(`/api/analytics/slippage${queryOf(part, TIMES)}`);
  return (
    <Panel title="Slippage" testid="slippage" flush view={view} aside="above 0 is lost against the market on arrival">
      <div class="picker inset" role="group" aria-label="Slippage by">
        {GROUPS.map((each) => (
          <button key={each} type="button" aria-pressed={each === by} onClick={() => setBy(each)}>
            {NAMES[each]}
          </button>
        ))}
      </div>
      <Loaded view={view} what="slippage" isEmpty={(found) => found.all === null} empty="No order was filled in these days.">
        {(found) => (
          <div class="tall-table">
            <Table caption={`Slippage by ${by}`} columns={columnsOf(by)} rows={[["all", found.all!] as Row, ...Object.entries(found[`by_${by}`])]} rowKey={([key]) => key} />
          </div>
        )}
      </Loaded>
    </Panel>
  );
}
