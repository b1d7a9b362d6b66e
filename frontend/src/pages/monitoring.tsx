// `/monitoring`: whether every service answers, and what waits or failed.
import type { HealthAlert, Metrics, Page, ServiceHealth } from "../api/bodies";
import { NONE } from "../format/money";
import { Figure, State, WallMoment } from "../parts/figures";
import { Loaded, Panel } from "../parts/panel";
import { Table, type Column } from "../parts/table";
import { useRead, type View } from "../store/hooks";

export function Monitoring() {
  const metrics = useRead<Metrics>("/api/monitoring/metrics");
  return (
    <>
      <section class="panel strip" aria-label="Metrics">
        <Loaded view={metrics} what="metrics" rows={1}>
          {(now) => <Counts now={now} />}
        </Loaded>
      </section>
      <Alerts />
      <div class="columns even">
        <Services />
        <Queues view={metrics} />
      </div>
    </>
  );
}

const Worked = ({ at }: { at: string | null }) => (at ? <WallMoment at={at} /> : <>{NONE}</>);

/** A count that should be nought. */
const Nought = ({ count }: { count: number }) => <State tone={count === 0 ? "good" : "bad"}>{count}</State>;

const Counts = ({ now }: { now: Metrics }) => (
  <dl class="figures">
    <Figure label="Runs">{now.runs}</Figure>
    <Figure label="Orders">{now.orders}</Figure>
    <Figure label="Fills">{now.fills}</Figure>
    <Figure label="Unknown orders">
      <Nought count={now.unknown_orders} />
    </Figure>
    <Figure label="Dead letters">
      <Nought count={now.dead_letters} />
    </Figure>
    <Figure label="Alerts">
      <Nought count={now.alerts_raised} />
    </Figure>
    <Figure label="Runs missing">
      <Nought count={now.runs_missing} />
    </Figure>
    <Figure label="Events to publish">{now.outbox_depth}</Figure>
    <Figure label="Last run">
      <Worked at={now.last_run_at} />
    </Figure>
    <Figure label="Last sync">
      <Worked at={now.last_sync_at} />
    </Figure>
  </dl>
);

const ALERT_COLUMNS: readonly Column<HealthAlert>[] = [
  { head: "Alert", cell: (a) => <strong>{a.name}</strong> },
  { head: "Since", cell: (a) => <Worked at={a.since} /> },
  { head: "What", wide: true, cell: (a) => <span class="wrap">{a.message}</span> },
];

function Alerts() {
  const view = useRead<Page<HealthAlert>>("/api/monitoring/alerts");
  const raised = (page: Page<HealthAlert>) => page.items.filter((a) => a.raised);
  return (
    <Panel title="Alerts" flush>
      <Loaded view={view} what="alerts" isEmpty={(page) => raised(page).length === 0} empty="Nothing is wrong.">
        {(page) => <Table caption="Alerts" columns={ALERT_COLUMNS} rows={raised(page)} rowKey={(a) => a.name} />}
      </Loaded>
    </Panel>
  );
}

const COLUMNS: readonly Column<ServiceHealth>[] = [
  { head: "Service", cell: (s) => <strong>{s.service}</strong> },
  { head: "Status", cell: (s) => <State tone={s.status === "ok" ? "good" : "bad"}>{s.status}</State> },
  { head: "Answered in", amount: true, cell: (s) => `${s.latency_ms.toFixed(0)} ms` },
  { head: "Asked", cell: (s) => <WallMoment at={s.checked_at} /> },
  { head: "Says", wide: true, cell: (s) => <span class="wrap soft">{s.message}</span> },
];

function Services() {
  const view = useRead<Page<ServiceHealth>>("/api/monitoring/services");
  return (
    <Panel title="Services" flush>
      <Loaded
        view={view}
        what="services"
        isEmpty={(page) => page.items.length === 0}
        empty="No service has been asked yet: the probe asks each one at its next tick."
      >
        {(page) => (
          <Table
            caption="Services"
            testid="services-table"
            columns={COLUMNS}
            rows={page.items}
            rowKey={(s) => s.service}
            rowProps={(s) => ({ "data-testid": "service-row", "data-status": s.status })}
          />
        )}
      </Loaded>
    </Panel>
  );
}

type Depth = readonly [queue: string, waiting: number];

const QUEUE_COLUMNS: readonly Column<Depth>[] = [
  { head: "Queue", cell: ([queue]) => queue },
  { head: "Waiting", amount: true, cell: ([, waiting]) => waiting },
];

const Queues = ({ view }: { view: View<Metrics> }) => (
  <Panel title="Queues" flush>
    <Loaded view={view} what="queues" isEmpty={(now) => Object.keys(now.queue_depths).length === 0} empty="The API named no queue.">
      {(now) => (
        <Table caption="Messages waiting" columns={QUEUE_COLUMNS} rows={Object.entries(now.queue_depths) as Depth[]} rowKey={([queue]) => queue} />
      )}
    </Loaded>
  </Panel>
);
