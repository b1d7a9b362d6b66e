// Orders that a rule, or the broker, refused: they never became one, so the list of events tells them.
import { feed } from "../desk";
import type { FeedEntry } from "../live/feed";
import { Moment, Side, State } from "../parts/figures";
import { Panel } from "../parts/panel";
import { SymbolLink } from "../parts/symbol";
import { Table, type Column } from "../parts/table";
import { useCell } from "../store/hooks";
import { codesOf } from "../ticket/sent";

const COLUMNS: readonly Column<FeedEntry>[] = [
  { head: "Time", cell: (e) => <Moment at={e.at} /> },
  { head: "Side", cell: (e) => <Side side={String(e.detail.side ?? "")} /> },
  { head: "Symbol", cell: (e) => <SymbolLink symbol={String(e.detail.symbol ?? "")} /> },
  { head: "Refused by", cell: (e) => <State tone="bad">{codesOf(e).join(", ")}</State> },
  { head: "Reason", wide: true, cell: (e) => <span class="wrap soft">{String(e.detail.message ?? "")}</span> },
];

export function Refusals() {
  const refused = useCell(feed).filter((event) => event.type === "TradeRejected");
  return (
    <Panel title="Refused" testid="refusals" aside="since this page was opened" flush>
      {refused.length === 0 ? (
        <p class="empty">No order was refused since this page was opened. Why a signal came to nothing is told on its symbol's page.</p>
      ) : (
        <Table caption="Refused orders" columns={COLUMNS} rows={refused} rowKey={(e) => e.id} rowProps={(e) => ({ "data-testid": "refusal-row", "data-symbol": String(e.detail.symbol ?? "") })} />
      )}
    </Panel>
  );
}
