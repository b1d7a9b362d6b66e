// Who is told of what, and how: the channels of the one who is signed in, and what became of messages.
import { useState } from "preact/hooks";
import type { TargetedSubmitEvent } from "preact";
import type { NotificationChannel, NotificationDelivery, NotificationSettings, Page } from "../api/bodies";
import { State, WallMoment, plain, type Tone } from "../parts/figures";
import { Buttons, Field } from "../parts/form";
import { usePages } from "../parts/pager";
import { ErrorNotice, Loaded, Panel } from "../parts/panel";
import { useMay } from "../parts/role";
import { Table, type Column } from "../parts/table";
import { toast } from "../parts/toast";
import { useDraft } from "../store/draft";
import { useRead } from "../store/hooks";
import { send, useSend } from "../store/send";
import { Choice } from "./strategies";

const PATH = "/api/notifications/settings";
const NEW: NotificationChannel = { name: "", kind: "email", address: "", format: "json", severity: "info", categories: [], digest: "none", most_per_hour: 60 };

type Wanted = Pick<NotificationSettings, "version" | "channels" | "time_zone" | "quiet_from" | "quiet_until" | "digest_at">;

export function Notifications() {
  const view = useRead<NotificationSettings>(PATH);
  return (
    <Panel title="Notifications" testid="notifications" view={view} aside={view.data?.owner_is_mailed ? "the owner gets everything by e-mail" : null}>
      <Loaded view={view} what="notification settings">
        {(now) => <Form now={now} />}
      </Loaded>
    </Panel>
  );
}

function Form({ now }: { now: NotificationSettings }) {
  const mayChange = useMay("trader");
  const before: Wanted = { version: now.version, channels: now.channels, time_zone: now.time_zone, quiet_from: now.quiet_from, quiet_until: now.quiet_until, digest_at: now.digest_at };
  const [draft, setDraft, clear] = useDraft<Wanted | null>("notifications", null);
  const { busy, error, run, forget } = useSend();
  const wanted = draft ?? before;
  const outdated = draft !== null && draft.version !== now.version;

  const set = (changes: Partial<Wanted>): void => {
    forget();
    setDraft({ ...wanted, ...changes });
  };
  const setChannel = (index: number, changes: Partial<NotificationChannel>) => set({ channels: wanted.channels.map((channel, n) => (n === index ? { ...channel, ...changes } : channel)) });

  async function submit(event: TargetedSubmitEvent<HTMLFormElement>): Promise<void> {
    event.preventDefault();
    const saved = await run(() => send<NotificationSettings>("PUT", PATH, wanted, { touches: ["/api/notifications"] }));
    if (!saved) return;
    clear();
    toast("good", "Your notification settings are kept");
  }

  const faultAt = (field: string): string | undefined => (error?.field === field ? error.message : undefined);
  const shown = new Set(["time_zone", "quiet_until", ...wanted.channels.flatMap((_, n) => ["name", "address"].map((name) => `channels[${n}].${name}`))]);
  return (
    <form class="form" onSubmit={submit} noValidate autocomplete="off">
      {wanted.channels.length === 0 && <p class="empty">You have no channel.{now.owner_is_mailed && " As long as no channel names the owner's address, everything is mailed there."}</p>}
      <fieldset class="bare" disabled={!mayChange}>
        <legend class="unseen">Channels</legend>
        {wanted.channels.map((channel, index) => (
          <ChannelFields
            key={index}
            channel={channel}
            user={now.user}
            categories={now.categories}
            saved={draft === null}
            nameFault={faultAt(`channels[${index}].name`)}
            addressFault={faultAt(`channels[${index}].address`)}
            set={(changes) => setChannel(index, changes)}
            remove={() => set({ channels: wanted.channels.filter((_, n) => n !== index) })}
          />
        ))}
        {mayChange && (
          <div class="buttons start">
            <button type="button" class="quiet" onClick={() => set({ channels: [...wanted.channels, NEW] })} data-testid="channel-add">
              Add a channel
            </button>
          </div>
        )}
        <div class="pair four">
          <Clock label="Quiet from" value={wanted.quiet_from} set={(quiet_from) => set({ quiet_from })} hint="Only what is critical is sent; the rest waits." />
          <Clock label="Quiet until" value={wanted.quiet_until} set={(quiet_until) => set({ quiet_until })} error={faultAt("quiet_until")} />
          <Clock label="Daily digest at" value={wanted.digest_at} set={(digest_at) => set({ digest_at: digest_at ?? "18:00" })} />
          <Field label="Time zone of these" error={faultAt("time_zone")}>
            {(props) => <input {...props} list="time-zones" value={wanted.time_zone} onInput={(event) => set({ time_zone: event.currentTarget.value })} />}
          </Field>
        </div>
      </fieldset>
      {outdated && (
        <p class="notice warn" role="alert">
          These settings were saved elsewhere as version {now.version} ({now.channels.length} channels) while you typed.{" "}
          <button type="button" class="quiet" onClick={() => set({ version: now.version })}>
            Go on with mine
          </button>{" "}
          <button type="button" class="quiet" onClick={clear}>
            Take theirs
          </button>
        </p>
      )}
      {error && !(error.field && shown.has(error.field)) && <ErrorNotice error={error} what="notification settings" />}
      {mayChange && draft !== null && (
        <Buttons>
          <button type="button" class="quiet" onClick={() => (clear(), forget())}>
            Discard
          </button>
          <button type="submit" class="chief-button" disabled={busy || outdated} data-testid="notifications-save">
            Save
          </button>
        </Buttons>
      )}
    </form>
  );
}

