// Equity day by day: a curve, and the days in figures.
import { useEffect, useMemo, useState } from "preact/hooks";
import type { EquityMark, Page, PortfolioDay } from "../api/bodies";
import type { EquityCanvas } from "../chart/canvas";
import { Attribution, useCanvas } from "../chart/loaded";
import { NONE, money, percent } from "../format/money";
import { Gain, Money } from "../parts/figures";
import { Loaded, Panel } from "../parts/panel";
import { Table, type Column } from "../parts/table";
import { useRead } from "../store/hooks";

const SPANS = [30, 90, 366] as const;

const COLUMNS: readonly Column<PortfolioDay>[] = [
  { head: "Day", cell: (d) => <time dateTime={d.date}>{d.date}</time> },
  { head: "Equity", amount: true, cell: (d) => money(d.equity) },
  { head: "P&L", amount: true, cell: (d) => <Gain amount={d.pnl} /> },
  { head: "Cash", amount: true, wide: true, cell: (d) => <Money amount={d.cash} /> },
  { head: "Deposits", amount: true, wide: true, cell: (d) => (Number(d.deposits) === 0 ? NONE : <Gain amount={d.deposits} />) },
  { head: "Drawdown", amount: true, wide: true, cell: (d) => percent(d.drawdown_percent, 2) },
];

export function History() {
  const [days, setDays] = useState<number>(SPANS[1]);
  const view = useRead<Page<PortfolioDay>>(`/api/portfolio/history?days=${days}`);
  return (
    <Panel title="History" view={view} testid="history">
      <div class="picker" role="group" aria-label="Days">
        {SPANS.map((span) => (
          <button key={span} type="button" aria-pressed={span === days} onClick={() => setDays(span)}>
            {span === 366 ? "1 year" : `${span} days`}
          </button>
        ))}
      </div>
      <Loaded view={view} what="history" rows={6} isEmpty={(page) => page.items.length === 0} empty="No day is over yet: the monitor marks the equity at each of its ticks.">
        {(page) => (
          <>
            <Curve days={page.items} />
            <div class="days tall-table">
              <Table caption="Days, newest first" columns={COLUMNS} rows={page.items} rowKey={(d) => d.date} />
            </div>
          </>
        )}
      </Loaded>
    </Panel>
  );
}

/** The hour, at noon in UTC, keeps a day on its date in New York. */
const markOf = ({ date, equity, cash, drawdown_percent }: PortfolioDay): EquityMark => ({ at: `${date}T17:00:00Z`, equity, cash, drawdown_percent }) as EquityMark;

function Curve({ days }: { days: PortfolioDay[] }) {
  const { host, canvas, failure } = useCanvas<EquityCanvas>(({ openEquity }, element) => openEquity(element));
  const marks = useMemo(() => days.map(markOf), [days]);
  useEffect(() => canvas?.show(marks), [canvas, marks]);
  return (
    <figure class="chart" data-testid="history-curve" data-days={String(days.length)}>
      {failure && <p class="notice bad">{failure}</p>}
      <div ref={host} class="canvas low" role="img" aria-label={`Equity at the end of ${days.length} days, last ${money(days[0]!.equity)}`} />
      <figcaption>
        <Attribution />
      </figcaption>
    </figure>
  );
}
