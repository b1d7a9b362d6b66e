// Every round trip, filtered, page by page, and as a file.
import { useState } from "preact/hooks";
import type { Page, Trade } from "../api/bodies";
import { session } from "../desk";
import { NONE, price, quantity } from "../format/money";
import { marketDay } from "../format/time";
import { Gain, Moment, Side, words } from "../parts/figures";
import { usePages } from "../parts/pager";
import { ErrorNotice, Loaded, Panel } from "../parts/panel";
import { SymbolLink } from "../parts/symbol";
import { Table, type Column } from "../parts/table";
import { useRead } from "../store/hooks";
import { useSend } from "../store/send";
import { saveFile } from "./file";
import { number } from "./numbers";
import { TRADES, csvOf, queryOf, type Part } from "./query";

const PAGE = 50;
const MOST_IN_FILE = 20_000;
const PATH = "/api/analytics/trades";

const COLUMNS: readonly Column<Trade>[] = [
  { head: "Closed", cell: (t) => <Moment at={t.closed_at} form={marketDay} /> },
  { head: "Held", amount: true, wide: true, cell: (t) => `${t.holding_days} d` },
  { head: "Side", wide: true, cell: (t) => <Side side={t.side} /> },
  { head: "Symbol", cell: (t) => <SymbolLink symbol={t.symbol} /> },
  { head: "Shares", amount: true, cell: (t) => quantity(t.quantity) },
  { head: "Entry, $", amount: true, wide: true, cell: (t) => price(t.entry_price) },
  { head: "Exit, $", amount: true, wide: true, cell: (t) => price(t.exit_price) },
  { head: "Profit", amount: true, cell: (t) => <Gain amount={t.pnl} /> },
  { head: "%", amount: true, cell: (t) => <Gain amount={t.pnl_percent} unit="%" /> },
  { head: "Slippage", amount: true, wide: true, cell: (t) => (t.slippage_bps === null ? NONE : `${number(Number(t.slippage_bps), 1)} bps`) },
  { head: "Strategy", wide: true, cell: (t) => t.strategy || NONE },
  { head: "Opened for", wide: true, cell: (t) => <span class="wrap soft">{words(t.tag) || NONE}</span> },
  { head: "Closed for", wide: true, cell: (t) => <span class="wrap soft">{words(t.reason) || NONE}</span> },
];

const FIELDS = ["symbol", "side", "quantity", "opened_at", "closed_at", "entry_price", "exit_price", "pnl", "pnl_percent", "strategy", "tag", "reason", "slippage_bps", "holding_days"] as const;

export function Trades({ part }: { part: Part }) {
  const [side, setSide] = useState("");
  const [result, setResult] = useState("");
  const asked = queryOf(part, TRADES, { side, result });
  const { path, pager } = usePages(PATH + queryOf(part, TRADES, { side, result, limit: String(PAGE) }));
  const view = useRead<Page<Trade>>(path);
  return (
    <Panel title="Trade history" testid="trades" flush view={view} aside={<AsFile asked={(cursor) => PATH + queryOf(part, TRADES, { side, result, limit: "500", cursor })} />}>
      <div class="filters">
        <Picked label="Side" value={side} set={setSide} options={[["", "all"], ["buy", "bought first"], ["sell", "sold first"]]} />
        <Picked label="Result" value={result} set={setResult} options={[["", "all"], ["win", "won"], ["loss", "lost"], ["flat", "neither"]]} />
      </div>
      <Loaded
        view={view}
        what="trades"
        isEmpty={(page) => page.items.length === 0}
        empty={asked ? "No trade of that kind." : "No trade has been closed yet. A trade counts once its position is sold: by its stop, its target or a SELL signal."}
      >
        {(page) => (
          <>
            <Table
              caption="Closed trades, newest first"
              testid="trades-table"
              columns={COLUMNS}
              rows={page.items}
              rowKey={(t) => `${t.symbol} ${t.opened_at} ${t.closed_at} ${t.quantity}`}
              rowProps={(t) => ({ "data-testid": "trade-row", "data-symbol": t.symbol })}
            />
            {pager(page)}
          </>
        )}
      </Loaded>
    </Panel>
  );
}

const Picked = ({ label, value, set, options }: { label: string; value: string; set: (value: string) => void; options: readonly (readonly [value: string, name: string])[] }) => (
  <label>
    {label}{" "}
    <select value={value} onChange={(event) => set(event.currentTarget.value)} data-testid={`trades-${label.toLowerCase()}`}>
      {options.map(([one, name]) => (
        <option key={one} value={one}>
          {name}
        </option>
      ))}
    </select>
  </label>
);

/** Reads every page of what is filtered and saves it as one file. */
function AsFile({ asked }: { asked: (cursor: string) => string }) {
  const { busy, error, run } = useSend();
  async function save(): Promise<void> {
    const found = await run(async () => {
      const all: Trade[] = [];
      for (let cursor = ""; all.length < MOST_IN_FILE; ) {
        const page = JSON.parse((await session.request("GET", asked(cursor))).text) as Page<Trade>;
        all.push(...page.items);
        if (page.next === null) break;
        cursor = page.next;
      }
      return all;
    });
    if (found) saveFile("trades.csv", "text/csv", csvOf(FIELDS, found.map((trade) => FIELDS.map((name) => trade[name]))));
  }
  return (
    <>
      <button type="button" class="quiet" disabled={busy} onClick={save} data-testid="trades-csv">
        {busy ? "Reading …" : "Save as CSV"}
      </button>
      {error && <ErrorNotice error={error} what="file" />}
    </>
  );
}
