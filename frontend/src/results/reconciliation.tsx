// The books held against the broker's own statement, read anew when asked.
import { useEffect, useState } from "preact/hooks";
import type { ReconciledDay, ReconciledLine, Reconciliation as Found, SyncAccepted } from "../api/bodies";
import { NONE, money } from "../format/money";
import { Gain, WallMoment, plain } from "../parts/figures";
import { ErrorNotice, Loaded, Panel } from "../parts/panel";
import { useMay } from "../parts/role";
import { Table, type Column } from "../parts/table";
import { useRead } from "../store/hooks";
import { send, useSend } from "../store/send";
import type { Part } from "./query";

const PATH = "/api/analytics/reconciliation";
/** A statement takes the broker a few requests; before that there is nothing to ask for. */
const FIRST_LOOK_MS = 3_000;
const LOOK_EVERY_MS = 2_000;

export function Reconciliation({ part }: { part: Part }) {
  const mayAsk = useMay("trader");
  const [looking, look] = useState(false);
  const [awaited, wait] = useState<string | null>(null);
  const { busy, error, run } = useSend();
  const view = useRead<Found>(looking ? PATH : null, awaited === null ? null : LOOK_EVERY_MS);
  const running = awaited !== null && view.data?.correlation_id !== awaited;
  useEffect(() => {
    if (!running) wait(null);
  }, [running]);

  async function begin(): Promise<void> {
    const days = { ...(part.from && { from: part.from }), ...(part.to && { to: part.to }) };
    const accepted = await run(() => send<SyncAccepted>("POST", PATH, days));
    if (!accepted) return;
    wait(accepted.correlation_id);
    setTimeout(() => (look(true), view.reload()), FIRST_LOOK_MS);
  }

  return (
    <Panel title="Reconciliation" testid="reconciliation" aside="our books beside the broker's statement" view={view}>
      <div class="buttons start">
        {mayAsk && (
          <button type="button" class="quiet" disabled={busy || running} onClick={begin} data-testid="reconcile">
            {running ? "Reading the statement …" : "Reconcile the days chosen above"}
          </button>
        )}
        {!looking && !running && (
          <button type="button" class="quiet" onClick={() => look(true)}>
            Show the last one
          </button>
        )}
      </div>
      {error && <ErrorNotice error={error} what="reconciliation" />}
      {looking && (
        <Loaded view={view} what="reconciliation">
          {(found) => <Result of={found} />}
        </Loaded>
      )}
    </Panel>
  );
}

const DAYS: readonly Column<ReconciledDay>[] = [
  { head: "Day", cell: (d) => d.day },
  { head: "Kind", cell: (d) => plain(d.kind) },
  { head: "Lines, ours and theirs", amount: true, wide: true, cell: (d) => `${d.our_lines}, ${d.broker_lines}` },
  { head: "Ours", amount: true, cell: (d) => money(d.ours) },
  { head: "Broker", amount: true, cell: (d) => money(d.broker) },
  { head: "Difference", amount: true, cell: (d) => (Number(d.difference) === 0 ? NONE : <Gain amount={d.difference} />) },
];

const LINES: readonly Column<ReconciledLine>[] = [
  { head: "Day", cell: (l) => l.day },
  { head: "What", cell: (l) => plain(l.difference) },
  { head: "Kind", wide: true, cell: (l) => plain(l.kind) },
  { head: "Symbol", cell: (l) => l.symbol || NONE },
  { head: "Ours", cell: (l) => l.ours || NONE },
  { head: "Broker", cell: (l) => l.broker || NONE },
];

function Result({ of }: { of: Found }) {
  const apart = of.balances.filter((balance) => Number(balance.ours) !== Number(balance.broker));
  return (
    <div class="reconciled">
      <p class={of.agrees ? "verdict up" : "verdict down"} data-testid="reconciled" data-agrees={String(of.agrees)}>
        <span class="shape" aria-hidden="true">
          {of.agrees ? "✓" : "✕"}
        </span>
        {of.agrees ? "Agree to the cent and the share" : `${of.differences_found} lines and ${apart.length} balances differ`}
        <span class="soft">
          {" "}
          from {of.from} to {of.to}, asked <WallMoment at={of.wall_at} />
        </span>
      </p>
      {apart.map((balance) => (
        <p key={balance.name} class="down">
          {balance.name}: ours {balance.ours}, broker {balance.broker}
        </p>
      ))}
      {of.differences.length > 0 && <Table caption="Lines that differ" columns={LINES} rows={of.differences} rowKey={(l) => `${l.id} ${l.difference}`} />}
      {of.days.length > 0 && (
        <div class="tall-table">
          <Table caption="Sums by day" columns={DAYS} rows={[...of.days].reverse()} rowKey={(d) => `${d.day} ${d.kind}`} />
        </div>
      )}
    </div>
  );
}
