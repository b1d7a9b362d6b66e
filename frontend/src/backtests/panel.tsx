// Backtests: begin one, see it come along, look at what it came to, and lay two beside each other.
import { useState } from "preact/hooks";
import type { Backtest, Page } from "../api/bodies";
import { NONE, money } from "../format/money";
import { State, WallMoment, type Tone } from "../parts/figures";
import { Loaded, Panel } from "../parts/panel";
import { useMay } from "../parts/role";
import { Table, type Column } from "../parts/table";
import { gained, number } from "../results/numbers";
import { useRead } from "../store/hooks";
import { BacktestForm } from "./form";
import { Comparison, Result } from "./result";

const RUNNING = new Set(["queued", "running"]);
const TONES: Readonly<Record<string, Tone>> = { done: "good", queued: "quiet", running: "busy", failed: "bad" };
/** While one runs its progress is read anew. */
const PACE_MS = 2_000;

export function Backtests() {
  const mayStart = useMay("trader");
  const [following, follow] = useState(false);
  const [looked, look] = useState<string | null>(null);
  const [beside, setBeside] = useState<readonly string[]>([]);
  const view = useRead<Page<Backtest>>("/api/backtests?limit=20", following ? PACE_MS : null);
  const isRunning = view.data?.items.some((job) => RUNNING.has(job.status)) ?? false;
  if (isRunning !== following && view.data) follow(isRunning);
  const pick = (id: string) => setBeside(beside.includes(id) ? beside.filter((one) => one !== id) : [...beside, id].slice(-2));
  const named = (id: string) => view.data?.items.find((job) => job.id === id);
  return (
    <>
      <Panel title="Backtests" testid="backtests" view={view} aside="over stored bars, by the rules that trade">
        {mayStart && (
          <BacktestForm
            begun={(id) => {
              follow(true);
              look(id);
            }}
          />
        )}
        <Loaded view={view} what="backtests" isEmpty={(page) => page.items.length === 0} empty="No backtest yet.">
          {(page) => (
            <Table
              caption="Backtests, newest first"
              testid="backtests-table"
              columns={columns(looked, look, beside, pick)}
              rows={page.items}
              rowKey={(job) => job.id}
              rowProps={(job) => ({ "data-testid": "backtest-row", "data-status": job.status, "data-id": job.id })}
              below={(job) => job.message && <p class="soft" data-testid="backtest-message">{job.message}</p>}
            />
          )}
        </Loaded>
      </Panel>
      {beside.length === 2 && <Comparison ids={beside as [string, string]} names={beside.map((id) => named(id)).map((job) => (job ? wordsOf(job) : NONE)) as [string, string]} close={() => setBeside([])} />}
      {looked !== null && beside.length < 2 && named(looked)?.status === "done" && <Result id={looked} close={() => look(null)} />}
    </>
  );
}

const figure = (job: Backtest, group: string, name: string): unknown => (job.figures?.[group] as Record<string, unknown> | undefined)?.[name];

const columns = (looked: string | null, look: (id: string) => void, beside: readonly string[], pick: (id: string) => void): readonly Column<Backtest>[] => [
  { head: "Begun", wide: true, cell: (job) => <WallMoment at={job.created_at} /> },
  { head: "Of", cell: (job) => <span class="wrap">{wordsOf(job)}</span> },
  { head: "Status", cell: (job) => <Progress job={job} /> },
  { head: "Return", amount: true, cell: (job) => (job.figures ? gained(figure(job, "curve", "total_return_percent") as number | null) : NONE) },
  { head: "Sharpe", amount: true, wide: true, cell: (job) => { const sharpe = figure(job, "curve", "sharpe"); return number(typeof sharpe === "number" ? sharpe : null); } },
  { head: "Trades", amount: true, wide: true, cell: (job) => (job.figures ? String(figure(job, "trades", "trades")) : NONE) },
  { head: "Ends with", amount: true, wide: true, cell: (job) => (job.figures ? money(String(job.figures.final_equity)) : NONE) },
  {
    head: "Look",
    narrow: true,
    cell: (job) =>
      job.status === "done" ? (
        <span class="actions">
          <button type="button" class="quiet" aria-pressed={looked === job.id} onClick={() => look(job.id)} aria-label={`Result of ${wordsOf(job)}`} data-testid="backtest-look">
            Result
          </button>
          <label class="check">
            <input type="checkbox" checked={beside.includes(job.id)} onChange={() => pick(job.id)} aria-label={`Compare ${wordsOf(job)}`} data-testid="backtest-compare" />
            compare
          </label>
        </span>
      ) : null,
  },
];

/** `AAPL, MSFT and 3 more, 2011-01-03 to 2012-01-03, 5Min`. */
function wordsOf({ request }: Backtest): string {
  const { symbols, start, end, timeframe, strategies, changes } = request as { symbols: string[]; start: string; end: string; timeframe?: string | null; strategies?: string[]; changes?: Record<string, unknown> };
  const named = symbols.slice(0, 3).join(", ") + (symbols.length > 3 ? ` and ${symbols.length - 3} more` : "");
  const changed = Object.entries(changes ?? {}).map(([path, value]) => `${path} = ${String(value)}`);
  return [[named, `${start} to ${end}`, ...(strategies ?? []), timeframe].filter(Boolean).join(", "), ...changed].join("; ");
}

function Progress({ job }: { job: Backtest }) {
  if (!RUNNING.has(job.status)) return <State tone={TONES[job.status] ?? "busy"}>{job.status}</State>;
  return (
    <>
      <State tone={TONES[job.status] ?? "busy"}>
        {job.status}, {job.progress_percent}%
      </State>
      <progress max={100} value={job.progress_percent} aria-label={`Progress of ${wordsOf(job)}`} />
      {job.progress_note && <span class="soft">{job.progress_note}</span>}
    </>
  );
}