const Clock = ({ label, value, set, hint, error }: { label: string; value: string | null; set: (value: string | null) => void; hint?: string; error?: string | undefined }) => (
  <Field label={label} hint={hint} error={error}>
    {(props) => <input {...props} type="time" value={value ?? ""} onInput={(event) => set(event.currentTarget.value || null)} />}
  </Field>
);

interface ChannelProps {
  channel: NotificationChannel;
  user: string;
  categories: Readonly<NotificationChannel["categories"]>;
  saved: boolean;
  nameFault: string | undefined;
  addressFault: string | undefined;
  set: (changes: Partial<NotificationChannel>) => void;
  remove: () => void;
}

const ADDRESS = { email: "E-mail address", sms: "Phone number", webhook: "Name of the webhook's secret" } as const;

function ChannelFields({ channel, user, categories, saved, nameFault, addressFault, set, remove }: ChannelProps) {
  return (
    <section class="channel" aria-label={`Channel ${channel.name || "without a name"}`} data-testid="channel">
      <div class="pair four">
        <Field label="Name" error={nameFault} hint="such as my-phone">
          {(props) => <input {...props} value={channel.name} onInput={(event) => set({ name: event.currentTarget.value })} data-testid="channel-name" />}
        </Field>
        <Choice label="By" value={channel.kind} options={["email", "sms", "webhook"]} set={(kind) => set({ kind: kind as NotificationChannel["kind"], ...(kind !== "webhook" && { format: "json" }) })} testid="channel-kind" />
        <Field label={ADDRESS[channel.kind]} error={addressFault} hint={channel.kind === "sms" ? "such as +15551234567" : channel.kind === "webhook" ? "under alpaquero/webhooks/" : undefined}>
          {(props) => <input {...props} value={channel.address} onInput={(event) => set({ address: event.currentTarget.value })} data-testid="channel-address" />}
        </Field>
        {channel.kind === "webhook" && <Choice label="Format" value={channel.format} options={["json", "slack", "discord", "telegram"]} set={(format) => set({ format: format as NotificationChannel["format"] })} />}
        <Choice label="From severity" value={channel.severity} options={["info", "warning", "critical"]} set={(severity) => set({ severity: severity as NotificationChannel["severity"] })} testid="channel-severity" />
        <Choice label="Digest" value={channel.digest} options={["none", "hourly", "daily"]} set={(digest) => set({ digest: digest as NotificationChannel["digest"] })} hint="Critical ones are never held." />
        <Field label="At most" unit="an hour">
          {(props) => <input {...props} inputMode="numeric" value={String(channel.most_per_hour)} onInput={(event) => set({ most_per_hour: Number(event.currentTarget.value.replace(/\D/g, "")) || 1 })} />}
        </Field>
      </div>
      <div class="chips" role="group" aria-label="Categories, all when none is chosen">
        {categories.map((category) => (
          <label key={category} class="check">
            <input type="checkbox" checked={channel.categories.includes(category)} onChange={(event) => set({ categories: event.currentTarget.checked ? [...channel.categories, category] : channel.categories.filter((one) => one !== category) })} />
            {category}
          </label>
        ))}
        {channel.categories.length === 0 && <span class="soft">none chosen: all are told</span>}
      </div>
      <div class="buttons start">
        <TestMessage user={user} channel={channel.name} saved={saved} />
        <button type="button" class="quiet" onClick={remove} data-testid="channel-remove">
          Remove
        </button>
      </div>
    </section>
  );
}

