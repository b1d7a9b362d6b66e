// What sales of a year gained for the tax office, lot by lot.
import { useState } from "preact/hooks";
import type { Disposal, TaxLots, TaxTotals } from "../api/bodies";
import { session } from "../desk";
import { NONE, quantity } from "../format/money";
import { useAccount } from "../panels/account";
import { Figure, Gain, Money, capital } from "../parts/figures";
import { ErrorNotice, Loaded, Panel } from "../parts/panel";
import { SymbolLink } from "../parts/symbol";
import { Table, type Column } from "../parts/table";
import { useRead } from "../store/hooks";
import { useSend } from "../store/send";
import { saveFile } from "./file";

const PATH = "/api/analytics/tax-lots";
const YEARS_BACK = 6;

const COLUMNS: readonly Column<Disposal>[] = [
  { head: "Sold", cell: (d) => d.sold_on },
  { head: "Symbol", cell: (d) => <SymbolLink symbol={d.symbol} /> },
  { head: "Shares", amount: true, cell: (d) => quantity(d.quantity) },
  { head: "Bought", wide: true, cell: (d) => (d.is_date_known ? d.acquired_on : NONE) },
  { head: "Term", wide: true, cell: (d) => d.term },
  { head: "Proceeds", amount: true, wide: true, cell: (d) => <Money amount={d.proceeds} /> },
  { head: "Cost", amount: true, wide: true, cell: (d) => <Money amount={d.cost} /> },
  { head: "Disallowed", amount: true, wide: true, cell: (d) => (d.is_wash_sale ? <Money amount={d.disallowed} /> : NONE) },
  { head: "Taxable", amount: true, cell: (d) => <Gain amount={d.taxable_gain} /> },
];

export function Tax() {
  const now = Number(useAccount().data?.as_of.slice(0, 4));
  const [picked, pick] = useState<number | null>(null);
  const year = picked ?? (now || null);
  const path = year === null ? null : `${PATH}?year=${year}`;
  const view = useRead<TaxLots>(path);
  return (
    <Panel title="Tax lots" testid="tax-lots" flush view={view} aside={path && <AsForm path={path} year={year!} />}>
      <div class="filters">
        <label>
          Year{" "}
          <select value={year ?? ""} onChange={(event) => pick(Number(event.currentTarget.value))} data-testid="tax-year">
            {now > 0 &&
              Array.from({ length: YEARS_BACK }, (_, back) => (
                <option key={back} value={now - back}>
                  {now - back}
                </option>
              ))}
          </select>
        </label>
      </div>
      <Loaded view={view} what="tax lots" isEmpty={(found) => found.disposals.length === 0} empty={`Nothing was sold in ${year}.`}>
        {(found) => (
          <>
            <dl class="figures inset">
              {Object.entries(found.totals).map(([term, totals]) => (
                <Total key={term} term={term} totals={totals} />
              ))}
            </dl>
            <div class="tall-table">
              <Table
                caption={`Sales of ${year} for the tax office`}
                columns={COLUMNS}
                rows={found.disposals}
                rowKey={(d) => `${d.source} ${d.closed_by} ${d.acquired_on} ${d.quantity}`}
                rowProps={(d) => ({ "data-testid": "disposal-row", "data-symbol": d.symbol })}
              />
            </div>
          </>
        )}
      </Loaded>
    </Panel>
  );
}

const Total = ({ term, totals }: { term: string; totals: TaxTotals }) => (
  <Figure label={`${capital(term)} term, taxable`}>
    <Gain amount={totals.taxable_gain} />
    <span class="soft">
      {" "}
      of <Money amount={totals.proceeds} /> proceeds
    </span>
  </Figure>
);

function AsForm({ path, year }: { path: string; year: number }) {
  const { busy, error, run } = useSend();
  async function save(): Promise<void> {
    const found = await run(() => session.request("GET", `${path}&format=csv`));
    if (found) saveFile(`tax-lots-${year}.csv`, "text/csv", found.text);
  }
  return (
    <>
      <button type="button" class="quiet" disabled={busy} onClick={save} title="The columns of Form 8949" data-testid="tax-csv">
        Save as CSV
      </button>
      {error && <ErrorNotice error={error} what="file" />}
    </>
  );
}
