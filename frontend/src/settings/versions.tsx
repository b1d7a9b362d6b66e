// The versions of the settings: what each changed and why, the difference of any two, and the way back.
import { useState } from "preact/hooks";
import type { Configuration, ConfigurationChange, ConfigurationDiff, Page } from "../api/bodies";
import { Confirm } from "../parts/dialog";
import { Loaded, Panel } from "../parts/panel";
import { useMay } from "../parts/role";
import { Table, type Column } from "../parts/table";
import { toast } from "../parts/toast";
import { WallMoment } from "../parts/figures";
import { useConfig } from "../panels/config";
import { useRead } from "../store/hooks";
import { send } from "../store/send";
import { usePages } from "../parts/pager";
import { asText } from "./words";

const PAGE = 12;

export function Versions() {
  const now = useConfig().data;
  const mayChange = useMay("admin");
  const { path, pager } = usePages(`/api/config/history?limit=${PAGE}`);
  const view = useRead<Page<ConfigurationChange>>(path);
  const [pair, setPair] = useState<{ from: number; to: number } | null>(null);
  const [back, setBack] = useState<number | null>(null);
  return (
    <Panel title="Versions" testid="versions" flush view={view}>
      <Loaded view={view} what="versions" isEmpty={(page) => page.items.length === 0} empty="The settings were never changed: they are those of the code.">
        {(page) => (
          <>
            <Table
              caption="Versions of the settings, newest first"
              columns={columns(now?.version ?? 0, mayChange, setPair, setBack)}
              rows={page.items}
              rowKey={(v) => String(v.version)}
              rowProps={(v) => ({ "data-testid": "version-row", "data-version": String(v.version) })}
            />
            {pager(page)}
          </>
        )}
      </Loaded>
      {pair && <Difference pair={pair} set={setPair} newest={now?.version ?? pair.to} />}
      {back !== null && now && <RollBack to={back} now={now} close={() => setBack(null)} />}
    </Panel>
  );
}

const MOST_NAMED = 3;

function changedWords({ changed, rolled_back_to }: ConfigurationChange): string {
  const named = changed.slice(0, MOST_NAMED).join(", ") + (changed.length > MOST_NAMED ? ` and ${changed.length - MOST_NAMED} more` : "");
  return rolled_back_to === null ? named || "nothing" : `back to ${rolled_back_to}: ${named}`;
}

const columns = (now: number, mayChange: boolean, compare: (pair: { from: number; to: number }) => void, roll: (to: number) => void): readonly Column<ConfigurationChange>[] => [
  { head: "Version", amount: true, narrow: true, cell: (v) => <strong>{v.version}</strong> },
  {
    head: "Saved",
    wide: true,
    cell: (v) => (
      <>
        <WallMoment at={v.changed_at} />
        <br />
        <span class="soft">{v.author}</span>
      </>
    ),
  },
  {
    head: "Reason",
    cell: (v) => (
      <span class="wrap">
        {v.reason}
        <span class="on-phone soft">
          <WallMoment at={v.changed_at} />
        </span>
      </span>
    ),
  },
  { head: "Changed", wide: true, cell: (v) => <span class="wrap soft">{changedWords(v)}</span> },
  {
    head: "Look",
    narrow: true,
    cell: (v) => (
      <span class="actions">
        <button type="button" class="quiet" onClick={() => compare({ from: Math.max(v.version - 1, 0), to: v.version })} aria-label={`Diff of version ${v.version} and the one before`} data-testid="version-diff">
          Diff
        </button>
        {mayChange && v.version < now && (
          <button type="button" class="quiet" onClick={() => roll(v.version)} aria-label={`Roll back to version ${v.version}`} data-testid="version-roll-back">
            Roll back
          </button>
        )}
      </span>
    ),
  },
];

type Change = ConfigurationDiff["changes"][number];

const DIFF: readonly Column<Change>[] = [
  { head: "Setting", cell: (c) => <code>{c.setting}</code> },
  { head: "Before", cell: (c) => <span class="wrap down">{asText(c.before)}</span> },
  { head: "After", cell: (c) => <span class="wrap up">{asText(c.after)}</span> },
];

function Difference({ pair, set, newest }: { pair: { from: number; to: number }; set: (pair: { from: number; to: number } | null) => void; newest: number }) {
  const view = useRead<ConfigurationDiff>(`/api/config/diff?from=${pair.from}&to=${pair.to}`);
  const numbers = Array.from({ length: newest + 1 }, (_, version) => newest - version);
  const picker = (name: "from" | "to", label: string) => (
    <label>
      {label}{" "}
      <select value={String(pair[name])} onChange={(event) => set({ ...pair, [name]: Number(event.currentTarget.value) })} data-testid={`diff-${name}`}>
        {numbers.map((version) => (
          <option key={version} value={String(version)}>
            {version === 0 ? "0, of the code" : version}
          </option>
        ))}
      </select>
    </label>
  );
  return (
    <section class="diff" aria-label="Difference of two versions" data-testid="diff">
      <div class="filters">
        {picker("from", "From version")}
        {picker("to", "to version")}
        <button type="button" class="quiet" onClick={() => set(null)}>
          Close
        </button>
      </div>
      <Loaded view={view} what="difference" isEmpty={(diff) => diff.changes.length === 0} empty="These two versions are the same.">
        {(diff) => <Table caption={`What differs between version ${diff.from_version} and ${diff.to_version}`} columns={DIFF} rows={diff.changes} rowKey={(c) => c.setting} rowProps={(c) => ({ "data-testid": "diff-row", "data-setting": c.setting })} />}
      </Loaded>
    </section>
  );
}

function RollBack({ to, now, close }: { to: number; now: Configuration; close: () => void }) {
  const view = useRead<ConfigurationDiff>(`/api/config/diff?from=${now.version}&to=${to}`);
  async function roll(reason: string): Promise<void> {
    const saved = await send<Configuration>("POST", "/api/config/roll-back", { to, reason }, { ifMatch: `"${now.version}"`, touches: ["/api/config"] });
    toast("good", `The settings of version ${to} are back, as version ${saved.version}`);
  }
  return (
    <Confirm title={`Roll back to version ${to}?`} text={<p>A new version is saved whose settings are those of version {to}.</p>} confirm="Roll back" tone="bad" reason onConfirm={roll} onClose={close}>
      <Loaded view={view} what="difference" isEmpty={(diff) => diff.changes.length === 0} empty="Nothing would change.">
        {(diff) => <Table caption="What would change" columns={DIFF} rows={diff.changes} rowKey={(c) => c.setting} />}
      </Loaded>
    </Confirm>
  );
}
