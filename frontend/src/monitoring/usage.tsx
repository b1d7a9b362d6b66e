// What the day has used, as CloudWatch counted it: calls, errors and times of each function, and the cost.
import type { CostLine, FunctionUsage, TableUsage, Usage } from "../api/bodies";
import { NONE } from "../format/money";
import { Age } from "../parts/age";
import { State, capital, plain } from "../parts/figures";
import { Pairs } from "../parts/pairs";
import { Loaded, Panel } from "../parts/panel";
import { Table, type Column } from "../parts/table";
import { useRead, type View } from "../store/hooks";
import { tablesByLoad } from "./load";

/** CloudWatch is read every half an hour by default, for reading it costs money. */
export const useUsage = () => useRead<Usage>("/api/monitoring/usage", 120_000);

const NOT_YET = "CloudWatch has not been read yet today; how often it is, the setting usage minutes says.";

const memoryOf = ({ memory_mb: used, memory_limit_mb: limit }: FunctionUsage): string => {
  if (used === null) return NONE;
  return limit === null ? `${used.toFixed(0)} MB` : `${used.toFixed(0)} of ${limit} MB`;
};

/** On the laptop the engine counts no capacity of tables, however often it is read. */
const nothingOf = ({ data }: View<Usage>): string => (data?.until ? "CloudWatch was read and had counted nothing of them today." : NOT_YET);

const FUNCTIONS: readonly Column<FunctionUsage>[] = [
  { head: "Function", cell: (f) => <strong>{f.function}</strong> },
  { head: "Calls", amount: true, cell: (f) => f.invocations.toLocaleString("en-US") },
  { head: "Errors", amount: true, cell: (f) => <State tone={f.errors === 0 ? "good" : "bad"}>{f.errors}</State> },
  { head: "Throttled", amount: true, wide: true, cell: (f) => f.throttles },
  { head: "Average", amount: true, cell: (f) => (f.average_ms === null ? NONE : `${f.average_ms.toFixed(0)} ms`) },
  { head: "Most memory", amount: true, wide: true, cell: memoryOf },
];

export const Functions = ({ view }: { view: View<Usage> }) => (
  <Panel title="Latency and errors, today" testid="functions" flush aside={<Counted view={view} />}>
    <Loaded view={view} what="usage" isEmpty={(usage) => usage.functions.length === 0} empty={nothingOf(view)}>
      {(usage) => <Table caption="Functions, calls and errors since midnight UTC" columns={FUNCTIONS} rows={[...usage.functions].sort((a, b) => b.errors - a.errors || b.invocations - a.invocations)} rowKey={(f) => f.function} />}
    </Loaded>
  </Panel>
);

const units = (amount: number): string => amount.toLocaleString("en-US", { maximumFractionDigits: 1 });

const TABLES: readonly Column<TableUsage>[] = [
  { head: "Table", cell: (t) => <strong>{t.table}</strong> },
  { head: "Read units", amount: true, cell: (t) => units(t.read_units) },
  { head: "Write units", amount: true, cell: (t) => units(t.write_units) },
  { head: "Throttled", amount: true, cell: (t) => <State tone={t.throttles === 0 ? "good" : "bad"}>{t.throttles}</State> },
];

export const Tables = ({ view }: { view: View<Usage> }) => (
  <Panel title="Tables, today" testid="tables" flush aside={<Counted view={view} />}>
    <Loaded view={view} what="usage" isEmpty={(usage) => usage.tables.length === 0} empty={nothingOf(view)}>
      {(usage) => <Table caption="Capacity that each table has used, and requests refused for want of it, since midnight UTC" columns={TABLES} rows={tablesByLoad(usage.tables)} rowKey={(t) => t.table} />}
    </Loaded>
  </Panel>
);

const Counted = ({ view }: { view: View<Usage> }) =>
  view.data?.until ? (
    <span>
      counted <Age of={view.data.until} what="read from CloudWatch up to" />
    </span>
  ) : null;

const AS_WRITTEN: Readonly<Record<string, string>> = { lambda: "Lambda", dynamodb: "DynamoDB", sqs: "SQS", fifo: "FIFO" };

/** `sqs_fifo_requests` as `SQS FIFO requests`. */
const nameOf = (what: string): string => capital(what.split("_").map((word) => AS_WRITTEN[word] ?? word).join(" "));

const COST: readonly Column<CostLine>[] = [
  {
    head: "What",
    cell: (line) => (
      <>
        {nameOf(line.what)} <span class="wrap soft">{line.unit}</span>
      </>
    ),
  },
  { head: "Used", amount: true, cell: (line) => (line.quantity === null ? <span class="soft">not counted</span> : line.quantity.toLocaleString("en-US", { maximumFractionDigits: 1 })) },
  { head: "List price", amount: true, wide: true, cell: (line) => <span title={line.priced_on ? `held against its page on ${line.priced_on}` : "not held against its page"}>{`$${line.usd_per} per ${line.per.toLocaleString("en-US")}`}</span> },
  { head: "US dollars", amount: true, cell: (line) => (line.usd === null ? NONE : `$${line.usd}`) },
];

export const Cost = ({ view }: { view: View<Usage> }) => (
  <Panel title="Cost of the day" testid="cost" flush aside={<Counted view={view} />}>
    <Loaded view={view} what="cost" isEmpty={(usage) => usage.cost.length === 0} empty={nothingOf(view)}>
      {(usage) => (
        <>
          <Table caption="What the day has cost at list price, since midnight UTC" columns={COST} rows={usage.cost} rowKey={(line) => line.what} />
          <p class="foot">
            <strong data-testid="cost-total">{usage.cost_usd === null ? "Nothing was counted" : `$${usage.cost_usd} of what was counted`}</strong>, at list prices, free tier not taken off.
          </p>
          <Missing missing={usage.missing} />
        </>
      )}
    </Loaded>
  </Panel>
);

const Missing = ({ missing }: { missing: Readonly<Record<string, string>> }) =>
  Object.keys(missing).length === 0 ? null : (
    <details class="more foot">
      <summary>{Object.keys(missing).length} figures that are not there, and why</summary>
      <Pairs pairs={Object.entries(missing).map(([name, why]) => [capital(plain(name)), why])} />
    </details>
  );