function TestMessage({ user, channel, saved }: { user: string; channel: string; saved: boolean }) {
  const { busy, error, run } = useSend();
  async function test(): Promise<void> {
    const sent = await run(() => send<{ id: string }>("POST", "/api/notifications/send", { subject: "A test of this channel", text: "Sent from the dashboard.", severity: "info", user, channel }, { touches: ["/api/notifications/log"] }));
    if (sent) toast("plain", "The test is on its way; the log tells what became of it");
  }
  return (
    <>
      <button type="button" class="quiet" disabled={busy || !saved} title={saved ? undefined : "Save the channel first"} onClick={test} data-testid="channel-test">
        Send a test
      </button>
      {error && <ErrorNotice error={error} what="test" />}
    </>
  );
}

const TONES: Readonly<Record<string, Tone>> = { sent: "good", sending: "busy", held: "busy", repeated: "quiet", failed: "bad", given_up: "bad" };
const STATES = ["", "sending", "sent", "failed", "given_up", "held", "repeated"];

const COLUMNS: readonly Column<NotificationDelivery>[] = [
  { head: "Sent", cell: (d) => <WallMoment at={d.changed_at} /> },
  { head: "To", wide: true, cell: (d) => d.user },
  { head: "Over", wide: true, cell: (d) => d.channel },
  { head: "Subject", cell: (d) => <span class="wrap">{d.subject}</span> },
  { head: "Severity", wide: true, cell: (d) => d.severity },
  { head: "State", cell: (d) => <State tone={TONES[d.state] ?? "busy"}>{plain(d.state)}</State> },
  { head: "Tries", amount: true, wide: true, cell: (d) => d.attempts },
  { head: "Outcome", wide: true, cell: (d) => <span class="wrap soft">{d.outcome}</span> },
];

export function DeliveryLog() {
  const [state, setState] = useState("");
  const { path, pager } = usePages(`/api/notifications/log?limit=20${state && `&state=${state}`}`);
  const view = useRead<Page<NotificationDelivery>>(path);
  return (
    <Panel title="Delivery log" testid="delivery-log" flush view={view}>
      <div class="filters">
        <label>
          State{" "}
          <select value={state} onChange={(event) => setState(event.currentTarget.value)}>
            {STATES.map((one) => (
              <option key={one} value={one}>
                {one === "" ? "all" : plain(one)}
              </option>
            ))}
          </select>
        </label>
      </div>
      <Loaded view={view} what="deliveries" isEmpty={(page) => page.items.length === 0} empty={state ? "No delivery in that state." : "Nobody was told of anything yet."}>
        {(page) => (
          <>
            <Table caption="Deliveries, newest first" columns={COLUMNS} rows={page.items} rowKey={(d) => `${d.event_id} ${d.user} ${d.channel}`} rowProps={(d) => ({ "data-testid": "delivery-row", "data-state": d.state })} />
            {pager(page)}
          </>
        )}
      </Loaded>
    </Panel>
  );
}
