// `/monitoring`: whether everything works: services, schedule, queues, breakers, errors, alerts, cost.
import type { HealthAlert, Metrics, Page, QueueFigures, ServiceHealth } from "../api/bodies";
import { NONE } from "../format/money";
import { ageOf } from "../format/time";
import { Cost, Functions, Tables, useUsage } from "../monitoring/usage";
import { Breakers } from "../monitoring/breakers";
import { Faults } from "../monitoring/faults";
import { queuesByTrouble } from "../monitoring/load";
import { Schedule } from "../monitoring/schedule";
import { Age } from "../parts/age";
import { Figure, State, WallMoment, plain } from "../parts/figures";
import { Loaded, Panel } from "../parts/panel";
import { Table, type Column } from "../parts/table";
import { useRead, type View } from "../store/hooks";

export function Monitoring() {
  const metrics = useRead<Metrics>("/api/monitoring/metrics", 10_000);
  const usage = useUsage();
  return (
    <>
      <section class="panel strip" aria-label="Metrics" data-testid="metrics">
        <Loaded view={metrics} what="metrics" rows={1}>
          {(now) => <Counts now={now} />}
        </Loaded>
      </section>
      <Alerts />
      <div class="columns even">
        <Services />
        <Queues view={metrics} />
      </div>
      <div class="columns even">
        <Schedule view={metrics} />
        <Breakers view={metrics} />
      </div>
      <div class="columns even">
        <div class="column">
          <Functions view={usage} />
          <Tables view={usage} />
        </div>
        <Cost view={usage} />
      </div>
      <Faults />
    </>
  );
}

/** A count that should be nought. */
const Nought = ({ count }: { count: number }) => <State tone={count === 0 ? "good" : "bad"}>{count}</State>;

const Counts = ({ now }: { now: Metrics }) => (
  <dl class="figures">
    <Figure label="Alerts raised" testid="alerts-raised" value={String(now.alerts_raised)}>
      <Nought count={now.alerts_raised} />
    </Figure>
    <Figure label="Dead letters">
      <Nought count={now.dead_letters} />
    </Figure>
    <Figure label="Unknown orders">
      <Nought count={now.unknown_orders} />
    </Figure>
    <Figure label="Runs missing">
      <Nought count={now.runs_missing} />
    </Figure>
    <Figure label="Runs in all">{now.runs}</Figure>
    <Figure label="Orders in all">{now.orders}</Figure>
    <Figure label="Fills in all">{now.fills}</Figure>
    <Figure label="Events to publish">{now.outbox_depth}</Figure>
    <Figure label="Behind the broker">{now.sync_lag_seconds === null ? NONE : ageOf(Math.max(0, now.sync_lag_seconds))}</Figure>
    <Figure label="Differs from the broker">
      <State tone={Object.keys(now.drift).length === 0 ? "good" : "bad"}>{Object.keys(now.drift).length === 0 ? "no" : Object.entries(now.drift).map(([what, by]) => `${what} ${by}`).join(", ")}</State>
    </Figure>
    <Figure label="As of">
      <span class="minor">
        <Age of={now.as_of} what="counted by the health monitor" />
      </span>
    </Figure>
  </dl>
);

const ALERT_COLUMNS: readonly Column<HealthAlert>[] = [
  { head: "State", narrow: true, cell: (a) => <State tone={a.raised ? "bad" : "good"}>{a.raised ? "raised" : "cleared"}</State> },
  { head: "Alert", cell: (a) => <strong>{plain(a.name)}</strong> },
  { head: "Service", wide: true, cell: (a) => a.service },
  { head: "Since", cell: (a) => (a.since ? <WallMoment at={a.since} /> : NONE) },
  { head: "What", cell: (a) => <span class="wrap">{a.message}</span> },
];

function Alerts() {
  const view = useRead<Page<HealthAlert>>("/api/monitoring/alerts", 10_000);
  const told = (page: Page<HealthAlert>) => [...page.items].filter((alert) => alert.raised || alert.since).sort((a, b) => Number(b.raised) - Number(a.raised));
  return (
    <Panel title="Alerts" testid="alerts" flush view={view}>
      <Loaded view={view} what="alerts" isEmpty={(page) => told(page).length === 0} empty="Nothing is wrong, and nothing was.">
        {(page) => <Table caption="Alerts, the raised first" columns={ALERT_COLUMNS} rows={told(page)} rowKey={(a) => a.name} rowProps={(a) => ({ "data-testid": "alert-row", "data-raised": String(a.raised) })} />}
      </Loaded>
    </Panel>
  );
}

const COLUMNS: readonly Column<ServiceHealth>[] = [
  { head: "Service", cell: (s) => <strong>{plain(s.service)}</strong> },
  { head: "Status", cell: (s) => <State tone={s.status === "ok" ? "good" : "bad"}>{s.status}</State> },
  { head: "Answered in", amount: true, cell: (s) => `${s.latency_ms.toFixed(0)} ms` },
  { head: "Memory", amount: true, wide: true, cell: (s) => (s.memory_mb === null ? NONE : `${s.memory_mb.toFixed(0)} MB`) },
  { head: "Last work", wide: true, cell: (s) => (s.last_work_at ? <Age of={s.last_work_at} what={s.last_work ?? "last work"} /> : NONE) },
  { head: "Asked", cell: (s) => <Age of={s.checked_at} what="asked how it is" /> },
  { head: "Says", wide: true, cell: (s) => <span class="wrap soft">{s.message}</span> },
];

function Services() {
  const view = useRead<Page<ServiceHealth>>("/api/monitoring/services");
  const version = view.data?.items.find((s) => s.version)?.version;
  return (
    <Panel title="Services" flush view={view} aside={version ? `version ${version}` : null}>
      <Loaded view={view} what="services" isEmpty={(page) => page.items.length === 0} empty="No service has been asked yet: the probe asks each one at its next tick.">
        {(page) => (
          <Table caption="Services" testid="services-table" columns={COLUMNS} rows={page.items} rowKey={(s) => s.service} rowProps={(s) => ({ "data-testid": "service-row", "data-status": s.status })} />
        )}
      </Loaded>
    </Panel>
  );
}

const QUEUE_COLUMNS: readonly Column<QueueFigures>[] = [
  { head: "Queue", cell: (q) => q.queue },
  { head: "Waiting", amount: true, cell: (q) => `${q.waiting}` },
  { head: "In flight", amount: true, cell: (q) => `${q.in_flight}` },
  { head: "Dead letters", amount: true, cell: (q) => <Nought count={q.dead_letters} /> },
];

const Queues = ({ view }: { view: View<Metrics> }) => (
  <Panel title="Queues" flush view={view} testid="queues">
    <Loaded view={view} what="queues" isEmpty={(now) => now.queues.length === 0} empty="The API named no queue.">
      {(now) => (
        <>
          <Table caption="Messages of each queue: waiting, with a worker, given up" columns={QUEUE_COLUMNS} rows={queuesByTrouble(now.queues)} rowKey={(q) => q.queue} rowProps={(q) => ({ "data-testid": "queue-row", "data-queue": q.queue, "data-dead": String(q.dead_letters) })} />
          <p class="foot">
            <State tone={now.dead_letters === 0 ? "good" : "bad"}>
              {now.dead_letters} dead {now.dead_letters === 1 ? "letter" : "letters"}
            </State>{" "}
            {now.dead_letters > 0 && (
              <>
                <code>alpaquero redrive</code> shows them and sends them back.
              </>
            )}
          </p>
        </>
      )}
    </Loaded>
  </Panel>
);
