// Orders that a rule refused or that could not be carried out: they never became one.
import { useState } from "preact/hooks";
import type { Page, Refusal } from "../api/bodies";
import { Moment, Side, State, plain } from "../parts/figures";
import { Pager } from "../parts/pager";
import { Loaded, Panel } from "../parts/panel";
import { SymbolLink } from "../parts/symbol";
import { Table, type Column } from "../parts/table";
import { NONE } from "../format/money";
import { useRead } from "../store/hooks";

const PAGE = 20;

const COLUMNS: readonly Column<Refusal>[] = [
  { head: "Time", cell: (r) => <Moment at={r.at} /> },
  { head: "Side", wide: true, cell: (r) => <Side side={r.side || null} /> },
  { head: "Symbol", cell: (r) => (r.symbol ? <SymbolLink symbol={r.symbol} /> : NONE) },
  {
    head: "Refused by",
    cell: (r) => (
      <div class="wrap">
        <State tone="bad">{r.codes.map(plain).join(", ")}</State>
        <p class="soft">{r.message}</p>
      </div>
    ),
  },
];

export function Refusals() {
  const [cursors, setCursors] = useState<readonly string[]>([]);
  const cursor = cursors.at(-1);
  const view = useRead<Page<Refusal>>(`/api/refusals?limit=${PAGE}${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`);
  return (
    <Panel title="Refused" testid="refusals" flush view={view}>
      <Loaded view={view} what="refusals" isEmpty={(page) => page.items.length === 0} empty="No order was refused. Why a signal came to nothing is told on its symbol's page.">
        {(page) => (
          <>
            <Table caption="Refused orders, newest first" columns={COLUMNS} rows={page.items} rowKey={(r) => r.id + r.wall_at} rowProps={(r) => ({ "data-testid": "refusal-row", "data-symbol": r.symbol })} />
            <Pager newer={cursors.length > 0 ? () => setCursors(cursors.slice(0, -1)) : null} older={page.next ? () => setCursors([...cursors, page.next!]) : null} />
          </>
        )}
      </Loaded>
    </Panel>
  );
}
