// Every execution by itself, page by page.
import type { Fill, Page } from "../api/bodies";
import { money, price, quantity } from "../format/money";
import { Moment, Side } from "../parts/figures";
import { usePages } from "../parts/pager";
import { Loaded, Panel } from "../parts/panel";
import { SymbolLink } from "../parts/symbol";
import { Table, type Column } from "../parts/table";
import { useRead } from "../store/hooks";

const PAGE = 20;

const COLUMNS: readonly Column<Fill>[] = [
  { head: "Time", cell: (f) => <Moment at={f.at} /> },
  { head: "Side", cell: (f) => <Side side={f.side} /> },
  { head: "Symbol", cell: (f) => <SymbolLink symbol={f.symbol} /> },
  { head: "Shares", amount: true, cell: (f) => quantity(f.quantity) },
  { head: "Price, $", amount: true, cell: (f) => price(f.price) },
  { head: "Worth", amount: true, wide: true, cell: (f) => money(f.value) },
];

export function Fills() {
  const { path, pager } = usePages(`/api/fills?limit=${PAGE}`);
  const view = useRead<Page<Fill>>(path);
  return (
    <Panel title="Fills" testid="fills" flush view={view}>
      <Loaded view={view} what="fills" isEmpty={(page) => page.items.length === 0} empty="Nothing was filled yet.">
        {(page) => (
          <>
            <Table caption="Fills, newest first" columns={COLUMNS} rows={page.items} rowKey={(f) => f.id} rowProps={(f) => ({ "data-testid": "fill-row", "data-symbol": f.symbol })} />
            {pager(page)}
          </>
        )}
      </Loaded>
    </Panel>
  );
}
