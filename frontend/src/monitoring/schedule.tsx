// What the clock starts, when each last did its work, and the newest runs.
import type { Metrics, Page, Run } from "../api/bodies";
import { NONE } from "../format/money";
import { NextRun } from "../panels/market";
import { Age } from "../parts/age";
import { Figure, Moment, State, plain } from "../parts/figures";
import { Loaded, Panel } from "../parts/panel";
import { Table, type Column } from "../parts/table";
import { useRead, type View } from "../store/hooks";

const COLUMNS: readonly Column<Run>[] = [
  { head: "Bar closed", cell: (r) => <Moment at={r.bar_close} /> },
  { head: "Bars", cell: (r) => r.timeframe },
  { head: "State", cell: (r) => <State tone={r.state === "concluded" ? "good" : "busy"}>{r.late ? `${plain(r.state)}, late` : plain(r.state)}</State> },
  { head: "Shards", amount: true, wide: true, cell: (r) => `${r.reported} of ${r.shards}` },
  { head: "Symbols", amount: true, wide: true, cell: (r) => r.symbols },
  { head: "Raised", amount: true, cell: (r) => r.raised },
  { head: "Withheld", amount: true, wide: true, cell: (r) => r.withheld },
  { head: "Missed before", amount: true, wide: true, cell: (r) => (r.missed === 0 ? "0" : <State tone="bad">{r.missed}</State>) },
];

export function Schedule({ view }: { view: View<Metrics> }) {
  const runs = useRead<Page<Run>>("/api/runs?limit=8");
  return (
    <Panel title="Schedule and last runs" testid="schedule" flush view={runs}>
      <Loaded view={view} what="schedule" rows={1}>
        {(now) => (
          <dl class="figures tight">
            {(
              [
                ["run", now.last_run_at],
                ["sync", now.last_sync_at],
                ["risk monitor", now.last_monitor_at],
              ] as const
            ).map(([name, at]) => (
              <Figure key={name} label={`Last ${name}`}>
                {at ? <Age of={at} what={`last ${name}`} /> : NONE}
              </Figure>
            ))}
          </dl>
        )}
      </Loaded>
      <Loaded
        view={runs}
        what="runs"
        isEmpty={(page) => page.items.length === 0}
        empty={
          <>
            No run yet: each closed bar has one.
            <NextRun />
          </>
        }
      >
        {(page) => <Table caption="The newest runs" columns={COLUMNS} rows={page.items} rowKey={(r) => r.id} rowProps={(r) => ({ "data-testid": "run-row", "data-state": r.state })} />}
      </Loaded>
    </Panel>
  );
}
