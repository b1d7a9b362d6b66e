// The circuit breakers of the broker's APIs, and request budgets that run low.
import type { BreakerState, Metrics, RequestBudget } from "../api/bodies";
import { NONE } from "../format/money";
import { State, WallMoment, type Tone } from "../parts/figures";
import { Loaded, Panel } from "../parts/panel";
import { Table, type Column } from "../parts/table";
import type { View } from "../store/hooks";

const TONES: Readonly<Record<string, Tone>> = { closed: "good", half_open: "busy", open: "bad" };

const COLUMNS: readonly Column<BreakerState>[] = [
  { head: "API of the broker", cell: (b) => <strong>{b.scope}</strong> },
  { head: "Breaker", cell: (b) => <State tone={TONES[b.state] ?? "busy"}>{b.state === "closed" ? "closed: calls pass" : b.state === "open" ? "open: calls are spared" : b.state}</State> },
  { head: "Failures", amount: true, wide: true, cell: (b) => b.failures },
  { head: "Tried again", wide: true, cell: (b) => (b.tries_again_at ? <WallMoment at={b.tries_again_at} /> : NONE) },
];

const BUDGETS: readonly Column<RequestBudget>[] = [
  { head: "Key", cell: (b) => b.scope },
  { head: "Left", amount: true, cell: (b) => `${b.remaining} of ${b.limit} requests` },
  { head: "Full again", cell: (b) => <WallMoment at={b.resets_at} /> },
];

export const Breakers = ({ view }: { view: View<Metrics> }) => (
  <Panel title="Broker" testid="breakers" flush view={view}>
    <Loaded view={view} what="breakers" isEmpty={(now) => now.breakers === null} empty={view.data?.missing.breakers ?? "Nobody knows the breakers' state."}>
      {(now) => (
        <>
          <Table caption="Circuit breakers" columns={COLUMNS} rows={now.breakers ?? []} rowKey={(b) => b.scope} rowProps={(b) => ({ "data-testid": "breaker-row", "data-state": b.state })} />
          {now.request_budgets.length > 0 ? (
            <Table caption="Request budgets" columns={BUDGETS} rows={now.request_budgets} rowKey={(b) => b.scope} />
          ) : (
            <p class="foot soft">Request budgets: {now.missing.request_budgets ?? "none runs low"}.</p>
          )}
        </>
      )}
    </Loaded>
  </Panel>
);
