// Orders that a rule refused or that could not be carried out: they never became one.
import type { Page, Refusal } from "../api/bodies";
import { Moment, Side, State } from "../parts/figures";
import { usePages } from "../parts/pager";
import { Loaded, Panel } from "../parts/panel";
import { SymbolLink } from "../parts/symbol";
import { Table, type Column } from "../parts/table";
import { NONE } from "../format/money";
import { useRead } from "../store/hooks";
import { reasonsOf, type Reason } from "./reasons";

const PAGE = 20;

const Told = ({ of }: { of: Reason }) => (
  <p>
    <State tone="bad">{of.rule}</State> <span class="soft">{of.says}</span>
  </p>
);

const COLUMNS: readonly Column<Refusal>[] = [
  { head: "Time", cell: (r) => <Moment at={r.at} /> },
  { head: "Side", wide: true, cell: (r) => <Side side={r.side || null} /> },
  { head: "Symbol", cell: (r) => (r.symbol ? <SymbolLink symbol={r.symbol} /> : NONE) },
  {
    head: "Refused by",
    cell: (r) => (
      <div class="wrap">
        <Told of={reasonsOf(r)[0]!} />
        {reasonsOf(r).length > 1 && (
          <details class="more">
            <summary>and by {reasonsOf(r).length - 1} more</summary>
            {reasonsOf(r)
              .slice(1)
              .map((reason) => (
                <Told key={reason.rule} of={reason} />
              ))}
          </details>
        )}
      </div>
    ),
  },
];

export function Refusals() {
  const { path, pager } = usePages(`/api/refusals?limit=${PAGE}`);
  const view = useRead<Page<Refusal>>(path);
  return (
    <Panel title="Refused" testid="refusals" flush view={view}>
      <Loaded view={view} what="refusals" isEmpty={(page) => page.items.length === 0} empty="No order was refused. Why a signal came to nothing is told on its symbol's page.">
        {(page) => (
          <>
            <Table caption="Refused orders, newest first" columns={COLUMNS} rows={page.items} rowKey={(r) => r.id + r.wall_at} rowProps={(r) => ({ "data-testid": "refusal-row", "data-symbol": r.symbol })} />
            {pager(page)}
          </>
        )}
      </Loaded>
    </Panel>
  );
}
